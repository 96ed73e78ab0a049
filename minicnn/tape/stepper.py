"""The debugger of a tape: a cursor on its moments, moved by commands at a prompt or through a pipe."""

from __future__ import annotations

import ast
import cmd
import re
import shutil
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from minicnn.errors import InputError
from minicnn.tape import notation, page
from minicnn.tape.explanation import explain
from minicnn.tape.formulas import formula_of, source_of
from minicnn.tape.overview import equation, summary, table_of
from minicnn.tape.pixels import pixel_of
from minicnn.text import elided

if TYPE_CHECKING:
    from minicnn.tape.recorder import Recorder, Step, Value

HELP = """\
  next [N|NAME]    n     go to the next moment, N ahead, or the next one of a variable: next loss
  previous [N|NAME] p    go back one moment, N, or to the one before of a variable
  backward         b     go to the backward of this operation
  forward          f     go to the forward of this operation
  continue         c     go to the next break, or to the next change of a watched gradient
  goto N|NAME            go to operation N of the list, or to the one that gave a variable
  first, last            go to either end
  break OP               stop at an operation: by its kind (relu), its number, or its result (conv_1)
  watch NAME.grad        print a gradient or values at every stop, and stop when they change
  clear [WHAT]           remove a break or a watch, or all of them
  print NAME[SLICE]      print elements: print w.grad[0, :, 1]
  why NAME[INDEX]        print the products whose sum is this element of NAME.grad: why w[1, 0, 2, 0]
  pixel NAME[INDEX]      print an output of a convolution, every way it is computed
  list             l     list the operations around this one
  show [N]               list the operations, a page of them from number N
  source                 print the code of this operation, forward and backward
  page PATH              write the tape as an HTML page
  quit             q"""

PAGE = 40  # operations that show lists at a time
REFERENCE = re.compile(r"^\s*(?P<name>.+?)(?P<gradient>\.grad)?\s*(?:\[(?P<index>.*)\])?\s*$")
SHORT = {"n": "next", "p": "previous", "b": "backward", "f": "forward", "c": "continue", "l": "list", "q": "quit"}
SHORT |= {"h": "help", "?": "help", "s": "next"}


