"""TensorFlow's random numbers, which the course's exercises and their expected values are based on.

They depend on a counter and a key, not on a stream, so that they can be reproduced. Lesson 3 derives them.
"""

from __future__ import annotations

import random

import numpy as np


def course_draws(shape: tuple[int, ...], count: int) -> list[np.ndarray]:
    """Return the results of tf.random.set_seed(1) and `count` calls of tf.random.normal(shape, mean=1, stddev=4)."""
    seeds = random.Random(1)  # each operation takes its seed from Python's generator
    return [tensorflow_normal(shape, 1, seeds.randint(0, 2**31 - 1)) * 4 + 1 for _ in range(count)]


def tensorflow_normal(shape: tuple[int, ...], seed: int, op_seed: int, skip: int = 0) -> np.ndarray:
    """Return the numbers of tf.random.normal on a CPU, in float32. skip: offset of its counter after earlier calls."""
    count = int(np.prod(shape))
    counters = np.arange((count + 3) // 4, dtype=np.uint64) + np.uint64(skip)
    bits = _philox(counters, seed, op_seed)
    uniform = [((b.astype(np.uint32) & 0x7FFFFF) | 0x3F800000).view(np.float32) - np.float32(1) for b in bits]
    normal = []
    for first, second in (uniform[:2], uniform[2:]):  # Box & Muller 1958
        radius = np.sqrt(-2 * np.log(np.maximum(first, np.float32(1e-7))))
        angle = np.float32(2 * np.pi) * second
        normal += [np.sin(angle) * radius, np.cos(angle) * radius]
    return np.stack(normal, 1).ravel()[:count].reshape(shape)


def _philox(counters: np.ndarray, seed: int, op_seed: int) -> list[np.ndarray]:
    """Return four words of 32 random bits per counter, by Philox4x32-10. Source: Salmon et al. 2011."""
    mask, word = (1 << 32) - 1, np.uint64
    k0, k1 = seed & mask, seed >> 32
    c = [counters & word(mask), counters >> word(32)]
    c += [np.full_like(counters, op_seed & mask), np.full_like(counters, op_seed >> 32)]
    for _ in range(10):
        a, b = word(0xD2511F53) * c[0], word(0xCD9E8D57) * c[2]
        c = [(b >> word(32)) ^ c[1] ^ word(k0), b & word(mask), (a >> word(32)) ^ c[3] ^ word(k1), a & word(mask)]
        k0, k1 = (k0 + 0x9E3779B9) & mask, (k1 + 0xBB67AE85) & mask
    return c
