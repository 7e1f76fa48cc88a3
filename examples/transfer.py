"""Which attacks survive the trip from a float network to a chip's integers?

Run it anywhere: ``python examples/transfer.py``. Models and attacks are kept in ``out/transfer``.
"""

from pathlib import Path

from neurorobust.attacks import Linf, Pgd, craft
from neurorobust.chips import load_profile
from neurorobust.data import load
from neurorobust.engine.estimators import Rga
from neurorobust.engine.network import Network
from neurorobust.lower import lower
from neurorobust.metrics import Column, transfer
from neurorobust.study.lanes import open_lanes
from neurorobust.study.replay import replay
from neurorobust.study.sets import SampleSet
from neurorobust.zoo.digits import load_or_train

OUT = Path("out/transfer")

# The network as trained, and the same network in Loihi 2's integers.
graph, card = load_or_train(OUT / "model")
program = lower(graph, load_profile("loihi2").profile)

# The attacker sees the float network, may move every pixel by 32 grey values, and knows that the
# sensor has 256 of them. The set is frozen: a second run finds it in the folder.
test = load("digits")
threat = Linf.of(graph.header, 32 / 255)
attacks, reused = craft(
    Pgd(Rga()),
    Network(graph),
    clean=test.values,
    label=test.labels,
    sample=test.sample,
    threat=threat,
    seed=0,
    folder=OUT / "attacks",
)

# Every backend and rung that can run this model here. Real Lava takes minutes, so it is left out.
names = ("reference", "torch", "snntorch", "norse")
lanes, closed = open_lanes(graph, program, names=names)
done = replay(graph, program, [SampleSet(test), SampleSet.of(attacks)], lanes)

# Rates are over the samples that every lane decides rightly when clean.
for row in transfer(done.outcomes, surrogate=Column("torch", "float")):
    low, high = row.success.interval
    print(
        f"{row.column!s:24} fooled {row.success.count} of {row.success.n} ({low:.0%}–{high:.0%}),"
        f" kept {row.churn.kept.count}, lost {row.churn.lost.count},"
        f" gained {row.churn.gained.count}, p {row.churn.p_value:.2g}"
    )
for left_out in closed:
    print(f"{left_out.lane}: {left_out.reason}")
