"""minicnn bench: benchmarks on this machine, next to PyTorch if it is installed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minicnn.cli import paths


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "bench",
        help="run benchmarks, next to PyTorch if it is installed",
        description="Time style transfer, convolutions, encoders, training and startup, alternating with PyTorch if it "
        "is installed. Ctrl-C keeps the rows measured so far.",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        help="sections to run: style, memory, layers, encoders, peers, training, triplets, shapes, pools, search, "
        "faces, clusters, class, start, micro; with --device cuda: check, layers, pools, steps; with --against: style, "
        "encoders, triplets, training (default: all)",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="CHECKOUT",
        help="compare with another checkout of minicnn instead of PyTorch; print the median, smallest and largest "
        "ratio, above 1 if this one is faster",
    )
    parser.add_argument("--device", default="cpu", metavar="D", help="device to measure: cpu or cuda (default: cpu)")
    parser.add_argument("--quick", action="store_true", help="use small sizes and few rounds, for about a minute")
    parser.add_argument(
        "--rounds", type=int, metavar="N", help="rounds per measurement (default: 5; 7 with --against, 2 with --quick)"
    )
    parser.add_argument("--out", metavar="FILE", help="JSON file to write (default: bench.json)")
    parser.add_argument("--markdown", metavar="FILE", help="print the rows of FILE as a Markdown table and exit")
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
