"""What the demonstration writes: all of a file or none of it, and figures as HTML."""

from __future__ import annotations

import html
import io
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def replace(path: Path, content: bytes) -> None:
    """Write it beside, then put it in place."""
    beside = path.with_name(path.name + ".part")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def save_figure(figure: Figure, path: Path) -> None:
    """As PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    content = io.BytesIO()
    FigureCanvasAgg(figure).print_png(content)
    replace(path, content.getvalue())


def picture(source: str, caption: str, *, below: str = "") -> str:
    """A picture with its caption, and HTML below it."""
    caption = html.escape(caption)
    return f'<figure><img src="{source}" alt="{caption}"><figcaption>{caption}{below}</figcaption></figure>'
