"""Checks a Lava environment from inside: versions, imports, and a net of two neurons.

Run by the environment's own Python 3.10 with the name of the tier; the last line that it writes
is a JSON object with the facts.
"""

import json
import sys
from importlib.metadata import version


def main(tier: str) -> int:
    """Return 0 and write the facts if all is well.

    One neuron gets a bias of 3 · 2^6 per step without decay and has the threshold 10 · 2^6, so it
    crosses it in every fourth step and begins again at 0. It excites a second one, a step later,
    by 64 · 20 > 64 · 10.
    """
    import numpy as np
    from lava.magma.core.run_conditions import RunSteps  # noqa: TID251
    from lava.magma.core.run_configs import Loihi2SimCfg  # noqa: TID251
    from lava.proc.dense.process import Dense  # noqa: TID251
    from lava.proc.io.sink import RingBuffer  # noqa: TID251
    from lava.proc.lif.process import LIF  # noqa: TID251

    packages = ["lava-nc", "numpy", "scipy"]
    if tier == "lava-dl":
        import lava.lib.dl.netx  # noqa: F401, TID251

        packages += ["lava-dl", "torch"]
    steps = 12
    first = LIF(shape=(1,), du=4095, dv=0, vth=10, bias_mant=3, bias_exp=6)
    second = LIF(shape=(1,), du=4095, dv=4096, vth=10)
    synapse = Dense(weights=np.array([[20]]))
    sinks = [RingBuffer(shape=(1,), buffer=steps) for _ in range(2)]
    first.s_out.connect(synapse.s_in)
    synapse.a_out.connect(second.a_in)
    first.s_out.connect(sinks[0].a_in)
    second.s_out.connect(sinks[1].a_in)
    try:
        first.run(condition=RunSteps(steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
        found = [np.flatnonzero(sink.data.get()[0]).tolist() for sink in sinks]
    finally:
        first.stop()
    expected = [[3, 7, 11], [4, 8]]
    facts = {"packages": {name: version(name) for name in packages}, "spikes": found}
    if found != expected:
        sys.stdout.write(f"two neurons spiked in {found}, they must in {expected}\n")
        return 1
    sys.stdout.write(json.dumps(facts) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
