"""The assignment of a convolution's outputs to threads in each kernel, for the tape."""

from minicnn.fast.cuda import conv, naive_conv


def conv_tilings():
    """Return the fields of minicnn.tape's Tiling for each kernel."""
    alone = "a number of x and one of w for each product"
    shared = f"a number of x and one of w for {conv.SIDE} products; its block reads the rest"
    return [
        ("naive", 0, 0, 1, 1, naive_conv.THREADS, alone),
        ("tiled", conv.SIDE, conv.SIDE, 1, 1, 0, shared),
    ]
