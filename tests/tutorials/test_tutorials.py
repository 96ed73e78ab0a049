"""Every lesson runs, cell by cell as in a notebook and from above as a script, in a new interpreter and offline."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "tutorials"
LESSONS = sorted(FOLDER.glob("[0-9]*.py"))
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)

# One namespace, and no __file__ in it: a notebook has none.
CELLS = """
import re, sys
from pathlib import Path

source, namespace = Path(sys.argv[0]).read_text(encoding="utf-8"), {"__name__": "__main__"}
for cell in re.finditer(r"^# %%.*?(?=^# %%|\\Z)", source, re.MULTILINE | re.DOTALL):
    above = source.count("\\n", 0, cell.start())
    exec(compile("\\n" * above + cell.group(), sys.argv[0], "exec"), namespace)
"""


def cells(lesson: Path) -> list[tuple[str, str]]:
    """(what stands after `# %%`, the lines below it); lines before the first marker are a cell "before"."""
    before, *found = re.split(r"^# %%(.*)\n", lesson.read_text(encoding="utf-8"), flags=re.MULTILINE)
    pairs = list(zip(found[::2], found[1::2], strict=True))
    return [("before", before), *pairs] if before else pairs


def test_there_are_lessons_each_with_its_number():
    assert LESSONS, f"{FOLDER} holds no lesson"
    numbers = [lesson.stem.split("_")[0] for lesson in LESSONS]
    assert all(re.fullmatch(r"\d\d", number) for number in numbers) and len({*numbers}) == len(numbers)


@each_lesson
def test_is_in_percent_format(lesson):
    (first, title), *_ = found = cells(lesson)
    assert first == " [markdown]" and title.startswith("# # "), "a lesson begins with its title"
    for kind, body in found:
        marker = re.fullmatch(r'( \[markdown\])?( tags=\["(predict|answer|hole|check)"\]( minutes=\d+)?)?', kind)
        assert marker, "a cell begins `# %%` or `# %% [markdown]`; tutorials/README.md says which tags there are"
        if marker[1]:
            assert all(line.startswith("#") for line in body.splitlines() if line), f"not a comment: {body}"
        else:
            compile(body, lesson.name, "exec")  # a cell is whole by itself


# Lessons 1 to 3 run with everything else, the others when they are asked for: pytest -m tutorials
LATER = [pytest.param(lesson, marks=pytest.mark.tutorials, id=lesson.stem) for lesson in (LESSONS[0], *LESSONS[4:])]


@pytest.mark.parametrize("lesson", [*(pytest.param(lesson, id=lesson.stem) for lesson in LESSONS[1:4]), *LATER])
@pytest.mark.timeout(650)
def test_runs_cell_by_cell(lesson, fresh_python, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # with two test processes, its threads wait for each other, busily
    fresh_python(CELLS, lesson, timeout=600)  # the longest takes 45 s alone, and three times that on a busy machine


def test_runs_as_a_script(fresh_python):
    """One does for all: a script has what the cells have, and __file__ besides."""
    fresh_python("runpy.run_path(sys.argv[0], run_name='__main__')", LESSONS[1])
