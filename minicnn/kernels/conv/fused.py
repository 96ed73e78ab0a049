"""A convolution and what travels with it: ReLU, and the mean of 2×2 outputs.

Fusion joins the definitions of kernels/conv, kernels/rectify and kernels/pool and is never another one: `Apart` calls
them one after the other, and Winograd's kernels do the same in one pass, without an array between them.

y and dy are those of the last step: of the means where `mean` is true. marks: where the ReLU was active, one bit an
element; None without it.
"""

from minicnn import backend
from minicnn.kernels import conv, pool, rectify, winograd
from minicnn.kernels.geometry import slide


def choose(x, w, window, groups):
    """The convolution of x with w as it is done fastest; it keeps its kernels, whatever backend is chosen later."""
    compiled = backend.implementation(winograd.__name__, x).__name__.endswith("on_numba")
    kind = Winograd if compiled and winograd.suits(x.shape, w.shape, window, groups) else Apart
    return kind(x, window, groups)


class Apart:
    """Each step by its own kernel."""

    def __init__(self, x, window, groups):
        self.spatial, self.window, self.groups = x.shape[1:-1], window, groups
        self.conv, self.pool, self.rectify = (room.implementation(x) for room in (conv, pool, rectify))

    def forward(self, x, w, b, relu, mean, marked=True):
        """y, marks. marked: whether a gradient will ask for the marks; otherwise None may stand for them."""
        y = self.conv.forward(x, w, b, self.window, self.groups, relu)
        marks = self.rectify.mark(y) if relu and marked else None
        return self.pool.avg_forward(y, self._halving(), False) if mean else y, marks

    def gradient_to_input(self, dy, marks, w, mean):
        """dx."""
        dy = self.before_relu(dy, marks, mean)
        return self.conv.gradient_to_input(dy, w, self.spatial, self.window, self.groups)

    def gradient_to_filters(self, dy, x):
        """dw; dy is the cotangent of the convolution alone."""
        return self.conv.gradient_to_filters(dy, x, self.window, self.groups)

    def before_relu(self, dy, marks, mean):
        """The cotangent of the convolution alone."""
        if mean:
            dy = self.pool.avg_gradient(dy, self.window.output, self._halving(), False)
        return dy if marks is None else self.rectify.marked_gradient(dy, marks)

    def _halving(self):
        return slide("conv: pool", self.window.output, 2, stride=2)


class Winograd(Apart):
    """All in one pass over the tiles."""

    def __init__(self, x, window, groups):
        super().__init__(x, window, groups)
        self.winograd = backend.implementation(winograd.__name__, x)

    def forward(self, x, w, b, relu, mean, marked=True):
        return self.winograd.fused_forward(x, w, b, self.window.before, self.window.output, relu, mean)

    def gradient_to_input(self, dy, marks, w, mean):
        before, output = self.window.before, self.window.output
        return self.winograd.fused_gradient_to_input(dy, w, before, self.spatial, output, marks, mean)

    def gradient_to_filters(self, dy, x):
        return self.winograd.gradient_to_filters(dy, x, self.window.before)
