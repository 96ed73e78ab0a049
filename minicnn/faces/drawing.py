"""Faces that were found, drawn into their picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from minicnn.drawings import font_file
from minicnn.images import as_bytes
from minicnn.text import elided, plain

if TYPE_CHECKING:
    from minicnn.faces.snapshots import Face

Colour: TypeAlias = tuple[int, int, int]
COLOUR, SHADOW = (255, 214, 10), (0, 0, 0)  # yellow that is seen on skin, on black that is seen on yellow
UNKNOWN = (235, 235, 235)


def marked(image: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
    """A copy of the picture (H, W, 3), as floats in [0, 1], with boxes, landmarks, numbers from 1, and scores."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray(as_bytes(image, "marked: image"))
    draw = ImageDraw.Draw(picture)
    line, letters = max(1, round(max(picture.size) / 400)), _letters(faces)
    for face in faces:
        _framed(draw, face.box, COLOUR, line)
        dot = max(1.5 * line, (face.box[2] - face.box[0]) / 50)
        for x, y in face.landmarks.tolist():
            draw.ellipse((x - dot, y - dot, x + dot, y + dot), fill=COLOUR, outline=SHADOW)
        _labelled(draw, face.box, f"{face.number}  {face.score:.2f}", COLOUR, line, letters)
    return np.asarray(picture, np.float32) / np.float32(255)


def named(image: np.ndarray, faces: Sequence[Face], names: Sequence[str | None]) -> np.ndarray:
    """A copy of the picture (H, W, 3), as floats in [0, 1], with a box about every face and under it the name; None, of
    nobody known, gives a paler box with a question mark.
    """
    from PIL import Image, ImageDraw

    picture = Image.fromarray(as_bytes(image, "named: image"))
    draw = ImageDraw.Draw(picture)
    line, letters = max(1, round(max(picture.size) / 500)), _letters(faces)
    rows = sorted(zip(faces, names, strict=True), key=lambda row: row[1] is not None)  # names lie over question marks
    for face, name in rows:
        _framed(draw, face.box, UNKNOWN if name is None else COLOUR, line)
    for face, name in rows:
        colour = UNKNOWN if name is None else COLOUR
        _labelled(draw, face.box, "?" if name is None else elided(plain(name), 24), colour, line, letters)
    return np.asarray(picture, np.float32) / np.float32(255)


def _letters(faces: Sequence[Face]) -> int:
    """The height of letters: for most faces a name is little wider than they are."""
    widths = [float(face.box[2] - face.box[0]) for face in faces]
    return max(11, round(float(np.median(widths)) / 6)) if widths else 11


def _framed(draw: Any, box: np.ndarray, colour: Colour, line: int) -> None:
    left, top, right, bottom = (float(side) for side in box)
    for shade, beyond in ((SHADOW, line), (colour, 0)):
        around = left - beyond, top - beyond, right + beyond, bottom + beyond
        draw.rectangle(around, outline=shade, width=line + 2 * beyond)


def _labelled(draw: Any, box: np.ndarray, text: str, colour: Colour, line: int, letters: int) -> None:
    """Dark letters on a strip of colour under the box, or over its lower edge where there is no room."""
    from PIL import ImageFont

    font = ImageFont.load_default(letters) if text.isascii() else ImageFont.truetype(font_file(text), letters)
    left, _, right, bottom = (float(side) for side in box)
    width, height = draw.im.size
    across = draw.textlength(text, font=font) + letters * 0.6
    down = letters * 1.35
    x = min(max((left + right - across) / 2, 0), max(width - across, 0))
    y = min(bottom + line, height - down)
    draw.rectangle((x, y, x + across, y + down), fill=colour, outline=SHADOW)
    draw.text((x + across / 2, y + down / 2), text, fill=SHADOW, font=font, anchor="mm")
