"""Collections in shards, by one process: whole or not there, resumed, checked, and searched as one sorted array is."""

import errno
import json
import os
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from minicnn import faces, images, scale
from minicnn.cli import main
from minicnn.errors import InputError, LoadError
from minicnn.faces import gallery_file
from minicnn.faces.cropping import crop
from minicnn.faces.encoding import identity
from minicnn.faces.quality import Quality
from minicnn.faces.search import nearest
from minicnn.models.card import ModelCard
from minicnn.models.network import Network
from minicnn.nn import Flatten, Linear
from minicnn.scale import jobs, shards
from minicnn.text import one_line

FACTS = {"model": "small", "weights_sha256": "ab", "metric": "squared_l2", "embedding": 2, "shards": 1}
POOR = Quality(1.0, 20.0, 0.0, 1.0, 0.5, 30.0, 0.0, 1.0, 1.0)


def small_encoder(seed=0, **card):
    """A linear map of 4 × 4 pixels to 8 numbers."""
    facts = {"name": "small", "preprocessing": "none", "metric": "squared_l2", **card}
    layers = [Flatten(name="flatten"), Linear(48, 8, seed=seed, name="embedding")]
    return Network(ModelCard(input_size=(4, 4), embedding=8, **facts), layers)


@pytest.fixture
def album(tmp_path, monkeypatch):
    """Eleven pictures of four people in the current folder, one of them broken, and a folder `out`."""
    monkeypatch.chdir(tmp_path)
    names = [f"album/{person}/{number}.png" for person in ("Ada", "Bo", "Cy", "Di") for number in range(3)][:11]
    for seed, name in enumerate(names):
        os.makedirs(os.path.dirname(name), exist_ok=True)
        images.save(name, np.random.default_rng(seed).random((4, 4, 3), np.float32))
    Path(names[4]).write_bytes(b"no picture")
    os.mkdir("out")
    return names


def content(folder="out"):
    """{name: bytes} of every shard."""
    found = sorted(name for name in os.listdir(folder) if name.endswith(".h5"))
    return {name: Path(folder, name).read_bytes() for name in found}


def test_a_shard_holds_encodings_and_a_manifest_that_any_tool_reads(album):
    encoder = small_encoder()
    states = []
    done = scale.encode_all(album, "out", encoder, per_shard=4, on_shard=states.append)
    assert done == states[-1] == scale.Summary(3, 11, 10, 1) and [state.shards for state in states] == [0, 1, 2, 3]
    with h5py.File("out/000001.h5") as file:
        assert file.attrs["weights_sha256"] == identity(encoder)["weights_sha256"] and file.attrs["model"] == "small"
        rows = json.loads(file["pictures"][()].tobytes())
        assert [row["picture"] for row in rows] == album[4:8]
        assert rows[0]["error"].startswith("load: path 'album/Bo/1.png' is not recognised") and rows[1]["faces"] == 1
        assert file["faces"][:, 0].tolist() == [1, 2, 3] and file.attrs["columns"].split(",")[0] == "picture"
        sound = np.stack([images.load(name) for name in album[5:8]])
        assert_array_equal(file["encodings"], faces.encode(encoder, sound))


def test_the_same_pictures_give_the_same_bytes(album):
    scale.encode_all(album, "out", small_encoder(), per_shard=4)
    os.mkdir("again")
    scale.encode_all(album, "again", small_encoder(), per_shard=4)
    assert content() == content("again") and len(content()) == 3


def stop_after(count):
    def on_shard(state):
        if state.shards == count:
            raise KeyboardInterrupt

    return on_shard


