"""Formulas of lessons, LaTeX between dollars: as MathML for a browser, and as plain text for a terminal."""

from __future__ import annotations

import html
import re

from minicnn.errors import InputError

# Code is passed over: fences, spans in backticks, and indented lines.
FORMULA = re.compile(r"(?P<code>```.*?```|`[^`]*`|^ {4}[^\n]*$)|(\${1,2})(?P<latex>[^$]+)\2", re.DOTALL | re.MULTILINE)
TAG = re.compile(r"<[^>]*>")
ALIGNMENT = re.compile(r'columnalign="(\w+)"')  # Chromium ignores the attribute, and not the style
GROUP = r"\{((?:[^{}]|\{[^{}]*\})*)\}"
FRACTION, TEXT = re.compile(rf"\\frac{GROUP}{GROUP}"), re.compile(rf"\\text{GROUP}")
ROOT, INDEX, POWER = re.compile(rf"\\sqrt{GROUP}"), re.compile(rf"_{GROUP}"), re.compile(rf"\^{GROUP}")
MATRIX = re.compile(r"\\begin\{bmatrix\}(.*?)\\end\{bmatrix\}")
WIDE = "\u2003"  # an em space, which becomes four
SMALL = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
SYMBOLS = {
    r"\hat y": "ŷ",
    r"\left": "",
    r"\right": "",
    r"\qquad": WIDE,
    r"\quad": WIDE,
    r"\,": "",
    r"\cdot": "·",
    r"\partial ": "∂",
    r"\sum": "Σ",
    r"\lVert ": "‖",
    r" \rVert": "‖",
    r"\le": "≤",
    r"\odot": "⊙",
    r"\max": "max",
    r"\langle ": "⟨",
    r" \rangle": "⟩",
    r"\lfloor ": "⌊",
    r" \right\rfloor": "⌋",
    r"\alpha": "α",
    r"\beta": "β",
    r"\right \rfloor": "⌋",
    r" \right)": ")",
    r"\left( ": "(",
    r"\chi": "χ",
    r"\gamma": "γ",
    r"\lambda": "λ",
    r"\mu": "μ",
    r"\sigma": "σ",
    r"\varepsilon": "ε",
    r"\varphi": "φ",
    r"\xi": "ξ",
    r"\nabla": "∇",
    r"\ell": "ℓ",
    "^2": "²",
    "^3": "³",
    "^T": "ᵀ",
    "-": "−",
}


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


def readable(markdown: str) -> str:
    """Return the text with each formula as plain text, those on lines of their own indented."""

    def replaced(found: re.Match[str]) -> str:
        if found["code"]:
            return found[0]
        text = plain(found["latex"])
        return "\n".join(f"    {line.strip()}" for line in text.split("\n")) if found[2] == "$$" else text

    return FORMULA.sub(replaced, markdown)


def plain(latex: str) -> str:
    """Return a formula in Unicode: x₀² for x_0^2, (a + b) / c for a fraction, a line for each line of an alignment."""
    text = re.sub(r"\\(?:begin|end)\{align\*\}", "", " ".join(latex.split()))
    text = re.sub(r"\\frac(\w)(\w)", r"\\frac{\1}{\2}", text)
    text = MATRIX.sub(lambda found: f"[{found[1].strip().replace(' & ', ' ').replace(chr(92) * 2, ';')}]", text)
    text = text.replace("\\\\", "\n").replace(" &=", " =").replace(" & ", f" {WIDE} ")
    for name in sorted(SYMBOLS, key=len, reverse=True):
        after = r"(?![a-z])" if name[-1].isalpha() else ""
        text = re.sub(re.escape(name) + after, SYMBOLS[name], text)
    text = TEXT.sub(r"\1", text)
    text = re.sub(r"_(\d)", lambda found: found[1].translate(SMALL), text)
    text = ROOT.sub(r"√(\1)", text)
    while found := FRACTION.search(text):
        above, below = (
            part if re.fullmatch(r"∂?[^\W\d_]+²?|\d+|√?\([^()]*\)²?", part) else f"({part})" for part in found.groups()
        )
        text = f"{text[: found.start()]}{above} / {below} {text[found.end() :]}"
    text = POWER.sub(lambda found: f"^{found[1]}" if found[1].startswith("(") else f"^({found[1]})", text)
    lines = re.sub(r" *\n *", "\n", INDEX.sub(r"[\1]", text).strip())
    lines = re.sub(r" +(?=[),]|$)", "", lines, flags=re.MULTILINE)
    return re.sub(r" +", " ", lines).replace(f" {WIDE} ", "    ").replace(WIDE, "    ")
