"""Arrays in, arrays out: the computations that cost time. Nothing here knows what a Tensor is.

Each package states one contract and holds several implementations of it; `on_numpy` is the definition.
"""
