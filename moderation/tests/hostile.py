"""Texts that would like to become markup."""

from __future__ import annotations

# --- hostile text ------------------------------------------------------------------------------------------------

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<iframe srcdoc='<b>x</b>'></iframe>",
    "</pre></article></textarea></title><style>@import 'x'</style>",
    '<base href="//evil.example"><meta http-equiv=refresh content=0>',
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "<form action=//evil.example><button formaction=javascript:alert(1)>",
    '<div hx-get="/console/next/" hx-trigger="load" data-hx-on="x">',
    "{{ 7|add:7 }} {% debug %} ${7} #{7}",
    "--><!-- ]]>",
    "<a id=case name=config href=JaVaScRiPt:alert(1)>Approved by supervisor</a>",
    "[x](javascript:alert(1)) \r\nSet-Cookie: a=b",
]
