"""``file.py:name``: the model that a file of Python makes, or one clear message."""

import os
import re
import sys
import textwrap

import numpy as np
import pytest
import torch

from neurorobust import backends
from neurorobust.data import encode
from neurorobust.errors import InvalidFile, InvalidInput, Unsupported
from neurorobust.formats.load import Reading, fitting, kind_of, load
from neurorobust.formats.script import TAKEN, is_script
from neurorobust.formats.scripted import main
from neurorobust.ir import Graph, Program
from tests.support.running import invoke, neurorobust

TUTORIAL = """
    import snntorch as snn
    import torch
    from torch import nn

    STEPS = 25

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(64, 30)
            self.lif1 = snn.Leaky(beta=0.95)
            self.fc2 = nn.Linear(30, 10)
            self.lif2 = snn.Leaky(beta=0.95)

        def forward(self, x):
            mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
            spikes, membranes = [], []
            for _ in range(STEPS):
                spk1, mem1 = self.lif1(self.fc1(x), mem1)
                spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
                spikes.append(spk2)
                membranes.append(mem2)
            return torch.stack(spikes), torch.stack(membranes)

    torch.manual_seed(3)
    net = Net()
    net.fc1.weight.data *= 8

    def make(width=1):
        return net
"""
OWN = """
    import numpy as np
    import neurorobust as nr
    from neurorobust import ir
    from neurorobust.engine.layers import LI, LIF, SpikingSequential
    from neurorobust.ir import Edge, Graph, Header, Input, Output
    from torch import nn

    node = ir.LIF(beta=np.array(0.5), threshold=np.array(1.0))
    net = SpikingSequential(nn.Linear(4, 3), LIF(node))
    graded = SpikingSequential(nn.Linear(4, 3), LI(ir.LI(beta=np.array(1.0))))

    class Holder:
        graph = Graph(
            header=Header(dt_s=1e-3, steps=6),
            nodes={"input": Input(shape=(4,)), "lif": node, "output": Output()},
            edges=(Edge("input", "lif"), Edge("lif", "output")),
        )

    def program():
        return nr.lower(Holder.graph, "loihi2")
"""


@pytest.fixture
def tutorial(tmp_path):
    pytest.importorskip("snntorch")
    return written(tmp_path / "model.py", TUTORIAL)


def written(path, text):
    path.write_text(textwrap.dedent(text))
    return path


class TestModels:
    @pytest.mark.parametrize("name", ["net", "make"])
    def test_a_module_computes_what_it_computed_before(self, name, tutorial):
        graph = load(f"{tutorial}:{name}", Reading(steps=25), shape=(64,))
        scope: dict = {}
        exec(tutorial.read_text(), scope)  # noqa: S102  # the network itself, run by its framework
        x = np.random.default_rng(1).random((40, 64)).astype(np.float32)
        with torch.no_grad():
            wanted = scope["net"](torch.from_numpy(x))[0].sum(0).numpy()
        assert wanted.any()
        found = backends.run(graph, encode(graph, x), precision="single").scores
        assert np.array_equal(found, wanted)

    def test_what_was_taken_as_given_is_said(self, tutorial):
        graph = load(f"{tutorial}:net", Reading(steps=25), shape=(1, 8, 8))
        assert graph.input_shape == (64,)  # it takes images on one axis alone
        assert graph.header.provenance[TAKEN] == (
            "coding='direct', bounds=(0.0, 1.0), input_shape=(64,), dt_s=0.001, readout='count'"
        )
        said = {"coding": "direct", "bounds": (-1.0, 1.0), "levels": 16, "dt_s": 2e-3}
        more = {"readout": "count", "input_shape": (64,)}
        graph = load(f"{tutorial}:net", Reading(steps=25, **said, **more))
        assert {name: getattr(graph.header, name) for name in said} == said
        assert TAKEN not in graph.header.provenance

    def test_graphs_programs_and_own_layers(self, tmp_path):
        path = written(tmp_path / "own.py", OWN)
        own = load(f"{path}:net", Reading(steps=6), shape=(4,))
        assert [type(node).__name__ for node in own.nodes.values()] == [
            "Input", "Affine", "LIF", "Output",
        ]  # fmt: skip
        graph, program = load(f"{path}:Holder.graph"), load(f"{path}:program")
        assert (type(graph), type(program)) == (Graph, Program)
        assert graph.header.steps == 6
        with pytest.raises(InvalidInput, match=r"steps=7: a Graph says steps=6 itself"):
            load(f"{path}:Holder.graph", Reading(steps=7))
        assert load(f"{path}:Holder.graph", Reading(steps=6)).content_hash == graph.content_hash
        with pytest.raises(InvalidInput, match=r"last layer has no spikes; .* readout='last' or"):
            load(f"{path}:graded", Reading(steps=6), shape=(4,))
        found = load(f"{path}:graded", Reading(steps=6, readout="last"), shape=(4,))
        assert found.nodes["output"].readout == "last"

    def test_norse(self, tmp_path):
        pytest.importorskip("norse")
        path = written(
            tmp_path / "n.py",
            """
            import norse.torch as norse
            from torch import nn

            net = norse.SequentialState(nn.Linear(4, 3), norse.LIFBoxCell(dt=5e-4))
            """,
        )
        graph = load(f"{path}:net", Reading(steps=6), shape=(4,))
        assert graph.header.dt_s == 5e-4  # as its cells say
        with pytest.raises(InvalidInput, match=r"its dt is 0.0005, not 0.001"):
            load(f"{path}:net", Reading(steps=6, dt_s=1e-3), shape=(4,))

    def test_it_runs_in_its_folder_and_in_a_process_of_its_own(self, tmp_path):
        written(tmp_path / "helper.py", "FACTOR = 2.0")
        np.save(tmp_path / "weights.npy", np.full((3, 4), 0.5))
        path = written(
            tmp_path / "json.py",  # named as a module that Python has
            OWN
            + """
    import os
    import sys
    from pathlib import Path
    from helper import FACTOR

    net[0].weight.data[:] = FACTOR * nn.Parameter(net[0].weight.new_tensor(np.load("weights.npy")))
    Path("seen").write_text(f"{os.getpid()} {__name__ == '__main__'}")
    print("noise on the standard output")
    """,
        )
        graph = load(f"{path}:net", Reading(steps=6), shape=(4,))
        (weight,) = (node.weight for node in graph.nodes.values() if hasattr(node, "weight"))
        assert (weight == 1.0).all()
        pid, main = (tmp_path / "seen").read_text().split()
        assert (int(pid) != os.getpid(), main) == (True, "False")


