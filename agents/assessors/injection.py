"""Signs that a text speaks to the machine, or to the moderator reading it, instead of to people.

A modest list in English, German and Spanish. It convicts nobody: a hit keeps a case from being cleared without a human.
Every gap in a pattern is bounded, so the time is linear in the text, and the engine's timeout stands behind it. Each
pattern by itself and in small letters: joined by "|" and ignoring case, the engine takes six times as long.
"""

from __future__ import annotations

import base64
import binascii
import codecs

import regex

from agents.assessors.normal_form import normalise, visible

MAX_TEXT = 20_000
"""Characters looked at in one go; a longer text is looked at in pieces that overlap."""
_OVERLAP = 200
CPU_SECONDS = 0.5
"""CPU seconds of this process for one pattern on one form of a piece."""

_MILD = r"(?:allow(?:ed)?|safe|benign|harmless|approved?|acceptable|compliant|clean|permitted|no[ _-]?violations?)"
_MILD_DE = r"(?:erlaubt|zul(?:ä|ae)ssig|unbedenklich|harmlos|sicher|in ordnung|regelkonform|kein(?:en)? versto(?:ß|ss))"
_MILD_ES = r"(?:permitid[oa]|segur[oa]|inofensiv[oa]|aprobad[oa]|aceptable|v[aá]lid[oa]|sin infracci[oó]n)"
_RULES = r"(?:instructions?|prompts?|rules?|guidelines?|polic(?:y|ies)|directives?|commands?|orders|programming)"
_RULES_DE = r"(?:anweisung|regel|richtlinie|vorgabe|instruktion|befehl|vorschrift)\w{0,3}"
_RULES_ES = r"(?:instrucci[oó]n(?:es)?|reglas?|directric(?:es)?|normas?|[oó]rdenes|indicaciones|pol[ií]ticas?)"
_MACHINE = (
    r"(?:a\.?i\.?(?: \w+)?|llm|language model|moderators?|moderation (?:\w+ )?(?:bot|team|system|model|ai|agent)|"
    r"classifier|content filter|automod|chatgpt|assistant|reviewing model|human reviewers?)"
)
_MACHINE_DE = r"(?:ki|moderator(?:in|en|innen)?|moderations\w+|sprachmodell|klassifikator|assistent(?:in)?|prüfer)"
_MACHINE_ES = r"(?:ia|modelo(?: de lenguaje)?|moderador(?:a|es|as)?|asistente|clasificador|revisor(?:a|es)?)"
_GAP = r"[\s\S]{0,40}?"

