"""Threat models: what is legal, counted by hand or by brute force."""

import itertools
import math

import numpy as np
import pytest
import torch

from neurorobust.attacks import L2, Draws, Events, Linf, Retiming, make_threat
from neurorobust.data.exchange import to_events, to_frames
from neurorobust.errors import InvalidInput
from neurorobust.ir import Header


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


class TestL2:
    @pytest.mark.parametrize("levels", [None, 256, 5])
    @pytest.mark.parametrize("epsilon", [0.0, 0.3, 0.51, 1.7])
    def test_never_leaves_the_ball_nor_the_grid(self, levels, epsilon):
        draw = np.random.default_rng(0)
        clean = (
            draw.integers(0, 5, (50, 3, 4)) / 4 if levels == 5 else draw.uniform(size=(50, 3, 4))
        )
        if levels == 256:
            clean = np.rint(clean * 255) / 255
        if levels == 5 and 0 < epsilon < 0.25:
            pytest.skip("refused")
        threat = L2(epsilon=epsilon, levels=levels)
        x = tensor(clean + draw.normal(size=clean.shape))
        legal = threat.legalise(x, tensor(clean))
        assert threat.violations(legal, tensor(clean)) == 0
        moved = np.sqrt(((legal.numpy() - clean) ** 2).sum((1, 2)))
        assert moved.max() <= epsilon + 1e-12
        if levels != 5 and epsilon < 1:
            assert moved.mean() >= 0.9 * epsilon * (1 if levels is None else 0.95) - 0.05
        if levels is not None:
            top = levels - 1
            assert np.array_equal(np.rint(legal.numpy() * top) / top, legal.numpy())

    def test_of_all_ways_to_round_it_takes_a_legal_one_near_the_nearest(self):
        """Brute force over rounding up or down: none in the ball has fewer values rounded away."""
        draw = np.random.default_rng(1)
        threat = L2(epsilon=0.5, levels=11)
        for _ in range(20):
            clean = np.full((1, 6), 0.5)
            x = threat.project(tensor(clean + draw.normal(size=(1, 6))), tensor(clean)).numpy()
            found = np.rint((threat.legalise(tensor(x), tensor(clean)).numpy() - clean) * 10)[0]
            wanted = ((x - clean) * 10)[0]
            nearest = np.rint(wanted)
            options = itertools.product(*({np.trunc(w), np.rint(w)} for w in wanted))
            inside = [np.array(o) for o in options if (np.array(o) ** 2).sum() <= 25 + 1e-9]
            assert any(np.array_equal(found, o) for o in inside)
            if (nearest**2).sum() <= 25 + 1e-9:
                assert np.array_equal(found, nearest)

    def test_violations(self):
        clean = tensor([[0.0, 0.0], [0.5, 0.5]])
        threat = L2(epsilon=0.5)
        assert threat.violations(tensor([[0.3, 0.4], [0.5, 1.0]]), clean) == 0
        assert threat.violations(tensor([[0.3, 0.41], [0.5, 1.01]]), clean) == 3

    def test_a_random_start_fills_the_radius(self):
        clean = torch.full((8, 40), 0.5, dtype=torch.float64)
        threat = L2(epsilon=0.4)
        away = threat.random(clean, Draws(0, np.arange(8))) - clean
        assert torch.allclose(away.norm(dim=1), tensor(0.4), rtol=1e-9)

    @pytest.mark.parametrize("epsilon", [-1, math.nan, math.inf])
    def test_refused(self, epsilon):
        with pytest.raises(InvalidInput, match="finite and at least 0"):
            L2(epsilon=epsilon)

    def test_below_a_step(self):
        with pytest.raises(InvalidInput, match="the sensor moves in steps"):
            L2(epsilon=0.003, levels=256)


