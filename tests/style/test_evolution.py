"""What is written while a picture comes into being."""

import itertools

import matplotlib
import numpy as np
import pytest
from PIL import Image

from minicnn import images
from minicnn.errors import InputError
from minicnn.style import evolution


def picture(value, shape=(6, 8)):
    """Even red of a brightness, on a ramp of blue."""
    image = np.zeros((*shape, 3), np.float32)
    image[..., 0], image[..., 2] = value, np.linspace(0, 1, shape[1])
    return image


def run(observer, steps=20):
    """As style.transfer calls it: a read-only view that is gone after the call."""
    scratch = np.empty((6, 8, 3), np.float32)
    for step in range(1, steps + 1):
        scratch[...] = picture(step / steps)
        view = scratch.view()
        view.flags.writeable = False
        observer(step, view, {"total": 1 / step})
    scratch[...] = np.nan


def test_frames_are_every_nth_picture(tmp_path):
    run(evolution.Frames(tmp_path / "new" / "frames", every=5))
    assert sorted(path.name for path in (tmp_path / "new" / "frames").iterdir()) == [
        "00005.png",
        "00010.png",
        "00015.png",
        "00020.png",
    ]
    np.testing.assert_allclose(images.load(tmp_path / "new" / "frames" / "00015.png"), picture(0.75), atol=0.003)


def test_several_observers_are_one(tmp_path):
    seen = []
    animation = evolution.Animation(tmp_path / "all.gif", steps=20)
    run(
        evolution.together(
            evolution.Frames(tmp_path, every=20),
            None,
            animation,
            lambda step, image, costs: seen.append((step, float(image[0, 0, 0]), costs["total"])),
        )
    )
    animation.write()
    assert [step for step, _, _ in seen] == list(range(1, 21)) and seen[3] == (4, pytest.approx(0.2), 0.25)
    assert {path.name for path in tmp_path.iterdir()} == {"00020.png", "all.gif"}


def test_a_preview_is_replaced_whole_and_not_too_often(tmp_path, monkeypatch):
    path, written = tmp_path / "now.png", []
    save = images.save

    def watched(target, image):
        before = path.read_bytes() if path.is_file() else None
        save(target, image)
        written.append(round(float(image[0, 0, 0]) * 20))
        assert path.read_bytes() != before and [p.name for p in tmp_path.iterdir()] == ["now.png"]

    monkeypatch.setattr(evolution.images, "save", watched)
    run(evolution.Preview(path, every=6))
    assert written == [6, 12, 18]

    written.clear()
    clock = iter(np.arange(0, 1000, 0.5))
    monkeypatch.setattr(evolution.time, "monotonic", lambda: next(clock))
    run(evolution.Preview(path, seconds=1.2))  # half a second passes at every look
    assert written[0] == 1 and 1 < len(written) < 12 and min(np.diff(written)) >= 2

    written.clear()
    looks = itertools.chain([0, 0.5, 2.25, 2.5, 3.0], itertools.repeat(4.75))
    monkeypatch.setattr(evolution.time, "monotonic", lambda: next(looks))
    run(evolution.Preview(path))  # at most every two seconds, from the end of writing
    assert written == [1, 3]


def gif(path):
    """(pictures, milliseconds) of an animation."""
    with Image.open(path) as file:
        assert file.format == "GIF" and file.info["loop"] == 0
        pictures, times = [], []
        for i in range(file.n_frames):
            file.seek(i)
            pictures.append(np.asarray(file.convert("RGB"), np.float32) / 255)
            times.append(file.info["duration"])
    return pictures, times


def test_an_animation_shows_the_run_and_holds_its_end(tmp_path):
    animation = evolution.Animation(tmp_path / "run.gif", steps=20, frames=8, milliseconds=80, start=picture(0.0))
    run(animation)
    assert animation.write(last=picture(0.5)) == tmp_path / "run.gif"
    pictures, times = gif(tmp_path / "run.gif")
    assert times == [80] * (len(pictures) - 1) + [2000]
    reds = [image[..., 0].mean() * 20 for image in pictures]
    np.testing.assert_allclose(reds, [0, *sorted(animation.steps), 10], atol=0.3)
    assert max(animation.steps) == 20 and len(animation.steps) == 8 - 1  # the first two fall together
    np.testing.assert_allclose(pictures[-1], picture(0.5), atol=0.06)
    assert [path.name for path in tmp_path.iterdir()] == ["run.gif"]


@pytest.mark.parametrize(("steps", "frames"), [(1, 40), (7, 40), (150, 40), (1000, 12)])
def test_frames_lie_closer_at_first_and_are_not_too_many(steps, frames):
    chosen = sorted(evolution._spread(steps, frames))
    assert chosen[0] == 1 and chosen[-1] == steps and len(chosen) <= min(steps, frames)
    gaps = np.diff(chosen)
    assert len(gaps) < 2 or gaps[-1] >= gaps[0]


