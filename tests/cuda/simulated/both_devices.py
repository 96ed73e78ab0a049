"""What the tests of this folder share: arrays there and back, and how near they must be."""

import numpy as np

from minicnn import devices


def there(*arrays):
    """The arrays on the simulated GPU; what is none, as it is."""
    moved = tuple(devices.move(a, "cuda") if isinstance(a, np.ndarray) else a for a in arrays)
    return moved if len(moved) > 1 else moved[0]


def assert_same(found, wanted, *, tolerance=None):
    """Arrays of the GPU and of the host: of one shape and dtype, and near relative to the largest element."""
    assert devices.device_of(found) == "cuda"
    found = devices.to_host(found)
    assert found.shape == wanted.shape and found.dtype == wanted.dtype
    if wanted.dtype.kind != "f":
        np.testing.assert_array_equal(found, wanted)
        return
    tolerance = tolerance or (1e-5 if wanted.dtype == np.float32 else 1e-12)
    assert not np.isnan(found).any()
    assert np.abs(found - wanted).max(initial=0) <= tolerance * max(np.abs(wanted).max(initial=0), 1e-30)
