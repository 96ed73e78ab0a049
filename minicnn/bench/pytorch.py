"""PyTorch, to compare with: found if it is there, and fed with the arrays of minicnn."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np


def load(threads: int) -> ModuleType | None:
    """PyTorch, on as many threads as minicnn uses; None where it is not installed or does not load."""
    try:
        import torch
    except (ImportError, OSError):
        return None
    torch.set_num_threads(threads)
    return torch


def pictures(torch: Any, array: np.ndarray) -> Any:
    """(N, *spatial, C) as a tensor (N, C, *spatial), in the memory layout in which PyTorch is fastest: channels-last,
    which it has for pictures and volumes.
    """
    tensor = torch.from_numpy(array).movedim(-1, 1)
    return tensor.contiguous() if array.ndim == 3 else tensor


def filters(torch: Any, array: np.ndarray) -> Any:
    """(*kernel, C_in, C_out) as a tensor (C_out, C_in, *kernel), laid out as the pictures are."""
    tensor = torch.from_numpy(array).movedim((-1, -2), (0, 1))
    layout = {3: torch.contiguous_format, 4: torch.channels_last, 5: torch.channels_last_3d}[array.ndim]
    return tensor.contiguous(memory_format=layout)


def array(tensor: Any) -> np.ndarray:
    """A tensor (N, C, *spatial) as an array (N, *spatial, C); matrices and numbers as they are."""
    tensor = tensor.detach()
    return (tensor.movedim(1, -1) if tensor.ndim > 2 else tensor).numpy()
