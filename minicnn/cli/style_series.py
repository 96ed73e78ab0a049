"""minicnn style for several pictures: those of a folder, or one per combination of values."""

from __future__ import annotations

import argparse
import itertools
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from minicnn.cli import outcome, paths
from minicnn.datasets.image_folders import SUFFIXES, counted
from minicnn.errors import InputError

SWEPT: dict[str, Any] = dict.fromkeys(("alpha", "beta", "total_variation", "style_scale", "learning_rate"), float)
SWEPT |= dict.fromkeys(("size", "steps", "levels", "seed"), int) | dict.fromkeys(("optimizer", "init"), str)
MOST = 100  # pictures of a sweep
SIDE = 320  # pixels of the long side of a picture on a contact sheet
SHEET = "sheet.png"
OF_ONE = ("gif", "frames", "plot", "masks", "map", "manifest")


class Work(NamedTuple):
    """A picture to paint. target: its file. changes: to the arguments of `transfer`. name: these changes, as text."""

    target: Path
    changes: dict[str, Any]
    name: str = ""


def works(arguments: argparse.Namespace) -> list[Work]:
    """Return the pictures that a command makes: several of a folder or of a sweep, or one. Raises InputError."""
    out, content = Path(arguments.out), arguments.content
    several = arguments.sweep or (content and os.path.isdir(content))
    if not several:
        name = Path(content or arguments.manifest or "picture").stem
        return [Work(out / f"{name}.png" if os.path.isdir(out) else out, {})]
    if not os.path.isdir(out):
        raise InputError(f"style: --out {str(out)!r} is for several pictures; expected a folder, existing or new")
    if given := [name for name in OF_ONE if getattr(arguments, name) is not None]:
        option = given[0].replace("manifest", "from")
        raise InputError(f"style: --{option} is for one picture; expected none with a folder or --sweep")
    if not arguments.sweep:
        return _of_folder(Path(content), out)
    if os.path.isdir(content or ""):
        raise InputError(f"style: CONTENT {content!r} is a folder; expected one picture with --sweep")
    return _of_sweep(arguments.sweep, out)


def _of_folder(folder: Path, out: Path) -> list[Work]:
    if any(paths.same(place, folder) for place in (out, *Path(os.path.realpath(out)).parents)):
        raise InputError(f"style: --out {str(out)!r} is in the folder to read; expected another place")
    found = [path for path in _inside(folder) if path.suffix.lower() in SUFFIXES and os.path.isfile(path)]
    if not found:
        raise InputError(f"style: CONTENT {str(folder)!r} holds no pictures; expected a picture, or a folder of them")
    stems = Counter(path.stem.casefold() for path in found)
    names = [path.stem if stems[path.stem.casefold()] == 1 else path.name for path in found]
    return [Work(out / f"{name}.png", {"content": str(path)}) for name, path in zip(names, found, strict=True)]


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _of_sweep(words: Sequence[str], out: Path) -> list[Work]:
    axes = [_axis(word) for word in words]
    found = []
    for values in itertools.product(*axes):
        name = ", ".join(f"{option}={word}" for option, word, _ in values)
        found.append(Work(out / f"{name.replace(', ', ',')}.png", {option: v for option, _, v in values}, name))
    if len(found) > MOST:
        raise InputError(f"style: --sweep makes {len(found)} pictures; expected at most {MOST}")
    if len({option for option, *_ in values}) < len(axes) or len({work.target for work in found}) < len(found):
        raise InputError(f"style: --sweep {' '.join(words)!r} has something twice; expected each name and value once")
    return found


def _axis(word: str) -> list[tuple[str, str, Any]]:
    """Return (name, value as it was written, value) of each value of one option."""
    name, _, values = word.partition("=")
    kind = SWEPT.get(name := name.replace("-", "_"))
    try:
        if kind is None or not all(re.fullmatch(r"[\w.+-]+", value) for value in values.split(",")):
            raise ValueError
        return [(name, value, kind(value)) for value in values.split(",")]
    except ValueError:
        expected = f"expected NAME=VALUE,VALUE,… with a name of {', '.join(SWEPT)}"
        raise InputError(f"style: --sweep {word!r} cannot be read; {expected}") from None


def run(
    arguments: argparse.Namespace,
    series: Sequence[Work],
    asked: dict[str, Any],
    begin: Callable[..., None],
    affordable: Callable[..., int | None],
    paint: Callable[..., bool],
) -> int:
    """Paint all pictures of a series, and the contact sheet of a sweep. begin, affordable, paint: from cli.style."""
    import numpy as np

    from minicnn.style.job import prepare

    memory: dict[Any, Any] = {}
    if not arguments.sweep:
        folder = Path(arguments.content)
        read = {work.changes["content"] for work in series}
        outcome.note_passed_over(folder, counted(path for path in _inside(folder) if str(path) not in read))
        # Errors in the request are reported once, not per picture. A square needs the most memory.
        series_of = [{"content": np.full((asked["size"], asked["size"], 3), 0.5, np.float32)}]
    else:
        series_of = [work.changes for work in series]
    jobs = (prepare(**{**asked, **changes}, memory=memory) for changes in series_of)
    largest = max(jobs, key=lambda job: job.content.size + sum(picture.size for picture, _ in job.styles))
    begin(largest.notes)
    tile = affordable(arguments, largest, f", for each of {len(series)} pictures")

    def make(work: Work) -> bool:
        """Paint a picture, unless it is complete from a run to resume. Return True if Ctrl-C ended it."""
        try:
            job = prepare(**{**asked, **work.changes}, memory=memory)
            job.settings["tile"] = tile
            return paint(arguments, job, work.target, skip=True)
        except InputError as problem:
            raise type(problem)(f"{work.target.name}: {problem}") from problem

    for _, stopped, _ in outcome.each(series, make):
        if stopped:
            return outcome.INTERRUPTED
    if arguments.sweep:
        _draw(arguments, series)
    return outcome.DONE


def _draw(arguments: argparse.Namespace, series: Sequence[Work]) -> None:
    """Write the contact sheet: a row for each value of all names but the last, whose values go across."""
    import numpy as np

    from minicnn import images
    from minicnn.faces.contact_sheets import contact_sheet

    there = [images.load(work.target, size=SIDE) if os.path.isfile(work.target) else None for work in series]
    height, width, _ = next((picture.shape for picture in there if picture is not None), (SIDE, SIDE, 3))
    blank = np.ones((height, width, 3), np.float32)
    shown = [blank if picture is None else images.resize(picture, height, width) for picture in there]
    title = f"{Path(arguments.content).stem} in the style of {', '.join(Path(each).stem for each in arguments.style)}"
    across = len(arguments.sweep[-1].split(","))
    sheet = Path(arguments.out, SHEET)
    images.save(sheet, contact_sheet(shown, [work.name for work in series], title, columns=across))
    print(f"{sheet}: a contact sheet of {len(series)} pictures")
