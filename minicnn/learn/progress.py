"""A learner's progress, in a small file in the user's data folder."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from minicnn.errors import InputError
from minicnn.files import replace_file
from minicnn.learn import engine
from minicnn.learn.exercise import Exercise


@dataclass(frozen=True)
class Progress:
    """The progress in one exercise. tries: checks so far. hints: hints read, 0 to 3. seen: solution was shown."""

    solved: bool = False
    tries: int = 0
    hints: int = 0
    seen: bool = False

    def __str__(self) -> str:
        if self.solved:
            return "solved"
        if self.seen:
            return "seen"
        return f"{self.tries} tr{'y' if self.tries == 1 else 'ies'}" if self.tries else ""


def place() -> Path:
    """Return the file: exercises.json in the folder that MINICNN_LEARN names, or in the user's data folder."""
    import platformdirs

    chosen = os.environ.get("MINICNN_LEARN")
    folder = (
        Path(os.path.expanduser(chosen)) if chosen else Path(platformdirs.user_data_dir("minicnn", appauthor=False))
    )
    return folder / "exercises.json"


def read() -> dict[str, Progress]:
    """Return {name: Progress} of the exercises tried so far. Raise InputError if the file is invalid."""
    try:
        found = json.loads(place().read_text(encoding="utf-8"))
        return {name: Progress(**{**asdict(Progress()), **entry}) for name, entry in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        raise InputError(f"learn: {place()} is not a record of exercises; move it away to begin a new one") from None


def note(name: str, **changes: bool | int) -> None:
    """Save changes of an exercise's Progress. Raise InputError if the file cannot be written."""
    _write({**(known := read()), name: replace(known.get(name, Progress()), **changes)})  # type: ignore[arg-type]


def _write(known: Mapping[str, Progress]) -> None:
    target = place()
    text = json.dumps({name: asdict(entry) for name, entry in known.items()}, indent=1)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_file(target, text)
    except OSError as problem:
        raise InputError(
            f"learn: {target} cannot be written: {problem.strerror or problem}; MINICNN_LEARN names another folder"
        ) from None


def unsolved_steps() -> list[str]:
    """Return the names of the engine's steps that are not solved yet."""
    known = read()
    return [step for step in engine.names() if not (step in known and known[step].solved)]


def note_try(name: str, right: bool) -> None:
    """Count a check. Only warn if the file cannot be written, so that the verdict is still shown."""
    try:
        known = read().get(name, Progress())
        note(name, tries=known.tries + 1, solved=known.solved or right)
    except InputError as problem:
        warnings.warn(f"progress is not kept: {problem}", stacklevel=3)


def next_hint(exercise: Exercise, tier: int | None = None) -> str:
    """Return the hint of a tier, 1 to 3; by default the first unread one, or the last if all were read.

    The last one is followed by the commands to continue, and to see the first again.
    """
    known = read().get(exercise.name, Progress())
    if tier is None:
        tier = min(known.hints + 1, len(exercise.hints))
    if tier not in range(1, len(exercise.hints) + 1):
        raise InputError(f"learn hint: tier is {tier!r}; expected 1, 2 or 3")
    note(exercise.name, hints=max(known.hints, tier))
    text = f"Hint {tier} of {len(exercise.hints)}. {exercise.hints[tier - 1]}"
    name = "engine" if isinstance(exercise, engine.Step) else exercise.name
    if tier < len(exercise.hints):
        return text
    return (
        f"{text}\n\nThis is the last hint.\nBack to the first: minicnn learn hint {name} --tier 1\n"
        f"On to a solution: minicnn learn solution {name}\nThe text to it: {exercise.read}"
    )