def test_a_stopped_run_resumes_and_loses_and_doubles_nothing(album):
    scale.encode_all(album, "out", small_encoder(), per_shard=2)
    os.mkdir("stopped")
    with pytest.raises(KeyboardInterrupt):
        scale.encode_all(album, "stopped", small_encoder(), per_shard=2, on_shard=stop_after(2))
    assert [*content("stopped")] == ["000000.h5", "000001.h5"]
    assert scale.Collection("stopped").missing == 4
    os.remove("stopped/000000.h5")  # what is missing need not be the end
    before = os.stat("stopped/000001.h5").st_mtime_ns
    assert scale.encode_all(album, "stopped", small_encoder(), per_shard=2) == scale.Summary(6, 11, 10, 1)
    assert content() == content("stopped") and os.stat("stopped/000001.h5").st_mtime_ns == before


@pytest.mark.parametrize(
    ("order", "seed", "per_shard", "said"),
    [
        (slice(None), 1, 4, "another weights_sha256"),
        (slice(None, None, -1), 0, 4, "another key"),
        (slice(None), 0, 3, "another shards"),
        (slice(4), 0, 4, "is no shard of these pictures"),
    ],
)
def test_a_folder_of_another_run_is_refused(album, order, seed, per_shard, said):
    scale.encode_all(album, "out", small_encoder(), per_shard=4)
    before = content()
    with pytest.raises(InputError, match=said):
        scale.encode_all(album[order], "out", small_encoder(seed), per_shard=per_shard)
    assert content() == before


def test_a_full_disk_leaves_whole_shards_and_one_line(album, monkeypatch):
    synchronize, room = os.fsync, iter([None, None])

    def fsync(file):
        if next(room, "full") == "full":
            raise OSError(errno.ENOSPC, "No space left on device")
        synchronize(file)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(InputError, match=r"000002\.h5' cannot be written \(No space left on device\); finished shards"):
        scale.encode_all(album, "out", small_encoder(), per_shard=2)
    assert [*content()] == ["000000.h5", "000001.h5"]
    assert not [name for name in os.listdir("out") if name.endswith(".part")]
    monkeypatch.setattr(os, "fsync", synchronize)
    assert scale.encode_all(album, "out", small_encoder(), per_shard=2).shards == 6


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as Unix does")
def test_a_disk_that_refuses_to_write_is_told_in_one_line(album, fresh_python, tmp_path):
    program = """
import resource
from minicnn.scale import shards
from minicnn.errors import InputError
from pathlib import Path

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    shards.write(Path(sys.argv[0], "000000.h5"), bytes(5000))
except InputError as problem:
    print(problem)
"""
    said = fresh_python(program, tmp_path / "out")
    assert "cannot be written (File too large)" in said and os.listdir("out") == []


def test_another_process_that_writes_is_noticed(album, monkeypatch):
    monkeypatch.setattr(gallery_file, "PATIENCE", 0.1)
    with gallery_file.alone(Path("out/shards")), pytest.raises(InputError, match="another process has been"):
        scale.encode_all(album, "out", small_encoder())
    assert content() == {}


def test_no_pictures_and_no_folder_are_refused(album):
    with pytest.raises(InputError, match="pictures are none; expected one or more"):
        scale.encode_all([], "out", small_encoder())
    with pytest.raises(InputError, match="per_shard is 0"):
        scale.encode_all(album, "out", small_encoder(), per_shard=0)
    with pytest.raises(InputError, match="in a folder that does not exist"):
        scale.encode_all(album, "nowhere", small_encoder())
    for folder, why in (("nowhere", "does not exist"), ("out", "holds no shards")):
        with pytest.raises(InputError, match=why):
            scale.Collection(folder)


# Damage


