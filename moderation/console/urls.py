"""The moderators' door."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import include, path
from django.views.i18n import set_language

from moderation.console import entrance
from moderation.console.appeals import views as appeals
from moderation.console.case import views as case
from moderation.console.queue import views as queue

console = [
    path("", queue.queue, name="queue"),
    path("news/", queue.news, name="news"),
    path("next/", queue.take_next, name="next"),
    path("cases/<uuid:case_id>/", case.case, name="case"),
    path("cases/<uuid:case_id>/claim/", case.claim, name="claim"),
    path("cases/<uuid:case_id>/release/", case.release, name="release"),
    path("cases/<uuid:case_id>/heartbeat/", case.heartbeat, name="heartbeat"),
    path("cases/<uuid:case_id>/decide/", case.decide, name="decide"),
    path("cases/<uuid:case_id>/undo/", case.undo, name="undo"),
    path("cases/<uuid:case_id>/rollback/", case.roll_back, name="rollback"),
    path("orders/<uuid:order_id>/replay/", case.replay, name="replay"),
    path("appeals/", appeals.appeals, name="appeals"),
    path("appeals/<uuid:appeal_id>/inadmissible/", case.inadmissible, name="inadmissible"),
]
urlpatterns = [
    path("", entrance.home, name="home"),
    path("login/", entrance.LogIn.as_view(), name="login"),
    path("admin/login/", entrance.LogIn.as_view(next_page="admin:index")),  # before the admin's own
    path("login/link/<str:token>/", entrance.login_link, name="login_link"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("logout/everywhere/", entrance.log_out_everywhere, name="log_out_everywhere"),
    path("session/", entrance.session, name="session"),
    path("set-password/<str:token>/", entrance.set_password, name="set_password"),
    path("language/", set_language, name="set_language"),
    path("console/", include((console, "console"))),
]
