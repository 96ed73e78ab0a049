"""The base class of layers with a sliding window."""

from __future__ import annotations

from typing import Any

from minicnn.kernels.geometry import Window, one_each, slide
from minicnn.nn.module import Module


class Sliding(Module):
    """A layer with a window that slides over `rank` dimensions."""

    rank: int
    size: Any
    stride: Any
    dilation: Any = 1

    def window(self) -> Window:
        """Return the Window over the smallest input that it fits, without padding."""
        name = type(self).__name__
        sizes = one_each(name, "size", self.size, self.rank, least=1)
        dilations = one_each(name, "dilation", self.dilation, self.rank, least=1)
        spans = [(k - 1) * d + 1 for k, d in zip(sizes, dilations, strict=True)]
        return slide(name, spans, sizes, stride=self.stride, dilation=dilations)
