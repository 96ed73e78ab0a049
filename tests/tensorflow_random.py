"""TensorFlow's random numbers, from which the course's exercises and their expected values are made."""

import numpy as np


def philox(counters, key):
    """Philox4x32-10, the generator behind tf.random.normal. Source: Salmon et al. 2011."""
    mask = (1 << 32) - 1
    word = np.uint64
    c = [counters & word(mask), counters >> word(32), *key[1]]
    k0, k1 = key[0]
    for _ in range(10):
        a, b = word(0xD2511F53) * c[0], word(0xCD9E8D57) * c[2]
        c = [(b >> word(32)) ^ c[1] ^ word(k0), b & word(mask), (a >> word(32)) ^ c[3] ^ word(k1), a & word(mask)]
        k0, k1 = (k0 + 0x9E3779B9) & mask, (k1 + 0xBB67AE85) & mask
    return c


def tensorflow_normal(shape, seed, op_seed, skip=0):
    """The numbers of tf.random.normal on a CPU, in float32; skip: how far earlier calls have moved its counter."""
    count = int(np.prod(shape))
    counters = np.arange((count + 3) // 4, dtype=np.uint64) + np.uint64(skip)
    upper = [np.full_like(counters, op_seed & 0xFFFFFFFF), np.full_like(counters, op_seed >> 32)]
    bits = philox(counters, ((seed & 0xFFFFFFFF, seed >> 32), upper))
    uniform = [((b.astype(np.uint32) & 0x7FFFFF) | 0x3F800000).view(np.float32) - np.float32(1) for b in bits]
    normal = []
    for first, second in (uniform[:2], uniform[2:]):  # Box and Muller 1958
        radius = np.sqrt(-2 * np.log(np.maximum(first, np.float32(1e-7))))
        angle = np.float32(2 * np.pi) * second
        normal += [np.sin(angle) * radius, np.cos(angle) * radius]
    return np.stack(normal, 1).ravel()[:count].reshape(shape)
