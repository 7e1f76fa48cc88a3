"""Studies: many variants of one network, measured on the same samples."""

from neurorobust.study.quantise.rows import TABLE_COLUMNS
from neurorobust.study.quantise.run import Study, quantise, read_study
from neurorobust.study.quantise.sweep import SCALINGS, Sweep, Variant, whole_numbers
from neurorobust.study.sets import load_attacks

__all__ = [
    "SCALINGS",
    "TABLE_COLUMNS",
    "Study",
    "Sweep",
    "Variant",
    "load_attacks",
    "quantise",
    "read_study",
    "whole_numbers",
]
