"""Pictures come in upright, over white and in [0, 1]; they go out whole or not at all."""

import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from minicnn import images
from minicnn.errors import InputError, MissingFileError


def noise(height=24, width=36, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def stored(path, array, mode=None, **options):
    """Save 8-bit (or deeper) values as they are, with Pillow alone."""
    picture = Image.fromarray(array)
    (picture.convert(mode) if mode else picture).save(path, **options)
    return path


def png_chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def one_line(caught, *parts):
    message = str(caught.value)
    assert "\n" not in message and message
    for part in parts:
        assert part in message
    return message


# Reading: formats and modes


@pytest.mark.parametrize("suffix", [".png", ".webp", ".bmp", ".tiff", ".ppm"])
def test_lossless_formats_load_exactly(tmp_path, suffix):
    path = stored(tmp_path / f"picture{suffix}", noise(), lossless=True)
    loaded = images.load(path)
    assert loaded.dtype == np.float32 and loaded.flags.c_contiguous and loaded.flags.writeable
    assert_array_equal(loaded, noise().astype(np.float32) / 255)


def test_jpeg_loads_close_to_what_was_stored(tmp_path):
    smooth = np.zeros((16, 24, 3), np.uint8) + np.uint8([200, 100, 50])
    loaded = images.load(str(stored(tmp_path / "picture.jpg", smooth, quality=95)))
    assert_allclose(loaded, smooth / 255, atol=0.02)


def test_the_content_decides_not_the_suffix(tmp_path):
    stored(tmp_path / "picture.png", noise()).replace(tmp_path / "picture.jpg")
    assert_array_equal(images.load(tmp_path / "picture.jpg"), noise().astype(np.float32) / 255)


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    assert_array_equal(images.load(tmp_path / "film.gif"), np.broadcast_to([1, 0, 0], (3, 4, 3)))


UPRIGHT = [[1, 2, 3], [4, 5, 6]]
# How each orientation lays UPRIGHT out in the file, written from the EXIF table
# ("6: row 0 is the right side, column 0 the top").
AS_STORED = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[3, 6], [2, 5], [1, 4]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[4, 1], [5, 2], [6, 3]],
}


