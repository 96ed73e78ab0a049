"""Data sets: pictures, drawn faces, paintings, heartbeats, scans and films; and batches of any arrays."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

from minicnn.datasets.minibatches import batches
from minicnn.errors import nearest
from minicnn.files import material

__path__.append(str(material("tutorials") / "datasets"))  # what is drawn for the lessons lies with them

if TYPE_CHECKING:
    from minicnn.datasets import alignment, cifar10, image_folders, lfw, pairs

    doodles: ModuleType
    heartbeats: ModuleType
    paintings: ModuleType
    replays: ModuleType
    synthetic_faces: ModuleType
    volumes: ModuleType

__all__ = [
    "alignment",
    "batches",
    "cifar10",
    "doodles",
    "heartbeats",
    "image_folders",
    "lfw",
    "paintings",
    "pairs",
    "replays",
    "synthetic_faces",
    "volumes",
]

if not TYPE_CHECKING:  # a type checker would accept every name

    def __getattr__(name: str) -> Any:
        if name in __all__:
            return importlib.import_module(f"minicnn.datasets.{name}")
        raise AttributeError(f"module 'minicnn.datasets' has no attribute {name!r}{nearest(name, __all__)}")


def __dir__() -> list[str]:
    return __all__
