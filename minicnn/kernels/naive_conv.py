"""Convolution as loops: the ground truth on tiny shapes, to be read and stepped through.

One loop nest serves all three functions: it visits every product x · w of the convolution. The functions differ only in
the array to which they add a product: y, the gradient of x, or the gradient of w.
"""

import numpy as np

from minicnn.kernels.contract import contract, form


def products(x_shape, w_shape, window, groups):
    """Yield (index into x, index into w, index into y) for every product x · w that is added to y."""
    in_channels, out_channels = w_shape[-2:]
    for n in range(x_shape[0]):
        for o in np.ndindex(*window.output):
            for k in np.ndindex(*window.size):
                position = tuple(
                    o[i] * window.stride[i] + k[i] * window.dilation[i] - window.before[i] for i in range(len(o))
                )
                if not all(0 <= p < size for p, size in zip(position, x_shape[1:-1], strict=True)):
                    continue  # padding: a product with zero
                for j in range(out_channels):
                    group = j // (out_channels // groups)
                    for c in range(in_channels):
                        yield (n, *position, group * in_channels + c), (*k, c, j), (n, *o, j)


@contract(lambda x, w, b, window, groups: form(x, (len(x), *window.output, w.shape[-1])))
def naive_conv(x, w, b, window, groups):
    """Return y (N, *output, C_out), as conv does."""
    y = np.zeros((x.shape[0], *window.output, w.shape[-1]), x.dtype)
    for at_x, at_w, at_y in products(x.shape, w.shape, window, groups):
        y[at_y] += x[at_x] * w[at_w]
    if b is not None:
        y += b
    return y


@contract(lambda dy, w, spatial, window, groups: form(dy, (len(dy), *spatial, w.shape[-2] * groups)))
def naive_conv_gradient_to_input(dy, w, spatial, window, groups):
    """Return dx (N, *spatial, C_in), as conv_gradient_to_input does."""
    dx = np.zeros((dy.shape[0], *spatial, w.shape[-2] * groups), dy.dtype)
    for at_x, at_w, at_y in products(dx.shape, w.shape, window, groups):
        dx[at_x] += w[at_w] * dy[at_y]
    return dx


@contract(lambda dy, x, window, groups: form(dy, (*window.size, x.shape[-1] // groups, dy.shape[-1])))
def naive_conv_gradient_to_filters(dy, x, window, groups):
    """Return dw (*size, C_in / groups, C_out), as conv_gradient_to_filters does."""
    dw = np.zeros((*window.size, x.shape[-1] // groups, dy.shape[-1]), dy.dtype)
    for at_x, at_w, at_y in products(x.shape, dw.shape, window, groups):
        dw[at_w] += x[at_x] * dy[at_y]
    return dw