class TestEvents:
    def oracle(self, wish, clean, high, *, bins, insert, remove):
        """One change after the other, the largest wish first."""
        found, spent = clean.copy(), {1: 0, -1: 0}
        limits = {
            1: math.inf if insert is None else insert,
            -1: math.inf if remove is None else remove,
        }
        changed = 0
        for at in np.argsort(-np.abs(wish - clean), kind="stable"):
            change = np.clip(np.rint(wish[at]), 0, high) - clean[at]
            sign = int(np.sign(change))
            if sign:
                change = sign * min(abs(change), limits[sign] - spent[sign])
                spent[sign] += abs(change)
            if change and changed < bins:
                changed += 1
                found[at] = clean[at] + change
        return found

    @pytest.mark.parametrize(
        ("high", "bins", "insert", "remove"),
        [(1, 4, None, None), (1, 9, 3, 2), (1, 9, 0, None), (7, 5, None, None), (7, 20, 4, 6)],
    )
    def test_the_largest_wishes_are_kept(self, high, bins, insert, remove):
        draw = np.random.default_rng(high + bins)
        clean = draw.integers(0, high + 1, (30, 4, 6)).astype(float)
        wish = clean + draw.normal(size=clean.shape) * 3
        threat = Events(epsilon=bins, bounds=(0, high), insert=insert, remove=remove)
        legal = threat.legalise(tensor(wish), tensor(clean))
        assert threat.violations(legal, tensor(clean)) == 0
        for n in range(30):
            wanted = self.oracle(
                wish[n].ravel(), clean[n].ravel(), high, bins=bins, insert=insert, remove=remove
            )
            assert np.array_equal(legal[n].numpy().ravel(), wanted)

    def test_counts_above_one_survive(self):
        clean = tensor([[[0.0, 5.0, 200.0]]])
        threat = Events(epsilon=2, bounds=(0, 255))
        assert threat.legalise(clean, clean).equal(clean)
        assert threat.legalise(clean + 0.4, clean).equal(clean)
        assert threat.legalise(tensor([[[9.0, 5.0, 201.0]]]), clean).tolist() == [[[9, 5, 201]]]

    def test_violations(self):
        clean = tensor([[0.0, 1, 0, 1]])
        threat = Events(epsilon=2, insert=1, remove=1)
        for x, count in (
            ([1, 0, 0, 1], 0),
            ([1, 1, 1, 1], 1),  # two inserted
            ([0, 0, 0, 0], 1),  # two removed
            ([1, 0, 1, 1], 2),  # three bins, two inserted
            ([0.5, 1, 0, 1], 1),
            ([2, 1, 0, 1], 2),  # off the bounds, and two events
        ):
            assert threat.violations(tensor([x]), clean) == count, x

    def test_noise_spends_the_budget(self):
        clean = tensor(np.random.default_rng(0).integers(0, 4, (20, 5, 6)).astype(float))
        threat = Events(epsilon=7, bounds=(0, 3))
        noise = threat.random(clean, Draws(1, np.arange(20)))
        assert threat.size(noise, clean).tolist() == [7] * 20
        assert (noise - clean).abs().max() == 1

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({"epsilon": 0.5}, "epsilon is 0.5; bins and events are whole"),
            ({"epsilon": -1}, "epsilon is -1"),
            ({"epsilon": math.nan}, "epsilon is nan"),
            ({"epsilon": 3, "insert": 1.5}, "insert is 1.5"),
            ({"epsilon": 3, "remove": -2}, "remove is -2"),
            ({"epsilon": 3, "bounds": (0.0, 0.5)}, "counts of events are whole"),
            ({"epsilon": 3, "bounds": (-1.0, 1.0)}, "counts of events are whole"),
            ({"epsilon": 3, "levels": 256}, "steps of 0.00392157; events come whole: 2 levels"),
        ],
    )
    def test_a_budget_the_grid_cannot_express(self, fields, text):
        with pytest.raises(InvalidInput, match=text):
            Events(**fields)


def matchings(before, after):
    """All ways in which the events of one pixel may have moved."""
    for order in set(itertools.permutations(after)):
        yield [abs(a - b) for a, b in zip(before, order, strict=True)]


def line(times, steps):
    return np.bincount(np.array(times, int), minlength=steps).astype(float)


