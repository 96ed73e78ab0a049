"""minicnn demo: three style transfers and a face gallery, without arguments or downloads."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minicnn.cli import paths


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "demo",
        help="style a photograph and recognize faces, without downloads",
        description="Style a photograph after three paintings drawn by code, enrol ten drawn people, identify "
        "visitors, and write a page that shows the results.",
    )
    parser.add_argument("--out", default="minicnn-demo", metavar="DIR", help="output folder (default: minicnn-demo)")
    parser.set_defaults(run=run)
    paths.declare(parser, beside=_beside)


def _beside(arguments: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """Yield the existing pictures and pages of the output folder, which the demonstration may overwrite."""
    yield from (("--out", path) for path in sorted(Path(arguments.out).glob("*")) if path.suffix in (".png", ".html"))


def run(arguments: argparse.Namespace) -> None:
    from minicnn.demonstration import demonstrate

    page = demonstrate(Path(arguments.out))
    print(f"open {page}")
