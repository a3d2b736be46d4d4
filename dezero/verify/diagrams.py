"""The graph of a program as a picture: values as ellipses, applications as boxes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dezero.contract import Array
from dezero.pictures import Edge, Picture, Vertex
from dezero.verify.program import Program

LONGEST = 26
"""An array whose numbers take more room than this is shown as its type and shape."""


def picture(program: Program, about: Callable[[int], Vertex] | None = None) -> Picture:
    """The graph of a program.

    Args:
        program: The program.
        about: Makes the vertex of a value, by number, where more is known than the program says.
    """

    def given(i: int) -> Vertex:
        return value_vertex(i, program.inputs[i] if i < len(program.inputs) else None)

    known = about or given
    vertices = [known(i) for i in range(len(program.inputs))]
    places = list(range(len(vertices)))
    edges: list[Edge] = []
    for number, (step, first) in enumerate(program.places()):
        box = len(vertices)
        attributes = ", ".join(f"{name}={a!r}" for name, a in step.attributes.items())
        vertices.append(Vertex(f"f{number}", True, step.op, attributes))
        edges += [(places[operand], box) for operand in step.operands]
        for k in range(step.n_out):
            edges.append((box, len(vertices)))
            places.append(len(vertices))
            vertices.append(known(first + k))
    return Picture(vertices, edges)


def value_vertex(i: int, x: Array | None, details: str = "", kind: str = "") -> Vertex:
    """The vertex of a value.

    Args:
        i: Its number.
        x: What it is, if that is known.
        details: What else there is to tell.
        kind: A class for style sheets.
    """
    return Vertex(f"v{i}", False, f"x{i}" if x is None else f"x{i}\n{_short(x)}", details, kind)


def _short(x: Array) -> str:
    with np.printoptions(precision=4, threshold=6, edgeitems=2):
        text = np.array2string(x, separator=", ").replace("\n", " ")
    return text if len(text) <= LONGEST else f"{x.dtype} {list(x.shape)}"
