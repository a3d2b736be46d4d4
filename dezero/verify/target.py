"""Functions as targets: what a user wrote, held against the laws by oracles that need values only.

`check` is one line in a test::

    from dezero.verify import check
    check(my_function, interval(0, 1), REALS)
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeAlias, cast
from weakref import WeakSet

import numpy as np

from dezero import functions as F
from dezero.contract import NO_ATTRIBUTES, REALS, Array, Contract, Domain, Shapes, Smoothness
from dezero.graph import Function, Node, Variable
from dezero.operation import Operation
from dezero.verify import campaign
from dezero.verify.campaign import Plan, Tally
from dezero.verify.comparison import Mismatch, copies
from dezero.verify.engines.dezero import DezeroEngine
from dezero.verify.laws import LAWS
from dezero.verify.magnitude import gradient_sizes, product_sizes
from dezero.verify.oracles import EPSILON, ladders, longest_step
from dezero.verify.outcomes import Unresolved
from dezero.verify.program import Program, ProgramError, Step
from dezero.verify.rewrites import moves
from dezero.verify.strategies import Programs, programs_made_by
from dezero.verify.trial import Trial

Target: TypeAlias = Callable[..., Variable | Sequence[Variable]]
"""A function of Variables that gives a Variable or several, or an instance of a Function."""

Shape: TypeAlias = tuple[int, ...]
Given: TypeAlias = Domain | tuple[Domain, Shape]
"""Where an argument lies; with a shape, if it shall not vary."""

SHAPES: tuple[Shape, ...] = ((), (1,), (3,), (2, 3), (2, 1, 2))
MOST_ELEMENTS = 64
"""Every coordinate of every argument is differentiated numerically: so there are not to be too many."""

MOST_TRIED = 2000
"""How many inputs are made for a program, at the most, until all lie in their domains."""

NOT_FOR_FUNCTIONS = frozenset(("value", "kink", "sharing", "broadcasting"))
FUNCTION_LAWS = tuple(name for name in LAWS if name not in NOT_FOR_FUNCTIONS)
"""The laws that can be held against a function of which nothing but the values is known."""


class TargetError(ValueError):
    """A target cannot be checked; the message says why, and what would help."""


def contract_of(name: str, arity: int) -> Contract:
    """What can be said of a function of which nothing but the values is known."""
    return Contract(
        name=name,
        summary="",
        arity=arity,
        outputs=1,
        shapes=Shapes.ANY,
        domain=REALS,
        kinks=None,
        smoothness=Smoothness.SMOOTH,
        attributes=NO_ATTRIBUTES,
        saves=frozenset(),
    )


class FunctionEngine(DezeroEngine):
    """An engine with one operation: the target.

    Attributes:
        target: The function.
        domains: Where each argument lies.
        of: Where all of them together lie.
    """

    def __init__(self, name: str, target: Target, domains: Sequence[Domain], of: Domain) -> None:
        self.name = name
        self.target = target
        self.domains: tuple[Domain, ...] = tuple(domains)
        self.of = of
        self._contracts = {name: contract_of(name, len(domains))}
        self._captured: WeakSet[Variable] = WeakSet()

    @property
    def contracts(self) -> Mapping[str, Contract]:
        return self._contracts

    @property
    def dtypes(self) -> Sequence[str]:
        """Differences of values need all digits."""
        return ("float64",)

    def apply(self, step: Step, operands: Sequence[Variable]) -> list[Variable]:
        outputs: list[Variable] = []
        for output in self._given(operands):
            # An operand, a captured Variable or the same twice would be two values of a program in one.
            new = output.creator is not None and output not in outputs and _depends(output, operands)
            outputs.append(output if new else F.identity(output))
        living = {node.living() for node in _behind(outputs)}
        self._captured.update(v for v in living.difference(operands, outputs) if v is not None)
        return outputs

    def _given(self, operands: Sequence[Variable]) -> list[Variable]:
        """What the target gives, if it is Variables; raises TypeError."""
        with self._restored():
            outputs = cast(object, self.target(*operands))  # what a user's function gives: see below
        given = (  # of whatever elements
            list(cast("Sequence[object]", outputs)) if isinstance(outputs, (list, tuple)) else [outputs]
        )
        for output in given:
            if not isinstance(output, Variable):
                raise TypeError(f"{self.name} gave {type(output).__name__}; expected a Variable")
        return cast("list[Variable]", given)  # each was looked at

    def shapes_given(self, inputs: Sequence[Array]) -> list[Shape] | None:
        """The shapes of what the target gives; None if it raises, whatever it does."""
        operands = [self.leaf(x.copy()) for x in inputs]
        try:
            with np.errstate(all="ignore"):
                outputs = self.apply(Step(self.name, tuple(range(len(inputs)))), operands)
        except (Exception, SystemExit):  # the laws will meet it again
            return None
        return [y.shape for y in outputs]

    def backward(self, variable: Variable, seed: Array, *, retain_grad: bool = False) -> None:
        with self._restored():
            super().backward(variable, seed, retain_grad=retain_grad)

    def backward_recorded(
        self, variable: Variable, seed: Array, leaves: Sequence[Variable]
    ) -> list[Variable]:
        with self._restored():
            return super().backward_recorded(variable, seed, leaves)

    @contextmanager
    def _restored(self) -> Generator[None]:
        """Behind it, what the target captures (a layer: its weights) has the gradients that it had."""
        before = [(variable, variable.grad) for variable in self._captured]
        try:
            yield
        finally:
            for variable, gradient in before:
                variable.grad = gradient


def _behind(variables: Iterable[Variable]) -> set[Node]:
    """The vertices of some Variables, and of all that they were computed from."""
    found: set[Node] = set()
    waiting = [variable.node for variable in variables]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += node.creator.input_nodes if node.creator is not None else ()
    return found


def _depends(output: Variable, operands: Sequence[Variable]) -> bool:
    return not _behind([output]).isdisjoint(operand.node for operand in operands)


class FunctionTrial(Trial[Variable]):
    """A function and inputs for it; what the derivative is, is found from differences of values."""

    def _root(self, inputs: Sequence[Array]) -> float:
        # Recorded, for a function may differentiate inside of itself.
        graph = self.engine.build(self.exact_program.with_inputs(copies(inputs)))
        pairs = zip(self.exact_program.seeds, graph.outputs, strict=True)
        return float(sum(np.vdot(seed, output.data) for seed, output in pairs))

    @cached_property
    def values(self) -> list[Array]:
        return [v.data for v in self.run.graph.values if v is not None]

    def check_range(self, margin: float, along: Sequence[Array] | None = None) -> None:
        """The same where the value is not finite."""
        if not math.isfinite(margin):
            self._check_value()
        super().check_range(margin, along)

    def _check_value(self) -> None:
        if not math.isfinite(self._root(self.exact_program.inputs)):
            raise Unresolved("the value is not finite; give a domain, as in check(f, interval(0, inf))")

    @cached_property
    def _estimates(self) -> tuple[list[Array], list[Array]]:
        self._check_value()
        xs = [x.astype(np.float64) for x in self.program.inputs]
        slopes, errors = [np.zeros(x.shape) for x in xs], [np.zeros(x.shape) for x in xs]
        for i, x in enumerate(xs):
            for place in np.ndindex(x.shape):

                def along(t: float, i: int = i, place: tuple[int, ...] = place) -> float:
                    moved = [x.copy() for x in xs]
                    moved[i][place] += t
                    with np.errstate(all="ignore"):
                        return self._root(moved)

                room = self._room(float(x[place]), i)
                estimate = ladders(along, room)
                if not estimate.resolved:
                    raise Unresolved("the differences of values do not converge")
                error = estimate.error
                if estimate.value == 0.0:
                    # Where values stand still, what was rounded on the way does not show in them.
                    error = max(error, EPSILON * self._largest_within / longest_step(room))
                slopes[i][place], errors[i][place] = estimate.value, error
        return slopes, errors

    @cached_property
    def _largest_within(self) -> float:
        """The largest number that a rule reads in the graph of the function, times its cotangents."""
        makers = {node.creator for node in _behind(self.run.graph.outputs)} - {None}
        read = [x for maker in makers if maker is not None for x in maker.saved if x is not None]
        largest = max((float(np.max(np.abs(x), initial=0)) for x in read), default=0.0)
        weight = sum(float(np.abs(seed).sum()) for seed in self.exact_program.seeds)
        return largest * weight if math.isfinite(largest * weight) else 0.0

    def _room(self, x: Array | float, i: int) -> float:
        """How far (an element of) an argument may be moved without leaving its domain."""
        engine = self.engine
        assert isinstance(engine, FunctionEngine)
        together = engine.of.clearance(*self.exact_program.inputs)
        return min(engine.domains[i].clearance(np.asarray(x)), together)

    @cached_property
    def truth(self) -> list[Array]:
        return self._estimates[0]

    @property
    def truth_error(self) -> list[Array]:
        return self._estimates[1]

    def proof(self) -> tuple[list[Array], list[Array]]:
        return self.truth, [np.zeros(x.shape) for x in self.program.inputs]

    @cached_property
    def sizes(self) -> list[Array]:
        """How large the terms are of which the gradients are sums, by the rules in the graph."""
        return self._read(self.exact_program)

    @cached_property
    def sizes_of_cotangents(self) -> list[Array]:
        """Not known: the values on the way are not those of steps."""
        return []

    def sizes_of_products(self, v: Sequence[Array]) -> list[Array]:
        """The same as of the gradients, of the products of the Hessian with v."""
        return self._read(self.exact_program, v)

    def _sizes_beyond_range(self, along: Sequence[Array] | None) -> list[Array]:
        program = self.program.astype("longdouble")
        sizes = self._read(program)
        return sizes if along is None else [*sizes, *self._read(program, along)]

    def _read(self, program: Program, along: Sequence[Array] | None = None) -> list[Array]:
        """The sizes, if a user's rules can be read in this way, too; else zeros."""
        program = program.with_inputs(copies(program.inputs))
        try:
            if along is None:
                return gradient_sizes(program, self.engine)
            return product_sizes(program, along, self.engine)
        except Exception:  # whatever a rule may raise
            return [np.zeros(x.shape) for x in program.inputs]

    def movement_of_truth(self, mismatch: Mismatch) -> float:
        """Not known either: it is found from values that are moved much farther."""
        return 0.0

    def movement_of_second(self, v: Sequence[Array]) -> float:
        """Not known either."""
        return 0.0

    def rounding_of_cotangents(self, random: np.random.Generator) -> None:
        """Not known either."""
        return

    def in_wider_precision(self) -> None:
        """None: differences of values are not more exact with more digits in the function."""
        return

    def _moved(self, random: np.random.Generator) -> Program:
        """Only the inputs: what is inside the function cannot be moved."""
        return self.program.with_inputs(
            [np.asarray(x * moves(x.shape, random, self.eps, "float64")) for x in self.program.inputs]
        )

    def second(self, v: Sequence[Array]) -> tuple[float, float]:
        def slope(t: float) -> float:
            moved = [x + t * a for x, a in zip(self.exact_program.inputs, v, strict=True)]
            with np.errstate(all="ignore"):
                graph = self.engine.build(
                    self.exact_program.with_inputs([np.asarray(x) for x in moved])
                )
                gradients = self.pull(graph, self.exact_program.seeds)
            return float(sum(np.vdot(g, a) for g, a in zip(gradients, v, strict=True) if g is not None))

        rooms = [
            self._room(x, i) / np.max(np.abs(v[i]), initial=1e-300)  # also of no elements
            for i, x in enumerate(self.exact_program.inputs)
        ]
        estimate = ladders(slope, float(min(rooms)))
        if not estimate.resolved:
            raise Unresolved("the differences of gradients do not converge")
        return estimate.value, estimate.error


