"""Exercise: the style cost of one layer."""

from minicnn import ops
from minicnn.learn.drawing import features, others
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import answer_and_gradients


def compute_layer_style_cost(a_S, a_G):
    """The style cost of one layer: how differently its channels respond together.

        J_layer = Σᵢⱼ (G_S[i, j] − G_G[i, j])² / (4 · C² · (H·W)²)

    a_S: a Tensor (1, H, W, C): what the layer says of the painting.
    a_G: of the same shape: what it says of the generated picture.
    G_S and G_G: their Gram matrices, (C, C), as in the exercise gram_matrix, of features that are unrolled to
        (C, H·W): a row for each channel.

    Return J_layer, a Tensor with a single number.
    """
    _, H, W, C = a_G.shape

    def gram(features):
        unrolled = features.reshape(H * W, C).T
        return unrolled @ unrolled.T

    return ops.sum(ops.square(gram(a_S) - gram(a_G))) / (4 * C**2 * (H * W) ** 2)


def _turned(a, places, C):
    return ops.transpose(a, (0, 3, 1, 2)).reshape(places, C)


def _cost(gram, divisor):
    """A style cost by another Gram matrix, or another divisor of H·W places and C channels."""

    def cost(a_S, a_G):
        _, H, W, C = a_G.shape
        return ops.sum(ops.square(gram(a_S, H * W, C) - gram(a_G, H * W, C))) / divisor(H * W, C)

    return cost


def _right(a, places, C):
    return a.reshape(places, C).T @ a.reshape(places, C)


def _right_of(a):
    return _right(a, a.size // a.shape[-1], a.shape[-1])


def _of_sides(divisor):
    """A style cost by a divisor of H, W and C."""
    return lambda a_S, a_G: ops.sum(ops.square(_right_of(a_S) - _right_of(a_G))) / divisor(*a_G.shape[1:])


def _mixed(a, places, C):
    return a.reshape(C, places) @ a.reshape(C, places).T


def _of_places(a, places, C):
    return a.reshape(places, C) @ a.reshape(places, C).T


def _whole(places, C):
    return 4 * C**2 * places**2


EXERCISE = Exercise(
    function=compute_layer_style_cost,
    title="is it painted as the painting is painted?",
    lecture="Style cost function",
    read="tutorials/03_style_transfer_by_hand.py",
    imports="from minicnn import ops",
    observe=answer_and_gradients("a_G"),
    cases=(
        Case("a painting compared with itself", lambda: features(0, 0), {"": 0.0}),
        Case("the course's features, 4×4 with 3 channels", lambda: features(0, 1), {"": 14.017808}, tolerance=3e-6),
        Case("features of another size, 3×5 with 2 channels", lambda: others((1, 3, 5, 2), (1, 3, 5, 2))),
    ),
    slips=(
        Slip(
            "channels mixed",
            "Your rows hold numbers of different channels. In memory the channels of one place stand side by side, "
            "and a reshape only cuts that row of numbers anew. Which axis is last, and what must happen besides?",
            _cost(_mixed, _whole),
        ),
        Slip(
            "places with places",
            "Your Gram matrix compares places with places, so it would notice if the painting were shuffled. It should "
            "compare channels.",
            _cost(_of_places, _whole),
        ),
        Slip(
            "places not squared",
            "Too large by a factor of H·W. An entry of G is a sum over all places, and here it is squared.",
            _cost(_right, lambda places, C: 4 * C**2 * places),
        ),
        Slip(
            "no quarter",
            "Four times too much. What else does the formula divide by?",
            _cost(_right, lambda places, C: C**2 * places**2),
        ),
        Slip(
            "channels not squared",
            "Too large by a factor of C. How many entries has a Gram matrix?",
            _cost(_right, lambda places, C: 4 * C * places**2),
        ),
        Slip(
            "not divided",
            "That is the sum of the squared differences, and it is right. It still has to be divided.",
            _cost(_right, lambda places, C: 1),
        ),
        Slip(
            "features instead of Gram matrices",
            "You compare the features place by place: that is what the content cost does. Style forgets the places "
            "first.",
            _cost(lambda a, places, C: a, _whole),
        ),
        Slip(
            "multiplied by the sizes",
            "Far too large: Python goes from left to right, so that a / b * c is (a / b) · c. By what do you divide?",
            lambda a_S, a_G: _cost(_right, lambda places, C: 4)(a_S, a_G) * a_G.size**2,
        ),
        Slip(
            "one side squared",
            "`**` binds closer than `*`: only one of the two sides of a layer is squared where you divide.",
            (
                _of_sides(lambda H, W, C: 4 * C**2 * H * W**2),
                _of_sides(lambda H, W, C: 4 * C * H * W**2),
            ),
        ),
        Slip(
            "mean of the squares",
            "You divide by the number of entries as well: is it a mean? Σᵢⱼ is a sum.",
            _cost(_right, lambda places, C: C**2 * _whole(places, C)),
        ),
        Slip(
            "transposed, and cut anew",
            "You bring the channels to the front, and then reshape to (H·W, C), which cuts the rows of the channels "
            "anew. After the transpose the shape is (C, H·W).",
            (
                _cost(lambda a, places, C: _turned(a, places, C).T @ _turned(a, places, C), _whole),
                _cost(lambda a, places, C: _turned(a, places, C) @ _turned(a, places, C).T, _whole),
            ),
        ),
        Slip(
            "nothing squared below",
            "You divide by C·H·W as it is. Both C and H·W are squared in the formula.",
            (
                _cost(_right, lambda places, C: 2 * C * places),
                _cost(_right, lambda places, C: 4 * C * places),
            ),
        ),
        Slip(
            "a mean alone",
            "Your mean divides by C² only. The formula divides by (H·W)² as well, and by 4.",
            _cost(_right, lambda places, C: C**2),
        ),
        Slip(
            "not squared",
            "Your cost can be negative: differences of opposite sign cancel.",
            (
                lambda a_S, a_G: ops.sum(_right_of(a_S) - _right_of(a_G)) / (4 * a_G.size**2),
                lambda a_S, a_G: ops.sum(_right_of(a_G) - _right_of(a_S)) / (4 * a_G.size**2),
            ),
        ),
        Slip(
            "Gram matrix of the difference",
            "You subtract the features first, place by place, and take the Gram matrix of what is left. Each picture "
            "has a Gram matrix of its own.",
            lambda a_S, a_G: ops.sum(ops.square(_right_of(a_S - a_G))) / (4 * a_G.size**2),
        ),
        Slip(
            "other sizes",
            "With the course's features you are right, with others not. Which numbers of yours are those of one layer "
            "only?",
            _cost(_right, lambda places, C: 4 * 3**2 * 16**2),
        ),
        Slip(
            "no gram_matrix here",
            "Your gram_matrix can be fetched: `from gram_matrix import gram_matrix`, if its file lies beside this one.",
            raises="name 'gram_matrix' is not defined",
        ),
    ),
    hints=(
        "If you shuffled the places of the painting, this cost should stay what it is. Which matrix does not notice? "
        "And what does it want as its rows?",
        "Unroll (1, H, W, C) to (H·W, C) first, which keeps the channels of a place together; then turn it over to "
        "(C, H·W). Then the Gram matrix of each, and the squared difference of the two.",
        "`unrolled = features.reshape(H * W, C).T`, `gram = unrolled @ unrolled.T`; the divisor is "
        "`4 * C**2 * (H * W)**2`.",
    ),
)
