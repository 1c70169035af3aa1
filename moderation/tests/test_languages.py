"""A language is the first part of its tag: in the statement of reasons, and on the page of an appeal."""

from __future__ import annotations

import pytest
from django.test import Client as Browser

from moderation.models import Appeal
from moderation.selectors.languages import two_letters
from moderation.tests.people import App, work


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("de", "de"), ("pt-BR", "pt"), ("zh-Hant-TW", "zh"), ("EN_us", "en"), ("deu-AT", "de"), ("ger", "de"),
        ("fra", "fr"), ("cmn-CN", ""), ("fil-PH", ""), ("gsw-CH", ""), ("ast", ""), ("den", ""), ("est", "et"),
        ("x-private", ""), ("i-klingon", ""), ("qq", ""), ("und", ""), ("", ""),
    ],
)  # fmt: skip
def test_a_tag_means_its_first_part_or_nothing(tag: str, code: str) -> None:
    assert two_letters(tag) == code


@pytest.mark.parametrize(("language", "said"), [("fil-PH", None), ("deu", "DE"), ("fi", "FI"), ("pt-BR", "PT")])
def test_the_statement_of_reasons_names_the_language_and_no_other(
    client_app: App, language: str, said: str | None
) -> None:
    case_id = client_app.start(language=language)
    work()
    assert client_app.decide(case_id, "remove_content", reason="Rude.").status_code == 202
    work()
    assert client_app.get(f"cases/{case_id}/statement/").json()["content_language"] == said


def test_an_estonian_does_not_read_spanish_on_the_page_of_the_appeal(client_app: App) -> None:
    case_id = client_app.start()
    work()
    client_app.decide(case_id, "remove_content", reason="Rude.")
    work()
    said = {"appellant_id": "author-1", "statement": "It was a joke.", "language": "est"}
    assert client_app.post(f"cases/{case_id}/appeals/", said).status_code == 201
    page = f"/appeals/{Appeal.objects.get().token}/"
    assert Browser().get(page)["Content-Language"] == "en"
    assert Browser().get(page, {"lang": "est"})["Content-Language"] == "en"
    assert Browser().get(page, {"lang": "deu"})["Content-Language"] == "de"
