"""Exercise: three ways back through a ReLU."""

import numpy as np

from minicnn.learn.drawing import normal
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import answer


def deconvnet_relu(g, x, rule):
    """Three ways back through a ReLU. One is right for training; the others make pictures of what a unit looks for.

        "gradient"    g where x > 0, else 0                 what training needs
        "deconvnet"   g where g > 0, else 0                 Zeiler and Fergus: a ReLU on the way back, too
        "guided"      g where x > 0 and g > 0, else 0       Springenberg and others: both

    g: what arrives from above, an array of any shape. x: what went into the ReLU on the way there, of the same shape.
    rule: one of the three names.

    Return what goes on to the layer below, of the same shape.
    """
    if rule == "deconvnet":
        return np.maximum(g, 0)
    passed = np.where(x > 0, g, 0)
    return np.maximum(passed, 0) if rule == "guided" else passed


def _rules(gradient=None, deconvnet=None, guided=None):
    """The three rules, some of them changed."""
    changed = {"gradient": gradient, "deconvnet": deconvnet, "guided": guided}
    return lambda g, x, rule: (changed[rule] or (lambda g, x: deconvnet_relu(g, x, rule)))(g, x)


def _case(title, rule, *, seed):
    return Case(title, lambda: [*normal((2, 4, 5), (2, 4, 5), seed=seed), rule])


EXERCISE = Exercise(
    function=deconvnet_relu,
    title="three ways back through a ReLU",
    lecture="What are deep ConvNets learning?",
    read="tutorials/11_what_convnets_learn.py",
    imports="import numpy as np",
    observe=answer(arrays=True),
    cases=(
        _case("the gradient", "gradient", seed=0),
        _case("the deconvnet's rule", "deconvnet", seed=1),
        _case("guided backpropagation", "guided", seed=2),
        Case(
            "the gradient where x is exactly 0: none",
            lambda: [np.ones(3), np.array([-1.0, 0, 1]), "gradient"],
            {"": [0, 0, 1]},
        ),
        Case(
            "the deconvnet does not look at x",
            lambda: [np.ones(3), np.array([-1.0, 0, 1]), "deconvnet"],
            {"": [1, 1, 1]},
        ),
    ),
    slips=(
        Slip(
            "all the gradient",
            "All three rules do the same in your function: the gradient. What do the other two ask of g?",
            lambda g, x, rule: deconvnet_relu(g, x, "gradient"),
        ),
        Slip(
            "deconvnet looks at x",
            "Your deconvnet looks at what went in on the way there. It was invented without: what does it look at?",
            _rules(deconvnet=lambda g, x: deconvnet_relu(g, x, "gradient")),
        ),
        Slip(
            "deconvnet asks for both",
            "Your deconvnet stops more than it should: that is the guided rule.",
            _rules(deconvnet=lambda g, x: deconvnet_relu(g, x, "guided")),
        ),
        Slip(
            "guided as deconvnet",
            "Your guided rule forgets which units were silent on the way there.",
            _rules(guided=lambda g, x: deconvnet_relu(g, x, "deconvnet")),
        ),
        Slip(
            "guided as gradient",
            "Your guided rule lets through what is negative: who speaks against the unit is to be silent.",
            _rules(guided=lambda g, x: deconvnet_relu(g, x, "gradient")),
        ),
        Slip(
            "zero counts as active",
            "What about a unit that received exactly 0? A ReLU is flat on one side of it, and here it counts as that "
            "side.",
            _rules(gradient=lambda g, x: g * (x >= 0)),
        ),
        Slip(
            "forward again",
            "You return the ReLU of x, or x times g. On the way back g is what is let through or stopped.",
            _rules(gradient=lambda g, x: np.maximum(x, 0), deconvnet=lambda g, x: np.maximum(x, 0)),
        ),
        Slip(
            "largest",
            "np.max finds the largest number of an array. You want the larger of two, for every number by itself.",
            _rules(deconvnet=lambda g, x: np.max(g, 0)),
        ),
        Slip(
            "size of g",
            "Your deconvnet turns negative numbers into positive ones, instead of stopping them.",
            (
                _rules(deconvnet=lambda g, x: np.abs(g)),
                _rules(deconvnet=lambda g, x: np.abs(g), guided=lambda g, x: np.abs(g) * (x > 0)),
            ),
        ),
        Slip(
            "rules exchanged",
            "What you do for the gradient is the deconvnet's rule, and the other way round. Which of them knows x?",
            _rules(
                gradient=lambda g, x: deconvnet_relu(g, x, "deconvnet"),
                deconvnet=lambda g, x: deconvnet_relu(g, x, "gradient"),
            ),
        ),
        Slip(
            "x let through",
            "You ask the right question, and then let x through. What comes from above is g.",
            (
                _rules(
                    gradient=lambda g, x: np.maximum(x, 0),
                    deconvnet=lambda g, x: x * (g > 0),
                    guided=lambda g, x: x * ((x > 0) & (g > 0)),
                ),
                _rules(gradient=lambda g, x: np.maximum(x, 0), guided=lambda g, x: x * ((x > 0) & (g > 0))),
                _rules(gradient=lambda g, x: np.maximum(x, 0)),
            ),
        ),
        Slip(
            "answers instead of numbers",
            "You return who may pass, and not what passes.",
            _rules(
                gradient=lambda g, x: x > 0,
                deconvnet=lambda g, x: g > 0,
                guided=lambda g, x: (x > 0) & (g > 0),
            ),
        ),
        Slip(
            "guided asks for either",
            "Your guided rule lets through who passes one of the two. It is stricter than that.",
            _rules(guided=lambda g, x: np.where((x > 0) | (g > 0), g, 0)),
        ),
        Slip(
            "guided lets everything through",
            "Your guided rule stops nothing: is this name ever asked for?",
            _rules(guided=lambda g, x: g),
        ),
        Slip(
            "picked out",
            "You pick out what passes and throw the rest away, so that nobody knows any more where it was. What is "
            "stopped leaves a 0.",
            _rules(
                gradient=lambda g, x: g[x > 0],
                deconvnet=lambda g, x: g[g > 0],
                guided=lambda g, x: g[(x > 0) & (g > 0)],
            ),
        ),
    ),
    hints=(
        "Each rule is a question to every single number: may it pass? One asks x, one asks g, one asks both.",
        "A comparison such as x > 0 gives an array of True and False, and g times that keeps g where it is True. Or "
        "take np.where.",
        'if rule == "gradient": return g * (x > 0). The deconvnet asks g > 0; the guided rule asks (x > 0) & (g > 0).',
    ),
)
