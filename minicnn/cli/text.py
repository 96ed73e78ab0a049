"""What commands print: lines of eighty columns, whatever is in them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

WIDTH = 80


def entries(facts: Mapping[str, str | None], label_width: int = 14) -> Iterator[str]:
    """Labels and texts in two columns. A path or link too long for its line stays whole; what is empty is left out."""
    for label, text in facts.items():
        if text:
            room = WIDTH - label_width - 2
            first, *others = textwrap.wrap(plain(text), room, break_long_words=False, break_on_hyphens=False) or [""]
            yield f"  {label:<{label_width}}{first}"
            yield from (f"  {'':<{label_width}}{line}" for line in others)


def elided(text: str, width: int) -> str:
    """The text in at most so many columns: its beginning and its end."""
    if len(text) <= width:
        return text
    end = width * 2 // 3
    return f"{text[: width - end - 1]}…{text[-end:]}"


def plain(text: str) -> str:
    """What a terminal can be trusted with: a name out of a file may hold anything."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def megabytes(count: int | None) -> str:
    """80134624 -> "80.1 MB", as the zoo says it."""
    from minicnn.zoo.downloads import size

    return size(count)
