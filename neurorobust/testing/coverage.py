"""The table backend × rung × check."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.table import Table

from neurorobust.backends import SIMULATED, Rung, backend_names, get_backend
from neurorobust.errors import BackendUnavailable
from neurorobust.testing.outcome import CHECKS, Outcome


@dataclass(frozen=True, slots=True)
class Row:
    """One cell of the table."""

    backend: str
    rung: Rung
    check: str
    outcome: Outcome


def cover(backends: Iterable[str] | None = None, only: str = "") -> Iterator[Row]:
    """Run every check whose name contains ``only`` on every rung of the backends.

    A backend that cannot run here gives one skipped row per check, with the reason.
    """
    for name in backends or backend_names():
        for rung in SIMULATED:
            for check in CHECKS.values():
                if rung in check.rungs and only in check.name:
                    yield Row(name, rung, check.name, _outcome(name, rung, check.name))


def as_table(rows: Iterable[Row]) -> Table:
    """One line per check, one column per backend and rung; reasons below."""
    rows = list(rows)
    columns = list(dict.fromkeys((row.backend, row.rung) for row in rows))
    cells = {(row.check, row.backend, row.rung): row.outcome for row in rows}
    table = Table("check", *(f"{backend}\n{rung}" for backend, rung in columns))
    for check in dict.fromkeys(row.check for row in rows):
        found = (cells.get((check, *column)) for column in columns)
        table.add_row(check, *(_cell(outcome) for outcome in found))
    table.add_section()
    for status in ("passed", "skipped", "failed"):
        counts = (_count(rows, column, status) for column in columns)
        table.add_row(status, *counts)
    return table


def reasons(rows: Iterable[Row]) -> list[str]:
    """One line per skip, failure and note; equal ones of a backend and rung are put together."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        lines = [f"{row.outcome.status}: {row.outcome.detail}"] if row.outcome.detail else []
        for line in (*lines, *(f"note: {note}" for note in row.outcome.notes)):
            where = grouped.setdefault((row.backend, row.rung, line), [])
            if row.check not in where:
                where.append(row.check)
    return [
        f"{backend} {rung}: {_listed(where)}: {line}"
        for (backend, rung, line), where in grouped.items()
    ]


def as_records(rows: Iterable[Row]) -> list[dict[str, object]]:
    """Rows as plain values, for JSON."""
    return [
        {
            "backend": row.backend,
            "rung": row.rung,
            "check": row.check,
            "law": CHECKS[row.check].statement,
            "status": row.outcome.status,
            "detail": row.outcome.detail,
            "runs": row.outcome.runs,
            "notes": list(row.outcome.notes),
        }
        for row in rows
    ]


def _outcome(name: str, rung: Rung, check: str) -> Outcome:
    try:
        backend = get_backend(name)
    except BackendUnavailable as error:
        return Outcome("skipped", str(error))
    if reason := backend.missing():
        return Outcome("skipped", reason)
    return CHECKS[check].run(backend, rung)


def _listed(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{len(names)} checks"


def _cell(outcome: Outcome | None) -> str:
    if outcome is None:
        return ""
    marks = {"passed": "[green]passed[/]", "skipped": "[yellow]skipped[/]"}
    return marks.get(outcome.status, "[red]FAILED[/]")


def _count(rows: list[Row], column: tuple[str, Rung], status: str) -> str:
    return str(sum((r.backend, r.rung) == column and r.outcome.status == status for r in rows))
