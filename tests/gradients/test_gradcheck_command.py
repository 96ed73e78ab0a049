"""minicnn gradcheck: its table, its JSON, its exit status."""

import json
import re

import numpy as np
import pytest

from minicnn import ops, survey
from minicnn.cli import gradcheck, main
from minicnn.gradients.cases import OpCase, normal
from minicnn.gradients.reports import GradcheckReport, InputReport
from minicnn.operation import op


@op
def forgetful_square(x):
    return x * x, lambda dy: dy * x


@pytest.fixture
def bad_row(monkeypatch):
    bad = OpCase("square", normal((3, 4)), name="bad", call=forgetful_square)
    monkeypatch.setitem(survey.ROOMS, "", (*survey.ROOMS[""], bad))


def test_a_row_of_every_differentiable_function_is_known():
    names = [row.name for row in survey.rows()]
    assert len({*names}) == len(names) > 100
    assert {row.op for row in survey.rows()} >= {*ops.__all__, "triplet_loss", "style_cost"}


def test_one_operation_gives_a_table(capsys):
    assert main(["gradcheck", "relu", "max_pool-2d", "style.gram_matrix", "--backend", "numpy"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["row", "entries", "numpy"]
    assert [line.split()[:2] for line in lines[:3]] == [
        ["relu", "12"],
        ["max_pool-2d", "120"],
        ["style.gram_matrix", "60"],
    ]
    assert all(float(line.split()[2]) < 1e-6 for line in lines[:3])
    rows = [head, *lines[:3]]
    assert len({tuple(word.end() for word in re.finditer(r"\S+", line))[1:] for line in rows}) == 1  # right-aligned
    assert lines[4].startswith("3 rows on 1 backend: 3 passed in ")


def test_a_wrong_gradient_is_explained_and_the_status_is_1(bad_row, capsys):
    assert main(["gradcheck", "square", "--backend", "numpy"]) == 1
    said = capsys.readouterr().out
    assert "gradcheck FAILED square-bad(x)   backend numpy" in said
    assert "ratio 0.500" in said and "1 passed, 1 FAILED" in said


@pytest.mark.parametrize("worst", [(0.25, 0.5), (0.5, 0.25)])
def test_a_row_has_the_error_of_its_worst_input(monkeypatch, worst):
    inputs = [InputReport("x", (3,), checked=3, worst_relative=first) for first in worst]
    monkeypatch.setattr(survey, "gradcheck", lambda *f, **seed: GradcheckReport(inputs, 1e-6, "float64", "", "numpy"))
    ((outcome,),) = survey.survey(survey.rows(["matmul"])[:1], ["numpy"])
    assert (outcome.worst, outcome.entries) == (0.5, 6)


@pytest.mark.parametrize(
    ("verdicts", "worst"), [(["passed"] * 3, 2), (["inconclusive", "passed", "passed"], 0), (["passed", "FAILED"], 1)]
)
def test_of_several_seeds_the_worst_is_told(monkeypatch, verdicts, worst):
    def outcome_of(row, backend, seed):
        seeds.append(seed)
        return survey.Outcome(row, "op", backend, verdicts[seed], seed, seed, (), "")

    seeds = []
    monkeypatch.setattr(survey, "_outcome", outcome_of)
    found = [outcome.entries for (outcome,) in survey.survey(["a", "b"], ["numpy"], seeds=len(verdicts))]
    assert found == [worst] * 2 and seeds == [*range(len(verdicts))] * 2


def test_a_row_that_cannot_be_compared_says_why(monkeypatch):
    def f(x):
        return x * np.random.default_rng().random()

    odd = OpCase("square", normal((3, 4)), name="odd", call=f)
    monkeypatch.setitem(survey.ROOMS, "", (odd,))
    ((found,),) = survey.survey(survey.rows(["square"]), ["numpy"])
    assert (found.row, found.op, found.backend, found.verdict) == ("square-odd", "square", "numpy", "FAILED")
    assert (found.entries, found.worst, found.patterns) == (0, np.inf, ())
    assert found.report == "gradcheck: f gave two results for the same inputs; fix its random numbers with a seed"
    facts = gradcheck._facts(found)
    assert (facts["worst"], facts["report"], gradcheck._cell(found)) == (None, found.report, "FAILED")
    assert gradcheck._sum([found], 1) == "1 row on 1 backend: 1 FAILED"


def test_json_says_the_same(bad_row, capsys):
    assert main(["gradcheck", "square", "--backend", "numpy", "--json"]) == 1
    good, bad = json.loads(capsys.readouterr().out)["rows"]
    assert (good["row"], good["verdict"], good["report"]) == ("square", "passed", "")
    assert (bad["verdict"], bad["patterns"], bad["entries"]) == ("FAILED", ["ratio"], 12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["konv"], "op is 'konv'; expected an operation or a row of it, such as conv"),
        (["relu", "--backend", "abacus"], "name is 'abacus'"),
        (["relu", "--seeds", "0"], "seeds is 0; expected an integer of at least 1"),
    ],
)
def test_nonsense_is_refused_in_one_line(arguments, message, capsys):
    assert main(["gradcheck", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
