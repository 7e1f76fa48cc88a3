"""The quantisation study: every number recomputed by other means, and what stops or resumes it."""

import json
import math
import re
from functools import partial

import numpy as np
import polars as pl
import pytest
from neurorobust.study.quantise import (
    TABLE_COLUMNS,
    Sweep,
    load_attacks,
    quantise,
    read_study,
    whole_numbers,
    write_page,
)
from neurorobust.study.quantise import measure as measuring
from neurorobust.study.quantise.measure import BATCH

from neurorobust.attacks import AttackSet
from neurorobust.backends import get_backend
from neurorobust.chips import load_profile
from neurorobust.data import Samples, encode
from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.fit import with_cores
from neurorobust.ir import LI, LIF, Affine, Flatten, Graph, Header, save_model
from neurorobust.lower import lower
from neurorobust.metrics import mcnemar_exact, wilson
from neurorobust.progress import Silent
from tests.support import small
from tests.support.image_files import encoded, written
from tests.support.running import invoke

STEPS, SIDE, CLASSES, HIDDEN = 4, 4, 3, 12
COUNT = BATCH + 40
"""More samples than one batch."""


def network(**neuron):
    rng = np.random.default_rng(2)
    return small.graph(
        (1, SIDE, SIDE),
        Header(name="tiny", dt_s=1e-3, steps=STEPS, levels=256),
        readout="last",
        flat=Flatten(),
        fc1=Affine(weight=rng.normal(0, 0.5, (HIDDEN, SIDE**2)), bias=rng.normal(0, 0.2, HIDDEN)),
        lif1=LIF(beta=np.array(0.7), threshold=np.array(1.0), **neuron),
        fc2=Affine(weight=rng.normal(0, 0.4, (CLASSES, HIDDEN))),
        li=LI(beta=np.array(1.0)),
    )


