"""Exercise: a gradient check, on which planted bugs are let loose."""

import numpy as np

from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import Unfit, call, told


def gradient_check(f, backward, x):
    """A gradient check: is the gradient that an operation was given the right one?

    f: the operation, a function of x that returns y. x: an array, float64. y: an array of any shape, or a number.
    backward: a function of (dy, x), with dy shaped like y, that should return dx[i] = Σ_j dy[j] · ∂y[j]/∂x[i], an array
        shaped like x.

    Return True if backward is right, and False if it is wrong. You choose dy, and compare with differences,
    (Σ dy·f(x + h·eᵢ) − Σ dy·f(x − h·eᵢ)) / 2h. x stays away from kinks, by more than 0.001.

    Twelve bugs and nine healthy operations are waiting for your check. A bug that your check calls right has survived.
    """
    dy = np.cos(np.arange(np.size(f(x)))).reshape(np.shape(f(x)))
    analytic, numeric, h = backward(dy, x), np.zeros_like(x), 1e-5
    if np.shape(analytic) != x.shape:
        return False
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = h
        numeric[index] = np.sum(dy * (f(x + step) - f(x - step))) / (2 * h)
    allowed = 1e-5 * np.abs(numeric).max() + 1e-12
    return bool((np.abs(analytic - numeric) <= allowed).all())


# The operations and the bugs


def _softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _softmax_back(dy, x):
    y = _softmax(x)
    return y * (dy - (dy * y).sum(axis=1, keepdims=True))


def _but_last(gradient):
    """The gradient with its last number at 0."""

    def backward(dy, x):
        dx = gradient(dy, x).copy()
        dx.flat[-1] = 0
        return dx

    return backward


def _but_nan(dy, x):
    dx = dy / x
    dx.flat[3] = np.nan
    return dx


def _tanh_back(dy, x):
    return dy * (1 - np.tanh(x) ** 2)


def _random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def _cosine(x):
    return x / np.sqrt((x * x).sum())


def _cosine_back(dy, x):
    y = _cosine(x)
    return (dy - y * (dy * y).sum()) / np.sqrt((x * x).sum())


NEAR_A_KINK = np.array([0.002, -0.002, 1.0, -1.0, 0.004, -3.0])
MEAN = 40  # numbers, of which a slip forgets one

HEALTHY = {
    "tanh": (np.tanh, _tanh_back, _random(3, 4)),
    "softmax": (_softmax, _softmax_back, _random(3, 4)),
    "a mean, one number": (lambda x: x.mean(), lambda dy, x: np.full(x.shape, dy / x.size), _random(2, 3)),
    "a million times x²": (lambda x: 1e6 * x * x, lambda dy, x: 2e6 * dy * x, 0.02 * _random(2, 3)),
    "a millionth of sin x": (lambda x: 1e-6 * np.sin(x), lambda dy, x: 1e-6 * dy * np.cos(x), _random(2, 3)),
    "relu where all is negative": (lambda x: np.maximum(x, 0), lambda dy, x: dy * (x > 0), -1 - _random(2, 3) ** 2),
    "relu, 0.002 away from its kink": (lambda x: np.maximum(x, 0), lambda dy, x: dy * (x > 0), NEAR_A_KINK),
    "1000 + sin x": (lambda x: 1000 + np.sin(x), lambda dy, x: dy * np.cos(x), _random(2, 3)),
    "cos(30 x), with a slope of 0": (
        lambda x: np.cos(30 * x),
        lambda dy, x: -30 * dy * np.sin(30 * x),
        np.array([0.0, 0.1, 0.02, -0.3]),
    ),
}
BUGS = {
    "the sign": (np.tanh, lambda dy, x: -_tanh_back(dy, x), _random(3, 4)),
    "tanh with 1 − y": (np.tanh, lambda dy, x: dy * (1 - np.tanh(x)), _random(3, 4)),
    "a flip that is not undone": (lambda x: x[::-1] * 2.0, lambda dy, x: 2 * dy, _random(5)),
    "a transpose that is not undone": (lambda x: x.T.copy(), lambda dy, x: dy, _random(3, 3)),
    "softmax without its sum": (_softmax, lambda dy, x: _softmax(x) * dy, _random(3, 4)),
    "dy as if it were constant": (np.tanh, lambda dy, x: _tanh_back(np.mean(dy), x), _random(3, 4)),
    "the last number forgotten": (np.sin, _but_last(lambda dy, x: dy * np.cos(x)), _random(3, 4)),
    "one not-a-number": (np.log, _but_nan, np.abs(_random(2, 3)) + 0.5),
    "a mean by one number less": (
        lambda x: x.mean(axis=1),
        lambda dy, x: np.repeat(dy[:, None], MEAN, axis=1) / (MEAN - 1),
        _random(1, MEAN),
    ),
    "a millionth of x², twice": (lambda x: 1e-6 * x * x, lambda dy, x: 4e-6 * dy * x, _random(2, 3)),
    "not the shape of x": (lambda x: x.sum(axis=0), lambda dy, x: dy, _random(3, 4)),
    "the length taken for a constant": (_cosine, lambda dy, x: dy / np.sqrt((x * x).sum()), _random(4)),
}


