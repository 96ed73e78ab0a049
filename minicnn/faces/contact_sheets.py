"""Contact sheets: faces side by side, with captions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minicnn.text import elided_inside, plain

PAPER, INK = (250, 249, 246), (34, 34, 34)


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