def images(seed=3, count=COUNT, name="noise"):
    """Labels are mostly what the network decides, so that accuracy means something."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 1, SIDE, SIDE), dtype=np.uint8)
    decided = decisions(network(), pixels / 255)
    labels = np.where(rng.random(count) < 0.8, decided, rng.integers(0, 3, count))
    return Samples(name, pixels, labels, levels=256)


def decisions(model, values):
    """By the reference backend, all samples at once."""
    return reference(model, values).scores.argmax(1)


def reference(model, values):
    rung = "float" if isinstance(model, Graph) else "quantised"
    executable = get_backend("reference").compile(model, rung)
    return executable.run(encode(model, values), ["spikes"])


PROFILE = load_profile("loihi2")


@pytest.fixture(scope="module")
def graph():
    return network()


@pytest.fixture(scope="module")
def samples():
    return images()


CALIBRATION = images(seed=4, count=16).values


def study(folder, graph, samples, *, profile=PROFILE, attacks=(), calibration=CALIBRATION, **axes):
    sweep = Sweep(**{"weight_bits": (3, 8)} | axes)
    more = {"attacks": attacks, "calibration": calibration}
    return quantise(graph, profile, sweep, samples, folder=folder, stages=Silent(), **more)


def attack_set(graph, samples, keep=slice(None)):
    """Random changes large enough to fool, frozen as an attack on these samples."""
    clean, labels = samples.values[keep], samples.labels[keep]
    changed = np.clip(clean + np.random.default_rng(8).normal(0, 0.4, clean.shape), 0, 1)
    changed = np.rint(changed * 255) / 255
    return AttackSet(
        clean=clean,
        adversarial=changed,
        label=labels.astype(np.int64),
        sample=np.arange(len(samples))[keep],
        clean_decision=decisions(graph, clean),
        adversarial_decision=decisions(graph, changed),
        request={"attack": {"name": "noise"}, "gradient": {"name": "none"}}
        | {"threat": {"epsilon": 1.0}, "model": graph.content_hash},
    )


def integer_model(graph, values, *, bits, scale, readout_scale):
    """Scores of the network in Loihi's integers, written out with NumPy.

    Weights on a grid of ``2^(9 - bits)`` with an exponent for the sum, which is
    floored, states with six fractional bits, division towards zero.
    """
    step = 2 ** (9 - bits)

    def summed(x, weight, factor):
        room = np.abs(weight).max() * factor / (256 - step)
        shift = min(max(math.floor(-math.log2(room) + 1e-9), 0), 8)
        whole = np.rint(weight * factor * 2**shift / step) * step
        return (x @ np.clip(whole, -256, 256 - step).astype(np.int64).T) >> shift

    fc1, fc2, lif = graph.nodes["fc1"], graph.nodes["fc2"], graph.nodes["lif1"]
    codes = np.rint(values.reshape(len(values), -1) * 255).astype(np.int64)
    current = summed(codes, fc1.weight / 255, scale)
    wanted = fc1.bias * scale * 64
    exponent = next(e for e in range(8) if np.abs(np.rint(wanted / 2**e)).max() <= 4095)
    bias = np.rint(wanted / 2**exponent).astype(np.int64) << exponent
    kept = 4096 - round(4096 * (1 - float(lif.beta)))
    limit = round(float(lif.threshold) * scale) * 64
    v = np.zeros_like(current)
    score = np.zeros((len(values), CLASSES), dtype=np.int64)
    for _ in range(STEPS):
        h = np.sign(v) * (np.abs(v) * kept // 4096) + current * 64 + bias
        spikes = h > limit
        v = np.where(spikes, 0, h)
        score += summed(spikes, fc2.weight, readout_scale) * 64
    return score


@pytest.fixture(scope="module")
def done(tmp_path_factory, graph, samples):
    """Every rule at two bits and two decays, with an attack."""
    axes = {"scalings": ("max_abs", "percentile", "mse", "spikes"), "decay_bits": (4, 12)}
    attacks = [attack_set(graph, samples)]
    return study(tmp_path_factory.mktemp("study"), graph, samples, attacks=attacks, **axes)


class TestNumbers:
    def variants(self, done, graph, samples):
        """Rows of the table with the model lowered anew."""
        for row in done.table.filter(pl.col("weight_bits").is_not_null()).to_dicts():
            calibration = CALIBRATION if row["scaling"] == "spikes" else None
            options = {key: row[key] for key in ("scaling", "weight_bits", "decay_bits")}
            program = lower(graph, PROFILE.profile, calibration=calibration, **options)
            yield row, with_cores(program, PROFILE.profile)

    def test_all_cells_are_there_once_with_every_column(self, done):
        assert list(done.table.columns) == list(TABLE_COLUMNS)
        cells = done.table.filter(pl.col("set") == "clean")
        assert cells.height == 1 + 2 * 4 * 2
        assert cells.select("weight_bits", "scaling", "decay_bits").is_unique().all()
        assert set(done.table["status"]) == {"ran"}

    def test_accuracy_and_agreement_are_those_of_the_reference(self, done, graph, samples):
        values, labels = samples.values, samples.labels
        own = decisions(graph, values)
        first = done.table.row(0, named=True)
        told = (first["weight_bits"], first["right"], first["n"])
        assert told == (None, int((own == labels).sum()), COUNT)
        seen = set()
        for row, program in self.variants(done, graph, samples):
            if row["set"] != "clean":
                continue
            found = decisions(program, values)
            assert row["right"] == (found == labels).sum()
            assert row["agreeing"] == (found == own).sum()
            assert row["accuracy"] == row["right"] / COUNT
            assert (row["accuracy_low"], row["accuracy_high"]) == wilson(row["right"], COUNT)
            assert row["program"] == program.content_hash
            seen.add(row["right"])
        assert len(seen) > 2  # the variants differ, so equal numbers mean something

    def test_spikes_are_compared_with_the_float_model(self, done, graph, samples):
        values = samples.values[:BATCH]
        wanted = reference(graph, values).spikes["lif1"]
        for row, program in self.variants(done, graph, samples):
            if row["set"] != "clean":
                continue
            differ = reference(program, values).spikes["lif1"] != wanted
            assert row["spike_values"] == differ.size
            assert row["spikes_differing"] == differ.sum()
            steps = np.flatnonzero(differ.any(axis=(0, 2)))
            assert row["first_step"] == (steps[0] if len(steps) else None)
            assert row["first_node"] == ("lif1" if len(steps) else None)

    def test_the_fate_of_attacks_is_counted_over_what_both_decide_rightly(
        self, done, graph, samples
    ):
        attacks, labels = attack_set(graph, samples), samples.labels
        on_float = decisions(graph, samples.values) == labels
        fooled_float = decisions(graph, attacks.adversarial) != labels
        moved = 0
        for row, program in self.variants(done, graph, samples):
            if row["set"] == "clean":
                continue
            both = on_float & (decisions(program, samples.values) == labels)
            fooled = decisions(program, attacks.adversarial) != labels
            lost = int((both & fooled_float & ~fooled).sum())
            gained = int((both & ~fooled_float & fooled).sum())
            assert row["attackable"] == both.sum()
            assert row["fooled"] == (both & fooled).sum()
            assert row["float_fooled"] == (both & fooled_float).sum()
            assert (row["lost"], row["gained"]) == (lost, gained)
            assert row["kept"] == row["float_fooled"] - lost
            assert row["p_value"] == mcnemar_exact(lost, gained)
            moved += lost + gained
        assert moved > 10

    @pytest.mark.parametrize("bits", [3, 8])
    def test_decisions_are_those_of_integers_written_out(self, done, graph, samples, bits):
        _, manifest = read_study(done.folder)
        layers = next(
            cell.layers
            for cell in manifest.lowering
            if (cell.weight_bits, cell.scaling, cell.decay_bits) == (bits, "max_abs", 12)
        )
        scales = {layer["layer"]: layer["scale"] for layer in layers}
        factors = {"scale": scales["lif1"], "readout_scale": scales["li"]}
        scores = integer_model(graph, samples.values, bits=bits, **factors)
        cell = {"set": "clean", "weight_bits": bits, "scaling": "max_abs", "decay_bits": 12}
        row = done.table.filter(**cell).row(0, named=True)
        assert row["right"] == (scores.argmax(1) == samples.labels).sum()

    def test_more_bits_change_fewer_spikes(self, done):
        plain = done.table.filter(set="clean", scaling="max_abs", decay_bits=12)
        apart = dict(plain.select("weight_bits", "spikes_differing").rows())
        assert apart[3] > apart[8]

    def test_the_page_shows_them_offline(self, done):
        page = write_page(done.folder).read_text()
        assert "src=" not in page
        assert not re.search(r'href="https?:', page)
        assert page.count("<svg") == 2
        for row in done.table.to_dicts():
            assert f"{row['right']}/{row['n']}" in page
        assert page == write_page(done.folder).read_text()

    def test_a_manifest_of_something_else_is_named(self, done, tmp_path):
        (tmp_path / "quantise.parquet").write_bytes((done.folder / "quantise.parquet").read_bytes())
        (tmp_path / "quantise.json").write_text(json.dumps({"title": "?", "data": {"note": ""}}))
        with pytest.raises(InvalidFile, match="run the study again"):
            write_page(tmp_path)


class TestRefusedCells:
    def test_are_rows_with_the_reason(self, tmp_path, samples):
        soft = network(reset="soft")
        done = study(tmp_path, soft, samples)
        rows = done.table.filter(pl.col("weight_bits").is_not_null())
        if set(rows["status"]) == {"ran"}:
            pytest.skip("this reset has a form on the target")
        assert set(rows["status"]) == {"refused"}
        assert all("lif1" in reason for reason in rows["reason"])
        assert done.table["accuracy"].null_count() == 2
        assert "refused: " in write_page(tmp_path).read_text()

    def test_leave_the_others_alone(self, tmp_path, graph, samples):
        four = load_profile("ideal-int8")
        done = study(tmp_path, graph, samples, profile=four, scalings=("max_abs", "mse"))
        status = dict(done.table.filter(weight_bits=8).select("scaling", "status").rows())
        assert status == {"max_abs": "ran", "mse": "refused"}
        reason = done.table.filter(pl.col("status") == "refused")["reason"][0]
        assert "scaling" in reason
        assert reason.split(":")[0] in write_page(tmp_path).read_text()


class TestResuming:
    @pytest.fixture
    def counted(self, monkeypatch):
        calls = []
        measure = measuring.measure

        def counting(model, *rest):
            calls.append(model.content_hash)
            if len(calls) == self.stop:
                raise KeyboardInterrupt
            return measure(model, *rest)

        self.stop = -1
        monkeypatch.setattr(measuring, "measure", counting)
        return calls

    def test_a_finished_cell_is_not_run_again(self, tmp_path, graph, samples, counted):
        first = study(tmp_path, graph, samples)
        assert (len(counted), first.reused) == (3, 0)
        again = study(tmp_path, graph, samples)
        assert (len(counted), again.reused) == (3, 3)
        assert again.table.equals(first.table)
        study(tmp_path, graph, samples, weight_bits=(3, 5, 8))
        assert len(counted) == 4

    def test_goes_on_where_it_was_stopped(self, tmp_path, graph, samples, counted):
        self.stop = 3
        with pytest.raises(KeyboardInterrupt):
            study(tmp_path, graph, samples)
        with pytest.raises(InvalidFile, match="run the study again"):
            read_study(tmp_path)
        done = study(tmp_path, graph, samples)
        assert (len(counted), done.reused) == (4, 2)
        read_study(tmp_path)

    def test_other_samples_attacks_or_weights_are_run(self, tmp_path, graph, samples, counted):
        study(tmp_path, graph, samples, weight_bits=(8,))
        other = images(seed=9)
        study(tmp_path, graph, other, weight_bits=(8,))
        study(tmp_path, graph, samples, weight_bits=(8,), attacks=[attack_set(graph, samples)])
        study(tmp_path, network(gain_in=np.array(1.5)), samples, weight_bits=(8,))
        assert len(counted) == 8

    def test_damage_is_named(self, tmp_path, graph, samples):
        study(tmp_path, graph, samples, weight_bits=(8,))
        victim = next((tmp_path / "runs").glob("*.parquet"))
        whole = victim.read_bytes()
        victim.write_bytes(whole[:-9])
        with pytest.raises(InvalidFile, match="delete it, and the study runs it again"):
            study(tmp_path, graph, samples, weight_bits=(8,))
        victim.write_bytes(whole)
        victim.with_suffix(".json").write_text("[")
        with pytest.raises(InvalidFile, match="no comparison of spikes"):
            study(tmp_path, graph, samples, weight_bits=(8,))


class TestWhatDoesNotFit:
    @pytest.mark.parametrize(
        ("axes", "match"),
        [
            ({"weight_bits": (9,)}, r"bits is 9; it must lie in 2\.\.8"),
            ({"weight_bits": ()}, "bits is empty"),
            ({"weight_bits": (4, 4)}, "each once"),
            ({"weight_bits": (4,), "scalings": ("best",)}, "no scaling rule is named 'best'"),
            ({"weight_bits": (4,), "decay_bits": (13,)}, r"decay-bits is 13; .* 1\.\.12"),
            ({"weight_bits": (4,), "percentile": 0.0}, "percentile is 0.0"),
        ],
    )
    def test_axes(self, axes, match):
        with pytest.raises(InvalidInput, match=match):
            Sweep(**axes)

    def test_numbers_as_text(self):
        assert whole_numbers("8, 2..4,3", "bits") == (2, 3, 4, 8)
        assert whole_numbers("5", "bits") == (5,)
        for text in ("", "a", "2..", "..3", "1.5", "2-8"):
            with pytest.raises(InvalidInput, match=r"bits is .*; give whole numbers"):
                whole_numbers(text, "bits")

    def test_samples(self, tmp_path, graph, samples):
        wrong = Samples("noise", samples.raw[:2], np.array([0, CLASSES]), levels=256)
        with pytest.raises(InvalidInput, match=r"labels up to 3, the model decides between 3"):
            study(tmp_path, graph, wrong)
        with pytest.raises(InvalidInput, match="'spikes' needs training samples"):
            study(tmp_path, graph, samples, scalings=("spikes",), calibration=None)
        pixels = np.zeros((2, 3, SIDE, SIDE), np.uint8)
        wide = Samples("noise", pixels, np.zeros(2, int), levels=256)
        with pytest.raises(InvalidInput, match="shape"):
            study(tmp_path, graph, wide)
        with pytest.raises(InvalidInput, match="noise holds no arrays x and y"):
            study(tmp_path, graph, Samples("noise", samples.raw, levels=256))

    def test_a_model_of_event_frames(self, tmp_path, samples):
        graph = network()
        events = graph.with_(header=Header(dt_s=1e-3, steps=STEPS, coding="events"))
        with pytest.raises(InvalidInput, match="takes events coding"):
            study(tmp_path, events, samples)

    def test_attacks_on_other_samples(self, tmp_path, graph, samples):
        other = images(seed=11, name="other")
        with pytest.raises(InvalidInput, match="crafted on other samples than the 140 of noise"):
            study(tmp_path, graph, samples, attacks=[attack_set(graph, other)])

    def test_attacks_on_more_samples_are_shortened(self, tmp_path, graph, samples):
        few = samples.head(30)
        done = study(tmp_path, graph, few, attacks=[attack_set(graph, samples)])
        assert set(done.table["n"]) == {30}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with the model and its images."""
    pytest.importorskip("PIL.Image")
    folder, found = tmp_path_factory.mktemp("data"), images()
    save_model(network(), folder / "tiny.safetensors")
    for part in ("train", "test"):
        files = [encoded(pixels[0]) for pixels in found.raw]
        written(folder / f"{part}-0.parquet", files, found.labels, image="image")
    return folder


