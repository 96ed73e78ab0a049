"""Faces that were found, drawn into their picture."""

from __future__ import annotations

import numpy as np

from minicnn.faces.detection import Detection
from minicnn.images import as_bytes

COLOUR, SHADOW = (255, 214, 10), (0, 0, 0)  # yellow that is seen on skin, on black that is seen on yellow


def marked(image: np.ndarray, found: Detection) -> np.ndarray:
    """A copy of the picture (H, W, 3), as floats in [0, 1], with boxes, landmarks, numbers from 1, and scores."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(as_bytes(image, "marked: image"))
    draw = ImageDraw.Draw(picture)
    line = max(1, round(max(picture.size) / 400))
    for number, (box, score, points) in enumerate(zip(*found, strict=True), start=1):
        left, top, right, bottom = (float(side) for side in box)
        for colour, beyond in ((SHADOW, line), (COLOUR, 0)):
            around = left - beyond, top - beyond, right + beyond, bottom + beyond
            draw.rectangle(around, outline=colour, width=line + 2 * beyond)
        dot = max(1.5 * line, (right - left) / 50)
        for x, y in points.tolist():
            draw.ellipse((x - dot, y - dot, x + dot, y + dot), fill=COLOUR, outline=SHADOW)
        size = max(10, round((right - left) / 7))
        below = bottom + size * 1.3 < picture.height
        draw.text(
            (max(left, 2 * line), bottom + 2 * line if below else top + 2 * line),
            f" {number}  {score:.2f}",
            fill=COLOUR,
            font=ImageFont.load_default(size),
            stroke_width=max(1, line),
            stroke_fill=SHADOW,
        )
    return np.asarray(picture, np.float32) / np.float32(255)
