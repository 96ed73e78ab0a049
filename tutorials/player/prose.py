"""Markdown and code as lines of a terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from minicnn.lessons.formulas import readable
from minicnn.text import wrapped

FENCE, INDENTED = re.compile(r"```"), re.compile(r" {4}")
HEADING, ITEM, ROW = re.compile(r"(#+) +(.*)"), re.compile(r"( *)([-*]|\d+\.) +(?=\S)"), re.compile(r" *\|")
EMPHASIS = re.compile(r"(?<![\w*`])(\*{1,2})(?=[^\s*])(.+?)(?<=[^\s*])\1(?![\w*])", re.DOTALL)
BAR, LONGEST, FIRST = "  │ ", 26, 16


def text_lines(markdown: str, width: int) -> Iterator[str]:
    """Yield the lines of a text: paragraphs and lists wrapped, headings underlined, formulas as plain text,
    code and tables as they are.
    """
    block: list[str] = []
    fenced = False
    for line in [*readable(markdown.strip()).splitlines(), ""]:
        starts = HEADING.match(line) or ITEM.match(line) or ROW.match(line)
        code = fenced or FENCE.match(line) or (INDENTED.match(line) and not block)
        if block and (not line or starts or code):
            yield from _paragraph(" ".join(block), width)
            block = []
        if FENCE.match(line):
            fenced = not fenced
        elif code or ROW.match(line) or not line:
            yield line
        elif found := HEADING.match(line):
            yield from (found[2], ("═" if found[1] == "#" else "─") * min(len(found[2]), width))
        else:
            block.append(line.strip() if block else line.rstrip())


def _paragraph(text: str, width: int) -> list[str]:
    text = EMPHASIS.sub(r"\2", text)
    item = ITEM.match(text)
    return wrapped(text, width, hanging=" " * len(item[0]) if item else "")


def code_lines(source: str, width: int, *, whole: bool = True) -> Iterator[str]:
    """Yield the lines of code, behind a bar; long lines go on below. whole: False leaves out the end of a long cell."""
    found = source.strip("\n").splitlines()
    cut = FIRST if len(found) > LONGEST and not whole else len(found)
    for line in found[:cut]:
        indent = " " * (len(line) - len(line.lstrip()) + 8)
        for part in textwrap.wrap(line, width - len(BAR), subsequent_indent=indent, break_long_words=False) or [""]:
            yield (BAR + part).rstrip()
    if cut < len(found):
        yield f"{BAR}… {len(found) - cut} more lines: code prints them"
