"""Picture files and colour profiles, written by the standards with nothing of minicnn."""

import struct
import zlib

import numpy as np

WHITE = 65535


def profile(*, red=(0.64, 0.33), green=(0.21, 0.71), blue=(0.15, 0.06), curve=2.2, space=b"RGB ", without=()):
    """An ICC profile of curves and a matrix, by default that of Adobe RGB (1998): its primaries and its gamma."""
    # Relative to D50: the primaries' light adds up to white, which is then adapted from D65 after Bradford.
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in (red, green, blue)]).T
    d65, d50 = np.array([0.95047, 1, 1.08883]), np.array([0.9642, 1, 0.8249])
    columns = columns * np.linalg.solve(columns, d65)
    columns = np.linalg.solve(bradford, np.diag((bradford @ d50) / (bradford @ d65)) @ bradford @ columns)
    fixed = lambda *numbers: struct.pack(f">{len(numbers)}i", *(round(n * 65536) for n in numbers))  # noqa: E731
    if isinstance(curve, tuple):
        shape = b"para" + struct.pack(">IHH", 0, {1: 0, 3: 1, 4: 2, 5: 3, 7: 4}[len(curve)], 0) + fixed(*curve)
    elif isinstance(curve, np.ndarray):
        shape = b"curv" + struct.pack(">II", 0, len(curve)) + np.rint(curve * WHITE).astype(">u2").tobytes()
    else:
        shape = b"curv" + struct.pack(">IIH", 0, 1, round(curve * 256))
    tags = {b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78), b"wtpt": b"XYZ " + bytes(4)}
    tags[b"wtpt"] += fixed(*d50)
    if space == b"RGB ":
        for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns.T, strict=True):
            tags[name] = b"XYZ " + bytes(4) + fixed(*column)
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), shape)
    else:
        tags[b"kTRC"] = shape
    tags = {name: content + bytes(-len(content) % 4) for name, content in tags.items() if name not in without}
    table, data, start = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(data), len(content))
        data += content
    body = struct.pack(">I", len(tags)) + table + data
    header = struct.pack(">I4sI4s4s4s12x4s28x", 128 + len(body), b"", 0x04300000, b"mntr", space, b"XYZ ", b"acsp")
    return header + fixed(*d50) + bytes(128 - len(header) - 12) + body


ADOBE = profile()
P3 = profile(
    red=(0.68, 0.32), green=(0.265, 0.69), blue=(0.15, 0.06), curve=(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
)
GREY = profile(space=b"GRAY", curve=1.8)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def filtered(rows, step):
    """Rows of bytes after filters 0 to 4 of PNG in turn. step: bytes of a pixel."""
    rows = rows.astype(int)
    left, above = (np.zeros_like(rows) for _ in range(2))
    left[:, step:], above[1:] = rows[:, :-step], rows[:-1]
    corner = np.zeros_like(rows)
    corner[1:, step:] = rows[:-1, :-step]
    guess = left + above - corner
    away = np.abs(np.stack([guess - left, guess - above, guess - corner]))
    paeth = np.choose(away.argmin(axis=0), [left, above, corner])
    kinds = [np.zeros_like(rows), left, above, (left + above) // 2, paeth]
    return b"".join(bytes([y % 5]) + bytes(((rows[y] - kinds[y % 5][y]) % 256).tolist()) for y in range(len(rows)))


def png(values, *, interlaced=False, chunks=()):
    """The PNG file of uint16 values (H, W, 1 to 4)."""
    height, width, channels = values.shape
    adam7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    passes = [values[y::down, x::right] for y, x, down, right in (adam7 if interlaced else ((0, 0, 1, 1),))]
    rows = (np.ascontiguousarray(each, ">u2").reshape(len(each), -1).view(np.uint8) for each in passes if each.size)
    packed = zlib.compress(b"".join(filtered(each, 2 * channels) for each in rows))
    header = struct.pack(">IIBBBBB", width, height, 16, (0, 4, 2, 6)[channels - 1], 0, 0, interlaced)
    parts = ((b"IHDR", header), *chunks, (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def tiff(values, order, *, packed):
    """The TIFF file of uint16 values (H, W, 3 or 4), in two strips, which may be packed. order: "<" or ">"."""
    height, width, channels = values.shape
    half = -(-height // 2)
    strips = [part.astype(f"{order}u2").tobytes() for part in (values[:half], values[half:])]
    strips = [zlib.compress(strip) if packed else strip for strip in strips]
    numbers = [16] * channels
    starts = [8, 8 + len(strips[0])]
    more = starts[1] + len(strips[1])
    data = b"".join(strips) + struct.pack(f"{order}{channels}H", *numbers)
    places = more + 2 * channels
    data += struct.pack(f"{order}4I", *starts, *map(len, strips))
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, channels, more), (259, 3, 1, 8 if packed else 1)]
    tags += [(262, 3, 1, 2), (273, 4, 2, places), (277, 3, 1, channels), (278, 3, 1, half), (279, 4, 2, places + 8)]
    tags += [(338, 3, 1, 2)] * (channels == 4)
    table = struct.pack(f"{order}H", len(tags))
    for tag, kind, count, value in tags:
        table += struct.pack(f"{order}HHI", tag, kind, count)
        table += struct.pack(f"{order}HH", value, 0) if (kind, count) == (3, 1) else struct.pack(f"{order}I", value)
    return {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8 + len(data)) + data + table + bytes(4)