def test_an_animation_is_bounded_in_size(tmp_path):
    animation = evolution.Animation(tmp_path / "small.gif", steps=1, side=16)
    animation(1, picture(0.5, (40, 64)), {})
    animation.write()
    assert gif(tmp_path / "small.gif")[0][0].shape == (10, 16, 3)
    assert evolution.Animation(tmp_path / "none.gif", steps=1).write() is None


def test_many_colours_are_told_apart(tmp_path):
    """A picture of 4096 colours in 256 of its own and dithered: off by little over some pixels at once."""
    red, green = np.meshgrid(np.linspace(0, 1, 64, dtype=np.float32), np.linspace(0, 1, 64, dtype=np.float32))
    image = np.stack([red, green, np.full_like(red, 0.3)], axis=-1)
    animation = evolution.Animation(tmp_path / "colours.gif", steps=1)
    animation(1, image, {})
    animation.write()
    shown = gif(tmp_path / "colours.gif")[0][0]
    smooth = [x.reshape(16, 4, 16, 4, 3).mean((1, 3)) for x in (shown, image)]
    assert np.abs(smooth[0] - smooth[1]).max() < 0.04


def test_the_losses_have_a_line_a_layer():
    history = [
        {
            "step": step,
            "total": 1 / (step + 1),
            "content": step / 9,
            "style": 0.5,
            "style block1_conv1": 0.2,
            "style b": 0.1,
            "total_variation": 0.3,
            "another_part": 0.4,
        }
        for step in range(4)
    ]
    figure = evolution.plot_losses(history, title="A $run")
    assert figure.get_suptitle() == r"A \$run" and evolution.plot_losses(history).get_suptitle() == ""
    for axes in figure.axes:
        assert {side: spine.get_visible() for side, spine in axes.spines.items()} == {
            "left": True,
            "bottom": True,
            "right": False,
            "top": False,
        }
    left, right = figure.axes
    parts, layers = ["total", "content", "style", "total variation", "another part"], ["block1_conv1", "b"]
    for axes, labels, heading in ((left, parts, "cost"), (right, layers, "style, layer by layer")):
        assert [line.get_label() for line in axes.lines] == labels
        assert [text.get_text() for text in axes.get_legend().get_texts()] == labels
        assert (axes.get_title(), axes.get_xlabel()) == (heading, "step")
        assert all(line.get_visible() for line in axes.get_xgridlines() + axes.get_ygridlines())
    assert len({line.get_color() for line in left.lines}) == len(parts)
    np.testing.assert_array_equal(left.lines[0].get_xydata(), [[s, 1 / (s + 1)] for s in range(4)])
    assert np.isnan(left.lines[1].get_ydata()[0])  # no content yet: nothing to draw
    (unnumbered,) = evolution.plot_losses([{"total": 2.0}, {"total": 0.0}]).axes[0].lines
    np.testing.assert_array_equal(unnumbered.get_xydata(), [[0, 2], [1, np.nan]])  # no cost of 0 on this scale
    assert left.get_yscale() == right.get_yscale() == "log" and left.get_ylim() == right.get_ylim()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_layers_of_a_plot_go_from_dark_to_light(count):
    history = [{"total": 1.0, **{f"style {i}": 1.0 for i in range(count)}}]
    inks = [line.get_color() for line in evolution.plot_losses(history).axes[1].lines]
    assert inks == [matplotlib.colormaps["viridis"](i / max(count - 1, 1) * 0.9) for i in range(count)]


def test_a_figure_is_saved_as_a_picture(tmp_path):
    evolution.save_figure(evolution.plot_losses([{"total": 2.0}, {"total": 1.0}]), tmp_path / "losses.png")
    shown = images.load(tmp_path / "losses.png")
    assert shown.shape[1] > shown.shape[0] and shown.std() > 0.05


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda at: evolution.Frames(at, every=0), "frames: every is 0; expected an integer of at least 1"),
        (lambda at: evolution.Frames(at, suffix=".bmp"), "has suffix '.bmp'"),
        (lambda at: evolution.Frames(at / "file" / "below"), "frames: folder .* cannot be made"),
        (lambda at: evolution.Preview(at / "a.txt"), "has suffix '.txt'"),
        (lambda at: evolution.Preview(at / "a.png", seconds=-1), "preview: seconds is -1"),
        (lambda at: evolution.Preview(at / "a.png", seconds=np.inf), "preview: seconds is inf; expected a number of"),
        (lambda at: evolution.Preview(at / "a.png", every=1.5), "preview: every is 1.5"),
        (lambda at: evolution.Animation(at / "a.png", steps=3), "animation: path .* has suffix '.png'; expected .gif"),
        (lambda at: evolution.Animation(at / "no" / "a.gif", steps=3), "is in a folder that does not exist"),
        (lambda at: evolution.Animation(at / "a.gif", steps=0), "animation: steps is 0"),
        (lambda at: evolution.plot_losses([]), "plot_losses: history is empty"),
    ],
)
def test_errors_name_what_was_given(make, message, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=message):
        make(tmp_path)
