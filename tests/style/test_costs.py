"""The costs against the course's numbers, against NumPy, and against finite differences."""

import numpy as np
import pytest

from minicnn import Tensor, gradcheck, style
from minicnn.errors import InputError
from minicnn.learn.tensorflow_random import course_draws
from minicnn.style import costs
from minicnn.style.costs import CONTENT_FORMS, STYLE_FORMS, overlap
from minicnn.style.gradient_rows import CASES
from minicnn.style.variation import VARIATION_FORMS, variation


def test_content_cost_gives_the_courses_number():
    content, generated = course_draws((1, 4, 4, 3), 2)
    assert style.content_cost(content, generated).item() == pytest.approx(7.056877, rel=1e-6)


def test_layer_style_cost_gives_the_courses_number():
    painting, generated = course_draws((1, 4, 4, 3), 2)
    assert style.layer_style_cost(painting, generated).item() == pytest.approx(14.017808, rel=1e-6)
    assert style.layer_style_cost(painting, painting).item() == 0


def test_gram_matrix_gives_the_courses_row():
    (unrolled,) = course_draws((3, 2), 1)  # the course's (channels, positions)
    gram = style.gram_matrix(Tensor(unrolled.T.reshape(1, 1, 2, 3)))
    np.testing.assert_allclose(gram.data[0, 0], [63.1888, -26.72128, -7.73202], rtol=1e-6)


@pytest.mark.parametrize(("arguments", "expected"), [((0.2, 0.8), 34), ((0.3, 0.5, 3, 8), 4.9)])
def test_total_cost_gives_the_courses_numbers(arguments, expected):
    assert style.total_cost(*arguments) == pytest.approx(expected, rel=1e-12)


def test_costs_equal_their_formulas_in_numpy():
    generator = np.random.default_rng(0)
    s, g = generator.standard_normal((2, 1, 5, 6, 4))
    difference = np.einsum("nhwc,nhwd->ncd", g, g) - np.einsum("nhwc,nhwd->ncd", s, s)
    by_hand = np.sum(difference**2) / (4 * 4**2 * 30**2)
    assert style.layer_style_cost(s, g).item() == pytest.approx(by_hand, rel=1e-12)
    relative = np.sum(difference**2) / np.sum(np.einsum("nhwc,nhwd->ncd", s, s) ** 2)
    assert style.layer_style_cost(s, g, form="relative").item() == pytest.approx(relative, rel=1e-12)
    assert style.content_cost(s, g).item() == pytest.approx(np.sum((s - g) ** 2) / (4 * 30 * 4), rel=1e-12)
    relative = np.sum((s - g) ** 2) / np.sum(s**2)
    assert style.content_cost(s, g, form="relative").item() == pytest.approx(relative, rel=1e-12)
    assert style.content_cost(s, g, form="gatys").item() == pytest.approx(np.sum((s - g) ** 2) / 2, rel=1e-12)
    weighted = style.style_cost({"a": s, "b": s}, {"a": g, "b": s}, layers={"a": 0.2, "b": 5})
    assert weighted.item() == pytest.approx(0.2 * by_hand, rel=1e-12)


def test_equivalences_of_the_forms():
    """What style.md says of them: each system's number from another's."""
    s, g = np.random.default_rng(1).standard_normal((2, 1, 5, 6, 4))
    gatys, mean, johnson = (style.layer_style_cost(s, g, form=form).item() for form in ("gatys", "mean", "johnson"))
    assert johnson == pytest.approx(4 / 4**2 * gatys, rel=1e-12)  # 4 / N²
    assert mean == pytest.approx(4 * gatys, rel=1e-12)
    assert 1e3 / 4**2 * mean == pytest.approx(1000 * johnson, rel=1e-12)  # with Leon Gatys' weight 1000 / N²
    # The course's form is Gatys' with raw Gram matrices, which the form for different sizes equals where they match.
    raw = np.sum((np.einsum("nhwc,nhwd->cd", g, g) - np.einsum("nhwc,nhwd->cd", s, s)) ** 2)
    assert gatys == pytest.approx(raw / (4 * 4**2 * 30**2), rel=1e-12)
    keras = style.layer_style_cost(s, g, form="keras", image_size=(10, 12)).item()
    assert keras == pytest.approx(raw / (4 * 3**2 * 120**2), rel=1e-12)


