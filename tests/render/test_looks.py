import os
import subprocess
import sys

import pytest
from matplotlib.figure import Figure

from neurorobust.backends import backend_names
from neurorobust.metrics import Proportion
from neurorobust.render import looks
from neurorobust.render.colours import GRADIENTS, HEAT, LIGHT, backend_colours
from neurorobust.render.svg import drawn, heat, styled


@pytest.mark.parametrize(
    ("rate", "text"),
    [(1.0, "100.0 %"), (0.99999, "> 99.9 %"), (0.0, "0.0 %"), (1e-5, "< 0.1 %"), (0.574, "57.4 %")],
)
def test_only_a_whole_is_a_hundred(rate, text):
    assert looks.percent(rate) == text


def test_numbers_are_written_alike():
    assert looks.percent(float("nan")) == "–"
    assert looks.interval(Proportion(0, 0)) == ""
    assert looks.p_value(1e-9) == "< 0.001"
    assert looks.integer(12345678) == "12\u202f345\u202f678"
    assert looks.duration(4000) == "1:06:40"


@pytest.mark.parametrize(
    ("value", "levels", "text"),
    [
        (8 / 255, None, "8/255"),
        (8 / 255, 256, "8/255"),
        (3 / 16, 17, "3/16"),
        (0.05, None, "0.05"),
        (8 / 255, 17, "0.0314"),
        (12.0, None, "12"),
        (0.0, 256, "0"),
    ],
)
def test_radii_are_steps_of_the_sensor_where_they_are_whole(value, levels, text):
    assert looks.epsilon(value, levels) == text


def test_axes_of_radii_have_one_unit():
    assert looks.epsilon_axis([0.0, 0.05])[0] == ["0", "0.05"]
    ticks, unit = looks.epsilon_axis([0.0, 2 / 16], 17)
    assert ticks == ["0", "2"]
    assert "16" in unit


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pgd", "PGD"),
        ("pgd(steps=40)", "PGD (40 steps)"),
        ("pgd(restarts=1, steps=40)", "PGD (1 restart, 40 steps)"),
        ("sapgd", "SA-PGD"),
        ("rga(width=0.5)", "RGA (width 0.5)"),
        ("mine(", "mine("),
        ("snntorch", "snnTorch"),
        ("elsewhere", "elsewhere"),
    ],
)
def test_names_are_proper(name, text):
    assert looks.proper(name) == text


def test_every_backend_has_a_name_and_a_colour_of_its_own():
    names = backend_names()
    assert len(set(map(looks.proper, names))) == len(names)
    assert {looks.proper(name) for name in names} >= {"snnTorch", "PyTorch", "Lava", "Norse"}
    assert len(set(backend_colours(names).values())) == len(names)


def test_backend_colours_are_stable_and_distinct():
    names = ["lava", "torch", "speck", "mine", "lava"]
    colours = backend_colours(names)
    assert len(set(colours.values())) == 4
    assert colours["lava"] == backend_colours(["lava"])["lava"]
    assert not set(colours.values()) & set(GRADIENTS.values())


def test_steps_of_heat_are_told_apart_by_the_page():
    steps = [heat(i / 40) for i in range(41)]
    assert len({field for field, _ in steps}) == len(HEAT)
    assert len({ink for _, ink in steps}) == len(HEAT)
    assert {field for field, _ in steps} <= set(LIGHT.values())
    assert heat(0.0)[0] == HEAT[0][0]
    assert heat(1.0)[0] == HEAT[-1][0]


def plotted():
    with styled():
        figure = Figure(figsize=(3, 2), layout="constrained")
        figure.subplots().plot([1, 2], label="ε ≤ 8/255")
        return drawn(figure, "f", title="t", caption="c", alt="a")


def test_equal_figures_are_equal_files_in_every_process():
    code = (
        "import hashlib\nfrom tests.render.test_looks import plotted\nd = plotted()\n"
        "print(hashlib.sha256((d.svg + d.pdf).encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    assert len(found.pop().strip()) == 64
