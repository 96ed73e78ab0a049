"""Every checker against wrong answers, each of which gets its own hint, and against right ones, which all pass."""

import inspect
from pathlib import Path

import engine_parts
import pytest
import right_answers
import wrong_answers

from minicnn import learn
from minicnn.learn import catalogue, files

RIGHT = right_answers.RIGHT | engine_parts.RIGHT
MUTANTS = wrong_answers.MUTANTS | engine_parts.MUTANTS

TUTORIALS = Path(__file__).resolve().parents[2] / "tutorials"
SLOW = {"verify", "who_is_it", "content_kernel"}  # they draw twelve people first, or start a process


def marked(name, *values):
    marks = pytest.mark.thorough if name in SLOW else ()
    return pytest.param(name, *values, marks=marks, id="-".join([name, *map(str, values[-1:])]))


def judged(name, answer, folder):
    """The verdict on a function, or on the text of a file: of which a kernel needs to be one."""
    if not isinstance(answer, str):
        return learn.check(name, answer)
    if catalogue.find(name).simulated:
        file = folder / "answer.py"
        file.write_text(answer, encoding="utf-8")
        return learn.check_file(name, file)
    namespace = {}
    exec(compile(answer, name, "exec"), namespace)
    return learn.check(name, namespace[name])


def mutated(name, old, new):
    source = files.solution(catalogue.find(name))
    body = source.rindex('"""')  # the docstring may say the same
    assert old in source[body:], f"{name}: the solution has no {old!r}"
    return source[:body] + source[body:].replace(old, new)


ALL_MUTANTS = [marked(name, *mutant) for name, mutants in MUTANTS.items() for mutant in mutants]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # a learner's divisions by zero, which are not errors there
@pytest.mark.parametrize(("name", "old", "new", "slip"), ALL_MUTANTS)
def test_a_wrong_answer_is_rejected_with_its_own_hint(name, old, new, slip, tmp_path):
    verdict = judged(name, mutated(name, old, new), tmp_path)
    assert not verdict
    (hint,) = [known.hint for known in catalogue.find(name).slips if known.name == slip]
    assert hint in verdict.advice


@pytest.mark.parametrize("name", [marked(name) for name in catalogue.NAMES])
def test_right_answers_are_accepted_however_they_are_written(name, tmp_path):
    assert len(RIGHT[name]) >= 2
    for answer in (*RIGHT[name], files.solution(catalogue.find(name))):
        verdict = judged(name, answer, tmp_path)
        assert verdict, verdict


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_has_all_that_an_exercise_has(name):
    exercise = catalogue.find(name)
    assert exercise.name == name and inspect.getdoc(exercise.function)
    assert len({slip.hint for slip in exercise.slips}) == len(exercise.slips) >= 5
    assert {slip.name for slip in exercise.slips} == {slip for _, _, slip in MUTANTS[name]}
    assert len({case.title for case in exercise.cases}) == len(exercise.cases)
    assert len(exercise.hints) == 3 and len(exercise.lecture) <= 43
    assert (TUTORIALS.parent / exercise.read).is_file()
