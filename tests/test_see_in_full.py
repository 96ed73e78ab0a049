"""What the actions of `minicnn see` ask of the visualizations, which are stand-ins here."""

from types import SimpleNamespace

import numpy as np
import pytest

from minicnn import images, visualize
from minicnn.cli import see
from minicnn.errors import InputError
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