def test_wasserstein_equals_its_formula():
    """W₂² = |Δμ|² + tr(A + B − 2 (AB)^½), of means and covariances over the positions, by SciPy's root."""
    from scipy.linalg import sqrtm

    generator = np.random.default_rng(2)
    s, g = generator.standard_normal((1, 5, 6, 4)), 2 * generator.standard_normal((1, 3, 9, 4)) + 1
    plain = [np.cov(x.reshape(-1, 4).T, bias=True) for x in (s, g)]
    means = [x.reshape(-1, 4).mean(axis=0) for x in (s, g)]
    for form, added in {"wasserstein": 1e-4, "wasserstein-ridge": 1e-4 + 3e-3 * np.trace(plain[0]) / 4}.items():
        a, b = (matrix + added * np.eye(4) for matrix in plain)
        expected = np.mean((means[0] - means[1]) ** 2) + np.trace(a + b - 2 * sqrtm(a @ b).real) / 4
        assert style.layer_style_cost(s, g, form=form).item() == pytest.approx(expected, rel=1e-9)
        assert style.layer_style_cost(s, s, form=form).item() == pytest.approx(0, abs=1e-9)


def test_wasserstein_stands_channels_that_never_fire_and_few_positions():
    flat = np.zeros((1, 1, 2, 8), np.float32)
    flat[..., :3] = np.random.default_rng(0).random((1, 1, 2, 3)) * 300
    generated = Tensor(flat[:, :, ::-1] * 0.5, requires_grad=True)
    style.layer_style_cost(flat, generated, form="wasserstein").backward()
    assert np.isfinite(generated.grad).all() and np.abs(generated.grad).max() > 0


def test_the_root_of_a_covariance_that_rounding_made_negative_has_the_least_variance_there():
    factor = costs._factor(np.diag([2.0, -1e-9, 1e-3]))
    np.testing.assert_allclose(factor @ factor.T, np.diag([2, costs.EPSILON, 1e-3]), atol=1e-12)


def test_means_of_channels_are_computed_for_the_forms_that_compare_them():
    assert [form for form, rule in STYLE_FORMS.items() if rule.first] == ["wasserstein", "wasserstein-ridge"]


def test_total_variation_in_every_form():
    x = np.random.default_rng(0).standard_normal((1, 5, 6, 3))
    dy, dx = np.diff(x, axis=1), np.diff(x, axis=2)
    both = dx[:, :-1] ** 2 + dy[:, :, :-1] ** 2
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), "edge")
    falling, rising = padded[:, 1:, 1:] - padded[:, :-1, :-1], padded[:, 1:, :-1] - padded[:, :-1, 1:]
    expected = {
        "absolute": np.abs(dx).sum() + np.abs(dy).sum(),
        "mean-absolute": (np.abs(dx).sum() + np.abs(dy).sum()) / x.size,
        "mean-squared": (np.sum(dx**2) + np.sum(dy**2)) / x.size,
        "mean-slope": (np.sum(dx**2) + np.sum(dy**2)) / x.size,  # as small pictures have it
        "half-squared": both.sum() / 2,
        "rounded": np.sum(both**1.25),
        "means": np.mean(dx**2) + np.mean(dy**2),
        "nine-point": 2
        * (
            np.sum(dx**2) / x.size / 3 + np.sum(dy**2) / x.size / 3 + np.mean(falling**2) / 12 + np.mean(rising**2) / 12
        ),
    }
    assert {form: variation(x, form).item() for form in VARIATION_FORMS} == pytest.approx(expected, rel=1e-12)
    assert style.total_variation(x).item() == pytest.approx(expected["absolute"], rel=1e-12)
    small = np.abs(dx[:, :2, :1]).sum() + np.abs(dy[:, :1, :2]).sum()
    assert style.total_variation(x[:, :2, :2]).item() == pytest.approx(small, rel=1e-12)


