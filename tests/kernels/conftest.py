"""What tests of compiled kernels share: a number of threads for a while, and how finely work was cut."""

import pytest

from minicnn import resources
from minicnn.fast.cpu import threads


@pytest.fixture
def thread_count():
    """Call it to set the number of threads; after the test it is what it was."""
    before = resources.threads()
    yield resources.set_threads
    resources.set_threads(before)


@pytest.fixture
def pieces(monkeypatch):
    """The number of pieces that each kernel's work was cut into."""
    counts, parallel = [], threads.parallel

    def counted(kernel, cut, *arguments):
        counts.append(len(cut))
        return parallel(kernel, cut, *arguments)

    monkeypatch.setattr(threads, "parallel", counted)
    return counts
