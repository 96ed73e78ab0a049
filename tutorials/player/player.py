"""A lesson in the terminal: read, predict or write, run, compare, go back, leave and return.

A stop is a text and what follows it, up to where the reader decides: to go on, to predict, or to write a hole.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import io
import os
import shlex
import subprocess
import sys
import traceback
import warnings
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from minicnn.errors import InputError
from minicnn.lessons.cells import SAVED, Cell, cells, key
from minicnn.lessons.journal import Journal, journal
from minicnn.lessons.prose import code_lines, text_lines
from minicnn.lessons.shelf import Lesson
from minicnn.text import one_line, wrapped

HELP = """\
  Enter          go on: run the code, or check what you wrote
  back           go back one stop
  goto N         go to section N, or to the first one whose heading has this word
  contents       list the sections
  code           print all of the code of this cell
  edit           open the file of a hole in your editor (VISUAL or EDITOR)
  type           type the code of a hole here; a line with a single . ends it
  solution       print a solution of a hole
  skip           go on with the solution
  figure         open the last figure
  ! CODE         run a line of your own, such as ! print(x.shape)
  quit           leave; the next time you go on here
At a prediction, any other line is your prediction."""

PROMPTS = {"run": "Enter runs it", "hole": "Enter checks it", "predict": "Your prediction"}


@dataclass(frozen=True)
class Stop:
    """A place where the reader decides. kind: "text", "run", "predict", "answer" or "hole". at: its number, from 0.

    texts: what is read first. code: the cells to run. question: the key of the prediction.
    """

    kind: str
    at: int
    texts: Sequence[Cell] = ()
    code: Sequence[Cell] = ()
    question: str = ""

    @property
    def heading(self) -> str | None:
        """The heading of the section that begins here, if any."""
        found = [line for cell in self.texts for line in cell.text.splitlines() if line.startswith(("# ", "## "))]
        return found[0].lstrip("# ") if found else None


def stops(found: Sequence[Cell]) -> list[Stop]:
    """Return the stops of a lesson."""
    made: list[Stop] = []
    rest = list(found)

    def take(wanted: Callable[[Cell], bool]) -> list[Cell]:
        taken = []
        while rest and wanted(rest[0]):
            taken.append(rest.pop(0))
        return taken

    while rest:
        texts = [rest.pop(0)] if rest[0].is_text and not rest[0].tag else []
        question = key(texts[-1].text) if texts else ""
        if rest and rest[0].tag in ("predict", "answer"):
            made.append(Stop("predict", len(made), texts, [rest.pop(0)] if rest[0].tag == "predict" else [], question))
            if answers := take(lambda cell: cell.tag == "answer"):
                made.append(Stop("answer", len(made), code=answers))
        elif rest and rest[0].tag == "hole":
            hole = rest.pop(0)
            made.append(Stop("hole", len(made), texts, [hole, *take(lambda cell: cell.tag == "check")]))
        elif rest and not rest[0].is_text:
            made.append(Stop("run", len(made), texts, [rest.pop(0)]))
        else:
            made.append(Stop("text", len(made), texts))
    return made


class _Copy(io.StringIO):
    """What a cell prints, kept while it is passed on."""

    def __init__(self, to: IO[str] | None) -> None:
        super().__init__()
        self.to = to

    def write(self, text: str) -> int:
        if self.to is not None:
            self.to.write(text)
            self.to.flush()
        return super().write(text)


class Player:
    """Plays a lesson: writes to `stdout`, and reads commands from `stdin`, which may be pipes."""

    def __init__(
        self, lesson: Lesson, *, stdin: IO[str] | None = None, stdout: IO[str] | None = None, width: int = 80
    ) -> None:
        self.lesson, self.width = lesson, width
        self.stdin, self.stdout = stdin, stdout or sys.stdout
        self.stops = stops(cells(lesson.source))
        self.journal: Journal = journal(lesson.name)
        self.names: dict[str, Any] = {}
        self.done = 0  # stops that have run in this namespace
        self.printed: dict[int, str] = {}
        self.written: dict[int, str] = {}  # the code that ran in a hole
        self.figure: Path | None = None

    def play(self) -> None:
        """Play from where the reader left, until the end, `quit`, or the end of the input."""
        at = self.journal.at if self.journal.at < len(self.stops) else 0
        self._begin()
        self.say(f"{len(self.stops)} stops. `help` lists the commands, `quit` leaves, and you can return.")
        if at:
            self.say(f"You left at stop {at + 1}; `goto 1` begins anew.")
        try:
            self._catch_up(at)
            while at < len(self.stops):
                self.journal.keep(at=at)
                at = self._visit(self.stops[at])
            self.journal.keep(at=0)
            self.say("This is the end of the lesson.")
        except EOFError:
            self.say(f"You left at stop {self.journal.at + 1} of {len(self.stops)}. To go on there:")
            self.say(
                f"  minicnn tutorial play {self.lesson.number if self.lesson.number is not None else self.lesson.name}"
            )

    def say(self, text: str = "") -> None:
        print(text, file=self.stdout, flush=True)

    # -- a stop ---------------------------------------------------------------------------------------------

    def _visit(self, stop: Stop) -> int:
        """Show a stop and follow commands until one leads away. Return the number of the next stop."""
        self.say()
        for cell in stop.texts:
            self.say("\n".join(text_lines(cell.text, self.width)).rstrip())
        if stop.kind == "answer":
            self._run(stop)
        elif stop.code:
            self._show_code(stop)
        while True:
            line = self._ask(stop)
            word, _, rest = line.partition(" ")
            command = getattr(self, f"do_{word}", None) if word.isalpha() and word.islower() else None
            try:
                if line.startswith("!"):
                    self._attempt(functools.partial(self._own_line, line[1:].strip()))
                elif command and (stop.kind != "predict" or not rest or word == "goto"):
                    to = command(stop, rest.strip())
                    if to is not None:
                        return int(to)
                elif line and stop.kind != "predict":
                    self.say(f"  {one_line(word, 20)!r} is not a command; `help` lists them")
                elif self._go_on(stop, line):
                    return stop.at + 1
            except InputError as problem:
                self.say(f"  {problem}")

    def _go_on(self, stop: Stop, line: str) -> bool:
        """Do what Enter does. Return False if it failed."""
        if stop.kind == "predict" and line:
            self.journal.predict(stop.question, line)
        if stop.kind != "answer" and not self._run(stop):
            return False
        if stop.kind == "predict" and (said := self.journal.predictions.get(stop.question)):
            self.say()
            self.say("\n".join(wrapped(f"You predicted: {said}", self.width, indent="  ", hanging="  ")))
        return True

    def _ask(self, stop: Stop) -> str:
        """Return the next line. Raise EOFError at the end of the input. Ctrl-C asks again."""
        before = self.journal.predictions.get(stop.question) if stop.kind == "predict" else None
        wish = f"{PROMPTS.get(stop.kind, 'Enter goes on')}{f' (Enter keeps: {one_line(before, 30)})' if before else ''}"
        prompt = f"\n[{stop.at + 1}/{len(self.stops)}] {wish}: "
        while True:
            try:
                if self.stdin is None and sys.stdin.isatty():
                    return input(prompt).strip()
                self.stdout.write(prompt)
                self.stdout.flush()
                line = (self.stdin or sys.stdin).readline()
                self.say()
                if not line:
                    raise EOFError
                return line.strip()
            except KeyboardInterrupt:
                self.say("\n  quit leaves")

    def _show_code(self, stop: Stop, *, whole: bool = False) -> None:
        cell = stop.code[0]
        self.say()
        if stop.kind != "hole":
            return self.say("\n".join(code_lines(cell.source, self.width, whole=whole)))
        self.say("\n".join(code_lines(cell.stub, self.width)))
        self.say(f"\nYours to write (an estimate: {cell.minutes} minutes), in your editor, by `edit` or by `type`:")
        self.say(f"  {self._file(stop)}\nStuck? `solution` prints one, `skip` goes on with it.")
        return None

    # -- commands -------------------------------------------------------------------------------------------

    def do_help(self, stop: Stop, rest: str) -> None:
        self.say(HELP)

    def do_quit(self, stop: Stop, rest: str) -> None:
        raise EOFError

    def do_back(self, stop: Stop, rest: str) -> int:
        return max(stop.at - 1, 0)

    def do_contents(self, stop: Stop, rest: str) -> None:
        for number, section in enumerate(self._sections(), 1):
            self.say(
                f"  {number:3}  {section.heading}{'   ← you read this' if self._section_of(stop) is section else ''}"
            )

    def do_goto(self, stop: Stop, rest: str) -> int:
        for number, section in enumerate(self._sections(), 1):
            if rest and (rest == str(number) or rest.lower() in (section.heading or "").lower()):
                self._catch_up(section.at)
                return section.at
        raise InputError(f"goto: section is {rest!r}; expected 1 … {len(self._sections())}, or a word of a heading")

    def do_code(self, stop: Stop, rest: str) -> None:
        for cell in stop.code:
            if not cell.is_text:
                self.say("\n".join(code_lines(cell.stub if cell.tag == "hole" else cell.source, self.width)))

    def do_figure(self, stop: Stop, rest: str) -> None:
        if self.figure is None:
            raise InputError("figure: none is drawn yet")
        self.say(f"  {self.figure}")
        webbrowser.open(self.figure.as_uri())

    def do_edit(self, stop: Stop, rest: str) -> None:
        file, editor = self._file(stop), os.environ.get("VISUAL") or os.environ.get("EDITOR")
        if not editor:
            raise InputError(f"edit: neither VISUAL nor EDITOR names an editor; open {file}")
        try:
            subprocess.run([*shlex.split(editor), str(file)], check=False)
        except OSError as problem:
            raise InputError(f"edit: {editor!r} does not start ({problem.strerror})") from None

    def do_type(self, stop: Stop, rest: str) -> None:
        file, lines = self._file(stop), []
        self.say(f"  the whole function, {' and '.join(stop.code[0].names)}; a line with a single . ends it")
        while (line := (self.stdin or sys.stdin).readline()).strip() != ".":
            if not line:
                raise EOFError
            lines.append(line)
        self.journal.write(file.name, "".join(lines))
        self.say(f"  wrote {file}")

    def do_solution(self, stop: Stop, rest: str) -> None:
        self._file(stop)
        self.say("\n".join(code_lines(stop.code[0].source, self.width)))

    def do_skip(self, stop: Stop, rest: str) -> int | None:
        self._file(stop)
        return stop.at + 1 if self._run(stop, stop.code[0].source) else None

    # -- running --------------------------------------------------------------------------------------------

    def _run(self, stop: Stop, code: str | None = None) -> bool:
        """Run a stop, or print again what it printed. Return False if it fails. code: of a hole."""
        if stop.kind == "hole" and code is None:
            code = self._file(stop).read_text(encoding="utf-8")
        if stop.at < self.done and self.written.get(stop.at) == code:
            self.say(self.printed.get(stop.at, "").rstrip())
            return True
        if stop.at < self.done:  # another answer: what follows must run again
            self._begin()
        self._catch_up(stop.at)
        copy = _Copy(self.stdout)
        if not self._attempt(lambda: self._cells(stop, code, copy)):
            return False
        self.done, self.printed[stop.at] = stop.at + 1, copy.getvalue()
        if code is not None:
            self.written[stop.at] = code
        return True

    def _begin(self) -> None:
        """Begin with an empty namespace."""
        os.environ.setdefault("MPLBACKEND", "Agg")
        self.done, self.written, self.names = 0, {}, {"__name__": "__main__"}

    def _catch_up(self, to: int) -> None:
        """Run, without printing, what comes before a stop. Raise InputError if a cell fails."""
        if self.done < to:
            self.say("  (running what comes before)")
        for stop in self.stops[self.done : to]:
            mine = self._mine(stop)
            for code in [mine, stop.code[0].source] if mine else [None]:
                copy = _Copy(None)
                try:
                    self._cells(stop, code or (stop.code[0].source if stop.kind == "hole" else None), copy)
                    break
                except Exception as problem:
                    if code != mine or mine is None:
                        raise InputError(f"stop {stop.at + 1} fails: {self._told(problem)}") from None
            self.done, self.printed[stop.at] = stop.at + 1, copy.getvalue()
            if stop.kind == "hole":
                self.written[stop.at] = code or stop.code[0].source

    def _cells(self, stop: Stop, code: str | None, copy: _Copy) -> None:
        """Run the cells of a stop. code: what stands in its hole."""
        with contextlib.redirect_stdout(copy), contextlib.chdir(self._folder()), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
            for cell in stop.code:
                if cell.is_text:
                    print("\n".join(text_lines(cell.text, self.width)))
                elif cell.tag == "hole" and code not in (None, cell.source):
                    self._execute(code, str(self._file(stop)), 0)
                else:
                    self._execute(cell.source, str(self.lesson.path), cell.line - 1)
                    for name in SAVED.findall(cell.source):
                        if os.path.isfile(path := self._folder() / f"{name}.png"):
                            self.figure = path
                            print(f"[figure: {path}]")
        if (pyplot := sys.modules.get("matplotlib.pyplot")) is not None:
            pyplot.close("all")

    def _own_line(self, source: str) -> None:
        with contextlib.redirect_stdout(self.stdout):
            self._execute(source, "<your line>", 0)

    def _execute(self, source: str, file: str, above: int) -> None:
        """Run code and print the value of a last expression, as a notebook does. above: lines above it in the file."""
        tree = ast.parse("\n" * above + source, file)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, file, "exec"), self.names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), file, "eval"), self.names)
            if value is not None:
                print(value)

    def _attempt(self, run: Callable[[], None]) -> bool:
        """Run something of the reader's or of the lesson. Print why it failed, if so, and return False."""
        try:
            run()
        except KeyboardInterrupt:
            self.say("\n  stopped before its end; Enter runs it again")
        except (Exception, SystemExit) as problem:
            self.say()
            self.say("\n".join(wrapped(self._told(problem), self.width, indent="  ")))
        else:
            return True
        return False

    def _told(self, problem: BaseException) -> str:
        """Return an error in a line, with its place in the reader's file or the lesson."""
        if isinstance(problem, InputError | NotImplementedError) and str(problem):
            return one_line(problem, 600)
        ours = (str(self._folder()), str(self.lesson.path))
        if isinstance(problem, SyntaxError):
            return f"line {problem.lineno}: {problem.msg}"
        frames = [f for f in traceback.extract_tb(problem.__traceback__) if f.filename.startswith(ours)]
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}: " if frames else ""
        return f"{where}{type(problem).__name__}: {one_line(problem, 600)}"

    # -- the reader's files ---------------------------------------------------------------------------------

    def _folder(self) -> Path:
        self.journal.folder.mkdir(parents=True, exist_ok=True)
        return self.journal.folder

    def _file(self, stop: Stop) -> Path:
        """Return the file of a hole, which is made if there is none. Raise InputError where there is no hole."""
        if stop.kind != "hole":
            raise InputError("there is no hole to write here")
        cell = stop.code[0]
        path = self._folder() / f"{cell.names[0]}.py"
        return path if os.path.lexists(path) else self.journal.write(path.name, cell.stub.strip() + "\n")

    def _mine(self, stop: Stop) -> str | None:
        """Return what the reader wrote in a hole; None if nothing."""
        if stop.kind != "hole":
            return None
        path = self._folder() / f"{stop.code[0].names[0]}.py"
        return path.read_text(encoding="utf-8") if os.path.isfile(path) else None

    def _sections(self) -> list[Stop]:
        return [stop for stop in self.stops if stop.heading]

    def _section_of(self, stop: Stop) -> Stop:
        return [section for section in self._sections() if section.at <= stop.at][-1]