@pytest.mark.parametrize("orientation", AS_STORED)
@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg", ".tiff"])
def test_exif_orientation_is_applied_once(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    # Blocks of 16 pixels of one grey pass through JPEG unharmed.
    array = np.kron(np.uint8(AS_STORED[orientation]) * 40, np.ones((16, 16), np.uint8))
    path = stored(tmp_path / f"turned{suffix}", array, "RGB", exif=exif, lossless=True)
    expected = np.kron(np.float32(UPRIGHT) * 40 / 255, np.ones((16, 16)))
    assert_allclose(images.load(path), np.stack([expected] * 3, axis=2), atol=0.005)


@pytest.mark.parametrize("exif", [b"Exif\0\0rubbish that is no TIFF", b"Exif\0\0II*\0\xff\xff\xff\x7f"])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_damaged_exif_does_not_cost_the_picture(tmp_path, exif, suffix):
    path = stored(tmp_path / f"picture{suffix}", noise(), exif=exif)
    assert images.load(path).shape == (24, 36, 3)


def test_alpha_is_composited_over_white(tmp_path):
    array = np.uint8([[[200, 0, 100, 255], [200, 0, 100, 0], [200, 0, 100, 51]]])
    loaded = images.load(stored(tmp_path / "alpha.png", array))
    colour, white = np.array([200, 0, 100]) / 255, np.ones(3)
    assert_allclose(loaded[0], [colour, white, 0.2 * colour + 0.8 * white], atol=1e-6)


def test_grey_with_alpha_is_composited_over_white(tmp_path):
    Image.merge("LA", [Image.new("L", (2, 1), 0), Image.new("L", (2, 1), 51)]).save(tmp_path / "la.png")
    assert_allclose(images.load(tmp_path / "la.png"), np.full((1, 2, 3), 0.8), atol=1e-6)


@pytest.mark.parametrize(("suffix", "transparency"), [(".png", 1), (".png", bytes([255, 0])), (".gif", 1)])
def test_transparent_palette_entries_become_white(tmp_path, suffix, transparency):
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((1, 0), 1)
    picture.save(tmp_path / f"palette{suffix}", transparency=transparency)
    assert_array_equal(images.load(tmp_path / f"palette{suffix}"), [[[1, 0, 0], [1, 1, 1]]])


def test_opaque_palette(tmp_path):
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((1, 0), 1)
    picture.save(tmp_path / "palette.png")
    assert_array_equal(images.load(tmp_path / "palette.png"), [[[1, 0, 0], [0, 0, 1]]])


@pytest.mark.parametrize(("mode", "key"), [("RGB", (10, 20, 30)), ("L", 10)])
def test_a_transparent_key_colour_becomes_white(tmp_path, mode, key):
    Image.new(mode, (2, 1), key).save(tmp_path / "key.png", transparency=key)
    assert_array_equal(images.load(tmp_path / "key.png"), np.ones((1, 2, 3)))


def test_grey_and_one_bit(tmp_path):
    grey = np.uint8([[0, 51, 255]])
    assert_allclose(images.load(stored(tmp_path / "l.png", grey))[0, :, 1], [0, 0.2, 1], atol=1e-7)
    assert_array_equal(images.load(stored(tmp_path / "1.png", grey > 60))[0, :, 2], [0, 0, 1])


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".pgm"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path, suffix):
    grey = np.uint16([[0, 300, 6554, 65535]])
    path = tmp_path / f"deep{suffix}"
    if suffix == ".pgm":  # by hand: older Pillow reads it but cannot write it
        path.write_bytes(b"P5 4 1 65535\n" + grey.astype(">u2").tobytes())
    else:
        stored(path, grey)
    loaded = images.load(path)
    assert loaded.shape == (1, 4, 3)
    assert_allclose(loaded[0, :, 0], grey[0] / 65535, rtol=1e-6)


def test_sixteen_bit_grey_with_a_transparent_value(tmp_path):
    header = struct.pack(">IIBBBBB", 3, 1, 16, 0, 0, 0, 0)
    chunks = [
        (b"IHDR", header),
        (b"tRNS", struct.pack(">H", 300)),
        (b"IDAT", zlib.compress(b"\0" + struct.pack(">HHH", 0, 300, 13107))),
        (b"IEND", b""),
    ]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)
    (tmp_path / "deep.png").write_bytes(content)
    assert_allclose(images.load(tmp_path / "deep.png")[0, :, 0], [0, 1, 0.2], atol=1e-6)


def test_sixteen_bit_rgb(tmp_path):
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" + struct.pack(">HHH", 0, 32896, 65535))
    chunks = [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)
    (tmp_path / "deep.png").write_bytes(content)
    assert_allclose(images.load(tmp_path / "deep.png")[0, 0], [0, 128 / 255, 1], atol=1 / 255)


def test_whole_numbers_of_32_bits(tmp_path):
    fits = stored(tmp_path / "fits.tiff", np.int32([[0, 13107, 65535]]))
    assert_allclose(images.load(fits)[0, :, 0], [0, 0.2, 1], atol=1e-6)
    beyond = stored(tmp_path / "beyond.tiff", np.int32([[0, 70000]]))
    with pytest.raises(InputError) as caught:
        images.load(beyond)
    one_line(caught, "beyond.tiff", "70000", "65535")


def test_floating_point_tiff(tmp_path):
    loaded = images.load(stored(tmp_path / "float.tiff", np.float32([[0, 0.001, 1]])))
    assert_allclose(loaded[0, :, 0], [0, 0.001, 1], rtol=1e-6)


