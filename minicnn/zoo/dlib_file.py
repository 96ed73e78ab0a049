"""dlib's face_recognition_resnet_model_v1.dat: the weights of one network, as dlib serializes its C++ types.

The format has hardly any type tags: the C++ types fix the order of the fields. The file is therefore not parsed in
general, but compared field by field with the one expected network. Only the weights are taken from it.
An integer is stored as its length and bytes, a float as mantissa and exponent. Tensors are little-endian float32.
"""

from __future__ import annotations

import math

import numpy as np

BEGINNING = b"\x01\x01\x01\x0dloss_metric_2"
# Filters, and number of blocks after the block that halves the picture. The first level has no halving block.
LEVELS = {"level4": (32, 3), "level3": (64, 3), "level2": (128, 2), "level1": (256, 2), "level0": (256, 0)}
EMBEDDING = 128
RATES = (1, 1, 1, 0)  # multipliers of learning rate and weight decay, for weights and for biases
LAYERS, TAGS = 108, 22  # number of layers with and without own data
LARGEST = 1e3  # the largest weight is 23; damaged floats are usually much larger


def read(content: bytes) -> dict[str, np.ndarray]:
    """Return {LAYER/weights or LAYER/biases: array}, each affine layer folded into the convolution before it.

    content: the bytes of the file. Raises ValueError, LookupError or OverflowError if it is another file.
    """
    file, arrays = _File(content), {}
    file.header()

    def conv(name: str, channels: int, filters: int, size: int = 3, stride: int = 1, padding: int = 1) -> None:
        file.string("con_4")
        shape = filters, channels, size, size
        both = file.tensor(math.prod(shape) + filters)
        file.expect(filters, size, size, stride, stride, padding, padding)
        file.expect(1, *shape, 1, 1, filters, 1, 1)  # the shapes of weights and biases
        file.numbers(*RATES)
        file.finish()
        file.string("affine_")
        gamma, beta = np.split(file.tensor(2 * filters), 2)
        file.expect(*2 * (1, 1, filters, 1, 1), 0)  # the shapes of gamma and beta, and the per-channel flag
        file.finish()
        w = both[:-filters].reshape(shape) * gamma[:, None, None, None]
        arrays[f"{name}/weights"] = np.ascontiguousarray(w.transpose(2, 3, 1, 0))
        arrays[f"{name}/biases"] = both[-filters:] * gamma + beta

    conv("conv1", 3, 32, 7, 2, 0)
    file.layer("relu_")
    file.layer("max_pool_2", 3, 3, 2, 2, 0, 0)
    channels = 32
    for level, (filters, count) in LEVELS.items():
        for i in range(level == "level4", count + 1):
            conv(f"{level}_{i}_conv1", channels, filters, stride=1 if i else 2, padding=1 if i else 0)
            file.layer("relu_")
            conv(f"{level}_{i}_conv2", channels := filters, filters)
            if i == 0:
                file.layer("avg_pool_2", 2, 2, 2, 2, 0, 0)
            file.layer("add_prev_")
            file.layer("relu_")
    file.layer("avg_pool_2", 0, 0, 1, 1, 0, 0)  # global average pooling
    file.string("fc_2")
    file.expect(EMBEDDING, channels)
    arrays["embedding/weights"] = file.tensor(channels, EMBEDDING)
    file.expect(1, channels, EMBEDDING, 1, 1, 1, 0, 0, 0, 0, 1)  # weights only, no biases
    file.numbers(*RATES)
    file.finish()
    if file.place != len(content):
        raise ValueError("bytes behind its end")
    return arrays


class _File:
    """A cursor over the bytes of a file, which are read in order."""

    def __init__(self, content: bytes) -> None:
        self.content, self.place = content, 0
        self.behind_first: tuple[int, ...] = (1,)

    def header(self) -> None:
        """Read the loss layer, the versions of all layers from last to first, and the input layer."""
        self.expect(1)
        self.string("loss_metric_2")
        self.numbers(0.04, 0.6)
        versions = [self.integer() for _ in range(LAYERS + TAGS)]
        if versions[-1] != 3 or sum(version == 2 for version in versions) != LAYERS - 1 or versions.count(1) != TAGS:
            raise ValueError("versions of layers that are not those of this network")
        self.string("input_rgb_image_sized")
        self.numbers(122.782, 117.001, 104.298)  # the mean of the training pictures
        self.expect(150, 150)

    def layer(self, kind: str, *settings: int) -> None:
        """Read a layer without weights. settings of a pool: height and width, strides, and padding."""
        self.string(kind)
        self.expect(*settings)
        self.finish()

    def finish(self) -> None:
        """Skip the training state of a layer: three flags, empty tensors, and a 1 after the first layer."""
        if self.take(3) not in (b"110", b"111"):
            raise ValueError("flags that are not those of this network")
        self.expect(*3 * (2, 0, 0, 0, 0), *self.behind_first)
        self.behind_first = ()

    def tensor(self, *shape: int) -> np.ndarray:
        """Return the weights of this shape, float32. dlib stores every shape with four dimensions."""
        self.expect(2, *(*shape, 1, 1, 1)[:4])
        found = np.frombuffer(self.take(4 * math.prod(shape)), "<f4").reshape(shape)
        if not abs(found).max() <= LARGEST:  # written so that NaN is refused, too
            raise ValueError(f"NaN, infinity or a number beyond {LARGEST:g} where weights were expected")
        return found

    def numbers(self, *expected: float) -> None:
        """Read floats that must equal these to float32 precision. Raises ValueError if they do not."""
        for number in expected:
            mantissa, exponent = self.integer(), self.integer()
            if not math.isclose(found := math.ldexp(mantissa, exponent), number, rel_tol=1e-6):
                raise ValueError(f"{found:g} where {number:g} was expected")

    def expect(self, *expected: int) -> None:
        for number in expected:
            if (found := self.integer()) != number:
                raise ValueError(f"{found} where {number} was expected")

    def integer(self) -> int:
        """Return an integer: a byte with sign and length, then the magnitude."""
        (head,) = self.take(1)
        if head & 0x70 or not 1 <= head & 0xF <= 8:
            raise ValueError("no integer where one was expected")
        magnitude = int.from_bytes(self.take(head & 0xF), "little")
        return -magnitude if head & 0x80 else magnitude

    def string(self, expected: str) -> None:
        self.expect(len(expected))
        if (found := self.take(len(expected))) != expected.encode():
            raise ValueError(f"{found!r} where {expected!r} was expected")

    def take(self, count: int) -> bytes:
        found = self.content[self.place : self.place + count]
        if len(found) != count:
            raise ValueError("the file ends early")
        self.place += count
        return found