def _observe(function, arguments):
    """What the check says of an operation, in a word."""
    f, backward, x, healthy, name = arguments
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002  (a check may draw its dy)
    try:
        with np.errstate(all="ignore"):
            found = call(function, [f, backward, x])
    finally:
        np.random.set_state(before)  # noqa: NPY002
    if not isinstance(found, bool | np.bool_ | int) or found not in (0, 1):
        raise Unfit(f"expected True or False, got {told(found)}")
    if healthy:
        return {"": "called right" if found else f"{name} is called wrong"}
    return {"": f"{name} survives" if found else "caught"}


def _case(name, operation, healthy):
    return Case(
        f"healthy: {name}" if healthy else f"bug: {name}",
        lambda: [*operation[:2], operation[2].copy(), healthy, name],
        {"": "called right" if healthy else "caught"},
    )


# Checks that let something through


_differences: dict = {}


def _cos(y):
    return np.cos(np.arange(np.size(y))).reshape(np.shape(y))


def _elementwise(analytic, numeric):
    return np.abs(analytic - numeric) <= 1e-5 * np.abs(numeric).max() + 1e-12


def _check(dy=_cos, h=1e-5, forward=False, right=_elementwise, shaped=True, first=False):
    """A check with another dy, other differences, or another comparison right(analytic, numeric)."""

    def check(f, backward, x):
        y = f(x)
        d = dy(y)
        analytic, numeric = backward(d, x), np.zeros_like(x)
        if shaped and np.shape(analytic) != x.shape:
            return False
        key = f, dy, h, forward, x.tobytes()
        if key not in _differences:
            for index in np.ndindex(x.shape):
                step = np.zeros_like(x)
                step[index] = h
                below, apart = (y, h) if forward else (f(x - step), 2 * h)
                numeric[index] = np.sum(d * (f(x + step) - below)) / apart
            _differences[key] = numeric
        numeric = _differences[key]
        if first:
            analytic, numeric = np.ravel(analytic)[:1], np.ravel(numeric)[:1]
        return bool(np.all(right(analytic, numeric)))

    return check


def _shaped(backward, f, x):
    return np.shape(backward(_cos(f(x)), x)) == x.shape


def _ways(**others):
    """The same check with and without a look at the shape, as it depends on how the comparison is written."""
    return _check(**others), _check(**others, shaped=False)


def _close(atol, rtol):
    return lambda analytic, numeric: np.isclose(analytic, numeric, atol=atol, rtol=rtol)


def _largest(tolerance):
    """The largest difference against a fixed number."""
    return lambda analytic, numeric: np.abs(analytic - numeric).max() < tolerance


def _relative(analytic, numeric):
    return np.abs(analytic - numeric) / np.abs(numeric) < 1e-5


def _relative_to_both(analytic, numeric):
    return np.abs(analytic - numeric) / (np.abs(analytic) + np.abs(numeric)) < 1e-5


def _norms(analytic, numeric):
    bottom = np.linalg.norm(analytic) + np.linalg.norm(numeric)
    return np.linalg.norm(analytic - numeric) / bottom < 1e-6


def _wrong_if_larger(analytic, numeric):
    """Right unless a difference is larger, which a NaN is not."""
    return ~(np.abs(analytic - numeric) > 1e-5 * np.abs(numeric).max() + 1e-12)


