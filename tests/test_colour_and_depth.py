"""Pictures mean by their numbers what their colour profile says, have 16 bits where they have, and tell no place."""

import io
import re
import struct
import zlib

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from picture_files import ADOBE, GREY, P3, png, profile, tiff
from PIL import Image, ImageCms

from minicnn import colour_profiles, images
from minicnn.errors import InputError

RANDOM = np.random.default_rng(0)
WHITE = 65535


def meant(values):
    """What uint16 values of 1 to 4 channels look like: floats (H, W, 3)."""
    floats = values / WHITE
    if values.shape[2] in (2, 4):
        floats = floats[..., :-1] * floats[..., -1:] + 1 - floats[..., -1:]
    return np.broadcast_to(floats, (*values.shape[:2], 3))


def some(channels=3, height=12, width=11):
    return RANDOM.integers(0, 1 << 16, (height, width, channels), dtype=np.uint16)


# Depth


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_of_16_bits_is_read_to_the_last_bit(tmp_path, channels, interlaced):
    values = some(channels)
    (tmp_path / "a.png").write_bytes(png(values, interlaced=interlaced))
    found = images.load(tmp_path / "a.png")
    assert found.dtype == np.float32 and found.flags.c_contiguous
    assert_allclose(found, meant(values), rtol=0, atol=0.02 / WHITE)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("order", "channels"), [("<", 3), (">", 3), ("<", 4)])
def test_tiff_of_16_bits_is_read_to_the_last_bit(tmp_path, order, channels, packed):
    values = some(channels)
    (tmp_path / "a.tif").write_bytes(tiff(values, order, packed=packed))
    assert_allclose(images.load(tmp_path / "a.tif"), meant(values), rtol=0, atol=0.02 / WHITE)


def test_16_bits_of_ink_are_refused(tmp_path):
    rgba = tiff(some(4), "<", packed=False)
    for old, new in (((262, 2), (262, 5)), ((338, 2), (339, 1))):  # RGB is CMYK, and the fourth is no opacity
        before, after = (struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in (old, new))
        assert before in rgba
        rgba = rgba.replace(before, after)
    (tmp_path / "a.tif").write_bytes(rgba)
    with pytest.raises(InputError, match=r"a\.tif' has 16 bits per channel in CMYK; expected RGB or grey, or 8 bits$"):
        images.load(tmp_path / "a.tif")


@pytest.mark.parametrize("most", [65535, 1023])
def test_ppm_of_more_than_8_bits_is_read_to_the_last_bit(tmp_path, most):
    values = np.minimum(some(), most)
    (tmp_path / "a.ppm").write_bytes(b"P6\n# of a camera\n11 12\n%d\n" % most + values.astype(">u2").tobytes())
    assert_allclose(images.load(tmp_path / "a.ppm"), values / most, rtol=0, atol=0.51 / WHITE)


def test_of_16_bits_the_key_colour_is_white_and_the_picture_upright(tmp_path):
    values = some(3, 2, 3)
    values[0, 0, :2] = values[1, 2, :2]  # two of three channels alike are no key
    exif = Image.Exif()
    exif[0x0112] = 6  # the right side is up
    chunks = [(b"tRNS", values[1, 2].astype(">u2").tobytes()), (b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))]
    (tmp_path / "a.png").write_bytes(png(values, chunks=chunks))
    expected = meant(values).copy()
    expected[1, 2] = 1
    assert_allclose(images.load(tmp_path / "a.png"), np.rot90(expected, -1), rtol=0, atol=0.02 / WHITE)
    assert images.load(tmp_path / "a.png", size=6).shape == (6, 4, 3)


def test_a_cut_png_of_16_bits_is_one_line(tmp_path):
    whole = png(some(3, 40, 40))
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"^load: path '.*a\.png' cannot be decoded \(.*\); expected a whole"):
        images.load(tmp_path / "a.png")


@pytest.mark.parametrize("shape", [(7, 5, 3), (7, 5), (1, 7, 5, 1)])
def test_16_bits_are_written_and_read_back(tmp_path, shape):
    values = RANDOM.integers(0, 1 << 16, shape).astype(np.uint16)
    images.save(tmp_path / "a.png", (values / WHITE).astype(np.float32), depth=16)
    content = (tmp_path / "a.png").read_bytes()
    assert content[24] == 16 and b"made by minicnn" in content
    with Image.open(tmp_path / "a.png") as opened:
        opened.verify()
    found = np.rint(images.load(tmp_path / "a.png") * WHITE)
    assert_array_equal(found, np.broadcast_to(values.reshape(7, 5, -1), (7, 5, 3)))
    images.save(tmp_path / "b.png", np.uint8([[[0, 128, 255]]]), depth=16)
    assert_array_equal(images.load(tmp_path / "b.png"), np.float32([[[0, 128 / 255, 1]]]))