@pytest.mark.parametrize("value", [2.0, -0.5, np.nan, np.inf])
def test_floating_point_tiff_outside_the_unit_range_is_refused(tmp_path, value):
    path = stored(tmp_path / "float.tiff", np.float32([[0, value]]))
    with pytest.raises(InputError) as caught:
        images.load(path)
    one_line(caught, "float.tiff", "expected grey from 0 to 1")


@pytest.mark.parametrize("suffix", [".jpg", ".tiff"])
def test_cmyk(tmp_path, suffix):  # JPEG stores the inks inverted, as Adobe does; TIFF does not
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / f"ink{suffix}")
    loaded = images.load(tmp_path / f"ink{suffix}")
    assert_allclose(loaded, np.broadcast_to([1, 0, 0], (16, 16, 3)), atol=0.02)


# Reading: size


def test_load_with_an_exact_size(tmp_path):
    path = stored(tmp_path / "picture.png", noise(24, 36))
    assert images.load(path, size=(5, 50)).shape == (5, 50, 3)


@pytest.mark.parametrize(("size", "shape"), [(12, (8, 12, 3)), (72, (48, 72, 3)), (36, (24, 36, 3))])
def test_load_with_a_long_side(tmp_path, size, shape):
    path = stored(tmp_path / "picture.png", noise(24, 36))
    loaded = images.load(path, size=np.int64(size))
    assert loaded.shape == shape
    if size == 36:
        assert_array_equal(loaded, images.load(path))


def test_the_long_side_is_that_of_the_upright_picture(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = stored(tmp_path / "turned.jpg", noise(24, 36), exif=exif)
    assert images.load(path, size=18).shape == (18, 12, 3)


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 90))
def test_a_long_side_keeps_the_aspect(height, width, size):
    image = np.full((height, width, 3), 0.25)
    new_height, new_width, channels = images.as_image(image, name="image", size=size).shape
    assert channels == 3 and max(new_height, new_width) == size
    long, short = max(height, width), min(height, width)
    if height != width:
        assert (new_height > new_width) == (height > width) or new_height == new_width
    new_short = min(new_height, new_width)
    assert new_short == 1 or abs(new_short - short * size / long) <= 0.5 + 1e-9


BAD_SIZES = [
    0,
    -1,
    1.5,
    256.0,
    True,
    "256",
    (0, 4),
    (4, -4),
    (4, True),
    (4,),
    (4, 4, 3),
    (4.0, 4),
    [4, 4],
    10**9,
]


@pytest.mark.parametrize("size", BAD_SIZES)
def test_bad_sizes_are_refused(tmp_path, size):
    path = stored(tmp_path / "picture.png", noise())
    with pytest.raises(InputError) as caught:
        images.load(path, size=size)
    one_line(caught, "load: size", repr(size), "expected")
    with pytest.raises(InputError) as caught:
        images.as_image(np.zeros((4, 4, 3)), name="style", size=size)
    one_line(caught, "style size", repr(size), "expected")


# Reading: what is refused


def refused(path, *parts, error=InputError, size=None):
    with pytest.raises(error) as caught:
        images.load(path, size=size)
    return one_line(caught, "load: path", repr(str(path))[1:-1], *parts)


def test_a_missing_file(tmp_path):
    refused(tmp_path / "absent.png", "does not exist", error=MissingFileError)
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file" / "below.png", "does not exist", error=MissingFileError)


def test_things_that_are_no_files(tmp_path):
    refused(tmp_path, "is a directory")
    if hasattr(os, "mkfifo"):  # not on Windows
        os.mkfifo(tmp_path / "pipe.png")
        refused(tmp_path / "pipe.png", "not a regular file")
    refused("\0.png", "cannot be opened")
    refused("long" * 1000, "cannot be opened")
    with pytest.raises(InputError) as caught:
        images.load(7)
    one_line(caught, "load: path", "int")


