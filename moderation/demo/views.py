"""The forum's pages and its webhook endpoint. Everything it knows of Guardian comes over HTTP."""

from __future__ import annotations

import uuid
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from moderation.demo.catch_up import catch_up
from moderation.demo.client import Appeal, Case, Guardian, GuardianError
from moderation.demo.forms import LANGUAGES, AppealForm, PostForm, ReportForm
from moderation.demo.models import Author, Post, Receipt, Verdict
from moderation.demo.notices import NOTICES, OPEN, keep_appeal, take_note
from moderation.demo.orders import ALREADY, APPLIED, ORDERS, Malformed, Order, obey
from moderation.demo.webhooks import NotGenuine, verified

POSTS_ON_A_PAGE = 25
WHO = "forum_name"
"""Where the session keeps the name last used here: the forum has no accounts."""
WHY_NOT = {
    "not_a_party": gettext_lazy(
        "Only whoever wrote this post can appeal what was decided against it, and whoever reported it. "
        "Please give the name you wrote or reported under."
    ),
    "already_appealed": gettext_lazy("You have appealed this decision already. Its answer will appear here."),
    "window_closed": gettext_lazy("The time in which this decision could be appealed is over."),
    "final": gettext_lazy("This decision is final: it answered an appeal already, or the post is gone."),
    "illegal_move": gettext_lazy("The decision is only just being made or carried out. Try again in a moment."),
}
"""Why Guardian does not take an appeal, in the words of this forum."""


@cache
def _client_of(api_url: str, api_key: str) -> Guardian:
    return Guardian(api_url, api_key)


def guardian() -> Guardian:
    """This process's client, with the key the settings name now."""
    return _client_of(settings.FORUM_API_URL, settings.FORUM_API_KEY)