@pytest.mark.parametrize("place", [0, 40, 300, 700, 5000, -1, "cut", "empty", "folder", "text"])
def test_a_damaged_shard_is_named_and_never_searched(album, place):
    scale.encode_all(album, "out", small_encoder(), per_shard=4)
    path = "out/000001.h5"
    whole = Path(path).read_bytes()
    spoilt = {"cut": whole[:-9], "empty": b"", "text": b"a letter to a friend"}
    os.remove(path)
    if place == "folder":
        os.mkdir(path)
    else:
        damaged = bytearray(spoilt.get(place, whole))
        if isinstance(place, int):
            damaged[place] ^= 1
        Path(path).write_bytes(damaged)
    for use in (
        lambda: scale.Collection("out").nearest(np.zeros((1, 8)), 1),
        lambda: scale.encode_all(album, "out", small_encoder(), per_shard=4),
    ):
        with pytest.raises(
            LoadError, match=r"shard 'out/000001\.h5' is (damaged|of another run)|000001\.h5' is damaged"
        ):
            use()
    assert len(os.listdir("out")) >= 3
    os.rmdir(path) if place == "folder" else os.remove(path)
    scale.encode_all(album, "out", small_encoder(), per_shard=4)
    assert Path(path).read_bytes() == whole


@pytest.mark.parametrize("name", ["encodings", "faces", "pictures"])
def test_a_shard_with_room_for_fewer_rows_than_its_header_says_is_truncated(album, name):
    scale.encode_all(album, "out", small_encoder())
    path = Path("out/000000.h5")
    content = path.read_bytes()
    header = json.loads(content[: shards.HEADER].rstrip(b"\0"))
    offset, shape = header["arrays"][name]
    room = (len(content) - offset) // (4 * shape[1] if shape[1:] else 1)
    for rows in (room, room + 1):
        shape[0] = rows
        path.write_bytes(json.dumps(header).encode().ljust(shards.HEADER, b"\0") + content[shards.HEADER :])
        if rows == room:
            assert shards.opened(path).header == header
    with pytest.raises(LoadError, match="it is truncated"):
        shards.opened(path)


def change(**values):
    """Replace the place of an array, or another fact, of a header."""
    return lambda header: (header["arrays"] if values.keys() <= shards.DTYPES.keys() else header).update(values)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (change(format="minicnn-encodings-2"), "its format is minicnn-encodings-2"),
        (change(format="x" * 200), one_line("its format is " + "x" * 200, 80)),
        (change(encodings=[-1, [3, 2]]), "encodings lies at -1, [3, 2]"),
        (change(encodings=[5000.0, [3, 2]]), "encodings lies at 5000.0, [3, 2]"),
        (change(encodings=[True, [3, 2]]), "encodings lies at True, [3, 2]"),
        (change(faces=[5000, [-3, 2]]), "faces lies at 5000, [-3, 2]"),
        (change(faces=[5000, [3]]), "faces lies at 5000, [3]"),
        (change(encodings=[5000, [3, 2, 1]]), "encodings lies at 5000, [3, 2, 1]"),
        (change(pictures=[5000, [3, 1]]), "pictures lies at 5000, [3, 1]"),
        (lambda header: header.pop("sha256"), "'sha256'"),
        (lambda header: header["arrays"].pop("faces"), "'faces'"),
    ],
)
def test_a_header_that_describes_no_arrays_is_refused(tmp_path, spoil, said):
    path = tmp_path / "000000.h5"
    table = np.zeros((3, len(shards.COLUMNS)), np.float32)
    content = shards.packed(FACTS, np.zeros((3, 2), np.float32), table, [{"picture": "a.png", "faces": 3}])
    path.write_bytes(content)
    shard = shards.opened(path)
    assert len(shard) == 3
    shard.check()
    shard.check(shard.header["sha256"])
    with pytest.raises(LoadError, match="is damaged: its checksum is not"):
        shard.check("0" * 64)
    header = json.loads(content[: shards.HEADER].rstrip(b"\0"))
    spoil(header)
    path.write_bytes(json.dumps(header).encode().ljust(shards.HEADER, b"\0") + content[shards.HEADER :])
    with pytest.raises(LoadError) as caught:
        shards.opened(path)
    assert str(caught.value) == f"shard {str(path)!r} is damaged, or none ({said}); {shards.AGAIN}"


