"""Exercise: the style cost of several layers."""

import numpy as np

from minicnn.learn.drawing import normal
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import answer_and_gradients
from minicnn.style import layer_style_cost as compute_layer_style_cost
from minicnn.tensor import Tensor


def compute_style_cost(style_outputs, generated_outputs, STYLE_LAYERS):
    """The style cost: early layers see brushstrokes, late ones whole swirls, and each has its say.

        J_style = Σ_l λ_l · J_layer(a_S of l, a_G of l)

    style_outputs: what each layer says of the painting: Tensors (1, H, W, C), one for each of STYLE_LAYERS in their
        order, and behind them one more, of the content layer, which is no business of the style's.
    generated_outputs: the same of the generated picture.
    STYLE_LAYERS: [(name, λ), …].

    compute_layer_style_cost(a_S, a_G) is there: the one of minicnn, or your own.
    Return J_style, a Tensor with a single number.
    """
    total = 0.0
    for (_, weight), a_S, a_G in zip(STYLE_LAYERS, style_outputs[:-1], generated_outputs[:-1], strict=True):
        total += weight * compute_layer_style_cost(a_S, a_G)
    return total


SHAPES = ((1, 8, 8, 2), (1, 4, 4, 3), (1, 4, 4, 4), (1, 2, 2, 5), (1, 2, 2, 4), (1, 2, 2, 6))
COURSE = [(f"block{i}_conv1", 0.2) for i in range(1, 6)]
RISING = [(name, weight) for (name, _), weight in zip(COURSE, (0.1, 0.15, 0.2, 0.25, 0.3), strict=True)]


def _arrays(layers, seed):
    """(of the painting, of the generated picture): so many style layers and the content layer."""
    shapes = [*SHAPES[:layers], SHAPES[-1]]
    return normal(*shapes, seed=seed), normal(*shapes, seed=seed + 1)


def _by_numpy(layers, seed, style_layers):
    """J_style without minicnn: an einsum for each Gram matrix."""
    total = 0.0
    for (_, weight), S, G in zip(style_layers, *_arrays(layers, seed), strict=False):
        places, channels = S.size / S.shape[-1], S.shape[-1]
        grams = (np.einsum("nhwi,nhwj->ij", a, a) for a in (S, G))
        total += weight * np.square(np.subtract(*grams)).sum() / (2 * channels * places) ** 2
    return total


def _case(title, style_layers, seed):
    layers = len(style_layers)

    def arguments():
        painting, generated = _arrays(layers, seed)
        return [Tensor(a) for a in painting], [Tensor(a, requires_grad=True) for a in generated], list(style_layers)

    return Case(title, arguments, {"": _by_numpy(layers, seed, style_layers)})


def _costs(S, G):
    return [compute_layer_style_cost(*pair) for pair in zip(S, G, strict=True)]


def _weighed(costs, weights):
    total = 0.0
    for cost, weight in zip(costs, weights, strict=False):
        total = cost * weight + total
    return total


def _weights(layers):
    return [weight for _, weight in layers]


