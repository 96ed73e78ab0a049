"""Draw docstrings, help texts and sentences of the README by a seed, to be judged by the guide to plain English.

python tests/sample_of_prose.py --seed 28 --count 100
"""

import argparse
import ast
import random
import re
from pathlib import Path

import minicnn
from minicnn.cli import parser

PACKAGE = Path(minicnn.__file__).parent
README = Path(__file__).resolve().parents[1] / "README.md"


def docstrings():
    """Return (place, text) of each docstring of a function, a class or a file."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                name = getattr(node, "name", "")
                text = ast.get_docstring(node)
                found += [(f"{path.relative_to(PACKAGE).as_posix()} {name}".strip(), text)] if text else []
    return found


def helps(command=None, words="minicnn"):
    """Return (place, text) of each help text, description and epilogue of a command and of those below it."""
    command = command or parser()
    found = [(words, text) for text in (command.description, command.epilog) if text]
    for action in command._actions:
        name = "/".join(action.option_strings) or action.dest
        found += [(f"{words} {name}", action.help)] if action.help and action.help != argparse.SUPPRESS else []
        for row in getattr(action, "_choices_actions", []):  # the commands of a group
            found.append((f"{words} {row.dest}", row.help))
        for below, child in action.choices.items() if isinstance(action.choices, dict) else []:
            found += helps(child, f"{words} {below}")
    return [one for one in found if "show this help message" not in one[1]]


def sentences():
    """Return (place, text) of each sentence of the README, without its blocks and tables."""
    text = re.sub(r"^```.*?^```$", "", README.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(\||#|!|<|\[!).*\n", "\n", text, flags=re.MULTILINE)
    parts = [re.sub(r"\s+", " ", part).strip() for part in re.split(r"\n\s*\n|\n(?=- )", text)]
    found = [one for part in parts for one in re.split(r"(?<=[.:?!])\s+(?=[A-Z`*\[0-9])", part) if len(one) > 20]
    return [("README", one) for one in found]


def corpus():
    """Return (place, text) of everything that may be drawn."""
    return [*docstrings(), *dict.fromkeys(helps()), *sentences()]


def sample(seed, count):
    """Return (place, text) of `count` draws, in the order in which they are drawn."""
    return random.Random(seed).sample(corpus(), count)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seed", type=int, required=True, help="seed of the draws")
    arguments.add_argument("--count", type=int, default=100, help="number of draws (default: 100)")
    asked = arguments.parse_args()
    for number, (place, text) in enumerate(sample(asked.seed, asked.count), 1):
        print(f"{number}. {place}\n    " + text.replace("\n", "\n    "))
