"""Formulas of lessons, LaTeX between dollars, as MathML: the browser typesets them without a script."""

from __future__ import annotations

import html
import re

from minicnn.errors import InputError

# Code is passed over: fences, spans in backticks, and indented lines.
FORMULA = re.compile(r"(?P<code>```.*?```|`[^`]*`|^ {4}[^\n]*$)|(\${1,2})(?P<latex>[^$]+)\2", re.DOTALL | re.MULTILINE)
TAG = re.compile(r"<[^>]*>")
ALIGNMENT = re.compile(r'columnalign="(\w+)"')  # Chromium ignores the attribute, and not the style


def typeset(markdown: str) -> str:
    """Return the text with each formula as MathML. Raise InputError for a formula that cannot be typeset."""

    def replaced(found: re.Match[str]) -> str:
        return found[0] if found["code"] else mathml(found["latex"], display=found[2] == "$$")

    return FORMULA.sub(replaced, markdown)


def mathml(latex: str, *, display: bool = False) -> str:
    """Return a formula as MathML. display: on a line of its own.

    Raise InputError for an unknown command or an alignment, which latex2mathml leaves unchanged.
    """
    from latex2mathml.converter import convert

    made = convert(" ".join(latex.split()), display="block" if display else "inline")
    if left := set("\\&") & {*html.unescape(TAG.sub(" ", made))}:
        raise InputError(f"the formula {latex!r} cannot be typeset: a {min(left)} is left over")
    made = ALIGNMENT.sub(r'style="text-align: \1"', made)
    return f'<span class="formula">{made}</span>' if display else made
