"""Memory for results: from the pool, which uses it again."""

from minicnn.fast.cpu import buffers


def empty(shape, dtype, like):
    return buffers.empty(shape, dtype)
