"""Studies: many variants of one network, measured on the same samples."""

from neurorobust.study.quantise.cells import SCALINGS, Cell, Sweep, whole_numbers
from neurorobust.study.quantise.page import write_page
from neurorobust.study.quantise.rows import TABLE_COLUMNS
from neurorobust.study.quantise.run import Study, quantise
from neurorobust.study.quantise.samples import Samples, digits_samples, image_samples, load_attacks
from neurorobust.study.quantise.store import read_study

__all__ = [
    "SCALINGS",
    "TABLE_COLUMNS",
    "Cell",
    "Samples",
    "Study",
    "Sweep",
    "digits_samples",
    "image_samples",
    "load_attacks",
    "quantise",
    "read_study",
    "whole_numbers",
    "write_page",
]
