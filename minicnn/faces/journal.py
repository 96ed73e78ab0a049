"""A journal of a gallery's changes, which are replayed on files that other processes have changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from minicnn.faces.records import Records

Change = Callable[[Records], Records]


class Journal:
    """The changes of one gallery since it was created or read, and how many of them each file contains."""

    def __init__(self) -> None:
        self._changes: list[Change] = []
        self._seen: dict[Path, tuple[int, str]] = {}  # number of changes in a file, and its checksum then

    def note(self, change: Change) -> None:
        """Record a change. It must be idempotent."""
        self._changes.append(change)

    def mark(self, path: Path, sha256: str) -> None:
        """Record that a file contains all changes so far."""
        self._seen[path] = len(self._changes), sha256

    def is_as_marked(self, path: Path, sha256: object) -> bool:
        """Return True if nobody else has written the file since."""
        return path in self._seen and self._seen[path][1] == sha256

    def upon(self, path: Path, theirs: Records, ours: Records) -> Records:
        """Return a file's records with our later changes applied, or with all our people if the file is new to us."""
        if path not in self._seen:
            for name in ours.people:
                theirs = theirs.add(name, ours.of(name))
            return theirs
        for change in self._changes[self._seen[path][0] :]:
            theirs = change(theirs)
        return theirs
