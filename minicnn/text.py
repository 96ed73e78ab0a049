"""Text output: single lines, paragraphs, lists, columns, and untrusted names."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Collection, Iterator, Mapping

JOINERS = dict.fromkeys((0x200C, 0x200D))
WIDTH = 80  # columns of a standard terminal


def plain(text: str) -> str:
    """Return the text with unprintable letters replaced, since a name from a file may hold control codes."""
    return "".join(letter if printable(letter) else "�" for letter in text)


def printable(text: str) -> bool:
    """Return True if all letters are printable. Joiners, as in Persian, Sinhala or emoji, count as printable."""
    return text.translate(JOINERS).isprintable()


def spelled(name: str) -> str:
    """Return a name in normal form (NFC), because é may be one letter or two."""
    return unicodedata.normalize("NFC", name.strip())


def one_line(said: object, longest: int = 200) -> str:
    """Return a message or name as one printable line of at most `longest` letters."""
    return elided(plain(" ".join(str(said).split()) or type(said).__name__), longest)


def elided(text: str, width: int) -> str:
    """Return the text, cut at its end to `width` columns."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def elided_inside(text: str, width: int) -> str:
    """Return the text, cut in its middle to `width` columns, as suits a path."""
    if len(text) <= width:
        return text
    end = width * 2 // 3
    return f"{text[: width - end - 1]}…{text[-end:]}"


def listed(names: Collection[str], most: int = 10) -> str:
    """Return the names separated by commas: at most `most`, and the number of the others."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(one_line(name) for name in list(names)[:most]) + more


def wrapped(text: str, width: int = WIDTH, *, indent: str = "", hanging: str = "") -> list[str]:
    """Return the lines of a wrapped paragraph. Words are never broken.

    indent: prefix of every line. hanging: additional prefix of every line but the first.
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
    """Yield labels and texts in two columns. Empty texts are skipped."""
    for label, text in facts.items():
        if text:
            first, *others = wrapped(plain(text), WIDTH - label_width - 2) or [""]
            yield f"  {label:<{label_width}}{first}"
            yield from (f"  {'':<{label_width}}{line}" for line in others)


def file_size(count: int | None) -> str:
    """Return a size such as "80.1 MB", in powers of 1000."""
    return "?" if count is None else f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def counted(count: int, thing: str, things: str | None = None) -> str:
    """Return a count with its noun: "1 picture", "2 pictures"."""
    return f"{count:,} {thing if count == 1 else things or thing + 's'}"


def percent(share: float) -> str:
    """Return a probability in percent, never as 0 % or 100 %."""
    return "<0.1%" if share < 0.001 else ">99.9%" if share > 0.999 else f"{share:.1%}"
