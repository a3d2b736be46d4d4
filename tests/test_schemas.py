"""The schemas: what is really sent conforms, and what is changed does not."""

from __future__ import annotations

import copy
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from dezero.verify import cli, schemas
from dezero.verify.engines.port import PortProcess
from dezero.verify.program import Json, Program, Step
from dezero.verify.protocol import Run, decode, encode
from dezero.verify.serve import serve

VALIDATORS = {name: Draft202012Validator(schemas.schema(name)) for name in schemas.NAMES}
PROGRAM = Program(
    (np.array([1.0, -0.0]), np.array(2.0)),
    (
        Step("mul", (0, 1)),
        Step("get_item", (2,), {"slices": (slice(None, None, -1), ..., None)}),
        Step("split", (2,), {"sections": 2, "axis": 0}, 2),
        Step("where", (2, 2), {"condition": np.array([True, False])}),
    ),
    (3, 4, 6),
    (np.array([[1.0], [np.nan]]), np.array([np.inf]), np.array([1.0, 2.0])),
)
RUN = Run(7, PROGRAM, (0, 1), frozenset(("values", "vjp", "hvp")), PROGRAM.inputs)


def conforms(name: str, message: Json) -> bool:
    return VALIDATORS[name].is_valid(message)


def answer(request: dict[str, Json]) -> dict[str, Json]:
    replies = io.BytesIO()
    serve(io.BytesIO(encode(request)), replies)
    return decode(replies.getvalue())


def sent() -> dict[str, dict[str, Json]]:
    """A message of each name, as the kit sends it or as our port answers it."""
    start: dict[str, Json] = {"cmd": "start", "protocol": 1, "kit": "0"}
    run = RUN.to_dict()
    inputs = run["inputs"]
    assert isinstance(inputs, list)
    tensor = inputs[0]
    assert isinstance(tensor, dict)
    echo: dict[str, Json] = {"cmd": "echo", "id": 1, "tensor": tensor}
    return {
        "tensor": tensor,
        "program": PROGRAM.to_dict(),
        "start": start,
        "start_reply": answer(start),
        "echo": echo,
        "echo_reply": answer(echo),
        "run": run,
        "result": answer(run),
        "unsupported": answer({**run, "nodes": [{"op": "dance", "in": [0], "n_out": 9}]}),
        "error": answer({**run, "id": "x"}),
        "stop": {"cmd": "stop"},
    }


SENT = sent()


def test_the_names_are_those_of_the_files() -> None:
    folder = Path(schemas.__file__).parent
    assert sorted(schemas.NAMES) == sorted(path.stem for path in folder.glob("*.json"))


@pytest.mark.parametrize("name", schemas.NAMES)
def test_a_schema_is_one_and_needs_no_other(name: str) -> None:
    whole = schemas.schema(name)
    Draft202012Validator.check_schema(whole)
    assert whole["$id"] == schemas.PREFIX + name
    text = json.dumps(whole)
    for other in schemas.NAMES:
        if f'"{schemas.PREFIX}{other}"' in text:
            assert f'"$id": "{schemas.PREFIX}{other}"' in text


@pytest.mark.parametrize("name", SENT)
def test_what_is_sent_conforms(name: str) -> None:
    assert [e.message for e in VALIDATORS[name].iter_errors(SENT[name])] == []


