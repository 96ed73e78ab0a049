"""minicnn doctor: check the installation."""

from __future__ import annotations

import argparse
import contextlib
import getpass
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from minicnn.cli import outcome
from minicnn.text import file_size


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "doctor",
        help="check the installation",
        description="Try every backend and report versions, BLAS, GPUs, caches and weights.",
        epilog=f"The exit status is 0 if the default backend works, 1 if it does not. {outcome.STATUSES}.",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--report", action="store_true", help="print a report for an issue, without your name")
    parser.add_argument("--compile", action="store_true", help="compile every kernel first, for faster starts")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from minicnn.diagnosis import diagnose

    if arguments.compile:
        _compile()
    findings = diagnose()
    if arguments.json:
        outcome.print_json(findings)
    else:
        label = ""
        for name, text in _lines(findings):
            line = f"{name if name != label else '':<12}{text}".rstrip()
            print(_anonymous(line) if arguments.report else line)
            label = name
    return 0 if findings["works"] else 1


def _anonymous(line: str) -> str:
    """Return the line with the folders of the user and their name replaced."""
    for place, short in ((str(Path.cwd()), "."), (str(Path.home()), "~")):
        line = line.replace(place, short) if len(place) > 1 else line
    with contextlib.suppress(OSError, KeyError, ImportError):  # a system without names of users
        line = re.sub(rf"(?<![\w.]){re.escape(getpass.getuser())}(?!\w)", "USER", line)
    return line


def _compile() -> None:
    """Compile every kernel. The progress bar goes to standard error, so that it does not mix with --json."""
    from tqdm import tqdm

    from minicnn import warm_up

    began, scenes = time.perf_counter(), warm_up.scenes()
    with tqdm(scenes, unit="scene", disable=None, leave=False) as bar:
        for scene in bar:
            bar.set_description(scene.title)
            scene.play()
    kernels, anew = warm_up.compiled()
    print(
        f"minicnn: {kernels} kernels ready, {anew} versions compiled, {time.perf_counter() - began:.0f} s",
        file=sys.stderr,
    )


def _lines(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (label, text) for every line."""
    yield "minicnn", f"{found['minicnn']['version']} in {found['minicnn']['folder']}"
    yield "Python", f"{found['python']} on {found['system']}"
    yield from (("libraries", line) for line in _libraries(found))
    processor = found["processor"]
    yield "processor", processor["name"]
    limit = f", CPU quota {processor['quota']:g}" if processor["quota"] else ""
    yield "processor", f"{processor['available']} of {processor['cores']} cores for this process{limit}"
    yield "processor", " ".join(processor["instruction_sets"]) or "instruction sets unknown to NumPy"
    yield from (("BLAS", line) for line in _blas(found["blas"]))
    yield from (("backends", line) for line in _backends(found["backends"]))
    yield from (("GPU", gpu) for gpu in found["gpus"] or ["none: no NVIDIA driver found"])
    yield from (("kernels", line) for line in _kernels(found["compiled_kernels"]))
    yield from (("weights", line) for line in _weights(found["weights"]))
    yield "result", "minicnn works here" if found["works"] else "minicnn's default backend does not work here"


def _libraries(found: dict[str, Any]) -> Iterator[str]:
    healthy = [f"{row['name']} {row['version']}" for row in found["libraries"] if not row["problem"]]
    for i in range(0, len(healthy), 4):
        yield ", ".join(healthy[i : i + 4])
    for row in found["libraries"]:
        if row["problem"]:
            yield f"{row['name']} {row['version'] or 'is not installed'}: {row['problem']}"
    yield f"PyTorch {found['pytorch']}, for comparison" if found["pytorch"] else "no PyTorch; only bench uses it"


def _blas(blas: dict[str, Any]) -> Iterator[str]:
    if "problem" in blas:
        yield blas["problem"]
        return
    for library in blas["libraries"]:
        name = " ".join(str(library[key]) for key in ("name", "version", "architecture") if library[key])
        yield f"{name}, {library['threads']} threads ({PurePath(library['file']).name})"
    if blas["held"]:
        yield "can be limited to one thread, as the kernels require"
    else:
        yield f"NumPy's {blas['numpy_uses']} cannot be limited to one thread: results may differ in the last bits"


def _backends(backends: list[dict[str, Any]]) -> Iterator[str]:
    for row in backends:
        works = f"works; first convolution in {row['seconds']:.1f} s" if row["works"] else f"no: {row['why']}"
        yield f"{row['name']:<6}{works}"


def _kernels(kernels: dict[str, Any]) -> Iterator[str]:
    if "problem" in kernels:
        yield kernels["problem"]
        return
    size = file_size(kernels["bytes"])
    yield f"{kernels['compiled']} of {kernels['kernels']} compiled, {size} in {kernels['folder']}"
    if not kernels["lasting"]:
        yield "not kept after this process: no permanent folder is writable; set NUMBA_CACHE_DIR to one"
    elif not kernels["writable"]:
        yield "this folder is not writable"


def _weights(weights: dict[str, Any]) -> Iterator[str]:
    for row in weights["files"]:
        if row["path"]:
            yield f"{row['name']}: {file_size(row['bytes'])}, {row['path']}"
        elif not row["link"]:
            yield f"{row['name']}: {row['problem']}"
    yield from (f"searched {folder}" for folder in weights["folders"])
    if absent := sum(row["path"] is None and row["link"] is not None for row in weights["files"]):
        yield f"{absent} more available: minicnn weights list"
