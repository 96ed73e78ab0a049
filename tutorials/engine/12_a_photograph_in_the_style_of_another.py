"""Now all of it. A network that others trained looks at pictures. Its filters are frozen; what moves are the pixels.

1. Begin with random pixels.
2. J = 10 · J_content + 40 · J_style. Both compare what the network sees in your pixels with what it sees elsewhere.
3. Pixels := pixels − rate · gradient. Again and again.

    J_content = Σ (a − a_photograph)² / (4 · H · W · C)               a: what layer CONTENT sees
    J_layer   = Σ (G − G_painting)² / (4 · C² · (H · W)²)             G: the Gram matrix of what a layer sees
    J_style   = the mean of J_layer over the layers in STYLE

Three holes. `features` runs the network: first MEAN is taken off the picture; each layer is a convolution and a
ReLU; before each block but the first there is a pool (a block begins with a layer whose name ends in conv1). `cost`
is J. `paint` works out what the photograph and the painting look like to the network, once; then it descends, and at
every step the network sees the pixels through `lens`.

The lens is given. It lets every pixel run a little into its neighbours: a network does not mind grain, and we do.
`save` writes a picture, and the lines at the end do the rest. When the check is content: python engine.py.

Predict: from random pixels, what will you recognise first: colours, or a face?
"""

from functools import cache
from itertools import pairwise

import numpy as np

MINUTES = 45

RANDOM = np.random.default_rng(12)
WIDTHS = {"block1_conv1": (3, 4), "block1_conv2": (4, 4), "block2_conv1": (4, 5), "block3_conv1": (5, 6)}
WIDTHS["block3_conv2"] = (6, 5)
NETWORK = {
    name: (RANDOM.standard_normal((3, 3, *sizes)) / np.sqrt(4.5 * sizes[0]), RANDOM.standard_normal(sizes[1]) / 9)
    for name, sizes in WIDTHS.items()
}
PIXELS, PHOTOGRAPH, PAINTING = RANDOM.random((3, 8, 12, 3))
SEEN = ("block1_conv1", "block2_conv1", "block3_conv1", "block3_conv2")
SHAPES = {"block1_conv1": (8, 12, 4), "block2_conv1": (4, 6, 5), "block3_conv1": (2, 3, 6), "block3_conv2": (2, 3, 5)}
FEATURES = {name: RANDOM.random(SHAPES[name]) for name in SEEN}
CONTENT = RANDOM.random(SHAPES["block3_conv2"])
GRAMS = {name: np.cov(RANDOM.random((40, SHAPES[name][2])).T) * 100 for name in SEEN[:3]}


def sees(layer):
    return lambda engine: engine.features(PIXELS, NETWORK)[layer]


def gradient(engine):
    x = engine.Value(PIXELS.copy())
    engine.backward(engine.total(engine.features(x, NETWORK)["block3_conv2"]))
    return x.grad


def both(engine):
    return engine.cost({name: engine.Value(each) for name, each in FEATURES.items()}, CONTENT, GRAMS)


def content_alone(engine):
    seen = {name: engine.Value(each) for name, each in FEATURES.items()}
    return engine.cost(seen, CONTENT, {name: engine.gram(each).data for name, each in seen.items()})


def style_alone(*layers):
    def trial(engine):
        seen = {name: engine.Value(each) for name, each in FEATURES.items()}
        grams = {name: GRAMS[name] if name in layers else engine.gram(each).data for name, each in seen.items()}
        return engine.cost(seen, FEATURES["block3_conv2"], grams)

    return trial


def painted(what, steps):
    def trial(engine):
        found = engine.paint(PIXELS.copy(), PHOTOGRAPH, PAINTING, NETWORK, 2.0, steps)
        return np.asarray(found[what], dtype=float)

    return trial


