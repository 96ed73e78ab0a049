"""A browser for the tests of the page, if this machine has one."""

import sys

import pytest


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
