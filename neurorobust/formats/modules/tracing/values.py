"""Zeros that remember how they were computed; every torch function on them is one we know, or none.

Shapes are real, so code that reads them runs as it does on data; values are zeros and never read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import torch
from torch import Tensor
from torch.overrides import resolve_name

from neurorobust.errors import Unsupported
from neurorobust.formats.modules.tracing import expressions as ex
from neurorobust.ir import Shape


@dataclass(frozen=True, slots=True)
class Reduction:
    """A sum or mean over a time axis of this length."""

    how: Literal["sum", "mean"]
    steps: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Axes before the features.

    Attributes:
        batch: Number of samples B.
        steps: Length T of a leading time axis, or None for one step.
        merged: Whether time and batch are one axis, (T*B, ...).
    """

    batch: int
    steps: int | None = None
    merged: bool = False

    @property
    def lead(self) -> Shape:
        """The axes before the features."""
        if self.steps is None:
            return (self.batch,)
        return (self.steps * self.batch,) if self.merged else (self.steps, self.batch)


class Traced(Tensor):
    """A tensor of zeros with an expression."""

    expression: ex.Expression
    axes: Layout
    features: Shape
    reduction: Reduction | None
    seen_version: int

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Functions of torch on such a tensor: follow, answer, or refuse by name."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "__get__":
            name = (resolve_name(func) or "").removesuffix(".__get__").rpartition(".")[2]
        with torch._C.DisableTorchFunctionSubclass():  # torch's own way to do it
            if name in QUESTIONS:
                return func(*args, **kwargs)
            if (follow := FOLLOWED.get(name)) and "out" not in kwargs:
                return follow(func, args, kwargs)
        raise _refusal(resolve_name(func) or name, (*args, *kwargs.values()))


def traced(
    value: Tensor,
    expression: ex.Expression,
    layout: Layout,
    features: Shape,
    reduction: Reduction | None = None,
) -> Traced:
    """Attach an expression to a tensor."""
    with torch._C.DisableTorchFunctionSubclass():
        out = value.as_subclass(Traced)
        out.expression, out.axes, out.features = expression, layout, features
        out.reduction, out.seen_version = reduction, value._version
    return out


def zeros(like: Tensor, expression: ex.Expression, layout: Layout, features: Shape) -> Traced:
    """Fresh zeros with an expression, in the dtype and on the device of ``like``."""
    with torch._C.DisableTorchFunctionSubclass():
        value = torch.zeros((*layout.lead, *features), dtype=like.dtype, device=like.device)
    return traced(value, expression, layout, features)


def data(value: Traced) -> ex.Expression:
    """The expression of a value that is computed with; the membrane of a state is one.

    Raises:
        Unsupported: for another part of a state, what changed in place behind another name, or what
            was summed over time.
    """
    with torch._C.DisableTorchFunctionSubclass():
        if value._version != value.seen_version:
            what = ex.described(value.expression)
            raise Unsupported(
                f"{what}: was changed in place through another name (an alias or a view); write "
                "a = a + b instead of a += b"
            )
    if value.reduction is not None:
        raise Unsupported(
            f"{ex.described(value.expression)}: its {value.reduction.how} over time is used again; "
            "a Graph reads out over time at the end only"
        )
    match value.expression:
        case ex.State(cell, when, "mem" | "v"):
            return ex.Membrane(cell, when)
        case ex.State(cell, _, part):
            msg = f"{cell}: its state {part!r} is used as a value; only spikes and membranes can be"
            raise Unsupported(msg)
        case expression:
            return expression


def is_zeros(value: object) -> bool:
    """Whether a value is a plain tensor of zeros (or an empty one)."""
    return isinstance(value, Tensor) and not isinstance(value, Traced) and not bool(value.any())


def bare(value: Tensor) -> Tensor:
    """The tensor itself."""
    with torch._C.DisableTorchFunctionSubclass():
        return value.as_subclass(Tensor)


def _refusal(function: str, values: Sequence[object]) -> Unsupported:
    flat = [e for v in values for e in (v if isinstance(v, tuple | list) else (v,))]
    on = next((ex.described(v.expression) for v in flat if isinstance(v, Traced)), "a value")
    return Unsupported(
        f"forward applies {function} to {on}, which has no node in a Graph; known are layers, "
        "cells, sums, flattening, and on time-first values indexing, sum and mean over time"
    )


