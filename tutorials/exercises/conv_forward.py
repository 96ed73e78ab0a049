"""Exercise: a convolution, by loops."""

import numpy as np

from minicnn.learn.drawing import normal, then
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import answer


def conv_forward(x, w, b, stride=1, padding=0):
    """A convolution as networks do it: at every place the dot product of a filter with what lies under it.

        y[n, i, j, f] = b[f] + Σ_{p, q, c} x̂[n, i·s + p, j·s + q, c] · w[p, q, c, f]

    x: (N, H, W, C), N pictures. w: (K, K, C, F), F filters. b: (F,), a bias for each filter.
    stride: s, how far the window moves. padding: so many rows and columns of zeros are put around every picture on all
        four sides, which gives x̂.

    Return y: (N, H', W', F) with H' = ⌊(H + 2·padding − K) / s⌋ + 1, and W' alike. These are NumPy's arrays. Loops are
    welcome; the kernel is not flipped.
    """
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    K = len(w)
    rows, columns = ((size - K) // stride + 1 for size in x.shape[1:3])
    y = np.zeros((len(x), rows, columns, len(b)))
    for i in range(rows):
        for j in range(columns):
            window = x[:, i * stride : i * stride + K, j * stride : j * stride + K]
            y[:, i, j] = np.tensordot(window, w, axes=3) + b
    return y


def _without_stride(x, w, b, stride=1, padding=0):
    y = conv_forward(x, w, b, stride, padding)
    return conv_forward(x, w, b, 1, padding)[:, : y.shape[1], : y.shape[2]]


def _padded_after(x, w, b, stride=1, padding=0):
    return conv_forward(np.pad(x, ((0, 0), (0, 2 * padding), (0, 2 * padding), (0, 0))), w, b, stride)


def _first_picture(x, w, b, stride=1, padding=0):
    y = conv_forward(x, w, b, stride, padding)
    y[1:] = 0
    return y


def _batch_added_up(x, w, b, stride=1, padding=0):
    y = conv_forward(x, w, 0 * b, stride, padding)
    return np.broadcast_to(y.sum(axis=0), y.shape) + b


def _last_left(x, w, b, stride=1, padding=0):
    y = conv_forward(x, w, b, stride, padding)
    y[:, -1] = y[:, :, -1] = 0
    return y


def _looped(as_wide_as_high=False, turned=False):
    """With slices, which grow narrow at the edge of the picture and then may still be multiplied, or not."""

    def forward(x, w, b, stride=1, padding=0):
        y = np.empty_like(conv_forward(x, w, b, stride, padding))
        y = np.empty((len(y), y.shape[1], y.shape[1], len(b))) if as_wide_as_high else y
        x, K = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0))), len(w)
        for n, i, j, f in np.ndindex(y.shape):
            top, left = (j * stride, i * stride) if turned else (i * stride, j * stride)
            y[n, i, j, f] = np.sum(x[n, top : top + K, left : left + K] * w[..., f]) + b[f]
        return y

    return forward


