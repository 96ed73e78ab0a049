"""Downloading a file to a temporary one, resuming an interrupted download if that is safe."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from minicnn.errors import InputError, LoadError, MissingFileError
from minicnn.text import file_size, one_line

TIMEOUT = (10.0, 30.0)  # seconds until the server answers, and between two chunks
ATTEMPTS = 5
PAUSE = 1.0  # seconds before the second attempt; it grows by as much with each attempt
PIECE = 2**16  # bytes
LARGEST = 2 * 2**30  # bytes; four times the largest file in the catalogue
EARLY = "the answer ended early"
LOOPBACK = ("localhost", "127.0.0.1", "::1")

Say = Callable[[str], None]


class Interrupted(MissingFileError):
    """The connection was lost for good. The data so far is the beginning of the file."""


class _Again(Exception):
    """A failed attempt that is worth repeating."""


def download(link: str, part: Path, *, title: str, verifiable: bool, progress: bool, say: Say) -> None:
    """Download a link to `part`, resuming after the bytes that it has if that is safe.

    verifiable: True if the caller verifies a checksum afterwards. progress: show a progress bar on a terminal.
    say: called with one line after each failed attempt.
    Raises Interrupted if the connection is lost, and MissingFileError if the file does not exist. Raises LoadError if
    it cannot be weights, and InputError if the folder cannot be written to or is full.
    """
    import pooch
    import requests

    check(link)
    host = urlsplit(link).netloc
    lost = (_Again, requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    with _Transfer(part, title, verifiable, progress) as transfer:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                downloader = pooch.HTTPDownloader(
                    chunk_size=PIECE,
                    timeout=TIMEOUT,
                    headers=transfer.headers(),
                    hooks={"response": transfer.look_at},
                )
                downloader(link, transfer, None)
                transfer.check_length()
                return
            except lost as problem:
                transfer.let_go()
                why = _reason(problem)
                if not transfer.answered:
                    raise Interrupted(f"{host} cannot be reached ({why})") from problem
                if attempt == ATTEMPTS:
                    raise Interrupted(f"{host}: {transfer.state()} ({why})") from problem
                say(f"{title}: {transfer.state()} ({why}); trying again")
            except requests.RequestException as problem:
                raise MissingFileError(f"{host}: {one_line(problem)}") from problem
            time.sleep(PAUSE * attempt)


def check(link: str) -> None:
    """Raise LoadError for a link without HTTPS, which others could tamper with. Localhost is allowed, for tests."""
    parts = urlsplit(link)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise LoadError(f"{link} is not HTTPS; a network that asks to log in first answers like this")


class _Transfer:
    """A download in progress. pooch writes to it, after it has checked each response of the server."""

    def __init__(self, part: Path, title: str, verifiable: bool, progress: bool) -> None:
        self.part, self.title, self.verifiable, self.progress = part, title, verifiable, progress
        self.answered = False
        self.total: int | None = None
        self.version: str | None = None  # the server's entity tag of this content
        self.response: Any = None
        self.bar: Any = None

    def __enter__(self) -> _Transfer:
        try:
            self.file = open(self.part, "ab")
        except OSError as problem:
            raise InputError(f"{self.part.parent} cannot be written to ({problem.strerror})") from problem
        self.have = self.file.tell()
        return self

    def __exit__(self, *raised: object) -> None:
        self.let_go()
        self.file.close()

    def let_go(self) -> None:
        """Close the last response and its progress bar."""
        for thing in (self.response, self.bar):
            if thing is not None:
                thing.close()
        self.response = self.bar = None

    def headers(self) -> dict[str, str]:
        """Return request headers for the rest of the file, or for all of it if two versions could be mixed up."""
        headers = {"Accept-Encoding": "identity"}  # a compressed response could not be resumed
        if self.have and not (self.version or self.verifiable):
            self._start_over()
        if self.have:
            headers["Range"] = f"bytes={self.have}-"
            if self.version:
                headers["If-Range"] = self.version
        return headers

    def look_at(self, response: Any, **settings: Any) -> None:
        """Check every response, redirects included, before its body is read."""
        self.let_go()
        self.response = response
        if response.is_redirect:
            check(urljoin(response.url, response.headers["location"]))
        else:
            self._judge(response)

    def _judge(self, response: Any) -> None:
        """Raise an error for a response without content, and truncate the file if the response starts over."""
        self.answered = True
        status = f"it answered {response.status_code} {response.reason}"
        if response.status_code == 416:  # beyond the end: the data so far is not the beginning of this file
            self._start_over()
            raise _Again(status)
        if response.status_code >= 500 or response.status_code == 429:
            raise _Again(status)
        if response.status_code not in (200, 206):
            raise MissingFileError(f"{urlsplit(response.url).netloc}: {status}")
        begins = f"bytes {self.have}-"
        if response.status_code == 206 and not response.headers.get("content-range", "").startswith(begins):
            self._start_over()
            raise _Again("it answered with another part of the file")
        if response.status_code == 200 and self.have:
            self._start_over()
        self._expect(response)

    def _start_over(self) -> None:
        self.file.truncate(0)
        self.have = 0

    def _expect(self, response: Any) -> None:
        """Record the file's length and entity tag. Raises LoadError if it is too large, InputError for a full disk."""
        version = response.headers.get("etag", "")
        self.version = version if version.startswith('"') else None  # a weak tag does not guarantee the same bytes
        length = response.headers.get("content-length", "")
        self.total = self.have + int(length) if length.isdecimal() else None
        self._check_size(self.total or 0)
        free = shutil.disk_usage(self.part.parent).free
        if (self.total or 0) - self.have > free:
            raise InputError(
                f"{self.title} is {file_size(self.total)}; {self.part.parent} has {file_size(free)} of room"
            )
        self.bar = self._new_bar()

    def _new_bar(self) -> Any:
        from tqdm import tqdm

        return tqdm(
            desc=self.title,
            total=self.total,
            initial=self.have,
            unit="B",
            unit_scale=True,
            leave=False,
            disable=None if self.progress else True,  # None: show it on a terminal only
        )

    def _check_size(self, length: int) -> None:
        if length > LARGEST:
            raise LoadError(f"the link gives more than {file_size(LARGEST)}; expected weights")

    def write(self, piece: bytes) -> None:
        self._check_size(self.have + len(piece))
        try:
            self.file.write(piece)
        except OSError as problem:
            raise InputError(f"{self.part.parent} cannot be written to ({problem.strerror})") from problem
        self.have += len(piece)
        self.bar.update(len(piece))

    def flush(self) -> None:
        """Do nothing. pooch flushes after every chunk, but closing the file is enough."""

    def check_length(self) -> None:
        if self.total is not None and self.have < self.total:
            raise _Again(EARLY)

    def state(self) -> str:
        of = f" of {file_size(self.total)}" if self.total else ""
        return f"it broke off after {file_size(self.have)}{of}" if self.have else "nothing came"


def _reason(problem: BaseException) -> str:
    """Return the root cause in words; libraries wrap it several times."""
    from http.client import IncompleteRead  # here, as only interrupted downloads need it

    patience = TIMEOUT[0] if type(problem).__name__ == "ConnectTimeout" else TIMEOUT[1]
    while (cause := problem.__cause__ or problem.__context__) is not None:
        problem = cause
    if isinstance(problem, TimeoutError):
        return f"no answer within {patience:g} s"
    if isinstance(problem, IncompleteRead):
        return EARLY
    return one_line(getattr(problem, "strerror", None) or problem)
