"""The moderators' door."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path
from django.views.i18n import set_language

from moderation.console import views

console = [
    path("", views.queue, name="queue"),
    path("news/", views.news, name="news"),
    path("next/", views.take_next, name="next"),
    path("cases/<uuid:case_id>/", views.case, name="case"),
    path("cases/<uuid:case_id>/claim/", views.claim, name="claim"),
    path("cases/<uuid:case_id>/release/", views.release, name="release"),
    path("cases/<uuid:case_id>/heartbeat/", views.heartbeat, name="heartbeat"),
    path("cases/<uuid:case_id>/decide/", views.decide, name="decide"),
    path("cases/<uuid:case_id>/undo/", views.undo, name="undo"),
    path("cases/<uuid:case_id>/rollback/", views.roll_back, name="rollback"),
    path("orders/<uuid:order_id>/replay/", views.replay, name="replay"),
    path("appeals/", views.appeals, name="appeals"),
    path("appeals/<uuid:appeal_id>/inadmissible/", views.inadmissible, name="inadmissible"),
]
urlpatterns = [
    path("", views.home, name="home"),
    path("login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("login/link/<str:token>/", views.login_link, name="login_link"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("language/", set_language, name="set_language"),
    path("console/", include((console, "console"))),
]
