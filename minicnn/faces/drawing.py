"""Drawing of detected faces into their picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn.drawings import font_file, literal
from minicnn.images import as_bytes
from minicnn.text import elided, plain

if TYPE_CHECKING:
    from minicnn.faces.snapshots import Face

COLOUR, SHADOW = (255, 214, 10), (0, 0, 0)  # yellow stands out on skin, its black outline on bright colours
UNKNOWN = (235, 235, 235)


def marked(image: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
    """Return a copy of the picture (H, W, 3), floats in [0, 1], with boxes, landmarks, numbers from 1, and scores."""
    return _drawn(image, [(face, f"{face.number}  {face.score:.2f}") for face in faces], dots=True)


def named(image: np.ndarray, faces: Sequence[tuple[Face, str | None]]) -> np.ndarray:
    """Return a copy of the picture (H, W, 3), floats in [0, 1], with a box around every face and its name below.

    The name None gives a pale box with a question mark.
    """
    return _drawn(image, [(face, None if name is None else elided(plain(name), 24)) for face, name in faces])


def _drawn(image: np.ndarray, labelled: Sequence[tuple[Face, str | None]], *, dots: bool = False) -> np.ndarray:
    from PIL import Image, ImageDraw

    picture = Image.fromarray(as_bytes(image, "image"))
    draw = ImageDraw.Draw(picture)
    line = max(1, round(max(picture.size) / 500))
    rows = sorted(labelled, key=lambda row: row[1] is not None)  # names are drawn over question marks
    widths = [float(face.box[2] - face.box[0]) for face, _ in rows]
    letters = max(11, round(float(np.median(widths)) / 6)) if rows else 0  # most names are then no wider than faces
    for face, text in rows:
        box = np.array([face.box[:2], face.box[2:]], float)
        for shade, beyond in ((SHADOW, line), (UNKNOWN if text is None else COLOUR, 0)):
            draw.rectangle([*(box[0] - beyond), *(box[1] + beyond)], outline=shade, width=line + 2 * beyond)
        dot = max(1.5 * line, (box[1, 0] - box[0, 0]) / 50)
        for x, y in face.landmarks.tolist() if dots else ():
            draw.ellipse((x - dot, y - dot, x + dot, y + dot), fill=COLOUR, outline=SHADOW)
    for face, text in rows:
        _label(draw, face.box, text or "?", UNKNOWN if text is None else COLOUR, line, letters)
    return np.asarray(picture, np.float32) / np.float32(255)


def _label(draw: Any, box: np.ndarray, text: str, colour: tuple[int, int, int], line: int, letters: int) -> None:
    """Draw dark text on a coloured strip below the box, or over its lower edge if there is not enough space."""
    from PIL import ImageFont

    if not text.isascii():
        text = literal(text).replace(r"\$", "$")  # mathematics is for matplotlib only
    font = ImageFont.load_default(letters) if text.isascii() else ImageFont.truetype(font_file(text), letters)
    left, _, right, bottom = (float(side) for side in box)
    width, height = draw.im.size
    across, down = draw.textlength(text, font=font) + letters * 0.6, letters * 1.35
    x, y = min(max((left + right - across) / 2, 0), max(width - across, 0)), min(bottom + line, height - down)
    draw.rectangle((x, y, x + across, y + down), fill=colour, outline=SHADOW)
    draw.text((x + across / 2, y + down / 2), text, fill=SHADOW, font=font, anchor="mm")
