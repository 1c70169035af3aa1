from django.urls import path

from moderation.api import views

app_name = "api"
urlpatterns = [
    path("cases/", views.Cases.as_view(), name="cases"),
    path("cases/<uuid:case_id>/", views.OneCase.as_view(), name="case"),
    path("cases/<uuid:case_id>/events/", views.CaseEvents.as_view(), name="case-events"),
    path("cases/<uuid:case_id>/resume/", views.Resume.as_view(), name="case-resume"),
    path("cases/<uuid:case_id>/rollback/", views.Rollback.as_view(), name="case-rollback"),
]
