"""Values and gradients are ndarrays, of the right shape and element type.

A value has the shape that the reference gives it, and the element type of the program's inputs: a
float32 network stays float32, a 0-d result is an array and no NumPy scalar. A gradient has the shape
and the element type of what it is the gradient of.
"""

from __future__ import annotations

from hypothesis import given

from dezero.verify.program import Program

from . import CORE_SIMPLE, DEZERO, IN_FLOAT32, IN_FLOAT64, OF_CORE_SIMPLE, holds


@given(IN_FLOAT64)
def test_shape_dtype(program: Program) -> None:
    holds("shape_dtype", DEZERO, program)


@given(IN_FLOAT32)
def test_shape_dtype_in_float32(program: Program) -> None:
    holds("shape_dtype", DEZERO, program)


@given(OF_CORE_SIMPLE)
def test_shape_dtype_of_core_simple(program: Program) -> None:
    holds("shape_dtype", CORE_SIMPLE, program)
