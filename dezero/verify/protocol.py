"""The protocol of ports: one JSON line for each request, and one for each reply.

A port is a process that runs programs for the kit: an autograd in whatever language. What stands here
both sides use: the kit writes requests and reads replies, `dezero serve` the other way round. A message
of either side is checked as a program file is; a malformed one is a ProgramError that says where, what
came and what was expected.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from dezero.contract import Array
from dezero.verify.program import (
    MAX_BYTES,
    Json,
    Program,
    ProgramError,
    Step,
    decode_tensor,
    encode_steps,
    encode_tensor,
    refuse_constant,
)

PROTOCOL = 1
DTYPES = ("float64", "float32")
"""The element types that the inputs of a program can have."""
WANTS = frozenset(("values", "vjp", "hvp"))
"""What can be asked for."""
KINDS = ("shape", "domain", "internal")
"""The kinds of an error."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a port says of itself when it starts.

    Attributes:
        name, version, language: Who it is.
        dtypes: The element types that it computes in: some of `DTYPES`.
        ops: The operations that it has, each with the attributes that it takes.
        features: What else it can do.
    """

    name: str
    version: str
    language: str
    dtypes: tuple[str, ...]
    ops: Mapping[str, frozenset[str]]
    features: frozenset[str]

    def to_dict(self) -> dict[str, Json]:
        """The reply to `start`."""
        ops: dict[str, Json] = {
            op: {"attrs": list[Json](sorted(attrs))} if attrs else {} for op, attrs in self.ops.items()
        }
        return {
            "protocol": PROTOCOL,
            "implementation": {
                "name": self.name,
                "version": self.version,
                "language": self.language,
            },
            "dtypes": list[Json](self.dtypes),
            "ops": ops,
            "features": list[Json](sorted(self.features)),
            "numbers": ["decimal"],
        }

    @staticmethod
    def from_dict(reply: Mapping[str, Json]) -> Capabilities:
        """Reads the reply to `start`; raises ProgramError."""
        if reply.get("protocol") != PROTOCOL or isinstance(reply.get("protocol"), bool):
            raise ProgramError(
                f"start: protocol is {brief(reply.get('protocol'))}; expected {PROTOCOL}"
            )
        if "decimal" not in _names(reply.get("numbers"), "start: numbers"):
            raise ProgramError('start: numbers has no "decimal", which this kit needs')
        dtypes = _names(reply.get("dtypes"), "start: dtypes")
        if not any(dtype in DTYPES for dtype in dtypes):
            raise ProgramError(
                f"start: dtypes is {brief(list(dtypes))}; expected one of {', '.join(DTYPES)}"
            )
        who = record(reply.get("implementation"), "start: implementation")
        ops = record(reply.get("ops"), "start: ops")
        attributes = {
            op: _names(
                record(about, f"start: ops: {brief(op)}").get("attrs", []), f"start: ops: {brief(op)}"
            )
            for op, about in ops.items()
        }
        return Capabilities(
            _text(who.get("name"), "start: implementation: name"),
            _text(who.get("version", ""), "start: implementation: version"),
            _text(who.get("language", ""), "start: implementation: language"),
            tuple(dtype for dtype in DTYPES if dtype in dtypes),
            {op: frozenset(names) for op, names in attributes.items()},
            frozenset(_names(reply.get("features", []), "start: features")),
        )


@dataclass(frozen=True, slots=True)
class Run:
    """The request to run a program.

    Attributes:
        id: Its number, which the reply repeats.
        program: What to run.
        wrt: The inputs whose gradients are wanted.
        want: "values" for those of the outputs, "vjp" for the gradients, "hvp" for the product of the
            Hessian with v, over the inputs of wrt.
        v: For "hvp": for each input of wrt an array of its shape.
    """

    id: int
    program: Program
    wrt: tuple[int, ...]
    want: frozenset[str]
    v: tuple[Array, ...] = ()

    def to_dict(
        self,
        tensor: Callable[[Array], Json] = encode_tensor,
        nodes: Callable[[tuple[Step, ...]], Json] = encode_steps,
    ) -> dict[str, Json]:
        """The request as what JSON can hold; the arrays and steps of its program by functions."""
        return {
            "cmd": "run",
            "id": self.id,
            **self.program.to_dict(tensor, nodes),
            "wrt": list[Json](self.wrt),
            "want": list[Json](sorted(self.want)),
            **({"v": [encode_tensor(d) for d in self.v]} if "hvp" in self.want else {}),
        }

    @staticmethod
    def from_dict(request: Mapping[str, Json]) -> Run:
        """Reads the request; raises ProgramError."""
        program = Program.from_dict(dict(request))
        want = _names(request.get("want"), "run: want")
        for name in want:
            if name not in WANTS:
                raise ProgramError(f"run: want has {brief(name)}; expected some of {sorted(WANTS)}")
        wrt: list[int] = []
        for number in items(request.get("wrt", []), "run: wrt"):
            if not isinstance(number, int) or not 0 <= number < len(program.inputs):
                raise ProgramError(f"run: wrt has {brief(number)}; expected the number of an input")
            wrt.append(number)
        v = _directions(request, program, wrt) if "hvp" in want else ()
        return Run(identity(request), program, tuple(wrt), frozenset(want), v)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a program.

    Attributes:
        id: The number of the request.
        values: The values of the outputs.
        grads: The gradient of each of the inputs asked for; None where it is not connected.
        hvp: The product of the Hessian with v, for the same inputs; None where it is zero for all v.
    """

    id: int
    values: tuple[Array, ...] = ()
    grads: tuple[Array | None, ...] = ()
    hvp: tuple[Array | None, ...] = ()

    def to_dict(self) -> dict[str, Json]:
        """The reply as what JSON can hold."""
        return {
            "id": self.id,
            "values": [encode_tensor(y) for y in self.values],
            "grads": [None if g is None else encode_tensor(g) for g in self.grads],
            "hvp": [None if h is None else encode_tensor(h) for h in self.hvp],
        }

    @staticmethod
    def from_dict(reply: Mapping[str, Json], run: Run) -> Result:
        """Reads the reply to a request; raises ProgramError unless it has all that was asked for."""
        values: tuple[Array, ...] = ()
        if "values" in run.want:
            given = _as_many(reply, "values", len(run.program.outputs))
            values = tuple(decode_tensor(t, f"values: {k}") for k, t in enumerate(given))
        grads = _tensors_or_null(reply, "grads", len(run.wrt)) if "vjp" in run.want else ()
        hvp = _tensors_or_null(reply, "hvp", len(run.wrt)) if "hvp" in run.want else ()
        return Result(run.id, values, grads, hvp)


