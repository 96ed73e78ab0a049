"""Regions: each style paints where its mask says, and nowhere else."""

import dataclasses

import numpy as np
import pytest

from minicnn import Tensor, images, models, style
from minicnn.errors import InputError
from minicnn.models.fields import Fields, fields_of
from minicnn.style import regions
from minicnn.style.objective import Objective

SIZE = 64
CONTENT, WAVE, GLASS = np.random.default_rng(0).random((3, SIZE, SIZE, 3), np.float32)
LEFT = np.zeros((SIZE, SIZE), np.float32)
LEFT[:, :40] = 1
MODEL = models.tiny_vgg()
RECIPE = dataclasses.replace(MODEL.card.recipe, alpha=0.0, total_variation=0.0, levels=1)


SHALLOW = dataclasses.replace(RECIPE, style_layers={"block1_conv1": 1.0, "block2_conv1": 1.0})


def objective(content, styles, masks, style_masks=None, recipe=SHALLOW):
    parts = regions.Regions(masks, style_masks or [None] * len(masks))
    return Objective(MODEL, recipe, content, [(picture, 1.0) for picture in styles], parts)


def gradient(cost, image):
    leaf = Tensor(image[None].astype(np.float64), requires_grad=True)
    cost(leaf)[0].backward()
    return leaf.grad[0]


def test_regions_are_fixed_and_told_apart_even_if_equal():
    one, other = (regions.Regions([LEFT.copy()], [None]) for _ in range(2))
    assert one != other and len({one, other}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.masks = []


def test_one_region_over_everything_is_no_region():
    plain = style.transfer(CONTENT, WAVE, steps=3)
    masked = style.transfer(CONTENT, [WAVE], masks=[np.ones((SIZE, SIZE))], steps=3)
    np.testing.assert_array_equal(plain.image, masked.image)
    assert plain.history == masked.history


def test_a_style_moves_no_pixel_outside_its_region():
    one = gradient(objective(CONTENT, [WAVE, GLASS], [LEFT, 1 - LEFT]), CONTENT)
    other = gradient(objective(CONTENT, [GLASS, GLASS], [LEFT, 1 - LEFT]), CONTENT)
    moved = np.abs(one - other).max(axis=(0, 2))
    assert moved[40:].max() <= 1e-12 * moved[:40].max() and np.abs(one[:, 40:]).max() > 0


def test_what_is_nobodys_keeps_its_look():
    found = gradient(objective(CONTENT, [WAVE], [LEFT]), CONTENT)
    assert np.abs(found[:, 40:]).max() <= 1e-5 * np.abs(found[:, :40]).max()  # it already is what it should be


@pytest.mark.parametrize("layer", RECIPE.style_layers)
def test_small_regions_grow_by_half_a_field_at_most(layer):
    mask = np.zeros((SIZE, SIZE), np.float32)
    mask[30:36, 20:28] = 1
    seen = regions.seen(MODEL, layer, mask)[0, :, :, 0]
    assert seen.max() > 0.5
    fields = fields_of(MODEL, layer, mask.shape)
    for row, column in np.argwhere(seen > 0.5):
        top, bottom, left, right = fields.box(row, column)
        assert mask[top:bottom, left:right].any()


def squares(**values):
    """A mask of 2×2 fields of 8×8 pixels. "whole", "half", "quarter", "point": the square of a field, and its value."""
    middles = {"whole": (0, 8), "half": (2, 6), "quarter": (3, 5), "point": (3, 4)}
    mask = np.zeros((16, 16), np.float32)
    for name, value in values.items():
        kind, row, column = name.split("_")
        begin, end = middles[kind]
        mask[8 * int(row) :, 8 * int(column) :][begin:end, begin:end] = value
    return mask


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (squares(whole_0_0=1, half_0_1=1), [[1, 0], [0, 0]]),
        (squares(half_0_0=1, quarter_0_1=1), [[1, 0], [0, 0]]),
        (squares(quarter_0_0=1, point_0_1=1), [[1, 0], [0, 0]]),
        (squares(point_0_0=1, point_1_1=0.5), [[1, 0], [0, 0.5]]),
        (squares(whole_0_0=0.5, half_0_1=1), [[0.5, 0], [0, 0]]),  # half of the most is enough
        (squares(whole_0_0=0.49, half_0_1=1), [[0.49, 1], [0, 0]]),
    ],
)
def test_of_a_small_region_smaller_parts_of_fields_must_be_inside(mask, expected, monkeypatch):
    spans = np.array([[0, 8], [8, 16]])
    monkeypatch.setattr(regions, "fields_of", lambda model, layer, size: Fields(spans, spans))
    np.testing.assert_allclose(regions.seen(MODEL, "layer", mask), np.reshape(expected, (1, 2, 2, 1)))
    assert regions.seen(MODEL, "layer", np.ones((16, 16))) is None


