"""Everything a Graph or Program can say runs; only silicon is missing."""

from neurorobust.backends import Capabilities, Support

CAPABILITIES = Capabilities(
    rungs={
        "float": Support(membrane=True),
        "quantised": Support(membrane=True, overflows=True),
    },
    missing_rungs={"device": "torch runs on no neuromorphic chip"},
)