class Stepper(cmd.Cmd):
    """The prompt: reads commands from `stdin` and answers on `stdout`, which may be pipes."""

    prompt = "(tape) "

    def __init__(self, tape: Recorder, *, stdin: IO[str] | None = None, stdout: IO[str] | None = None) -> None:
        super().__init__(stdin=stdin, stdout=stdout)
        self.use_rawinput = stdin is None and sys.stdin.isatty()
        self.tape, self.at = tape, 0
        self.breaks: list[str] = []
        self.watched: list[str] = []

    def preloop(self) -> None:
        if not self.tape.moments:
            raise InputError("step: the tape is empty; no operation ran while it recorded")
        self.say(f"{summary(self.tape)}\n`help` lists the commands")
        self.stop()

    def say(self, line: str) -> None:
        print(line, file=self.stdout)

    # -- commands -------------------------------------------------------------------------------------------

    def onecmd(self, line: str) -> bool:
        word, _, rest = line.strip().partition(" ")
        word = SHORT.get(word, word)
        try:
            return bool(super().onecmd(f"{word} {rest}".strip()))
        except InputError as problem:
            self.say(f"  {problem}")
            return False

    def default(self, line: str) -> None:
        self.say(f"  {line.split()[0]!r} is not a command; `help` lists them")

    def do_help(self, argument: str) -> None:
        self.say(HELP)

    def do_quit(self, argument: str) -> bool:
        return True

    def do_EOF(self, argument: str) -> bool:
        self.say("")
        return True

    def do_next(self, argument: str) -> None:
        self.move(self.named(argument, 1) if argument[:1].isalpha() else self.at + _count(argument, "next"))

    def do_previous(self, argument: str) -> None:
        self.move(self.named(argument, -1) if argument[:1].isalpha() else self.at - _count(argument, "previous"))

    def do_first(self, argument: str) -> None:
        self.move(0)

    def do_last(self, argument: str) -> None:
        self.move(len(self.tape.moments) - 1)

    def do_goto(self, argument: str) -> None:
        if argument[:1].isalpha():
            value = self.tape.find(argument.strip(), asked_by="goto")
            step = value.made_by or next((user for user, _ in value.uses), self.here)
        else:
            step = self.numbered(argument)
        self.move(self.tape.moments.index((step, False)))

    def do_forward(self, argument: str) -> None:
        self.move(self.tape.moments.index((self.here, False)))

    def do_backward(self, argument: str) -> None:
        moment = self.here.backward_moment
        if moment is None:
            reason = "no gradient came back to it" if self.tape.moments[-1][1] else "backward was never called"
            raise InputError(f"backward: {self.here.name} has no backward on this tape: {reason}")
        self.move(moment)

    def do_continue(self, argument: str) -> None:
        before = [self.state(name, self.at) for name in self.watched]
        for at in range(self.at + 1, len(self.tape.moments)):
            step = self.tape.moments[at][0]
            changed = [self.state(name, at) != was for name, was in zip(self.watched, before, strict=True)]
            if any(changed) or any(b in (step.name, str(step.number), step.output.name) for b in self.breaks):
                return self.move(at)
        self.say("  the end: nothing stopped it")
        return self.move(len(self.tape.moments) - 1)

    def do_break(self, argument: str) -> None:
        if not argument:
            return self.say(f"  breaks: {', '.join(self.breaks) or 'none'}")
        known = [s for s in self.tape if argument in (s.name, str(s.number), s.output.name)]
        if not known:
            kinds = ", ".join(sorted({s.name for s in self.tape}))
            raise InputError(f"break: {argument!r} is not on this tape; it has {kinds}")
        self.breaks.append(argument)
        return self.say(f"  will stop at {argument}: {len(known)} of {len(self.tape)} operations")

    def do_watch(self, argument: str) -> None:
        if not argument:
            return self.say(f"  watched: {', '.join(self.watched) or 'nothing'}")
        self.reference(argument)
        self.watched.append(argument)
        return self.say(self.watch_line(argument))

    def do_clear(self, argument: str) -> None:
        for kept in (self.breaks, self.watched):
            kept[:] = [each for each in kept if argument and each != argument]
        self.say(f"  breaks: {', '.join(self.breaks) or 'none'}; watched: {', '.join(self.watched) or 'nothing'}")

    def do_print(self, argument: str) -> None:
        value, gradient, index = self.reference(argument)
        array = self.array(value, gradient, self.at)
        label = value.name + (".grad" if gradient else "")
        if array is None:
            return self.say(f"  {label} is not there yet")
        try:
            part = array[index] if index is not None else array
        except IndexError:
            raise InputError(f"print: {argument!r} reaches outside of {label} {notation.shape(array)}") from None
        with np.printoptions(precision=6, suppress=True, threshold=400, linewidth=shutil.get_terminal_size().columns):
            return self.say(f"  {argument.strip()} {notation.shape(np.asarray(part))} {array.dtype}\n{part}")

    def do_why(self, argument: str) -> None:
        value, _, index = self.reference(argument)
        self.say(explain(self.tape, value.name, () if index is None else index).told("why {place}"))

    def do_pixel(self, argument: str) -> None:
        value, _, index = self.reference(argument)
        self.say(str(pixel_of(self.tape, value.name, () if index is None else index)))

    def do_list(self, argument: str) -> None:
        number = self.here.number
        for step in self.tape.steps[max(number - 6, 0) : number + 5]:
            mark = "→" if step is self.here else " "
            self.say(f" {mark}{step.number:>4}  {equation(step)}  {notation.shape(step.output.array)}")

    def do_show(self, argument: str) -> None:
        first = self.numbered(argument).number if argument else 1
        self.say(table_of(self.tape, first, PAGE))
        if (after := first + PAGE) <= len(self.tape):
            self.say(f"  … {len(self.tape) - after + 1} more: show {after}")

    def do_source(self, argument: str) -> None:
        self.say(source_of(self.here.op).rstrip() or f"  the source of {self.here.name} is not in a file")

    def do_page(self, argument: str) -> None:
        path = Path(argument.strip() or "tape.html")
        page.save(self.tape, path)
        self.say(f"  wrote {path}")

    # -- position -------------------------------------------------------------------------------------------

    @property
    def here(self) -> Step:
        """The operation under the cursor."""
        return self.tape.moments[self.at][0]

    def move(self, to: int) -> None:
        """Move the cursor there, or to the nearer end, and print the moment."""
        last = len(self.tape.moments) - 1
        if to < 0 or to > last:
            self.say(f"  that is {'before the beginning' if to < 0 else 'the end'}")
        self.at = min(max(to, 0), last)
        self.stop()

    def stop(self) -> None:
        """Print what happened at this moment."""
        step, back = self.tape.moments[self.at]
        self.say("\n".join(_backward_lines(step, self.at) if back else _forward_lines(step)))
        for argument in self.watched:
            self.say(self.watch_line(argument))

    def named(self, name: str, way: int) -> int:
        """Return the next moment, or the one before (way -1), of an operation that takes or gives a variable."""
        variable = re.compile(rf"{re.escape(name.strip())}(_\d+)?")
        at = self.at + way
        while 0 <= at < len(self.tape.moments):
            step = self.tape.moments[at][0]
            if any(variable.fullmatch(value.name) for value in (*step.inputs, step.output)):
                return at
            at += way
        self.tape.find(name.strip(), asked_by="next" if way > 0 else "previous")
        return at

    def numbered(self, argument: str) -> Step:
        """Return the operation of that number. Raise InputError if there is none."""
        if not argument.strip().isdecimal() or not 1 <= int(argument) <= len(self.tape):
            raise InputError(f"goto: operation is {argument!r}; expected 1 … {len(self.tape)}")
        return self.tape.steps[int(argument) - 1]

    def reference(self, argument: str) -> tuple[Value, bool, Any]:
        """Return (value, True for its gradient, index or None) from NAME, NAME.grad or NAME[1, :, 0]."""
        found = REFERENCE.match(argument)
        if found is None:
            raise InputError("a name is missing; expected NAME, NAME.grad or NAME.grad[0, :, 1]")
        index = None if found["index"] is None else _index(found["index"])
        return self.tape.find(found["name"], asked_by="step"), found["gradient"] is not None, index

    def array(self, value: Value, gradient: bool, at: int) -> np.ndarray | None:
        """Return the content of a value or its gradient after moment `at`; None if it does not exist by then."""
        if gradient:
            return value.gradient_until(at + 1)
        made = value.made_by
        return value.array if made is None or self.tape.moments.index((made, False)) <= at else None

    def state(self, argument: str, at: int) -> bytes | None:
        """Return the bytes of a watched array, by which a change is detected."""
        value, gradient, index = self.reference(argument)
        array = self.array(value, gradient, at)
        return None if array is None else np.ascontiguousarray(array[index] if index is not None else array).tobytes()

    def watch_line(self, argument: str) -> str:
        value, gradient, index = self.reference(argument)
        array = self.array(value, gradient, self.at)
        if array is None:
            return f"  watch {argument}: not there yet"
        part = np.asarray(array[index] if index is not None else array)
        return f"  watch {argument} {notation.shape(part)}: {notation.spread(part)}"


