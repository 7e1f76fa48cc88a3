"""Studies: many variants of one network, measured on the same samples."""

from neurorobust.study.cells import SCALINGS, Cell, Sweep, whole_numbers
from neurorobust.study.page import write_page
from neurorobust.study.rows import TABLE_COLUMNS
from neurorobust.study.run import Study, quantise
from neurorobust.study.samples import Samples, digits_samples, image_samples, load_attacks
from neurorobust.study.store import read_study

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