def test_an_empty_file_and_a_text_file(tmp_path):
    (tmp_path / "empty.png").touch()
    refused(tmp_path / "empty.png", "is empty")
    (tmp_path / "notes.png").write_text("Dear reader,\nthis is no picture.\n")
    refused(tmp_path / "notes.png", "not recognised", "JPEG")
    (tmp_path / "line\nbreak.png").write_text("A name may hold a line break.")
    refused(tmp_path / "line\nbreak.png", "not recognised")


def test_formats_that_would_start_other_programs_are_refused(tmp_path):
    stored(tmp_path / "page.eps", noise())
    refused(tmp_path / "page.eps", "not recognised")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".gif", ".bmp", ".tiff"])
@pytest.mark.parametrize("kept", [0.01, 0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused(tmp_path, suffix, kept):
    path = stored(tmp_path / f"cut{suffix}", noise(64, 64))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    refused(path, "expected a whole")


def test_a_corrupt_file_is_refused(tmp_path):
    path = stored(tmp_path / "corrupt.png", noise(64, 64))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    refused(path, "cannot be decoded", "expected a whole")


def test_any_failure_of_a_decoder_is_one_line(tmp_path, monkeypatch):
    path = stored(tmp_path / "picture.png", noise())

    def fail(*_):
        raise struct.error("unpack requires\na buffer")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    refused(path, "cannot be decoded (unpack requires a buffer)")


def claiming(path, width, height):
    """A small file, the head of which says how large its picture is."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = png_chunk(b"IHDR", head) + png_chunk(b"IDAT", zlib.compress(bytes(100))) + png_chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    return path


@pytest.mark.parametrize("size", [None, 64])
@pytest.mark.parametrize(
    ("width", "height", "parts"),
    [
        (20_000, 15_001, ["20000 × 15001 pixels", "at most 300,000,000"]),
        (2**31 - 1, 2**31 - 1, ["at most 300,000,000"]),
        (4_000, 4_000, ["unpack to 48.0 MB", "at most 1,000 times its size"]),
    ],
)
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch, width, height, parts, size):
    def decode(*_):
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", decode)
    refused(claiming(tmp_path / "bomb.png", width, height), "too large", *parts, size=size)


def test_the_limit_of_pillow_is_not_ours(tmp_path, monkeypatch):
    path = stored(tmp_path / "large.png", noise(24, 36))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert images.load(path).shape == (24, 36, 3)
    assert Image.MAX_IMAGE_PIXELS == 100


@pytest.fixture(scope="module")
def photograph(tmp_path_factory):
    """108 megapixels, as a telephone takes them: a JPEG file, held on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    darker_below = np.linspace(255, 0, 9000, dtype=np.uint8)[:, None]
    path = tmp_path_factory.mktemp("telephone") / "photograph.jpg"
    return stored(path, np.ascontiguousarray(np.broadcast_to(darker_below, (9000, 12000))), quality=30, exif=exif)


def test_a_photograph_of_108_megapixels_is_reduced_while_it_is_decoded(photograph, fresh_python, tmp_path):
    """In grey, all of it would take 108 MB, and as much thrice as floats."""
    said = fresh_python(
        """
import sys
from minicnn import images

def peak():
    if sys.platform != "linux":
        return 0
    lines = open("/proc/self/status", encoding="ascii").read().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))

images.load(sys.argv[1])  # a small one
before = peak()
picture = images.load(sys.argv[0], size=400)
assert peak() - before < 60_000, peak() - before
print(picture.shape, *(round(float(x), 1) for x in picture[100, [30, 150, 270], 0]))
""",
        photograph,
        stored(tmp_path / "small.jpg", noise()),
    )
    assert said == "(400, 300, 3) 0.1 0.5 0.9\n"  # turned: what was above lies on the right


def test_any_large_picture_is_as_if_it_had_been_read_whole(tmp_path, monkeypatch):
    smooth = np.kron(noise(6, 9), np.ones((40, 40, 1), np.uint8))
    for suffix in (".jpg", ".png", ".webp"):
        path = stored(tmp_path / f"picture{suffix}", smooth, quality=95)
        whole = images.load(path, size=36), images.load(path, size=(20, 40))
        with monkeypatch.context() as inside:
            inside.setattr(images, "LARGE", 1000)
            reduced = images.load(path, size=36), images.load(path, size=(20, 40))
        for one, other in zip(whole, reduced, strict=True):
            assert one.shape == other.shape and np.abs(one - other).mean() < 0.02


def test_a_picture_for_which_memory_does_not_suffice(tmp_path, monkeypatch):
    path = stored(tmp_path / "picture.png", noise(240, 360))
    monkeypatch.setattr(images, "LARGE", 1000)
    monkeypatch.setattr(images, "available_memory", lambda: 10**6)
    refused(path, "it needs 1.9 MB of memory", "1.0 MB are free")
    monkeypatch.setattr(images, "available_memory", lambda: None)
    assert images.load(path).shape == (240, 360, 3)


# Writing


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_png_round_trip(tmp_path, dtype):
    image = np.random.default_rng(1).random((9, 7, 3)).astype(dtype)
    images.save(tmp_path / "picture.png", image)
    assert np.abs(images.load(tmp_path / "picture.png") - image).max() <= 1 / 510 + 1e-7
    eight_bit = images.load(tmp_path / "picture.png")
    images.save(tmp_path / "again.png", eight_bit)
    assert_array_equal(images.load(tmp_path / "again.png"), eight_bit)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp", ".PNG", ".JPG"])
def test_the_suffix_chooses_the_format(tmp_path, suffix):
    across = np.linspace(0.1, 0.9, 48)
    image = np.stack([np.broadcast_to(across, (32, 48))] * 3, axis=2)
    path = tmp_path / f"picture{suffix}"
    images.save(str(path), image)
    expected = {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".png": "PNG"}[suffix.lower()]
    with Image.open(path) as picture:
        assert picture.format == expected
    assert_allclose(images.load(path), image, atol=0.03)


def test_jpeg_keeps_the_resolution_of_colour(tmp_path):
    columns = np.zeros((16, 16, 3))
    columns[:, ::2] = [1, 0, 0]
    columns[:, 1::2] = [0, 0, 1]
    images.save(tmp_path / "stripes.jpg", columns)
    assert_allclose(images.load(tmp_path / "stripes.jpg"), columns, atol=0.15)


@pytest.mark.parametrize("shape", [(1, 4, 5, 3), (4, 5, 3), (4, 5), (4, 5, 1), (1, 4, 5, 1)])
def test_save_takes_colour_and_grey(tmp_path, shape):
    image = np.random.default_rng(2).random(shape)
    images.save(tmp_path / "picture.png", image)
    channels = 3 if shape[-1] == 3 else 1
    expected = np.broadcast_to(image.reshape(4, 5, channels), (4, 5, 3))
    assert_allclose(images.load(tmp_path / "picture.png"), expected, atol=1 / 510 + 1e-7)


def test_save_clips_an_overshoot_and_rounds_to_the_nearest(tmp_path):
    image = np.array([[-0.2, 0.0, 1.0, 1.2, 0.6 / 255, 0.4 / 255]])
    images.save(tmp_path / "picture.png", image)
    assert_allclose(images.load(tmp_path / "picture.png")[0, :, 0] * 255, [0, 0, 255, 255, 1, 0], atol=1e-4)


REFUSED_IMAGES = [
    (np.zeros((4, 4, 3), int), "divide by 255"),
    (np.zeros((4, 4, 3), bool), "bool"),
    (np.zeros((4, 4, 3), complex), "complex"),
    (np.full((4, 4, 3), np.nan), "NaN"),
    (np.full((4, 4, 3), -np.inf), "infinity"),
    (np.full((4, 4, 3), 128.0), "0..255"),
    (np.full((4, 4, 3), -1.0), "-1"),
    (np.zeros((4, 4, 4)), "(4, 4, 4)"),
    (np.zeros((2, 4, 4, 3)), "(2, 4, 4, 3)"),
    (np.zeros(4), "(4,)"),
    (np.float64(0.5), "float64"),
    (np.zeros((0, 4, 3)), "(0, 4, 3)"),
    ([[0.0]], "list"),
]


@pytest.mark.parametrize(("image", "part"), REFUSED_IMAGES)
def test_save_refuses_what_is_no_image(tmp_path, image, part):
    with pytest.raises(InputError) as caught:
        images.save(tmp_path / "picture.png", image)
    one_line(caught, "save: image", part, "expected")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["picture.xyz", "picture", ".png", "picture.gif"])
def test_save_refuses_an_unknown_suffix(tmp_path, name):
    with pytest.raises(InputError) as caught:
        images.save(tmp_path / name, np.zeros((4, 4, 3)))
    one_line(caught, "save: path", name, ".png, .jpg, .jpeg, .webp")


def test_save_refuses_a_missing_folder(tmp_path):
    with pytest.raises(MissingFileError) as caught:
        images.save(tmp_path / "absent" / "picture.png", np.zeros((4, 4, 3)))
    one_line(caught, "save: path", "absent", "folder")


@pytest.mark.parametrize("name", ["taken.png", "\0.png", "n" * 300 + ".png"])
def test_save_to_an_impossible_name_is_one_line_and_leaves_nothing(tmp_path, name):
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(InputError) as caught:
        images.save(tmp_path / name, np.zeros((4, 4, 3)))
    one_line(caught, "save: path", "cannot be written")
    assert [path.name for path in tmp_path.iterdir()] == ["taken.png"]


def test_a_picture_too_long_for_its_format_is_one_line(tmp_path):
    with pytest.raises(InputError) as caught:
        images.save(tmp_path / "long.webp", np.zeros((1, 17_000)))
    one_line(caught, "long.webp", "cannot be written")
    assert not list(tmp_path.iterdir())


def fail_to_replace(*_):
    raise PermissionError(13, "Permission denied")


def interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize(("failure", "error"), [(fail_to_replace, InputError), (interrupt, KeyboardInterrupt)])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, failure, error):
    path = tmp_path / "picture.png"
    images.save(path, np.zeros((4, 4, 3)))
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", failure)
        with pytest.raises(error) as caught:
            images.save(path, np.ones((4, 4, 3)))
    if error is InputError:
        one_line(caught, "picture.png", "cannot be written")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_saved_file_has_ordinary_permissions(tmp_path):
    (tmp_path / "ordinary").touch()
    images.save(tmp_path / "picture.png", np.zeros((4, 4, 3)))
    assert (tmp_path / "picture.png").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