@pytest.mark.parametrize(("name", "depth"), [("a.jpg", 16), ("a.webp", 16), ("a.png", 12), ("a.png", "8")])
def test_a_depth_that_a_file_cannot_have_is_refused_before_the_work(tmp_path, name, depth):
    with pytest.raises(InputError, match=rf"cannot have a depth of {depth!r} bits; expected 8, or 16 for a \.png"):
        images.check_target(tmp_path / name, depth)


# Colour


def linear(values):
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def encoded(light):
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


# Linear light of each profile to that of sRGB, as published for the two: Adobe RGB (1998), Display P3.
TO_SRGB = {
    ADOBE: (lambda v: v**2.19921875, [[1.39836, -0.39836, 0], [0, 1, 0], [0, -0.04293, 1.04293]]),
    P3: (linear, [[1.22494, -0.22494, 0], [-0.04206, 1.04206, 0], [-0.01964, -0.07864, 1.09827]]),
}


@pytest.mark.parametrize("icc", [ADOBE, P3], ids=["Adobe RGB", "Display P3"])
def test_a_profile_says_what_colours_mean_at_either_depth(tmp_path, icc):
    values = some(3, 24, 24)
    curve, matrix = TO_SRGB[icc]
    expected = encoded(curve(values / WHITE) @ np.transpose(matrix))
    assert np.abs(expected - values / WHITE).max() > 0.05  # it matters
    (tmp_path / "a.png").write_bytes(png(values, chunks=[(b"iCCP", b"x\0\0" + zlib.compress(icc))]))
    assert_allclose(images.load(tmp_path / "a.png"), expected, rtol=0, atol=2e-3)
    eight = np.rint(values / 257).astype(np.uint8)
    expected = encoded(curve(eight / 255) @ np.transpose(matrix))
    Image.fromarray(eight).save(tmp_path / "b.png", icc_profile=icc)
    Image.fromarray(eight).save(tmp_path / "b.tif", icc_profile=icc)
    for name in ("b.png", "b.tif"):
        assert_allclose(images.load(tmp_path / name), expected, rtol=0, atol=1.5 / 255)


def test_colours_of_srgb_stay_as_they_are_bit_for_bit(tmp_path):
    eight = RANDOM.integers(0, 256, (30, 30, 3), dtype=np.uint8)
    ours = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for icc in (ours, profile(green=(0.3, 0.6), curve=(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))):
        Image.fromarray(eight).save(tmp_path / "a.png", icc_profile=icc)
        assert_array_equal(images.load(tmp_path / "a.png"), eight.astype(np.float32) / np.float32(255))


