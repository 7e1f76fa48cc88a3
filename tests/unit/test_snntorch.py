"""snnTorch's neurons against the canonical law, and what stock snnTorch does instead."""

import subprocess
import sys

import numpy as np
import pytest

from neurorobust.data import Stimulus
from neurorobust.errors import BackendUnavailable, InvalidInput, Unsupported
from neurorobust.ir import LI, LIF, Graph, Input, Output, Program
from neurorobust_snntorch import backend as module_backend
from neurorobust_snntorch import backend
from tests.unit.neuron_oracle import (
    HEADER,
    LAWS,
    N,
    T,
    drive,
    graph_of,
    law,
    on_grid,
    oracle,
    population,
    spikes_of,
)
