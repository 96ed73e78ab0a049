"""Every pattern that gradcheck names, on bugs that are there to be found; and without the bug, nothing is said."""

import pytest
from planted_bugs import BUGS, inputs_of

from minicnn.backend import use_backend
from minicnn.errors import GradcheckError
from minicnn.gradients.checking import gradcheck

each_bug = pytest.mark.parametrize("name", BUGS)


def found(name, seed):
    bug = BUGS[name]
    backend = "numba" if name == "wrong on numba" else "numpy"
    with use_backend(backend), pytest.raises(GradcheckError) as caught:
        gradcheck(bug.make(True), inputs_of(bug, seed), seed=seed)
    accused = next(report for report in caught.value.report.inputs if report.name == bug.accused)
    return bug, accused, str(caught.value)


def check(name, seed):
    bug, accused, message = found(name, seed)
    assert [finding.kind for finding in accused.findings] == [bug.kind], message
    assert bug.says in accused.findings[0].text, message
    assert accused.findings[0].text in " ".join(message.split())
    assert gradcheck(bug.make(False), inputs_of(bug, seed), seed=seed).ok


@each_bug
def test_a_planted_bug_is_named(name):
    check(name, 0)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(1, 6))
@each_bug
def test_a_planted_bug_is_named_whatever_the_numbers(name, seed):
    check(name, seed)