CHANGES: list[tuple[str, Callable[[dict[str, Json]], object]]] = [
    ("tensor", lambda m: m.pop("shape")),
    ("tensor", lambda m: m.update(dtype="float16")),
    ("tensor", lambda m: m.update(shape=[-1])),
    ("tensor", lambda m: m.update(data=[1.0, None])),
    ("tensor", lambda m: m.update(data=["nan"])),
    ("tensor", lambda m: m.update(dtype="bool")),
    ("tensor", lambda m: m.update(strides=[8])),
    ("program", lambda m: m.pop("seeds")),
    ("program", lambda m: m.update(outputs=[])),
    ("program", lambda m: m.update(nodes=[{"op": "sin"}])),
    ("program", lambda m: m.update(nodes=[{"op": "sin", "in": [0.5]}])),
    ("program", lambda m: m.update(nodes=[{"op": "sin", "in": [0], "attrs": {"axis": {"a": 1}}}])),
    ("program", lambda m: m.update(inputs=[{"dtype": "int64", "shape": [], "data": [1]}])),
    ("start", lambda m: m.update(protocol="1")),
    ("start_reply", lambda m: m.update(protocol=2)),
    ("start_reply", lambda m: m.update(ops=["sin"])),
    ("start_reply", lambda m: m.update(numbers=["bits"])),
    ("start_reply", lambda m: m.update(dtypes=["int8"])),
    ("start_reply", lambda m: m.update(implementation={})),
    ("echo", lambda m: m.pop("tensor")),
    ("echo_reply", lambda m: m.update(id="1")),
    ("run", lambda m: m.update(want=["gradients"])),
    ("run", lambda m: m.update(wrt=[-1])),
    ("run", lambda m: m.pop("v")),
    ("run", lambda m: m.update(cmd="start")),
    ("result", lambda m: m.pop("id")),
    ("result", lambda m: m.update(values=[None])),
    ("result", lambda m: m.update(grads=[1.0])),
    ("result", lambda m: m.update(error={})),
    ("unsupported", lambda m: m.update(unsupported="dance")),
    ("error", lambda m: m.update(error={"kind": "fatal", "message": ""})),
    ("stop", lambda m: m.update(cmd="end")),
]


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_what_is_changed_does_not_conform(number: int) -> None:
    name, change = CHANGES[number]
    message = copy.deepcopy(SENT[name])
    change(message)
    assert not conforms(name, message)


def test_all_that_goes_through_the_pipe_conforms(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[str] = set()
    ask = PortProcess.ask

    def checked(
        process: PortProcess, requests: Sequence[Mapping[str, Json]], seconds: float
    ) -> Iterator[bytes]:
        answers = {"start": "start_reply", "echo": "echo_reply", "run": "result"}
        for request, line in zip(requests, ask(process, requests, seconds), strict=True):
            name = str(request["cmd"])
            for kind, message in ((name, request), (answers[name], decode(line))):
                errors = [e.message for e in VALIDATORS[kind].iter_errors(message)]
                assert errors == [], (kind, errors)
                seen.add(kind)
            yield line

    monkeypatch.setattr(PortProcess, "ask", checked)
    arguments = ["--seed", "3", "--examples", "100", "--", sys.executable, "-m", "dezero", "serve"]
    assert cli.main(["verify", *arguments]) == 0
    assert seen == {"start", "start_reply", "echo", "echo_reply", "run", "result"}


def test_a_counterexample_conforms(tmp_path: Path) -> None:
    script = tmp_path / "planted.py"
    script.write_text(
        "import sys\nfrom dezero.functions import Sin\nfrom dezero.verify import serve\n"
        "Sin.vjp = lambda self, xp, gy, x, y: 2.0 * gy * xp.cos(x)\nsys.exit(serve.main())\n",
        "utf-8",
    )
    options = ["--seed", "1", "--ops", "sin", "--save", str(tmp_path)]
    assert cli.main(["verify", *options, "--", sys.executable, str(script)]) == 1
    (path,) = tmp_path.glob("*.json")
    found = cast("dict[str, Json]", json.loads(path.read_text("utf-8")))  # as the kit writes it
    assert conforms("counterexample", found)
    assert not conforms("counterexample", {**found, "program": {}})
    assert not conforms("counterexample", {k: v for k, v in found.items() if k != "law"})


def test_known_failures() -> None:
    good: dict[str, Json] = {"op": "sin", "law": "gradient", "reason": "a table"}
    assert conforms("known_failures", [good])
    bad: list[Json] = [{}, [good | {"reason": " "}], [good | {"more": 1}], [{"op": "sin"}]]
    for wrong in bad:
        assert not conforms("known_failures", wrong)


def test_schemas_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schema"]) == 0
    assert capsys.readouterr().out.split() == list(schemas.NAMES)
    assert cli.main(["schema", "run"]) == 0
    assert json.loads(capsys.readouterr().out) == schemas.schema("run")
    assert cli.main(["schema", "dance"]) == 2
    assert "no schema is called 'dance'; there are: tensor, " in capsys.readouterr().err
