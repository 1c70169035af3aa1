"""The forum's pages and its webhook endpoint. Everything it knows of Guardian comes over HTTP."""

from __future__ import annotations

from functools import cache

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from moderation.demo.client import Case, Guardian, GuardianError
from moderation.demo.forms import PostForm, ReportForm
from moderation.demo.models import Author, Post, Receipt
from moderation.demo.orders import Malformed, Order, obey
from moderation.demo.webhooks import NotGenuine, verified

POSTS_ON_A_PAGE = 25
ORDERS = ("action.apply", "action.reverse")


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
    form = PostForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "demo/write.html", {"form": form}, status=422 if request.method == "POST" else 200)
    author, _new = Author.objects.get_or_create(name=form.cleaned_data["name"])
    why_not = _why_not(author)
    if why_not:
        form.add_error(None, why_not)
        return render(request, "demo/write.html", {"form": form}, status=403)
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
    return _post_page(request, shown, ReportForm())


@require_POST
def report(request: HttpRequest, content_id: str) -> HttpResponse:
    """Complain about a post."""
    reported = get_object_or_404(Post.objects.select_related("author"), content_id=content_id)
    form = ReportForm(request.POST)
    if not form.is_valid():
        return _post_page(request, reported, form, status=422)
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


@require_safe
def orders(request: HttpRequest) -> HttpResponse:
    """What Guardian ordered, the newest first."""
    page = Paginator(Receipt.objects.all(), POSTS_ON_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "demo/orders.html", {"page": page})


@csrf_exempt
@require_POST
def webhooks(request: HttpRequest) -> JsonResponse:
    """Where Guardian's webhooks arrive. 200 confirms; anything else makes Guardian try again."""
    try:
        document = verified(request.body, request.headers, settings.FORUM_WEBHOOK_SECRET)
        if not isinstance(document, dict):
            raise Malformed("Not a JSON object.")
        if document.get("type") not in ORDERS:
            return JsonResponse({"result": "already"})  # a notice: this app has no use for it
        result, detail = obey(request.headers["webhook-id"], Order.of(document))
    except NotGenuine:
        return JsonResponse({"error": "The signature is not good."}, status=401)
    except Malformed as error:
        return JsonResponse({"error": str(error)}, status=400)
    return JsonResponse({"result": result, "detail": detail})


def _post_page(request: HttpRequest, shown: Post, form: ReportForm, *, status: int = 200) -> HttpResponse:
    case: Case | None = None
    trouble = ""
    if shown.case_id:
        try:
            case = guardian().case(shown.case_id)
        except GuardianError as error:
            trouble = error.detail
    received = Receipt.objects.filter(content_id=shown.content_id).order_by("id")
    context = {"post": shown, "case": case, "trouble": trouble, "received": received, "form": form}
    return render(request, "demo/post.html", context, status=status)


def _why_not(author: Author) -> str:
    """Why this author may not write, or nothing."""
    if author.is_banned:
        return _("You are banned from this forum.")
    end = author.suspension_ends()
    if end is not None:
        return _("You may write again on %s.") % date_format(localtime(end), "DATETIME_FORMAT")
    return ""