EXERCISE = Exercise(
    function=gradient_check,
    title="write the check, and bugs are let loose on it",
    lecture="Gradient checking (course 2)",
    read="tutorials/17_gradient_checking.py",
    imports="import numpy as np",
    observe=_observe,
    cases=(
        *(_case(name, operation, True) for name, operation in HEALTHY.items()),
        *(_case(name, operation, False) for name, operation in BUGS.items()),
    ),
    slips=(
        Slip(
            "all ones",
            "With a dy of all ones, every bug survives that mixes up which number of dy belongs where: flips, "
            "transposes, means. Take a dy in which no two numbers are equal.",
            (
                *_ways(dy=np.ones_like),
                *(
                    way
                    for close in ((1e-7, 1e-5), (1e-8, 1e-5), (1e-6, 1e-4))
                    for way in _ways(dy=np.ones_like, right=_close(*close))
                ),
            ),
        ),
        Slip(
            "to one side",
            "Healthy operations that bend are called wrong: the error of a difference to one side grows as h. To both "
            "sides it cancels.",
            tuple(way for h in (1e-4, 1e-5, 1e-6) for way in _ways(h=h, forward=True)),
        ),
        Slip(
            "h too large",
            "Healthy operations are called wrong: your step is so long that they bend on the way, or that it leads "
            "across a kink.",
            tuple(way for h in (1e-1, 1e-2, 5e-3, 1e-3) for way in _ways(h=h)),
        ),
        Slip(
            "h too small",
            "Healthy operations are called wrong: with an h like this, differences drown in rounding. f(x) has sixteen "
            "digits, and most of them cancel.",
            tuple(way for h in (1e-9, 1e-10, 1e-11, 1e-12) for way in _ways(h=h)),
        ),
        Slip(
            "a tolerance that has a unit",
            "You allow a fixed difference. Of a gradient in millionths it allows everything, and of one in millions "
            "nothing. Compare with the largest number of the gradient.",
            (
                *(way for t in (1e-3, 1e-4, 1e-5, 1e-6) for way in _ways(right=_largest(t))),
                *(way for t in (1e-3, 1e-4, 1e-5) for way in _ways(right=_close(t, 0))),
                *_ways(right=_close(1e-5, 1e-3)),
                *_ways(right=_close(1e-5, 1e-5)),
                *_ways(right=_close(1e-6, 1e-4)),
            ),
        ),
        Slip(
            "divided by zero",
            "You divide by the gradient, and where it is 0, by 0: a healthy operation that passes nothing on is called "
            "wrong. What is allowed should not vanish with the gradient.",
            (
                *_ways(right=_relative),
                *_ways(right=_relative_to_both),
                *_ways(right=lambda a, n: np.abs(a - n).max() / np.abs(n).max() < 1e-5),
                *_ways(right=_norms),
            ),
        ),
        Slip(
            "too generous",
            "A bug that is off by a few hundredths survives, such as a mean that divides by one number less. "
            "Differences in float64 agree to a hundred-thousandth.",
            (
                *(way for t in (3e-2, 5e-2, 1e-1) for way in _ways(right=_close(1e-9, t))),
                *(
                    way
                    for t in (3e-2, 5e-2, 1e-1)
                    for way in _ways(right=lambda a, n, t=t: np.abs(a - n) <= t * np.abs(n).max())
                ),
            ),
        ),
        Slip(
            "the sign does not count",
            "You compare sizes. A gradient with the wrong sign survives, and leads uphill.",
            (
                *_ways(right=lambda a, n: _elementwise(np.abs(a), np.abs(n))),
                *_ways(right=lambda a, n: np.abs(np.abs(a) - np.abs(n)) <= 1e-5 * np.abs(n).max()),
            ),
        ),
        Slip(
            "the first number only",
            "You look at the first number of the gradient. A bug elsewhere survives.",
            _ways(first=True),
        ),
        Slip(
            "sums",
            "You compare one number, a sum or a length. What is too large in one place and too small in another "
            "survives. Compare number by number.",
            (
                *_ways(right=lambda a, n: _elementwise(np.sum(a), np.sum(n))),
                *_ways(right=lambda a, n: _elementwise(np.linalg.norm(a), np.linalg.norm(n))),
                *_ways(right=lambda a, n: _elementwise(np.mean(a), np.mean(n))),
                *_ways(right=lambda a, n: _elementwise(np.mean(a - n), 0 * np.abs(n).max())),
            ),
        ),
        Slip(
            "a NaN is not larger",
            "A gradient that is not a number survives: NaN > 0.001 is False, and so is every comparison with it. Ask "
            "whether all differences are small, not whether one is large.",
            _ways(right=_wrong_if_larger),
        ),
        Slip(
            "the shape",
            "A gradient of another shape survives, since NumPy broadcasts it. Compare the shapes first.",
            _check(shaped=False),
        ),
        Slip(
            "the other way round",
            "Your check says True to what is wrong, and False to what is right.",
            (
                lambda f, backward, x: not gradient_check(f, backward, x),
                lambda f, backward, x: _shaped(backward, f, x) and not gradient_check(f, backward, x),
            ),
        ),
        Slip(
            "believes everything",
            "You call everything right. Every bug survives.",
            (lambda f, backward, x: True, lambda f, backward, x: _shaped(backward, f, x)),
        ),
        Slip("trusts nothing", "You call everything wrong, healthy operations too.", lambda f, backward, x: False),
    ),
    hints=(
        "backward works out Σ dy·∂y/∂x. With which dy would a mistake cancel? And how far apart may two numbers be, if "
        "one is by differences: what is the unit of that?",
        "Take a dy of different numbers, such as np.cos(np.arange(y.size)). Nudge each number of x by h = 1e-5 both "
        "ways, and take the differences of Σ dy·f. Compare shapes, and then number by number, with a "
        "hundred-thousandth of the gradient's largest number.",
        "numeric[index] = np.sum(dy * (f(x + step) - f(x - step))) / (2 * h); allowed = 1e-5 * np.abs(numeric).max() + "
        "1e-12; return bool((np.abs(analytic - numeric) <= allowed).all()), after a look at the shape.",
    ),
)