def test_positions_see_their_region_alone_where_it_is_large():
    layer = next(iter(RECIPE.style_layers))
    seen, fields = regions.seen(MODEL, layer, LEFT)[0, :, :, 0], fields_of(MODEL, layer, LEFT.shape)
    for row, column in np.ndindex(seen.shape):
        top, bottom, left, right = fields.box(row, column)
        assert seen[row, column] == LEFT[top:bottom, left:right].min()


def test_the_gradient_is_that_of_the_cost():
    soft = np.linspace(0, 1, SIZE, dtype=np.float32)[None, :] * np.ones((SIZE, 1), np.float32)
    first = dataclasses.replace(SHALLOW, style_layers={"block1_conv1": 1.0})  # whose Gram matrices know no kink
    cost = objective(CONTENT, [WAVE, GLASS], [soft, 1 - soft], [LEFT, None], first)
    image, direction = CONTENT.astype(np.float64), np.random.default_rng(1).standard_normal(CONTENT.shape)
    step = 1e-6
    ahead, behind = (cost(Tensor((image + s * direction)[None]))[1]["total"] for s in (step, -step))
    slope = float(np.sum(gradient(cost, image) * direction))
    assert abs((ahead - behind) / (2 * step) - slope) <= 1e-5 * abs(slope)


def test_overlapping_masks_share_and_add_up_to_one():
    everything = np.ones((SIZE, SIZE))
    pictures = [(WAVE, WAVE), (GLASS, GLASS)]
    found = regions.read([everything, everything], None, (CONTENT, CONTENT), pictures)
    assert found.rest is None and all((mask == 0.5).all() for mask in found.masks)
    assert regions.read(None, None, (CONTENT, CONTENT), pictures) is None
    halves = regions.read([LEFT / 2, 1 - LEFT], None, (CONTENT, CONTENT), pictures)
    assert halves.rest is not None and halves.rest[:, :40].mean() == 0.5 and halves.rest[:, 40:].max() == 0


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([LEFT[:, 1:]], "transfer: mask 1 is 63×64 pixels; expected 64×64, as the content"),
        ([0 * LEFT], "transfer: mask 1 is black everywhere; expected white where the style paints"),
        ([LEFT, LEFT], "transfer: masks has 2 for 1 styles; expected a list, one per style"),
        (LEFT, "transfer: masks has one for 1 styles; expected a list, one per style"),
        (
            [0 * CONTENT + [1, 0, 0]],
            "transfer: mask 1 is in colour; expected grey: white where the style paints, black where not",
        ),
        ([CONTENT], "transfer: mask 1 is in colour; expected grey: white where the style paints, black where not"),
    ],
)
def test_masks_that_do_not_fit_are_one_line(masks, message):
    with pytest.raises(InputError) as caught:
        style.transfer(CONTENT, [WAVE], masks=masks, steps=1)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("masks", "style_masks", "message"),
    [
        (None, [LEFT, None], "transfer: style_masks has 2 for 1 styles; expected a list, one per style"),
        ([LEFT], LEFT, "transfer: style_masks has one for 1 styles; expected a list, one per style"),
        ([LEFT], "mask.png", "transfer: style_masks has one for 1 styles; expected a list, one per style"),
        (None, [LEFT[1:]], "transfer: style mask 1 is 64×63 pixels; expected 64×64, as style 1"),
        ([LEFT], [0 * LEFT], "transfer: style mask 1 is black everywhere; expected white where the style paints"),
    ],
)
def test_masks_of_styles_that_do_not_fit_are_one_line(masks, style_masks, message):
    with pytest.raises(InputError) as caught:
        regions.read(masks, style_masks, (CONTENT, CONTENT), [(WAVE, WAVE)])
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("grey", "spread", "refused"),
    [(0.5, 0.019, ""), (0.5, 0.021, "in colour"), (1.001 / 255, 0, ""), (0.999 / 255, 0, "black everywhere")],
)
def test_a_mask_may_be_a_little_coloured_and_very_dark(grey, spread, refused):
    mask = np.zeros((SIZE, SIZE, 3), np.float32)
    mask[5, 6] = grey, grey + spread, grey
    if refused:
        with pytest.raises(InputError, match=f"^transfer: mask 1 is {refused}"):
            regions.read([mask], None, (CONTENT, CONTENT), [(WAVE, WAVE)])
    else:
        (found,) = regions.read([mask], None, (CONTENT, CONTENT), [(WAVE, WAVE)]).masks
        assert found[5, 6] == pytest.approx(grey + spread / 3) and np.count_nonzero(found) == 1


