"""The static corpus: it stays, conforms to its schema, and catches who is wrong."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from dezero.functions import Sin
from dezero.namespace import Namespace, T
from dezero.verify import cli, corpus, schemas
from dezero.verify.corpus import Case, Expected
from dezero.verify.engines.dezero import CONTRACTS
from dezero.verify.oracles import enclose_product
from dezero.verify.program import Json, Program, ProgramError, Step

IDS = Path(__file__).parent / "corpus_ids.txt"
MOST_BYTES = 2_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus as the command writes it."""
    folder = tmp_path_factory.mktemp("corpus")
    assert cli.main(["corpus", str(folder)]) == 0
    return folder


def read(path: Path) -> dict[str, Json]:
    return cast("dict[str, Json]", json.loads(path.read_text("utf-8")))  # as the kit writes it


def test_no_id_ever_goes(folder: Path) -> None:
    cases = [
        case for path in folder.glob("*.json") for case in corpus.from_json(path.read_text(), "")[1]
    ]
    ids = [case.id for case in cases]
    assert len(set(ids)) == len(ids) >= 1000
    assert set(IDS.read_text("utf-8").split()) <= set(ids)
    assert {case.op for case in cases} == set(CONTRACTS)
    assert {case.tolerance for case in cases} == set(corpus.TOLERANCES)
    assert sum(1 for case in cases if case.v) > 900


def test_it_is_small_and_conforms(folder: Path) -> None:
    assert sum(path.stat().st_size for path in folder.iterdir()) <= MOST_BYTES
    valid = Draft202012Validator(schemas.schema("corpus"))
    for name in ("sin", "split", "relu", "get_item"):
        whole = read(folder / f"{name}.json")
        assert [e.message for e in valid.iter_errors(whole)] == []
        assert not valid.is_valid({**whole, "corpus": 2})


def test_it_is_the_same_each_time(folder: Path) -> None:
    for op in ("sin", "conv2d"):
        text = corpus.to_json(op, list(corpus.cases_of(CONTRACTS[op])))
        assert text == (folder / f"{op}.json").read_text("utf-8")


def test_a_product_with_the_hessian_is_enclosed() -> None:
    """Of f = 3 x0² x1 + sin x1 at (2, 0): the Hessian is ((0, 12), (12, 0))."""
    steps = (Step("square", (0,)), Step("mul", (2, 1)), Step("sin", (1,)))
    seeds = (np.array(3.0), np.array(1.0))
    program = Program((np.array(2.0), np.array(0.0)), steps, (3, 4), seeds)
    products = enclose_product(program, [np.array(1.0), np.array(-0.5)])
    assert [float(e.mid) for e in products] == [-6.0, 12.0]
    assert all(e.rad < 1e-30 for e in products)


def test_what_a_class_allows() -> None:
    e = Expected(np.array([1.0, 2.0]), np.array([1.0, 2.5]), 10.0)
    assert e.misses(np.array([1.0, 2.6]), "exact").tolist() == [False, True]
    near = 1 + 63 * 10 * 2.0**-52
    assert e.misses(np.array([near, 2.2]), "exact").tolist() == [True, False]
    assert e.misses(np.array([near, 2.2]), "rounded").tolist() == [False, False]
    assert e.misses(np.array([near + 1e-13, np.nan]), "rounded").tolist() == [True, True]


def test_targets_are_held_against_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", "--corpus", str(folder), "core_simple"]) == 0
    shown = capsys.readouterr().out
    assert "core_simple: held. " in shown
    assert "not claimed: second derivatives" in shown
    port = ["--", sys.executable, "-m", "dezero", "serve"]
    assert cli.main(["verify", "--corpus", str(folder), *port]) == 0
    assert "; 0 with operations not claimed" in capsys.readouterr().out


