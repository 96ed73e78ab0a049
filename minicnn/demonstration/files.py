"""Pictures on the page of the demonstration."""

from __future__ import annotations

import html


def picture(source: str, caption: str, *, below: str = "") -> str:
    """Return a picture with its caption as HTML, and more HTML below it."""
    caption = html.escape(caption)
    return f'<figure><img src="{source}" alt="{caption}"><figcaption>{caption}{below}</figcaption></figure>'
