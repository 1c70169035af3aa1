from django.urls import path

from moderation.demo import views

app_name = "forum"
urlpatterns = [
    path("", views.posts, name="posts"),
    path("new/", views.write, name="write"),
    path("posts/<slug:content_id>/", views.post, name="post"),
    path("posts/<slug:content_id>/report/", views.report, name="report"),
    path("posts/<slug:content_id>/appeal/", views.appeal, name="appeal"),
    path("orders/", views.orders, name="orders"),
    path("webhooks/", views.webhooks, name="webhooks"),
]