# Arrays


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_as_image_copies_a_good_array(dtype):
    image = np.random.default_rng(3).random((4, 5, 3)).astype(dtype)
    result = images.as_image(image, name="content")
    assert result.dtype == np.float32 and not np.shares_memory(result, image)
    assert_array_equal(result, image.astype(np.float32))


def test_as_image_clips_rounding_errors_only():
    image = np.full((2, 2, 3), 1.0009)
    assert images.as_image(image, name="content").max() == 1
    with pytest.raises(InputError) as caught:
        images.as_image(image + 0.001, name="content")
    assert "0..255" not in one_line(caught, "content ranges", "[0, 1]")
    with pytest.raises(InputError) as caught:
        images.as_image(-image, name="content")
    one_line(caught, "content ranges", "-1.001")
    with pytest.raises(InputError) as caught:
        images.as_image(np.full((2, 2, 3), 1.5), name="content")
    assert "0..255" not in one_line(caught, "content ranges", "1.5")


def test_as_image_reads_paths_and_names_the_argument(tmp_path):
    path = stored(tmp_path / "picture.png", noise())
    assert_array_equal(images.as_image(path, name="content"), images.load(path))
    assert images.as_image(str(path), name="content", size=18).shape == (12, 18, 3)
    with pytest.raises(MissingFileError) as caught:
        images.as_image(tmp_path / "absent.png", name="transfer: content")
    assert one_line(caught, "absent.png").startswith("transfer: content ")


