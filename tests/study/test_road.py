"""What a study finds: every number again from direct runs of the reference, and by hand."""

import math

import numpy as np
import polars as pl
import pytest

from neurorobust import backends
from neurorobust.attacks import AttackSet, Linf
from neurorobust.backends import get_backend
from neurorobust.chips import load_profile
from neurorobust.compare.spikes import compare_spikes
from neurorobust.data import Samples, encode
from neurorobust.errors import InvalidFile, InvalidInput
from neurorobust.fit import with_cores
from neurorobust.ir import LIF, Affine, Header
from neurorobust.lower import lower
from neurorobust.metrics import mcnemar_exact, wilson
from neurorobust.study import folder as results
from neurorobust.study import tables
from neurorobust.study.given import read_sets
from tests.support import small, studies
from tests.support.studies import decisions, direct, images, network

PROFILE = load_profile("loihi2").profile
COUNT = 140
"""More samples than one batch."""
COMPARED = 100


@pytest.fixture(scope="module")
def samples():
    return images(count=COUNT)


@pytest.fixture(scope="module")
def graph():
    return network()


CALIBRATION = images(seed=4, count=16)


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
        request={"attack": {"name": "noise"}, "gradient": {"name": "none"}, "seed": 0}
        | {"threat": Linf(epsilon=1.0, levels=256).parameters(), "model": graph.content_hash},
    )