_PATTERNS = (
    # English
    rf"\b(?:ignore|disregard|forget|override|bypass|skip)\b{_GAP}\b(?:previous|prior|above|earlier|preceding|your|system|"
    rf"moderation)\b[\s\S]{{0,25}}?\b{_RULES}\b",
    rf"\b(?:ignore|disregard|override|bypass)\s+(?:all|any|every)\s+(?:of\s+)?(?:the\s+)?{_RULES}\b",
    r"\b(?:new|updated|revised|real|actual) (?:(?:system|moderation) \w+|instructions?|directives?|prompts?)\s*:",
    r"\bmoderation (?:policy|rules?) (?:has|have|is|are|was|were)(?: been)? "
    r"(?:updated|changed|suspended|disabled|lifted)",
    rf"\b(?:classify|label|rate|tag|treat|score|judge|categori[sz]e|report|mark)\b (?:this|the|my|it|following|any)"
    rf"(?: (?:post|comment|message|content|text|case|input|submission|following|above|below|as)){{0,3}} (?:as )?"
    rf"{_MILD}\b",
    r"\b(?:answer|respond|reply|output|return|say|print|label)\b (?:only )?(?:with )?(?:the word )?[\"'`]?"
    r"(?:allow|allowed|approved?|no_violation|non-violating|safe|benign)[\"'`]?"
    r"(?=[.!,;:\s]{0,20}(?:\n|$)|[.!;]|\s+(?:and|for|to)\b)",
    rf"\b(?:verdict|decision|classification|moderation result|label|status)\s*[:=]\s*[\"'`]?{_MILD}\b",
    rf"(?:^|[.!?:\n\"]\s{{0,9}})(?:dear|attention|hey|hello|hi|listen|(?:note|message|instructions?) (?:to|for)),? "
    rf"(?:the |all |any |our )?{_MACHINE}\b",
    rf"(?:^|\n)[^\S\n]{{0,40}}(?:to )?(?:the )?{_MACHINE}\s*:",
    rf"\byou are (?:now |actually |only )?(?:a |an |the )?(?:{_MACHINE}|dan\b|in (?:developer|debug|test|god) mode)",
    rf"\bif you are (?:a|an|the) {_MACHINE}\b",
    r"\bthis is (?:only |just )?a (?:test|drill)\b[\s\S]{0,40}?\b(?:allow|approve|label|classify|pass it|no violation)",
    r"\b(?:pre-?approved|already (?:reviewed|approved|cleared)|verified) by (?:the )?(?:moderation|trust|safety|staff|"
    r"admin|police|supervisor)",
    r"\b(?:reveal|print|repeat|show|output|leak)\b (?:me )?(?:your|the) "
    r"(?:system prompt|hidden prompt|instructions above|"
    r"(?:full |entire |initial )?system (?:message|instructions))",
    r"\bapply the (?:last|previous) (?:decision|verdict|ruling)\b",
    r"\b(?:enable|enter|activate)\b (?:developer|debug|admin|god) mode\b",
    # German
    rf"\b(?:ignorier\w{{0,3}}|vergiss|vergesst|missacht\w{{0,3}}|umgeh\w{{0,2}})\b{_GAP}\b(?:vorherig|bisherig|obig|vorig|"
    rf"fr(?:ü|ue)her|vorangegangen|alle|dein|eure|ihre|system)\w{{0,3}}\b[\s\S]{{0,25}}?\b\w{{0,12}}{_RULES_DE}\b",
    rf"\b(?:neue|aktualisierte|ge(?:ä|ae)nderte)\w? (?:system|moderations)?{_RULES_DE}\s*:",
    rf"\b(?:stuf\w{{1,2}}|bewert\w{{1,2}}|markier\w{{1,2}}|klassifizier\w{{1,2}}|kennzeichn\w{{1,2}}|behandel\w?|werte)\b"
    rf"{_GAP}\bals {_MILD_DE}",
    rf"\b(?:liebe[rs]?|achtung|hallo|hinweis (?:f(?:ü|ue)r|an)|nachricht (?:f(?:ü|ue)r|an)|an)\b,? "
    rf"(?:die |den |das |alle )?{_MACHINE_DE}\b(?=\s*[:,.!-]|\s+(?:bitte|du|sie|dies|ignor|stuf|bewert|l(?:ö|oe)sch))",
    rf"\bdu bist (?:jetzt |nun |ab sofort )?(?:ein|eine|die|der|das) {_MACHINE_DE}\b",
    r"\b(?:systemnachricht|systemanweisung|entwicklermodus|systemprompt)\b",
    rf"\b(?:antworte|urteil|entscheidung|ergebnis)\b\s*(?:nur |bitte )?(?:mit|:)\s*[\"'„]?{_MILD_DE}",
    # Spanish
    rf"\b(?:ignor[ae]d?|olvid[ae]d?|descart[ae]|omit[ae]|desobedece|haz caso omiso)\b{_GAP}\b{_RULES_ES}\b"
    rf"(?:[\s\S]{{0,20}}?\b(?:anterior(?:es)?|previas?|tuyas|del sistema|de arriba|de moderaci[oó]n)\b)",
    rf"\b(?:ignor[ae]d?|olvid[ae]d?|descart[ae])\b (?:todas )?(?:tus|sus|las anteriores|las) (?:\w+ )?{_RULES_ES}\b",
    rf"\bnuevas {_RULES_ES}\s*:",
    rf"\b(?:clasif[ií]c\w{{1,3}}|m[aá]rc\w{{1,4}}|etiqu[eé]t\w{{1,4}}|consid[eé]r\w{{1,3}}|calif[ií]c\w{{1,3}}|"
    rf"tr[aá]t\w{{1,3}})\b{_GAP}\bcomo {_MILD_ES}",
    rf"\b(?:estimad[oa]s?|atenci[oó]n|hola|querid[oa]s?|(?:nota|mensaje|aviso) (?:para|a))\b,? "
    rf"(?:el |la |los |las )?{_MACHINE_ES}\b(?=\s*[:,.!-]|\s+(?:ignora|clasifica|por favor|borr|elimin))",
    rf"\b(?:ahora )?eres (?:un|una|el|la) {_MACHINE_ES}\b",
    r"\b(?:mensaje del sistema|modo (?:de )?(?:desarrollador|administrador)|instrucciones del sistema)\b",
    rf"\b(?:responde|contesta|veredicto|decisi[oó]n)\b\s*(?:s[oó]lo |[uú]nicamente )?(?:con|:)\s*[\"']?{_MILD_ES}",
    # The shapes of a conversation, whatever the language
    r"<\|[a-z_ ]{2,30}\|>|\[/?(?:inst|sys|system|developer)\]|<</?sys>>",
    r"</?(?:system|developer|assistant|instructions?|untrusted|user_content|policy|policies)(?:\s[^>\n]{0,60})?>",
    r"(?:^|\n)[^\S\n]{0,40}#{1,6} ?(?:system|developer|new instructions?|instructions?)\b",
    r"(?:^|\n)[^\S\n]{0,40}\[?(?:system|developer|assistant|sistema|desarrollador|entwickler)\]?"
    r"(?: (?:message|prompt|note|override))?\s*:[^\n]{0,80}?"
    r"\b(?:you|your|must|ignore|classify|allow|approve|moderat\w+|verdict|du|dein\w?|tu|tus|ignora|debes)\b",
    r"[\"'](?:verdict|violation|is_violation|flagged|moderation_result|nonce|recommended_actions)[\"']\s*:",
    rf"[\"'](?:label|decision|classification|action|result|status)[\"']\s*:\s*[\"']{_MILD}[\"']",
    r"\b(?:tool|function)[_ ](?:result|output|response|call)\b\s*[:=({]",
)
_SIGNS = tuple(regex.compile(pattern, regex.VERSION0) for pattern in _PATTERNS)
_BASE64 = regex.compile(r"(?<![\w+/])[A-Za-z0-9+/_-]{32,4000}={0,2}")
_HEX = regex.compile(r"(?<!\w)(?:[0-9a-fA-F]{2}[ :]?){16,2000}(?!\w)")
_WORD = regex.compile(r"[a-z]{4,}")
_ROT13 = tuple(
    codecs.encode(word, "rot13") for word in ("ignore", "instruct", "system", "classify", "verdict", "allow")
)
# Words that people scramble inside ("ignroe all prevoius instrcutions"): models read them, patterns do not.
_SCRAMBLED = {
    (word[0], "".join(sorted(word[1:-1])), word[-1]): word
    for word in (
        *("ignore", "disregard", "forget", "previous", "prior", "above", "earlier", "instructions", "instruction"),
        *("prompt", "rules", "system", "classify", "verdict", "allowed", "moderator"),
    )
}


