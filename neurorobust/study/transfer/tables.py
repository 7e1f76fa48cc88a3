"""What the report and the terminal show, as rows of text with the numbers they sort by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from neurorobust.metrics import Column, Scope, SetKey, Transfer, transfer
from neurorobust.render import looks
from neurorobust.render.colours import MUTED, backend_colours
from neurorobust.render.numbers import Entry, entry
from neurorobust.study.transfer.manifest import BackendInfo
from neurorobust.study.transfer.store import Results


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRow:
    """One attack set on one backend and rung."""

    key: SetKey
    label: str
    column: Column
    colour: str
    surrogate: bool
    clean: Entry
    accuracy: Entry
    success: Entry
    kept: Entry
    lost: Entry
    gained: Entry
    p_value: str
    p_sort: float


@dataclass(frozen=True, slots=True)
class TransferTable:
    """The main table over one scope.

    Attributes:
        scope: What is compared.
        surrogate: Where the attacks were crafted.
        rows: By attack set, then column.
        transfers: The numbers behind the rows.
        headline: The set shown first, by the rule of ``headline_set``.
    """

    scope: Scope
    surrogate: Column
    rows: tuple[TransferRow, ...]
    transfers: tuple[Transfer, ...]
    headline: SetKey | None

    @property
    def keys(self) -> tuple[SetKey, ...]:
        """Attack sets in the table."""
        return tuple(dict.fromkeys(row.key for row in self.rows))

    @property
    def shown(self) -> tuple[TransferRow, ...]:
        """Rows of the headline set."""
        return tuple(row for row in self.rows if row.key == self.headline)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """Spikes of one backend against another on one rung, over all nodes and sets."""

    rung: str
    backend: str
    against: str
    colour: str
    samples: int
    nodes: int
    values: int
    differing: int
    share: str
    first: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A plain table: names of the columns, then rows of text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def transfer_table(results: Results, scope: Scope) -> TransferTable:
    """The main table: every attack set on every column of the scope."""
    found = transfer(results.outcomes, results.surrogate, scope.columns)
    colours = colours_of(results)
    rows = []
    for t in found:
        is_surrogate = t.column == results.surrogate
        after = None if is_surrogate else t.churn
        rows.append(
            TransferRow(
                key=t.key,
                label=looks.set_name(t.key),
                column=t.column,
                colour=colours[t.column.backend],
                surrogate=is_surrogate,
                clean=entry(t.clean),
                accuracy=entry(t.accuracy),
                success=entry(t.success),
                kept=entry(after.kept if after else None),
                lost=entry(after.lost if after else None),
                gained=entry(after.gained if after else None),
                p_value=looks.p_value(after.p_value) if after else "",
                p_sort=after.p_value if after else 2.0,
            )
        )
    headline = headline_set(found, results.surrogate)
    return TransferTable(scope, results.surrogate, tuple(rows), found, headline)


def headline_set(transfers: Sequence[Transfer], surrogate: Column) -> SetKey | None:
    """The set that the report shows first, chosen by the surrogate alone.

    The weakest attack radius at which some attack fools the surrogate on at least half of the
    common-correct samples, and there the most successful attack; if none does, the most successful
    of all. Near one half there is most to keep and most to lose, and no backend's fate is chosen.
    """
    own = [t for t in transfers if t.column == surrogate and t.key.attack != "noise"]
    own = own or [t for t in transfers if t.key.attack != "noise"] or list(transfers)
    if not own:
        return None
    half = [t for t in own if 2 * t.success.count >= t.success.n > 0]
    least = min((t.key.epsilon for t in half), default=None)
    pool = [t for t in half if t.key.epsilon == least] or own
    return max(pool, key=lambda t: t.success.count / max(1, t.success.n)).key


def agreement_rows(results: Results) -> tuple[PairRow, ...]:
    """Differing spikes per compared pair, with where they first part."""
    colours = colours_of(results)
    rows = []
    pairs = ("rung", "backend", "against")
    for key, part in results.agreement.group_by(pairs, maintain_order=True):
        rung, backend, against = (str(value) for value in key)
        values, differing = int(part["values"].sum()), int(part["differing"].sum())
        rows.append(
            PairRow(
                rung=rung,
                backend=backend,
                against=against,
                colour=colours.get(backend, MUTED),
                samples=int(part.group_by("set").agg(pl.col("samples").max())["samples"].sum()),
                nodes=part["node"].n_unique(),
                values=values,
                differing=differing,
                share=_share(differing, values),
                first=_first(part),
            )
        )
    return tuple(sorted(rows, key=lambda row: row.rung != "float"))


def runs(results: Results) -> tuple[BackendInfo, ...]:
    """What was run where; from the outcomes if the manifest does not say."""
    if results.manifest.backends:
        return tuple(sorted(results.manifest.backends, key=lambda info: info.rung != "float"))
    counted = results.outcomes.group_by("backend", "rung", maintain_order=True).agg(
        pl.col("sample").n_unique()
    )
    return tuple(BackendInfo(backend=b, rung=r, samples=n) for b, r, n in counted.rows())


def lowering(report: Sequence[Mapping[str, Any]]) -> Grid:
    """The lowering report; its columns are whatever the passes reported."""
    columns = tuple(dict.fromkeys(key for row in report for key in row))
    rows = (tuple(looks.value(row.get(column)) for column in columns) for row in report)
    return Grid(columns, tuple(rows))


def colours_of(results: Results) -> dict[str, str]:
    """One colour per backend of these results."""
    named = [info.backend for info in results.manifest.backends]
    seen = results.outcomes["backend"].unique(maintain_order=True).to_list()
    return backend_colours([*named, *seen])


def node_order(results: Results) -> tuple[str, ...]:
    """Spiking nodes in the order of execution, as far as they were compared."""
    nodes = results.agreement.sort("depth", maintain_order=True)["node"]
    return tuple(nodes.unique(maintain_order=True).to_list())


def _share(differing: int, values: int) -> str:
    if not values:
        return "–"
    if not differing:
        return "none"
    share = differing / values
    return looks.percent(share, 3) if share >= 1e-5 else f"{1e6 * share:.2g} per million"


def _first(part: pl.DataFrame) -> str:
    parted = part.filter(pl.col("first_step").is_not_null()).sort("first_step", "depth")
    if parted.is_empty():
        return ""
    row = parted.row(0, named=True)
    text = f"step {row['first_step']} in {row['node']}"
    if row["first_neuron"] is not None and row["first_sample"] is not None:
        text += f", neuron {row['first_neuron']} of sample {row['first_sample']}"
    if row["distance"] is not None:
        text += f"; membrane {row['distance']:+.1e} from its threshold"
    return text
