"""Films by PyAV: frames upright and one at a time, no other file opened, and one line for what is no film."""

import sys
import types
import wave

import numpy as np
import pytest

from minicnn import films, images
from minicnn.errors import InputError, MissingFileError

HEIGHT, WIDTH, COUNT, RATE = 48, 64, 12, 4


def write(path, *, codec="mpeg4", turn=0):
    """A film whose upper left quarter is red, and which gets brighter."""
    av = pytest.importorskip("av", reason=f"needs PyAV: {films.INSTALL}")
    with av.open(str(path), "w") as film:
        stream = film.add_stream(codec, rate=RATE)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        if turn:
            stream.set_display_rotation(turn)
        for number in range(COUNT):
            picture = np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8)
            picture[: HEIGHT // 2, : WIDTH // 2] = (255, 0, 0)
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        film.mux(stream.encode())
    return path


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mpeg4"), ("a.mkv", "libx264")])
def test_a_film_is_its_frames(tmp_path, name, codec):
    path = write(tmp_path / name, codec=codec)
    before = path.read_bytes()
    film = films.Film(path)
    assert len(film) == (COUNT if name == "a.mp4" else 0)  # Matroska does not say
    for _ in range(2):  # from the beginning each time
        times, pictures = zip(*film, strict=True)
        assert times[:3] == ("0:00.00", "0:00.25", "0:00.50") and len(pictures) == COUNT
        assert {(picture.shape, picture.dtype.name) for picture in pictures} == {((HEIGHT, WIDTH, 3), "float32")}
    levels = [picture[-8:, -8:].mean() * 255 for picture in pictures]
    np.testing.assert_allclose(levels, 10 * np.arange(COUNT), atol=4)
    assert pictures[0][4:16, 4:24, 0].min() > 0.9 > 0.1 > pictures[0][4:16, 4:24, 1].max()
    some = films.Film(str(path), every=5)
    assert [time for time, _ in some] == ["0:00.00", "0:01.25", "0:02.50"] and len(some) in (0, 3)
    assert path.read_bytes() == before and [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize(("turn", "quarter"), [(90, (1, 0)), (180, (1, 1)), (270, (0, 1))])
def test_a_film_of_a_telephone_is_turned_upright(tmp_path, turn, quarter):
    _, picture = next(iter(films.Film(write(tmp_path / "a.mp4", turn=turn))))
    height, width = (WIDTH, HEIGHT) if turn % 180 else (HEIGHT, WIDTH)
    assert picture.shape == (height, width, 3) and picture.flags.c_contiguous
    row, column = quarter[0] * height // 2 + height // 4, quarter[1] * width // 2 + width // 4
    assert picture[row, column, 0] > 0.9
    assert picture[height // 2 - 8 : height // 2 + 8, width // 2 - 8 : width // 2 + 8, 0].mean() < 0.5


def test_damaged_and_foreign_files_get_one_line(tmp_path):
    good = write(tmp_path / "a.mp4").read_bytes()
    late = write(tmp_path / "late.mkv", codec="mpeg4").read_bytes()
    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(1600))
    files = {
        "cut.mp4": good[: len(good) // 2],
        "noise.mp4": np.random.default_rng(0).bytes(4000),
        "empty.mp4": b"",
        "header.mkv": late[:500],
        "words.txt": b"words\n" * 99,
        "list.m3u8": b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\na.mp4\n#EXT-X-ENDLIST\n",
        "list.ffconcat": b"ffconcat version 1.0\nfile a.mp4\n",
        "sound.wav": (tmp_path / "sound.wav").read_bytes(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="expected a film, such as MP4, MKV or WebM") as said:
            list(films.Film(tmp_path / name))
        assert str(said.value).startswith(f"film {str(tmp_path / name)!r} ") and "\n" not in str(said.value), name


def test_what_is_damaged_later_says_from_where(tmp_path):
    """The code of the ninth frame is nothing but zeros."""
    path = write(tmp_path / "a.mp4")
    av = pytest.importorskip("av")
    with av.open(str(path)) as film:
        packet = [(packet.pos, packet.size) for packet in film.demux(video=0) if packet.size][8]
    content = bytearray(path.read_bytes())
    content[packet[0] : sum(packet)] = bytes(packet[1])
    path.write_bytes(content)
    seen = []
    with pytest.raises(InputError, match=r"is damaged after 0:01.75 \(.+\); expected a film"):
        for time, _ in films.Film(path):
            seen.append(time)
    assert len(seen) == 8


def test_paths_that_are_no_files(tmp_path):
    with pytest.raises(MissingFileError, match=r"film '.*nowhere.mp4' does not exist; expected a film"):
        films.Film(tmp_path / "nowhere.mp4")
    with pytest.raises(InputError, match="is a folder; expected a film"):
        films.Film(tmp_path)
    with pytest.raises(InputError, match="film: every is 0; expected"):
        films.Film(tmp_path, every=0)


def test_without_the_extra_a_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "a.mp4").touch()
    with pytest.raises(InputError, match=r"film '.*a.mp4' is read by PyAV \(.*\); pip install '.\[film\]' installs it"):
        films.Film(tmp_path / "a.mp4")


def test_frames_may_be_no_larger_than_pictures(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4")
    monkeypatch.setattr(images, "MOST_PIXELS", WIDTH * HEIGHT - 1)
    with pytest.raises(InputError, match=rf"is too large: {WIDTH} × {HEIGHT} pixels; expected at most 3,071"):
        films.Film(path)
    monkeypatch.setattr(images, "MOST_PIXELS", WIDTH * HEIGHT)
    monkeypatch.setattr(images, "LARGE", 1)
    monkeypatch.setattr(images, "available_memory", lambda: 1000)
    with pytest.raises(InputError, match=r"is too large: it needs 67.6 kB of memory, and 1.0 kB are free"):
        films.Film(path)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00.00"), (75.25, "1:15.25"), (59.999, "1:00.00"), (3725.5, "1:02:05.50"), (-1, "0:00.00")],
)
def test_times(seconds, text):
    assert films.clock(seconds) == text


# Without PyAV: a stand-in for it, of three frames


class Frame:
    """A frame whose pixels count up from 60 times its number."""

    def __init__(self, number, *, rotation=0, is_corrupt=False, time=True):
        self.number, self.rotation, self.is_corrupt = number, rotation, is_corrupt
        self.time, self.width, self.height = number / RATE if time else None, 5, 4

    def to_ndarray(self, format):
        assert format == "rgb24"
        return np.arange(60, dtype=np.uint8).reshape(4, 5, 3) + 60 * self.number


class StandIn:
    """PyAV, and a container with one stream. opened: what av.open was given."""

    def __init__(self, frames, *, frames_said=3, kind="mp4", width=5, problem=None):
        self.frames, self.problem = frames, problem
        context = types.SimpleNamespace(width=width, height=4, options={})
        self.stream = types.SimpleNamespace(frames=frames_said, codec_context=context)
        self.streams, self.format = types.SimpleNamespace(video=[self.stream]), types.SimpleNamespace(name=kind)

    def open(self, file, container_options):
        assert not file.closed and container_options == {"protocol_whitelist": ""}
        if self.problem is not None:
            raise self.problem
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def decode(self, stream):
        assert stream is self.stream and stream.codec_context.options == {"max_pixels": str(images.MOST_PIXELS)}
        for frame in self.frames:
            if isinstance(frame, Exception):
                raise frame
            yield frame


@pytest.fixture
def film_of(tmp_path, monkeypatch):
    (tmp_path / "a.mp4").touch()

    def made(*frames, every=1, **said):
        monkeypatch.setitem(sys.modules, "av", StandIn(frames, **said))
        return films.Film(tmp_path / "a.mp4", every=every)

    return made


def test_frames_are_pictures_with_times(film_of):
    film = film_of(Frame(0), Frame(1, time=False), Frame(2), frames_said=3)
    (first, zero), (second, one), (third, two) = film
    assert (first, second, third, len(film)) == ("0:00.00", "frame 2", "0:00.50", 3)
    np.testing.assert_array_equal(zero, (np.arange(60).reshape(4, 5, 3) / np.float32(255)).astype(np.float32))
    assert (one[0, 0, 0], two[0, 0, 0]) == (np.float32(60 / 255), np.float32(120 / 255))
    assert zero.dtype == np.float32 and zero.flags.c_contiguous
    assert len(film_of(Frame(0), frames_said=None)) == 0
    assert len(film_of(Frame(0), frames_said=7, every=3)) == 3


def test_every_nth_frame_that_is_whole_is_shown_upright(film_of):
    film = film_of(Frame(0), Frame(1), Frame(2, is_corrupt=True), Frame(3), Frame(4, rotation=90), every=2)
    (first, _), (second, turned) = film
    assert (first, second) == ("0:00.00", "0:01.00")
    np.testing.assert_array_equal(turned, np.rot90(Frame(4).to_ndarray("rgb24") / np.float32(255)))


@pytest.mark.parametrize(
    ("frames", "said", "line"),
    [
        ([], {"problem": OSError(2, "not to be had")}, r"cannot be read \(not to be had\); expected a film"),
        ([], {"problem": ValueError("odd\nbytes")}, r"cannot be read \(odd bytes\); expected a film"),
        ([], {"kind": "tty"}, "holds no moving pictures; expected a film"),
        ([], {"width": 10**9}, "is too large: 1000000000 × 4 pixels"),
        ([], {}, "holds no whole frame; expected a film"),
        ([Frame(0, is_corrupt=True)], {}, "holds no whole frame; expected a film"),
        ([ValueError("torn")], {}, r"cannot be read \(torn\); expected a film"),
        ([Frame(0), Frame(1), OSError(5, "torn")], {}, r"is damaged after 0:00\.25 \(torn\); expected a film"),
    ],
)
def test_what_is_no_film_gets_one_line(film_of, frames, said, line):
    with pytest.raises(InputError, match=line) as caught:
        list(film_of(*frames, **said))
    assert "\n" not in str(caught.value)
