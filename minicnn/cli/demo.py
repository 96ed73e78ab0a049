"""minicnn demo: a photograph in three styles and ten faces at a door, with nothing to download or to choose."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minicnn.cli import paths


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "demo",
        help="style a photograph in three paintings, and recognize faces; no arguments, no network",
        description="Style a photograph in three paintings that are drawn by code; enrol ten drawn people and find out "
        "who comes; and write a page that shows how.",
    )
    parser.add_argument("--out", default="minicnn-demo", metavar="DIR", help="where to write (default: minicnn-demo)")
    parser.set_defaults(run=run)
    paths.declare(parser, beside=_beside)


def _beside(arguments: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """Yield the pictures and the page that are there already, which the demonstration may write over."""
    yield from (("--out", path) for path in sorted(Path(arguments.out).glob("*")) if path.suffix in (".png", ".html"))


def run(arguments: argparse.Namespace) -> None:
    from minicnn.demonstration import demonstrate

    page = demonstrate(Path(arguments.out))
    print(f"open {page}")