def test_a_mask_may_have_the_size_of_the_picture_or_of_what_is_made_of_it():
    pictures, small = (CONTENT, CONTENT[::2, ::2]), LEFT[::2, ::2]
    for mask in (LEFT, small):
        found = regions.read([mask], [mask], pictures, [(WAVE, WAVE[::2, ::2])])
        for part in (found.masks[0], found.style_masks[0]):
            assert part.shape == (32, 32) and part.min() >= 0 and part.max() <= 1
            np.testing.assert_allclose(part[:, [0, 10, 30]], small[:, [0, 10, 30]], atol=0.01)
    with pytest.raises(InputError, match="mask 1 is 32×64 pixels; expected 64×64, as the content"):
        regions.read([LEFT[:, ::2]], None, pictures, [(WAVE, WAVE)])


def test_a_rest_that_is_negligible_is_none():
    for share, negligible in ((0.9 * regions.LEAST, True), (1.1 * regions.LEAST, False)):
        mask = np.full((4, 5), 1 - share)
        rest = regions.Regions([mask / 2, mask / 2], [None, None]).rest
        assert (rest is None) == negligible
    assert rest.shape == (4, 5) and rest == pytest.approx(share)
    assert regions.Regions([np.full((4, 5), 0.75)] * 2, [None, None]).rest is None


def test_grey_masks_are_taken_as_pictures_arrays_and_truth_values():
    rising = np.linspace(0, 1, SIZE, dtype=np.float32)[:, None] * np.ones((1, SIZE), np.float32)
    for mask, expected in ((rising, rising), (np.repeat(rising[..., None], 3, 2), rising), (LEFT > 0, LEFT)):
        found = regions.read([mask], [mask], (CONTENT, CONTENT), [(WAVE, WAVE)])
        for part in (found.masks[0], found.style_masks[0]):
            np.testing.assert_allclose(part, expected, atol=1e-6)


def test_what_a_span_of_rows_sees_is_its_least_and_at_last_its_nearest():
    mask = np.array([[1.0], [0.5], [0.0], [0.75], [1.0]])
    spans = np.array([[0, 3], [1, 5], [3, 4]])
    np.testing.assert_array_equal(regions._least(mask, spans, 1.0)[:, 0], [0, 0, 0.75])
    np.testing.assert_array_equal(regions._least(mask, spans, 0.5)[:, 0], [0.5, 0, 0.75])  # its middle half
    # The middles are 1, 2.5 and 3: rows 0 and 1 are nearest to the first, row 2 to the second, the others to the third.
    np.testing.assert_array_equal(regions._most(mask, spans)[:, 0], [1, 0, 1])
    # Row 1 is as near to 0, the middle of the first, as to 2, that of the second.
    mask = np.array([[0.25], [1], [0], [0.5]])
    np.testing.assert_array_equal(regions._most(mask, np.array([[0, 1], [1, 4]]))[:, 0], [1, 0.5])


