"""minicnn gradcheck: compare the gradients of all operations with finite differences."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from minicnn.cli.outcome import STATUSES, print_json

if TYPE_CHECKING:
    from minicnn.survey import Outcome


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "gradcheck",
        help="check gradients against finite differences",
        description="Check the gradients of all operations on every backend, and explain wrong ones. The table shows "
        "max |analytic - numeric| / max |numeric|. For an operation of your own, call minicnn.gradcheck in Python.",
    )
    parser.add_argument("ops", nargs="*", metavar="OP", help="operation (conv) or row (conv-2d) (default: all)")
    parser.add_argument(
        "--backend", action="append", default=[], metavar="NAME", help="backend to check (default: all)"
    )
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="random inputs per row (default: 1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)
    parser.epilog = f"The exit status is 0 if every gradient is right, 1 if one is wrong. {STATUSES}."


def run(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from minicnn import survey

    rows = survey.rows(arguments.ops)
    backends, missing = survey.backends(arguments.backend)
    began, found = time.perf_counter(), []
    width = max(len(row.name) for row in rows)
    line = f"{{:<{width}}}  {{:>7}}{'  {:>12}' * len(backends)}".format
    if not arguments.json:
        print(line("row", "entries", *backends))
    progress = tqdm(survey.survey(rows, backends, seeds=arguments.seeds), total=len(rows), disable=None, leave=False)
    for outcomes in progress:
        found += outcomes
        if not arguments.json:
            entries = max(outcome.entries for outcome in outcomes)
            progress.write(line(outcomes[0].row, entries, *map(_cell, outcomes)), file=sys.stdout)
    failed = [outcome for outcome in found if outcome.verdict == "FAILED"]
    if arguments.json:
        print_json({"rows": [_facts(outcome) for outcome in found], "not_tried": missing})
        return 1 if failed else 0
    for outcome in found:
        if outcome.report:
            print(f"\n{outcome.report}")
    print(f"\n{_sum(found, len(rows))} in {time.perf_counter() - began:.0f} s")
    for why in missing.values():
        print(f"not tried: {why}")
    return 1 if failed else 0


def _cell(outcome: Outcome) -> str:
    return f"{outcome.worst:.1e}" if outcome.verdict == "passed" else outcome.verdict


def _facts(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as plain data, with None for infinity, which JSON lacks."""
    facts = asdict(outcome)
    return {**facts, "worst": facts["worst"] if facts["worst"] < float("inf") else None}


def _sum(found: list[Outcome], rows: int) -> str:
    counts = {verdict: sum(o.verdict == verdict for o in found) for verdict in ("passed", "FAILED", "inconclusive")}
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    return f"{rows} row{'s' * (rows != 1)} on {len(found) // rows} backend{'s' * (len(found) != rows)}: {told}"
