"""minicnn bench --only search: what stands beside minicnn there is faiss. It need not be installed for these tests."""

import sys
from types import ModuleType

import numpy as np
import pytest

from minicnn import resources
from minicnn.bench import children, gallery_search, pytorch, runner, tables

SMALL = {"count": 300, "rounds": 1, "turn": 0.0}


def stand_in(error=0.0):
    """A module with what is used of faiss; it searches by sorting all distances, `error` added."""

    class IndexFlatL2:
        def __init__(self, dimensions):
            self.encodings = np.empty((0, dimensions), np.float32)

        def add(self, encodings):
            self.encodings = np.concatenate([self.encodings, encodings])

        def search(self, queries, k):
            distances = np.square(queries[:, None] - self.encodings).sum(axis=2)
            places = np.argsort(distances, axis=1)[:, :k]
            return np.take_along_axis(distances, places, 1) + error, places

    faiss = ModuleType("faiss")
    faiss.IndexFlatL2, faiss.omp_set_num_threads = IndexFlatL2, lambda threads: None
    return faiss


def rows():
    return [gallery_search.Row(**row) for row in gallery_search.in_process(**SMALL, threads=resources.threads())]


def test_both_search_and_find_the_same(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", stand_in())
    one, several = rows()
    assert (one.name, several.name) == ("one query", "16 at once")
    for row in (one, several):
        assert row.unit == "ms" and row.minicnn > 0 and row.pytorch > 0 and row.ratio > 0
        assert 0 <= row.details["difference"] < 1e-5


def test_what_finds_something_else_is_shown(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", stand_in(error=0.5))
    for row in rows():
        assert row.details["difference"] > 0.1
        assert "differ" in tables.line(runner.Table("Search", rival="faiss"), row, True)


@pytest.mark.parametrize("missing", [None, ModuleType("faiss")])
def test_without_faiss_it_is_said_so(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, "faiss", missing)
    for row in rows():
        assert "faiss is not installed" in row.name
        assert row.minicnn > 0 and row.pytorch is None and row.ratio is None


@pytest.mark.parametrize("here", [True, False])
def test_the_tables_name_what_is_compared(monkeypatch, here):
    monkeypatch.setitem(sys.modules, "faiss", stand_in() if here else None)
    monkeypatch.setattr(pytorch, "load", lambda threads: None)
    asked = []

    def ask(module, function, **options):
        asked.append(options["count"])
        return getattr(gallery_search, function)(**{**options, **SMALL})

    monkeypatch.setattr(children, "ask", ask)
    said = []
    report = runner.run(["search"], quick=True, say=said.append)
    assert asked == [20_000] and report.complete and len(report.tables["search"].rows) == 2
    heading = next(line for line in said if "Search, 20,000 × 128" in line)
    assert ("faiss" in heading) == ("as fast" in heading) == here
    assert all(len(line) <= 80 for line in said[-2:])
    _, _, title, *lines = [line for line in tables.markdown(report).splitlines() if line.startswith("|")]
    assert "Search" in title and ("faiss" in title) == here and len(lines) == 2
    assert {line.count("|") for line in (title, *lines)} == {5 if here else 3}
