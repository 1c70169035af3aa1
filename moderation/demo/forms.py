"""What people may type into the forum."""

from __future__ import annotations

import uuid

from django import forms
from django.utils.translation import gettext_lazy as _

LANGUAGES = [("en", _("English")), ("de", _("German")), ("es", _("Spanish"))]


class PostForm(forms.Form):
    """A new post. There are no accounts here: whoever types a name is that author."""

    name = forms.CharField(label=_("Your name"), max_length=80)
    text = forms.CharField(label=_("Your post"), max_length=20_000, widget=forms.Textarea(attrs={"rows": 4}))
    language = forms.ChoiceField(label=_("Language"), choices=LANGUAGES)


class ReportForm(forms.Form):
    """Somebody's complaint about a post."""

    reporter = forms.CharField(label=_("Your name"), max_length=80)
    reason = forms.CharField(
        label=_("What is wrong with it?"), max_length=5000, widget=forms.Textarea(attrs={"rows": 3})
    )


class AppealForm(forms.Form):
    """An author's or reporter's objection. `key`: one per page shown, so that a double click appeals once."""

    name = forms.CharField(label=_("The name you wrote or reported under"), max_length=80)
    statement = forms.CharField(
        label=_("Why should it be decided otherwise?"), max_length=5000, widget=forms.Textarea(attrs={"rows": 4})
    )
    language = forms.ChoiceField(label=_("Language of the answer"), choices=LANGUAGES)
    key = forms.UUIDField(initial=uuid.uuid4, widget=forms.HiddenInput)
