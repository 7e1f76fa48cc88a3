"""What Norse's cells cannot do, and how they round."""

from neurorobust.backends import Deviation

GAPS = {"LIF several spikes per step": "Norse's cells fire at most once per step"}
ROUNDING = Deviation(
    "rounding",
    "Norse computes v + (1-beta) (x - v) instead of beta v + x (and i - (1-alpha) i for "
    "alpha i), so a membrane within rounding error of its threshold may fire differently; nothing "
    "is rounded where beta, alpha and all values lie on a binary grid that the precision holds, "
    "nor with beta = 1 without bias and alpha",
)
