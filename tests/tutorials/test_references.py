"""Lessons name each other by number and by file: each name is that of one there is, and each says what is next."""

import re
from pathlib import Path

import pytest
from tutorials.test_tutorials import FOLDER, LESSONS, cells, each_lesson

ROOT = FOLDER.parent
NAMES = {path.stem for path in FOLDER.glob("*.py")}
NUMBERS = {int(lesson.stem[:2]) for lesson in LESSONS}
SUFFIXES = {".py", ".md", ".json", ".j2", ".yml", ".toml"}
# `lesson 7`, `Lessons 1, 2, 4 to 7 and 12`, also where a line ends between them
NUMBERED = re.compile(r"\blessons?[\s#]+(\d+(?:(?:,| to| and|, and)[\s#]+\d+)*)", re.IGNORECASE)
FILE = re.compile(r"(?<![\w-])(\d\d_[a-z]\w+|notes_that_differ)\b")
OF_TESTS = re.compile(r"\d\d_(dots|broken)")


def texts():
    """Every file of the repository that may name a lesson."""
    for folder in ("tutorials", "minicnn", "tests", ".github", "weights"):
        yield from (path for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES)
    yield ROOT / "README.md"


TEXTS = [path for path in texts() if "shipped" not in path.parts and path != Path(__file__)]


def test_lessons_are_numbered_from_zero_without_a_gap():
    assert sorted(NUMBERS) == list(range(len(LESSONS)))


def test_every_lesson_that_is_named_is_there():
    wrong, seen = [], 0
    for path in TEXTS:
        text = path.read_text(encoding="utf-8")
        for found in NUMBERED.finditer(text):
            seen += 1
            wrong += [] if {*map(int, re.findall(r"\d+", found[1]))} <= NUMBERS else [(path.name, found[0])]
        for name in FILE.findall(text):
            seen += 1
            wrong += [] if name in NAMES or OF_TESTS.fullmatch(name) else [(path.name, name)]
    assert not wrong and seen > 200


@each_lesson
def test_a_lesson_bears_its_number(lesson):
    title = cells(lesson)[0][1].partition("\n")[0]
    assert re.match(rf"# # Lesson {int(lesson.stem[:2])}: ", title), title


@each_lesson
def test_a_lesson_ends_with_where_to_go_next(lesson):
    """Its last paragraph names the next lesson; that of the last lesson, the page about notes."""
    last = cells(lesson)[-1][1].rstrip().rpartition("\n#\n")[2]
    named = FILE.findall(last)
    at = LESSONS.index(lesson) + 1
    assert lesson.stem not in named
    assert (LESSONS[at].stem if at < len(LESSONS) else "notes_that_differ") in named, last


@pytest.mark.parametrize("readme", ["tutorials/README.md"])
def test_a_readme_has_all_lessons_in_their_order(readme):
    """As a row of a list or of a table that begins with the lesson."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    rows = re.findall(r"^(?:\| |(\d+)\. )\[[^\]]+\]\((?:tutorials/)?(\d\d_\w+\.py)\)", text, re.MULTILINE)
    assert [name for _, name in rows] == [lesson.name for lesson in LESSONS]
    assert all(number in ("", str(int(name[:2]))) for number, name in rows)


def test_a_link_with_a_number_leads_to_that_lesson():
    pages = [ROOT / "README.md", FOLDER / "README.md", *(FOLDER / "manual").glob("*.md")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in pages)
    found = re.findall(r"\[(?:[Ll]esson )?(\d+)[^\]]*\]\((?:tutorials/|\.\./)?(\d\d_\w+\.py)\)", text)
    assert len(found) > 20
    for number, name in found:
        assert int(number) == int(name[:2]), (number, name)


def test_what_a_debugger_can_step_through_is_what_the_readme_says():
    """The lessons that compute with the readable kernels from their first cell to their last."""
    readable = {
        int(lesson.stem[:2])
        for lesson in LESSONS
        if 'minicnn.use_backend("numpy")' in lesson.read_text(encoding="utf-8")
        and not re.search(r'^minicnn.use_backend\("numba"\)', lesson.read_text(encoding="utf-8"), re.MULTILINE)
    }
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    listed = NUMBERED.search(text[text.index("**With a debugger.**") :])[1]
    said = set()
    for first, last in re.findall(r"(\d+)(?:\s+to\s+(\d+))?", listed):
        said |= set(range(int(first), int(last or first) + 1))
    assert said == readable
