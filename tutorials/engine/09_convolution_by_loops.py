"""A layer for pictures: a small filter slides over the picture, and at every place it gives the dot product with what
lies under it. x is (H, W, C): rows, columns, channels. w is (K, K, C, F): F filters, K odd. b is (F,).

    y[i, j, f] = b[f] + Σ over p, q, c of x̂[i + p, j + q, c] · w[p, q, c, f]

x̂ is x with K // 2 rows and columns of zeros around it, so that y is as large as x. The filter is not flipped.

Loops over i and j would take a minute for a picture. Loop over p and q instead, nine rounds for a 3×3 filter: in
each, the whole picture, moved by p and q, is multiplied with w[p, q], and all of that is added up.

The rule runs the same loop backwards. In round p, q the moved picture was multiplied with w[p, q]. So d @ w[p, q].T
goes back to *the same moved place* of x̂, and w[p, q] gets the product of the moved picture and d, summed over all
places. Cut the border off at the end. b was broadcast, so for b the rule may give d itself: the walk sums it.

If w is no Value but an array, it is frozen: what it is worth is nobody's business, and costs half of the time. Give
zeros, or None.

Predict: a filter of zeros with a single 1, at p = 0, q = 1 of a 3×3. What does the picture look like after it?
"""

import numpy as np

MINUTES = 40

RANDOM = np.random.default_rng(9)
X, W, B = RANDOM.standard_normal((5, 6, 3)), RANDOM.standard_normal((3, 3, 3, 4)), RANDOM.standard_normal(4)
D, W5 = RANDOM.standard_normal((5, 6, 4)), RANDOM.standard_normal((5, 5, 3, 2))
ONE = np.zeros((3, 3, 1, 1))
ONE[0, 1] = 1


def gradients(place):
    def trial(engine):
        values = [engine.Value(each.copy()) for each in (X, W, B)]
        engine.backward(engine.total(engine.convolve(*values) * D))
        return values[place].grad + np.zeros(values[place].data.shape)

    return trial


def rules(engine):
    return len(engine.rule(engine.convolve(*(engine.Value(each) for each in (X, W, B))), D))


def frozen(engine):
    x = engine.Value(X.copy())
    engine.backward(engine.total(engine.convolve(x, W, B) * D))
    return x.grad


TRIALS = (
    ("a filter of ones: sums of 3×3", lambda engine: engine.convolve(np.ones((3, 4, 1)), np.ones((3, 3, 1, 1)), [0.0])),
    ("a single 1, at p = 0, q = 1", lambda engine: engine.convolve(X[:, :, :1], ONE, np.zeros(1))),
    ("three channels, four filters", lambda engine: engine.convolve(engine.Value(X), W, B)),
    ("a 5×5 filter", lambda engine: engine.convolve(engine.Value(X), W5, B[:2])),
    ("a 1×1 filter", lambda engine: engine.convolve(engine.Value(X), W[:1, :1], B)),
    ("its rule has a gradient for each of x, w and b", rules),
    ("the gradient of x", gradients(0)),
    ("the gradient of x, with a frozen filter", frozen),
    ("the gradient of w", gradients(1)),
    ("the gradient of b", gradients(2)),
)

ROUND = "y += padded[p : p + H, q : q + W] @ filters[p, q]"
BACK = "dx[p : p + H, q : q + W] += d @ filters[p, q].T"
CUT = "dx[m : m + H, m : m + W]"
PADDED = "padded = np.pad(a, ((m, m), (m, m), (0, 0)))"

