"""minicnn learn: exercises with automatic feedback."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from minicnn.cli import learn_grade, learn_use
from minicnn.cli.outcome import STATUSES, print_json
from minicnn.text import wrapped


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "learn",
        help="work on exercises with automatic feedback",
        description="Exercises: write a function and get feedback on what is right, what is wrong, and where to look. "
        "Progress is stored in your home folder, or in the folder that MINICNN_LEARN names.",
    )
    actions = parser.add_subparsers(title="Actions", metavar="ACTION", required=True)

    _action(actions, "list", "list the exercises and your progress", list_exercises)

    action = _action(actions, "start", "write a file with the task and a hole to fill", start, takes_name=True)
    action.add_argument("--to", metavar="FILE", help="file or folder to write (default: NAME.py)")

    action = _action(actions, "check", "check your file", check)
    action.add_argument("name", metavar="NAME", help="exercise, its file, or engine")
    action.add_argument("file", metavar="FILE", nargs="?", help="your file or notebook (default: NAME.py)")
    action.add_argument("--seconds", type=float, default=10, metavar="S", help="time limit in seconds (default: 10)")
    action.add_argument("--json", action="store_true", help="print the verdict as JSON")
    action.epilog = f"The exit status is 0 if everything is right, 1 if something is wrong. {STATUSES}."

    action = _action(actions, "hint", "show the next of three hints", hint, takes_name=True)
    action.add_argument("--tier", type=int, metavar="N", help="hint 1, 2 or 3 (default: the next one)")

    _action(actions, "solution", "show a solution", solution, takes_name=True)

    learn_use.add(_action(actions, "use", "run a command with your own functions", learn_use.run))
    learn_grade.add(actions)


def _action(actions: Any, name: str, what: str, run: Any, *, takes_name: bool = False) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
    if takes_name:
        parser.add_argument("name", metavar="NAME", help="exercise, as in minicnn learn list, or engine")
    parser.set_defaults(run=run)
    return parser


def list_exercises(_: argparse.Namespace) -> None:
    from minicnn import learn

    rows = learn.exercises()
    print(rows)
    unsolved = [row for row in rows if row.state != "solved"]
    if unsolved:
        print(f"\nStart one with: minicnn learn start {unsolved[0].name}")
    solved, steps = learn.steps()
    print(f"\nAn engine from nothing, {solved} of {steps} steps: minicnn learn start engine")


def start(arguments: argparse.Namespace) -> None:
    from minicnn import learn

    path = learn.start(arguments.name, arguments.to)
    print(f"wrote {path}: the task, with a hole to fill\nCheck it with: {_check_of(arguments.name, path)}")


def check(arguments: argparse.Namespace) -> int:
    from minicnn import learn

    name, file = arguments.name, arguments.file
    if file is None and name.endswith((".py", ".ipynb")):  # a file alone is named after its exercise
        name, file = Path(name).stem, name
    verdict = learn.check_file(name, file, seconds=arguments.seconds)
    if arguments.json:
        print_json(verdict.as_data())
        return 0 if verdict else 1
    print(verdict)
    rows = learn.exercises()
    here = [row.name for row in rows].index(verdict.name) + 1 if verdict.name in {row.name for row in rows} else 0
    rest = [row.name for row in (*rows[here:], *rows[:here]) if row.state != "solved"]
    if verdict.name.startswith("engine_"):
        name, (solved, steps) = "engine", learn.steps()
        rest = ["engine"] * (solved < steps)
    if not verdict:
        print(f"\nGet a hint with: minicnn learn hint {name}")
    elif rest:
        print(f"\nStart the next one with: minicnn learn start {rest[0]}")
    else:
        print("\nAll exercises are solved.")
    return 0 if verdict else 1


def hint(arguments: argparse.Namespace) -> None:
    from minicnn import learn

    for paragraph in learn.hint(arguments.name, arguments.tier).split("\n"):
        print("\n".join(wrapped(paragraph)))


def solution(arguments: argparse.Namespace) -> None:
    from minicnn import learn

    sys.stdout.write(learn.solution(arguments.name))


def _check_of(name: str, path: Path) -> str:
    return f"minicnn learn check {name}" + (f" {path}" if path != Path(f"{name}.py") else "")
