"""minicnn face ACTION. Each face_*.py in this folder defines some of the actions."""

from __future__ import annotations

import importlib
from typing import Any

PARTS: tuple[str, ...] = ("face_gallery", "face_verify", "face_detect", "face_measure", "face_train")
PARTS += ("face_cluster", "face_follow", "face_why", "face_blur", "face_scale")


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "face",
        help="detect, enrol, verify, identify, search, cluster and blur faces",
        description="Enrol people in a gallery, verify a claimed identity, identify visitors, and measure the "
        "accuracy. An encoder maps each face to a vector; a small distance means the same person. A distance is not a "
        "liveness check: a photograph held before the camera passes.",
        epilog="An encoding is biometric data in many countries. Ask people before you enrol or sort them, say what "
        "for, and remove them when they ask. Protect galleries and groups as you would protect passwords. Before you "
        "show pictures of people who did not agree, run minicnn face blur.",
    )
    actions = parser.add_subparsers(title="Actions", metavar="ACTION", required=True)
    for part in PARTS:
        importlib.import_module(f"minicnn.cli.{part}").add(actions)
