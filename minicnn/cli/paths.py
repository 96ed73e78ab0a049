"""Checks of input and output paths: no input is overwritten, and no foreign file is replaced without --force."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from minicnn import images
from minicnn.datasets.image_folders import SUFFIXES
from minicnn.errors import InputError, MissingFileError
from minicnn.files import bears_mark, check_folder, unreadable

Beside = Callable[[argparse.Namespace], Iterator[tuple[str, Path]]]
READ = {
    "script": "the program itself",
    "compare": "the other program",
    "weights": "the file of weights to read",
    "gallery": "the gallery to read",
}
READ |= dict.fromkeys(("content", "style", "image", "images", "who", "what"), "one of the pictures to read")


def declare(parser: argparse.ArgumentParser, *, beside: Beside | None = None, **names: str) -> None:
    """Declare the arguments of a command that are paths, by name, separated by blanks.

    reads: files, folders, or names of weights. writes: files that are always replaced. sides: additional files, which
    replace only files made by minicnn, unless --force is given. pictures: outputs that must have a picture's suffix.
    folders: outputs that may be a folder, which is created. beside: a function that yields more side files, as
    (description, path).
    """
    known = {kind: names.get(kind, "").split() for kind in ("reads", "writes", "sides", "pictures", "folders")}
    parser.set_defaults(paths={**known, "command": parser.prog.removeprefix("minicnn "), "beside": beside})
    if "sides" in names or beside:
        parser.add_argument("--force", action="store_true", help="overwrite side files that minicnn did not create")


def check(arguments: argparse.Namespace) -> None:
    """Raise InputError, before the work, if an output cannot be written or would replace a protected file."""
    if not (names := getattr(arguments, "paths", None)):
        return
    read = [(name, path) for name in names["reads"] for path in _read(arguments, name)]
    written: list[tuple[str, str, bool]] = []
    for name in names["folders"]:
        value = getattr(arguments, name)
        if value and not os.path.lexists(value) and (value.endswith(("/", os.sep)) or not Path(value).suffix):
            check_folder(f"{names['command']}: --{name}", Path(value))
            os.mkdir(value)
    for name in (*names["writes"], *names["sides"]):
        value = getattr(arguments, name)
        if value is not None and not (name in names["folders"] and os.path.isdir(value)):
            option = f"{names['command']}: {'GALLERY' if name == 'gallery' else f'--{name}'}"
            check_folder(option, Path(value))
            if name in names["pictures"]:
                images.check_target(value)
            written.append((option, value, name in names["sides"]))
    beside = names["beside"](arguments) if names["beside"] else ()
    written += [(f"{names['command']}: {name}", str(path), True) for name, path in beside]
    for number, (name, given, side) in enumerate(written):
        shown, path = f"{name} {given!r}", Path(given)
        for other, source in read:
            if same(path, source):
                raise InputError(f"{shown} is {READ.get(other, f'the {other} to read')}; expected another file")
            inside = any(same(folder, source) for folder in Path(os.path.realpath(path)).parents)
            if inside and path.suffix.lower() in SUFFIXES and os.path.isfile(path) and not bears_mark(path):
                raise InputError(f"{shown} is in the folder {os.fspath(source)!r}, to be read; expected another file")
        for other, earlier, _ in written[:number]:
            if same(path, earlier):
                raise InputError(f"{shown} is the file of {other.split(': ')[1]}, too; expected another file")
        if side:
            check_folder(name, path)
            if not arguments.force and os.path.exists(path) and not bears_mark(path):
                raise InputError(f"{shown} is there already, and minicnn has not made it; --force replaces it")


def check_checkpoint(command: str, checkpoint: Path, resume: bool) -> None:
    """Raise InputError if there is no checkpoint to resume from, or one that a new run would replace."""
    check_folder(f"{command}: checkpoint", checkpoint)
    if resume and (why := unreadable(checkpoint)):
        raise MissingFileError(f"{command}: no checkpoint {str(checkpoint)!r} (it {why}); start without --resume")
    if not resume and os.path.lexists(checkpoint):
        raise InputError(f"{command}: {str(checkpoint)!r} is there from an earlier run; add --resume, or delete it")


def same(path: str | Path, other: str | Path) -> bool:
    """Return True if two paths lead to the same file, through links, other spellings or ignored case."""
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):  # one of them does not exist yet
        spelt = str.casefold if sys.platform == "darwin" else os.path.normcase
        return spelt(os.path.realpath(path)) == spelt(os.path.realpath(other))


def _read(arguments: argparse.Namespace, name: str) -> Iterator[str | Path]:
    """Yield the files and folders of an argument, with catalogue names of weights resolved."""
    from minicnn import zoo

    given = getattr(arguments, name, None)
    for value in given if isinstance(given, list) else [given] if given is not None else []:
        known = [row for row in zoo.catalog() if row.name == value] if name in ("weights", "init") else []
        yield zoo.here(known[0]) or value if known else value