def test_as_image_says_what_to_do_about_integers():
    with pytest.raises(InputError) as caught:
        images.as_image(np.zeros((4, 4, 3), int), name="transfer: content")
    said = "transfer: content has dtype int64; expected floats in [0, 1], or uint8 (divide by 255)"
    assert str(caught.value) == said


AS_IMAGE_REFUSED = [
    *(case for case in REFUSED_IMAGES if case[1] != "(2, 4, 4, 3)"),
    (np.zeros((4, 4)), "(4, 4)"),
    (np.zeros((4, 4, 1)), "(4, 4, 1)"),
    (np.zeros((1, 4, 4, 3)), "(1, 4, 4, 3)"),
    (None, "NoneType"),
]


@pytest.mark.parametrize(("image", "part"), AS_IMAGE_REFUSED)
def test_as_image_refuses_what_is_no_image(image, part):
    with pytest.raises(InputError) as caught:
        images.as_image(image, name="style")
    assert one_line(caught, part, "expected").startswith("style ")


def test_resize_does_not_round_to_eight_bits():
    image = np.full((6, 8, 3), 0.1234567)
    assert_allclose(images.resize(image, 3, 5), np.full((3, 5, 3), 0.1234567), atol=1e-6)


def test_resize_treats_channels_alone_and_stays_in_range():
    image = np.zeros((8, 8, 2))
    image[:, 4:, 0] = 1
    result = images.resize(image, 16, 24)
    assert result.shape == (16, 24, 2) and result.dtype == np.float32
    assert result.min() == 0 and result.max() == 1
    assert not result[:, :, 1].any()
    assert (np.diff(result[0, 8:16, 0]) >= 0).all()