def test_mean_slope_asks_as_much_of_a_large_picture_as_of_a_small():
    waves = [
        (0.5 + 0.4 * np.sin(np.linspace(0, 9, side)))[None, :, None, None] * np.ones((1, 1, side // 2, 3))
        for side in (256, 512, 1024)
    ]
    slopes, squares = ([variation(wave, form).item() for wave in waves] for form in ("mean-slope", "mean-squared"))
    assert slopes[0] == squares[0] and slopes == pytest.approx([slopes[0]] * 3, rel=0.02)
    assert squares[2] < squares[1] / 3.8
    dx = np.diff(waves[2], axis=1)
    assert slopes[2] == pytest.approx(np.sum((4 * dx) ** 2) / waves[2].size, rel=1e-12)


@pytest.mark.parametrize("form", VARIATION_FORMS)
def test_a_flat_picture_is_smooth_in_every_form_and_pulled_nowhere(form):
    flat = Tensor(np.full((1, 3, 3, 1), 0.5), requires_grad=True)
    cost = variation(flat, form)
    cost.backward()
    assert cost.item() == 0 and not flat.grad.any()


def test_a_style_of_another_size_is_compared_by_its_mean_gram():
    generator = np.random.default_rng(0)
    small = generator.standard_normal((1, 4, 4, 3))
    repeated = np.concatenate([small, small], axis=1)  # the same texture on twice the area
    assert style.layer_style_cost(repeated, small).item() == pytest.approx(0, abs=1e-20)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_gradients_agree_with_finite_differences(case, backend):
    from minicnn import use_backend

    with use_backend(backend):
        assert gradcheck(case.function, case.draw(np.random.default_rng(3)))


def test_every_cost_has_a_row():
    others = {"Map", "StyleResult", "from_manifest", "presets", "transfer"}
    differentiable = set(style.__all__) - others
    assert differentiable | {"variation", "covariance", "overlap", "enlarge"} == {case.op for case in CASES}
    assert {case.name for case in CASES if case.op == "variation"} == set(VARIATION_FORMS)
    assert {case.name for case in CASES if case.op == "content_cost"} >= set(CONTENT_FORMS) - {"mean"}  # as "course"
    assert {case.name for case in CASES if case.op == "layer_style_cost"} >= set(STYLE_FORMS) - {"gatys"}  # "" has it


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: style.content_cost(np.zeros((1, 2, 2, 3)), np.zeros((1, 2, 3, 3))), "content has shape"),
        (lambda: style.content_cost(np.zeros((2, 2, 3)), np.zeros((2, 2, 3))), "features have shape"),
        (lambda: style.content_cost(np.zeros((1, 2, 2, 3), int), np.zeros((1, 2, 2, 3))), "dtype int64"),
        (lambda: style.layer_style_cost(np.zeros((1, 2, 2, 3)), np.zeros((1, 2, 2, 4))), "style has 3 channels"),
        (lambda: style.style_cost({}, {}, {}), "layers is empty"),
        (lambda: style.style_cost({"a": 1}, {"a": 1}, {"b": 1.0}), "layer 'b' is not among .* expected one of a$"),
        (lambda: style.style_cost({"a": 1}, {"b": 1}, {"b": 1.0}), "layer 'b' is not among .* expected one of none$"),
        (lambda: style.style_cost({"b": 1}, {"a": 1}, {"b": 1.0}), "layer 'b' is not among .* expected one of none$"),
        (lambda: style.content_cost(np.zeros((1, 2, 0, 3)), np.zeros((1, 2, 0, 3))), r"shape \(1, 2, 0, 3\)"),
        (lambda: style.total_variation(np.zeros((1, 1, 4, 3))), "image has shape"),
        (
            lambda: style.content_cost(np.zeros((1, 2, 2, 3)), np.zeros((1, 2, 2, 3)), form="l1"),
            "form is 'l1'; expected",
        ),
        (
            lambda: style.layer_style_cost(*np.ones((2, 1, 2, 2, 3)), form="gram"),
            "form is 'gram'; expected one of gatys",
        ),
        (lambda: style.layer_style_cost(*np.ones((2, 1, 2, 2, 3)), form="keras"), "image_size is missing"),
        (lambda: style.total_variation(np.zeros((1, 4, 1, 3))), r"image has shape \(1, 4, 1, 3\)"),
        (lambda: style.total_variation(np.zeros((4, 4, 3))), r"image has shape \(4, 4, 3\)"),
        (lambda: style.total_variation(np.zeros((1, 4, 4, 3), int)), "image has dtype int64; expected floats"),
        (lambda: style.total_variation(np.zeros((1, 4, 4, 3)), power=3), "power is 3; expected 1 or 2"),
        (lambda: overlap(np.eye(2), np.eye(3)), r"overlap: a has shape \(2, 2\), b \(3, 3\); expected two square"),
        (lambda: overlap(np.ones((2, 3)), np.ones((2, 3))), r"overlap: a has shape \(2, 3\)"),
        (lambda: overlap(np.ones(2), np.ones(2)), r"overlap: a has shape \(2,\)"),
        (lambda: variation(np.zeros((1, 4, 4, 3)), "l1"), "variation_form is 'l1'; expected one of absolute"),
        (lambda: style.gram_matrix(np.zeros((3, 2))), "features have shape"),
    ],
)
def test_bad_input_gets_one_line(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
