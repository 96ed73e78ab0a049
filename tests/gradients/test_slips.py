"""The slips that gradcheck names, by bugs planted in operations as learners write them; and it accuses no healthy one.

$ python tests/gradients/test_slips.py     prints the table of tutorials/manual/gradient_checks.md
"""

from pathlib import Path

import numpy as np
import pytest
from slips_planted import AFTER, BUGS, HARD, OPERATIONS, made

import minicnn
from minicnn.backend import use_backend
from minicnn.errors import GradcheckError
from minicnn.gradients.checking import gradcheck

PAGE = Path(__file__).parents[2] / "tutorials" / "manual" / "gradient_checks.md"


def name_of(bug):
    return f"{bug.op}: {bug.slip}"


def findings_of(bug, seed=0):
    """Return the findings on the input that the bug spoils."""
    with use_backend("numpy"), pytest.raises(GradcheckError) as caught:
        gradcheck(made(bug.op, bug.backward), OPERATIONS[bug.op][2](np.random.default_rng(seed)), seed=seed)
    return caught.value.report.inputs[bug.accused].findings


def verdict(bug, findings):
    """Return "named", "unnamed" where none fits or not all entries, or else "misnamed"."""
    if any(found.kind in bug.kinds and any(words in found.text for words in bug.says) for found in findings):
        return "unnamed" if findings[0].kind == "unknown" or findings[0].share < 1 else "named"
    return "unnamed" if findings[0].kind == "unknown" else "misnamed"


def test_the_bugs_are_as_many_as_promised():
    assert len(BUGS) == 80 and len(AFTER) == 40 and len({bug.op for bug in AFTER}) >= 25
    assert len({name_of(bug) for bug in BUGS + AFTER}) == 120 and len(OPERATIONS) + len(HARD) >= 60


def test_of_the_bugs_written_after_the_freeze_most_are_named_and_none_misnamed():
    verdicts = [(name_of(bug), verdict(bug, findings_of(bug))) for bug in AFTER]
    assert [name for name, said in verdicts if said == "misnamed"] == []
    assert sum(said == "named" for _, said in verdicts) >= 34


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("bug", BUGS + AFTER, ids=name_of)
def test_a_slip_is_named_whatever_the_numbers(bug, seed):
    findings = findings_of(bug, seed)
    assert verdict(bug, findings) != "misnamed", findings


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_healthy_operation_is_called_wrong(name):
    with use_backend("numpy"):
        for seed in range(2):
            assert gradcheck(made(name), OPERATIONS[name][2](np.random.default_rng(seed)), seed=seed).ok


def test_no_healthy_operation_is_called_wrong_where_inputs_are_hard():
    with use_backend("numpy"):
        verdicts = [gradcheck(made(name), inputs).verdict for name, inputs in HARD]
    assert len(verdicts) >= 18 and {*verdicts} == {"passed", "inconclusive"}


def test_a_gradient_is_not_reversed_along_an_axis_of_one_entry():
    """Here dy is, along both axes, and the gradient along the other: two slips at once, which have no name."""
    weights = np.array([[0.3], [-1.1], [2.0]])

    @minicnn.op
    def running(x):
        def backward(dy):
            return np.cumsum((weights[::-1] * dy).sum(axis=0, keepdims=True), axis=1)

        return weights * np.cumsum(np.broadcast_to(x, (3, 4)), axis=1), backward

    with use_backend("numpy"), pytest.raises(GradcheckError) as caught:
        gradcheck(running, [np.random.default_rng(0).normal(size=(1, 4))])
    assert [found.kind for found in caught.value.report.inputs[0].findings] == ["unknown"]


def table():
    """Return the rows of the page's table."""
    rows = []
    for bugs, when in ((BUGS, "before"), (AFTER, "after")):
        for bug in bugs:
            findings = findings_of(bug)
            said = (
                "; or: ".join(found.text for found in findings).removeprefix("every wrong entry ").replace("|", "\\|")
            )
            said = "none that is known" if findings[0].kind == "unknown" else said
            rows.append(f"| {bug.op} | {bug.slip} | {when} | {said} | {verdict(bug, findings)} |")
    return rows


def test_the_page_holds_the_table():
    page = PAGE.read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and line.endswith(("named |", "misnamed |"))]
    expected = [f"| {bug.op} | {bug.slip} | " for bug in BUGS + AFTER]
    assert [row[: len(start)] for row, start in zip(rows, expected, strict=True)] == expected
    counts = {word: sum(row.endswith(f"| {word} |") for row in rows[80:]) for word in ("named", "unnamed", "misnamed")}
    assert f"{counts['named']} named, {counts['unnamed']} unnamed, {counts['misnamed']} misnamed" in page


if __name__ == "__main__":
    print("\n".join(table()))
