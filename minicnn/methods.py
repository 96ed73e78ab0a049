"""The base class of Tensor to which ops/arithmetic.py and ops/methods.py attach what needs Tensor itself.

methods.pyi tells type checkers what is attached.
"""

from minicnn.errors import SuggestsNames


class Methods(SuggestsNames):
    """The operators and methods of Tensor that are operations."""

    __slots__ = ()
