"""In these tests every kernel runs with its threads in a drawn order, and every element that they touch is watched.
What they are held to is the definition, for which nothing has to be compiled.
"""

import zlib

import pytest

from minicnn import use_backend
from minicnn.fast.cuda import simulation


@pytest.fixture(autouse=True)
def no_order_that_can_be_relied_on(request):
    with use_backend("numpy"), simulation.shuffled(zlib.crc32(request.node.nodeid.encode())), simulation.watched():
        yield
