"""The page about other people's notes: it runs, its ledger is whole, and the names in its table are names of ours."""

import json
import re
from functools import reduce

import pytest

import minicnn
from minicnn import lessons
from minicnn.lessons import LECTURES

PROGRAM = """
import json
page = runpy.run_path(sys.argv[0], run_name="__main__")
print("LEDGER", json.dumps({lecture: [row._asdict() | {"holds": row.holds is None or bool(row.holds),
    "computed": row.holds is not None} for row in rows] for lecture, rows in page["LEDGER"].items()}))
"""


@pytest.fixture(scope="module")
def page():
    return lessons.find("notes_that_differ")


@pytest.fixture
def run(page, fresh_python):
    """(what it prints, its ledger: {lecture: rows})."""
    said, ledger = fresh_python(PROGRAM, page.path).split("LEDGER ", 1)
    return said, json.loads(ledger)


@pytest.mark.tutorials
def test_it_runs_and_its_ledger_is_whole(run, page):
    said, ledger = run
    for number in ("677.4602", "7.056877", "14.01781", "175.7533", "63.19326", "528.1427"):
        assert number in said

    assert [*ledger] == [lecture.lecture for lecture in LECTURES] and all(ledger.values())
    rows = [row for entries in ledger.values() for row in entries]
    assert {row["verdict"] for row in rows} == {"same", "convention", "misprint", "wrong"}
    topics = {lesson.topic for lesson in lessons.lessons() if lesson.number}
    sections = re.findall(r"^# ## (.+)$", page.source, re.MULTILINE)
    for row in rows:
        assert row["lesson"] in topics, row
        assert row["holds"] and (row["computed"] or row["source"]), row
        assert not row["computed"] or row["here"], row  # what came out is shown
        assert not row["section"] or row["section"] in sections, row
        assert row["notes"] and {*row["notes"]} <= {*"abcdex"}, row
    claims = [(lecture, row["notes"], row["claim"]) for lecture, entries in ledger.items() for row in entries]
    assert len({*claims}) == len(claims)
    assert all(any(letter in row["notes"] for row in rows) for letter in "abcdex")
    assert sum(row["computed"] for row in rows) > 0.8 * len(rows)
    assert len({row["section"] for row in rows}) > 10


def test_every_name_in_its_table_is_there(page):
    names = re.findall(r"`minicnn\.([\w.]+)", page.source)
    assert len(names) > 10
    for name in names:
        reduce(getattr, name.split("."), minicnn)  # raises where it is not
