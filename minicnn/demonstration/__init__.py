"""The demonstration: a photograph in three styles and face recognition at a door, without downloads or options."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from string import Template

from minicnn.demonstration import faces, styles
from minicnn.errors import InputError
from minicnn.files import replace_file
from minicnn.resources import compiled_before


def demonstrate(folder: Path, *, say: Callable[[str], None] = print) -> Path:
    """Write the pictures and the page of the demonstration, and return the page's path. Raise InputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(f"demo: out {str(folder)!r} cannot be made a folder ({problem.strerror})") from None
    if not compiled_before():
        say("compiling the kernels, once on this machine; later runs start at once")
    start = time.monotonic()
    told = {**styles.demonstrate(folder, say), **faces.demonstrate(folder, say)}
    template = Template((resources.files("minicnn.demonstration") / "templates/page.html").read_text("utf-8"))
    path = folder / "index.html"
    replace_file(path, template.substitute(told, seconds=f"{time.monotonic() - start:.0f}").encode())
    return path
