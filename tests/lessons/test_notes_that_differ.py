"""The page about other people's notes: it runs, and the names in its table of notation are names of ours."""

import re
from functools import reduce

import minicnn
from minicnn import lessons


def test_it_runs(fresh_python):
    said = fresh_python("runpy.run_path(sys.argv[0], run_name='__main__')", lessons.find("notes_that_differ").path)
    for number in ("677.4602", "7.056877", "14.01781", "175.7533", "63.19326", "528.1427"):
        assert number in said


def test_every_name_in_its_table_is_there():
    names = re.findall(r"`minicnn\.([\w.]+)", lessons.find("notes_that_differ").source)
    assert len(names) > 10
    for name in names:
        reduce(getattr, name.split("."), minicnn)  # raises where it is not