def arity_of(target: Target) -> int:
    """The number of arguments that a target takes: its positional parameters without defaults.

    Raises:
        TargetError: It takes none, or any number.
    """
    name = name_of(target)
    if isinstance(target, Operation) and target.contract.arity is not None:
        return target.contract.arity
    signature = _signature(target)
    if signature is None:
        raise TargetError(f"{name}: its parameters are unknown; give a domain for each")
    parameters = signature.parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise TargetError(f"{name} takes any number of arguments; give a domain for each")
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [p for p in parameters if p.kind in positional and p.default is p.empty]
    if not required:
        raise TargetError(f"{name} takes no arguments; there is nothing to differentiate")
    return len(required)


def _signature(target: Target) -> inspect.Signature | None:
    """The parameters of a target, if they are known."""
    try:
        return inspect.signature(target.forward if isinstance(target, Function) else target)
    except (TypeError, ValueError):
        return None


def _expect_arity(target: Target, name: str, n: int) -> None:
    """Raises TargetError if a target, so far as its parameters are known, does not take n arguments."""
    signature = _signature(target)
    if signature is None:
        return
    try:
        signature.bind(*[None] * n)
    except TypeError as error:
        raise TargetError(f"{name}: {n} domains were given, one for each argument; {error}") from None


def name_of(target: object) -> str:
    """What to call a target."""
    return str(getattr(target, "__name__", type(target).__name__))


