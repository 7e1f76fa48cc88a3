"""Everything a Graph or Program can say runs; overflows are not counted."""

from neurorobust.backends import Capabilities, Support

CAPABILITIES = Capabilities(
    rungs={"float": Support(membrane=True), "quantised": Support(membrane=True)},
    missing_rungs={"device": "onnxruntime runs on no neuromorphic chip"},
)
