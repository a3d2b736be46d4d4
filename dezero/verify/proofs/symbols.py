"""Rules read with symbols: on the whole domain, to second order, they give the reference's derivative.

An elementwise operation's reference is computed on SymPy symbols, and its rule is read on the same:
then ``rule - gy · ∂f/∂x`` must be reduced to the literal 0, and ``∂rule/∂x' - gy · ∂²f/∂x∂x'``, too.
Attributes are symbols as well. A symbol is assumed to be what the domain says (real, positive, not
zero), no more, and wherever a rule divides, or takes a root or a logarithm, it must follow that it may.

Where an expression is compared, as in relu, the reading goes on in a branch for each answer: larger,
equal, smaller. Where operands differ, the derivative is that of the branch's expression. Where they
are equal there are two cases. The contract has a kink there: then the rule must have the value of the
documented convention. It has none: then all branches must be one and the same expression.

Two orders are enough for all: a rule is linear in gy and made of operations that have rules themselves,
so that, read with Variables, it is differentiated by what is proved here.

Success is a proof as far as SymPy is right: each step of `_reduced` is an identity. Failure proves
nothing; a rule is called refuted only where the difference has another value than 0 at some point.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np

from dezero import arrays
from dezero.contract import (
    ABOVE_MINUS_ONE,
    AT_BOUNDS,
    AT_ZERO,
    AT_ZERO_BY_SLOPE,
    COSINE_NOT_ZERO,
    NONZERO,
    NONZERO_DIVISOR,
    POSITIVE,
    POSITIVE_BASE,
    REALS,
    WHERE_EQUAL,
    WITHIN_ONE,
    Array,
    Attribute,
    Contract,
    Domain,
    Kinks,
    Shapes,
)
from dezero.namespace import Namespace
from dezero.operation import Operation
from dezero.verify import reference
from dezero.verify.evaluation import FUNCTIONS
from dezero.verify.proofs import Element, Operator, Refuted, Unproved, pulled
from dezero.verify.proofs.rationals import fraction
from dezero.verify.reference import Value

Expr: TypeAlias = Any  # sympy.Expr: SymPy is typed in parts only
_sympy: Any = importlib.import_module("sympy")  # likewise; all of it stays in this file

MOST_FACTS = 8
"""How many comparisons in a row may have to be decided."""


# --- symbols as elements of object arrays ---------------------------------------------------------

_FUNCTIONS: Mapping[str, Callable[[Expr], Expr]] = {
    **{
        name: getattr(_sympy, name)
        for name in ["exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh"]
    },
    "arcsin": _sympy.asin,
    "arccos": _sympy.acos,
    "arctan": _sympy.atan,
    "expm1": lambda e: _sympy.exp(e) - 1,
    "log1p": lambda e: _sympy.log(1 + e),
    "log2": lambda e: _sympy.log(e) / _sympy.log(2),
}
"""What NumPy calls on the elements of an object array, by its name."""

_OPERATORS: Mapping[Operator, Callable[[Expr, Expr], Expr]] = {
    "+": lambda p, q: p + q,
    "-": lambda p, q: p - q,
    "*": lambda p, q: p * q,
    "/": lambda p, q: p / q,
    "**": lambda p, q: p**q,
}

_MUST_BE_POSITIVE: Mapping[str, Callable[[Expr], Expr]] = {
    **dict.fromkeys(("log", "log2", "sqrt"), lambda e: e),
    "log1p": lambda e: 1 + e,
    **dict.fromkeys(("arcsin", "arccos"), lambda e: 1 - e * e),
}
"""Where these functions are defined, and have a derivative."""


class Symbol(Element):
    """An expression as an element of an object array; comparisons ask the branch that it is read in."""

    __slots__ = ("branch", "expr")

    def __init__(self, expr: Expr, branch: Branch) -> None:
        self.expr: Expr = expr
        self.branch: Branch = branch

    def __getattr__(self, name: str) -> Callable[[], Symbol]:
        if name not in _FUNCTIONS:
            raise AttributeError(name)
        if name in _MUST_BE_POSITIVE and self.branch.sign(_MUST_BE_POSITIVE[name](self.expr)) <= 0:
            raise ArithmeticError(f"{name} of {self.expr}")
        return lambda: Symbol(_FUNCTIONS[name](self.expr), self.branch)

    def combined(self, op: Operator, a: object, b: object) -> Symbol:
        if not all(isinstance(x, (Symbol, int, float)) for x in (a, b)):
            return cast(Symbol, NotImplemented)  # Python's word for: ask the other operand
        p, q = _expr(a), _expr(b)
        if op == "/":
            self.branch.check_nonzero(q)
        elif op == "**" and q.is_integer and not q.is_nonnegative:
            self.branch.check_nonzero(p)
        elif op == "**" and not q.is_integer and self.branch.sign(p) <= 0:
            raise ArithmeticError(f"{p} to the power {q}")
        return Symbol(_OPERATORS[op](p, q), self.branch)

    def sign(self, other: object) -> int:
        return self.branch.sign(self.expr - _expr(other))

    def __float__(self) -> float:
        """A number of the same sign: for choices that do not change the result."""
        return float(self.sign(0))


_CONSTANTS: Mapping[float, Expr] = {
    math.log(2.0): _sympy.log(2),
    math.inf: _sympy.oo,
    -math.inf: -_sympy.oo,
}
"""The numbers in rules that are no fractions, by what they are rounded to."""


def _expr(x: object) -> Expr:
    """What an element stands for; of a plain number: the real number that it rounds."""
    if isinstance(x, Symbol):
        return x.expr
    if not isinstance(x, (int, float)):
        raise TypeError(f"{type(x).__name__!r} is no number")
    if x in _CONSTANTS:
        return _CONSTANTS[x]
    simple = fraction(x)
    return _sympy.Rational(simple.numerator, simple.denominator)


def _array(element: object) -> Array:
    array = np.empty(1, object)
    array[0] = element
    return array


def _element(x: Value) -> Expr:
    (element,) = np.asarray(x).reshape(-1).tolist()
    return _expr(element)


# --- branches -------------------------------------------------------------------------------------


class _Undecided(Exception):
    """The sign of an expression does not follow from what is assumed."""

    def __init__(self, expr: Expr) -> None:
        self.expr = expr


@dataclass(frozen=True)
class Branch:
    """What comparisons have been decided.

    Attributes:
        facts: For each a symbol, and what to put for it: that is how a decision is made known to SymPy.
            After ``x > 0``, x is a new symbol, assumed to be positive.
        ties: The differences that were decided to be 0.
    """

    facts: tuple[tuple[Expr, Expr], ...] = ()
    ties: tuple[Expr, ...] = ()

    def of(self, expr: Expr) -> Expr:
        """An expression with the decisions put in."""
        for symbol, replacement in self.facts:
            expr = expr.subs(symbol, replacement)
        return expr

    def sign(self, expr: Expr) -> int:
        """-1, 0 or 1. Raises _Undecided if it does not follow."""
        for form in (_sympy.expand, _sympy.simplify):
            here = form(self.of(expr))
            if here == 0:
                return 0
            if here.is_positive or here.is_negative:
                return 1 if here.is_positive else -1
        raise _Undecided(expr)

    def check_nonzero(self, expr: Expr) -> None:
        """Raises ZeroDivisionError for 0, and _Undecided if neither follows."""
        if self.of(expr).is_zero is not False and self.sign(expr) == 0:
            raise ZeroDivisionError(f"division by {expr}")

    def split(self, expr: Expr) -> Iterator[Branch]:
        """The branches on which an undecided expression is positive, zero and negative."""
        here = _sympy.expand(self.of(expr))
        if len(self.facts) == MOST_FACTS:
            raise Unproved("too many comparisons")
        for sign in (1, 0, -1):
            if sign == 0 and here.is_zero is False:
                continue
            step = sign * _new_positive(len(self.facts))
            for z in sorted(here.free_symbols, key=str):
                slope = here.diff(z)
                put = _sympy.expand(z - (here - step) / slope)
                if slope in (1, -1) and (put.is_positive or not z.is_positive):
                    ties = (*self.ties, expr) if sign == 0 else self.ties
                    yield Branch((*self.facts, (z, put)), ties)
                    break
            else:
                raise Unproved(f"it compares {expr} with 0")


def _new_positive(number: int) -> Expr:
    return _sympy.Dummy(f"p{number}", positive=True)


# --- proofs ---------------------------------------------------------------------------------------

_REAL: Mapping[str, bool] = {"real": True}
_POSITIVE: Mapping[str, bool] = {"positive": True}
_NONZERO: Mapping[str, bool] = {"real": True, "nonzero": True}

_ASSUMED: Mapping[Domain, Sequence[Mapping[str, bool]]] = {
    REALS: (_REAL, _REAL),
    POSITIVE: (_POSITIVE,),
    ABOVE_MINUS_ONE: (_REAL,),
    WITHIN_ONE: (_REAL,),
    COSINE_NOT_ZERO: (_REAL,),
    NONZERO: (_NONZERO,),
    NONZERO_DIVISOR: (_REAL, _NONZERO),
    POSITIVE_BASE: (_POSITIVE, _REAL),
}
"""What is assumed of the operands."""

_INTERVALS: Mapping[Domain, Callable[[Expr], Expr]] = {
    ABOVE_MINUS_ONE: lambda p: p - 1,
    WITHIN_ONE: lambda p: (p - 1) / (p + 1),
}
"""Domains onto which these functions map the positive numbers, one to one."""

_AT_KINK: Mapping[Kinks, str] = {
    AT_ZERO: "0",
    AT_ZERO_BY_SLOPE: "slope",
    AT_BOUNDS: "1",
    WHERE_EQUAL: "1/2",
}
"""The documented convention at a kink, as an expression: the derivative in each operand."""

_SYMBOLIC = frozenset((Attribute.REAL, Attribute.SLOPE, Attribute.EXPONENT, Attribute.MASK))
"""The attributes of elementwise operations."""


@dataclass(frozen=True)
class _Case:
    """Operands and attributes of an operation: one or several cover its domain.

    Attributes:
        xs: The operands.
        attributes: The attributes, by name.
        branch: What the domain says about operands besides the assumptions on their symbols.
    """

    xs: Sequence[Expr]
    attributes: Mapping[str, Expr | bool]
    branch: Branch = Branch()


def _cases(contract: Contract) -> list[_Case]:
    if Attribute.EXPONENT in contract.attributes.values():
        real, k = _sympy.Symbol("c", **_REAL), _sympy.Symbol("k", integer=True, nonnegative=True)
        x, positive, nonzero = (_sympy.Symbol("x", **a) for a in (_REAL, _POSITIVE, _NONZERO))
        pairs = [(positive, real), (x, k + 2), (x, 1), (x, 0), (nonzero, -k - 1)]
        return [_Case([x], {"c": _sympy.sympify(c)}) for x, c in pairs]
    if contract.domain not in _ASSUMED:
        raise Unproved(f"nothing says in symbols what {contract.domain.text} is")
    names = ("x",) if contract.arity == 1 else ("a", "b")
    assumed = _ASSUMED[contract.domain]
    xs = [_sympy.Symbol(name, **a) for name, a in zip(names, assumed, strict=False)]
    if Attribute.MASK in contract.attributes.values():
        return [_Case(xs, {"condition": holds}) for holds in (True, False)]
    domain = _INTERVALS.get(contract.domain)
    facts = () if domain is None else ((xs[0], domain(_new_positive(0))),)
    attributes = {name: _sympy.Symbol(name, **_REAL) for name in contract.attributes}
    return [_Case(xs, attributes, Branch(facts))]


class _Elementwise:
    """The functions of `Namespace` that are elementwise: a rule of only these is so, too."""

    def __getattr__(self, name: str) -> Callable[..., Array]:
        if name in ("exp", "log", "sqrt", "sin", "cos", "sinh", "cosh", "where", "identity"):
            return cast("Callable[..., Array]", getattr(arrays, name))  # each is one of its functions
        raise Unproved(f"its rule calls {name}, which is not elementwise")

    def sigmoid(self, x: Array) -> Array:
        one_and_more: Array = 1 + arrays.exp(-x)
        return 1 / one_and_more


_XP = cast(Namespace[Array], _Elementwise())  # the rest of it is not elementwise


def _pow(x: Array, *, c: float) -> Value:
    """What the reference says of real x. Of c it asks for a number."""
    return x**c


_REFERENCES: Mapping[str, Callable[..., Value]] = {**FUNCTIONS, reference.pow.__name__: _pow}


@dataclass(frozen=True)
class _Read:
    """What a branch gives: the value, and the cotangents of the operands."""

    branch: Branch
    y: Expr
    gxs: Sequence[Expr]


_GY = _sympy.Symbol("gy", **_REAL)


def _read(operation: type[Operation], case: _Case, branch: Branch) -> list[_Read]:
    """The value and the rule on a branch, or on those into which it must be split."""
    xs = [_array(Symbol(x, branch)) for x in case.xs]
    attributes = {
        name: np.array([value]) if isinstance(value, bool) else Symbol(value, branch)
        for name, value in case.attributes.items()
    }
    try:
        y = _element(_REFERENCES[operation.contract.name](*xs, **attributes))
        made = cast(Callable[..., Operation], operation)(**attributes)  # its attributes are symbols
        gys = [_array(Symbol(_GY, branch))]
        gxs = [_element(g) for g in pulled(made, _XP, xs, [_array(Symbol(y, branch))], gys)]
    except _Undecided as undecided:
        return [r for part in branch.split(undecided.expr) for r in _read(operation, case, part)]
    return [_Read(branch, y, gxs)]


def prove(operation: type[Operation]) -> int:
    """Proves the rule of an elementwise operation; returns on how many branches.

    Raises:
        Refuted: It is wrong: on some branch the difference is not 0 at some point.
        Unproved: The operation is not elementwise, or a difference is not reduced to 0.
    """
    contract = operation.contract
    fits = contract.shapes is (Shapes.ANY if contract.arity == 1 else Shapes.ELEMENTWISE)
    point = np.full((), 0.5)
    if not fits or not _SYMBOLIC.issuperset(contract.attributes.values()):
        raise Unproved("not elementwise")
    if not contract.attributes and np.shape(FUNCTIONS[contract.name](*[point] * (contract.arity or 0))):
        raise Unproved("not elementwise")
    return sum(_prove(operation, case) for case in _cases(contract))


def _prove(operation: type[Operation], case: _Case) -> int:
    branches = _read(operation, case, case.branch)
    kinks = operation.contract.kinks
    for read in branches:
        here = read.branch
        if kinks is None:
            _check_equal("value, on another branch", read.y, branches[0].y, case.branch)
        tied = any(tie.free_symbols & set(case.xs) for tie in here.ties)
        for x, gx in zip(case.xs, read.gxs, strict=True):
            _check_equal(f"cotangent of {x}", gx, _GY * read.y.diff(x), here)
            if tied and kinks is not None:
                if kinks not in _AT_KINK:
                    raise Unproved(f"nothing says in symbols what {kinks.convention} is")
                convention = _sympy.sympify(_AT_KINK[kinks], case.attributes)
                _check_equal(f"cotangent of {x}, by convention", gx, _GY * convention, here)
            for z in case.xs:
                second = _GY * read.y.diff(x, z)
                _check_equal(f"derivative of the cotangent of {x} in {z}", gx.diff(z), second, here)
    return len(branches)


def _check_equal(what: str, found: Expr, expected: Expr, branch: Branch) -> None:
    """Proves that two expressions are equal on a branch.

    Raises:
        Refuted: They are not.
        Unproved: The difference is not reduced to 0.
    """
    difference = branch.of(found - expected)
    if _sympy.expand(difference) == 0:
        return
    facts = ", ".join(f"{symbol} = {put}" for symbol, put in branch.facts)
    said = f"{what}{facts and f' where {facts}'}: found {found}, expected {expected}"
    if any(_differs_from_zero(difference, number) for number in range(3)):
        raise Refuted(said)
    if _reduced(difference) != 0:
        raise Unproved(f"SymPy leaves a rest: {said}")


def _differs_from_zero(difference: Expr, number: int) -> bool:
    """Whether an expression has another value than 0 at a point, by far more than an error of evalf."""
    symbols = sorted(difference.free_symbols, key=str)
    # Between 0 and 1, and so in every domain; a whole number where that is assumed.
    at = {
        s: number + i if s.is_integer else _sympy.Rational(number + i + 1, number + i + 7)
        for i, s in enumerate(symbols)
    }
    value = difference.subs(at).evalf(30)
    return bool(value.is_finite and abs(value) > 1e-20)


def _reduced(difference: Expr) -> Expr:
    """An equal expression: the literal 0 if one of these ways leads there."""
    exponentials = _sympy.powsimp(_sympy.expand(difference.rewrite(_sympy.exp)))
    rest = _sympy.cancel(_sympy.together(exponentials))
    return rest if rest == 0 else _sympy.simplify(difference)
