"""PyTorch for comparison, if it is installed, and conversions of minicnn's arrays to its tensors."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np


def load(threads: int) -> ModuleType | None:
    """Return PyTorch, on as many threads as minicnn; None if it is not installed or does not load."""
    try:
        import torch
    except (ImportError, OSError):
        return None
    torch.set_num_threads(threads)
    return torch


def pictures(torch: Any, array: np.ndarray) -> Any:
    """Return (N, *spatial, C) as a tensor (N, C, *spatial), channels-last for pictures and volumes.

    That is the memory layout in which PyTorch is fastest.
    """
    tensor = torch.from_numpy(array).movedim(-1, 1)
    return tensor.contiguous() if array.ndim == 3 else tensor


def filters(torch: Any, array: np.ndarray) -> Any:
    """Return (*kernel, C_in, C_out) as a tensor (C_out, C_in, *kernel), in the same memory layout as pictures."""
    tensor = torch.from_numpy(array).movedim((-1, -2), (0, 1))
    layout = {3: torch.contiguous_format, 4: torch.channels_last, 5: torch.channels_last_3d}[array.ndim]
    return tensor.contiguous(memory_format=layout)


def array(tensor: Any) -> np.ndarray:
    """Return a tensor (N, C, *spatial) as an array (N, *spatial, C); matrices and scalars keep their shape."""
    tensor = tensor.detach()
    return (tensor.movedim(1, -1) if tensor.ndim > 2 else tensor).numpy()
