"""The findings in plain words, each with its number, its interval and what it was counted over."""

from collections.abc import Sequence

from neurorobust.metrics import Churn, Column, Proportion, Transfer, accuracies
from neurorobust.render import looks
from neurorobust.render.numbers import Headline, Tile
from neurorobust.study.transfer.store import Results
from neurorobust.study.transfer.tables import PairRow, TransferTable


def headline(
    results: Results, tables: Sequence[TransferTable], pairs: Sequence[PairRow]
) -> Headline:
    """Say what was found; nothing that was not measured is mentioned."""
    sentences, tiles = [], []
    surrogate = results.surrogate
    clean = accuracies(results.outcomes, columns=tables[0].scope.columns if tables else None)
    if surrogate in clean:
        own = clean[surrogate]
        sentences.append(f"{surrogate} decides {_of(own)} clean test samples rightly.")
        tiles.append(Tile(f"clean accuracy, {surrogate}", looks.percent(own.rate), _small(own)))
    for number, table in enumerate(tables):
        shown = [t for t in table.transfers if t.key == tables[0].headline]
        own_row = next((t for t in shown if t.column == surrogate), None)
        if own_row is None:
            continue
        if number == 0:
            sentences.append(_attack(own_row, table))
            name = f"fooled by {looks.set_name(own_row.key)}"
            rate = looks.percent(own_row.success.rate)
            tiles.append(Tile(name, rate, _small(own_row.success)))
        limited = table.scope.limited_by
        travelled = [t for t in shown if number == 0 or t.column in limited]
        remark = f", compared on {own_row.success.n} common samples" if number else ""
        sentences += _journeys(travelled, surrogate.rung, remark)
        if number == 0:
            tiles += _least_kept(travelled, surrogate.rung)
    sentences += _equivalence(pairs)
    tiles += _spikes(pairs)
    return Headline(tuple(sentences), tuple(tiles))


def _attack(own: Transfer, table: TransferTable) -> str:
    key = own.key
    text = (
        f"{looks.set_name(key)}, fools it on {_of(own.success)} samples that every compared "
        "backend decides rightly when clean"
    )
    others = [
        f"{looks.attack_name(t.key)} fools {looks.percent(t.success.rate)}"
        for t in table.transfers
        if t.column == own.column
        and t.key.epsilon == key.epsilon
        and t.key != key
        and t.key.attack in {key.attack, "noise"}
    ]
    return f"{text}. At the same ε, {_and(others)}." if others else f"{text}."


def _journeys(shown: Sequence[Transfer], rung: str, remark: str) -> list[str]:
    # Backends with the same fate share a sentence: bit-exact ones always do.
    fates: dict[Churn, list[Column]] = {}
    for t in shown:
        if t.churn is not None and t.churn.kept.n and t.column.rung != rung:
            fates.setdefault(t.churn, []).append(t.column)
    return [
        f"On {looks.column_list(columns)}{remark}, {c.kept.count} of the {c.kept.n} "
        f"successes are kept ({looks.percent(c.kept.rate)}, interval {looks.interval(c.kept)}), "
        f"{c.lost.count} lost and {c.gained.count} gained: {_verdict(c.p_value)}."
        for c, columns in fates.items()
    ]


def _verdict(p: float) -> str:
    changed = "the success rate changed" if p < 0.05 else "no evidence of a changed success rate"
    sign = "" if p < looks.P_LEAST else "= "
    return f"{changed} (McNemar p {sign}{looks.p_value(p)})"


def _least_kept(shown: Sequence[Transfer], rung: str) -> list[Tile]:
    moved = [(t.column, t.churn) for t in shown if t.churn and t.column.rung != rung]
    moved = [(column, c) for column, c in moved if c.kept.n]
    if not moved:
        return []
    column, least = min(moved, key=lambda pair: pair[1].kept.rate)
    name = f"of these kept on {column}" + (", the least of all" if len(moved) > 1 else "")
    return [Tile(name, looks.percent(least.kept.rate), _small(least.kept))]


def _equivalence(pairs: Sequence[PairRow]) -> list[str]:
    sentences = []
    for rung in dict.fromkeys(pair.rung for pair in pairs):
        here = [pair for pair in pairs if pair.rung == rung]
        same = [pair for pair in here if not pair.differing]
        parts = []
        if same:
            values = looks.integer(sum(pair.values for pair in same))
            verb = "fires" if len(same) == 1 else "fire"
            names = _and([pair.backend for pair in same])
            parts.append(
                f"{names} {verb} exactly the spikes of {same[0].against} (0 of {values} differ)"
            )
        parts += [
            f"{pair.backend} differs from {pair.against} in {looks.integer(pair.differing)} of "
            f"{looks.integer(pair.values)} spike values"
            for pair in here
            if pair.differing
        ]
        sentences.append(f"On the {rung} rung, {'; '.join(parts)}.")
    return sentences


def _spikes(pairs: Sequence[PairRow]) -> list[Tile]:
    if not pairs:
        return []
    rung = pairs[0].rung
    here = [pair for pair in pairs if pair.rung == rung]
    differing, values = sum(p.differing for p in here), sum(p.values for p in here)
    many = f"{len(here)} backends" if len(here) > 1 else here[0].backend
    detail = f"of {looks.integer(values)}, {many} against {here[0].against}"
    return [Tile(f"spike values that differ, {rung} rung", looks.integer(differing), detail)]


def _of(p: Proportion) -> str:
    return f"{looks.percent(p.rate)} (interval {looks.interval(p)}) of {p.n}"


def _small(p: Proportion) -> str:
    return f"{p.count} of {p.n} · {looks.interval(p)}"


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
