"""Saving matplotlib figures as picture files, with text in any script."""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from minicnn import images
from minicnn.text import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(figure: Figure, path: images.PathLike) -> None:
    """Write a figure atomically as PNG, JPEG or WebP, by the suffix. Raise InputError for an invalid path."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # the fonts are chosen later
        canvas.draw()
        for text in figure.findobj(Text):
            if fonts := _fonts_for(text.get_text()):
                text.set_fontfamily([*text.get_fontfamily(), *fonts])
        if figure.stale:
            canvas.draw()
    images.save(path, np.asarray(canvas.buffer_rgba())[..., :3])


def literal(text: str) -> str:
    """Return the text, escaped for matplotlib.

    Dollar signs are escaped, because matplotlib reads mathematics between them. Letters that no installed font has
    are written by number, as in \\u5f20.
    """
    text = "\n".join(map(plain, text.split("\n"))).replace("$", r"\$")
    there = set().union(*(_letters(font) for font in _fonts_for(text).values()), _letters(_usual()))
    absent = {c for c in text if _drawn(c) and ord(c) not in there}
    return text.translate({ord(c): c.encode("ascii", "backslashreplace").decode() for c in absent})


def font_file(text: str) -> str:
    """Return the file of a font that has the letters of a text, or the default one."""
    return next(iter(_fonts_for(text).values()), _usual())


def _drawn(letter: str) -> bool:
    """Return True if a letter needs a glyph; joiners need none."""
    return ord(letter) > 127 and letter.isprintable()


def _usual() -> str:
    """Return the file of the default font."""
    from matplotlib import font_manager

    return font_manager.findfont(font_manager.FontProperties())


def _fonts_for(text: str) -> dict[str, str]:
    """Return {name: file} of the fonts for letters that the default font lacks."""
    from matplotlib import font_manager

    found = {}
    if missing := {ord(letter) for letter in text if _drawn(letter)} - _letters(_usual()):
        for font in font_manager.fontManager.ttflist:
            if missing & _letters(font.fname):
                found[font.name] = font.fname
                missing -= _letters(font.fname)
    return found


@cache
def _letters(font: str) -> frozenset[int]:
    """Return the numbers of a font's letters; none if it is unusable or draws placeholder boxes only."""
    from matplotlib import font_manager

    try:
        opened = font_manager.get_font(font)
        opened.set_size(10, 100)  # bitmap fonts raise here
        return frozenset(() if opened.family_name.startswith("Last Resort") else opened.get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
