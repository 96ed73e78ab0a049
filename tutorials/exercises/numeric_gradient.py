"""Exercise: a gradient by differences."""

import numpy as np

from minicnn.learn.exercise import Case, Exercise, Slip


def numeric_gradient(f, x):
    """The gradient of a function by differences: what a gradient check believes in.

        ∂f/∂x[i] ≈ (f(x + h·eᵢ) − f(x − h·eᵢ)) / 2h

    f: a function of an array like x that returns a number. x: an array of any shape, float64. It is left as it is.

    Return the gradient, shaped like x, exact to a hundred-thousandth of its largest number. Which h is for you to
    choose. The error of the difference grows as h², that of rounding as 1/h.
    """
    h = 1e-5
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = h
        gradient[index] = (f(x + step) - f(x - step)) / (2 * h)
    return gradient


def _differences(h=1e-5, forward=False, divisor=2.0, only=None, absolute=False, all_at_once=False):
    """Differences with another h, to one side, with another divisor, or of a few numbers only."""

    def gradient_of(f, x):
        gradient = np.zeros_like(x)
        for number, index in enumerate(np.ndindex(x.shape)):
            if only is not None and number >= only:
                break
            step = np.zeros_like(x)
            step[... if all_at_once else index] = h
            below, divided = (f(x), h) if forward else (f(x - step), divisor * h)
            gradient[index] = (f(x + step) - below) / divided
        return np.abs(gradient) if absolute else gradient

    return gradient_of


def _never_back(f, x):
    """Steps that stay where they are: each number is moved, and not moved back."""
    above, gradient, h = x.copy(), np.zeros_like(x), 1e-5
    below = x.copy()
    for index in np.ndindex(x.shape):
        above[index] += h
        below[index] -= h
        gradient[index] = (f(above) - f(below)) / (2 * h)
    return gradient


def _rounded_root(x):
    return float(np.sqrt(np.sum(x * x) + 1.0))


EXERCISE = Exercise(
    function=numeric_gradient,
    title="what a gradient check believes in",
    lecture="Gradient checking (course 2)",
    read="tutorials/17_gradient_checking.py",
    imports="import numpy as np",
    cases=(
        Case(
            "a sum of squares",
            lambda: [lambda x: float(np.sum(x * x)), np.array([1.0, -2.0, 0.5])],
            {"": [2.0, -4.0, 1.0]},
        ),
        Case(
            "a matrix: Σ e^x",
            lambda: [lambda x: float(np.exp(x).sum()), np.linspace(-1, 1, 6).reshape(2, 3)],
            {"": np.exp(np.linspace(-1, 1, 6)).reshape(2, 3)},
        ),
        Case("a number alone", lambda: [lambda x: float(x**3), np.array(2.0)], {"": 12.0}),
        Case(
            "neighbours multiplied",
            lambda: [lambda x: float(np.sum(x[1:] * x[:-1])), np.array([1.0, 2.0, 4.0, 7.0])],
            {"": [2.0, 5.0, 9.0, 4.0]},
        ),
        Case(
            "steep: Σ x⁴ around 50",
            lambda: [lambda x: float(np.sum(x**4)), np.array([50.0, -49.0])],
            {"": [500_000.0, -470_596.0]},
        ),
        Case(
            "bent: cos(40 x)",
            lambda: [lambda x: float(np.cos(40 * x).sum()), np.array([0.1, 0.0, -0.03])],
            {"": -40 * np.sin(40 * np.array([0.1, 0.0, -0.03]))},
        ),
        Case(
            "on a height: 1000 + Σ sin x",
            lambda: [lambda x: float(1000 + np.sin(x).sum()), np.array([0.3, 2.0])],
            {"": np.cos([0.3, 2.0])},
        ),
        Case("a root", lambda: [_rounded_root, np.array([3.0, -1.0, 0.0])]),
    ),
    slips=(
        Slip(
            "x is moved",
            "You move the numbers of x itself. Copy it first, or move each number back when you are done with it.",
            raises="it changes x, which it was given to read",
        ),
        Slip(
            "not moved back",
            "The first number is right. Those after it are worked out elsewhere: the numbers before them were never "
            "moved back.",
            _never_back,
        ),
        Slip(
            "to one side",
            "A difference to one side, f(x + h) − f(x), has an error that grows as h; one to both sides cancels it. "
            "Look at the case that is bent.",
            (*(_differences(h, forward=True) for h in (1e-3, 1e-4, 1e-5, 1e-6)),),
        ),
        Slip(
            "divided by h",
            "Every number is twice what it should be: f(x + h) and f(x − h) are 2h apart.",
            _differences(divisor=1.0),
        ),
        Slip(
            "not divided",
            "Your numbers are the differences. How far apart are the two places?",
            (*(_differences(h, divisor=1 / h) for h in (1e-3, 1e-4, 1e-5, 1e-6)),),
        ),
        Slip(
            "h too small",
            "With an h like this the difference drowns in rounding: f(x) has sixteen digits, and the first twelve "
            "cancel.",
            (*(_differences(h) for h in (1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14, 1e-15)),),
        ),
        Slip(
            "h too large",
            "Your step is so long that f bends on the way. The case that is bent shows it.",
            (*(_differences(h) for h in (1e-1, 1e-2, 1e-3)),),
        ),
        Slip(
            "the first number only",
            "Only the first number has its gradient. x has others, on every axis.",
            _differences(only=1),
        ),
        Slip(
            "all at once",
            "You move all of x at once, which gives the sum of the gradient. Move one number, and leave the others.",
            _differences(all_at_once=True),
        ),
        Slip(
            "sign",
            "All signs are turned: what comes first, the larger x or the smaller?",
            _differences(h=-1e-5, divisor=-2.0),
        ),
    ),
    hints=(
        "How much does f move if you move x[0] by a hundred-thousandth up, and by as much down? How far apart are "
        "these two places?",
        "np.ndindex(x.shape) gives the index of every number, whatever the shape. Make a step of zeros shaped like x "
        "with h at that index, and take f(x + step) and f(x − step).",
        "for index in np.ndindex(x.shape): step = np.zeros_like(x); step[index] = 1e-5; gradient[index] = (f(x + step) "
        "- f(x - step)) / 2e-5.",
    ),
)
