"""The course's numbers come out, of the right answer and of the wrong ones; τ and the goldens are what they say."""

import numpy as np
import pytest

from minicnn import faces
from minicnn.datasets.synthetic_faces import Population
from minicnn.learn import catalogue, people
from minicnn.learn.judging import collect, prepare

# What learners report who made a slip, on the course's own inputs.
PUBLISHED = {
    "triplet_loss": {
        None: 527.2598,
        "mean": 175.753,
        "no margin": 527.060,
        "unsquared": 4.9266,
        "swapped": 852.278,
        "hinge after the sum": 0,
    },
    "compute_content_cost": {None: 7.056877, "no quarter": 28.2275, "Gatys": 677.460},
    "compute_layer_style_cost": {
        None: 14.017808,
        "channels mixed": 2.92039,
        "places with places": 29.5381,
        "places not squared": 224.285,
        "no quarter": 56.0712,
    },
    "gram_matrix": {None: [63.1888, -26.72128, -7.73202]},
    "total_cost": {None: 34, "swapped weights": 16},
}
ROWS = [(name, slip, value) for name, rows in PUBLISHED.items() for slip, value in rows.items()]


@pytest.mark.parametrize(("name", "slip", "value"), ROWS)
def test_a_slip_gives_the_number_that_is_known_of_it(name, slip, value):
    exercise = catalogue.find(name)
    (trial,) = [t for t in prepare(exercise) if t.case.title.startswith("the course's") and "α = 3" not in t.case.title]
    slips = {known.name: known.answers[0] for known in exercise.slips if known.answers}
    (outcome,) = collect(exercise, [trial], slips.get(slip, exercise.function))
    answer = outcome.seen[""]
    np.testing.assert_allclose(answer[0] if answer.ndim else answer, value, rtol=1e-5 if slip else 3e-6)


@pytest.mark.parametrize("name", ["compute_style_cost", "train_step"])
def test_the_solution_agrees_with_numpy(name):
    """Whose numbers are the expected ones, while the solution runs on the tape."""
    exercise = catalogue.find(name)
    for trial, outcome in zip(prepare(exercise), collect(exercise, prepare(exercise), exercise.function), strict=True):
        assert trial.case.expected
        for part, value in trial.case.expected.items():
            np.testing.assert_allclose(outcome.seen[part], value, rtol=1e-9, atol=1e-12)


@pytest.mark.thorough
def test_the_people_and_their_threshold_are_what_the_exercise_says():
    held_out = Population(size=64).held_out(92)
    assert sorted(people.PEOPLE.values()) == held_out[:12] and people.STRANGER not in people.PEOPLE.values()
    album = Population(size=64).pictures(held_out[12:], 4)
    encodings = faces.encode(people.encoder(), album.images)
    first, second = np.triu_indices(len(encodings), 1)
    d = np.linalg.norm(encodings[first] - encodings[second], axis=1)
    found = faces.calibrate(d, album.people[first] == album.people[second], target_far=1e-3)
    assert found.threshold == pytest.approx(0.894, abs=0.005) and abs(found.threshold - people.THRESHOLD) < 0.015
