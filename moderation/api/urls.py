from django.urls import path

from moderation.api import appeals, cases, catching_up, policies

app_name = "api"
urlpatterns = [
    path("cases/", cases.Cases.as_view(), name="cases"),
    path("cases/batch/", cases.CaseBatch.as_view(), name="case-batch"),
    path("cases/<uuid:case_id>/", cases.OneCase.as_view(), name="case"),
    path("cases/<uuid:case_id>/events/", cases.CaseEvents.as_view(), name="case-events"),
    path("cases/<uuid:case_id>/decision-schema/", cases.DecisionSchema.as_view(), name="case-decision-schema"),
    path("cases/<uuid:case_id>/statement/", cases.Statement.as_view(), name="case-statement"),
    path("cases/<uuid:case_id>/resume/", cases.Resume.as_view(), name="case-resume"),
    path("cases/<uuid:case_id>/rollback/", cases.Rollback.as_view(), name="case-rollback"),
    path("cases/<uuid:case_id>/withdraw/", cases.Withdraw.as_view(), name="case-withdraw"),
    path("cases/<uuid:case_id>/appeals/", appeals.CaseAppeals.as_view(), name="case-appeals"),
    path("appeals/", appeals.Appeals.as_view(), name="appeals"),
    path("appeals/<uuid:appeal_id>/", appeals.OneAppeal.as_view(), name="appeal"),
    path("policies/", policies.Policies.as_view(), name="policies"),
    path("orders/", catching_up.Orders.as_view(), name="orders"),
    path("orders/<uuid:order_id>/confirm/", catching_up.Confirm.as_view(), name="order-confirm"),
    path("effects/", catching_up.Effects.as_view(), name="effects"),
    path("events/", catching_up.Feed.as_view(), name="events"),
]