def test_shrinking_averages_instead_of_skipping_pixels():
    stripes = np.zeros((64, 64, 3))
    stripes[:, ::2] = 1
    assert_allclose(images.resize(stripes, 8, 8), np.full((8, 8, 3), 0.5), atol=0.05)


def test_resize_refuses_bad_arguments():
    good = np.zeros((4, 4, 3))
    for image, height, width, part in [
        (good, 0, 4, "(0, 4)"),
        (good, 4, 2.0, "(4, 2.0)"),
        (good[0], 4, 4, "(4, 3)"),
        (good.astype(int), 4, 4, "divide by 255"),
        (good + np.nan, 4, 4, "NaN"),
    ]:
        with pytest.raises(InputError) as caught:
            images.resize(image, height, width)
        one_line(caught, "resize: ", part)


def test_importing_does_not_load_pillow():
    command = "import sys, minicnn.images; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command]).returncode == 0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (200.0, "goes from 0.5 to 200; expected floats in [0, 1], or uint8 (it looks like 0..255: divide by 255)"),
        (1.501, "goes from 0.5 to 1.501; expected floats in [0, 1], or uint8 (it looks like"),
        (-0.51, "goes from -0.51 to 0.5; expected floats in [0, 1], or uint8"),
        (np.inf, "holds NaN or infinity (it goes from 0.5 to inf); expected floats in [0, 1]"),
        (-np.inf, "holds NaN or infinity"),
        (np.nan, "holds NaN or infinity"),
    ],
)
def test_one_pixel_far_outside_is_refused(tmp_path, value, message):
    image = np.full((3, 4, 3), 0.5)
    image[1, 2, 0] = value
    with pytest.raises(InputError) as caught:
        images.save(tmp_path / "picture.png", image)
    assert message in str(caught.value)
    image[1, 2, 0] = np.clip(value, -0.5, 1.5) if np.isfinite(value) else 1
    images.save(tmp_path / "picture.png", image)  # so much is overshoot, and clipped
