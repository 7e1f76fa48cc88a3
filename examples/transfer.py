"""Which attacks survive the trip from a float network to a chip's integers?

Run it anywhere: ``python examples/transfer.py``. Everything is kept in ``out/transfer``, and a
second run uses it again.
"""

import neurorobust as nr

# The attacker sees the float network and may move every pixel by 32 grey values. The attack is
# frozen and replayed on every backend, as trained and in Loihi 2's integers. Real Lava takes
# minutes, so it is left out.
done = nr.run(
    "digits",
    "digits",
    out="out/transfer",
    profiles=["loihi2"],
    attacks="pgd",
    gradients="rga",
    eps="32/255",
    backends=["reference", "torch", "snntorch", "norse"],
    sections={"audit": {"samples": 0}},
)

# Rates are over the samples that every lane decides rightly when clean.
for row in nr.transfer(done.outcomes, surrogate=nr.Column("torch", "float")):
    low, high = row.success.interval
    print(
        f"{row.column!s:24} fooled {row.success.count} of {row.success.n} ({low:.0%}–{high:.0%}),"
        f" kept {row.churn.kept.count}, lost {row.churn.lost.count},"
        f" gained {row.churn.gained.count}, p {row.churn.p_value:.2g}"
    )
for lane in done.results.manifest.lanes:
    if lane.status != "done":
        print(f"{lane.backend} {lane.rung}: {lane.reason}")
print(done.report)