def inputs_within(domains: Sequence[Domain], deviates: Sequence[Array]) -> list[Array] | None:
    """Arrays of normal deviates, led into some domains; None if one cannot be led in."""
    led: list[Array] = []
    for domain, deviate in zip(domains, deviates, strict=True):
        low, high, x = domain.low, domain.high, deviate
        if math.isfinite(low) and math.isfinite(high):
            x = low + (high - low) / (1 + np.exp(-x))
        elif math.isfinite(low):
            x = low + np.exp(x)
        elif math.isfinite(high):
            x = high - np.exp(x)
        led.append(np.asarray(x))
        if domain.clearance(led[-1]) <= 0:
            return None
    return led


def _programs(engine: FunctionEngine, shapes: Sequence[Shape | None]) -> Programs:
    """Programs of one step: the target, applied to inputs from its domains."""

    def inputs_of(shape: Shape, random: np.random.Generator) -> list[Array]:
        for _ in range(MOST_TRIED):
            deviates = [np.asarray(random.normal(size=shape if s is None else s)) for s in shapes]
            inputs = inputs_within(engine.domains, deviates)
            if inputs is not None and engine.of.clearance(*inputs) > 0:
                return inputs
        texts = ", ".join(domain.text for domain in (*engine.domains, engine.of) if domain is not REALS)
        raise TargetError(
            f"{engine.name}: {MOST_TRIED} inputs were tried, and none lies in its domain ({texts}); "
            "give the Domain its low and high, between which inputs are made"
        )

    def program(shape: int, number: int) -> Program:
        random = np.random.default_rng(number)
        inputs = inputs_of(SHAPES[shape], random)
        operands = tuple(range(len(inputs)))
        shapes_out = engine.shapes_given(inputs) or [()]
        first = len(inputs)
        return Program(
            tuple(inputs),
            (Step(engine.name, operands, n_out=len(shapes_out)),),
            tuple(range(first, first + len(shapes_out))),
            tuple(np.asarray(random.normal(size=s)) for s in shapes_out),
        )

    return programs_made_by(program, len(SHAPES))