def test_a_profile_that_changes_only_strong_colours_is_heeded(tmp_path):
    """Grey and dull colours stay, to 1 of 255."""
    icc = profile(green=(0.3, 0.593), curve=(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
    dull, strong = np.uint8([[[90, 90, 90], [0, 32, 64], [192, 224, 255]]]), np.uint8([[[255, 0, 0], [0, 255, 0]]])
    for name, colours in (("dull", dull), ("strong", strong)):
        Image.fromarray(colours).save(tmp_path / f"{name}.png", icc_profile=icc)
    change = [
        np.abs(images.load(tmp_path / f"{name}.png") * 255 - colours).max()
        for name, colours in (("dull", dull), ("strong", strong))
    ]
    assert change[0] < 1.5 and change[1] > 1.5


@pytest.mark.parametrize(("change", "heeded"), [(1, False), (2, True), (-1, False), (-2, True)])
def test_a_profile_is_heeded_where_it_changes_a_colour_by_more_than_one(tmp_path, monkeypatch, change, heeded):
    def transform(picture, _):
        return Image.fromarray(np.clip(np.asarray(picture).astype(int) + change, 0, 255).astype(np.uint8))

    build, asked = ImageCms.buildTransform, []
    monkeypatch.setattr(ImageCms, "applyTransform", transform)
    monkeypatch.setattr(ImageCms, "buildTransform", lambda *given: asked.append(given[2:]) or build(*given))
    Image.new("RGB", (1, 1), (9, 99, 199)).save(tmp_path / "a.png", icc_profile=ADOBE)
    expected = np.float32([[[9, 99, 199]]]) + change * heeded
    assert_array_equal(np.rint(images.load(tmp_path / "a.png") * 255), expected)
    assert asked == [("RGB", "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION)]


def test_grey_palettes_and_transparency_have_profiles_too(tmp_path):
    grey = np.uint8([[0, 60, 128, 255]])
    expected = encoded((grey / 255) ** 1.80078125)
    Image.fromarray(grey).save(tmp_path / "a.png", icc_profile=GREY)
    (tmp_path / "b.png").write_bytes(
        png(grey[:, :, None].astype(np.uint16) * 257, chunks=[(b"iCCP", b"x\0\0" + zlib.compress(GREY))])
    )
    for name, slack in (("a.png", 1.5 / 255), ("b.png", 2e-4)):
        assert_allclose(images.load(tmp_path / name), np.stack([expected] * 3, axis=2), rtol=0, atol=slack)
    colours = RANDOM.integers(0, 256, (6, 6, 4), dtype=np.uint8)
    curve, matrix = TO_SRGB[P3]
    for picture, opacity in (
        (Image.fromarray(colours), colours[:, :, 3:] / 255),
        (Image.fromarray(colours[:, :, :3]).quantize(), 1),
    ):
        picture.save(tmp_path / "c.png", icc_profile=P3)
        inside = encoded(curve(np.asarray(picture.convert("RGB")) / 255) @ np.transpose(matrix))
        found = images.load(tmp_path / "c.png")
        assert_allclose(found, inside * opacity + 1 - opacity, rtol=0, atol=1.5 / 255)


@pytest.mark.parametrize(
    "icc",
    [
        b"not a profile",
        ADOBE[:200],
        ADOBE[:36] + b"oops" + ADOBE[40:],
        profile(without=(b"gTRC",)),
        GREY,
        ADOBE.replace(b"curv", b"nope"),
    ],
    ids=["noise", "cut", "unsigned", "without a curve", "of grey", "of unknown curves"],
)
def test_a_broken_profile_is_one_line(tmp_path, icc):
    Image.fromarray(some().astype(np.uint8)).save(tmp_path / "a.png", icc_profile=icc)
    (tmp_path / "b.png").write_bytes(png(some(), chunks=[(b"iCCP", b"x\0\0" + zlib.compress(icc))]))
    for name in ("a.png",) if icc == GREY else ("a.png", "b.png"):
        with pytest.raises(InputError, match=r"^load: path '.*png' .*profile .*; save it again, in sRGB or") as caught:
            images.load(tmp_path / name)
        assert "\n" not in str(caught.value)


# The curves of the standard: their numbers in its order, g a b c d e f, and what they say.
CURVES = {
    (2.0,): lambda x: x**2,
    (2.0, 2.0, -0.5): lambda x: np.where(x >= 0.25, (2 * x - 0.5) ** 2, 0),
    (2.0, 0.5, 0.25): lambda x: (x / 2 + 0.25) ** 2,  # whose power begins below 0
    (2.0, 0.5, 0.25, 0.125): lambda x: (x / 2 + 0.25) ** 2 + 0.125,
    (2.0, 1.0, -0.25, 0.125): lambda x: np.where(x >= 0.25, (x - 0.25) ** 2 + 0.125, 0.125),
    (2.0, 0.5, 0.25, 0.5, 0.5): lambda x: np.where(x >= 0.5, (x / 2 + 0.25) ** 2, x / 2),
    (2.0, 0.5, 0.25, 0.25, 0.5, 0.125, 0.0625): lambda x: np.where(
        x >= 0.5, (x / 2 + 0.25) ** 2 + 0.125, x / 4 + 0.0625
    ),
}


@pytest.mark.parametrize("numbers", CURVES, ids=len)
def test_curves_of_all_kinds(numbers):
    found = colour_profiles.shaper(profile(curve=numbers), "a").curves
    assert_allclose(found, [np.clip(CURVES[numbers](np.linspace(0, 1, 65536)), 0, 1)] * 3, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("table", "meant"),
    [([], lambda x: x), ([0.25, 0.75], lambda x: 0.25 + x / 2), ([0, 0.5, 0], lambda x: 0.5 - abs(x - 0.5))],
)
def test_curves_of_tables(table, meant):
    found = colour_profiles.shaper(profile(curve=np.array(table)), "a").curves
    assert_allclose(found, [meant(np.linspace(0, 1, 65536))] * 3, rtol=0, atol=1 / WHITE)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("icc", [ADOBE, P3, profile(curve=np.linspace(0, 1, 64) ** 2)], ids=["gamma", "para", "table"])
def test_colours_are_converted_back_to_a_profile(tmp_path, icc, depth):
    picture = RANDOM.uniform(0.2, 0.8, (20, 20, 3)).astype(np.float32)
    images.save(tmp_path / "a.png", picture, depth=depth, metadata=images.Metadata(profile=icc))
    with Image.open(tmp_path / "a.png") as opened:
        assert opened.info["icc_profile"] == icc
        assert np.abs(np.asarray(opened) / 255 - picture).max() > 0.02  # they are other numbers
    assert_allclose(images.load(tmp_path / "a.png"), picture, rtol=0, atol=1e-4 if depth == 16 else 0.01)
    images.save(tmp_path / "b.jpg", picture, metadata=images.Metadata(profile=icc))
    with Image.open(tmp_path / "b.jpg") as opened:
        assert opened.info["icc_profile"] == icc


def test_a_matrix_without_an_inverse_is_no_profile():
    dark = ADOBE[:128] + re.sub(rb"(?<=XYZ \0{4}).{12}", bytes(12), ADOBE[128:], flags=re.DOTALL)
    with pytest.raises(InputError, match=r"^a has a colour profile that cannot be used \(Singular matrix\); save it"):
        colour_profiles.shaper(dark, "a")


def test_only_a_profile_of_curves_for_colours_can_be_converted_back_to(tmp_path):
    for icc, kind in ((GREY, "GRAY"), (ADOBE.replace(b"desc", b"A2B0", 1), "tables")):
        with pytest.raises(InputError, match=rf"^save: metadata has a colour profile that cannot be used \(.*{kind}"):
            images.save(tmp_path / "a.png", np.zeros((2, 2, 3)), metadata=images.Metadata(profile=icc))


# What else a file says


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_camera_date_artist_and_copyright_are_kept_and_never_the_place(tmp_path, suffix):
    exif = Image.Exif()
    fields = {0x010F: "Maker", 0x0110: "Model 7", 0x013B: "José".encode(), 0x8298: "© A. B.", 0x0112: 6}
    for tag, value in {**fields, 0x010E: "at home", 0x0131: "a camera", 0x9286: "secret"}.items():
        exif[tag] = value.encode() if isinstance(value, str) else value
    exif.get_ifd(0x8769)[0x9003] = "2026:01:02 03:04:05"
    exif.get_ifd(0x8825).update({1: "N", 2: (59.0, 20.0, 1.0)})
    Image.fromarray(some().astype(np.uint8)).save(tmp_path / f"a.{suffix}", exif=exif, icc_profile=P3)
    kept = images.metadata(tmp_path / f"a.{suffix}")
    assert kept.profile == P3
    for name, depth in (("b.png", 8), ("c.png", 16), ("d.jpg", 8), ("e.webp", 8)):
        images.save(tmp_path / name, np.zeros((4, 4, 3)), depth=depth, metadata=images.Metadata(kept.fields))
        with Image.open(tmp_path / name) as opened:
            found = opened.getexif()
            assert "icc_profile" not in opened.info
            assert found.get_ifd(0x8825) == {} and found.get_ifd(0x8769) == {0x9003: "2026:01:02 03:04:05"}
            assert found[0x0131] == "made by minicnn" and {*found} == {0x0131, 0x8769, *fields} - {0x0112}
            assert found[0x013B].encode("latin-1").decode() == "José"
        assert images.metadata(tmp_path / name) == images.Metadata(kept.fields)
        assert b"at home" not in (tmp_path / name).read_bytes()


def test_damaged_or_missing_metadata_is_none_and_no_file_is_one_line(tmp_path):
    eight = some().astype(np.uint8)
    Image.fromarray(eight).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    Image.fromarray(eight).save(tmp_path / "b.png")
    for name in ("a.jpg", "b.png"):
        assert images.metadata(tmp_path / name) == images.Metadata()
    (tmp_path / "c.png").write_bytes(b"nothing")
    assert images.metadata(tmp_path / "c.png") == images.Metadata()
    for name, why in (("nowhere.png", "does not exist"), (".", "is a directory")):
        with pytest.raises(InputError, match=rf"^metadata: path '.*' {why}"):
            images.metadata(tmp_path / name)


def test_a_profile_made_elsewhere_agrees(tmp_path):
    """LittleCMS reads the crafted profiles as such, so they are profiles."""
    for icc, space in ((ADOBE, "RGB "), (P3, "RGB "), (GREY, "GRAY")):
        opened = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        assert opened.profile.xcolor_space == space and opened.profile.version == 4.3