def encode(message: Mapping[str, Json]) -> bytes:
    """A message as its line."""
    return _ENCODER.encode(message).encode() + b"\n"


def decode(line: bytes) -> dict[str, Json]:
    """The message that a line holds.

    Raises:
        ProgramError: The line is too long, not UTF-8, not JSON, nested too deeply, or not an object.
    """
    if len(line) > MAX_BYTES:
        raise ProgramError(f"message: {len(line)} bytes; at most {MAX_BYTES} are read")
    try:
        # JSON and nothing else.
        decoded = cast(Json, _DECODER.decode(line.decode("utf-8")))
    except (ValueError, RecursionError) as error:
        raise ProgramError(f"message: not JSON: {error}") from None
    return record(decoded, "message")


def identity(message: Mapping[str, Json]) -> int:
    """The number of a request, or of the request that a reply is for; raises ProgramError."""
    number = message.get("id")
    if not isinstance(number, int) or isinstance(number, bool):
        raise ProgramError(f"message: id is {brief(number)}; expected an integer")
    return number


def record(decoded: Json, where: str) -> dict[str, Json]:
    """An object of JSON; raises ProgramError on anything else."""
    if not isinstance(decoded, dict):
        raise ProgramError(f"{where}: {brief(decoded)}; expected an object")
    return decoded


def items(decoded: Json, where: str) -> list[Json]:
    """A list of JSON; raises ProgramError on anything else."""
    if not isinstance(decoded, list):
        raise ProgramError(f"{where}: {brief(decoded)}; expected a list")
    return decoded


def brief(value: object, most: int = 60) -> str:
    """Anything that came from outside, as an error shows it: one line, printable, and not too long."""
    try:
        # Of a long one only the beginning is ever turned into text.
        text = repr(value[: most + 1] if isinstance(value, (str, bytes)) else value)
    except RecursionError:
        return f"a deeply nested {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _text(decoded: Json, where: str) -> str:
    if not isinstance(decoded, str) or not decoded.isprintable() or len(decoded) > 100:
        raise ProgramError(f"{where}: {brief(decoded)}; expected a short text")
    return decoded


def _names(decoded: Json, where: str) -> Sequence[str]:
    return [_text(name, where) for name in items(decoded, where)]


def _directions(request: Mapping[str, Json], program: Program, wrt: Sequence[int]) -> tuple[Array, ...]:
    """The v of a request for products with the Hessian."""
    v = tuple(
        decode_tensor(t, f"run: v: {k}")
        for k, t in enumerate(_as_many(request, "v", len(wrt), "run: "))
    )
    for k, (d, i) in enumerate(zip(v, wrt, strict=True)):
        x = program.inputs[i]
        if (d.shape, d.dtype) != (x.shape, x.dtype):
            raise ProgramError(
                f"run: v: {k}: {d.dtype}{list(d.shape)}; "
                f"expected {x.dtype}{list(x.shape)}, as input {i}"
            )
    return v


def _tensors_or_null(reply: Mapping[str, Json], name: str, n: int) -> tuple[Array | None, ...]:
    return tuple(
        None if t is None else decode_tensor(t, f"{name}: {k}")
        for k, t in enumerate(_as_many(reply, name, n))
    )


def _as_many(reply: Mapping[str, Json], name: str, n: int, where: str = "") -> list[Json]:
    given = items(reply.get(name), where + name)
    if len(given) != n:
        raise ProgramError(f"{where}{name}: {len(given)} tensors; expected {n}")
    return given


# Made once: `json.dumps` and `json.loads` would make them anew for each message.
_ENCODER = json.JSONEncoder(allow_nan=False, check_circular=False, separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_constant=refuse_constant)
