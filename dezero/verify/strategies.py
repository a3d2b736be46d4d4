"""Hypothesis strategies for programs, which shrink to small ones; and a sweep that goes through all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias, cast

import numpy as np
from hypothesis import strategies as st

from dezero.contract import (
    REALS,
    Contract,
    Smoothness,
)
from dezero.verify.attributes import SHAPES
from dezero.verify.decoding import KINDS, RECENT, Record, decode
from dezero.verify.program import Program

Programs: TypeAlias = st.SearchStrategy[Program]

BITS = 32
"""How long the number is that a record makes its choices from."""
ALONE = 12
"""How often each operation comes alone in a round of `swept`: with inputs of each kind in turn."""
SEVERAL = [i for i, shape in enumerate(SHAPES) if math.prod(shape) > 1]
"""The shapes in which inputs of a kind differ from those of another."""
TRIES = 16
"""How often `swept` tries to have an operation feed another."""


def programs(
    contracts: Mapping[str, Contract],
    dtypes: Sequence[str] = ("float64",),
    max_steps: int = 40,
) -> Programs:
    """Programs over some operations.

    Args:
        contracts: The operations, by name.
        dtypes: The element types of the inputs, the simplest first.
        max_steps: The largest number of records in one program of sixteen; the others have few.
    """
    ordered = sorted(contracts.values(), key=_complexity)
    record = st.tuples(
        st.integers(0, len(ordered) - 1),
        st.sampled_from(RECENT),
        st.integers(0, 2**BITS - 1),
    )
    few = st.lists(record, min_size=1, max_size=8)
    source = st.tuples(st.integers(0, len(SHAPES) - 1), st.integers(0, 255))
    return st.builds(
        _Decoder(ordered),
        st.lists(source, min_size=1, max_size=3),
        st.one_of(*[few] * 15, st.lists(record, min_size=1, max_size=max_steps)),
        st.integers(0, 255),
        st.sampled_from(list(dtypes)),
    )


def swept(contracts: Mapping[str, Contract], dtypes: Sequence[str], seed: int) -> Iterator[Program]:
    """Programs that leave nothing to chance: each operation alone, then each after each, without end.

    Every round has other inputs and attributes. Where an operation cannot take what another gives, a
    step of the shape or domain in between makes it fit, or the two stand side by side.

    Args:
        contracts: The operations, by name.
        dtypes: The element types of the inputs.
        seed: From which inputs and attributes follow.
    """
    ordered = sorted(contracts.values(), key=_complexity)
    random = np.random.default_rng(seed)

    def made(*ops: int, of_kind: int | None = None) -> Program:
        shapes: Sequence[int] = range(len(SHAPES)) if of_kind is None else SEVERAL
        numbers: Sequence[int] = range(256) if of_kind is None else KINDS[of_kind % len(KINDS)]
        first, second = random.integers(0, len(shapes), 2).tolist()
        second = second if random.integers(2) else first  # of one shape they fit together
        sources = [(shapes[i], numbers[int(random.integers(len(numbers)))]) for i in (first, second)]
        records = [(op, 0, int(random.integers(0, 2**BITS))) for op in ops]
        dtype = dtypes[int(random.integers(len(dtypes)))]
        return decode(ordered, sources, records, int(random.integers(256)), dtype)

    def fed(first: int, second: int) -> Program:
        for _ in range(TRIES):
            program = made(first, second)
            told = all(x.size for x in program.inputs)  # an empty array tells little
            if told and program.feeds(ordered[first].name, ordered[second].name):
                return program
        return made(first, second)

    everything = range(len(ordered))
    while True:
        for i in range(ALONE):
            for op in everything:  # the simple before what may be made of them
                yield made(op, of_kind=i)
        for pair in random.permutation(len(ordered) ** 2):
            yield fed(*divmod(pair, len(ordered)))


def programs_made_by(make: Callable[[int, int], Program | None], n_shapes: int) -> Programs:
    """Programs that a function makes of the number of a shape and of a random seed, where it can."""
    made = st.builds(make, st.integers(0, n_shapes - 1), st.integers(0, 2**16))
    return made.filter(lambda p: p is not None).map(lambda p: cast(Program, p))  # after the filter


def _complexity(contract: Contract) -> tuple[bool, int, int, int, str]:
    """Simple operations first: defined everywhere, few attributes, few operands, linear."""
    order = (Smoothness.LINEAR, Smoothness.MULTILINEAR, Smoothness.SMOOTH, Smoothness.PIECEWISE)
    return (
        contract.domain is not REALS,
        len(contract.attributes),
        contract.arity or 9,
        order.index(contract.smoothness),
        contract.name,
    )


class _Decoder:
    """`decode` for some operations; its name is short in Hypothesis' messages."""

    __name__ = "decode"

    def __init__(self, contracts: Sequence[Contract]) -> None:
        self.contracts = contracts

    def __call__(
        self,
        sources: Sequence[tuple[int, int]],
        records: Sequence[Record],
        seed: int,
        dtype: str,
    ) -> Program:
        return decode(self.contracts, sources, records, seed, dtype)

    def __repr__(self) -> str:
        return self.__name__