@pytest.fixture(scope="module")
def sweep(tmp_path_factory, graph, samples):
    """Every rule at two bits and two decays, with a set from elsewhere."""
    return studies.run(
        tmp_path_factory.mktemp("sweep"),
        samples=samples,
        calibration=CALIBRATION,
        sets=[attack_set(graph, samples)],
        lower={
            "profile": ["loihi2"],
            "weight_bits": [3, 8],
            "scaling": ["max_abs", "percentile", "mse", "spikes"],
            "decay_bits": [4, 12],
        },
        replay={"backend": ["torch"], "compare": COMPARED},
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
    score = np.zeros((len(values), studies.CLASSES), dtype=np.int64)
    for _ in range(studies.STEPS):
        h = np.sign(v) * (np.abs(v) * kept // 4096) + current * 64 + bias
        spikes = h > limit
        v = np.where(spikes, 0, h)
        score += summed(spikes, fc2.weight, readout_scale) * 64
    return score


class TestLowering:
    def variants(self, sweep, graph):
        """Rows of integers with the model lowered anew."""
        for row in sweep.rows.filter(pl.col("rung") == "quantised").to_dicts():
            options = {key: row[key] for key in ("scaling", "weight_bits", "decay_bits")}
            program = lower(graph, PROFILE, calibration=CALIBRATION.values, **options)
            yield row, with_cores(program, PROFILE)

    def test_all_are_there_once_with_every_column(self, sweep):
        assert list(sweep.rows.columns) == list(tables.ROWS)
        clean = studies.clean(sweep)
        assert clean.height == 1 + 2 * 4 * 2
        assert clean.select("weight_bits", "scaling", "decay_bits").is_unique().all()
        assert set(sweep.rows["status"]) == {"done"}
        assert sweep.rows.height == 2 * clean.height

    def test_accuracy_and_agreement_are_those_of_the_reference(self, sweep, graph, samples):
        values, labels = samples.values, samples.labels
        own = decisions(graph, values)
        first = sweep.rows.row(0, named=True)
        told = (first["rung"], first["weight_bits"], first["right"], first["n"])
        assert told == ("float", None, int((own == labels).sum()), COUNT)
        seen = set()
        for row, program in self.variants(sweep, graph):
            if row["set"] != "clean":
                continue
            found = decisions(program, values)
            assert row["right"] == (found == labels).sum()
            assert row["agreeing"] == (found == own).sum()
            assert row["agreement"] == row["agreeing"] / COUNT
            assert (row["agreement_low"], row["agreement_high"]) == wilson(row["agreeing"], COUNT)
            assert row["accuracy"] == row["right"] / COUNT
            assert (row["accuracy_low"], row["accuracy_high"]) == wilson(row["right"], COUNT)
            assert row["program"] == program.content_hash[:12]
            assert row["model_hash"] == graph.content_hash[:12]
            seen.add(row["right"])
        assert len(seen) > 2  # the variants differ, so equal numbers mean something

    def test_spikes_are_compared_with_the_float_model(self, sweep, graph, samples):
        values = samples.values[:COMPARED]
        wanted = direct(graph, values, ["spikes"]).spikes["lif1"]
        for row, program in self.variants(sweep, graph):
            if row["set"] != "clean":
                continue
            found = direct(program, values, ["spikes"]).spikes["lif1"]
            differ = found != wanted
            assert row["spike_values"] == differ.size
            assert row["spikes_differing"] == differ.sum()
            assert row["spikes_fired"] == (wanted != 0).sum()
            steps = np.flatnonzero(differ.any(axis=(0, 2)))
            assert row["first_step"] == (steps[0] if len(steps) else None)
            assert row["first_node"] == ("lif1" if len(steps) else None)

    def test_the_fate_of_attacks_is_counted_over_what_both_decide_rightly(
        self, sweep, graph, samples
    ):
        attacks, labels = attack_set(graph, samples), samples.labels
        on_float = decisions(graph, samples.values) == labels
        fooled_float = decisions(graph, attacks.adversarial) != labels
        moved = 0
        for row, program in self.variants(sweep, graph):
            if row["set"] == "clean":
                continue
            assert row["set"] == attacks.content_hash[:12]
            both = on_float & (decisions(program, samples.values) == labels)
            fooled = decisions(program, attacks.adversarial) != labels
            lost = int((both & fooled_float & ~fooled).sum())
            gained = int((both & ~fooled_float & fooled).sum())
            assert row["attackable"] == both.sum()
            assert row["fooled"] == (both & fooled).sum()
            assert row["success"] == row["fooled"] / row["attackable"]
            assert row["surrogate_fooled"] == (both & fooled_float).sum()
            assert (row["lost"], row["gained"]) == (lost, gained)
            assert row["kept"] == row["surrogate_fooled"] - lost
            assert row["p_value"] == mcnemar_exact(lost, gained)
            moved += lost + gained
        assert moved > 10

    def test_a_row_of_outcomes_per_run_and_sample(self, sweep, graph, samples):
        whole = sweep.outcomes
        assert whole.height == sweep.rows.height * COUNT
        run = direct(graph, samples.values)
        own = whole.filter(pl.col("rung") == "float", pl.col("set") == "clean")
        assert own["sample"].to_list() == list(range(COUNT))
        assert own["label"].to_list() == samples.labels.tolist()
        assert own["decision"].to_list() == run.decisions.tolist()
        others = np.where(np.eye(studies.CLASSES, dtype=bool)[samples.labels], -np.inf, run.scores)
        margin = run.scores[np.arange(COUNT), samples.labels] - others.max(1)
        np.testing.assert_allclose(own["margin"], margin, rtol=1e-12)

    @pytest.mark.parametrize("bits", [3, 8])
    def test_decisions_are_those_of_integers_written_out(self, sweep, graph, samples, bits):
        (layers,) = (
            program.report
            for program in sweep.manifest.programs
            if (program.weight_bits, program.scaling, program.decay_bits) == (bits, "max_abs", 12)
        )
        scales = {layer["layer"]: layer["scale"] for layer in layers}
        factors = {"scale": scales["lif1"], "readout_scale": scales["li"]}
        scores = integer_model(graph, samples.values, bits=bits, **factors)
        cell = {"set": "clean", "weight_bits": bits, "scaling": "max_abs", "decay_bits": 12}
        row = sweep.rows.filter(**cell).row(0, named=True)
        assert row["right"] == (scores.argmax(1) == samples.labels).sum()

    def test_more_bits_change_fewer_spikes(self, sweep):
        plain = sweep.rows.filter(set="clean", scaling="max_abs", decay_bits=12)
        apart = dict(plain.select("weight_bits", "spikes_differing").rows())
        assert apart[3] > apart[8]


CRAFT = {
    "attack": ["noise", "pgd(steps=3)"],
    "gradient": ["rga", "stbp"],
    "epsilon": ["8/255", "32/255"],
}


@pytest.fixture(scope="module")
def shown():
    return images(count=50)[5:45]


@pytest.fixture(scope="module")
def done(tmp_path_factory, shown):
    folder = tmp_path_factory.mktemp("attacks")
    craft = CRAFT | {"precision": "double"}
    return folder, studies.run(folder, samples=shown, craft=craft)


class TestAttacks:
    def test_every_number_again_from_the_frozen_sets(self, done, graph, shown):
        folder, found = done
        program = with_cores(lower(graph, PROFILE), PROFILE)
        x, y = shown.values, shown.labels
        sets = {made.content_hash[:12]: made for made in read_sets([folder], shown)}
        assert len(found.manifest.sets) == len(sets) == 6
        for info in found.manifest.sets:
            made = sets[info.set]
            assert np.array_equal(made.sample, np.arange(5, 45))
            assert np.array_equal(made.clean, x)
            assert np.abs(made.adversarial - x).max() <= made.epsilon + 1e-9
            right, fooled = decisions(graph, x) == y, decisions(graph, made.adversarial) != y
            assert (info.n, info.right, info.fooled) == (40, right.sum(), (right & fooled).sum())
            for model, rung in ((graph, "float"), (program, "quantised")):
                after = decisions(model, made.adversarial)
                for backend in ("reference", "torch"):
                    where = {"set": info.set, "rung": rung, "backend": backend}
                    (row,) = found.rows.filter(**where).to_dicts()
                    assert row["right"] == (after == y).sum()
                    ran = found.outcomes.filter(**where)
                    assert ran["decision"].to_list() == after.tolist()
                    assert ran["sample"].to_list() == list(range(5, 45))

    def test_backends_are_compared_with_the_reference(self, done, graph, shown):
        _, found = done
        run = {
            name: backends.run(
                graph, encode(graph, shown.values), backend=name, record=["spikes"]
            )
            for name in ("reference", "torch")
        }  # fmt: skip
        (wanted,) = compare_spikes(
            run["torch"].spikes, run["reference"].spikes, order=graph.order, samples=range(40)
        )
        (row,) = found.agreement.filter(
            backend="torch", rung="float", set="clean", node="lif1"
        ).to_dicts()
        for name in ("values", "fired", "differing", "samples", "samples_differing"):
            assert row[name] == getattr(wanted, name)
        assert row["against"] == "reference"
        assert row["fired"] > 0
        assert set(found.agreement["backend"]) == {"torch"}
        assert found.agreement["differing"].sum() == 0

    def test_columns_say_what_a_row_is_from(self, done, graph):
        _, found = done
        assert list(found.rows.columns[: len(tables.RUN)]) == list(tables.RUN)
        assert set(found.rows["model"]) == {"tiny"}
        assert set(found.rows["model_hash"]) == {graph.content_hash[:12]}
        assert set(found.rows["coding"]) == {"direct"}
        assert set(found.rows["data"]) == {"noise"}
        attacked = found.rows.filter(pl.col("set") != "clean")
        assert set(attacked["crafted_on"]) == {graph.content_hash[:12]}
        assert set(attacked.select("attack", "gradient", "knowledge").unique().rows()) == {
            ("noise", "none", "none"),
            ("pgd(steps=3)", "rga", "white_box"),
            ("pgd(steps=3)", "stbp", "white_box"),
        }
        quantised = found.rows.filter(rung="quantised")
        assert quantised["profile"].unique().to_list() == ["loihi2"]
        assert (quantised["program"].str.len_chars() == 12).all()

    def test_the_surrogate_is_torch_on_float(self, done):
        _, found = done
        attacked = found.rows.filter(pl.col("set") != "clean")
        own = attacked.filter(backend="torch", rung="float")
        assert own["kept"].null_count() == own.height
        assert (own["surrogate_fooled"] == own["fooled"]).all()
        rest = attacked.filter((pl.col("backend") != "torch") | (pl.col("rung") != "float"))
        assert (rest["kept"] + rest["lost"] == rest["surrogate_fooled"]).all()
        assert (rest["kept"] + rest["gained"] == rest["fooled"]).all()

    def test_two_models_and_their_folders_are_concatenated_in_one_line(self, done, tmp_path):
        one, found = done
        studies.run(tmp_path, models=[network(7, "other")], samples=images(9, name="else"))
        for name in ("rows", "outcomes", "agreement"):
            both = pl.concat(pl.read_parquet(f / f"{name}.parquet") for f in (one, tmp_path))
            assert both.height > getattr(found, name).height
            assert set(both["model"]) == {"tiny", "other"}
            assert set(both["data"]) == {"noise", "else"}

    def test_chunks_give_the_same_outcomes(self, done, tmp_path, shown):
        _, whole = done
        cut = studies.run(
            tmp_path,
            samples=shown,
            craft=CRAFT | {"precision": "double"},
            data={"name": "noise", "chunk": 16},
        )
        names = ["backend", "rung", "attack", "gradient", "epsilon", "sample"]
        columns = [*names, "label", "decision", "margin"]
        one, other = (f.outcomes.select(columns).sort(names) for f in (whole, cut))
        assert one.equals(other)
        counts = ["n", "right", "agreeing", "fooled", "attackable", "kept", "spikes_differing"]
        names.remove("sample")
        one, other = (f.rows.select(*names, *counts).sort(names) for f in (whole, cut))
        assert one.equals(other)

    def test_twin_and_integers(self, tmp_path, graph, shown):
        craft = {"attack": ["pgd(steps=5)"], "gradient": ["rga"], "epsilon": ["32/255"]}
        found = studies.run(
            tmp_path,
            samples=shown,
            twin=network(5),
            models={"use": ["tiny"], "twin": "twin"},
            craft=craft | {"box": ["white", "twin"], "on": ["float", "quantised"]},
            replay={"backend": ["torch"]},
        )
        infos = {(info.rung, info.knowledge): info for info in found.manifest.sets}
        assert set(infos) == {
            (rung, box) for rung in ("float", "quantised") for box in ("white_box", "black_box")
        }
        assert infos["float", "black_box"].fooled < infos["float", "white_box"].fooled
        (program,) = found.manifest.programs
        assert infos["quantised", "white_box"].crafted_on == program.content_hash[:12]
        own = found.rows.filter(set=infos["quantised", "white_box"].set, rung="quantised")
        assert own["fooled"].to_list() == [infos["quantised", "white_box"].fooled]
        assert own["kept"].to_list() == [None]

    def test_a_program_is_attacked_and_replayed(self, tmp_path, graph, shown):
        program = lower(graph, PROFILE)
        craft = {"attack": ["pgd"], "gradient": ["stbp"], "epsilon": ["32/255"]}
        found = studies.run(
            tmp_path, models=[program], samples=shown, craft=craft, replay={"backend": ["torch"]}
        )
        assert set(found.rows["rung"]) == {"quantised"}
        (info,) = found.manifest.sets
        assert info.crafted_on == program.content_hash[:12]
        right = decisions(program, shown.values) == shown.labels
        (clean,) = studies.clean(found).to_dicts()
        assert clean["right"] == right.sum() == info.right

    def test_drawn_spikes_are_the_same_on_every_backend(self, tmp_path, shown):
        drawn = network(header={"coding": "bernoulli", "steps": 12})
        found = studies.run(tmp_path / "a", models=[drawn], samples=shown)
        assert found.agreement["differing"].sum() == 0
        assert found.agreement["fired"].sum() > 0

    def test_draws_are_counted_and_part_of_the_request(self, tmp_path, shown):
        drawn = network(header={"coding": "bernoulli", "steps": 12})
        craft = {"attack": ["pgd(steps=2)"], "gradient": ["stbp"], "epsilon": ["32/255"]}
        infos = {}
        for eot in (1, 4):
            found = studies.run(
                tmp_path,
                models=[drawn],
                samples=shown[:20],
                craft=craft | {"eot": eot, "votes": 3},
                replay={"backend": ["torch"]},
            )
            (infos[eot],) = found.manifest.sets
        assert infos[1].set != infos[4].set
        assert infos[4].gradients == 4 * infos[1].gradients == 8


class TestLanes:
    def test_a_lane_may_take_fewer_samples_of_sets_at_fewer_radii(self, tmp_path):
        lane = {"backend": "torch", "rung": "float", "samples": 7, "epsilon": "32/255"}
        found = studies.run(
            tmp_path,
            craft={"attack": ["noise"], "epsilon": ["16/255", "32/255"]},
            replay={"lane": [lane], "backend": ["reference"], "rung": ["float"], "compare": 30},
        )
        ran = dict(
            found.rows.select(
                pl.concat_str("backend", pl.col("epsilon").round(3).cast(str), separator=" "), "n"
            ).rows()
        )
        assert ran["reference 0.063"] == ran["reference 0.125"] == ran["reference 0.0"] == 40
        assert ran["torch 0.125"] == 7
        assert "torch 0.063" not in ran
        (row,) = found.agreement.filter(pl.col("set") != "clean").to_dicts()
        assert (row["samples"], row["differing"]) == (7, 0)

    def test_a_planted_difference_is_found_at_its_sample(self, tmp_path, monkeypatch):
        compile_ = type(get_backend("torch")).compile

        def flipped(self, model, rung, *, precision="double"):
            return _Flipped(compile_(self, model, rung, precision=precision))

        monkeypatch.setattr(type(get_backend("torch")), "compile", flipped)
        shown = Samples("at", images().raw, images().targets, np.arange(40) + 100, levels=256)
        found = studies.run(
            tmp_path, samples=shown, lower={}, replay={"backend": ["reference", "torch"]}
        )
        (row,) = found.agreement.to_dicts()
        assert (row["differing"], row["samples_differing"], row["node"]) == (1, 1, "lif1")
        assert (row["first_sample"], row["first_step"], row["first_neuron"]) == (107, 3, 2)
        run = direct(network(), shown.values[7:8], ["membrane"])
        assert row["membrane"] == pytest.approx(run.membrane["lif1"][0, 3, 2], rel=1e-12)
        assert row["threshold"] == 1.0


class _Flipped:
    """One spike of sample 107 is another."""

    def __init__(self, inner):
        self.inner = inner

    def run(self, stimulus, record=()):
        result = self.inner.run(stimulus, record)
        if result.spikes:
            result.spikes["lif1"][7, 3, 2] ^= 1
        return result

    def close(self):
        self.inner.close()


class TestRefusals:
    def test_a_lowering_without_exact_form_is_a_row(self, tmp_path):
        soft = network(reset="soft")
        found = studies.run(tmp_path, models=[soft])
        rows = found.rows.filter(rung="quantised")
        assert rows["status"].unique().to_list() == ["refused"]
        assert all("lif1" in reason for reason in rows["reason"])
        assert rows["accuracy"].null_count() == rows.height
        assert found.rows.filter(rung="float")["status"].unique().to_list() == ["done"]
        (program,) = found.manifest.programs
        assert (program.status, program.content_hash) == ("refused", "")
        assert program.reason == rows["reason"][0]
        assert found.manifest.cells == {"blocked": 2, "done": 2, "refused": 1}
        assert not found.manifest.failures

    def test_leave_the_others_alone(self, tmp_path):
        found = studies.run(
            tmp_path,
            lower={"profile": ["ideal-int8"], "weight_bits": [8], "scaling": ["max_abs", "mse"]},
            replay={"backend": ["torch"]},
        )
        rows = found.rows.filter(profile="ideal-int8")  # only its weights are on a grid
        assert dict(rows.select("scaling", "status").rows()) == {
            "max_abs": "done",
            "mse": "refused",
        }
        assert "scaling" in rows.filter(status="refused")["reason"][0]

    def test_a_backend_without_the_rung_says_why_once(self, tmp_path):
        pytest.importorskip("snntorch")
        craft = {"attack": ["noise"], "epsilon": ["32/255"]}
        found = studies.run(tmp_path, craft=craft, replay={"backend": ["torch", "snntorch"]})
        reason = get_backend("snntorch").capabilities().missing_rungs["quantised"]
        (row,) = found.rows.filter(backend="snntorch", rung="quantised").to_dicts()
        assert (row["status"], row["reason"], row["set"]) == ("refused", reason, "clean")
        (lane,) = (
            lane
            for lane in found.manifest.lanes
            if (lane.backend, lane.rung) == ("snntorch", "quantised")
        )
        assert (lane.status, lane.reason) == ("refused", reason)

    def test_a_backend_that_cannot_run_here_is_tried_again(self, tmp_path, monkeypatch):
        torch = type(get_backend("torch"))
        monkeypatch.setattr(torch, "missing", lambda _: "torch sleeps")
        found = studies.run(tmp_path)
        rows = found.rows.filter(backend="torch")
        assert set(rows["status"]) == {"unavailable"}
        assert set(rows["reason"]) == {"torch sleeps"}
        assert not found.manifest.failures
        monkeypatch.undo()
        again = studies.run(tmp_path)
        assert set(again.rows["status"]) == {"done"}
        ran_anew = again.cells.filter(~pl.col("reused"))
        assert ran_anew.height == 2
        assert all("torch" in what for what in ran_anew["what"])

    def test_lava_without_its_environment(self, tmp_path, monkeypatch):
        monkeypatch.setenv("NEUROROBUST_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("NEUROROBUST_LAVA_PYTHON", "")
        found = studies.run(tmp_path / "s", replay={"backend": ["reference", "lava"]})
        rows = found.rows.filter(backend="lava")
        assert set(rows["status"]) == {"unavailable"}
        assert all("neurorobust env build lava" in reason for reason in rows["reason"])


class TestWhatDoesNotFit:
    @pytest.mark.parametrize(
        ("lower", "match"),
        [
            ({"weight_bits": [9]}, "weight_bits 9|9 bits|2..8"),
            ({"decay_bits": [13]}, "13"),
        ],
    )
    def test_axes_that_a_chip_has_no_form_of_are_refused_as_rows(self, tmp_path, lower, match):
        found = studies.run(tmp_path, lower={"profile": ["loihi2"]} | lower)
        (row, *_) = found.rows.filter(rung="quantised").to_dicts()
        assert row["status"] == "refused"
        assert any(word in row["reason"] for word in match.split("|"))

    def test_samples(self, tmp_path, samples):
        wrong = Samples("noise", samples.raw[:2], np.array([0, studies.CLASSES]), levels=256)
        pixels = np.zeros((2, 3, studies.SIDE, studies.SIDE), np.uint8)
        wide = Samples("noise", pixels, np.zeros(2, int), levels=256)
        for shown, match in (
            (wrong, r"labels up to 3"),
            (wide, "shape"),
            (Samples("noise", samples.raw, levels=256), "noise holds no labels"),
        ):
            with pytest.raises(InvalidInput, match=match):
                studies.run(tmp_path, samples=shown)

    def test_a_radius_out_of_range_or_off_the_grid(self, tmp_path):
        for epsilon, match in ((8, "8"), ("0.1/255", "moves in steps of")):
            with pytest.raises(InvalidInput, match=match):
                studies.run(tmp_path, craft={"attack": ["noise"], "epsilon": [epsilon]})

    @pytest.mark.parametrize("threat", ["l3", "linf(total=3)"])
    def test_an_unknown_threat(self, tmp_path, threat):
        craft = {"attack": ["noise"], "epsilon": ["8/255"], "threat": threat}
        with pytest.raises(InvalidInput, match=r"l3|total"):
            studies.run(tmp_path, craft=craft)

    def test_a_model_that_is_named_twice(self, tmp_path):
        from neurorobust.study.given import read_given

        studies.files(tmp_path)
        spec = studies.spec_of(
            models={"use": [str(tmp_path / "tiny.safetensors")] * 2},
            data={"name": str(tmp_path / "noise.npz")},
        )
        with pytest.raises(InvalidInput, match="named twice"):
            read_given(spec, tmp_path)

    def test_no_set(self, tmp_path, samples):
        with pytest.raises(InvalidFile, match="holds no"):
            read_sets([tmp_path], samples)
        (tmp_path / "foreign.safetensors").write_bytes(b"\x80\x04")
        with pytest.raises(InvalidFile, match="foreign"):
            read_sets([tmp_path], samples)


class TestFolder:
    def test_damage_is_named(self, tmp_path):
        studies.run(tmp_path)
        for name in ("rows.parquet", "outcomes.parquet", "study.json", "pictures.npz"):
            path = tmp_path / name
            whole = path.read_bytes()
            path.write_bytes(whole[:-9] if name.endswith("t") else b"[")
            with pytest.raises(InvalidFile, match=name):
                results.read(tmp_path)
            path.write_bytes(whole)
        results.read(tmp_path)
        (tmp_path / "study.json").unlink()
        with pytest.raises(InvalidFile, match="not come to its end"):
            results.read(tmp_path)

    def test_what_is_written_is_read(self, tmp_path):
        found = studies.run(tmp_path, craft={"attack": ["noise"], "epsilon": ["64/255"]})
        again = results.read(tmp_path)
        for name in ("rows", "outcomes", "agreement", "cells"):
            assert getattr(again, name).equals(getattr(found, name))
        assert again.manifest == found.manifest


def test_several_layers_and_a_delay_drift_at_the_first_that_parts(tmp_path):
    """Integers part first where the step is smallest, then in the order of the model."""
    rng = np.random.default_rng(0)
    graph = small.graph(
        (1, studies.SIDE, studies.SIDE),
        Header(name="deep", dt_s=1e-3, steps=6, levels=256),
        flat=network().nodes["flat"],
        fc1=Affine(weight=rng.normal(0, 0.5, (10, 16))),
        lif1=LIF(beta=0.8, threshold=0.7),
        fc2=Affine(weight=rng.normal(0, 0.6, (3, 10))),
        lif2=LIF(beta=0.8, threshold=0.5),
    )
    shown = images()
    found = studies.run(
        tmp_path,
        models=[graph],
        samples=shown,
        lower={"profile": ["loihi2"], "weight_bits": [3]},
        replay={"backend": ["torch"], "compare": 40},
    )
    program = with_cores(lower(graph, PROFILE, weight_bits=3), PROFILE)
    one, other = (direct(m, shown.values, ["spikes"]).spikes for m in (program, graph))
    differ = {name: (one[name] != other[name]).any((0, 2)) for name in ("lif1", "lif2")}
    first = {name: int(np.flatnonzero(steps)[0]) for name, steps in differ.items() if steps.any()}
    (row,) = found.rows.filter(rung="quantised").to_dicts()
    name = min(first, key=first.get)
    assert (row["first_node"], row["first_step"]) == (name, first[name])
    assert row["spikes_differing"] == sum((one[n] != other[n]).sum() for n in differ)
