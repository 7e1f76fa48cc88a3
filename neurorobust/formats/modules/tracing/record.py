"""Running a module once on tagged zeros: which layers and cells it calls, and on what."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import Any

import torch
from torch import nn

from neurorobust.errors import InvalidInput, NeurorobustError, Unsupported
from neurorobust.formats.modules.layers import IDENTITIES, LAYERS, plain
from neurorobust.formats.modules.tracing import expressions as ex
from neurorobust.formats.modules.tracing.cells import Cell, Population
from neurorobust.formats.modules.tracing.values import (
    Layout,
    Traced,
    bare,
    data,
    is_zeros,
    zeros,
)
from neurorobust.formats.reading import OutputKind, give
from neurorobust.ir import Node, Shape
from neurorobust.ir.base import ShapeError

BATCH = 2


class WrongShape(InvalidInput):
    """A module cannot be run on the shape that was said."""


@dataclass(frozen=True, slots=True)
class Framework:
    """What is particular to a framework.

    Attributes:
        verified: The version whose laws were read and tested.
        cell: The cell of a module, None for a module that is no neuron of the framework.
        layers: Classes of the framework that are layers of the table in other words.
        identities: Classes of the framework that change nothing when evaluated.
        outputs: What of a returned value can be the output.
        dt_s: The step that the cells of a module state, which must be the given one.
        time_first: Whether some part of a module takes all steps at once.
    """

    verified: str
    cell: Callable[[str, nn.Module], Cell | None]
    layers: tuple[type[nn.Module], ...] = ()
    identities: tuple[type[nn.Module], ...] = ()
    outputs: tuple[OutputKind, ...] = ("spikes",)
    dt_s: Callable[[nn.Module, float | None], float | None] | None = None
    time_first: Callable[[nn.Module], bool] | None = None


@dataclass(slots=True)
class Record:
    """What a run showed.

    Attributes:
        framework: Whose module it was.
        steps: Number of steps T.
        time_first: Whether forward was given all of them.
        returned: What forward returned.
        layers: Nodes of the layers that were called, by path.
        cells: Cells that were called, by path.
        populations: Their nodes.
        inputs: What each cell was given, call by call.
        unused: Cells, and modules with parameters, that were never called.
        identities: Layers that change nothing.
    """

    framework: Framework
    steps: int
    time_first: bool
    returned: Any = None
    layers: dict[str, Node] = field(default_factory=dict)
    cells: dict[str, Cell] = field(default_factory=dict)
    populations: dict[str, Population] = field(default_factory=dict)
    inputs: dict[str, list[ex.Expression]] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    identities: list[str] = field(default_factory=list)

    def layer(self, path: str, layer: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        """The forward of a layer without memory that records its call."""

        def call(x: Any, *args: Any, **kwargs: Any) -> Any:
            if args or kwargs:
                msg = f"{path}: is called with more than its input, which a Graph cannot hold"
                raise Unsupported(msg)
            node = self._node(path, layer)
            if node is None:
                return x
            if isinstance(x, Traced):
                expression, layout, features = data(x), x.axes, x.features
            elif is_zeros(x) and x.ndim > 1:
                expression, layout, features = ex.Zero(), Layout(len(x)), tuple(x.shape[1:])
            else:
                msg = f"{path}: is applied to a constant; only the input and what follows from it"
                raise Unsupported(msg)
            per_step = getattr(layer, "step_mode", "s") == "s"
            if isinstance(layer, nn.BatchNorm1d) and len(layout.lead) == 2 and per_step:
                msg = f"{path}: takes (T, B, ...) for (batch, channel, ...); merge time and batch"
                raise Unsupported(msg)
            try:
                features = node.output_shape(features)
            except ShapeError as error:
                msg = f"{path}: {error}; check {give('input_shape')} and the layers before it"
                raise WrongShape(msg) from error
            shape = tuple(forward(bare(x)).shape)
            if shape != (*layout.lead, *features):
                expected = (*layout.lead, *features)
                raise Unsupported(f"{path}: gives {shape} where its node gives {expected}")
            return zeros(x, ex.Applied(path, expression), layout, features)

        return call

    def _node(self, path: str, layer: nn.Module) -> Node | None:
        if path in self.layers:
            return self.layers[path]
        kind = type(layer).__name__
        identity = isinstance(layer, (*IDENTITIES, *self.framework.identities))
        random = identity and getattr(layer, "p", 0.0) > 0
        if layer.training and (random or isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)):
            msg = f"{path}: a {kind} in training mode; call module.eval() before the import"
            raise Unsupported(msg)
        if identity:
            self.identities.append(path)
            return None
        found = plain(f"{path} ({kind})", layer)
        if found is None:
            raise Unsupported(f"{path}: a {kind} has no node in a Graph")
        self.layers[path] = found
        return found

    def cell(self, cell: Cell) -> Callable[..., Any]:
        """The forward of a cell that records its call instead of running it."""
        path = cell.path

        def call(*args: Any, **kwargs: Any) -> Any:
            x, given = cell.inputs(*args, **kwargs)
            if not isinstance(x, Traced):
                raise Unsupported(f"{path}: its input does not follow from the input of the module")
            self.cells[path] = cell
            calls = self.inputs.setdefault(path, [])
            self._check_time(cell, x, len(calls))
            self._check_state(cell, given, len(calls))
            if path not in self.populations:
                try:
                    self.populations[path] = cell.population(x.features)
                except ShapeError as error:
                    msg = f"{path}: {error}; check {give('input_shape')} and the layers before it"
                    raise WrongShape(msg) from error
            when = ex.When("lag", 0) if cell.sequence else ex.When("step", len(calls))
            calls.append(data(x))
            shape = self.populations[path].shape
            # A state is that of the last step, without a time axis.
            one = Layout(x.axes.batch)
            state = {p: zeros(x, ex.State(path, when, p), one, shape) for p in cell.parts}
            return cell.outputs(zeros(x, ex.Fired(path, when), x.axes, shape), state)

        return call

    def _check_time(self, cell: Cell, x: Traced, calls: int) -> None:
        all_at_once, steps = cell.sequence, x.axes.steps
        for fault, what in (
            (x.axes.merged, "gets time and batch on one axis; split them before a cell"),
            (all_at_once and steps is None, "takes all steps at once, (T, B, ...), and gets one"),
            (not all_at_once and steps, "takes one step, (B, ...), and gets all at once"),
            (all_at_once and steps != self.steps, f"gets {steps} steps of {self.steps}"),
            (all_at_once and calls, "is called twice; a cell of a Graph advances once per step"),
        ):
            if fault:
                raise Unsupported(f"{cell.path}: {what}")

    def _check_state(self, cell: Cell, given: tuple[Any, ...], calls: int) -> None:
        if calls and all(part is None for part in given) and cell.keeps_state:
            return
        if calls:
            when = ex.When("step", calls - 1)
            expected = [
                ex.Fired(cell.path, when)
                if part == cell.output
                else ex.State(cell.path, when, part)
                for part in cell.parts
            ]
            if [getattr(part, "expression", None) for part in given] != expected:
                raise Unsupported(
                    f"{cell.path}: step {calls} does not go on from the state that step "
                    f"{calls - 1} returned; pass that state, once per step"
                )
            return
        for part in given:
            if isinstance(part, Traced):
                what = ex.described(part.expression)
                msg = f"{cell.path}: starts from {what}; a Graph starts from a constant state"
                raise Unsupported(msg)
        if all(part is None for part in given):
            if way_out := cell.advanced():
                raise InvalidInput(f"{cell.path}: {way_out}")
        elif not all(part is None or is_zeros(part) for part in given):
            msg = f"{cell.path}: starts from a given state that is not zero; start from None"
            raise Unsupported(msg)


def record(
    module: nn.Module, framework: Framework, *, input_shape: Shape, steps: int, time_first: bool
) -> Record:
    """Run a module once on tagged zeros, in the dtype and on the device of its parameters.

    The module is as it was afterwards: cells are not run, what forward resets is put back.

    Raises:
        Unsupported: naming the first thing that a Graph cannot hold.
        InvalidInput: where the module itself fails, or is not in its initial state.
    """
    if not input_shape or min(input_shape) < 1:
        said = give("input_shape")
        msg = f"{said} is {input_shape}; it takes the axes of one sample, each at least 1"
        raise InvalidInput(msg)
    seen = Record(framework, steps, time_first)
    called: set[str] = set()
    like = next((p for p in module.parameters() if p.is_floating_point()), torch.zeros(()))
    batch = BATCH if steps != BATCH else BATCH + 1
    layout = Layout(batch, steps if time_first else None)
    with ExitStack() as stack, torch.no_grad():
        for path, part in module.named_modules():
            label = path or type(part).__name__
            stack.enter_context(_buffers_kept(part))
            if replaced := _recording(seen, label, part, called):
                stack.enter_context(_forward_of(part, replaced))
        x = zeros(like, ex.Source(), layout, input_shape)
        try:
            seen.returned = module(x, **_states(module))
        except NeurorobustError:
            raise
        except Exception as error:
            shape = (*layout.lead, *input_shape)
            msg = f"forward of {type(module).__name__} fails on zeros of shape {shape}: {error}"
            raise WrongShape(msg) from error
    seen.unused = [
        label
        for path, part in module.named_modules()
        if (label := path or type(part).__name__) not in called
        and (_has_parameters(part) or framework.cell(path, part))
        and not _within_cell(module, framework, path)
    ]
    return seen


def _recording(
    seen: Record, label: str, part: nn.Module, called: set[str]
) -> Callable[..., Any] | None:
    forward = part.forward
    if cell := seen.framework.cell(label, part):
        recording = seen.cell(cell)
    elif _is_layer(part, seen.framework):
        recording = seen.layer(label, part, forward)
    elif not any(part.children()):
        recording = forward
    else:
        return None
    if part._forward_hooks or part._forward_pre_hooks:  # torch offers no question
        msg = f"{label}: has forward hooks, which may change what it computes; remove them"
        raise Unsupported(msg)

    def call(*args: Any, **kwargs: Any) -> Any:
        called.add(label)
        return recording(*args, **kwargs)

    return call


def _is_layer(part: nn.Module, framework: Framework) -> bool:
    """Whether a module computes what its class in the table does; a Flatten is followed instead."""
    if type(part) in (*framework.layers, *framework.identities):
        return True
    kinds = (kind for kind in (*LAYERS, *IDENTITIES) if kind is not nn.Flatten)
    return any(isinstance(part, kind) and type(part).forward is kind.forward for kind in kinds)


def _has_parameters(part: nn.Module) -> bool:
    return not any(part.children()) and next(part.parameters(), None) is not None


def _within_cell(module: nn.Module, framework: Framework, path: str) -> bool:
    """Whether a module is part of a cell, which reads it itself."""
    above = path.split(".")[:-1]
    parents = (".".join(above[:n]) for n in range(1, len(above) + 1))
    return any(framework.cell(p, module.get_submodule(p)) for p in parents) or bool(
        path and framework.cell("", module)
    )


def _states(module: nn.Module) -> Mapping[str, Any]:
    """None for every further argument that forward requires: states that start afresh."""
    _, *others = signature(module.forward).parameters.values()
    kinds = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    return {p.name: None for p in others if p.kind in kinds and p.default is Parameter.empty}


@contextmanager
def _forward_of(part: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    own = part.__dict__.get("forward")
    part.__dict__["forward"] = forward
    try:
        yield
    finally:
        if own is None:
            del part.__dict__["forward"]
        else:
            part.__dict__["forward"] = own


@contextmanager
def _buffers_kept(part: nn.Module) -> Iterator[None]:
    before = dict(part._buffers)  # also those that are not saved
    try:
        yield
    finally:
        part._buffers.clear()
        part._buffers.update(before)