def test_masks_follow_the_size_of_the_picture(tmp_path):
    images.save(tmp_path / "content.png", CONTENT)
    images.save(tmp_path / "mask.png", np.repeat(LEFT[..., None], 3, 2))
    job = style.job.prepare(tmp_path / "content.png", [WAVE], masks=[tmp_path / "mask.png"], size=32)
    assert job.regions.masks[0].shape == (32, 32) and job.regions.masks[0][:, :18].min() > 0.99
    assert job.settings["masks"][0]["path"].endswith("mask.png")


def test_a_manifest_remembers_its_masks(tmp_path):
    for name, picture in {"content": CONTENT, "wave": WAVE, "mask": np.repeat(LEFT[..., None], 3, 2)}.items():
        images.save(tmp_path / f"{name}.png", picture)
    given = {"masks": [tmp_path / "mask.png"], "style_masks": [tmp_path / "mask.png"]}
    result = style.transfer(tmp_path / "content.png", [tmp_path / "wave.png"], steps=2, **given)
    style.manifests.write(tmp_path / "out.json", result.manifest)
    again = style.transfer(**style.from_manifest(tmp_path / "out.json"))
    np.testing.assert_array_equal(result.image, again.image)


def test_a_map_gives_a_mask_for_each_colour():
    picture = np.zeros((4, 6, 3), np.float32)
    picture[:, :3, 0], picture[:, 3, 2] = 0.95, 1.0  # red, not quite pure, and blue; black is nobody's
    red, blue = regions.of_map(style.Map(picture, ["red", "#0000ff80"]))  # how opaque it is does not matter
    assert red[:, :3].all() and red.sum() == 12 and blue[:, 3].all() and blue.sum() == 4
    with pytest.raises(InputError, match=r"no pixel is green; its most common colours are #f20000, #000000, #0000ff"):
        regions.of_map(style.Map(picture, ["green"]))
    with pytest.raises(InputError, match="map: colour 'reddish' is unknown; expected a name, or #rrggbb"):
        regions.of_map(style.Map(picture, ["reddish"]))


def test_a_colour_of_a_map_is_the_nearest_one_that_is_near():
    picture = np.zeros((1, 4, 3), np.float32)
    picture[0, :, 0] = 0.81, 0.79, 0.7, 0.69  # red is 1, and maroon 128 / 255
    red, maroon = regions.of_map(style.Map(picture, ["red", "maroon"]))
    assert (red.tolist(), maroon.tolist()) == ([[1, 0, 0, 0]], [[0, 0, 1, 1]])


def test_the_six_most_common_colours_of_a_map_are_listed():
    picture = np.concatenate([np.full((n, 3), n / 255, np.float32) for n in range(1, 9)])[None]
    with pytest.raises(InputError) as said:
        regions.of_map(style.Map(picture, ["white"]))
    common = "#080808, #070707, #060606, #050505, #040404, #030303"
    assert str(said.value) == f"transfer: map: no pixel is white; its most common colours are {common}"


def test_the_command_paints_regions(tmp_path, monkeypatch, capsys):
    from minicnn.cli import main

    monkeypatch.chdir(tmp_path)
    map_ = np.zeros((SIZE, SIZE, 3), np.float32)
    map_[:, :40] = 1, 0, 0
    for name, picture in {
        "content": CONTENT,
        "wave": WAVE,
        "glass": GLASS,
        "map": map_,
        "mask": 0 * map_ + 0.5,
    }.items():
        images.save(f"{name}.png", picture)
    asked = ["style", "content.png", "wave.png", "--steps", "2", "--size", "64", "-o", "out.png"]
    assert main([*asked, "--map", "map.png", "--map-colours", "red", "--style-masks", "-"]) == 0
    assert main(["style", "--from", "out.json", "-o", "again.png"]) == 0
    assert (tmp_path / "out.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    assert main([*asked, "--masks", "mask.png", "--tile", "64"]) == 0
    capsys.readouterr()
    assert main([*asked, "--map", "map.png"]) == 2
    assert (
        capsys.readouterr().err == "minicnn: style: --map and --map-colours belong together; expected both or neither\n"
    )
