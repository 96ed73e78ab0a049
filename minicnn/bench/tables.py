"""The rows as text: on a screen of 80 columns, and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from minicnn.bench.report import Report, Row, Table

NAMES, COLUMN = 50, 10  # characters up to the end of the first column, and per further column: 80 in all
HEADLINES = (
    "style",
    "memory",
    "encoders",
    "training",
    "search",
    "faces",
    "start",
)  # the sections of the short table
BUSY = 0.5  # threads of other programs per core above which times are unreliable
TOO_DIFFERENT = 1e-3  # max|Δ| / max|reference| above which two results count as different


def opening(report: Report) -> list[str]:
    """Return the conditions of the measurements: machine, versions and settings."""
    machine, conditions = report.machine, report.conditions
    versions = machine["versions"]
    lines = [
        f"{machine['processor']}, {conditions['threads']} threads; {report.date[:10]}",
        f"minicnn {conditions['minicnn']}, NumPy {versions['numpy']}, Numba {versions['numba']}, "
        f"PyTorch {conditions['pytorch'] or '-'}; medians of {conditions['rounds']} rounds",
    ]
    if "against" in conditions:
        lines.append(f"other: {conditions['against']}; above 1×, this checkout is faster than the other")
    elif not conditions["pytorch"]:
        lines.append(f"PyTorch is {'installed but does not load' if versions['torch'] else 'not installed'}: no ratios")
    if (conditions["load"] or 0) > BUSY * machine["cores"]:
        lines.append(f"note: the machine is busy (load {conditions['load']:.1f}); the times will not be its best")
    return lines


def heading(table: Table, unit: str, beside: bool) -> str:
    """Return the title and the names of the columns. beside: True if there is a comparison."""
    columns = ["minicnn", *([table.rival, table.compared] if beside else []), *([table.limit] if table.limit else [])]
    return _columns(f"{table.title} ({unit})" if unit else table.title, columns)


def line(table: Table, row: Row, beside: bool) -> str:
    """Return one row as text."""
    if row.minicnn is None:
        return f"  {row.name}: not measured, {row.details.get('why', 'unknown')}"
    columns = [figure(row.minicnn)]
    if beside:
        columns += [figure(row.pytorch), "" if row.ratio is None else f"{row.ratio:.2f}×"]
    if table.limit:
        columns.append(_last(row))
    text = _columns(f"  {row.name}", columns)
    difference = row.details.get("difference", 0)
    return text if difference <= TOO_DIFFERENT else f"{text}\n    the two results differ, by {difference:.1g}"


def _last(row: Row) -> str:
    """Return the text of the last column, if there is one."""
    if "spread" in row.details:
        return "–".join(f"{ratio:.2f}" for ratio in row.details["spread"])
    return f"{row.details['of_limit']:.0%}" if "of_limit" in row.details else ""


def _columns(name: str, columns: list[str]) -> str:
    first, *others = columns
    text = f"{name}{first:>{max(NAMES - len(name), len(first) + 2)}}" + "".join(f"{o:>{COLUMN}}" for o in others)
    return text.rstrip()


def figure(value: float | None) -> str:
    """Return a number with three digits."""
    if value is None:
        return "-"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f}"


def markdown(report: Report) -> str:
    """Return the README's table: the most important rows, and all others in a fold below."""
    versions, conditions = report.machine["versions"], report.conditions
    beside = any(row.pytorch is not None for table in report.tables.values() for row in table.rows)
    numbers = {"minicnn": conditions["minicnn"], "NumPy": versions["numpy"], "Numba": versions["numba"]}
    if beside and conditions["pytorch"]:
        numbers["PyTorch"] = conditions["pytorch"]
    measured = ", ".join(f"{name} {number}" for name, number in numbers.items())
    lines = [
        f"{report.date[:10]}, {report.machine['processor']}, {conditions['threads']} threads; {measured}; "
        f"medians of {conditions['rounds']} rounds.{'' if report.complete else ' The run was interrupted.'}",
        "",
    ]
    first = {name: replace(t, rows=[r for r in t.rows if _is_headline(name, r)]) for name, t in report.tables.items()}
    others = {name: t for name, t in report.tables.items() if name not in HEADLINES}
    lines += _markdown_table(first, beside)
    if others:
        fold = "<details><summary>Layer by layer, other convolutions, pools, peers</summary>"
        lines += ["", fold, "", *_markdown_table(others, beside), "", "</details>"]
    return "\n".join(lines)


def _is_headline(section: str, row: Row) -> bool:
    return section in HEADLINES or (section == "layers" and row.name.startswith("all "))


def _markdown_table(tables: Mapping[str, Table], beside: bool) -> list[str]:
    """Return one Markdown table, with each section's title as a row."""
    limited = any(table.limit for table in tables.values())
    columns = ["", "minicnn", *(["PyTorch", ""] if beside else []), *([""] if limited else [])]
    lines = [_cells(columns), _cells(["---", *["--:"] * (len(columns) - 1)])]
    for table in tables.values():
        if table.rows:
            rival = table.rival if beside and table.rival != "PyTorch" else ""
            lines.append(_cells([f"**{table.title}**", "", rival, *[""] * (len(columns) - 3)][: len(columns)]))
        for row in table.rows:
            cells = [row.name, f"{figure(row.minicnn)} {row.unit}".strip()]
            if beside:
                cells.append("" if row.pytorch is None else f"{figure(row.pytorch)} {row.unit}")
                cells.append("" if row.ratio is None else f"{row.ratio:.2f}× {table.compared}")
            if limited:
                part = _last(row)
                cells.append(part and f"{part} {table.limit}")
            lines.append(_cells(cells))
    return lines


def _cells(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("  ", " ")
