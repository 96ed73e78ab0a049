"""In these tests every kernel runs with its threads in a drawn order and every element that they touch watched."""

import zlib

import pytest

from minicnn import simulation


@pytest.fixture(autouse=True)
def no_order_that_can_be_relied_on(request):
    with simulation.shuffled(zlib.crc32(request.node.nodeid.encode())), simulation.watched():
        yield
