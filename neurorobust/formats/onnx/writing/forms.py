"""The two forms of a file: ``scan`` (all steps in one call) and ``step`` (one, state explicit)."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from neurorobust.formats.onnx.writing.network import CLOCK, Step
from neurorobust.formats.onnx.writing.writer import Document, Port, batched, finished, subgraph
from neurorobust.ir import Array, FixedTernaryLIF, Model, Output, Program

if TYPE_CHECKING:
    import onnx  # noqa: TID251

    from neurorobust.formats.onnx.writing.writer import Sheet

INPUT, SCORES, STEPS, OUTPUT = "input", "scores", "steps", "output"


def scan_form(
    model: Model, precision: Any, *, static: bool, record: Collection[str], bounded: bool
) -> "tuple[Document, onnx.ModelProto]":
    """All steps in one call.

    Inputs: ``input`` (batch, steps, ...); with ``static`` (batch, ...), and ``steps`` (). Outputs:
    ``scores`` (batch, classes), and what is recorded as ``NODE/spikes`` and ``NODE/membrane``
    (batch, steps, ...).
    """
    document = Document()
    main, body = document.sheet(), document.sheet()
    shown = _floats(model, precision)
    step = Step(document, main, body, static, bounded)
    seen = INPUT if static else "shown"
    step.write(model, seen, precision)

    arrived = step.written[model.output].output
    taken = {"arrived": (arrived, _of(model, precision), model.shapes[model.output])}
    for name, (value, dtype) in _recorded(model, step, body, precision, record).items():
        taken[name] = value, dtype, model.shapes[name.rpartition("/")[0]]
    body.label = "end"
    ends = [
        body.op("Identity", state.next, out=f"{state.name}/next") for state in step.states.values()
    ]
    outs = [body.op("Identity", value, out=f"{name}/each") for name, (value, *_) in taken.items()]

    main.label = "start"
    starts = _starts(step, main, document)
    timed = static or step.timed
    feeds, axes, inner = [], [], []
    if timed:
        steps = STEPS if static else main.op("Squeeze", main.op("Shape", INPUT, start=1, end=2))
        feeds.append(main.op("Range", main.integers(0), steps, main.integers(1)))
        axes.append(0)
        inner.append(Port(CLOCK, np.int64, ()))
    if not static:
        feeds.append(INPUT)
        axes.append(1)
        inner.append(Port("shown", shown, batched(model.input_shape)))
    states = [Port(s.name, s.dtype, batched(s.shape)) for s in step.states.values()]
    graph = subgraph(
        "step",
        body,
        [*states, *inner],
        [
            *(Port(end, p.dtype, p.shape) for end, p in zip(ends, states, strict=True)),
            *(
                Port(out, dtype, batched(shape))
                for out, (_, dtype, shape) in zip(outs, taken.values(), strict=True)
            ),
        ],
    )
    finals = [f"{state.name}/end" for state in states]
    arrived_all, *records = taken
    main.scan(graph, [*starts, *feeds], [*finals, *taken], axes, len(taken))
    main.label = SCORES
    _scores(main, model, arrived_all, SCORES)
    inputs = [Port(INPUT, shown, (*("batch", *(() if static else ("steps",))), *model.input_shape))]
    if static:
        inputs.append(Port(STEPS, np.int64, ()))
    width = model.shapes[model.output]
    outputs = [Port(SCORES, _floats(model, precision), batched(width))]
    for name in records:
        _, dtype, shape = taken[name]
        outputs.append(Port(name, dtype, ("batch", "steps", *shape)))
    return document, finished(document, model.header.name or "network", main, inputs, outputs)


def step_form(
    model: Model, precision: Any, *, record: Collection[str], bounded: bool
) -> "tuple[Document, onnx.ModelProto]":
    """One step, with the state as inputs ``NODE/STATE`` and outputs ``NODE/STATE/next``.

    Beside them ``input`` (batch, ...), ``output`` (batch, classes), what arrives at the Output, and
    what is recorded; ``step``, the number of the step, where something depends on it.
    """
    document = Document()
    sheet = document.sheet()
    step = Step(document, sheet, sheet, static=False, bounded=bounded)
    step.write(model, INPUT, precision)
    arrived = step.written[model.output].output
    sheet.op("Identity", arrived, out=OUTPUT)
    width = model.shapes[model.output]
    outputs = [Port(OUTPUT, _of(model, precision), batched(width))]
    for name, (value, dtype) in _recorded(model, step, sheet, precision, record).items():
        sheet.op("Identity", value, out=name)
        outputs.append(Port(name, dtype, batched(model.shapes[name.rpartition("/")[0]])))
    inputs = [Port(INPUT, _floats(model, precision), batched(model.input_shape))]
    for state in step.states.values():
        shape = batched(state.shape)
        sheet.op("Identity", state.next, out=f"{state.name}/next")
        inputs.append(Port(state.name, state.dtype, shape))
        outputs.append(Port(f"{state.name}/next", state.dtype, shape))
    if step.timed:
        sheet.op("Add", CLOCK, sheet.integers(1), out=f"{CLOCK}/next")
        inputs.append(Port(CLOCK, np.int64, ()))
        outputs.append(Port(f"{CLOCK}/next", np.int64, ()))
    return document, finished(document, model.header.name or "network", sheet, inputs, outputs)


def starting_values(model: Model, precision: Any, batch: int, *, bounded: bool) -> dict[str, Array]:
    """All state inputs of ``step_form`` before the first step."""
    sheet = (document := Document()).sheet()
    step = Step(document, sheet, sheet, static=False, bounded=bounded)
    step.write(model, INPUT, precision)
    found: dict[str, Array] = {
        state.name: np.broadcast_to(state.initial, (batch, *state.shape)).astype(state.dtype)
        for state in step.states.values()
    }
    return found | ({CLOCK: np.zeros((), np.int64)} if step.timed else {})


def _floats(model: Model, precision: Any) -> Any:
    """The type of inputs and scores; a Program takes and gives float64."""
    return np.float64 if isinstance(model, Program) else precision


def _of(model: Model, precision: Any) -> Any:
    """The type of what flows along edges."""
    return np.int64 if isinstance(model, Program) else precision


def _recorded(
    model: Model, step: Step, sheet: "Sheet", precision: Any, record: Collection[str]
) -> dict[str, tuple[str, Any]]:
    found: dict[str, tuple[str, Any]] = {}
    for name, node in model.nodes.items():
        written = step.written[name]
        sheet.label = name
        if "spikes" in record and node.spiking:
            dtype = np.int8 if isinstance(node, FixedTernaryLIF) else np.uint8
            found[f"{name}/spikes"] = sheet.cast(written.output, dtype), dtype
        if "membrane" in record and written.membrane is not None:
            found[f"{name}/membrane"] = written.membrane, _of(model, precision)
    return found


def _starts(step: Step, sheet: "Sheet", document: Document) -> list[str]:
    if not step.states:
        return []
    batch = sheet.op("Shape", INPUT, start=0, end=1)
    found = []
    for state in step.states.values():
        if state.parameter is None:
            value = sheet.constant(0, state.dtype)
        else:
            value = document.parameter(state.parameter, state.initial, state.dtype)
        shape = sheet.op("Concat", batch, sheet.integers(state.shape), axis=0)
        found.append(sheet.op("Expand", value, shape))
    return found


def _scores(sheet: "Sheet", model: Model, arrived: str, out: str) -> None:
    """Append the readout of what arrived, (batch, steps, classes)."""
    node = cast("Output", model.nodes[model.output])
    value = _first(sheet, arrived) if node.readout == "first" else arrived
    if isinstance(model, Program) or node.readout == "first":
        like = sheet.constant(0, np.float64) if isinstance(model, Program) else arrived
        value = sheet.op("CastLike", value, like)
    match node.readout:
        case "count" | "mean" | "max":
            reduce = {"count": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax"}[node.readout]
            value = sheet.op(reduce, value, sheet.integers([1]), keepdims=0)
        case "last":
            value = sheet.op("Gather", value, sheet.integers(-1), axis=1)
    if isinstance(model, Program) and model.score_unit != 1:
        value = sheet.op("Mul", value, sheet.constant(model.score_unit, np.float64))
    sheet.op("Identity", value, out=out)


def _first(sheet: "Sheet", arrived: str) -> str:
    """``T - step of the first spike``, 0 without one, in int64."""
    silent = sheet.op("Equal", arrived, sheet.op("CastLike", sheet.integers(0), arrived))
    fired = sheet.cast(sheet.op("Not", silent), np.uint8)
    steps = sheet.op("Shape", arrived, start=1, end=2)
    left = sheet.op("Sub", steps, sheet.op("ArgMax", fired, axis=1, keepdims=0))
    whole = sheet.cast(fired, np.int64)
    any_ = sheet.op("ReduceMax", whole, sheet.integers([1]), keepdims=0)
    return sheet.op("Mul", left, any_)