def test_a_folder_called_like_a_shard_is_none(tmp_path):
    path = tmp_path / "000000.h5"
    path.mkdir()
    with pytest.raises(LoadError) as caught:
        scale.Collection(tmp_path)
    assert str(caught.value) == f"shard {str(path)!r} is damaged, or none (it is a folder); {shards.AGAIN}"


def test_facts_have_the_room_of_a_header():
    def packed(letters):
        nobody = np.zeros((0, 2), np.float32), np.zeros((0, len(shards.COLUMNS)), np.float32)
        return shards.packed({**FACTS, "note": "n" * letters}, *nobody, [])

    def taken(letters):
        return len(packed(letters)[: shards.HEADER].rstrip(b"\0"))

    most = 3000 + shards.HEADER - taken(3000)
    assert taken(most) == shards.HEADER
    with pytest.raises(
        InputError, match=r"^encode: the facts of the encoder take 4,097 bytes; expected at most 4,096$"
    ):
        packed(most + 1)


def test_pictures_are_cut_into_shards_with_a_witness(album, monkeypatch):
    asked = []
    monkeypatch.setattr(jobs, "_run_here", lambda client, model, tasks: asked.append(tasks) or [])
    missing = [f"{number}.png" for number in range(1001)]
    scale.encode_all(missing, "out", small_encoder())
    scale.encode_all([*missing[:3], *album], "out", small_encoder(), per_shard=7)
    usual, seven = (list(tasks.values()) for tasks in asked)
    assert [len(task.pictures) for task in usual] == [1000, 1] and [len(task.pictures) for task in seven] == [7, 7]
    assert {task.witness for task in usual} == {os.path.abspath("0.png")}  # there is none
    assert {task.witness for task in seven} == {os.path.abspath(album[0])}
    assert [(task.facts["number"], task.facts["shards"], task.base) for task in seven] == [
        (0, 2, os.getcwd()),
        (1, 2, os.getcwd()),
    ]


def test_the_order_of_facts_changes_no_key_and_no_checksum():
    facts = {"model": "small", "embedding": 2}
    turned = dict(reversed(facts.items()))
    assert len({jobs.Task(("a.png",), ".", "a.png", found).key for found in (facts, turned)}) == 1
    assert shards._digest(facts, [b"a", b"b"]) == shards._digest({"sha256": "other", **turned}, [b"ab"])


def test_an_error_has_room_for_a_long_name(album):
    name = "n" * 150 + ".png"
    Path(name).write_bytes(b"no picture")
    scale.encode_all([name], "out", small_encoder())
    (row,) = shards.opened(Path("out/000000.h5")).pictures
    assert f"'{name}' is not recognised" in row["error"] and len(row["error"]) <= 300


def test_a_picture_of_the_encoders_size_is_a_face_and_others_are_looked_at(album, monkeypatch):
    looked = []
    monkeypatch.setattr(jobs, "find", lambda image, detector: looked.append((image.shape, detector)) or [])
    for height, width in ((4, 4), (4, 6), (6, 4)):
        images.save(f"{height}x{width}.png", np.random.default_rng(width).random((height, width, 3), np.float32))
    encoder, names = small_encoder(), ["4x4.png", "4x6.png", "6x4.png"]
    assert scale.encode_all(names, "out", encoder, detector="a detector").faces == 1
    assert looked == [((4, 6, 3), "a detector"), ((6, 4, 3), "a detector")]
    shard = shards.opened(Path("out/000000.h5"))
    assert shard.header["detector"] == "str"  # its class
    assert [row["faces"] for row in shard.pictures] == [1, 0, 0] and shard.faces[:, 0].tolist() == [0]
    os.mkdir("middle")
    assert scale.encode_all(names, "middle", encoder).faces == 3 and len(looked) == 2
    assert shards.opened(Path("middle/000000.h5")).header["detector"] == "none"
    crops = [crop(images.load(name), encoder.card) for name in names]
    assert_array_equal(shards.opened(Path("middle/000000.h5")).encodings, faces.encode(encoder, np.stack(crops)))


