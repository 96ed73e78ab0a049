"""Exercise: how much of the picture a unit sees."""

import functools
import math

from minicnn.learn.exercise import Case, Exercise, Slip


def receptive_field(layers):
    """How many pixels a side of the picture one unit of the last layer sees.

    layers: [(K, s), …], the size of each layer's windows and their stride, from the first layer to the last;
        convolutions and pools alike.

    A unit of one layer with windows of K sees K pixels. Put another layer with windows of K' on top: its unit sees K'
    units below, and two neighbours below see places that are s pixels apart, so K' of them see K + (K' − 1)·s pixels.
    And the neighbours of the new layer? Go on from there.

    Return a whole number; 1 for no layers at all, for a pixel sees itself.
    """
    field, step = 1, 1
    for size, stride in layers:
        field += (size - 1) * step
        step *= stride
    return field


def _walk(grow, step_of=lambda step, stride: step * stride, early=False):
    """The rule with another growth, another step, or a step that is taken too early."""

    def field_of(layers):
        field, step = 1, 1
        for size, stride in layers:
            step = step_of(step, stride) if early else step
            field = grow(field, size, step)
            step = step if early else step_of(step, stride)
        return field

    return field_of


VGG_19 = [layer for convolutions in (2, 2, 4, 4) for layer in [(3, 1)] * convolutions + [(2, 2)]] + [(3, 1)]

EXERCISE = Exercise(
    function=receptive_field,
    title="how much of the picture a unit sees",
    lecture="What are deep ConvNets learning?",
    read="tutorials/11_what_convnets_learn.py",
    imports="import math",
    cases=(
        Case("no layer: a pixel", lambda: [[]], {"": 1}),
        Case("one 5×5 convolution", lambda: [[(5, 1)]], {"": 5}),
        Case("two 3×3 convolutions, as much as one of 5×5", lambda: [[(3, 1), (3, 1)]], {"": 5}),
        Case("a 3×3 convolution with stride 2, then another", lambda: [[(3, 2), (3, 1)]], {"": 7}),
        Case("a convolution, a 2×2 pool, a convolution", lambda: [[(3, 1), (2, 2), (3, 1)]], {"": 8}),
        Case("three strides one upon the other", lambda: [[(7, 2), (3, 2), (3, 2), (3, 1)]], {"": 35}),
        Case("a stride of 3 at the end", lambda: [[(4, 1), (3, 3)]], {"": 6}),
        Case("VGG-19 up to block5_conv1", lambda: [list(VGG_19)]),
    ),
    slips=(
        Slip(
            "strides forgotten",
            "As long as no layer has a stride you are right. Behind a stride of 2, how far apart are neighbours?",
            _walk(lambda field, size, step: field + size - 1),
        ),
        Slip(
            "own stride counted",
            "You take a layer's own stride into account too early. How far apart are its *inputs*?",
            _walk(lambda field, size, step: field + (size - 1) * step, early=True),
        ),
        Slip(
            "sum of sizes",
            "Two 3×3 convolutions see 5 pixels, not 6: their windows overlap.",
            _walk(lambda field, size, step: field + size * step if field > 1 else size),
        ),
        Slip(
            "one stride remembered",
            "You remember the stride of the layer below only. With several strides one upon the other, neighbours move "
            "apart further and further.",
            _walk(lambda field, size, step: field + (size - 1) * step, step_of=lambda step, stride: stride),
        ),
        Slip(
            "strides added",
            "Two strides of 2 do not move neighbours 3 or 4 pixels apart by addition: how do they combine?",
            _walk(lambda field, size, step: field + (size - 1) * step, step_of=lambda step, stride: step + stride - 1),
        ),
        Slip(
            "from behind",
            "Your rule and your direction do not go together. field + (K − 1) · step begins at the picture, and goes "
            "from the first layer to the last; (r − 1) · s + K begins at the unit, and goes from the last to the "
            "first.",
            lambda layers: receptive_field(layers[::-1]),  # either rule in the other's direction
        ),
        Slip(
            "field times stride",
            "You stretch the field itself by the stride. What a unit sees does not grow by stepping further; what "
            "grows is the way from one unit to its neighbour.",
            lambda layers: functools.reduce(lambda field, layer: field * layer[1] + layer[0] - 1, layers, 1),
        ),
        Slip(
            "squared",
            "You count all pixels of the square. How many are they a side?",
            lambda layers: receptive_field(layers) ** 2,
        ),
        Slip(
            "one too few",
            "One pixel is missing everywhere: what does a unit see if there are no layers at all?",
            lambda layers: receptive_field(layers) - 1,
        ),
        Slip(
            "own stride alone",
            "You go by the stride of the layer itself. It moves the neighbours of this layer; how far apart are those "
            "of the layer below?",
            _walk(lambda field, size, step: field + (size - 1) * step, step_of=lambda _, stride: stride, early=True),
        ),
        Slip(
            "one window too many",
            "A window of 1 shall see what the layer below sees, and with you it sees more: how many steps are there "
            "between K units?",
            _walk(lambda field, size, step: field + size * step),
        ),
        Slip(
            "just a sum",
            "You add up the windows. Two of 3×3 see 5 pixels, not 6: their windows overlap. And a stride?",
            lambda layers: sum(size for size, _ in layers),
        ),
        Slip(
            "product",
            "You multiply the windows. Two of 3×3 see 5 pixels, not 9: their windows overlap.",
            lambda layers: math.prod(size for size, _ in layers),
        ),
        Slip(
            "windows and strides exchanged",
            "Which of the two numbers of a layer is its window?",
            lambda layers: receptive_field([(stride, size) for size, stride in layers]),
        ),
    ),
    hints=(
        "Two numbers are enough to walk through the layers: how many pixels a unit sees, and how many pixels lie "
        "between what two neighbours see. What are these for the picture itself?",
        "Begin with field = 1 and step = 1. Each layer adds (K − 1) steps to the field, the steps of what is *below* "
        "it; then its stride makes the steps longer.",
        "for size, stride in layers: field += (size - 1) * step, and then step *= stride.",
    ),
)
