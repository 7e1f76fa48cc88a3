"""What a study found, in sentences and key numbers."""

from typing import Any

import polars as pl

from neurorobust.metrics import CLEAN, Proportion, SetKey
from neurorobust.render import looks
from neurorobust.render.numbers import Headline, Tile
from neurorobust.study.quantise.rows import RAN, REFUSED

TOLERATED = 0.01
"""A loss of accuracy below this is called small: one point."""


def findings(rows: pl.DataFrame, note: str = "") -> Headline:
    """Say what was measured; the highest variant is chosen on the test samples and called so.

    Args:
        rows: The table of a study.
        note: What the images were decoded from, where that matters.
    """
    clean = rows.filter(pl.col("set") == CLEAN)
    own = clean.filter(pl.col("weight_bits").is_null()).row(0, named=True)
    ran = clean.filter(pl.col("weight_bits").is_not_null() & (pl.col("status") == RAN))
    told = f"; {note}" if note else ""
    sentences = [f"The float model decides {_of(own, 'right', 'n')} test images rightly{told}."]
    tiles = [Tile("accuracy, float model", looks.percent(own["accuracy"]), _small(own))]
    if not ran.is_empty():
        for bits in dict.fromkeys((ran["weight_bits"].max(), ran["weight_bits"].min())):
            best = _highest(ran.filter(pl.col("weight_bits") == bits))
            sentences.append(
                f"At {_bits(best)} the highest accuracy is {looks.percent(best['accuracy'])} "
                f"({looks.interval(Proportion(best['right'], best['n']))}), "
                f"{_points(best['accuracy'] - own['accuracy'])} against the float model; "
                f"{looks.percent(best['agreement'])} of its decisions are those of the float model."
            )
            tiles.append(
                Tile(
                    f"accuracy at {_bits(best)}, {best['scaling']}",
                    looks.percent(best["accuracy"]),
                    _small(best),
                )
            )
        near = ran.filter(pl.col("accuracy") > own["accuracy"] - TOLERATED)
        if near.is_empty():
            sentences.append("Every variant loses a point of accuracy or more.")
        else:
            least = _highest(near.filter(pl.col("weight_bits") == near["weight_bits"].min()))
            sentences.append(
                f"The fewest bits that lose less than one point: {least['weight_bits']}, "
                f"with {least['scaling']}."
            )
            name = "fewest weight bits that lose less than a point"
            tiles.append(Tile(name, str(least["weight_bits"]), str(least["scaling"])))
    if refused := clean.filter(pl.col("status") == REFUSED).height:
        total = clean.height - 1
        sentences.append(f"Lowering refuses {refused} of {total} variants; the table says why.")
    return Headline((*sentences, *_attacks(rows)), tuple(tiles))


def _attacks(rows: pl.DataFrame) -> list[str]:
    """The strongest attack on the float model, at the most and at the fewest bits."""
    on_float = rows.filter((pl.col("set") != CLEAN) & pl.col("weight_bits").is_null())
    if on_float.is_empty():
        return []
    strongest = on_float.sort("success", descending=True).row(0, named=True)
    name = looks.set_name(SetKey(*(strongest[field] for field in SetKey._fields)))
    own = rows.filter((pl.col("set") == strongest["set"]) & pl.col("weight_bits").is_not_null())
    ends = dict.fromkeys((own["weight_bits"].max(), own["weight_bits"].min()))
    shown = [own.filter(pl.col("weight_bits") == bits).row(0, named=True) for bits in ends]
    told = [
        f"at {_bits(row)}, {row['scaling']}, {row['kept']} of {row['float_fooled']} successes are "
        f"kept and {row['gained']} gained"
        for row in shown
    ]
    success = looks.percent(strongest["success"])
    sentence = f"{name} fools {success} of what the float model decides rightly"
    return [f"{'; '.join((sentence, *told))}."]


def _highest(rows: pl.DataFrame) -> dict[str, Any]:
    return rows.sort("accuracy", descending=True, maintain_order=True).row(0, named=True)


def _bits(row: dict[str, Any]) -> str:
    return f"{row['weight_bits']} bits"


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f} points".replace("-", "−")


def _of(row: dict[str, Any], count: str, total: str) -> str:
    p = Proportion(row[count], row[total])
    return f"{looks.percent(p.rate)} ({looks.interval(p)}) of {looks.integer(p.n)}"


def _small(row: dict[str, Any]) -> str:
    p = Proportion(row["right"], row["n"])
    return f"{looks.interval(p)}, {p.count}/{p.n}"