def test_shards_of_two_encoders_are_not_searched_together(album):
    for folder, seed in (("out/a", 0), ("out/b", 1)):
        os.mkdir(folder)
        scale.encode_all(album, folder, small_encoder(seed))
    with pytest.raises(LoadError, match="is of another encoder than the first"):
        scale.Collection("out")
    with pytest.raises(LoadError, match="another encoder"):
        scale.ShardGallery(scale.Collection("out/a"), small_encoder(1), threshold=0.1)


# Search


def collection_of(folder, parts, **facts):
    """A collection of these encodings, a shard each."""
    for number, part in enumerate(parts):
        table = np.full((len(part), len(shards.COLUMNS)), np.nan, np.float32)
        table[:, 0] = np.arange(len(part))
        rows = [{"picture": f"{number}/{i}.png", "faces": 1} for i in range(len(part))]
        told = {**FACTS, "embedding": part.shape[1], "shards": len(parts), **facts}
        shards.write(folder / f"{number:06d}.h5", shards.packed(told, part, table, rows))
    return scale.Collection(folder)


@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=6),
    values=st.integers(1, 3),
    k=st.integers(1, 50),
    seed=st.integers(0, 99),
)
def test_the_result_is_that_of_one_sorted_array_ties_included(tmp_path_factory, sizes, values, k, seed):
    random = np.random.default_rng(seed)
    parts = [random.integers(0, values + 1, (size, 3)).astype(np.float32) for size in sizes]  # few values: many ties
    found = collection_of(tmp_path_factory.mktemp("ties"), parts)
    queries, everything = random.integers(0, values + 1, (4, 3)).astype(np.float64), np.concatenate(parts)
    distances = np.square(queries[:, None] - everything).sum(axis=-1)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    result = found.nearest(queries, k)
    assert_array_equal(result.places, order)
    assert_array_equal(result.distances, np.take_along_axis(distances, order, 1))


def test_shards_of_every_length_are_one_array(tmp_path):
    random = np.random.default_rng(0)
    parts = [random.standard_normal((size, 16)).astype(np.float32) for size in (0, 20_000, 1, 0, 16_384, 30_000, 0)]
    found, everything = collection_of(tmp_path, parts), np.concatenate(parts)
    queries = random.standard_normal((3, 16))
    ours, theirs = found.nearest(queries, 9), nearest(queries, everything, 9)
    assert_array_equal(ours.places, theirs.places)
    assert_array_equal(ours.distances, theirs.distances)
    for rows in (slice(19_990, 36_400), slice(66_380, 70_000), slice(None, 3)):
        assert_array_equal(found.rows[rows], everything[rows])
    assert len(found) == 66_385 and isinstance(found.shards[1].encodings.base, np.memmap)


@pytest.mark.parametrize("metric", ["l2", "cosine", "chi2"])
def test_other_metrics_are_exact_too(tmp_path, metric):
    random = np.random.default_rng(0)
    parts = [random.random((size, 4)).astype(np.float32) + 0.1 for size in (7, 0, 5)]
    found = collection_of(tmp_path, parts, metric=metric)
    queries, everything = random.random((2, 4)) + 0.1, np.concatenate(parts).astype(np.float64)
    if metric == "chi2":
        distances = (np.square(queries[:, None] - everything) / (queries[:, None] + everything)).sum(axis=-1)
    else:
        distances = faces.distance(queries[:, None], everything, metric=metric)
    result = found.nearest(queries, 20)
    assert_array_equal(result.places, np.argsort(distances, axis=1, kind="stable"))
    np.testing.assert_allclose(result.distances, np.sort(distances, axis=1), rtol=1e-6)