def _add(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Traced:
    if len(args) != 2 or kwargs.get("alpha", 1) != 1 or set(kwargs) - {"alpha"}:
        raise _refusal(resolve_name(func) or "add", args)
    first = args[0]
    in_place = func.__name__ in ("add_", "__iadd__")
    kept = next(value for value in args if isinstance(value, Traced))
    terms: list[ex.Expression] = []
    for value in args:
        if isinstance(value, Traced):
            if (value.axes, value.features) != (kept.axes, kept.features):
                shapes = " and ".join(str(tuple(v.shape)) for v in args)
                msg = f"forward adds {shapes}; only values of one shape add up in a Graph"
                raise Unsupported(msg)
            terms.append(data(value))
        elif is_zeros(value) and value.ndim:
            terms.append(ex.Zero())
        elif isinstance(value, Tensor) or value != 0:
            what = ex.described(kept.expression)
            raise Unsupported(
                f"forward adds a constant to {what}; put it into the bias of a layer, which a "
                "Graph can hold"
            )
    expression = ex.added(terms[0], terms[1]) if len(terms) == 2 else terms[0]
    result = func(*(bare(v) if isinstance(v, Tensor) else v for v in args), **kwargs)
    if tuple(result.shape) != (*kept.axes.lead, *kept.features):
        msg = f"forward adds {ex.described(kept.expression)} and a tensor of another shape"
        raise Unsupported(msg)
    if in_place and isinstance(first, Traced):
        first.expression, first.seen_version = expression, first._version
        return first
    return traced(result, expression, kept.axes, kept.features)


def _same(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Traced:
    value: Traced = args[0]
    result = func(bare(value), *args[1:], **kwargs)
    if not isinstance(result, Tensor) or result.dtype not in (torch.float32, torch.float64):
        raise _refusal(resolve_name(func) or func.__name__, args)
    data_of = value.expression
    if value._version != value.seen_version:
        data(value)
    return traced(result, data_of, value.axes, value.features, value.reduction)


def _shape(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Traced:
    """Flattening of features, and merging and splitting of time and batch; nothing else."""
    value: Traced = args[0]
    expression, layout, features = data(value), value.axes, value.features
    result = func(bare(value), *args[1:], **kwargs)
    flat = (prod(features),)
    layouts = [layout]
    if layout.steps is not None:
        layouts.append(Layout(layout.batch, layout.steps, not layout.merged))
    for new in layouts:
        if result.dtype == value.dtype and tuple(result.shape) == (*new.lead, *features):
            return traced(result, expression, new, features)
        if result.dtype == value.dtype and tuple(result.shape) == (*new.lead, *flat):
            return traced(result, ex.Flattened(expression), new, flat)
    before, after = tuple(value.shape), tuple(result.shape)
    raise Unsupported(
        f"forward reshapes {ex.described(value.expression)} from {before} to {after} (the first "
        f"{len(layout.lead)} of them time and batch); a Graph flattens all features to one axis"
    )


def _step(_func: Callable[..., Any], args: tuple[Any, ...], _kwargs: Mapping[str, Any]) -> Traced:
    value, index = args
    whole = index if isinstance(index, tuple) else (index,)
    number = whole[0]
    rest = all(part is Ellipsis or part == slice(None) for part in whole[1:])
    if isinstance(number, bool) or not isinstance(number, int) or not rest:
        raise _refusal("indexing other than x[t]", args)
    return _steps_of(value, "indexing")[number]


def _select(_func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Traced:
    value, axis, index = (*args, *kwargs.values())
    number: int = index
    if axis != 0:
        raise _refusal("selecting on another axis than the first", args)
    return _steps_of(value, "selecting")[number]


def _unbind(
    _func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[Traced, ...]:
    if (*args[1:], *kwargs.values()) not in ((), (0,)):
        raise _refusal("unbinding another axis than the first", args)
    return tuple(_steps_of(args[0], "unbinding"))


def _steps_of(value: Traced, what: str) -> list[Traced]:
    layout = value.axes
    if layout.steps is None or layout.merged:
        raise _refusal(f"{what} (no time axis)", (value,))
    expression = data(value)
    one = Layout(layout.batch)
    frames = bare(value).unbind(0)
    return [
        traced(frame, ex.at_step(expression, t), one, value.features)
        for t, frame in enumerate(frames)
    ]


def _stack(_func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Traced:
    values = list(args[0])
    if (*args[1:], *kwargs.values()) not in ((), (0,)):
        raise _refusal("stacking on another axis than the first", values)
    first = next(value for value in values if isinstance(value, Traced))
    alike = all(
        isinstance(v, Traced) and (v.axes, v.features) == (first.axes, first.features)
        for v in values
    )
    if not alike or first.axes.steps is not None:
        raise _refusal("stacking of values that are not the steps of one", values)
    law = ex.folded([value.expression for value in values])
    if isinstance(law, int):
        raise Unsupported(
            f"forward stacks values that are not one value step by step: step {law} is "
            f"{ex.described(values[law].expression)} in another way than the last step"
        )
    result = torch.stack([bare(value) for value in values])
    return traced(result, law, Layout(first.axes.batch, len(values)), first.features)


def _reduce(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Traced:
    value: Traced = args[0]
    if (*args[1:], *kwargs.values()) not in ((0,), ((0,),), ([0],)):
        raise _refusal(f"{func.__name__} over other axes than time (the first)", args)
    if value.axes.steps is None or value.axes.merged:
        raise _refusal(f"{func.__name__} (no time axis)", args)
    expression = data(value)
    how = Reduction("sum" if func.__name__ == "sum" else "mean", value.axes.steps)
    result = bare(value).sum(0)
    return traced(result, expression, Layout(value.axes.batch), value.features, how)


QUESTIONS = frozenset(
    {
        *("shape", "size", "dim", "ndim", "numel", "nelement", "__len__", "stride"),
        *("device", "dtype", "layout", "itemsize", "element_size", "nbytes", "get_device"),
        *("is_cuda", "is_sparse", "is_complex", "is_floating_point", "is_contiguous", "is_leaf"),
        *("requires_grad", "grad_fn", "_version", "__hash__", "__repr__", "__format__"),
        *("zeros_like", "ones_like", "empty_like", "full_like"),
        *("new_zeros", "new_ones", "new_empty", "new_full", "new_tensor"),
    }
)
"""Functions that do not depend on the values."""

FOLLOWED: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(("add", "add_", "__add__", "__radd__", "__iadd__"), _add),
    **dict.fromkeys(("flatten", "reshape", "view", "unflatten"), _shape),
    **dict.fromkeys(("detach", "detach_", "clone", "contiguous", "requires_grad_", "data"), _same),
    **dict.fromkeys(("to", "float", "double", "cpu", "cuda"), _same),
    "__getitem__": _step,
    "select": _select,
    "unbind": _unbind,
    "stack": _stack,
    **dict.fromkeys(("sum", "mean"), _reduce),
}
"""Functions that are followed, by name."""