def by_core(pixels, photograph, painting, network, mean, lens):
    """J and its gradient for the pixels, by minicnn's core: the same network, without the learner's engine."""
    from minicnn import Tensor, ops, style

    def features(picture):
        x, seen = picture - np.array(mean), {}
        for name, (w, b) in network.items():
            x = ops.avg_pool(x, 2) if name.endswith("conv1") and seen else x
            seen[name] = x = ops.conv(x, w, b, padding=1, activation="relu")
        return seen

    content, painted = features(Tensor(photograph[None])), features(Tensor(painting[None]))
    x = Tensor(pixels[None], requires_grad=True)
    ones = ops.conv(Tensor(np.ones(x.shape)), lens, padding=1).data
    seen = features(ops.conv(x, lens, padding=1) * (1 / ones))
    of_layers = [style.layer_style_cost(painted[name], seen[name]) for name in SEEN[:3]]
    J = style.total_cost(
        style.content_cost(content[SEEN[3]], seen[SEEN[3]]), sum(of_layers) * (1 / 3), alpha=10, beta=40
    )
    J.backward()
    return J.item(), x.grad[0]


def by_engine(engine, pixels, photograph, painting, network):
    """The same, by an engine: the gradient is what a single step at a rate of 1 takes off the pixels."""
    after, costs = engine.paint(pixels.copy(), photograph, painting, network, 1.0, 1)
    return costs[0], pixels - after


def apart(ours, theirs):
    """How far two answers are apart, in J and in the gradient, by the largest number of each."""
    return [np.abs(a - b).max() / np.abs(b).max() for a, b in zip(ours, theirs, strict=True)]


GIVEN = (PIXELS, PHOTOGRAPH, PAINTING, NETWORK)


@cache
def answer_of_the_core(mean, lens):
    return by_core(*GIVEN, mean, np.reshape(lens, (3, 3, 3, 3)))


def differs(engine):
    theirs = answer_of_the_core(tuple(engine.MEAN), tuple(np.ravel(engine.LENS)))
    return max(apart(by_engine(engine, *GIVEN), theirs))


TRIALS = (
    ("what the first layer sees", sees("block1_conv1")),
    ("what the second block sees, after a pool", sees("block2_conv1")),
    ("what the last layer sees, after another", sees("block3_conv2")),
    ("its gradient for the pixels", gradient),
    ("J of the content alone", content_alone),
    ("J of the style of one layer", style_alone("block2_conv1")),
    ("J of the style alone", style_alone(*GRAMS)),
    ("J", both),
    ("J as you paint", painted(1, 4)),
    ("the pixels after four steps", painted(0, 4)),
    ("minicnn's core agrees, to twelve digits", lambda engine: differs(engine) < 1e-12),
)

POOLED = 'name.endswith("conv1") and seen'
CONTENT_PART = "J = 10 / (4 * content.size) * total(difference * difference)"
STYLE_PART = "J = J + 40 / len(STYLE) / (2 * seen[name].data.size) ** 2 * total(difference * difference)"

