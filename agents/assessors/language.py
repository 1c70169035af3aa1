"""Which language a text is in, as far as clearing it without a human needs to know."""

from __future__ import annotations

import re

from agents.assessors.normal_form import latin_share

KNOWN = ("en", "de", "es")
_EN = """
the and is are was were to of in it you that this for with my your have has not on at be but we they he she i me do
does will would can what when from about just so if there an a
"""
_DE = """
der die das und ist sind war waren zu von im in es du dass dieser diese für mit mein dein ich habe hat nicht auf an
sein aber wir sie er ein eine einen den dem des wie was wenn auch noch nur schon sehr bei aus nach
"""
_ES = """
el la los las y es son era fue de del en que este esta para con mi tu yo he ha no lo un una unos por pero nosotros
ellos ella su se me te como cuando muy ya más si al hay también
"""
_STOP_WORDS = tuple(frozenset(words.split()) for words in (_EN, _DE, _ES))
_WORDS = re.compile(r"[^\W\d_]+")
_LOOK_AT = 400


def known_language(language: str, text: str) -> bool:
    """Can the house read this? `language`: what the client declared (BCP 47), or "" / "und".

    A declared en, de or es (any region) counts unless most letters are not Latin. Undeclared: at least two words, and a
    fifth of the first 400, must be stop words of one of the three. A very short undeclared text is therefore unknown.
    """
    if latin_share(text) < 0.5:
        return False
    declared = re.split(r"[-_]", language.strip().lower(), maxsplit=1)[0]
    if declared not in ("", "und"):
        return declared in KNOWN
    words = [word.lower() for word in _WORDS.findall(text)[:_LOOK_AT]]
    best = max(sum(1 for word in words if word in stop) for stop in _STOP_WORDS)
    return best >= 2 and best >= len(words) / 5
