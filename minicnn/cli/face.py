"""minicnn face ACTION: who is in a picture, and how sure that is. The actions are in the files beside this one."""

from __future__ import annotations

import importlib
from typing import Any

PARTS: tuple[str, ...] = ("face_gallery", "face_verify", "face_detect", "face_measure", "face_train")
PARTS += ("face_cluster", "face_follow", "face_why", "face_blur")


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "face",
        help="enrol, verify and identify faces, and measure how well that goes",
        description="Faces: enrol people in a gallery, verify who somebody says they are, identify who comes, and find "
        "out what that is worth. An encoder turns a face into numbers, and near numbers mean the same person; a "
        "distance is not a liveness check, so a photograph held before the camera passes.",
        epilog="An encoding is a person's face as numbers, and in many countries biometric data: ask people before you "
        "enrol or sort them, say what for, and remove them when they ask. Keep galleries and groups as you would keep "
        "passwords, and show pictures of people who did not agree only after minicnn face blur.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for part in PARTS:
        importlib.import_module(f"minicnn.cli.{part}").add(actions)
