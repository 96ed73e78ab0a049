"""Manifests: records of runs as plain data, from which a picture can be reproduced."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import minicnn
from minicnn import devices, machine, models, nn
from minicnn.errors import InputError, MissingFileError
from minicnn.files import read_text, replace_file, unreadable
from minicnn.models.card import Preprocessing, StyleRecipe
from minicnn.models.network import Network
from minicnn.style.checkpoints import check_same
from minicnn.style.regions import Map


def of_picture(source: Any, picture: np.ndarray) -> dict[str, Any]:
    """Return the record of an input picture. source: as the caller gave it. Files are hashed, or else the pixels."""
    if isinstance(source, str | os.PathLike):
        return {"path": os.fspath(source), "sha256": hashlib.sha256(Path(source).read_bytes()).hexdigest()}
    pixels = np.ascontiguousarray(picture)
    return {"shape": list(pixels.shape), "sha256": hashlib.sha256(pixels.tobytes()).hexdigest()}


def of_styles(given: Any, styles: Sequence[tuple[np.ndarray, float]]) -> list[dict[str, Any]]:
    """Return the records of all styles, with weights. given: as the caller gave them; styles: (picture, weight)."""
    sources = given if isinstance(given, list | tuple) else [given]
    sources = [source[0] if isinstance(source, tuple) else source for source in sources]
    return [
        of_picture(source, picture) | {"weight": weight}
        for source, (picture, weight) in zip(sources, styles, strict=True)
    ]


def of_regions(masks: Any, style_masks: Any, regions: Any) -> dict[str, Any]:
    """Return the records of all masks. masks, style_masks: as the caller gave them; regions: as they were read."""
    if regions is None:
        return {}
    if isinstance(masks, Map):
        mapped = of_picture(masks.picture, regions.masks[0]) | {"colours": list(masks.colours)}
        return {"map": mapped, **of_regions(None, style_masks, regions)}
    pairs = {"masks": (masks, regions.masks), "style_masks": (style_masks, regions.style_masks)}
    return {
        name: [None if one is None else of_picture(one, array) for one, array in zip(given, found, strict=True)]
        for name, (given, found) in pairs.items()
        if given is not None
    }


def of_weights(model: nn.Module) -> str:
    """Return the SHA-256 of parameters and running statistics, by name, which does not depend on the file."""
    digest = hashlib.sha256()
    for name, array in sorted([*((n, p.data) for n, p in model.named_parameters()), *model.named_state()]):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(devices.to_host(array)).data)
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of everything that the numbers depend on."""
    libraries = {name: machine.version(name) or "none" for name in ("numpy", "numba", "scipy", "pillow")}
    return {"minicnn": minicnn.__version__, "python": platform.python_version(), **libraries}


def write(path: Path, manifest: dict[str, Any]) -> None:
    """Write a manifest as JSON, atomically."""
    replace_file(path, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return a manifest that was written here. Raises MissingFileError, or InputError for anything else."""
    if why := unreadable(path):
        raise MissingFileError(f"manifest {os.fspath(path)!r} {why}")
    text = read_text("manifest", Path(path))
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise InputError(f"manifest {os.fspath(path)!r} is not a JSON file ({problem})") from None
    return manifest


def complete(path: Path, settings: dict[str, Any]) -> bool:
    """Return True if there is a manifest of a completed run. Raise InputError if its settings differ."""
    if unreadable(path):
        return False
    found = read(path)
    check_same(path, found, settings)
    return found.get("interrupted") is False


def of_model(model: Network) -> dict[str, Any]:
    """Return the record of a network: its name, its parts that a recipe may replace, and its weights."""
    return {
        "name": model.card.name,
        "pooling": model.pooling,
        "stride": model.stride,
        "preprocessing": dataclasses.asdict(model.preprocessing),
        "weights": model.load_report.path if model.load_report else None,
        "sha256": of_weights(model),
    }


def from_manifest(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the arguments with which `transfer` reproduces the picture of a manifest, bit for bit.

    Pictures are searched for at their paths and next to the manifest; weights also by name. Raises InputError if one of
    them has changed, MissingFileError if one is missing, or LoadError for damaged weights.
    """
    manifest = read(path)
    try:
        # Settings that an older manifest lacks had the default, whatever the card says now.
        recipe = {k: v for k, v in dataclasses.asdict(StyleRecipe(**manifest["recipe"])).items() if k != "summary"}
        asked = {name: manifest[name] for name in ("preset", "init", "seed", "size", "style_scale", "keep_colours")}
        wanted = manifest["model"]
        if isinstance(asked["init"], dict):
            raise InputError(f"manifest {os.fspath(path)!r}: the run began with a picture of its own; pass it as init")
        content = _found(manifest["content"], Path(path))
        styles = [(_found(style, Path(path)), style["weight"]) for style in manifest["styles"]]
        asked["tile"] = manifest.get("tile")
        for name in ("masks", "style_masks"):
            if name in manifest:
                asked[name] = [None if mask is None else _found(mask, Path(path)) for mask in manifest[name]]
        if "map" in manifest:
            asked["masks"] = Map(_found(manifest["map"], Path(path)), manifest["map"]["colours"])
        model = models.from_weights(_weights_of(wanted))
        if (actual := of_weights(model)) != wanted["sha256"]:
            raise InputError(
                f"manifest {os.fspath(path)!r}: {wanted['name']} has other weights now "
                f"(SHA-256 {actual[:12]}…; expected {wanted['sha256'][:12]}…)"
            )
        model.adapt(StyleRecipe(**manifest["recipe"] | {part: wanted[part] for part in ("pooling", "stride")}))
        model.preprocessing = Preprocessing(**wanted["preprocessing"])
    except (KeyError, TypeError, AttributeError) as problem:
        raise InputError(f"manifest {os.fspath(path)!r} is not one of a style transfer ({problem!r})") from None
    return {"content": content, "style": styles, "model": model, **asked, **recipe}


def _weights_of(wanted: dict[str, Any]) -> str:
    """Return the file of weights if it still exists, or else their name in the catalogue. Raises InputError."""
    file = wanted["weights"]
    if file is None:
        raise InputError(f"manifest: {wanted['name']} came from no file of weights, so it cannot be made again")
    return file if os.path.isfile(file) else wanted["name"]


def _found(source: dict[str, Any], manifest: Path) -> Path:
    """Return the file of a picture. Raises InputError if it has changed, MissingFileError if it is missing."""
    if "path" not in source:
        raise InputError(
            f"manifest {str(manifest)!r}: a picture came from memory and no file, so it cannot be read again"
        )
    given = Path(source["path"])
    places = [given, manifest.parent / given, manifest.parent / given.name]
    there = [place for place in places if not unreadable(place)]
    for place in there:
        if hashlib.sha256(place.read_bytes()).hexdigest() == source["sha256"]:
            return place
    if there:
        raise InputError(f"manifest {str(manifest)!r}: {str(there[0])!r} is not the picture that it was then")
    raise MissingFileError(f"manifest {str(manifest)!r}: picture {str(given)!r} does not exist")
