"""Convolution on a GPU: the tiled kernels. cuda/naive.py computes the same in the way that is read first."""

from minicnn.fast.cuda import naive_conv as naive, conv as tiled
from minicnn.fast.cuda.conv import forward, gradient_to_filters, gradient_to_input

__all__ = ["forward", "gradient_to_filters", "gradient_to_input", "tilings"]


def tilings():
    """How the threads of each forward kernel share the outputs, for the tape: rows of minicnn.tape.pixels.Tiling."""
    alone = "a number of x and one of w for each product"
    shared = f"a number of x and one of w for {tiled.SIDE} products; its block reads the rest"
    return [
        ("naive", 0, 0, 1, 1, naive.THREADS, alone),
        ("tiled", tiled.SIDE, tiled.SIDE, 1, 1, 0, shared),
    ]
