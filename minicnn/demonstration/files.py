"""Output of the demonstration: figures, as files and as HTML."""

from __future__ import annotations

import html
import io
from pathlib import Path
from typing import TYPE_CHECKING

from minicnn.files import replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    content = io.BytesIO()
    FigureCanvasAgg(figure).print_png(content)
    replace_file(path, content.getvalue())


def picture(source: str, caption: str, *, below: str = "") -> str:
    """Return a picture with its caption as HTML, and more HTML below it."""
    caption = html.escape(caption)
    return f'<figure><img src="{source}" alt="{caption}"><figcaption>{caption}{below}</figcaption></figure>'