SLIPS = (
    (
        "flipped",
        "You flip the filter, as mathematicians do. Networks do not: in round p, q it is w[p, q].",
        (
            ROUND,
            ROUND.replace("[p, q]", "[K - 1 - p, K - 1 - q]"),
            BACK,
            BACK.replace("[p, q]", "[K - 1 - p, K - 1 - q]"),
        ),
        (ROUND, ROUND.replace("filters[p, q]", "filters[::-1, ::-1][p, q]")),
    ),
    (
        "no bias",
        "Every filter has a number of its own besides its weights.",
        (" + array(b)", ""),
    ),
    (
        "rows and columns",
        "p goes down and q goes right, and you have them the other way round.",
        (ROUND, "y += padded[q : q + H, p : p + W] @ filters[p, q]"),
        (ROUND, ROUND, "a, filters = array(x), array(w)", "a, filters = array(x), array(w).swapaxes(0, 1)"),
    ),
    (
        "the picture shrinks",
        "Your y is smaller than x. Around the picture there are K // 2 rows and columns of zeros.",
        (PADDED, "padded, m = a, 0\n    H, W = H - K + 1, W - K + 1"),
    ),
    (
        "on one side",
        "Your zeros are all on one side, and the picture has moved into a corner.",
        (PADDED, "padded = np.pad(a, ((0, 2 * m), (0, 2 * m), (0, 0)))"),
        (PADDED, "padded = np.pad(a, ((2 * m, 0), (2 * m, 0), (0, 0)))"),
    ),
    (
        "back to another place",
        "Forward you are right. On the way back you hand d to another place than the one that the numbers came from: "
        "in round p, q, that was the picture moved by p and q.",
        (BACK, "dx[K - 1 - p : K - 1 - p + H, K - 1 - q : K - 1 - q + W] += d @ filters[p, q].T"),
        (BACK, "dx[p : p + H, q : q + W] += d @ filters[K - 1 - p, K - 1 - q].T"),
    ),
    (
        "overwrites",
        "A pixel lies under the filter in up to nine rounds. On the way back you keep one of them.",
        (BACK, BACK.replace("+=", "=")),
    ),
    (
        "the wrong cut",
        "You cut the border off in the wrong place: what belongs to x begins K // 2 rows further down, and to the "
        "right.",
        (CUT, "dx[:H, :W]"),
        (CUT, "dx[2 * m :, 2 * m :]"),
    ),
    (
        "the filter learns nothing",
        "x has its gradient, w has none; it is a Value here.",
        ("isinstance(w, Value)", "False"),
    ),
    (
        "the filter's gradient is a mean",
        "The gradient of w is a sum over all places of the picture, not a mean.",
        ("axes=((0, 1), (0, 1)))", "axes=((0, 1), (0, 1))) / (H * W)"),
    ),
    (
        "the filter's gradient is turned over",
        "The gradient of w has rows and columns exchanged, or it is flipped: round p, q belongs to w[p, q].",
        ("dw[p, q] =", "dw[q, p] ="),
        ("dw[p, q] =", "dw[K - 1 - p, K - 1 - q] ="),
    ),
)

HINTS = (
    "Which pixel does y[0, 0] multiply with w[0, 0]? And y[5, 7] with w[0, 0]? How far apart are they in x̂, and in y?",
    "np.pad(a, ((m, m), (m, m), (0, 0))) makes x̂. In round p, q the moved picture is x̂[p : p + H, q : q + W], which is "
    "(H, W, C), and `@ w[p, q]` makes (H, W, F) of it. On the way back, `d @ w[p, q].T` is added to the same slice of "
    "an array of zeros as large as x̂.",
    "forward: y += padded[p:p+H, q:q+W] @ filters[p, q]. Back: dx[p:p+H, q:q+W] += d @ filters[p, q].T, and dw[p, q] = "
    "np.tensordot(padded[p:p+H, q:q+W], d, axes=((0, 1), (0, 1))). The rule gives (dx[m:m+H, m:m+W], dw, d).",
)


def portrait(size=128):
    from matplotlib.cbook import get_sample_data

    from minicnn import images

    return images.load(get_sample_data("grace_hopper.jpg", asfileobj=False), size=(size * 19 // 16, size))[:size]


def shades(levels):
    """Text of an array (rows, columns), twice as wide as high, from 0 (light) to 1 (dark)."""
    ramp = " .:-=+*#%@"
    return ["  " + "".join(ramp[int(9 * min(max(level, 0), 1))] for level in row).rstrip() for row in levels]


def show(engine):
    grey = portrait().mean(axis=2, keepdims=True)
    lens = np.outer((1, 2, 1), (1, 2, 1))[:, :, None, None] / 16
    edges = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])[:, :, None, None]
    smooth = engine.convolve(engine.convolve(grey, lens, [0.0]), lens, [0.0])
    found = np.abs(engine.convolve(smooth, edges, [0.0]).data[:, :, 0])
    found[:2] = found[-2:] = found[:, :2] = found[:, -2:] = 0  # the frame is an edge, too, and not interesting
    found = found.reshape(32, 4, 64, 2).mean(axis=(1, 3))
    return "\n".join(
        [
            "Blurred twice, then asked at every place: are you brighter than your neighbours, or darker?",
            *shades(found / np.quantile(found, 0.98)),
            "Two filters, written by hand, 3×3. Grace Hopper, seen by your convolution.",
        ]
    )
