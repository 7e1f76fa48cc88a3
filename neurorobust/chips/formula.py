"""Formulas of profiles: a closed grammar, parsed once, never evaluated as Python.

Numbers, names, ``+ - * / **``, parentheses, ``ceil log2 max min``; nothing else.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from neurorobust.errors import ProfileError

Evaluate = Callable[[Mapping[str, float]], float]

POWER_MAX = 64
"""Largest exponent: sizes of memories stay far below, and evaluation stays cheap."""

_FUNCTIONS: dict[str, tuple[Callable[..., float], int]] = {
    "ceil": (math.ceil, 1),
    "log2": (math.log2, 1),
    "max": (max, 2),
    "min": (min, 2),
}


@dataclass(frozen=True, slots=True)
class Formula:
    """A parsed formula.

    Attributes:
        text: As written.
        names: The names in it.
    """

    text: str
    names: frozenset[str]
    _evaluate: Evaluate

    def __call__(self, values: Mapping[str, float]) -> float:
        """The value.

        Raises:
            ProfileError: if a name has no value, or the result is no finite number.
        """
        missing = sorted(self.names - values.keys())
        if missing:
            raise ProfileError(f"formula {self.text!r}: nothing is known as {', '.join(missing)}")
        try:
            result = self._evaluate(values)
        except (ArithmeticError, ValueError) as error:
            given = ", ".join(f"{name}={values[name]!r}" for name in sorted(self.names))
            msg = f"formula {self.text!r}: has no value at {given} ({error})"
            raise ProfileError(msg) from error
        if not math.isfinite(result):
            raise ProfileError(f"formula {self.text!r}: is {result}")
        return result


def parse(text: str) -> Formula:
    """Parse a formula.

    Raises:
        ProfileError: naming the formula and what in it is outside the grammar.
    """
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ProfileError(f"formula {text!r}: cannot be read ({error})") from error
    names: set[str] = set()
    try:
        evaluate = _compiled(tree, text, names)
    except RecursionError as error:
        raise ProfileError(f"formula {text!r}: is nested too deeply") from error
    return Formula(text, frozenset(names), evaluate)


def _compiled(node: ast.expr, text: str, names: set[str]) -> Evaluate:
    match node:
        case ast.Constant(value=bool()):
            raise _outside(text, node)
        case ast.Constant(value=int() | float() as number):
            return lambda _: number
        case ast.Name(id=name):
            names.add(name)
            return lambda values: values[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _compiled(operand, text, names)
            return lambda values: -inner(values)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            apply = _OPERATORS[type(op)]
            first, second = _compiled(left, text, names), _compiled(right, text, names)
            return lambda values: apply(first(values), second(values))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            function, least = _FUNCTIONS[name]
            if len(args) < least or (least == 1 and len(args) > 1):
                msg = f"formula {text!r}: {name} takes {least} argument(s), has {len(args)}"
                raise ProfileError(msg)
            parts = [_compiled(arg, text, names) for arg in args]
            return lambda values: function(*(part(values) for part in parts))
    raise _outside(text, node)


def _power(base: float, exponent: float) -> float:
    if abs(exponent) > POWER_MAX:
        raise ValueError(f"exponent {exponent} is beyond {POWER_MAX}")
    result: float = base**exponent
    if isinstance(result, complex):
        raise ValueError("the power is no real number")
    return result


_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: _power,
}


def _outside(text: str, node: ast.expr) -> ProfileError:
    part = ast.unparse(node)
    hint = "; write ** for powers" if isinstance(getattr(node, "op", None), ast.BitXor) else ""
    return ProfileError(
        f"formula {text!r}: {part!r} is outside the grammar (numbers, names, + - * / **, "
        f"parentheses, ceil, log2, max, min){hint}"
    )
