from django.urls import path

from moderation.public import views

urlpatterns = [path("appeals/<str:token>/", views.appeal_status, name="appeal-status")]
