"""Writes agents/confusables.py from Unicode's table of look-alikes.

    pip download --no-deps confusable-homoglyphs==3.3.1 && unzip confusable_homoglyphs-*.whl
    python .ci/generate_confusables.py confusable_homoglyphs/confusables.json > agents/confusables.py
    ruff format agents/confusables.py

Run it with the oldest supported Python, so that every name and case pair it asks for exists in the newer ones.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections import defaultdict

HEAD = '''"""Letters that look like letters of another script. Made by .ci/generate_confusables.py; not edited by hand.

From confusables.txt of Unicode 15.1.0 (UTS #39), as carried by confusable-homoglyphs 3.3.1. Kept: single letters (and
signs that look like an ASCII letter) that NFKD leaves alone, not those of one script among themselves. Small capitals
count as their letters, and {count} letters as what they are used for ({ours}).

Copyright (c) 1991-2023 Unicode, Inc. All rights reserved. Distributed under the Terms of Use in
https://www.unicode.org/copyright.html; the data were changed as said above. Permission is hereby granted, free of
charge, to any person obtaining a copy of the Unicode data files and any associated documentation (the "Data Files") to
deal in the Data Files without restriction, including without limitation the rights to use, copy, modify, merge,
publish, distribute, and/or sell copies of the Data Files, and to permit persons to whom the Data Files are furnished to
do so, provided that either (a) this copyright and permission notice appear with all copies of the Data Files, or (b)
this copyright and permission notice appear in associated Documentation. THE DATA FILES ARE PROVIDED "AS IS", WITHOUT
WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A
PARTICULAR PURPOSE AND NONINFRINGEMENT OF THIRD PARTY RIGHTS. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR HOLDERS INCLUDED
IN THIS NOTICE BE LIABLE FOR ANY CLAIM, OR ANY SPECIAL INDIRECT OR CONSEQUENTIAL DAMAGES, OR ANY DAMAGES WHATSOEVER
RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION,
ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THE DATA FILES. Except as contained in this notice, the
name of a copyright holder shall not be used in advertising or otherwise to promote the sale, use or other dealings in
these Data Files without prior written authorization of the copyright holder.
"""
'''
# What the table knows only with a hook below (eta), not at all (omega), or only as the twin of the schwa.
OURS = {"η": "n", "ω": "w", "ә": "ə"}
# Their letters are one script to their readers, mixed in every word.
LEFT_OUT = {"CJK", "KANGXI", "KATAKANA", "HIRAGANA", "KATAKANA-HIRAGANA", "HANGUL", "YI", "BOPOMOFO"}
FIRST = ["LATIN", "GREEK", "CYRILLIC", "ARMENIAN"]


def script(char: str) -> str:
    return unicodedata.name(char, "?").split()[0]


def pairs(path: str) -> list[tuple[str, str]]:
    """(letter, letter that looks the same), both ways, each a single character."""
    with open(path) as file:
        table = json.load(file)
    found = [(one.strip("\u200e"), other["c"].strip("\u200e")) for one, others in table.items() for other in others]
    capital = "LATIN LETTER SMALL CAPITAL "
    for code in range(0x250, 0x1D80):
        name = unicodedata.name(chr(code), "")
        if name.startswith(capital) and len(name) == len(capital) + 1:
            found.append((chr(code), name[-1].lower()))
    found += [(chr(0xA730), "f"), (chr(0xA731), "s"), *OURS.items()]
    return [pair for pair in found if len(pair[0]) == len(pair[1]) == 1]


def is_kept(char: str) -> bool:
    if unicodedata.normalize("NFKD", char) != char or script(char) in LEFT_OUT:
        return False
    return char.isalpha() or (not char.isascii() and unicodedata.category(char)[0] == "S")


def classes(path: str) -> dict[str, set[str]]:
    """Every letter with all that look like it. ASCII letters are never joined to one another."""
    direct: dict[str, set[str]] = defaultdict(set)
    for one, other in pairs(path):
        if is_kept(one) and is_kept(other) and not (one.isascii() and other.isascii()):
            direct[one].add(other)
            direct[other].add(one)
    ends: dict[str, set[str]] = {}
    for start in direct:
        seen, todo = {start}, [start]
        while todo:
            # Through an ASCII letter no further: "l" is like a capital I of every script, and "o" like many things.
            if todo[-1].isascii():
                todo.pop()
                continue
            for other in direct[todo.pop()] - seen:
                seen.add(other)
                todo.append(other)
        ends[start] = seen
    return ends


def shapes(path: str) -> dict[str, str]:
    """What each letter is folded to, by what it looks like. Targets are folded no further."""
    alike = {char: others for char, others in classes(path).items() if not char.isascii()}
    found: dict[str, str] = {}
    for char, others in alike.items():
        ascii_letters = sorted(other for other in others if other.isascii() and other.isalpha())
        if ascii_letters:
            target = min(ascii_letters, key=lambda c: (c.isupper() != char.isupper(), c)).lower()
            # A capital I without serifs looks like a small l: its own case says which it is.
            found[char] = "i" if target == "l" and char.isupper() else target
    found |= {twin: target for char, target in found.items() if (twin := twin_of(char)) and twin not in found}
    kin = {one: other for one, other in OURS.items() if one not in found}
    for char, others in alike.items():
        letters = [other for other in {char, *others} if other.isalpha() and len(other.casefold()) == 1]
        if char in {**found, **kin} or not char.isalpha() or len({script(other) for other in letters}) < 2:
            continue
        first = min(letters, key=lambda c: (FIRST.index(script(c)) if script(c) in FIRST else len(FIRST), c)).casefold()
        if script(char) != script(first):
            kin[char] = found.get(first, first)
    kin |= {twin: target for char, target in kin.items() if (twin := twin_of(char)) and twin not in {**found, **kin}}
    found |= kin
    for char in found:  # to the end of every chain
        seen = {char}
        while found[char] in found:
            if found[char] in seen:
                raise SystemExit(f"a circle at {char}")
            seen.add(found[char])
            found[char] = found[found[char]]
    return {char: target for char, target in found.items() if char != target}


def twin_of(char: str) -> str:
    """The same letter in the other case, or nothing."""
    twin = char.lower() if char.isupper() else char.upper()
    return twin if len(twin) == 1 and twin != char and not twin.isascii() else ""


def whole(shape: dict[str, str]) -> dict[str, str]:
    """For a word of one script: one target for both cases (the capital's), one letter of a script for each target."""
    found: dict[str, str] = {}
    for char in shape:
        if not char.isalpha() or script(char) == "LATIN":
            continue
        small = char.casefold()
        both = [shape[form] for form in (char.upper(), char.lower(), small) if form in shape]
        if len(small) == 1 and both:
            found[small] = both[0]
    taken: dict[tuple[str, str], str] = {}
    for small in sorted(found, key=lambda c: (len({shape.get(c), shape.get(c.upper())}) > 1, c)):
        taken.setdefault((script(small), found[small]), small)
    kept = {small: target for small, target in found.items() if taken[script(small), target] == small}
    # A target that is no ASCII letter stands for itself.
    return kept | {target: target for target in shape.values() if not target.isascii() and script(target) != "LATIN"}


def shown(name: str, comment: str, table: dict[str, str]) -> str:
    rows: dict[str, list[str]] = defaultdict(list)
    for char, target in sorted(table.items()):
        rows[target].append(char)
    lines = []
    for target, chars in sorted(rows.items()):
        escaped = any(unicodedata.bidirectional(char) in ("R", "AL", "AN") for char in chars)
        width = 9 if escaped else 45
        parts = ["".join(chars[i : i + width]) for i in range(0, len(chars), width)]
        lines.append(f"{target!a}: (" + "\n".join(ascii(part) if escaped else f'"{part}"' for part in parts) + "),")
    return "\n".join([f"\n# {comment}", f"{name} = {{", *lines, "}\n"])


if __name__ == "__main__":
    by_shape = shapes(sys.argv[1])
    ours = ", ".join(f"{one} as {other}" for one, other in OURS.items())
    sys.stdout.write(
        HEAD.format(count=len(OURS), ours=ours)
        + shown("SHAPES", "What a letter looks like: the letter it is folded to, then all that are.", by_shape)
        + shown("WHOLE", "For a word wholly of one script: no two letters of it become one.", whole(by_shape))
    )
