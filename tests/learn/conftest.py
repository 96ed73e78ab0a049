"""Progress is kept in a folder of the test's own."""

import pytest


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("MINICNN_LEARN", str(tmp_path / "progress"))
