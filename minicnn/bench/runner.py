"""Runs the chosen sections, and shows and saves each row as soon as it is measured."""

from __future__ import annotations

import datetime
import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

import minicnn
from minicnn import devices, machine, resources
from minicnn.bench import checkouts, cuda_sides, pytorch, tables
from minicnn.bench.children import ChildFailed
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Report, Row, Table
from minicnn.errors import InputError, check_count
from minicnn.files import check_folder

# A section's name on the command line, and its module.
SECTIONS = {
    "style": "style_step",
    "memory": "peak_memory",
    "tiles": "style_tiles",
    "layers": "layers",
    "encoders": "encoder_batches",
    "peers": "peers",
    "training": "training_step",
    "triplets": "triplet_step",
    "shapes": "other_shapes",
    "pools": "bandwidth",
    "search": "gallery_search",
    "faces": "face_detection",
    "clusters": "people_clusters",
    "collections": "face_collections",
    "class": "class_of_thirty",
    "start": "cold_start",
    "micro": "micro",
}
# The same for a GPU. The first checks every kernel against float64; without it, the times mean nothing.
CUDA_SECTIONS = {
    "check": "cuda_check",
    "layers": "cuda_layers",
    "pools": "cuda_bandwidth",
    "steps": "cuda_steps",
}
ROUNDS, QUICK_ROUNDS = 5, 2


def run(
    only: Sequence[str] = (),
    *,
    quick: bool = False,
    rounds: int | None = None,
    out: Path | None = None,
    device: str = "cpu",
    against: Path | None = None,
    say: Callable[[str], None] = tqdm.write,
) -> Report:
    """Measure, pass every row to `say`, and return the report. On any exit, `out` gets the rows measured until then.

    only: names of SECTIONS, or none for all. rounds: None for the default. device: "cuda" measures CUDA_SECTIONS.
    against: another checkout of minicnn, compared with this one instead of PyTorch; measures checkouts.SECTIONS.
    Raise InputError if that device is missing, with the reason, or if `against` is not a checkout.
    """
    devices.check_device(device)
    known: Mapping[str, object] = SECTIONS if device == "cpu" else CUDA_SECTIONS
    if against is not None:
        if device != "cpu":
            raise InputError(f"bench: device is {device!r}; expected cpu with --against")
        checkouts.check(against)
        known = checkouts.SECTIONS
    _check(only, known, rounds, out)
    torch = pytorch.load(resources.threads()) if against is None else None
    rounds = rounds or (QUICK_ROUNDS if quick else ROUNDS if against is None else checkouts.ROUNDS)
    plan = Plan(rounds, quick, torch, turn=0.01 if quick else 0.05)
    conditions = {
        "minicnn": minicnn.__version__,
        "pytorch": str(torch.__version__) if torch else None,
        "threads": resources.threads(),
        "rounds": rounds,
        "quick": quick,
        "load": machine.load(),
        **({} if against is None else {"against": str(against)}),
    }
    report = Report(datetime.datetime.now().astimezone().isoformat(timespec="seconds"), machine.describe(), conditions)
    for line in tables.opening(report):
        say(line)
    names = [name for name in known if not only or name in only]
    if against is None:
        sections = {name: importlib.import_module(f"minicnn.bench.{known[name]}").section(plan) for name in names}
    else:
        sections = {name: checkouts.section(plan, name, against) for name in names}
    beside = torch is not None if device == "cpu" else cuda_sides.placed(torch) is not None
    try:
        _fill(report, sections, beside, say)
        report.complete = True
    finally:
        rows = sum(len(table.rows) for table in report.tables.values())
        if out is not None and rows:
            report.write(out)
            say(f"\n{out}: {rows} row{'s' if rows > 1 else ''}{'' if report.complete else ', interrupted'}")
    return report


def _check(only: Sequence[str], known: Iterable[str], rounds: int | None, out: Path | None) -> None:
    """Raise InputError before the measurements if an argument would fail after them."""
    for name in only:
        if name not in known:
            raise InputError(f"bench: only is {name!r}; expected one of {', '.join(known)}")
    if rounds is not None:
        check_count("bench: rounds", rounds)
    if out is not None:
        check_folder("bench: out", out)


def _fill(report: Report, sections: dict[str, Section], pytorch_here: bool, say: Callable[[str], None]) -> None:
    total = sum(len(section.measurements) for section in sections.values())
    with tqdm(total=total, unit="row", leave=False, disable=None) as bar:
        for name, section in sections.items():
            table = report.tables[name] = Table(section.title, section.compared, section.limit, rival=section.rival)
            for what, measure in section.measurements:
                bar.set_description(f"{name}: {what}")
                try:
                    row = measure()
                except ChildFailed as problem:
                    row = Row(what, "", None, details={"why": str(problem)})
                beside = row.pytorch is not None or (pytorch_here and section.rival == "PyTorch")
                if not table.rows:
                    say(f"\n{tables.heading(table, row.unit, beside)}")
                table.rows.append(row)
                say(tables.line(table, row, beside))
                bar.update()
