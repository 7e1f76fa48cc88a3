"""What a file leaves open is asked for by its argument in Python and by its option in a command."""

import re
from dataclasses import fields

import nir
import numpy as np
import pytest
import typer

from neurorobust.asking import give, in_options, questions, speaking_options
from neurorobust.cli import app
from neurorobust.data import Source
from neurorobust.errors import InvalidInput, NeurorobustError
from neurorobust.formats.load import Reading, load
from tests.support.netx_files import conv, dense, put, write_net
from tests.support.nir_files import chain, lif, linear, values
from tests.support.running import invoke

RNG = np.random.default_rng(5)
DT = {"--dt": "1e-4"}
HARD = DT | {"--reset": "hard"}


def spiking(path, **changes):
    return chain(path, (2,), fc=linear(RNG, 2, 2), lif=lif(2, **changes))


def recurrent(path):
    port, back = np.array([2]), linear(RNG, 2, 2)
    nodes = {"in": nir.Input(port), "lif": lif(2), "w_rec": back, "out": nir.Output(port)}
    edges = [("in", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "out")]
    return chain(path, (2,), (2,), rnn=nir.NIRGraph(nodes, edges, type_check=False))


def flattened(path):
    flat = nir.Flatten({"input": np.array([2, 3, 3])}, 1, -1)
    return chain(path, (2, 3, 3), (18,), flat=flat)


def single(path):
    chain(path, (3,), fc=linear(RNG, 3, 3), lif=lif(3))
    for place, value in values(path).items():
        if place.startswith("node/nodes/lif/") and not place.endswith("type"):
            put(path, place, value[0])
    return path


def shapeless(path):
    return put(spiking(path), "node/nodes/input/shape")


def image(path):
    return write_net(path, [conv(np.ones((3, 2, 2, 3), int), (3, 4, 5))])


CASES = {
    # file, what is said already, argument and option that the message names, what answers it
    "step": (spiking, {}, "dt_s=0.001", "--dt 0.001", HARD),
    "reset": (spiking, DT, "reset='hard'", "--reset hard", {"--reset": "hard"}),
    "reset by node": (spiking, DT, "{'lif': 'hard'}", "lif=hard", {"--reset": "lif=hard"}),
    "start": (
        lambda path: spiking(path, v_leak=0.05),
        HARD,
        "v_init='zero'",
        "--start zero or leak or reset",
        {"--start": "leak"},
    ),
    "unit": (
        lambda path: spiking(path, tau=20.0),
        {"--dt": "1e-3", "--reset": "hard"},
        "time_unit_s=0.001",
        "--time-unit 0.001",
        {"--time-unit": "0.001"},
    ),
    "decay": (
        lambda path: spiking(path, tau=5e-5),
        HARD,
        "discretisation='exponential'",
        "--discretisation exponential",
        {"--discretisation": "exponential"},
    ),
    "cycle": (
        recurrent,
        HARD,
        "recurrence='spikes'",
        "--recurrence spikes",
        {"--recurrence": "spikes"},
    ),
    "batch in flatten": (
        flattened,
        DT,
        "batch_axis='flatten'",
        "--batch-axis flatten",
        {"--batch-axis": "flatten"},
    ),
    "batch": (
        lambda path: chain(path, (3,), lif=lif((1, 3))),
        HARD,
        "batch_axis='all'",
        "--batch-axis all",
        None,
    ),
    "one value": (single, HARD, "check_shapes=False", "--trust-shapes", {"--trust-shapes": None}),
    "input": (shapeless, HARD, "input_shape", "--input-shape", {"--input-shape": "2"}),
    "steps of netx": (
        lambda path: write_net(path, [dense([[2, 4]])]),
        {},
        "steps=16",
        "--steps 16",
        {"--steps": "16"},
    ),
    "input of netx": (
        image,
        {"--steps": "5"},
        "input_shape=(1, 28, 28)",
        "--input-shape 1,28,28",
        {"--input-shape": "2,5,7"},
    ),
    "layers of netx": (
        lambda path: write_net(path, [dense([[2, 4]])]),
        {"--steps": "5", "--num-layers": "3"},
        "num_layers is 3",
        "--num-layers is 3",
        {"--num-layers": "1"},
    ),
    "averages of netx": (
        lambda path: write_net(path, [dense([[2, 4]]), {"type": b"average"}]),
        {"--steps": "5"},
        "leave it out with num_layers",
        "leave it out with --num-layers",
        {"--num-layers": "1"},
    ),
    "payloads of netx": (
        lambda path: write_net(path, [dense([[2, 4]])]),
        {"--steps": "5", "--input-message-bits": "24"},
        "input_message_bits=24 is out of range",
        "--input-message-bits 24 is out of range",
        {"--input-message-bits": "4"},
    ),
}


def typed(said):
    return [part for pair in said.items() for part in pair if part is not None]


def as_arguments(said):
    by_option = {one.option: one for one in questions(Reading).values()}
    by_option |= {f"--{one.off}": one for one in questions(Reading).values() if one.off}
    found = {}
    for option, value in said.items():
        one = by_option[option]
        kind = one.kind if one.kind is not bool else str
        found[one.name] = False if value is None else one.taken(kind(value))
    return found