@require_safe
def posts(request: HttpRequest) -> HttpResponse:
    """All posts, the newest first."""
    page = Paginator(Post.objects.select_related("author"), POSTS_ON_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "demo/posts.html", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
def write(request: HttpRequest) -> HttpResponse:
    """Write a post: it is published at once, and Guardian is asked to look at it."""
    form = PostForm(request.POST or None, initial={"name": request.session.get(WHO)})
    if request.method != "POST" or not form.is_valid():
        return render(request, "demo/write.html", {"form": form}, status=422 if request.method == "POST" else 200)
    author, _new = Author.objects.get_or_create(name=form.cleaned_data["name"])
    why_not = _why_not(author)
    if why_not:
        form.add_error(None, why_not)
        return render(request, "demo/write.html", {"form": form}, status=403)
    request.session[WHO] = author.name
    written = Post.objects.create(author=author, text=form.cleaned_data["text"], language=form.cleaned_data["language"])
    try:
        case = guardian().start(
            content_id=written.content_id,
            author_id=author.name,
            text=written.text,
            language=written.language,
            url=request.build_absolute_uri(reverse("forum:post", kwargs={"content_id": written.content_id})),
            key=f"start-{written.content_id}",
        )
    except GuardianError as error:
        messages.warning(request, _("Your post is online, but nobody could be asked to check it: %s") % error.detail)
    else:
        Post.objects.filter(pk=written.pk).update(case_id=case.id)
        messages.success(request, _("Your post is online. Guardian is looking at it."))
    return redirect("forum:post", content_id=written.content_id)


@require_safe
def post(request: HttpRequest, content_id: str) -> HttpResponse:
    """One post, how its case stands, and what was ordered about it."""
    shown = get_object_or_404(Post.objects.select_related("author"), content_id=content_id)
    return _post_page(request, shown)


@require_POST
def report(request: HttpRequest, content_id: str) -> HttpResponse:
    """Complain about a post."""
    reported = get_object_or_404(Post.objects.select_related("author"), content_id=content_id)
    form = ReportForm(request.POST)
    if not form.is_valid():
        return _post_page(request, reported, report=form, status=422)
    request.session[WHO] = form.cleaned_data["reporter"]
    try:
        case = guardian().report(
            content_id=reported.content_id,
            author_id=reported.author.name,
            text=reported.text,
            language=reported.language,
            reporter_id=form.cleaned_data["reporter"],
            reason=form.cleaned_data["reason"],
        )
    except GuardianError as error:
        messages.error(request, _("Your report was not taken: %s") % error.detail)
    else:
        Post.objects.filter(pk=reported.pk).update(case_id=case.id)
        messages.success(request, _("Thank you. Your report was passed on."))
    return redirect("forum:post", content_id=content_id)


@require_POST
def appeal(request: HttpRequest, content_id: str) -> HttpResponse:
    """Object to what was decided about a post, as its author or as somebody who reported it."""
    about = get_object_or_404(Post.objects.select_related("author"), content_id=content_id)
    form = AppealForm(request.POST)
    if not form.is_valid():
        return _post_page(request, about, appeal=form, status=422)
    said = form.cleaned_data
    verdict = _appealable(about)
    case_id = verdict.case_id if verdict else about.case_id
    if not case_id:
        raise Http404
    request.session[WHO] = said["name"]
    try:
        taken = guardian().appeal(
            case_id,
            appellant_id=said["name"],
            statement=said["statement"],
            language=said["language"],
            key=f"appeal-{said['key']}",
        )
    except GuardianError as error:
        if not error.may_retry:  # what is sent next is another request, with a key of its own
            changed = request.POST.copy()
            changed["key"] = str(uuid.uuid4())
            form.data = changed
        form.add_error(None, str(WHY_NOT.get(error.code) or _("Your appeal was not taken: %s") % error.detail))
        return _post_page(request, about, appeal=form, status=error.status if error.status in (403, 409, 422) else 503)
    _keep(about, taken)
    messages.success(request, _("Your appeal was received. Somebody else will look at the post again."))
    return redirect("forum:post", content_id=content_id)


@require_http_methods(["GET", "HEAD", "POST"])
def orders(request: HttpRequest) -> HttpResponse:
    """What Guardian ordered, the newest first; a POST reads up what was missed."""
    if request.method == "POST":
        try:
            done = catch_up(guardian())
        except GuardianError as error:
            messages.error(request, _("Not everything could be read: %s") % error.detail)
        else:
            said = _("Announcements read: %(read)d. Things put right: %(repaired)d.")
            messages.success(request, said % {"read": done.read, "repaired": done.repaired})
        return redirect("forum:orders")
    page = Paginator(Receipt.objects.exclude(action=""), POSTS_ON_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "demo/orders.html", {"page": page})


@csrf_exempt
@require_POST
def webhooks(request: HttpRequest) -> JsonResponse:
    """Where Guardian's webhooks arrive. 200 confirms; anything else makes Guardian try again."""
    try:
        document = verified(request.body, request.headers, settings.FORUM_WEBHOOK_SECRET)
        if not isinstance(document, dict):
            raise Malformed("Not a JSON object.")
        kind = document.get("type")
        if kind in ORDERS:
            result, detail = obey(request.headers["webhook-id"], Order.of(document))
        elif kind in NOTICES:
            result, detail = APPLIED if take_note(request.headers["webhook-id"], document) else ALREADY, ""
        else:
            result, detail = ALREADY, ""  # this app has no use for it
    except NotGenuine:
        return JsonResponse({"error": "The signature is not good."}, status=401)
    except Malformed as error:
        return JsonResponse({"error": str(error)}, status=400)
    return JsonResponse({"result": result, "detail": detail})


def _post_page(
    request: HttpRequest,
    shown: Post,
    *,
    report: ReportForm | None = None,
    appeal: AppealForm | None = None,
    status: int = 200,
) -> HttpResponse:
    case: Case | None = None
    trouble = ""
    me = request.session.get(WHO, "")
    try:
        if shown.case_id:
            case = guardian().case(shown.case_id)
        for mine in shown.appeals.filter(person=me) if me else []:
            # Asked anew: the address of its page may have moved, and this browser may not have seen it yet.
            _keep(shown, guardian().get_appeal(mine.appeal_id))
    except GuardianError as error:
        trouble = error.detail
    verdict = _appealable(shown)
    is_decided = verdict or (case and case.outcome not in ("", "withdrawn"))
    waits = bool(me) and shown.appeals.filter(person=me, status__in=OPEN).exists()
    if appeal is None and is_decided and not waits:
        appeal = AppealForm(initial={"name": me, "language": _language_of(shown)})
    context: dict[str, Any] = {
        "post": shown,
        "stand": case or shown.verdicts.first(),
        "case": case,
        "verdict": verdict,
        "trouble": trouble,
        "received": Receipt.objects.filter(content_id=shown.content_id).exclude(action="").order_by("id"),
        "appeals": shown.appeals.all(),
        "me": me,
        "form": report or ReportForm(initial={"reporter": me}),
        "appeal_form": appeal,
    }
    return render(request, "demo/post.html", context, status=status)


def _appealable(about: Post) -> Verdict | None:
    """The newest case about a post in which something was decided."""
    return next((verdict for verdict in about.verdicts.all() if verdict.can_be_appealed), None)


def _keep(about: Post, taken: Appeal) -> None:
    keep_appeal(
        about,
        taken.id,
        status=taken.status,
        case_id=taken.case_id,
        person=taken.appellant_id,
        side=taken.side,
        statement=taken.statement,
        answer=taken.answer,
        status_url=taken.status_url,
    )


def _language_of(about: Post) -> str:
    return about.language if about.language in dict(LANGUAGES) else (get_language() or "en")


def _why_not(author: Author) -> str:
    """Why this author may not write, or nothing."""
    if author.is_banned:
        return _("You are banned from this forum.")
    end = author.suspension_ends()
    if end is not None:
        return _("You may write again on %s.") % date_format(localtime(end), "DATETIME_FORMAT")
    return ""
