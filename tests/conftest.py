"""What every test shares: no screen, examples that repeat, public data if it is there, fresh processes, threads."""

import os
import signal
import subprocess
import sys
from pathlib import Path

# Before anything imports matplotlib or keras, which read these once.
os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("KERAS_BACKEND", "torch")

import pytest
from hypothesis import settings

import minicnn
from minicnn import resources

ROOT = Path(__file__).resolve().parents[1]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background jobs, where no Ctrl-C would be heard
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The first call of a kernel compiles it, so no example has a deadline.
settings.register_profile("local", deadline=None, print_blob=True, max_examples=25)
settings.register_profile("ci", settings.get_profile("local"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

# A lesson may not reach for the network. Warnings are errors, but for the one that says there is no screen.
OFFLINE = """
import runpy, sys

def refuse(event, details):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise OSError(f"reached for the network: {event} {details}")

sys.addaudithook(refuse)
del sys.argv[0]
"""
WARNINGS = (
    "error::UserWarning",
    "error::RuntimeWarning",
    "error::SyntaxWarning",
    "error::DeprecationWarning:__main__",
    "ignore:FigureCanvasAgg is non-interactive:UserWarning",
)


COMPILES = "test_convolution.py"
LONGEST = "test_notebooks_and_pages.py"  # where its thorough tests are asked for: they make the whole site
COMPILES_NOTHING = ("hdf5", "datasets", "test_zoo.py", "test_images.py", "test_house_rules.py", "test_calibration.py")


def pytest_collection_modifyitems(items):
    """Two processes that begin with the same kernels would compile each of them twice. So one begins with those that
    most others need, and the other with what compiles nothing. The longest file comes before both: what begins last
    and takes long leaves one process idle.
    """

    def turn(item):
        names = item.path.parts[-2:]
        if LONGEST in names:
            return 0
        return 1 if COMPILES in names else 2 if any(name in COMPILES_NOTHING for name in names) else 3

    items.sort(key=turn)


@pytest.fixture
def thread_count():
    """Call it to set the number of threads; after the test it is what it was."""
    before = resources.threads()
    yield resources.set_threads
    resources.set_threads(before)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data (CIFAR-10, LFW, real weights) that is not part of the project, or a skip."""
    shared = Path(os.environ.get("MINICNN_SHARED") or ROOT.parent / "shared")
    if not (shared / "data").is_dir():
        pytest.skip(f"needs the shared data, and {shared} has none (MINICNN_SHARED names another folder)")
    return shared / "data"


@pytest.fixture
def no_packages(monkeypatch):
    """Weights that pip may have installed are not seen."""
    monkeypatch.setattr("minicnn.zoo.packages.find", lambda row: None)


@pytest.fixture
def fresh_python(tmp_path):
    """Call it with a program and its arguments: a new interpreter runs it, offline, in an empty folder."""

    def run(program, *arguments, timeout=240):
        # The same minicnn as in this process, be it installed or the checkout's.
        paths = [str(Path(minicnn.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"}
        environment["MINICNN_LEARN"] = str(tmp_path / "learn")  # never the progress of whoever runs the tests
        command = [sys.executable, *(f"-W{w}" for w in WARNINGS), "-c", OFFLINE + program]
        command += [str(argument) for argument in arguments]
        try:
            done = subprocess.run(
                command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", timeout=timeout
            )
        except subprocess.TimeoutExpired:
            pytest.fail(f"still running after {timeout} s: {' '.join(map(str, arguments))}", pytrace=False)
        if done.returncode:
            pytest.fail(f"{done.stdout[-2000:]}{done.stderr[-4000:]}", pytrace=False)
        return done.stdout

    return run


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A headless Chromium, or a skip that says what is missing."""
    if sys.platform == "win32":
        pytest.skip("needs pipes that Chromium inherits, as Windows has not")
    from chromium import Browser, find_chromium

    executable = find_chromium()
    if executable is None:
        pytest.skip("needs Chromium (apt-get install chromium, or MINICNN_CHROMIUM names it)")
    browser = Browser(executable, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def axe(browser):
    """A function that returns what axe-core finds serious or critical on the open page, as (rule, first element).

    MINICNN_AXE names axe.min.js (npm install axe-core, in a folder of its own).
    """
    named = os.environ.get("MINICNN_AXE")
    if not named:
        pytest.skip("needs axe-core (npm install axe-core; MINICNN_AXE names its axe.min.js)")
    script = Path(named).read_text(encoding="utf-8")

    def found():
        browser.run(f"{script};0")
        rows = browser.run("axe.run().then((r) => r.violations.map((v) => [v.impact, v.id, v.nodes[0].html]))")
        return [tuple(row) for impact, *row in rows if impact in ("serious", "critical")]

    return found
