"""Does the speed that the README claims hold here? Takes minutes and wants a machine with nothing else to do, so pytest
runs it only when it is named: pytest -s tests/benchmarks/bench_speed.py
"""

import pytest

from minicnn.bench import runner

pytest.importorskip("torch")


@pytest.mark.timeout(3600)
def test_a_style_step_is_faster_than_pytorchs_in_less_memory():
    tables = runner.run(["style", "memory"], say=print).tables
    assert all(row.ratio > 1 for row in tables["style"].rows)
    assert all(row.ratio < 1 for row in tables["memory"].rows if row.ratio is not None)


@pytest.mark.timeout(3600)
def test_a_million_encodings_are_searched_twice_as_fast_as_by_faiss():
    pytest.importorskip("faiss")
    for row in runner.run(["search"], say=print).tables["search"].rows:
        assert row.ratio >= 2 and row.details["difference"] < 1e-3, row.name


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("section", ["layers", "encoders", "training", "triplets", "shapes", "pools", "start"])
def test_both_compute_the_same(section):
    """What is slower than PyTorch is shown, and no failure; what differs from it is."""
    for row in runner.run([section], say=print).tables[section].rows:
        assert row.details.get("difference", 0) < 1e-3, row.name


@pytest.mark.timeout(3600)
def test_every_peer_in_float32_computes_the_same():
    rows = runner.run(["peers"], say=print).tables["peers"].rows
    assert any(row.ratio is not None for row in rows)
    for row in rows:
        assert "bfloat16" in row.name or row.details.get("difference", 0) < 1e-3, row.name