@pytest.mark.parametrize("metric", ["squared_l2", "cosine"])
def test_wrong_queries_are_refused(tmp_path, metric):
    found = collection_of(tmp_path, [np.ones((3, 2), np.float32)], metric=metric)
    with pytest.raises(
        InputError, match=r"queries have shape \(1, 3\) and dtype float64; expected floats \(queries, 2\)"
    ):
        found.nearest(np.zeros((1, 3)))
    for queries in (np.zeros(2), np.zeros((1, 2), int), np.zeros((1, 1, 2))):
        with pytest.raises(InputError, match=r"queries have shape .* expected floats \(queries, 2\)"):
            found.nearest(queries)
    with pytest.raises(InputError, match="k is 0"):
        found.nearest(np.zeros((1, 2)), 0)
    with pytest.raises(InputError, match="place is -1"):
        found.hit(-1)
    with pytest.raises(InputError, match="place is 3"):
        found.hit(3)


def test_a_hit_tells_the_picture_the_face_the_box_and_the_quality(tmp_path):
    table = np.array([[0, 9, 2, 3, 4, 0.9, 0, *POOR], [2, *[np.nan] * 16], [2, 5, 6, 7, 8, 0.8, 90, *POOR]], np.float32)
    rows = [{"picture": "a.png", "faces": 1}, {"picture": "b.png", "error": "bad"}, {"picture": "c.png", "faces": 2}]
    shards.write(tmp_path / "000000.h5", shards.packed(FACTS, np.eye(3, 2, dtype=np.float32), table, rows))
    found = scale.Collection(tmp_path)
    assert found.hit(0)[:3] == ("a.png", 1, (9, 2, 3, 4)) and "blurred" in found.hit(0).quality.problem
    assert found.hit(1) == ("c.png", 1, None, None) and found.hit(2)[:3] == ("c.png", 2, (5, 6, 7, 8))


def test_a_gallery_over_shards_answers_as_a_gallery_does(album):
    encoder = small_encoder()
    scale.encode_all(album, "out", encoder, per_shard=4)
    ours = scale.ShardGallery(scale.Collection("out"), encoder, threshold=0.05)
    theirs = faces.Gallery(encoder, threshold=0.05)
    for name in album:
        if name != album[4]:
            theirs.enroll(name.split("/")[1], images.load(name))
    assert ours.people == theirs.people and ours.comparisons == theirs.comparisons == 10
    for seed in range(14):
        visitor = np.random.default_rng(seed).random((4, 4, 3), np.float32)
        found, expected = ours.identify(visitor, matches=4), theirs.identify(visitor, matches=4)
        assert [match.name for match in found.matches] == [match.name for match in expected.matches]
        # One picture in another batch has an encoding that is nearly the same.
        assert found.margin == pytest.approx(expected.margin, abs=1e-5) and found.name == expected.name
    assert ours.verify("Ada", images.load(album[1])).same and not ours.verify("Bo", images.load(album[1])).same
    np.testing.assert_allclose(ours.encodings("Bo"), theirs.encodings("Bo"), atol=1e-5)
    by_picture = scale.ShardGallery(scale.Collection("out"), encoder, threshold=0.05, person=str)
    assert by_picture.identify(images.load(album[7])).name == album[7]
    for change in (lambda: ours.enroll("Eve", visitor), lambda: ours.remove("Ada"), lambda: ours.save("x.h5")):
        with pytest.raises(InputError, match="over shards"):
            change()


