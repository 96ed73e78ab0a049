"""What was done to a gallery, kept to be done again: so two who write one file lose nothing of each other's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from minicnn.faces.records import Records

Change = Callable[[Records], Records]


class Journal:
    """The changes of one gallery since it was made or read, and what of them each file has seen."""

    def __init__(self) -> None:
        self._changes: list[Change] = []
        self._seen: dict[Path, tuple[int, str]] = {}  # how many changes a file holds, and its checksum then

    def note(self, change: Change) -> None:
        """This was done. Done twice, it must do no more than once."""
        self._changes.append(change)

    def mark(self, path: Path, sha256: str) -> None:
        """The file holds everything up to now."""
        self._seen[path] = len(self._changes), sha256

    def is_as_marked(self, path: Path, sha256: object) -> bool:
        """Whether nobody else has written the file since."""
        return path in self._seen and self._seen[path][1] == sha256

    def upon(self, path: Path, theirs: Records, ours: Records) -> Records:
        """What a file holds, and with it what was done here since; all that is here for a file never seen before."""
        if path not in self._seen:
            for name in ours.people:
                theirs = theirs.add(name, ours.of(name))
            return theirs
        for change in self._changes[self._seen[path][0] :]:
            theirs = change(theirs)
        return theirs
