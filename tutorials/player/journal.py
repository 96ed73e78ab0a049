"""What a reader leaves behind in a lesson: the place, the predictions, and the code written so far."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minicnn.errors import InputError
from minicnn.files import replace_file
from minicnn.learn.progress import place


@dataclass(frozen=True)
class Journal:
    """The reader's folder for a lesson. kept: "at", the number of a stop, and "predictions", by question."""

    folder: Path
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def at(self) -> int:
        """The number of the stop where the reader left."""
        return int(self.kept["at"])

    @property
    def predictions(self) -> dict[str, str]:
        """The predictions, by the key of the question."""
        return dict(self.kept["predictions"])

    def keep(self, **changes: Any) -> None:
        """Keep changes. Raise InputError if the file cannot be written."""
        self.kept.update(changes)
        self.write("journal.json", json.dumps(self.kept, indent=1))

    def predict(self, question: str, prediction: str) -> None:
        """Keep a prediction."""
        self.keep(predictions={**self.predictions, question: prediction})

    def write(self, name: str, text: str) -> Path:
        """Write a file into the folder. Raise InputError if that is not possible."""
        path = self.folder / name
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            replace_file(path, text)
        except OSError as problem:
            reason = problem.strerror or problem
            raise InputError(
                f"tutorial play: {path} cannot be written: {reason}; MINICNN_LEARN names another"
            ) from None
        return path


def journal(lesson: str) -> Journal:
    """Return the journal of a lesson, a new one if there is none. Raise InputError if its file is none."""
    folder = place().parent / "lessons" / lesson
    kept: dict[str, Any] = {"at": 0, "predictions": {}}
    path = folder / "journal.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        kept = {"at": max(0, int(found["at"])), "predictions": {k: str(v) for k, v in found["predictions"].items()}}
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InputError(f"tutorial play: {path} is not a record of a lesson; move it away to begin anew") from None
    return Journal(folder, kept)