@dataclass(frozen=True)
class Prepared:
    """A target, ready for a campaign.

    Attributes:
        engine: The engine that has the target for its operation.
        programs: Where its inputs come from.
    """

    engine: FunctionEngine
    programs: Programs

    def trial(self, program: Program) -> FunctionTrial:
        """A trial of the target."""
        return FunctionTrial(self.engine, program)

    def check(self, program: Program) -> None:
        """Raises ProgramError unless a program applies the target, and nothing else, in its domains."""
        engine, n_inputs = self.engine, len(self.engine.domains)
        operands = [step.operands for step in program.steps]
        if len(program.inputs) != n_inputs or operands != [tuple(range(n_inputs))]:
            raise ProgramError(f"program: expected one step, {engine.name} of its {n_inputs} inputs")
        for i, (x, domain) in enumerate(zip(program.inputs, engine.domains, strict=True)):
            if x.size and not domain.clearance(x) > 0:
                raise ProgramError(f"input {i}: {x.tolist()} is outside of the domain, {domain.text}")
        if not engine.of.clearance(*program.inputs) > 0:
            raise ProgramError(f"program: its inputs are outside of the domain, {engine.of.text}")
        given = engine.shapes_given(program.inputs)
        shapes = [seed.shape for seed in program.seeds]
        outputs = tuple(range(n_inputs, program.n_values))
        if given is not None and (program.outputs != outputs or shapes != given):
            raise ProgramError(f"program: seeds of shapes {shapes}; {engine.name} gives {given}")


def _made(target: type[object]) -> Target:
    """An instance of a Function's class."""
    if not issubclass(target, Function):
        raise TargetError(
            f"{target.__name__} is a class, but no Function; expected a function of Variables"
        )
    try:
        return target()
    except TypeError as error:
        raise TargetError(
            f"{target.__name__} cannot be made without arguments ({error}); give an instance"
        ) from None


