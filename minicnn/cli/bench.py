"""minicnn bench: how fast minicnn is on this machine, beside PyTorch where that is installed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minicnn.cli import paths


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "bench",
        help="measure how fast minicnn is here, beside PyTorch where it is installed",
        description="Time style transfer, convolutions, encoders, training and the cold start, turn by turn with "
        "PyTorch where it is installed. Ctrl-C keeps what was measured until then.",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        help="sections to measure: style, memory, layers, encoders, peers, training, triplets, shapes, pools, search, "
        "faces, clusters, start, micro; with --device cuda check, layers, pools, steps; with --against style, "
        "encoders, triplets, training (default: all)",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="CHECKOUT",
        help="compare this checkout with another one of minicnn instead of PyTorch: time both in turn and print the "
        "median ratio of the rounds, above 1 if this one is faster, and the smallest and largest ratio",
    )
    parser.add_argument("--device", default="cpu", metavar="D", help="cpu, or cuda for an NVIDIA GPU (default: cpu)")
    parser.add_argument("--quick", action="store_true", help="small sizes, few rounds: a look in about a minute")
    parser.add_argument("--rounds", type=int, metavar="N", help="turns of each side (default: 5, against 7, quick 2)")
    parser.add_argument("--out", metavar="FILE", help="every row, as JSON (default: bench.json)")
    parser.add_argument("--markdown", metavar="FILE", help="measure nothing: print FILE's rows as a Markdown table")
    parser.set_defaults(run=run)
    paths.declare(parser, reads="markdown against", writes="out")


def run(arguments: argparse.Namespace) -> None:
    from minicnn.bench import runner, tables
    from minicnn.bench.report import Report

    if arguments.markdown is not None:
        print(tables.markdown(Report.read(Path(arguments.markdown))))
        return
    options = {"quick": arguments.quick, "rounds": arguments.rounds, "device": arguments.device}
    options["against"] = arguments.against
    runner.run(arguments.only, out=Path(arguments.out or "bench.json"), **options)
