"""The micro-kernel in isolation, with any number of rows, for `minicnn bench --only micro`."""

from numba import njit

from minicnn.fast.cpu.micro_kernel import ROWS, columns, row_product

MICRO_KERNEL = "cd2d28bb46fc"  # its digest, so that an edit of it changes this file, too


def micro_shape(itemsize):
    """Return the (rows, columns) of the product used by the kernels."""
    return ROWS, columns(itemsize)


def micro_product(rows):
    """Return a compiled function (a, b, c, depth), which computes c = a b in flat arrays, `rows` rows at a time.

    Shapes: a (…, depth), b (depth, columns), c (…, columns).
    """
    multiply = row_product(rows)

    @njit(nogil=True)
    def product(a, b, c, depth):
        width = b.size // depth
        for first in range(0, a.size // depth, rows):
            multiply(a, (first * depth, depth, 1), b, (0, width), c, (first * width, width), depth, False)

    return product
