"""The wording of docstrings, as far as a program can check it."""

import ast
import re
from pathlib import Path

import minicnn

PACKAGE = Path(minicnn.__file__).parent
NO_VERB = re.compile(r"(What|How|Whether|Where|Who|Whom|Whose|Which|When|Why|The|An?)\b")
NO_VALUE = re.compile(r"(Return|Yield) (what|how|whether|where|whom?|whose|which|when|why)\b")


def _is_property(function):
    decorators = (ast.unparse(decorator) for decorator in function.decorator_list)
    return any(re.search(r"property$|\.(setter|getter|deleter)$", decorator) for decorator in decorators)


def functions_without_verb(source):
    """Return (name, first line of the docstring) of every function without a verb and a value at its beginning."""
    functions = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    said = [(f.name, (ast.get_docstring(f) or "").partition("\n")[0]) for f in functions if not _is_property(f)]
    return [(name, line) for name, line in said if NO_VERB.match(line) or NO_VALUE.match(line)]


def test_docstrings_of_functions_begin_with_a_verb():
    sources = [p for p in sorted(PACKAGE.rglob("*.py")) if "shipped" not in p.parts]  # those are lessons
    assert len(sources) > 200  # the whole package, not a part of it
    found = [(str(p), *one) for p in sources for one in functions_without_verb(p.read_text(encoding="utf-8"))]
    assert not found, "begin these docstrings with a verb, such as Return:\n" + "\n".join(map(str, found))


def test_a_docstring_without_a_verb_is_found():
    found = functions_without_verb('''
class Layer:
    """The layers of a network."""

    @property
    def size(self):
        """The number of weights."""

    @functools.cached_property
    def shape(self):
        """The shape of the weights."""

    def depth(self):
        """How deep it is."""

        async def inner():
            """A number.

            Return nothing.
            """

    def other(self):
        """Andante is no article."""

def right():
    """Return the loss."""

def vague():
    """Return how large the loss is."""

def silent():
    return 0
''')
    assert found == [("vague", "Return how large the loss is."), ("depth", "How deep it is."), ("inner", "A number.")]
