"""Text for people: one line of it, paragraphs, lists, columns, and names that may hold anything."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Collection, Iterator, Mapping

JOINERS = dict.fromkeys((0x200C, 0x200D))
WIDTH = 80  # columns of a terminal that nobody made wider


def plain(text: str) -> str:
    """Return the text without what a terminal cannot be trusted with: a name out of a file may hold anything."""
    return "".join(letter if printable(letter) else "�" for letter in text)


def printable(text: str) -> bool:
    """Return True if all letters can be shown, among them the joiners of Persian, Sinhala or emoji."""
    return text.translate(JOINERS).isprintable()


def spelled(name: str) -> str:
    """Return the one way to write a name of a person: é may be one letter or two, and look the same."""
    return unicodedata.normalize("NFC", name.strip())


def one_line(said: object, longest: int = 200) -> str:
    """Return what an exception says, or a name from a file, as one printable line of at most `longest` letters."""
    return elided(plain(" ".join(str(said).split()) or type(said).__name__), longest)


def elided(text: str, width: int) -> str:
    """Return the text in at most `width` columns: its beginning."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def elided_inside(text: str, width: int) -> str:
    """Return the text in at most `width` columns: its beginning and its end, as suits a path."""
    if len(text) <= width:
        return text
    end = width * 2 // 3
    return f"{text[: width - end - 1]}…{text[-end:]}"


def listed(names: Collection[str], most: int = 10) -> str:
    """Return the names with commas between them, or the first `most` and how many more."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(one_line(name) for name in list(names)[:most]) + more


def wrapped(text: str, width: int = WIDTH, *, indent: str = "", hanging: str = "") -> list[str]:
    """Return the lines of a paragraph. Words, and so names and numbers, stay whole.

    indent: begins every line; hanging: begins every line but the first, after the indent.
    """
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent + hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def entries(facts: Mapping[str, str | None], label_width: int = 14) -> Iterator[str]:
    """Yield the lines of labels and texts in two columns. What is empty is left out."""
    for label, text in facts.items():
        if text:
            first, *others = wrapped(plain(text), WIDTH - label_width - 2) or [""]
            yield f"  {label:<{label_width}}{first}"
            yield from (f"  {'':<{label_width}}{line}" for line in others)


def file_size(count: int | None) -> str:
    """80134624 -> "80.1 MB", as servers and file managers count."""
    return "?" if count is None else f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def counted(count: int, thing: str, things: str | None = None) -> str:
    """1 picture, 2 pictures."""
    return f"{count:,} {thing if count == 1 else things or thing + 's'}"


def percent(share: float) -> str:
    """A probability, which is never quite 0 or 100 %."""
    return "<0.1%" if share < 0.001 else ">99.9%" if share > 0.999 else f"{share:.1%}"
