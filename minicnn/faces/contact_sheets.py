"""Contact sheets: faces, or other pictures of one size, side by side, with captions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minicnn.drawings import font_file, literal
from minicnn.images import as_bytes
from minicnn.text import elided_inside, plain

PAPER, INK = (250, 249, 246), (34, 34, 34)


def contact_sheet(faces: Sequence[np.ndarray], captions: Sequence[str], title: str, *, columns: int = 8) -> np.ndarray:
    """Return a picture (H, W, 3), floats in [0, 1], of faces (h, w, 3) in rows, each over the lines of its caption."""
    from PIL import Image, ImageDraw, ImageFont

    lines = [[plain(line) for line in caption.split("\n")] for caption in captions]
    (height, side, _), (gap, top, below) = faces[0].shape, (14, 58, 9 + 17 * max(map(len, lines)))
    rows = -(-len(faces) // columns)
    columns = -(-len(faces) // rows)
    heading, small = ImageFont.load_default(24), ImageFont.load_default(14)
    title = plain(title)
    width = max(columns * (side + gap) + gap, math.ceil(heading.getlength(title)) + 2 * gap)
    sheet = Image.new("RGB", (width, top + rows * (height + below + gap)), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((gap, 16), title, fill=INK, font=heading)
    for number, (face, caption) in enumerate(zip(faces, lines, strict=True)):
        left, above = gap + number % columns * (side + gap), top + number // columns * (height + below + gap)
        sheet.paste(Image.fromarray(as_bytes(face, "face")), (left, above))
        for row, line in enumerate(caption):
            font = small if line.isascii() else ImageFont.truetype(font_file(line), 14)
            line = line if line.isascii() else literal(line).replace(r"\$", "$")
            while font.getlength(line) > side:
                line = elided_inside(line, len(line) - 1)
            draw.text((left + side / 2, above + height + 5 + 17 * row), line, fill=INK, font=font, anchor="ma")
    return np.asarray(sheet, np.float32) / np.float32(255)
