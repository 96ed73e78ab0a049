"""What tests of compiled kernels share: how finely work was cut."""

import pytest

from minicnn.fast.cpu import threads


@pytest.fixture
def pieces(monkeypatch):
    """The number of pieces that each kernel's work was cut into."""
    counts, parallel = [], threads.parallel

    def counted(kernel, cut, *arguments):
        counts.append(len(cut))
        return parallel(kernel, cut, *arguments)

    monkeypatch.setattr(threads, "parallel", counted)
    return counts
