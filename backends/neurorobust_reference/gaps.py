"""Both simulated rungs without gaps."""

from neurorobust.backends import Capabilities, Support

CAPABILITIES = Capabilities(
    rungs={
        "float": Support(membrane=True),
        "quantised": Support(membrane=True, overflows=True),
    },
    missing_rungs={"device": "it is a simulation in NumPy; no chip is attached"},
)