# The commands


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Crops of the size of tiny_facenet in the current folder, in two subfolders; one is broken."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("Ada/1.png", "Ada/2.png", "Bo/1.png", "Bo/2.png")):
        os.makedirs(os.path.dirname(f"album/{name}"), exist_ok=True)
        picture = np.random.default_rng(seed // 2).random((64, 64, 3), np.float32)
        images.save(f"album/{name}", picture * np.float32(1 - 0.01 * (seed % 2)))
    Path("album/Bo/2.png").write_bytes(b"broken")
    return tmp_path


def test_the_commands_encode_and_find(drawn, capsys):
    assert main(["face", "encode", "album", "-o", "encodings", "--drawn", "--per-shard", "3"]) == 0
    seen = capsys.readouterr()
    assert seen.out == "encodings: 3 faces in 4 pictures, 2 shards\n"
    assert seen.err == "note: 1 picture could not be read; the manifests of the shards say why\n"
    assert main(["face", "search", "encodings", "album/Ada/2.png", "--drawn", "--matches", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["album/Ada/2.png, face 1", "  0.0000  album/Ada/2.png"]
    command = ["face", "search", "encodings", "album/Ada/1.png", "album/Bo/2.png", "--drawn", "--json"]
    assert main([*command, "--threshold", "1e-5"]) == 2  # the second is broken
    first, second = json.loads(capsys.readouterr().out)
    assert [hit["picture"] for hit in first["hits"]] == ["album/Ada/1.png"] and second["status"] == 2
    assert first["hits"][0] | {"distance": 0} == {
        "distance": 0, "picture": "album/Ada/1.png", "face": 1, "box": None, "quality": None, "problem": "",
    }  # fmt: skip
    assert main(["face", "search", "encodings", "album/Bo/1.png", "--drawn", "--threshold=-1"]) == 1
    assert capsys.readouterr().out.endswith("nobody within the threshold\n")
    images.save("new.png", np.random.default_rng(9).random((64, 64, 3), np.float32))
    command = ["face", "search", "encodings", "new.png", "album/Ada/1.png", "--drawn"]
    assert main([*command, "--threshold", "1e-5"]) == 1  # though the second is found
    assert capsys.readouterr().out.splitlines() == [
        "new.png, face 1",
        "  nobody within the threshold",
        "album/Ada/1.png, face 1",
        "  0.0000  album/Ada/1.png",
    ]


def test_a_list_of_paths_is_encoded_in_its_order(drawn, capsys):
    (drawn / "list.txt").write_text("album/Bo/1.png\n\nalbum/Ada/1.png\nalbum/Bo/1.png\n", encoding="utf-8")
    assert main(["face", "encode", "list.txt", "-o", "encodings", "--drawn", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"out": "encodings", "encoder": "tiny_facenet", "shards": 1, "pictures": 2, "faces": 2, "broken": 0}
    rows = scale.Collection("encodings").shards[0].pictures
    assert [row["picture"] for row in rows] == ["album/Bo/1.png", "album/Ada/1.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("face encode nowhere -o out --drawn", "'nowhere' does not exist; expected a folder"),
        ("face encode album/Ada/1.png -o out --drawn", "is a picture; expected a folder"),
        ("face encode empty.txt -o out --drawn", "'empty.txt' is empty; expected a folder"),
        ("face encode album -o out --drawn --per-shard 0", "per_shard is 0"),
        ("face encode album -o out --drawn --workers 2", "Dask is missing"),
        ("face encode album -o out --drawn --cluster tcp://here:1", "pip install '.[cluster]' installs it"),
        ("face search nowhere album/Ada/1.png --drawn", "collection 'nowhere' does not exist"),
        ("face search album album/Ada/1.png --drawn", "collection 'album' holds no shards"),
        ("face search out album/Ada/1.png --drawn --matches 0", "--matches is 0"),
    ],
)
def test_bad_input_is_told_in_one_line(drawn, capsys, monkeypatch, words, said):
    monkeypatch.setitem(sys.modules, "distributed", None)
    (drawn / "empty.txt").write_text("\n", encoding="utf-8")
    assert main(words.split()) == 2
    line = capsys.readouterr().err
    assert said in line and line.count("\n") == 1


def test_a_search_tells_of_missing_shards(drawn, capsys):
    assert main(["face", "encode", "album", "-o", "encodings", "--drawn", "--per-shard", "1"]) == 0
    os.remove("encodings/000003.h5")
    assert main(["face", "search", "encodings", "album/Ada/1.png", "--drawn"]) == 0
    assert "1 shard is missing; minicnn face encode resumes a stopped run" in capsys.readouterr().err
