"""The micro-kernel alone, with any number of rows, for `minicnn bench --only micro`."""

from numba import njit

from minicnn.fast.cpu.micro_kernel import ROWS, columns, row_product

MICRO_KERNEL = "8ea8acc2a896"  # its digest: an edit there has to show in the files that compile it into theirs


def micro_shape(itemsize):
    """Return (rows, columns) of the product that the kernels use."""
    return ROWS, columns(itemsize)


def micro_product(rows):
    """Return a compiled function (a, b, c, depth): c (…, columns) = a (…, depth) b (depth, columns), flat arrays all,
    `rows` rows at a time.
    """
    multiply = row_product(rows)

    @njit(nogil=True)
    def product(a, b, c, depth):
        width = b.size // depth
        for first in range(0, a.size // depth, rows):
            multiply(a, (first * depth, depth, 1), b, (0, width), c, (first * width, width), depth, False)

    return product
