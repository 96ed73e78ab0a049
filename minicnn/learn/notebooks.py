"""The code of a learner's file or notebook, cell by cell."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from minicnn.errors import InputError
from minicnn.files import read_text


def cells(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (name, code) of every cell with code of a notebook, or (path, text) of a program.

    Lines that begin with %, ! or ? do nothing, and cells of another language, which begin with %%, are left out.
    Raise InputError if the file is not in UTF-8, or not a notebook.
    """
    text = read_text("learn:", path)
    if path.suffix != ".ipynb":
        yield str(path), text
        return
    try:
        found = json.loads(text)["cells"]
        sources = [("".join(cell["source"]) if cell["cell_type"] == "code" else "") for cell in found]
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        what = f"{type(problem).__name__}: {problem}"
        raise InputError(f"learn: {str(path)!r} is not a notebook ({what}); expected one of Jupyter") from None
    for number, source in enumerate(sources, 1):
        if source and not source.lstrip().startswith("%%"):
            yield f"cell {number} of {path.name}", re.sub(r"^(\s*)[%!?].*", r"\1pass", source, flags=re.MULTILINE)


def code(path: Path) -> str:
    """Return the code of all cells. Raise InputError as cells() does."""
    return "\n".join(text for _, text in cells(path))