EXERCISE = Exercise(
    function=conv_forward,
    title="a filter slides over pictures",
    lecture="One layer of a ConvNet (week 1)",
    read="tutorials/02_convolution_four_ways.py",
    imports="import numpy as np",
    observe=answer(arrays=True),
    own=("conv",),
    cases=(
        Case(
            "one window, one filter of ones: a sum",
            lambda: [np.arange(9.0).reshape(1, 3, 3, 1), np.ones((3, 3, 1, 1)), np.zeros(1)],
            {"": [[[[36.0]]]]},
        ),
        Case("a 3×3 filter over 5×6 pixels", lambda: normal((1, 5, 6, 1), (3, 3, 1, 1), (1,))),
        Case("two pictures, three channels, four filters", lambda: normal((2, 5, 4, 3), (2, 2, 3, 4), (4,))),
        Case("stride 2", then(lambda: normal((1, 7, 8, 2), (3, 3, 2, 2), (2,)), 2)),
        Case("padding 1", then(lambda: normal((1, 4, 5, 2), (3, 3, 2, 2), (2,)), 1, 1)),
        Case("stride 2 and padding 2", then(lambda: normal((2, 5, 6, 2), (3, 3, 2, 3), (3,)), 2, 2)),
    ),
    slips=(
        Slip(
            "flipped",
            "You flip the filter, as mathematicians do when they say convolution. Networks do not; they learn the "
            "filter that they need.",
            lambda x, w, b, stride=1, padding=0: conv_forward(x, w[::-1, ::-1], b, stride, padding),
        ),
        Slip(
            "no bias",
            "Every filter's output is off by a constant. What has each filter besides its weights?",
            lambda x, w, b, stride=1, padding=0: conv_forward(x, w, 0 * b, stride, padding),
        ),
        Slip(
            "places without stride",
            "The shape is right for a stride of 2, but your windows are still neighbours. Where does window i begin?",
            _without_stride,
        ),
        Slip(
            "stride ignored",
            "With a stride of 2 you have too many outputs. How many steps fit?",
            lambda x, w, b, stride=1, padding=0: conv_forward(x, w, b, 1, padding),
        ),
        Slip(
            "padding ignored",
            "With padding you have too few outputs: the picture did not grow before the filter slid over it.",
            lambda x, w, b, stride=1, padding=0: conv_forward(x, w, b, stride),
        ),
        Slip(
            "padded after",
            "Your picture has grown to the right size, but on the wrong sides: it has moved into a corner.",
            _padded_after,
        ),
        Slip(
            "everything padded",
            "Without padding you are right. With it, what lies under the filter has another shape than the filter. "
            "Print the shape of the padded picture: which of its sizes shall grow, and by how much?",
            lambda x, w, b, stride=1, padding=0: conv_forward(np.pad(x, padding), w, b, stride),
        ),
        Slip(
            "last windows missing",
            "The last row and column are missing. Does a window fit there that ends where the picture ends?",
            lambda x, w, b, stride=1, padding=0: conv_forward(x, w, b, stride, padding)[:, :-1, :-1],
        ),
        Slip(
            "turned",
            "Rows and columns of the filter are exchanged. Which axis of w goes with which of x?",
            lambda x, w, b, stride=1, padding=0: conv_forward(x, w.transpose(1, 0, 2, 3), b, stride, padding),
        ),
        Slip(
            "sizes of the picture before it grew",
            "With padding you have too few outputs, and those that are there are right. Which picture did you measure?",
            lambda x, w, b, stride=1, padding=0: conv_forward(x, w, b, stride, padding)[
                :,
                : (x.shape[1] - len(w)) // stride + 1,
                : (x.shape[2] - len(w)) // stride + 1,
            ],
        ),
        Slip(
            "mean",
            "You divide by how many numbers there are in a window. A dot product is a sum.",
            lambda x, w, b, stride=1, padding=0: conv_forward(x, w / w[..., 0].size, b, stride, padding),
        ),
        Slip(
            "bias in every term",
            "You add b once for every number of the window. It stands before the sum.",
            lambda x, w, b, stride=1, padding=0: conv_forward(x, w, b * w[..., 0].size, stride, padding),
        ),
        Slip(
            "one channel",
            "With one channel you are right, with several not: where are the others?",
            lambda x, w, b, stride=1, padding=0: conv_forward(x[..., :1], w[:, :, :1], b, stride, padding),
        ),
        Slip(
            "pictures added up",
            "All pictures of the batch have the same output, the sum of all. A window has an axis of pictures as well: "
            "which axes are summed over?",
            _batch_added_up,
        ),
        Slip(
            "last windows left at zero",
            "The last row and column are zeros: your loops end one window early. range(n) ends at n − 1 already.",
            _last_left,
        ),
        Slip(
            "one picture",
            "Only the first picture of the batch has an output. Is there a `return` inside your loop?",
            _first_picture,
        ),
        Slip(
            "channels first",
            "Your numbers are right, but the filters' axis stands before rows and columns. Here channels come last.",
            lambda x, w, b, stride=1, padding=0: conv_forward(x, w, b, stride, padding).transpose(0, 3, 1, 2),
        ),
        Slip(
            "as wide as high",
            "Your outputs are as wide as they are high, whatever the picture. What is W' worked out from?",
            _looped(as_wide_as_high=True),
        ),
        Slip(
            "across the picture",
            "i goes down and j goes right, and your windows do it the other way round.",
            _looped(turned=True),
        ),
    ),
    hints=(
        "Take one output number, say y[0, 0, 0, 0]. Which pixels does it see? And y[0, 0, 1, 0], with a stride of 2?",
        "np.pad makes x̂. Work out H' and W', make an array of zeros, and fill it in loops over i, j and f (and n, if "
        "you like): multiply the window x̂[n, i·s : i·s+K, j·s : j·s+K] with w[..., f], add everything up, add b[f].",
        "window = x[n, i*stride : i*stride+K, j*stride : j*stride+K] is (K, K, C), and so is w[:, :, :, f]: "
        "y[n, i, j, f] = np.sum(window * w[:, :, :, f]) + b[f]. Padding: np.pad(x, ((0, 0), (p, p), (p, p), (0, 0))).",
    ),
)