SLIPS = (
    (
        "no mean taken off",
        "What the first layer sees is off already: the network takes the colour MEAN for zero.",
        ("picture - MEAN", "picture"),
    ),
    (
        "a pool too early",
        "You pool before the first block, too. There the network sees every pixel.",
        (POOLED, 'name.endswith("conv1")'),
    ),
    (
        "no pools",
        "What the second block sees is too large: each block but the first begins with a pool.",
        (POOLED, "False"),
    ),
    (
        "a pool for every layer",
        "You pool before every layer. Within a block, layers follow each other without.",
        (POOLED, "seen"),
    ),
    (
        "no ReLU",
        "There are negative numbers among what your layers see: each one is a convolution and a ReLU.",
        ("seen[name] = x = relu(convolve(x, w, b))", "seen[name] = x = convolve(x, w, b)"),
    ),
    (
        "seen before the ReLU",
        "Your layers hand on what is right, and you write down what they were before the ReLU.",
        ("seen[name] = x = relu(convolve(x, w, b))", "seen[name] = convolve(x, w, b)\n        x = relu(seen[name])"),
    ),
    (
        "the weights swapped",
        "10 belongs to the content, 40 to the style.",
        ("J = 10 /", "J = 40 /", "J + 40 /", "J + 10 /"),
    ),
    (
        "content not divided",
        "J of the content is not what it should be: the sum of squares is divided by 4 · H · W · C.",
        (CONTENT_PART, CONTENT_PART.replace(" / (4 * content.size)", "")),
        (CONTENT_PART, CONTENT_PART.replace("4 * ", "")),
        (CONTENT_PART, CONTENT_PART.replace(" / (4 * content.size)", " / 2")),
    ),
    (
        "style divided by too little",
        "J of one layer's style is not what it should be: 4 · C² · (H · W)². Both C and H · W are squared.",
        (STYLE_PART, STYLE_PART.replace("(2 * seen[name].data.size) ** 2", "(4 * seen[name].data.size)")),
        (STYLE_PART, STYLE_PART.replace("(2 * seen[name].data.size) ** 2", "seen[name].data.size ** 2")),
        (STYLE_PART, STYLE_PART.replace(" / (2 * seen[name].data.size) ** 2", "")),
        (STYLE_PART, STYLE_PART.replace("(2 * seen[name].data.size) ** 2", "(2 * style[name].size) ** 2")),
    ),
    (
        "a sum over the layers",
        "You add up the layers' styles. J_style is their mean: they share the 40.",
        (STYLE_PART, STYLE_PART.replace(" / len(STYLE)", "")),
    ),
    (
        "one layer's style",
        "J of one layer is right, J of three is not: do you keep what came last?",
        (STYLE_PART, STYLE_PART + "\n        break"),
        ("    for name in STYLE:", "    for name in STYLE[-1:]:"),
    ),
    (
        "without the lens",
        "The network does not see your pixels through the lens.",
        ("features(lens(pixels), network)", "features(pixels, network)"),
    ),
    (
        "photograph and painting swapped",
        "You take the content from the painting and the style from the photograph.",
        (
            "features(photograph, network)[CONTENT]",
            "features(PAINTING, network)[CONTENT]",
            "features(painting, network)",
            "features(photograph, network)",
            "features(PAINTING, network)",
            "features(painting, network)",
        ),
    ),
    (
        "what the lens shows",
        "You return the picture that the lens shows. Return the pixels: the lens comes again when you go on with them.",
        ("return pixels.data, costs", "return lens(pixels).data, costs"),
    ),
)

HINTS = (
    "Which of the three is wrong? The first trials are of features alone, the next of cost alone, the last of paint.",
    "features: a dictionary that grows as x goes through the layers; `if name.endswith('conv1') and seen` is where a "
    "pool belongs. cost: a difference times itself, totalled, times a number; seen[name].data.size is H · W · C. paint "
    "wants targets as arrays (.data), pixels as a Value, and descend with a lambda for the cost.",
    "seen[name] = x = relu(convolve(x, w, b)). J = 10 / (4 * content.size) * total(difference * difference); a layer "
    "adds 40 / len(STYLE) / (2 * seen[name].data.size) ** 2 times its own. descend(lambda: "
    "cost(features(lens(pixels), network), content, style), [pixels], rate, steps).",
)


def material():
    """A photograph, a painting, and the first six layers of tiny_vgg, for pictures that are not divided first."""
    from matplotlib.cbook import get_sample_data

    from minicnn import images, models
    from minicnn.datasets.paintings import PAINTINGS
    from minicnn.models.card import PREPROCESSING

    photograph = images.load(get_sample_data("grace_hopper.jpg", asfileobj=False), size=(152, 128))
    given = {"photograph": photograph[:128], "painting": PAINTINGS["starry_night"](128)}
    layers = [layer for layer in models.tiny_vgg().body if "conv" in layer.name][:6]
    for layer in layers:
        given[f"{layer.name}_w"], given[f"{layer.name}_b"] = layer.w.data.astype(np.float16), layer.b.data
    given["block1_conv1_w"] = layers[0].w.data / np.float32(PREPROCESSING["cifar10"].deviation)[:, None]
    return given


def show(engine):
    _, costs = engine.paint(PIXELS.copy(), PHOTOGRAPH, PAINTING, NETWORK, 20.0, 20)
    falls = sum(after < before for before, after in pairwise(costs))
    return (
        f"On eight rows of pixels, J from {costs[0]:.3f} to {costs[-1]:.3f}; it fell in {falls} of 19 steps.\n"
        f"minicnn's core, on the same network, differs by {differs(engine):.0e}, J and gradients.\n"
        "Your engine is whole. Now let it paint, with NumPy alone, in a few minutes:\n"
        "  python engine.py\n"
        "And see what the real one adds, and why: minicnn tutorial open 0"
    )
