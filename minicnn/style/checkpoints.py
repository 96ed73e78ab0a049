"""Checkpoint files of runs, from which an interrupted run resumes to the same picture, bit for bit."""

from __future__ import annotations

import io
import json
import time
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from minicnn.errors import InputError, MissingFileError
from minicnn.files import MARK, check_folder, replacing, unreadable
from minicnn.text import one_line

EVERY = 10.0  # seconds; the most that an interrupted run loses
MISSING = object()  # stands for a setting that one of two runs does not have


class Checkpoint:
    """The checkpoint file at `path`.

    settings: plain data that, with the arrays, determines the result. A file written under other settings is refused.
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        check_folder("checkpoint", path)
        self.path, self.settings = path, json.loads(json.dumps(settings))
        self._written = time.monotonic()

    def due(self) -> bool:
        """Return True if it is time to write again."""
        return time.monotonic() - self._written >= EVERY

    def write(self, facts: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Replace the file atomically. facts: plain data. arrays: {name: array}."""
        text = json.dumps({MARK: True, "settings": self.settings, "facts": facts})
        with replacing(self.path) as beside, open(beside, "wb") as file:
            np.savez(file, text=np.frombuffer(text.encode(), np.uint8), **arrays)  # type: ignore[arg-type]
        self._written = time.monotonic()

    def read(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return (facts, arrays) as written. Raises MissingFileError, or InputError for a file of another run."""
        if why := unreadable(self.path):
            raise MissingFileError(f"resume: no checkpoint {str(self.path)!r} (it {why}); start without resume")
        try:
            with np.load(io.BytesIO(self.path.read_bytes()), allow_pickle=False) as file:
                arrays: dict[str, np.ndarray] = dict(file)
            written = json.loads(arrays.pop("text").tobytes())
            settings, facts = written["settings"], written["facts"]
        except (ValueError, OSError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as problem:
            raise InputError(f"resume: {str(self.path)!r} is not a style checkpoint ({problem})") from None
        check_same(self.path, settings, self.settings)
        return facts, arrays

    def remove(self) -> None:
        """Delete the file, once the run is complete."""
        self.path.unlink(missing_ok=True)


def check_same(path: Path, settings: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise InputError if a file is of a run with other settings, and name the first that differs."""
    for name, value in json.loads(json.dumps(wanted)).items():
        if (was := settings.get(name)) != value:
            difference = _difference(name, was, value)
            raise InputError(f"resume: {str(path)!r} is of another run, {difference}; start without resume")


def _difference(name: str, was: Any, wanted: Any) -> str:
    """Return in words where two settings differ, down to the nested part that does."""
    if isinstance(was, dict) and isinstance(wanted, dict):
        part = next(key for key in [*wanted, *was] if was.get(key, MISSING) != wanted.get(key, MISSING))
        return _difference(f"{name}: {part}", was.get(part, MISSING), wanted.get(part, MISSING))
    texts = ("nothing" if value is MISSING else one_line(json.dumps(value), longest=40) for value in (was, wanted))
    return f"{name} {' where '.join(texts)} is asked for"