EXERCISE = Exercise(
    function=compute_style_cost,
    title="each layer has its say",
    lecture="Style cost function",
    read="tutorials/03_style_transfer_by_hand.py",
    imports="from minicnn.style import layer_style_cost as compute_layer_style_cost",
    observe=lambda function, arguments: _observed(function, arguments),
    cases=(
        _case("one style layer", [("block1_conv1", 1.0)], 0),
        _case("the course's five layers, λ = 0.2 each", COURSE, 2),
        _case("five layers, the later ones weighing more", RISING, 4),
        _case("weights that do not add up to 1", [("block1_conv1", 2.0), ("block2_conv1", 0.5)], 6),
    ),
    slips=(
        Slip(
            "content layer included",
            "You count one layer too many: the last one is there for the content cost.",
            lambda S, G, layers: _weighed(_costs(S, G), [*_weights(layers), _weights(layers)[-1]]),
        ),
        Slip(
            "every output, 0.2 each",
            "You go by the outputs, and give each of them 0.2. STYLE_LAYERS says which layers count, and how much; one "
            "output is there for the content cost.",
            lambda S, G, layers: _weighed(_costs(S, G), [0.2] * len(S)),
        ),
        Slip(
            "no weights",
            "You add up the layers as they are. How much of a say has each?",
            lambda S, G, layers: _weighed(_costs(S[:-1], G[:-1]), [1] * len(layers)),
        ),
        Slip(
            "mean",
            "You divide by the number of layers as well. The weights say all there is to say.",
            lambda S, G, layers: _weighed(_costs(S[:-1], G[:-1]), _weights(layers)) / len(layers),
        ),
        Slip(
            "weights made to add up to 1",
            "You divide by the sum of the weights. With the course's it is 1 and nobody sees it; the formula does not.",
            lambda S, G, layers: _weighed(_costs(S[:-1], G[:-1]), _weights(layers)) / sum(_weights(layers)),
        ),
        Slip(
            "wrong way round",
            "The weights are there, but each layer got another one's.",
            lambda S, G, layers: _weighed(_costs(S[:-1], G[:-1]), _weights(layers)[::-1]),
        ),
        Slip(
            "first only",
            "One layer alone has its say, the first. Is there a `return` inside your loop?",
            lambda S, G, layers: _costs(S[:-1], G[:-1])[0] * _weights(layers)[0],
        ),
        Slip(
            "last only",
            "One layer alone has its say, the last: each one puts its own in the place of what was there.",
            lambda S, G, layers: _costs(S[:-1], G[:-1])[-1] * _weights(layers)[-1],
        ),
        Slip(
            "weights inside",
            "A weight belongs before a layer's cost. Put on the features, it is squared by the Gram matrix and squared "
            "again by the cost.",
            lambda S, G, layers: _weighed(
                _costs(*([a * w for a, w in zip(of, _weights(layers), strict=False)] for of in (S, G))), [1] * 9
            ),
        ),
        Slip(
            "always 0.2",
            "With the course's weights you are right, with others not. Who says how much of a say each layer has?",
            lambda S, G, layers: _weighed(_costs(S[:-1], G[:-1]), [0.2] * len(layers)),
        ),
        Slip(
            "shifted by one",
            "Each weight meets the features of another layer: your outputs begin with the second one.",
            lambda S, G, layers: _weighed(_costs(S[1:], G[1:]), _weights(layers)),
        ),
        Slip(
            "outputs from behind",
            "Each weight meets the features of another layer: your outputs begin with the last one.",
            lambda S, G, layers: _weighed(_costs(S[::-1], G[::-1]), _weights(layers)),
        ),
        Slip(
            "last layer left out",
            "The last style layer is missing: how far does your loop count?",
            lambda S, G, layers: _weighed(_costs(S[:-1], G[:-1]), _weights(layers)[:-1]),
        ),
        Slip(
            "first layer left out",
            "The first style layer is missing: where does your loop begin?",
            lambda S, G, layers: _weighed(_costs(S[1:-1], G[1:-1]), _weights(layers)[1:]),
        ),
        Slip(
            "one output too many",
            "There is one output more than there are style layers. Which of the two do you count?",
            raises="list index out of range",
        ),
        Slip(
            "by name",
            "The outputs are lists, in the order of STYLE_LAYERS. Which name belongs to which, only the order says.",
            raises="list indices must be integers or slices, not str",
        ),
        Slip(
            "the name as the weight",
            "An entry of STYLE_LAYERS is a pair, (name, λ). With what do you multiply?",
            raises="ufunc 'multiply'",
        ),
        Slip(
            "all layers at once",
            "compute_layer_style_cost takes what one layer says, and not the list of all that layers say.",
            raises="a list is ragged",
        ),
    ),
    hints=(
        "How many layers are in STYLE_LAYERS, and how many Tensors in style_outputs? What is the one that is left "
        "over?",
        "Go through STYLE_LAYERS and both lists at once, without the last Tensor of each list. Of every layer take "
        "compute_layer_style_cost, times its λ, and add it to a total that begins at 0.",
        "for (name, weight), a_S, a_G in zip(STYLE_LAYERS, style_outputs[:-1], generated_outputs[:-1]): "
        "total += weight * compute_layer_style_cost(a_S, a_G)",
    ),
)


def _observed(function, arguments):
    layers = [f"a_G of layer {number + 1}" for number in range(len(arguments[2]))]
    seen = answer_and_gradients(*layers, "a_G of the content layer")(function, arguments)
    return {"": seen[""], "the gradients to a_G": np.concatenate([g.ravel() for name, g in seen.items() if name])}
