"""What the actions of `minicnn see` ask of the visualizations, which are stand-ins here."""

from types import SimpleNamespace

import numpy as np
import pytest

from minicnn import images, nn, visualize
from minicnn.cli import see
from minicnn.errors import InputError
from minicnn.models.blocks import GlobalAverage
from minicnn.visualize import findings

USUAL = {"layers": [], "units": None, "count": 2, "steps": 5, "seed": 3, "resume": None, "size": None, "layer": None}


def given(**changes):
    return SimpleNamespace(**USUAL | {"images": None, "image": None, "most": None, "unit": None} | changes)


def network(*, drawn=True, embedding=128, size=(8, 6)):
    card = SimpleNamespace(name="toy", drawn=drawn, embedding=embedding, input_size=size)
    layers = [SimpleNamespace(name="flatten"), SimpleNamespace(name="a", w=None), SimpleNamespace(name="b", w=1)]
    return SimpleNamespace(card=card, layers=layers)


@pytest.fixture
def asked(monkeypatch):
    """The calls of visualizations: (name, arguments behind the model, options)."""
    calls = []
    for module, names in (
        (visualize, ("story", "feature_grid", "filter_grid", "embedding_map")),
        (findings, ("evidence", "inversions", "wishes")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, lambda model, *a, name=name, **k: calls.append((name, a, k)) or name)
    return calls


def test_units_are_numbers_and_names():
    assert see._units(None) is None
    assert see._units("3, 15 ,cat,a1") == [3, 15, "cat", "a1"]


def test_a_story_is_of_the_layers_that_are_named(asked, monkeypatch):
    monkeypatch.setattr(see, "_pictures", lambda model, arguments: "pictures")
    monkeypatch.setattr(see, "_a_layer_a_block", lambda model: ["usual"])
    assert see._story(network(), given(layers=["b"], units="1", resume="r.npz")) == "story"
    see._story(network(), given())
    options = {"count": 2, "steps": 5, "seed": 3}
    assert asked == [
        ("story", (["b"], "pictures", [1]), {**options, "resume": "r.npz"}),
        ("story", (["usual"], "pictures", None), {**options, "resume": None}),
    ]


def test_methods_get_the_options_that_are_given(asked):
    see._method(network(), given(images=["a.png"], method="occlusion", size=4, stride=2, unit="3,4"))
    see._method(network(), given(images=["a.png"], method="gradcam", at="conv", layer="fc"))
    assert asked == [
        ("evidence", ("occlusion", ["a.png"], None, 3), {"size": 4, "stride": 2}),
        ("evidence", ("gradcam", ["a.png"], "fc", None), {"at": "conv"}),
    ]


def test_syntheses_get_their_steps_and_seeds(asked, monkeypatch):
    monkeypatch.setattr(see, "_a_layer_a_block", lambda model: ["usual"])
    see._invert(network(), given(image="a.png", size=9))
    see._invert(network(), given(image="a.png", layers=["b"]))
    see._maximize(network(), given(layer="b", units="1,x"))
    how = {"steps": 5, "seed": 3}
    assert asked == [
        ("inversions", ("a.png", ["usual"]), {"size": 9, **how}),
        ("inversions", ("a.png", ["b"]), {"size": None, **how}),
        ("wishes", ("b", [1, "x"]), {"size": None, **how}),
    ]


@pytest.mark.parametrize(("embedding", "size"), [(128, (8, 6)), (None, 8)])
def test_filters_are_of_the_first_layer_that_has_them(asked, monkeypatch, embedding, size):
    monkeypatch.setattr(images, "load", lambda path, size: (path, size))
    see._filters(network(), given())
    see._filters(network(embedding=embedding), given(layer="c", image="a.png"))
    assert asked == [("filter_grid", ("b",), {}), ("feature_grid", ("c", ("a.png", size)), {})]


def test_pictures_to_search_are_an_archive_or_drawn_faces(monkeypatch):
    from minicnn.datasets import cifar10

    monkeypatch.setattr(cifar10, "read", lambda path: (np.zeros((5, 32, 32, 3), np.uint8), None))
    assert [len(see._pictures(network(), given(images="a.tar", most=most)).items) for most in (None, 3)] == [5, 3]
    drawn = network(size=(32, 40))
    assert [len(see._pictures(drawn, given(most=most)).items) for most in (None, 3)] == [see.FACES, 3]
    with pytest.raises(InputError) as said:
        see._pictures(network(drawn=False), given())
    assert str(said.value) == "see: toy needs --images, a folder of pictures; only tiny_facenet can do without"
    with pytest.raises(InputError, match="most is 0"):
        see._pictures(network(), given(most=0))


def test_no_more_pictures_of_a_folder_are_looked_at_than_asked_for(tmp_path, capsys):
    for name in ("a.png", "b.png"):
        images.save(tmp_path / name, np.zeros((4, 4, 3)))
    (tmp_path / "c.png").write_bytes(b"no picture")
    (tmp_path / "d.heic").touch()
    found = see._pictures(network(), given(images=str(tmp_path), most=2))
    assert [path.name for path in found.items] == ["a.png", "b.png"] and found.size == (8, 6)
    assert capsys.readouterr().err == f"note: {tmp_path}: skipped unsupported files: 1 .heic\n"


def test_bad_pictures_are_skipped_unless_there_is_one(tmp_path, capsys):
    images.save(tmp_path / "a.png", np.zeros((4, 4, 3)))
    bad = [tmp_path / f"{number}.png" for number in range(2)]
    assert see._good([bad[0]]) == [bad[0]]  # what uses it tells
    assert see._good([bad[0], tmp_path / "a.png"]) == [tmp_path / "a.png"]
    with pytest.raises(InputError, match=r"^see: none of 2 pictures can be read$"):
        see._good(bad)
    assert capsys.readouterr().err.count("does not exist") == 3


@pytest.mark.parametrize(("units", "shown"), [("1,a", "found"), (None, "3 of found")])
def test_patches_are_of_the_units_that_are_named_or_tell_most(monkeypatch, units, shown):
    found = SimpleNamespace(of=lambda telling: f"{telling} of found")
    monkeypatch.setattr(see, "_pictures", lambda model, arguments: "pictures")
    monkeypatch.setattr(visualize, "top_patches", lambda *given, **options: asked.append((given, options)) or found)
    monkeypatch.setattr("minicnn.visualize.telling.telling_units", lambda patches, count: count)
    monkeypatch.setattr("minicnn.visualize.plots.patch_grid", lambda patches: "found" if patches is found else patches)
    asked = []
    assert see._patches("model", given(layer="b", units=units, count=3, resume="r.npz")) == shown
    assert asked == [(("model", "b", "pictures", units and [1, "a"]), {"resume": "r.npz"})]


def test_the_style_of_a_picture_is_of_ever_more_layers(monkeypatch):
    def transfer(content, style, **options):
        asked.append((content, style, options))
        return SimpleNamespace(image=f"picture {len(asked)}")

    recipe = SimpleNamespace(style_layers={"a": 1.0, "b": 2.0, "c": 3.0})
    model = network()
    model.adapt = lambda taken: asked.append(taken)
    monkeypatch.setattr(
        "minicnn.style.request.choose_recipe", lambda found, preset: recipe if found is model else preset
    )
    monkeypatch.setattr("minicnn.style.transfer", transfer)
    monkeypatch.setattr(images, "load", lambda path, size: (path, size))
    monkeypatch.setattr("minicnn.visualize.plots.figure_of", lambda rows, **options: (rows, options))
    asked = []
    rows, told = see._style(model, given(image="a.png", size=64))
    assert rows == [[("a.png", 64), "picture 2", "picture 3", "picture 4"]]
    assert told["titles"] == ["picture", "a", "up to b", "up to c"]
    assert told["title"] == "toy: style alone, from noise"
    assert asked.pop(0) is recipe
    how = {"model": model, "steps": 5, "seed": 3, "init": "noise", "alpha": 0.0, "learning_rate": 0.05}
    layers = [{"a": 1.0}, {"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 2.0, "c": 3.0}]
    assert asked == [(("a.png", 64), ("a.png", 64), {**how, "style_layers": taken}) for taken in layers]


@pytest.mark.parametrize(
    ("kinds", "found"),
    [
        ("conv relu pool conv conv average linear", [1, 4]),
        ("conv pool pool conv", [0, 3]),
        ("conv flatten linear linear", [0]),
        ("conv l2pool conv normalize", [0]),
        ("conv conv global", [1]),
        ("conv relu", [1]),
        ("pool conv pool", [1]),
    ],
)
def test_the_usual_layers_end_the_blocks(kinds, found):
    made = {
        "conv": lambda: nn.Conv2d(1, 1, 1, seed=0),
        "relu": nn.ReLU,
        "pool": lambda: nn.MaxPool2d(2),
        "average": lambda: nn.AvgPool2d(2),
        "l2pool": lambda: nn.L2Pool2d(2),
        "flatten": nn.Flatten,
        "global": GlobalAverage,
        "linear": lambda: nn.Linear(1, 1, seed=0),
        "normalize": nn.L2Normalize,
    }
    layers = [made[kind]() for kind in kinds.split()]
    for number, layer in enumerate(layers):
        layer.name = f"layer {number}"
    assert see._a_layer_a_block(SimpleNamespace(layers=layers)) == [f"layer {number}" for number in found]


def test_a_figure_is_saved_and_told_of(monkeypatch, capsys):
    model = network()
    monkeypatch.setattr("minicnn.models.from_weights", lambda weights: model if weights == "toy.h5" else None)
    monkeypatch.setattr("minicnn.visualize.plots.save", lambda figure, out: saved.append((figure, out)))
    saved, draw = [], lambda found, arguments: (found, arguments.seed)
    see.run(SimpleNamespace(weights="toy.h5", out="a.png", draw=draw, seed=0))
    monkeypatch.setattr("minicnn.files.program", lambda name: SimpleNamespace(diagram=lambda what: f"{what} in {name}"))
    name = next(iter(see.DIAGRAMS))
    see._diagram(SimpleNamespace(name=name, out="b.png"))
    assert saved == [((model, 0), "a.png"), (f"{name} in diagrams.py", "b.png")]
    assert capsys.readouterr().out == f"a.png: toy\nb.png: {name}, {see.DIAGRAMS[name]}\n"
    with pytest.raises(InputError, match=r"^see: seed is -1; expected an integer of at least 0$"):
        see.run(SimpleNamespace(weights="toy.h5", out="c.png", draw=draw, seed=-1))
