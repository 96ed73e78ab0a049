"""The rows as people read them: on a screen of 80 columns, and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from minicnn.bench.report import Report, Row, Table

NAMES, COLUMN = 50, 10  # characters up to the end of the first column, and of each other: 80 in all
HEADLINES = (
    "style",
    "memory",
    "encoders",
    "training",
    "search",
    "faces",
    "start",
)  # the sections that a reader in a hurry wants
BUSY = 0.5  # threads of other programs for each core, from which on times are not to be trusted
TOO_DIFFERENT = 1e-3  # max|Δ| / max|reference| beyond which two sides did not compute the same


def opening(report: Report) -> list[str]:
    """What the measurements were made on, and how."""
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
    """The title over the names, and what the columns are. beside: there is something to compare with."""
    columns = ["minicnn", *([table.rival, table.compared] if beside else []), *([table.limit] if table.limit else [])]
    return _columns(f"{table.title} ({unit})" if unit else table.title, columns)


def line(table: Table, row: Row, beside: bool) -> str:
    """One row."""
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
    """Return the text of the last column, where there is one."""
    if "spread" in row.details:
        return "–".join(f"{ratio:.2f}" for ratio in row.details["spread"])
    return f"{row.details['of_limit']:.0%}" if "of_limit" in row.details else ""


def _columns(name: str, columns: list[str]) -> str:
    first, *others = columns
    text = f"{name}{first:>{max(NAMES - len(name), len(first) + 2)}}" + "".join(f"{o:>{COLUMN}}" for o in others)
    return text.rstrip()


def figure(value: float | None) -> str:
    """Three digits."""
    if value is None:
        return "-"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f}"


def markdown(report: Report) -> str:
    """The README's table: what matters most in one, every other row in a fold below it."""
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
    """One table; each section's title is a row of its own."""
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