@pytest.fixture
def answer(tmp_path, monkeypatch):
    """What the process answers, without one; Python's paths and modules are put back."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", dict(sys.modules))

    def run(text, name="net", shape=(4,), **said):
        path = written(tmp_path / "model.py", text)
        job = {"file": str(path), "name": name, "said": said, "shape": shape}
        return main(job | {"folder": str(tmp_path), "options": False})

    return run


class TestFaults:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (
                "a = 1\nb = a / 0",
                r"fails when it runs, at model\.py:2: ZeroDivisionError: division",
            ),
            ("def f():\n  return 1 +", r"at model\.py:2: SyntaxError: "),
            ("import sys\nsys.exit('no data')", r"at model\.py:2: SystemExit: no data"),
        ],
    )
    def test_a_file_that_fails(self, text, words, answer):
        found = answer(text)["fault"]
        assert re.search(words, found)
        assert "\n" not in found

    def test_a_process_that_ends(self, tmp_path):
        text = "import os, sys\nsys.stderr.write('gone for good')\nos._exit(7)"
        path = written(tmp_path / "model.py", text)
        words = "ended with exit code 7 and no model: gone for good"
        with pytest.raises(InvalidFile, match=words):
            load(f"{path}:net")

    def test_a_file_that_fails_in_another_of_its_files(self, tmp_path, answer):
        written(tmp_path / "parts.py", "\n\nraise ValueError('first\\nlast line')")
        assert answer("import parts")["fault"].endswith("at parts.py:3: ValueError: last line")

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("nett", "has no 'nett'; it has net, graded, program"),
            ("Holder.nothing", r"has no 'Holder\.nothing'"),
            ("node", "node is a LIF and no model; name a Graph, a Program, a module of torch"),
            ("Holder", "Holder is a class; name a variable with a trained network"),
            ("needs", "needs needs width, depth; name a function without arguments"),
            ("fails", r"fails\(\) fails, at model\.py:\d+: RuntimeError: no weights"),
            ("nothing", r"nothing\(\) gives a NoneType and no model"),
            ("np", "np is a module and no model"),
        ],
    )
    def test_a_name_that_is_no_model(self, name, words, answer):
        text = textwrap.dedent(OWN) + textwrap.dedent("""
            def needs(width, depth, *more, length=1):
                return net

            def fails():
                raise RuntimeError("no weights")

            def nothing():
                pass
        """)
        assert re.search(words, answer(text, name, steps=6)["fault"])

    def test_a_file_without_models(self, answer):
        assert answer("x = 1")["fault"].startswith("has no 'net'; it has no model; name a Graph")

    @pytest.mark.parametrize(
        ("said", "words"),
        [
            ({}, r"how many steps a sample lasts; .*steps=25"),
            ({"steps": 20}, r"forward runs 25 steps, not 20; give steps=25"),
            ({"steps": 25, "shape": None}, r"what it takes; .*input_shape=\(1, 28, 28\)"),
            ({"steps": 25, "shape": (1, 8, 9)}, r"takes \(64,\), got \(1, 8, 9\).*; say the shape"),
            ({"steps": 25, "framework": "lava"}, r"framework is 'lava'; known are snntorch"),
        ],
    )
    def test_what_a_module_leaves_open_is_asked_for(self, said, words, answer):
        pytest.importorskip("snntorch")
        found = answer(TUTORIAL, **{"shape": (64,)} | said)
        assert found["error"] in ("InvalidInput", "WrongShape")
        assert re.search(words, found["text"])

    def test_values_over_time_have_no_readout_of_their_own(self, tmp_path, answer):
        pytest.importorskip("snntorch")
        text = """
            import snntorch as snn
            import torch
            from torch import nn

            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.fc, self.lif = nn.Linear(4, 3), snn.Leaky(beta=0.9, reset_mechanism="none")

                def forward(self, x):
                    mem = self.lif.init_leaky()
                    found = []
                    for _ in range(6):
                        _, mem = self.lif(self.fc(x), mem)
                        found.append(mem)
                    return torch.stack(found)

            net = Net()
        """
        words = "values over time, no spikes; .* readout='last' or 'mean' or 'max' or 'count'"
        assert re.search(words, answer(text, steps=6, output="membrane")["text"])
        said = Reading(steps=6, output="membrane", readout="mean")
        graph = load(f"{tmp_path / 'model.py'}:net", said, shape=(4,))
        assert graph.nodes["output"].readout == "mean"

    def test_what_a_graph_cannot_hold(self, tmp_path):
        """Not possible is an answer, of a kind of its own, on this side of the process too."""
        pytest.importorskip("snntorch")
        text = """
            import snntorch as snn
            from torch import nn
            cell = snn.Leaky(beta=0.9, init_hidden=True)
            net = nn.Sequential(nn.Linear(4, 3), nn.Softplus(), cell)
        """
        path = written(tmp_path / "model.py", text)
        with pytest.raises(Unsupported, match=r"model\.py:net: .*softplus"):
            load(f"{path}:net", Reading(steps=6), shape=(4,))


def test_only_this_spelling_runs_anything(tmp_path):
    path = written(tmp_path / "model.py", "from pathlib import Path\nPath('ran').write_text('')")
    with pytest.raises(InvalidFile, match=r"name the model in it, as model\.py:net"):
        load(path)
    torch.save({"net": torch.ones(2)}, tmp_path / "net.pt")
    with pytest.raises(InvalidFile, match=r"is a file of torch.save, which can run code"):
        load(tmp_path / "net.pt")
    for spelling in (f"{path}:", f"{path}:1x", f"{path}:a b", "model.txt:net"):
        assert not is_script(spelling)
        with pytest.raises(InvalidFile, match="is no file"):
            load(spelling)
    with pytest.raises(InvalidFile, match=r"gone\.py: is no file; give a file of Python"):
        load(tmp_path / "gone.py:net")
    assert not (tmp_path / "ran").exists()
    assert kind_of(f"{path}:net.inner") == "script"
    both = Reading(steps=3, reset="hard", time_first=True)
    assert fitting(both, f"{path}:net") == Reading(steps=3, time_first=True)


class TestCommands:
    def test_a_network_of_a_tutorial_on_own_data(self, tutorial, tmp_path):
        x = np.random.default_rng(2).random((12, 64))
        np.savez(tmp_path / "mine.npz", x=x, y=np.arange(12) % 10)
        call = (f"{tutorial}:net", "--data", tmp_path / "mine.npz")
        done = invoke("neurobench", *call, "--steps", 25)
        assert done.exit_code == 0, done.output
        assert "taken as given: --coding direct, --bounds 0,1, --input-shape 64" in done.output
        done = invoke("neurobench", *call)
        assert done.exit_code == 2
        assert "say it, as --steps 25" in " ".join(done.output.split())
        out = tmp_path / "net.safetensors"
        done = invoke("import", call[0], "--steps", 25, "--input-shape", 64, "--out", out)
        assert done.exit_code == 0, done.output
        assert load(out).header.steps == 25

    def test_every_fault_ends_in_one_message(self, tmp_path):
        path = written(tmp_path / "model.py", "import no_such_library")
        done = neurorobust("check", f"{path}:net", "--profile", "loihi2")
        assert done.returncode == 2
        assert done.stderr.startswith("error:")
        assert "ModuleNotFoundError: No module named 'no_such_library'" in done.stderr
        assert "Traceback" not in done.stderr
