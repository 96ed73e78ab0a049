"""Photographs of LFW with real weights: what is done to them makes nobody somebody else, and a crowd is named."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from minicnn import faces, films, images, zoo
from minicnn.faces import Gallery, encoders
from minicnn.zoo import packages

pytestmark = pytest.mark.skipif(
    not all(packages.find(zoo.find(name)) for name in ("dlib_face", "mtcnn")),
    reason=f"needs the weights of faces: {packages.INSTALL}",
)
PEOPLE, EACH = 10, 10


@pytest.fixture(scope="module")
def encoder():
    return encoders.choose("dlib_face").network


@pytest.fixture(scope="module")
def photographs(shared_data):
    """Ten of ten people, the pictures of each in order, uint8."""
    folders = sorted(path for path in (shared_data / "lfw100").iterdir() if path.is_dir())
    found = [
        [np.rint(images.load(path) * 255).astype(np.uint8) for path in sorted(folder.iterdir())] for folder in folders
    ]
    assert len(found) == PEOPLE and {len(row) for row in found} == {EACH}
    return found


@pytest.fixture(scope="module")
def whole(photographs, encoder):
    """The face of each, as find finds it: the one nearest to the middle."""
    return [
        [min(faces.find(picture, encoder=encoder), key=lambda face: np.hypot(*(face.box[:2] + face.box[2:] - 250)))
         for picture in row]
        for row in photographs
    ]  # fmt: skip


@pytest.fixture(scope="module")
def galleries(whole, encoder):
    """One with the first five pictures of everybody, one with the others."""
    found = []
    for half in (slice(0, 5), slice(5, 10)):
        gallery = Gallery(encoder, threshold=0.36)
        for person, row in enumerate(whole):
            assert not gallery.enroll(str(person), row[half]).refused
        found.append(gallery)
    return found


def judged(galleries, shown):
    """Shares of those taken for another and of those without a verdict, of the first five people and of the others."""
    wrong, silent = np.zeros(2), np.zeros(2)
    for person, row in enumerate(shown):
        for number, picture in enumerate(row):
            result = galleries[number < 5].identify(picture, faces="centre")
            half = int(person >= PEOPLE // 2)
            wrong[half] += result.name not in (None, str(person))
            silent[half] += not result.judged
    return wrong / 50, silent / 50


def noisy(picture, deviation):
    noise = np.random.default_rng(int(picture.sum())).normal(0, deviation, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def compressed(picture):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=5)
    return np.asarray(Image.open(file))


def test_pictures_as_they_are_get_a_verdict(galleries, whole):
    wrong, silent = judged(galleries, whole)
    assert wrong.max() == 0 and silent.max() <= 0.01


@pytest.mark.parametrize("pixels", [4, 5.6, 7.2, 9, 16])
def test_a_blurred_chip_is_nobody_else(galleries, whole, pixels):
    chips = [[gaussian_filter(face.crop, (pixels, pixels, 0)) for face in row] for row in whole]
    wrong, _ = judged(galleries, chips)
    assert wrong.max() <= 0.01
    if pixels == 7.2:  # which is much that was wrong
        for gallery in galleries:
            gallery.any_quality = True
        wrong, silent = judged(galleries, chips)
        for gallery in galleries:
            gallery.any_quality = False
        assert wrong.min() > 0.2 and silent.max() == 0


@pytest.mark.parametrize("done", ["small", "blurred", "noise of 40", "noise of 80", "JPEG", "JPEG of the chip"])
def test_a_picture_that_is_spoilt_is_nobody_else(galleries, photographs, whole, done):
    def spoilt(picture, face):
        if done == "small":  # 20 pixels between the eyes
            size = round(250 * 20 / face.quality.eyes)
            return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.LANCZOS))
        if done == "blurred":
            return gaussian_filter(picture, (4, 4, 0))
        if done == "JPEG of the chip":
            return compressed(np.rint(face.crop * 255).astype(np.uint8))
        return compressed(picture) if done == "JPEG" else noisy(picture, float(done.split()[-1]))

    shown = []
    for row, found in zip(photographs, whole, strict=True):
        pictures = [spoilt(picture, face) for picture, face in zip(row, found, strict=True)]
        shown.append([picture for picture in pictures if len(picture) == 150 or faces.find(picture)])
        assert len(shown[-1]) >= 7  # of ten, whose faces are still found
    wrong, silent = judged(galleries, shown)
    assert wrong.max() <= 0.01
    assert silent.max() <= 0.01 if done == "small" else silent.min() >= 0.7


def test_everybody_in_a_crowd(photographs, encoder):
    """Twenty tiles, of which six are of strangers."""
    gallery = Gallery(encoder, threshold=0.36)
    for person in range(7):
        gallery.enroll(str(person), photographs[person][:3])
    tiles = [photographs[person][number] for number in (5, 6) for person in range(PEOPLE)]
    crowd = np.concatenate([np.concatenate(tiles[row * 5 : row * 5 + 5], axis=1) for row in range(4)])
    assert crowd.shape == (1000, 1250, 3)
    right = wrong = 0
    for result in gallery.identify_all(crowd):
        left, top, *_ = result.face.landmarks.mean(axis=0) // 250
        person = int(top * 5 + left) % PEOPLE
        right += result.name == str(person)
        wrong += result.name not in (None, str(person))
    assert right >= 13 and wrong == 0
    for person in range(7):
        assert gallery.verify(str(person), crowd)
    for name in map(str, range(7)):
        assert gallery.verify(name, crowd).face is not None


def crossing(photographs, count=10):
    """Frames in which two people cross, one of them growing, with another photograph in every second frame."""
    for t in range(count):
        frame = np.full((230, 460, 3), 90, np.uint8)
        for person, left, side in (
            (0, 10 + 240 * t // (count - 1), 170 + 4 * t),
            (5, 280 - 240 * t // (count - 1), 190),
        ):
            picture = Image.fromarray(photographs[person][5 + t // 2]).resize((side, side), Image.Resampling.LANCZOS)
            part = np.asarray(picture)[side // 8 : -side // 12, side // 5 : -side // 5]
            frame[10 : 10 + len(part), left : left + part.shape[1]] = part
        yield frame


@pytest.mark.parametrize("kind", ["frames", "film"])
def test_people_who_cross_are_followed_and_named(photographs, encoder, tmp_path, kind):
    gallery = Gallery(encoder, threshold=0.36)
    for person in (0, 3, 5):
        gallery.enroll(str(person), photographs[person][:2])
    frames = [*crossing(photographs)]
    if kind == "film":
        av = pytest.importorskip("av", reason=f"needs PyAV: {films.INSTALL}")
        with av.open(str(tmp_path / "a.mp4"), "w") as film:
            stream = film.add_stream("libx264", rate=5)
            stream.height, stream.width, stream.pix_fmt = 230, 460, "yuv420p"
            for frame in frames:
                film.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            film.mux(stream.encode())
        frames = tmp_path / "a.mp4"
    tracks = [track for track in faces.follow(frames, gallery) if track.verdict]
    assert sorted(str(track.verdict.name) for track in tracks) == ["0", "5"]
    first, last = ("1", "10") if kind == "frames" else ("0:00.00", "0:01.80")
    assert all((track.first, track.last) == (first, last) and track.frames >= 7 for track in tracks)
    assert max(track.verdict.distance for track in tracks) < 0.25
