"""What the demonstration keeps, draws and writes, from results that are made up."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from minicnn import images
from minicnn.cli import demo
from minicnn.demonstration import faces, styles
from minicnn.demonstration.files import picture


@pytest.fixture
def figures(monkeypatch):
    """{name of a file: the figure that would be written to it}."""
    saved = {}
    for module in (styles, faces):
        monkeypatch.setattr(module, "save_figure", lambda figure, path: saved.update({Path(path).name: figure}))
    return saved


def test_the_iterates_of_every_painting_are_kept(monkeypatch):
    def transfer(content, style, *, steps, init, on_step):
        assert (content.shape, steps, init) == ((2, 2, 3), 100, "content")
        on_the_way = np.zeros((2, 2, 3))
        for step in range(1, steps + 1):
            on_the_way[:] = step
            on_step(step, on_the_way, {})
        return SimpleNamespace(image=style, manifest={"interrupted": False})

    monkeypatch.setattr(styles, "_photograph", lambda: np.full((2, 2, 3), -1.0))
    monkeypatch.setattr(styles, "PAINTINGS", {"starry_night": lambda side: side, "woodcut_wave": lambda side: -side})
    monkeypatch.setattr(styles, "transfer", transfer)
    monkeypatch.setattr(images, "save", lambda path, image: saved.append((path.as_posix(), np.max(image))))
    monkeypatch.setattr(styles, "_write_strip", lambda path, iterates: strips.append((path.as_posix(), iterates)))
    monkeypatch.setattr(styles, "_write_curves", lambda path, results: curves.append((path.as_posix(), [*results])))
    saved, strips, curves, said = [], [], [], []
    told = styles.demonstrate(Path("out"), said.append)
    assert saved == [
        ("out/content.png", -1),
        ("out/style-starry_night.png", 256),
        ("out/result-starry_night.png", 256),
        ("out/style-woodcut_wave.png", -256),
        ("out/result-woodcut_wave.png", -256),
    ]
    assert [path for path, _ in strips] == ["out/iterates-starry_night.png", "out/iterates-woodcut_wave.png"]
    for _, iterates in strips:
        assert {step: np.unique(image).tolist() for step, image in iterates.items()} == {
            0: [-1],  # the photograph
            **{step: [step] for step in (1, 5, 20, 50, 100)},
        }
    assert curves == [("out/costs.png", ["starry_night", "woodcut_wave"])]
    assert said == ["starry night: 100 steps", "woodcut wave: 100 steps"]
    assert (told["steps"], told["network"]) == ("100", "tiny_vgg")


def test_a_strip_of_iterates(figures):
    iterates = {0: np.zeros((66, 50, 3)), 5: np.ones((33, 25, 3)), 100: np.ones((66, 50, 3))}
    styles._write_strip(Path("strip.png"), iterates)
    figure = figures["strip.png"]
    assert figure.get_size_inches() == pytest.approx([1.5, 1]) and figure.dpi == 100
    assert [axes.get_title() for axes in figure.axes] == ["start", "step 5, 33 px", "step 100"]
    assert [axes.images[0].get_array().shape[0] for axes in figure.axes] == [66, 33, 66]
    places = [axes.get_position().bounds for axes in figure.axes]
    np.testing.assert_allclose(places, [(i / 3, 0, 0.985 / 3, 0.66) for i in range(3)])
    assert not any(axes.axison for axes in figure.axes)


def test_curves_of_the_costs(figures):
    history = [
        {"step": 0, "total": 9.0, "style": 9.0, "content": 0.0},
        {"step": 2, "total": 4.0, "style": 3.0, "content": 1.0, "total_variation": 0.5},
    ]
    results = {name: SimpleNamespace(history=history) for name in ("starry_night", "woodcut_wave")}
    styles._write_curves(Path("costs.png"), results)
    first, second = figures["costs.png"].axes
    assert first.get_gridspec().ncols == 2 and first.get_shared_y_axes().joined(first, second)
    assert [axes.get_title() for axes in (first, second)] == ["Starry night", "Woodcut wave"]
    assert (first.get_yscale(), first.get_xlabel(), first.get_ylabel()) == ("log", "step", "cost")
    assert first.get_legend() is None and second.get_legend() is not None
    drawn = {line.get_label(): line.get_xydata().tolist() for line in second.lines}
    assert {name: [y for _, y in places if y == y] for name, places in drawn.items()} == {
        "total": [9, 4],
        "style": [9, 3],
        "content": [1],  # a logarithm has no place for 0
        "total variation": [0.5],
    }
    assert [x for x, _ in drawn["total"]] == [0, 2]
    for axes in (first, second):
        assert {side for side, spine in axes.spines.items() if spine.get_visible()} == {"left", "bottom"}
    assert not second.get_legend().get_frame_on()


def test_the_pictures_on_the_page_in_full():
    assert picture("a.png", "one & two", below="<br>") == (
        '<figure><img src="a.png" alt="one &amp; two"><figcaption>one &amp; two<br></figcaption></figure>'
    )
    parts = styles._parts({"stained_glass": None, "woodcut_wave": None})
    names = {"stained_glass": "Stained glass", "woodcut_wave": "Woodcut wave"}
    assert parts == {
        "paintings": "".join(picture(f"style-{name}.png", title) for name, title in names.items()),
        "pictures": "".join(picture(f"result-{name}.png", f"Grace Hopper × {title}") for name, title in names.items()),
        "strips": "".join(
            f'<h3>{title}</h3><div class="wide"><img src="iterates-{name}.png" alt="Iterates of {title}"></div>'
            for name, title in names.items()
        ),
    }


class Answer(SimpleNamespace):
    """A verdict of a gallery: true where somebody is the one, or is recognized."""

    def __bool__(self):
        return self.passed


@pytest.mark.parametrize(
    ("visitor", "passed", "name", "said", "shade", "told"),
    [
        (faces.Visitor(0, 1, "Alex"), True, None, "“I am Alex.”", "yes", "Yes: 0.25 ≤ 1.50"),
        (faces.Visitor(0, 1, "Alex"), False, None, "“I am Alex.”", "no", "No: 0.25 &gt; 1.50 (wrong)"),
        (faces.Visitor(1, 1, "Alex"), False, None, "“I am Alex.”", "no", "No: 0.25 &gt; 1.50"),
        (faces.Visitor(1, 1, "Alex"), True, None, "“I am Alex.”", "yes", "Yes: 0.25 ≤ 1.50 (wrong)"),
        (faces.Visitor(9, 1), True, "Jules", "“Who am I?”", "yes", "Jules: 0.25 ≤ 1.50"),
        (faces.Visitor(9, 1), True, "Dana", "“Who am I?”", "yes", "Dana: 0.25 ≤ 1.50 (wrong)"),
        (
            faces.Visitor(9, 1),
            False,
            None,
            "“Who am I?”",
            "no",
            "Not recognized; nearest is Eden: 0.25 &gt; 1.50 (wrong)",
        ),
        (faces.Visitor(10, 1), False, None, "“Who am I?”", "no", "Not recognized; nearest is Eden: 0.25 &gt; 1.50"),
        (faces.Visitor(10, 1), True, "Dana", "“Who am I?”", "yes", "Dana: 0.25 ≤ 1.50 (wrong)"),
    ],
)
def test_an_answer_at_the_door_in_full(visitor, passed, name, said, shade, told):
    def answer(*given):
        asked.append(given)
        return Answer(passed=passed, same=passed, recognized=passed, name=name, **facts)

    asked, facts = [], {"distance": 0.25, "threshold": 1.5, "nearest": "Eden"}
    gallery = SimpleNamespace(verify=answer, identify=answer)
    verdict = f'<br><strong class="{shade}">{told}</strong>'
    assert faces._answer(gallery, visitor, "a face", "v.png") == picture("v.png", said, below=verdict)
    assert asked == [(visitor.claim, "a face") if visitor.claim else ("a face",)]


def test_who_is_enrolled_and_who_comes_to_the_door(monkeypatch):
    class Drawn:
        def __init__(self, *, size):
            assert size == faces.SIZE

        def held_out(self, count):
            return list(range(100, 100 + count))

        def portrait(self, person, circumstances):
            return SimpleNamespace(image=f"portrait {person} of scene {circumstances.scene}")

        def picture(self, person, number):
            return SimpleNamespace(image=f"picture {number} of {person}")

    class Held:
        def __init__(self, encoder, *, threshold):
            assert (encoder, threshold) == ("encoder", calibration)

        def enroll(self, name, face):
            done.append((name, face))

        def encodings(self, name):
            return np.full((1, 2), faces.NAMES.index(name))

    def encode(encoder, shown):
        done.append(shown)
        return np.arange(len(shown))[:, None] + [0, 0]

    done, calibration = [], SimpleNamespace(threshold=0.126, for_gallery={10: 0.0555}.get)
    monkeypatch.setattr(faces.models, "tiny_facenet", lambda: "encoder")
    monkeypatch.setattr(faces, "Population", Drawn)
    monkeypatch.setattr(faces, "Gallery", Held)
    monkeypatch.setattr(faces, "_calibration", lambda encoder, people: done.append(people) or calibration)
    monkeypatch.setattr(faces, "_for", lambda encoder, image: f"small {image}")
    monkeypatch.setattr(faces, "_answer", lambda gallery, visitor, face, source: f"[{visitor.who}: {face}, {source}]")
    monkeypatch.setattr(faces, "encode", encode)
    monkeypatch.setattr(faces, "distance", lambda one, other: (one - other)[..., 0])
    monkeypatch.setattr(faces, "_write_distances", lambda *given: done.append(given))
    monkeypatch.setattr(images, "save", lambda path, image: done.append((path.name, image)))
    told = []
    parts = faces.demonstrate(Path("out"), told.append)
    assert told == ["faces: 10 people enrolled from one picture each, 7 at the door"]
    people, *enrolled, encoded, (path, apart, shown, limit) = done
    assert people == list(range(112, 136))
    portraits = [f"portrait {100 + i} of scene {100 + i}" for i in range(10)]
    at_the_door = [f"picture {visitor.number} of {100 + visitor.who}" for visitor in faces.VISITORS]
    expected = []
    for i, (name, portrait) in enumerate(zip(faces.NAMES, portraits, strict=True), start=1):
        expected += [(f"face-enrolled-{i}.png", portrait), (name, f"small {portrait}")]
    expected += [(f"face-visitor-{i}.png", image) for i, image in enumerate(at_the_door, start=1)]
    assert enrolled == expected and encoded == [f"small {image}" for image in at_the_door]
    assert (path, shown, limit) == (Path("out/face-distances.png"), at_the_door, calibration)
    np.testing.assert_array_equal(apart, np.arange(7)[:, None] - np.arange(10))
    assert parts == {
        "enrolled": "".join(picture(f"face-enrolled-{i}.png", name) for i, name in enumerate(faces.NAMES, start=1)),
        "visitors": "".join(
            f"[{visitor.who}: small {image}, face-visitor-{i}.png]"
            for i, (visitor, image) in enumerate(zip(faces.VISITORS, at_the_door, strict=True), start=1)
        ),
        "threshold": "0.13",
        "threshold_of_ten": f"{0.0555:.2f}",
    }


def test_distances_at_the_door(figures):
    calibration = SimpleNamespace(for_gallery=lambda size: {10: 1.0}[size])
    apart = np.full((2, 10), 2.0)
    apart[0, 1], apart[1, 0], apart[1, 9], apart[0, 3] = 0.4999, 0.5, 1.0, 1.001
    portraits = [np.zeros((4, 4, 3)), np.ones((5, 5, 3))]
    faces._write_distances(Path("distances.png"), apart, portraits, calibration)
    figure = figures["distances.png"]
    assert figure.get_size_inches() == pytest.approx([11.1, 2.2])
    axes = figure.axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), apart)
    assert axes.images[0].get_clim() == (0, 2.4)
    cells = {text.get_position(): (text.get_text(), text.get_color()) for text in axes.texts}
    assert len(cells) == 20 and cells[1, 0] == ("0.50", "white") and cells[0, 1] == ("0.50", "#222222")
    assert not any(patch.get_fill() for patch in axes.patches)
    framed = [(round(patch.get_x() + 0.48), round(patch.get_y() + 0.46)) for patch in axes.patches]
    assert framed == [(1, 0), (0, 1), (9, 1)]
    assert [face.images[0].get_array().shape[0] for face in axes.child_axes] == [4, 5]
    assert not any(face.axison for face in axes.child_axes)
    assert not any(spine.get_visible() for spine in axes.spines.values())
    assert [label.get_text() for label in axes.get_xticklabels()] == list(faces.NAMES) and len(axes.get_yticks()) == 0
    assert axes.xaxis.get_ticks_position() == "top"


def test_only_pictures_and_pages_of_its_folder_might_be_replaced(tmp_path):
    for name in ("b.png", "a.html", "c.txt", "d.jpg"):
        (tmp_path / name).touch()
    found = list(demo._beside(SimpleNamespace(out=str(tmp_path))))
    assert found == [("--out", tmp_path / "a.html"), ("--out", tmp_path / "b.png")]
    assert list(demo._beside(SimpleNamespace(out=str(tmp_path / "none")))) == []