def test_who_is_wrong_is_caught(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(self: Sin, xp: Namespace[T], gy: T, x: T, y: T) -> T:
        return (1 + 1e-9) * gy * xp.cos(x)  # a fault

    monkeypatch.setattr(Sin, "vjp", wrong)
    assert cli.main(["verify", "--ops", "sin", "--corpus", str(folder)]) == 1
    assert "broken  sin-" in capsys.readouterr().out


PORT = """
import json, sys
from dezero.verify.program import Program, encode_tensor
from dezero.verify.evaluation import evaluate
for line in sys.stdin:
    asked = json.loads(line)
    if asked["cmd"] == "start":
        answer = {"protocol": 1, "implementation": {"name": "values"}, "dtypes": [sys.argv[1]]}
        answer |= {"ops": {"sin": {}, "neg": {}}, "features": ["nonfinite"], "numbers": ["decimal"]}
    elif asked["cmd"] == "echo":
        answer = {"id": asked["id"], "tensor": asked["tensor"]}
    elif asked["cmd"] == "run":
        assert asked["want"] == ["values"]
        program = Program.from_dict(asked)
        values = evaluate(program)
        answer = {"id": asked["id"], "values": [encode_tensor(values[i]) for i in program.outputs]}
    else:
        break
    print(json.dumps(answer), flush=True)
"""


def test_a_port_is_asked_for_no_more_than_it_claims(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Values alone, in the element type that it has."""
    (tmp_path / "port.py").write_text(PORT, "utf-8")
    cases = list(corpus.cases_of(CONTRACTS["sin"]))
    few = replace(cases[0], program=cases[0].program.astype("float32"))
    (tmp_path / "sin.json").write_text(corpus.to_json("sin", [*cases, few]), "utf-8")
    port = [sys.executable, str(tmp_path / "port.py")]
    given = ["verify", "--corpus", str(tmp_path), "--", *port]
    assert cli.main([*given, "float64"]) == 0
    said = capsys.readouterr().out
    assert f"held. {len(cases)} cases" in said
    assert "; 0 with operations not claimed, 1 of element types not claimed\n" in said
    assert said.endswith("not claimed: gradients, second derivatives\n")
    (tmp_path / "sin.json").write_text(corpus.to_json("sin", cases), "utf-8")
    assert cli.main([*given, "float32"]) == 5
    assert f"{len(cases)} of element types not claimed" in capsys.readouterr().out


def test_a_program_that_is_none_accuses_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (case, *_) = corpus.cases_of(CONTRACTS["leaky_relu"])
    (step,) = case.program.steps
    wrong = replace(case.program, steps=(replace(step, attributes={"slope": True}),))
    text = corpus.to_json("leaky_relu", [replace(case, program=wrong)])
    (tmp_path / "leaky_relu.json").write_text(text, "utf-8")
    assert cli.main(["verify", "--corpus", str(tmp_path)]) == 2
    said = "step 0 (leaky_relu): slope is True; expected a real number\n"
    assert capsys.readouterr().err.endswith(said)


@pytest.mark.parametrize(
    "options",
    [
        *(["--json", "F"], ["--junit", "F"], ["--markdown", "F"], ["--html", "F"], ["--badge", "F"]),
        *(["--save", "F"], ["--certify"], ["--examples", "3"], ["--keep-going"], ["--laws", "value"]),
    ],
)
def test_what_a_corpus_knows_nothing_of_is_refused(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["verify", "--corpus", str(tmp_path), *options, "--", "/nonexistent"]) == 2
    assert capsys.readouterr().err.startswith(f"dezero: {options[0]} ")


def test_a_broken_port_fails_every_case(tmp_path: Path) -> None:
    (case, *_) = corpus.cases_of(CONTRACTS["neg"])
    wrong = replace(case, values=(replace(case.values[0], lo=case.values[0].lo + 1),))
    (tmp_path / "neg.json").write_text(corpus.to_json("neg", [wrong]), "utf-8")
    assert cli.main(["verify", "--corpus", str(tmp_path)]) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "F: not JSON: "),
        ("[]", "F: []; expected an object"),
        ('{"corpus":2}', "F: corpus is 2; expected 1"),
        ('{"corpus":1,"op":3}', "F: op is 3; expected the name"),
        ('{"corpus":1,"op":"sin","cases":[{}]}', "F: case 0: tolerance is None; expected one of"),
        (
            '{"corpus":1,"op":"sin","cases":[{"tolerance":"exact"}]}',
            "F: case 0: program: None; expected an object",
        ),
    ],
)
def test_a_file_that_is_none(text: str, message: str) -> None:
    with pytest.raises(ProgramError) as raised:
        corpus.from_json(text, "F")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("instead", "message"),
    [
        ({"scale": math.inf}, "not JSON: Infinity is not a JSON number"),
        ({"scale": "Infinity"}, "scale is 'Infinity'; expected a finite number from 0 on"),
        ({"scale": -1.0}, "scale is -1.0; expected a finite number from 0 on"),
        ({"lo": ["-Infinity"], "hi": ["Infinity"]}, "lo: -inf; expected finite numbers"),
    ],
)
def test_what_every_number_would_satisfy_is_refused(instead: dict[str, Json], message: str) -> None:
    case = next(case for case in corpus.cases_of(CONTRACTS["sin"]) if not case.program.inputs[0].shape)
    given = json.loads(corpus.to_json("sin", [case]))
    given["cases"][0]["values"][0] |= instead
    with pytest.raises(ProgramError) as raised:
        corpus.from_json(json.dumps(given), "F")
    assert message in str(raised.value)


def test_a_scale_beyond_the_doubles_is_refused() -> None:
    with pytest.raises(ProgramError, match="scale is inf; expected a finite number from 0 on"):
        Expected.from_dict(json.loads('{"shape": [], "lo": [1.0], "scale": 1e999}'), "F")


def test_a_case_is_known_by_what_is_given() -> None:
    (case, *_) = corpus.cases_of(CONTRACTS["sin"])
    given = case.to_dict()
    assert Case.from_dict(given, "sin", "F").to_dict() == given
    with pytest.raises(ProgramError, match="id is 'sin-0'; its program's is sin-"):
        Case.from_dict({**given, "id": "sin-0"}, "sin", "F")
    with pytest.raises(ProgramError, match="F: grads: 0 arrays; expected 1"):
        Case.from_dict({**given, "grads": []}, "sin", "F")


def test_a_folder_without_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", "--corpus", str(tmp_path)]) == 2
    assert "has no corpus in it" in capsys.readouterr().err
    (tmp_path / "empty.json").write_text(corpus.to_json("sin", []), "utf-8")
    assert cli.main(["verify", "--corpus", str(tmp_path)]) == 5
