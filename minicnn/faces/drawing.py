"""Faces that were found, drawn into their picture, and faces side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minicnn.faces.detection import Detection
from minicnn.text import elided_inside, plain

COLOUR, SHADOW = (255, 214, 10), (0, 0, 0)  # yellow that is seen on skin, on black that is seen on yellow
PAPER, INK = (250, 249, 246), (34, 34, 34)


def marked(image: np.ndarray, found: Detection) -> np.ndarray:
    """A copy of the picture (H, W, 3), floats in [0, 1], with boxes, landmarks, numbers from 1, and scores."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8))
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


def contact_sheet(faces: Sequence[np.ndarray], captions: Sequence[str], title: str, *, columns: int = 8) -> np.ndarray:
    """Return a picture (H, W, 3), floats in [0, 1], of faces (n, n, 3) in rows, each over its caption."""
    from PIL import Image, ImageDraw, ImageFont

    side, (gap, top, below) = faces[0].shape[0], (14, 58, 26)
    rows = -(-len(faces) // columns)
    columns = -(-len(faces) // rows)
    heading, small = ImageFont.load_default(24), ImageFont.load_default(14)
    title, captions = plain(title), [plain(caption) for caption in captions]
    width = max(columns * (side + gap) + gap, math.ceil(heading.getlength(title)) + 2 * gap)
    sheet = Image.new("RGB", (width, top + rows * (side + below + gap)), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((gap, 16), title, fill=INK, font=heading)
    for number, (face, caption) in enumerate(zip(faces, captions, strict=True)):
        left, above = gap + number % columns * (side + gap), top + number // columns * (side + below + gap)
        sheet.paste(Image.fromarray(np.rint(np.clip(face, 0, 1) * 255).astype(np.uint8)), (left, above))
        while small.getlength(caption) > side:
            caption = elided_inside(caption, len(caption) - 1)
        draw.text((left + side / 2, above + side + 5), caption, fill=INK, font=small, anchor="ma")
    return np.asarray(sheet, np.float32) / np.float32(255)