def prepare(target: Target | type[Function], given: Sequence[Given] = ()) -> Prepared:
    """Makes a target ready for a campaign.

    Args:
        target: A function of Variables, or a Function: an instance, or a class without arguments.
        given: A domain for each argument. By default what the target's attribute ``domains`` says,
            else the domain of its contract, else all reals.

    Raises:
        TargetError: It is no such thing, or the domains do not fit it.
    """
    name = name_of(target)
    if not callable(target):
        raise TargetError(f"{name} is not callable; expected a function of Variables")
    if isinstance(target, type):
        target = _made(target)
    # What a user wrote as an attribute is looked at below.
    chosen = list(given) or list(cast("Sequence[Given]", getattr(target, "domains", ())))
    of = REALS
    if not chosen:
        chosen = [REALS] * arity_of(target)
        if isinstance(target, Operation):
            of = target.contract.domain
    for domain in chosen:
        if not isinstance(cast(object, domain[0] if isinstance(domain, tuple) else domain), Domain):
            raise TargetError(f"{name}: {domain!r} is no domain; expected a Domain, or (Domain, shape)")
        sizes = cast("tuple[object, ...]", domain[1] if isinstance(domain, tuple) else ())  # as above
        if not all(isinstance(n, (int, np.integer)) and n >= 0 for n in sizes):
            raise TargetError(f"{name}: {sizes} is no shape; expected whole numbers from 0")
    _expect_arity(target, name, len(chosen))
    n_elements = sum(math.prod(d[1]) for d in chosen if isinstance(d, tuple))
    if n_elements > MOST_ELEMENTS:
        raise TargetError(f"{name}: {n_elements} elements in its arguments; at most {MOST_ELEMENTS}")
    domains = [d[0] if isinstance(d, tuple) else d for d in chosen]
    shapes = [d[1] if isinstance(d, tuple) else None for d in chosen]
    engine = FunctionEngine(name, target, domains, of)
    return Prepared(engine, _programs(engine, shapes))


class Check(Protocol):
    """What `check` is called with; the fixture `dezero_check` of the plugin for pytest is one.

    What is None is left to whoever checks.
    """

    def __call__(
        self,
        target: Target | type[Function],
        /,
        *domains: Given,
        examples: int | None = None,
        seed: int | None = None,
        laws: Sequence[str] | None = None,
    ) -> Tally: ...


def check(
    target: Target | type[Function],
    *domains: Given,
    examples: int = 50,
    seed: int = 0,
    laws: Sequence[str] | None = None,
) -> Tally:
    """Checks the gradient of a function, and all that goes with it, over inputs from its domains.

    Args:
        target: A function of Variables, or a Function: an instance, or a class without arguments.
        domains: For each argument a Domain, or a pair of a Domain and a shape; see `prepare`.
        examples: How many inputs to try.
        seed: From which all randomness follows.
        laws: The names of the laws; None for all of `FUNCTION_LAWS`.

    Returns:
        What was tried.

    Raises:
        AssertionError: A law is broken, or more than half of the samples could not be decided. The
            text shows the inputs, what was expected and what was found.
        TargetError: The target cannot be checked.
    """
    prepared = prepare(target, domains)
    laws = FUNCTION_LAWS if laws is None else laws
    for law in laws or ("none",):
        if law not in FUNCTION_LAWS:
            known = ", ".join(FUNCTION_LAWS)
            raise TargetError(f"{law!r} is no law for functions; there are: {known}")
    if examples < 1 or seed < 0:
        raise TargetError(f"examples={examples}, seed={seed}; expected 1 or more, and 0 or more")
    contracts, programs = prepared.engine.contracts, prepared.programs
    tally = campaign.run(Plan(prepared.trial, contracts, laws, seed, examples, programs=programs))
    name, found = prepared.engine.name, tally.counterexample
    if found is not None:
        inputs = [] if found.program is None else [x.tolist() for x in found.program.inputs]
        raise AssertionError(
            f"{name} breaks the law `{found.law}`: {LAWS[found.law].sentence}\n"
            f"  {found.broken.what}\n"
            f"  expected {found.broken.expected}\n"
            f"  found    {found.broken.found}\n"
            f"  inputs   {inputs}"
        )
    if tally.unresolved_share > 0.5:
        reasons = ", ".join(sorted({reason for _, reason in tally.unresolved}))
        raise AssertionError(f"{name}: more than half of the samples are unresolved: {reasons}")
    return tally
