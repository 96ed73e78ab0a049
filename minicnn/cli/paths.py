"""What commands read and write: no input is written over, and no file that is not minicnn's is replaced unasked."""

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
READ = {"script": "the program itself", "weights": "the file of weights to read", "gallery": "the gallery to read"}
READ |= dict.fromkeys(("content", "style", "image", "images", "who", "what"), "one of the pictures to read")


def declare(parser: argparse.ArgumentParser, *, beside: Beside | None = None, **names: str) -> None:
    """Say which arguments of a command are paths, by their names in the namespace, with blanks between them.

    reads: files, folders, or names of weights. writes: what is replaced, whatever it holds. sides: files that are
    written as well and replace only what minicnn has made, unless --force is given. pictures: those of both that are
    pictures, by their suffix. folders: those that may be a folder, which is made. beside: more sides, as pairs of
    what they are and their path, from the arguments.
    """
    known = {kind: names.get(kind, "").split() for kind in ("reads", "writes", "sides", "pictures", "folders")}
    parser.set_defaults(paths={**known, "command": parser.prog.removeprefix("minicnn "), "beside": beside})
    if "sides" in names or beside:
        parser.add_argument("--force", action="store_true", help="replace side files that minicnn has not made, too")


def check(arguments: argparse.Namespace) -> None:
    """Raise InputError before the work if a file could not be written, or would replace what it must not."""
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
    """Return True if two paths lead to one file: by links, other spellings, or where the system ignores case."""
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):  # one of them is not there yet
        spelt = str.casefold if sys.platform == "darwin" else os.path.normcase
        return spelt(os.path.realpath(path)) == spelt(os.path.realpath(other))


def _read(arguments: argparse.Namespace, name: str) -> Iterator[str | Path]:
    """Yield the files and folders of an argument. Weights may be named as in the catalogue."""
    from minicnn import zoo

    given = getattr(arguments, name, None)
    for value in given if isinstance(given, list) else [given] if given is not None else []:
        known = [row for row in zoo.catalog() if row.name == value] if name in ("weights", "init") else []
        yield zoo.here(known[0]) or value if known else value