class TestRetiming:
    STEPS = 6

    def test_costs_against_all_matchings(self):
        """Largest and total move are the least possible; the number moved is one of a matching."""
        draw = np.random.default_rng(2)
        for _ in range(150):
            count = draw.integers(1, 5)
            before, after = (np.sort(draw.integers(0, self.STEPS, count)) for _ in range(2))
            clean, x = (tensor(line(t, self.STEPS))[None, :, None] for t in (before, after))
            ways = list(matchings(before, after))
            largest = min(max(way) for way in ways)
            loose = Retiming(epsilon=largest, bounds=(0, 9))
            assert loose.size(x, clean).tolist() == [largest]
            assert loose.violations(x, clean) == 0
            if largest:
                assert Retiming(epsilon=largest - 1, bounds=(0, 9)).violations(x, clean) == 1
            lawful = [way for way in ways if max(way) <= largest]
            total, moved = (cost.item() for cost in loose._costs(x[:, :, :], clean))
            assert total == min(map(sum, lawful))
            assert moved in {sum(m > 0 for m in way) for way in lawful}
            assert moved >= min(sum(m > 0 for m in way) for way in lawful)

    def frames(self, high, seed=0):
        draw = np.random.default_rng(seed)
        return tensor(draw.integers(0, high + 1, (6, 8, 2, 5)).astype(float))

    @pytest.mark.parametrize("high", [1, 3])
    @pytest.mark.parametrize(
        "budget", [{"epsilon": 1}, {"epsilon": 3}, {"epsilon": 2, "total": 5, "moved": 4}]
    )
    def test_noise_preserves_every_count(self, high, budget):
        clean = self.frames(high)
        clean[:, :4] = 0  # room to move
        threat = Retiming(bounds=(0, high), **budget)
        noise = threat.legalise(threat.random(clean, Draws(0, np.arange(6))), clean)
        assert threat.violations(noise, clean) == 0
        assert noise.sum(1).equal(clean.sum(1))
        assert noise.max() <= high
        assert not noise.equal(clean)
        moved = (noise - clean).clamp(min=0).flatten(1).sum(1)
        assert moved.max() <= budget.get("moved", math.inf)

    def test_what_breaks_the_law_goes_back_to_clean(self):
        clean = torch.zeros(1, 5, 3, dtype=torch.float64)
        clean[0, 2] = 1
        x = torch.zeros_like(clean)
        x[0, 3, 0] = 1  # one later: legal
        x[0, 4, 1] = 1  # two later: too far
        x[0, 1:3, 2] = 1  # an event too many
        legal = Retiming(epsilon=1).legalise(x, clean)
        assert legal[0].argmax(0).tolist() == [3, 2, 2]
        assert legal.sum(1).equal(clean.sum(1))
        assert Retiming(epsilon=0).legalise(x, clean).equal(clean)
        assert Retiming(epsilon=1, total=0).legalise(x, clean).equal(clean)
        assert Retiming(epsilon=1, moved=0).legalise(x, clean).equal(clean)

    def test_preferences_are_followed_where_bins_are_free(self):
        clean = torch.zeros(6, 1, dtype=torch.float64)
        clean[[1, 2]] = 1
        late = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 2.0]])
        moved = Retiming(epsilon=1).retime(clean, late)
        assert moved.flatten().tolist() == [0, 0, 1, 1, 0, 0]
        blocked = np.array([[0.0, 0.0, 2.0], [0.0, 1.0, 0.0]])  # the second stays in its bin
        assert Retiming(epsilon=1).retime(clean, blocked).equal(clean)
        counted = Retiming(epsilon=1, bounds=(0, 2)).retime(clean, blocked)
        assert counted.flatten().tolist() == [0, 0, 2, 0, 0, 0]

    @pytest.mark.parametrize(
        ("budget", "moved"), [({}, [4, 5, 6]), ({"total": 5}, [4, 5]), ({"moved": 1}, [4])]
    )
    def test_budgets_are_spent_on_what_gains_most(self, budget, moved):
        """Three pixels with an event in bin 2; each would go two bins on, the first gains most."""
        clean = torch.zeros(6, 3, dtype=torch.float64)
        clean[2] = 1
        wish = np.zeros((3, 5))
        wish[:, 4] = [3.0, 2.0, 1.0]
        threat = Retiming(epsilon=2, **budget)
        found = threat.retime(clean, wish)
        assert found[4].tolist() == [float(4 + n in moved) for n in range(3)]
        assert found.sum(0).tolist() == [1, 1, 1]
        assert threat.violations(found[None], clean[None]) == 0

    @pytest.mark.parametrize("fields", [{"epsilon": 0.5}, {"epsilon": 1, "total": -1}])
    def test_refused(self, fields):
        with pytest.raises(InvalidInput, match="whole numbers from 0"):
            Retiming(**fields)


