"""Convolutions and sparse matrices as runs of outputs that one input reaches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from neurorobust.ir import Array, FixedConv2d, Shape


@dataclass(frozen=True, slots=True, eq=False)
class SpanTable:
    """Where an input goes: from each weight a run of outputs, found by row, column and channel.

    An input at ``place`` (i, j, c) adds to the ``length`` outputs from ``rows[r, 0] +
    columns[k, 0] + channel[c, 0]`` the weights from ``rows[r, 1] + columns[k, 1] + channel[c, 1]``,
    for all r and k between ``row_ends`` of i and ``column_ends`` of j. Unsigned 32-bit integers.

    Attributes:
        weight: All weights in one row, int32.
        place: Row, column and channel of each input, (in, 3).
        channel: Offsets per channel, (C, 2).
        row_ends: First entry of ``rows`` per row, and the end, (rows of the input + 1,).
        rows: Offsets, (R, 2).
        column_ends: First entry of ``columns`` per column, and the end.
        columns: Offsets and length of a run, (K, 3).
    """

    weight: Array
    place: Array
    channel: Array
    row_ends: Array
    rows: Array
    column_ends: Array
    columns: Array

    @classmethod
    def of_convolution(cls, node: FixedConv2d, shape: Shape, out: Shape) -> Self:
        """Of a convolution with channels last in input and output.

        Args:
            node: Its law.
            shape: Of the input, (C, H, W).
            out: Of the output, (K, H', W').
        """
        channels, height, width = shape
        kernels, per_group, taps_y, taps_x = node.weight.shape
        per_block = kernels // node.groups
        # (C, taps_y, taps_x, K / groups), columns turned around: outputs then come in order.
        blocks = node.weight.reshape(node.groups, per_block, per_group, taps_y, taps_x)
        weight = blocks[..., ::-1].transpose(0, 2, 3, 4, 1).reshape(-1).astype(np.int32)
        c = np.arange(channels)
        channel = np.stack([c // per_group * per_block, c * taps_y * taps_x * per_block], axis=1)
        geometry = list(zip(node.stride, node.padding, node.dilation, strict=True))
        joined = node.groups == 1 and node.stride[1] == node.dilation[1] == 1
        rows = [
            [(o * out[2] * kernels, tap * taps_x * per_block) for o, tap in reached]
            for reached in _reached(height, out[1], taps_y, geometry[0])
        ]
        columns = [
            [
                (o[0] * kernels, (taps_x - 1 - tap[0]) * per_block, len(o) * per_block)
                for o, tap in _runs(reached, joined=joined)
            ]
            for reached in _reached(width, out[2], taps_x, geometry[1])
        ]
        y, x, channel_of = np.indices((height, width, channels)).reshape(3, -1)
        return cls(
            weight,
            _unsigned(np.stack([y, x, channel_of], axis=1)),
            _unsigned(channel),
            *_table(rows, 2),
            *_table(columns, 3),
        )

    @classmethod
    def of_matrix(cls, weight: Array) -> Self:
        """Of a matrix (out, in), by its entries other than 0."""
        entries: list[Array] = []
        columns: list[list[tuple[int, int, int]]] = []
        kept = 0
        for column in weight.T:
            filled = np.concatenate([[0], column != 0, [0]])
            edges = np.flatnonzero(np.diff(filled)).reshape(-1, 2)
            offsets = kept + np.cumsum(edges[:, 1] - edges[:, 0]) - (edges[:, 1] - edges[:, 0])
            columns.append(
                [
                    (a, of, b - a)
                    for (a, b), of in zip(edges.tolist(), offsets.tolist(), strict=True)
                ]
            )
            entries.append(column[column != 0])
            kept += len(entries[-1])
        place = np.zeros((weight.shape[1], 3), np.int64)
        place[:, 1] = np.arange(weight.shape[1])
        return cls(
            np.concatenate(entries).astype(np.int32),
            _unsigned(place),
            _unsigned(np.zeros((1, 2))),
            *_table([[(0, 0)]], 2),
            *_table(columns, 3),
        )

    def direct(self) -> tuple[Array, Array] | None:
        """Weight and target of each input, if none reaches more than one output."""
        row, column, channel = self.place.astype(np.int64).T
        rows = self.row_ends[row + 1] - self.row_ends[row]
        columns = self.column_ends[column + 1] - self.column_ends[column]
        if rows.max() > 1 or columns.max() > 1 or self.columns[:, 2].max(initial=1) > 1:
            return None
        reached = np.flatnonzero(rows * columns)
        at = self.channel[channel[reached]]
        at = at + self.rows[self.row_ends[row[reached]]]
        at = at + self.columns[self.column_ends[column[reached]], :2]
        weight, target = np.zeros(len(row), np.int32), np.zeros(len(row), np.uint32)
        target[reached], weight[reached] = at[:, 0], self.weight[at[:, 1]]
        return weight, target


def _reached(
    size: int, out: int, taps: int, geometry: tuple[int, int, int]
) -> list[list[tuple[int, int]]]:
    """Per position of an axis: the outputs it reaches, in order, each with its tap."""
    stride, padding, dilation = geometry
    found: list[list[tuple[int, int]]] = [[] for _ in range(size)]
    for at in range(size):
        for tap in reversed(range(taps)):
            o, off = divmod(at + padding - tap * dilation, stride)
            if not off and 0 <= o < out:
                found[at].append((o, tap))
    return found


def _runs(reached: list[tuple[int, int]], *, joined: bool) -> list[tuple[list[int], list[int]]]:
    """Outputs and taps of each run: neighbours in one run where their weights lie side by side."""
    if not reached:
        return []
    outputs, taps = [list(side) for side in zip(*reached, strict=True)]
    if joined:
        return [(outputs, taps)]
    return [([o], [tap]) for o, tap in reached]


def _table(lists: Sequence[Sequence[tuple[int, ...]]], width: int) -> tuple[Array, Array]:
    """Where each list starts and ends in all of them laid in one, and that."""
    ends = np.cumsum([0, *map(len, lists)])
    flat = [entry for entries in lists for entry in entries]
    return _unsigned(ends), _unsigned(np.array(flat, np.int64).reshape(-1, width))


def _unsigned(values: Array) -> Array:
    return np.ascontiguousarray(values, dtype=np.uint32)
