"""Hypothesis strategies for programs, which shrink to small ones; and a sweep that goes through all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from hypothesis import strategies as st

from dezero.contract import (
    REALS,
    Contract,
    Smoothness,
)
from dezero.verify.attributes import SHAPES
from dezero.verify.decoding import KINDS, RECENT, TIED, Record, decode
from dezero.verify.program import Program

Programs: TypeAlias = st.SearchStrategy[Program]

RECORD = 7
"""The bytes of a record: two say which operation, one which first operand, and four make all else."""
HEAD = 10
"""The bytes of a program's head: whether its records are repeated, how many inputs there are, two for
each of three, the seed, the element type."""
BITS = 32
"""How long the number is that a record makes its choices from, in bits."""
MOST_ROUNDS = 4
"""How often an operation comes alone with inputs of each kind, at the most, in a round of `swept`."""
REPEATED = 5
"""How often the records of one program in sixteen are repeated, each time on other operands."""
SEVERAL = [i for i, shape in enumerate(SHAPES) if math.prod(shape) > 1]
"""The shapes in which inputs of a kind differ from those of another."""
TRIES = 16
"""How often `swept` tries to have an operation feed another."""


def programs(
    contracts: Mapping[str, Contract],
    dtypes: Sequence[str] = ("float64",),
    max_records: int = 8,
) -> Programs:
    """Programs over some operations: the same for the same seed, whatever else a process has loaded.

    Args:
        contracts: The operations, by name.
        dtypes: The element types of the inputs, the simplest first.
        max_records: The largest number of records, each of which gives a step or several.
    """
    # Bytes of one length: among numbers Hypothesis strews constants of whatever modules are loaded.
    return st.builds(
        _Decoder(sorted(contracts.values(), key=_complexity), dtypes),
        st.binary(min_size=HEAD, max_size=HEAD),
        st.lists(st.binary(min_size=RECORD, max_size=RECORD), min_size=1, max_size=max_records),
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

    def some(n: int) -> int:
        return int(random.integers(n))

    def made(*ops: int, of_kind: Sequence[int] | None = None) -> Program:
        alone = of_kind is not None
        shapes = SEVERAL if alone else range(len(SHAPES))
        numbers = range(256) if of_kind is None else of_kind
        first, second = some(len(shapes)), some(len(shapes))
        second = second if some(2) else first  # of one shape they fit together
        number, other = numbers[some(len(numbers))], numbers[some(len(numbers))]
        if of_kind is TIED and some(2):
            second, other = first, number
        sources = [(shapes[first], number), (shapes[second], other)]
        records = [(op, 0, some(2**BITS)) for op in ops]
        # Alone in the first type: there is most room for what is large, or tiny.
        dtype = dtypes[0 if alone else some(len(dtypes))]
        return decode(ordered, sources, records, some(256), dtype, as_given=alone)

    def fed(first: int, second: int) -> Program:
        for _ in range(TRIES):
            program = made(first, second)
            told = all(x.size for x in program.inputs)  # an empty array tells little
            if told and program.feeds(ordered[first].name, ordered[second].name):
                return program
        return made(first, second)

    rounds = [alone_in(contract) for contract in ordered]
    while True:
        for i in range(MOST_ROUNDS):
            for kind in KINDS:
                for op, n in enumerate(rounds):  # the simple before what may be made of them
                    if i < n:
                        yield made(op, of_kind=kind)
        for pair in random.permutation(len(ordered) ** 2):
            yield fed(*divmod(pair, len(ordered)))


def alone_in(contract: Contract) -> int:
    """How often an operation comes alone with each kind of inputs: once for all that it takes.

    And once more for its kinks.
    """
    takes = (contract.arity or 2) + len(contract.attributes)
    return min(MOST_ROUNDS, takes + (contract.kinks is not None))


def programs_made_by(make: Callable[[int, int], Program], n_shapes: int) -> Programs:
    """Programs that a function makes of the number of a shape and of a random seed."""
    return st.builds(make, st.integers(0, n_shapes - 1), st.integers(0, 2**16))


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

    def __init__(self, contracts: Sequence[Contract], dtypes: Sequence[str]) -> None:
        self.contracts = contracts
        self.dtypes = dtypes

    def __call__(self, head: bytes, records: Sequence[bytes]) -> Program:
        repeated, inputs, *sources, seed, dtype = head
        return decode(
            self.contracts,
            [(sources[2 * i] % len(SHAPES), sources[2 * i + 1]) for i in range(1 + inputs % 3)],
            [self.record(record) for record in records] * (REPEATED if repeated % 16 == 15 else 1),
            seed,
            self.dtypes[dtype % len(self.dtypes)],
        )

    def record(self, record: bytes) -> Record:
        """The numbers that some bytes stand for."""
        return (
            int.from_bytes(record[:2], "big") % len(self.contracts),
            RECENT[record[2] % len(RECENT)],
            int.from_bytes(record[3:], "little"),
        )

    def __repr__(self) -> str:
        return self.__name__