class TestRecords:
    @pytest.mark.parametrize(
        "threat",
        [
            Linf(epsilon=8 / 255, levels=256),
            L2(epsilon=0.5, bounds=(-1.0, 1.0)),
            Events(epsilon=5, insert=3, bounds=(0, 15), levels=16),
            Retiming(epsilon=2, moved=9),
        ],
    )
    def test_a_threat_comes_back_from_its_record(self, threat):
        assert make_threat(threat.parameters()) == threat

    def test_records_that_do_not_fit(self):
        with pytest.raises(InvalidInput, match="no threat model is named 'l1'"):
            make_threat({"name": "l1", "epsilon": 1, "bounds": [0, 1]})
        with pytest.raises(InvalidInput, match="does not fit it"):
            make_threat({"name": "linf", "epsilon": 1})

    @pytest.mark.parametrize("levels", [2, 16, 256, 4096])
    def test_codes_round_trip_to_the_last_bit(self, levels):
        threat = Linf(epsilon=2.0, bounds=(-0.3, 1.7), levels=levels)
        wild = tensor(np.random.default_rng(0).uniform(-1, 2, (4, 50)))
        legal = threat.legalise(wild, threat.legalise(wild * 0, wild * 0)).numpy()
        codes = threat.codes(legal)
        assert codes.dtype.itemsize == (1 if levels <= 256 else 2)
        assert np.array_equal(threat.values(codes), legal)
        with pytest.raises(InvalidInput, match="state levels"):
            Linf(epsilon=0.1).codes(legal)

    def test_on_a_models_header(self):
        header = Header(dt_s=1e-3, steps=4, bounds=(0.0, 15.0), levels=16, coding="events")
        threat = Events.of(header, 5, insert=2)
        assert (threat.bounds, threat.levels, threat.insert) == ((0.0, 15.0), 16, 2)


class TestExchange:
    def test_frames_to_events_and_back(self):
        frames = np.random.default_rng(0).integers(0, 4, (7, 2, 5, 6)).astype(float)
        events = to_events(frames, 2e-3)
        assert len(events) == frames.sum()
        assert (np.diff(events["t"]) >= 0).all()
        assert set(events["t"] % 2000) == {1000}
        assert np.array_equal(to_frames(events, frames.shape, 2e-3), frames)

    def test_one_event_by_hand(self):
        frames = np.zeros((3, 2, 4, 5))
        frames[2, 1, 3, 4] = 2
        assert to_events(frames, 1e-3).tolist() == [(2500, 4, 3, 1)] * 2

    def test_refused(self):
        frames = np.zeros((3, 2, 4, 5))
        for bad in (frames[0], frames - 1, frames + 0.5):
            with pytest.raises(InvalidInput, match="whole counts"):
                to_events(bad, 1e-3)
        with pytest.raises(InvalidInput, match="whole microseconds"):
            to_events(frames, 1.5e-6)
        events = to_events(frames + 1, 1e-3)
        with pytest.raises(InvalidInput, match="outside the frames"):
            to_frames(events, (3, 2, 4, 4), 1e-3)


def test_draws_depend_on_seed_and_sample_only():
    like = torch.zeros(5, 3, dtype=torch.float64)
    whole = Draws(7, np.array([3, 1, 4, 1, 5]))
    first = whole.uniform(like)
    assert first[1].equal(first[3])
    assert not first[0].equal(first[1])
    part = Draws(7, np.array([4]))
    assert part.uniform(like[:1])[0].equal(first[2])
    rows = torch.tensor([2])
    assert whole.take(rows).normal(like[:1]).equal(part.normal(like[:1]))
    assert not Draws(8, np.array([3])).uniform(like[:1])[0].equal(first[0])
    for seed, index in ((-1, [0]), (0, [-1])):
        with pytest.raises(InvalidInput, match="count from 0"):
            Draws(seed, np.array(index))
