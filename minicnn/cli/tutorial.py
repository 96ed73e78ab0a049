"""minicnn tutorial: the lessons as a list, in the terminal, as files, notebooks or a site, and the teacher's sheets."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn.cli.outcome import STATUSES, print_json
from minicnn.text import WIDTH, wrapped

if TYPE_CHECKING:
    from minicnn.lessons import Lesson, Row

WIDTHS = (20, 18, 14, 16, 24)  # widths of the columns of the list: 100 with the gaps between them


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "tutorial",
        help="read the lessons in the terminal, as files, notebooks or a site",
        description="Lessons: Python files in cells, which explain, run and check their own claims.",
    )
    actions = parser.add_subparsers(title="Actions", metavar="ACTION", required=True)
    which = "number of a lesson, its name, or part of it"

    action = _action(actions, "list", "list the lesson, figure, command and exercise of each lecture", show)
    action.add_argument("--json", action="store_true", help="print JSON")

    action = _action(actions, "paths", "list ways through the lessons, with estimated minutes", show_paths)
    action.add_argument("--json", action="store_true", help="print JSON")

    action = _action(actions, "play", "read a lesson in the terminal: predict, write, run, compare", play)
    action.add_argument("name", metavar="NAME", help=which)
    action.epilog = (
        "Your place, predictions and code stay in your home folder, or in the folder that MINICNN_LEARN names."
    )

    action = _action(actions, "open", "copy a lesson into the current folder", open_lesson)
    action.add_argument("name", metavar="NAME", help=which)
    action.add_argument("--to", metavar="FILE", help="file or folder to write (default: the current folder)")
    action.add_argument("--solved", action="store_true", help="fill the holes that you would write yourself")

    action = _action(actions, "notebook", "convert lessons to notebooks", notebook)
    action.add_argument("names", nargs="*", metavar="NAME", help=f"{which} (default: all)")
    action.add_argument("--to", default="minicnn-lessons", metavar="DIR", help="folder (default: minicnn-lessons)")
    action.add_argument("--run", action="store_true", dest="execute", help="run the notebooks, to show their output")

    action = _action(actions, "teach", "print plans for the teacher, or the sheets of lessons", teach)
    action.add_argument("names", nargs="*", metavar="NAME", help=f"{which} (default: plans, and the list of sheets)")

    action = _action(actions, "html", "run lessons and build a site that works offline", html)
    action.epilog = f"The exit status is 0 if every lesson runs without error, 1 if one does not. {STATUSES}."
    help = f"{which}; manual for the manual and the API reference alone (default: all)"
    action.add_argument("names", nargs="*", metavar="NAME", help=help)
    action.add_argument("--to", default="minicnn-lessons", metavar="DIR", help="folder (default: minicnn-lessons)")


def _action(actions: Any, name: str, what: str, run: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
    parser.set_defaults(run=run)
    return parser


# list


def show(arguments: argparse.Namespace) -> None:
    from minicnn.lessons import ENGINE, LECTURES, lessons

    everything = lessons()
    if arguments.json:
        facts = [
            {"name": lesson.name, "title": lesson.title, "about": lesson.about, "path": str(lesson.path)}
            for lesson in everything
        ]
        rows = {"lectures": LECTURES, "engine": ENGINE}
        tables = {key: [row._asdict() for row in value] for key, value in rows.items()}
        print_json({"lessons": facts, **tables})
        return
    topics = {lesson.topic: lesson for lesson in everything}
    print("\n".join(_map("The course, by lecture", LECTURES, topics)), end="\n\n")
    print("\n".join(_map("The engine, by part", ENGINE, topics)), end="\n\n")
    placed = {topic for row in (*LECTURES, *ENGINE) for topic in row.lessons}
    if others := [lesson for lesson in everything if lesson.topic not in placed]:
        print("\n".join(["Other lessons", *(f"  {lesson.name}: {lesson.title}" for lesson in others)]), end="\n\n")
    print("Each figure is drawn by the lesson. Copy a lesson with: minicnn tutorial open NUMBER.")
    print("Start an exercise with: minicnn learn start NAME.")


def _map(title: str, rows: Iterable[Row], topics: dict[str, Lesson]) -> Iterator[str]:
    yield title.upper()
    yield from _lines("", ["lesson"], "figure", "minicnn …", ["exercise"])
    for row in rows:
        labels = [f"{topics[topic].number} {topic.replace('_', ' ')}" for topic in row.lessons]
        yield from _lines(row.lecture, labels, row.figure.replace("_", " "), row.command, row.exercises)


def _lines(lecture: str, lessons: Iterable[str], figure: str, command: str, exercises: Iterable[str]) -> Iterator[str]:
    """Yield the lines of one row."""
    texts = zip(([lecture], lessons, [figure], [command]), WIDTHS[:4], strict=True)
    columns = ([line for text in cell for line in wrapped(text, width, hanging="  ")] for cell, width in texts)
    for cells in zip_longest(*columns, exercises, fillvalue=""):
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


# paths, play


def show_paths(arguments: argparse.Namespace) -> None:
    from minicnn.lessons import PATHS, find

    if arguments.json:
        print_json([{**path._asdict(), "stages": [stage._asdict() for stage in path.stages]} for path in PATHS])
        return
    for path in PATHS:
        print(f"{path.name.upper()}: about {_hours(sum(stage.minutes for stage in path.stages))}")
        print("\n".join(wrapped(path.about)))
        for lesson, what, minutes in path.stages:
            where = f"{_label(find(lesson))}: " if lesson else ""
            first, *others = wrapped(where + what, 72)
            print("\n".join([f"  {minutes:4}  {first}", *(f"        {line}" for line in others)]))
        print()
    print("Minutes are estimates. Read a lesson with: minicnn tutorial play NUMBER.")


def _label(lesson: Lesson) -> str:
    return lesson.title if lesson.number is None else f"{lesson.number} {lesson.title}"


def _hours(minutes: int) -> str:
    return f"{minutes} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours"


def play(arguments: argparse.Namespace) -> None:
    from minicnn.lessons import find
    from minicnn.lessons.player import Player

    Player(find(arguments.name), width=min(shutil.get_terminal_size().columns, WIDTH)).play()


# open


def open_lesson(arguments: argparse.Namespace) -> None:
    from minicnn.lessons import copy

    path = copy(arguments.name, arguments.to, solved=arguments.solved)
    print(f"wrote {path}. Open it in an editor that shows cells, run it, or step through it:")
    print(f"  python {path}")
    print(f"  python -m pdb {path}")


# teach


def teach(arguments: argparse.Namespace) -> None:
    from minicnn.lessons import shelf, teaching

    chosen = shelf.chosen(arguments.names) if arguments.names else []
    paths = [teaching.sheet(lesson) for lesson in chosen] or [teaching.plans()]
    print("\n".join(path.read_text(encoding="utf-8") for path in paths), end="")


# notebook, html


def notebook(arguments: argparse.Namespace) -> None:
    from minicnn.lessons import notebooks, shelf

    notebooks.need("tutorial notebook", "jupytext", *(("nbclient", "ipykernel") if arguments.execute else ()))
    lessons = shelf.chosen(arguments.names)
    with _progress(lessons if arguments.execute else []) as step:
        paths = notebooks.write(lessons, Path(arguments.to), execute=arguments.execute, step=step)
    for path in paths:
        print(path)
    print(f"Open them with: jupyter lab {arguments.to}")


def html(arguments: argparse.Namespace) -> int:
    from minicnn.lessons import notebooks, pages, shelf

    notebooks.need("tutorial html", "jupytext", "nbconvert", "nbclient", "ipykernel", "latex2mathml")
    names = [name for name in arguments.names if name != "manual"]
    lessons = shelf.chosen(names) if names or not arguments.names else []
    with _progress(lessons) as step:
        failed = pages.build(lessons, Path(arguments.to), step=step, say=_say)
    first = "index.html" if lessons else "manual.html"
    print(f"{len(lessons) - len(failed)} of {len(lessons)} lessons: open {Path(arguments.to) / first}")
    return 1 if failed else 0


@contextmanager
def _progress(lessons: Sequence[Lesson]) -> Iterator[Callable[[], None]]:
    """Yield a function that advances a progress bar over the cells of all lessons. Hide the bar outside a terminal."""
    from tqdm import tqdm

    from minicnn.lessons.notebooks import notebook_of

    cells = sum(len(notebook_of(lesson).cells) for lesson in lessons)
    with tqdm(total=cells, unit="cell", disable=None if cells else True, leave=False) as bar:
        yield lambda: bar.update() and None


def _say(line: str) -> None:
    from tqdm import tqdm

    tqdm.write(f"minicnn: {line}", file=sys.stderr)