class OutOfTime(Exception):
    """A pattern did not come to its end: whether the text carries a sign is not known."""


def looks_injected(text: str) -> bool:
    """Does `text` carry a sign of talking to the machine or to the moderator?

    Looked for in the text, in its plain form, with scrambled words put right, and in what base64, hex and rot13 hide.
    Raises OutOfTime if that could not be found out.
    """
    step = MAX_TEXT - _OVERLAP
    return any(_piece(text[at : at + MAX_TEXT]) for at in range(0, max(1, len(text) - _OVERLAP), step))


def _piece(text: str) -> bool:
    plain = normalise(text)
    # dict: each form once. For most texts only the first two differ.
    forms = dict.fromkeys((text.lower(), plain, visible(text).lower(), _WORD.sub(_unscramble, plain)))
    forms[_tag_writing(text).lower()] = None
    if any(word in plain for word in _ROT13):
        forms[codecs.encode(plain, "rot13")] = None
    forms.update((hidden.lower(), None) for hidden in _decoded(text))
    late = False
    for form in filter(None, forms):
        for sign in _SIGNS:
            try:
                if sign.search(form, timeout=CPU_SECONDS):
                    return True
            except TimeoutError:
                late = True
    if late:
        raise OutOfTime
    return False


def _unscramble(word: regex.Match[str]) -> str:
    found = word[0]
    return _SCRAMBLED.get((found[0], "".join(sorted(found[1:-1])), found[-1]), found)


def _tag_writing(text: str) -> str:
    """What is written in Unicode tag characters, which print nothing but which models read as ASCII."""
    return "".join(chr(ord(c) - 0xE0000) for c in text if 0xE0020 <= ord(c) <= 0xE007E)


def _decoded(text: str) -> list[str]:
    hidden = []
    for run in _BASE64.findall(text)[:20]:
        body = run.rstrip("=").replace("-", "+").replace("_", "/")
        body = body[: len(body) - (len(body) % 4 == 1)]
        try:
            hidden.append(base64.b64decode(body + "=" * (-len(body) % 4)).decode("utf-8"))
        except (binascii.Error, UnicodeDecodeError):
            continue
    for run in _HEX.findall(text)[:20]:
        try:
            hidden.append(bytes.fromhex(run.replace(" ", "").replace(":", "")).decode("utf-8"))
        except (ValueError, UnicodeDecodeError):
            continue
    return hidden
