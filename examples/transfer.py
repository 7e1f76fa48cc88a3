"""Which attacks survive the trip from a float network to a chip's integers?

Run it anywhere: ``python examples/transfer.py``. Models and attacks are kept in ``out/transfer``.
"""

import neurorobust as nr

# The network as trained, and the same network in Loihi 2's integers.
graph = nr.load("digits", folder="out/transfer/model")
program = nr.lower(graph, "loihi2")

# The attacker sees the float network, may move every pixel by 32 grey values, and knows that the
# sensor has 256 of them. The set is frozen: a second run finds it in the folder.
test = nr.load_samples("digits")
attacks = nr.attack(graph, test, [nr.Pgd(nr.Rga())], 32 / 255, folder="out/transfer/attacks")

# Every backend and rung that can run this model here. Real Lava takes minutes, so it is left out.
names = ("reference", "torch", "snntorch", "norse")
done = nr.replay(graph, program, [test, *attacks], backends=names)

# Rates are over the samples that every lane decides rightly when clean.
for row in nr.transfer(done.outcomes, surrogate=nr.Column("torch", "float")):
    low, high = row.success.interval
    print(
        f"{row.column!s:24} fooled {row.success.count} of {row.success.n} ({low:.0%}–{high:.0%}),"
        f" kept {row.churn.kept.count}, lost {row.churn.lost.count},"
        f" gained {row.churn.gained.count}, p {row.churn.p_value:.2g}"
    )
for left_out in done.closed:
    print(f"{left_out.lane}: {left_out.reason}")