def _count(argument: str, command: str) -> int:
    if argument and not argument.strip().isdecimal():
        raise InputError(f"{command}: N is {argument!r}; expected a number of moments")
    return int(argument or 1)


def _index(written: str) -> Any:
    """Return the index that a text such as [0, :, 1] means; only integers, slices and … are allowed."""

    def entry(node: ast.expr) -> Any:
        if isinstance(node, ast.Slice):
            return slice(*(None if part is None else entry(part) for part in (node.lower, node.upper, node.step)))
        if isinstance(node, ast.Constant) and (node.value is ... or type(node.value) is int):
            return node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -entry(node.operand)
        raise InputError(f"[{written}] is not an index; expected integers, slices and …, as in [0, :, 1]")

    if not written.strip():
        return ()
    try:
        tree = ast.parse(f"x[{written}]", mode="eval").body
    except SyntaxError:
        raise InputError(f"[{written}] is not an index; expected integers, slices and …, as in [0, :, 1]") from None
    inside = tree.slice if isinstance(tree, ast.Subscript) else tree
    return tuple(map(entry, inside.elts)) if isinstance(inside, ast.Tuple) else entry(inside)


def _forward_lines(step: Step) -> list[str]:
    lines = [f"{step.number} forward  {equation(step)}   {notation.milliseconds(step.milliseconds)}", *_called(step)]
    lines += [_value_line(value) for value in dict.fromkeys(step.inputs) if value.name != "none"]
    lines.append(_value_line(step.output, "→"))
    return [*lines, *_indented(formula_of(step)[0])]


def _backward_lines(step: Step, moment: int) -> list[str]:
    took = notation.milliseconds(step.backward_milliseconds)
    lines = [f"{step.number} backward of  {equation(step)}   {took}", *_called(step)]
    assert step.cotangent is not None
    lines.append(
        f"    {step.output.name}.grad {notation.shape(step.cotangent)}: {notation.spread(step.cotangent)}   comes in"
    )
    for value, part in zip(step.inputs, step.gradients, strict=True):
        if part is not None:
            total = value.gradient_until(moment + 1) if value.made_by is None else part
            so_far = "" if total is part or total is None else f"; {notation.spread(total)} with what came before"
            lines.append(f"  → {value.name}.grad {notation.shape(part)}: {notation.spread(part)}{so_far}")
    return [*lines, *_indented(formula_of(step)[1])]


def _called(step: Step) -> list[str]:
    room = max(shutil.get_terminal_size().columns, 80)
    return [elided(f"    {line}  {line.text}".rstrip(), room) for line in reversed(step.lines)]


def _value_line(value: Value, mark: str = " ") -> str:
    known = "" if value.array.ndim == 0 and value.made_by is None else f": {notation.spread(value.array)}"
    return f"  {mark} {value.name} {notation.shape(value.array)}{known}"


def _indented(formula: str) -> list[str]:
    return [f"    {line}" for line in formula.splitlines()]
