"""A real browser, driven over its DevTools protocol through a pipe: nothing is needed besides Chromium."""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-extensions", "--hide-scrollbars", "--mute-audio"),
    *("--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe"),
)
# The browser reads from its file 3 and writes to its file 4; this puts the pipes there and becomes the browser.
LAUNCH = """
import os, sys
for to, end in zip((3, 4), [os.dup(int(number)) for number in sys.argv[1:3]]):
    os.dup2(end, to)
    os.set_inheritable(to, True)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_chromium() -> str | None:
    """Where it is; MINICNN_CHROMIUM names another place."""
    named = os.environ.get("MINICNN_CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of a headless Chromium. Commands go down one pipe and answers come up another, each ended by a zero."""

    def __init__(self, executable: str, profile: Path, patience: float = 60) -> None:
        self.patience, self._numbers, self._waiting, self.events = patience, itertools.count(1), b"", []
        commands, self._down = os.pipe()
        self._up, answers = os.pipe()
        launcher = [sys.executable, "-S", "-c", LAUNCH, str(commands), str(answers)]
        self._process = subprocess.Popen(
            [*launcher, executable, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(commands, answers),
        )
        os.close(commands)
        os.close(answers)
        self.session = None
        deadline = time.monotonic() + patience
        pages: list[dict] = []
        while not pages and time.monotonic() < deadline:
            pages = [t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        self.session = self.call("Target.attachToTarget", targetId=pages[0]["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters):
        """Send a command and wait for its answer; what happens meanwhile is kept in `events`."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self._down, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            answer = self._receive(deadline)
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)
        raise TimeoutError(method)

    def _receive(self, deadline: float) -> dict:
        while b"\0" not in self._waiting:
            ready, _, _ = select.select([self._up], [], [], max(deadline - time.monotonic(), 0))
            piece = os.read(self._up, 1 << 16) if ready else b""
            if not piece:
                raise TimeoutError(f"Chromium said nothing for {self.patience} s, or ended")
            self._waiting += piece
        message, _, self._waiting = self._waiting.partition(b"\0")
        return json.loads(message)

    def open(self, page: Path, width: int = 1280, height: int = 800, *, dark: bool = False) -> None:
        """Show a file in a window of that size."""
        self.look(width, height, dark=dark)
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        deadline = time.monotonic() + self.patience
        while self.run("document.readyState + location.protocol") != "completefile:":
            if time.monotonic() > deadline:
                raise TimeoutError("the page did not load")
            time.sleep(0.01)

    def look(self, width: int, height: int, *, dark: bool = False) -> None:
        """The size of the window, and whether the reader likes it dark."""
        phone = width < 600
        size = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def run(self, script: str):
        """The value of an expression in the page."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise RuntimeError(f"{script}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def press(self, key: str, *, shift: bool = False) -> None:
        """A key, as the reader presses it."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, modifiers=8 if shift else 0)

    def click(self, selector: str, across: float = 0.5, down: float = 0.5) -> None:
        """The mouse, at that share of an element's width and height."""
        find = f"document.querySelector({json.dumps(selector)})"
        box = self.run(
            f"(() => {{ const e = {find}; e.scrollIntoView({{block: 'center'}});"
            " const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })()"
        )
        spot = {"x": box[0] + across * box[2], "y": box[1] + down * box[3], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **spot)

    def text(self, selector: str) -> str:
        """What can be read there."""
        return self.run(f"document.querySelector({json.dumps(selector)}).innerText")

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """What is seen, as PNG; whole: also what is further down."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list:
        """Errors of scripts and requests that left the page, since it was opened."""
        self.run("0")
        found = [e for e in self.events if e.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded")]
        urls = [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [*found, *(url for url in urls if not url.startswith(("file:", "data:")))]

    def close(self) -> None:
        """End the process that was started."""
        try:
            self.session = None
            self.call("Browser.close")
            self._process.wait(self.patience)
        except (OSError, TimeoutError, RuntimeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._down)
        os.close(self._up)