@pytest.mark.parametrize("case", CASES)
def test_a_question_names_what_answers_it(case, tmp_path):
    make, said, argument, option, answer = CASES[case]
    path, out = make(tmp_path / "a.bin"), tmp_path / "out.safetensors"
    with pytest.raises(NeurorobustError, match=re.escape(argument)):
        load(path, Reading(**as_arguments(said)))
    asked = invoke("import", path, "--out", out, *typed(said))
    assert asked.exit_code == 2
    assert option in " ".join(asked.output.split())
    assert not out.exists()
    if answer is not None:
        done = invoke("import", path, "--out", out, *typed(said | answer))
        assert done.exit_code == 0, done.output
        assert (
            load(out).content_hash
            == load(path, Reading(**as_arguments(said | answer))).content_hash
        )


def test_what_contradicts_a_file_is_refused_in_the_same_words(tmp_path):
    from neurorobust.formats.nir import save_nir
    from tests.support.small import mlp

    path = tmp_path / "a.nir"
    save_nir(mlp(6, 5, 3), path)
    for said, words in (
        ({"dt_s": 0.5}, "dt_s=0.5, but the file says"),
        ({"bounds": (-1.0, 1.0)}, r"bounds=\(-1.0, 1.0\), but the file says 0,1"),
        ({"reset": "none"}, "reset='none', but the file says"),
    ):
        with pytest.raises(InvalidInput, match=f"{words}.*use_metadata=False"):
            load(path, Reading(**said))
    done = invoke("import", path, "--out", tmp_path / "b", "--dt", "0.5")
    assert "--dt 0.5, but the file says" in " ".join(done.output.split())
    assert "--no-metadata" in done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--reset", "sideways"), "--reset is 'sideways'; known are hard, soft, none"),
        (("--start", "x"), "--start is 'x'; known are zero"),
        (("--readout", "x"), "--readout is 'x'; known are count"),
        (("--coding", "x"), "--coding is 'x'; known are direct"),
        (("--output", "x"), "--output is 'x'; known are spikes, membrane"),
        (("--dt", "0"), "--dt is 0.0; a duration in seconds is finite and above 0"),
        (("--time-unit", "inf"), "--time-unit is inf; a duration"),
        (("--bounds", "1,0"), "--bounds is 1,0; give two finite numbers, the smaller one first"),
        (("--bounds", "0"), "--bounds is 0; give two finite numbers"),
        (("--bounds", "a,b"), "--bounds is 'a,b'; give numbers with commas"),
        (("--input-shape", "3,x"), "--input-shape is '3,x'; give sizes with commas"),
        (("--input-shape", "3,0"), "--input-shape is '3,0'; give sizes with commas"),
        (("--steps", "0"), "--steps"),
        (("--levels", "1"), "--levels"),
    ],
)
def test_what_is_no_answer_is_refused_by_its_option(arguments, words, tmp_path):
    path = spiking(tmp_path / "a.nir")
    done = invoke("import", path, "--out", tmp_path / "b", *arguments)
    assert done.exit_code == 2
    assert words in " ".join(done.output.split())


def test_one_reading_for_several_files_and_a_refusal_where_no_file_asks(tmp_path):
    a, b = spiking(tmp_path / "a.nir"), write_net(tmp_path / "b.net", [dense([[2, 4], [6, 8]])])
    said = ("--dt", "1e-4", "--reset", "hard", "--steps", "8")
    done = invoke("check", a, b, "--profile", "loihi2", *said, "--json")
    assert done.exit_code in (0, 1), done.output
    done = invoke("check", b, "--profile", "loihi2", *said)
    assert done.exit_code == 2
    assert "b.net says --reset itself" in " ".join(done.output.split())


READERS = (
    "attack",
    "audit",
    "check",
    "diff",
    "export",
    "import",
    "lower",
    "neurobench",
    "quantise",
)
SHOWERS = ("attack", "audit", "check", "diff", "export", "neurobench", "quantise")


def options_of(name):
    command = typer.main.get_command(app).commands[name]
    return {option for one in command.params for option in (*one.opts, *one.secondary_opts)}


@pytest.mark.parametrize("name", READERS)
def test_every_command_that_reads_a_model_asks_all_that_a_file_may_leave_open(name):
    asked = {one.option for one in questions(Reading).values() if one.help}
    assert asked <= options_of(name)
    assert {"--trust-shapes", "--no-metadata"} <= options_of(name)


@pytest.mark.parametrize("name", SHOWERS)
def test_every_command_that_shows_data_takes_the_same_words(name):
    assert {one.option for one in questions(Source).values()} <= options_of(name)


def test_a_field_has_one_option_and_no_two_share_one():
    for of in (Reading, Source):
        asked = questions(of)
        assert list(asked) == [part.name for part in fields(of)]
        assert len({one.option for one in asked.values()}) == len(asked)
    assert [name for name, one in questions(Reading).items() if not one.help] == ["header"]


def test_words_follow_who_asked():
    assert give(Reading, "time_unit_s", 1e-3) == "time_unit_s=0.001"
    with speaking_options():
        assert in_options()
        assert give(Reading, "time_unit_s", 1e-3) == "--time-unit 0.001"
        assert give(Reading, "input_shape", (3, 4, 5)) == "--input-shape 3,4,5"
        assert give(Reading, "reset", {"a": "hard", "b": "soft"}) == "--reset a=hard,b=soft"
        assert give(Reading, "v_init", "zero", "leak") == "--start zero or leak"
        assert give(Reading, "check_shapes", False) == "--trust-shapes"
        assert give(Source, "name") == "--data"
    assert not in_options()
    assert give(Reading, "v_init", "zero", "leak") == "v_init='zero' or 'leak'"