class TestCommand:
    invoke = staticmethod(partial(invoke, "quantise"))

    def test_from_files_to_table_and_page(self, prepared, tmp_path, graph, samples):
        attack_set(graph, samples).save(tmp_path / "sets" / "one.safetensors")
        asked = ("--data", prepared, "--bits", "4,8", "--scaling", "mse,spikes", "--limit", 50)
        asked += ("--attacks", tmp_path / "sets", "--out", tmp_path / "out", "--json")
        result = self.invoke(prepared / "tiny.safetensors", *asked)
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        assert len(found["rows"]) == 2 * (1 + 4)
        values, labels = samples.values[:50], samples.labels[:50]
        right = int((decisions(graph, values) == labels).sum())
        assert found["rows"][0]["right"] == right
        shown = self.invoke(prepared / "tiny.safetensors", *asked[:-1])
        assert f"Page: {found['page']}" in shown.output.replace("\n", "")
        assert "noise, ε 1" in shown.output
        assert len(load_attacks([tmp_path / "sets"], graph)) == 1

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            ({"--scaling": "best"}, "no scaling rule is named 'best'"),
            ({"--input-coding": "morse"}, "no input coding is named 'morse'"),
            ({"--bits": "9"}, "must lie in 2..8"),
            ({"--bits": "all"}, "give whole numbers"),
            ({"--profile": "loihi9"}, "no hardware profile is named 'loihi9'"),
            ({"--data": None}, "name the test samples with --data"),
            ({"--data": "nowhere"}, "holds no test-*.parquet"),
            ({"--attacks": "nowhere"}, "is no file; give an attack set"),
        ],
    )
    def test_unknown_things_are_refused_by_name(self, prepared, tmp_path, change, match):
        asked = {"--data": prepared, "--bits": "8", "--out": tmp_path / "out"} | change
        listed = [text for pair in asked.items() if pair[1] is not None for text in pair]
        result = self.invoke(prepared / "tiny.safetensors", *listed)
        assert result.exit_code == 2
        assert match in result.output.replace("\n", " ")

    def test_a_model_that_is_none(self, prepared, tmp_path):
        result = self.invoke(tmp_path / "none.safetensors", "--data", prepared)
        assert result.exit_code == 2
        assert "none.safetensors" in result.output
