"""Databases: what broke a law once is tried before anything else, wherever it is stored."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase

from dezero.contract import Array
from dezero.verify.cli import main
from dezero.verify.databases import DatabaseDown, DatabaseError, Databases
from dezero.verify.engines.dezero import CONTRACTS
from dezero.verify.faults import FAULTS, planted
from dezero.verify.program import AttributeValue, Program, Step

PROGRAM = Program((np.array([0.5]),), (Step("sin", (0,)),), (1,), (np.array([1.0]),))
LONGER = Program((np.array([0.5]),), (Step("cos", (0,)), Step("sin", (1,))), (2,), (np.array([1.0]),))
OTHER = Program((np.array([0.5]),), (Step("exp", (0,)),), (1,), (np.array([1.0]),))
OPS, DTYPES = ("sin", "cos"), ("float64",)


def any_of(program: Program) -> None:
    """Passes every program."""


def test_what_is_stored_comes_again_the_shortest_first(tmp_path: Path) -> None:
    Databases([str(tmp_path)], "dezero").store([LONGER, OTHER, PROGRAM, PROGRAM])
    again = Databases([str(tmp_path)], "dezero")
    texts = [program.to_json() for program in again.programs(OPS, DTYPES, any_of)]
    assert texts == [PROGRAM.to_json(), LONGER.to_json()]
    assert again.programs(OPS, ("float32",), any_of) == []
    assert Databases([str(tmp_path)], "core_simple").programs(OPS, DTYPES, any_of) == []


def test_all_databases_are_read_and_written(tmp_path: Path) -> None:
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    Databases([one], "dezero").store([PROGRAM])
    Databases([two], "dezero").store([LONGER])
    assert len(Databases([one, two], "dezero").programs(OPS, DTYPES, any_of)) == 2
    Databases([one, two], "dezero").store([LONGER])
    assert len(Databases([one], "dezero").programs(OPS, DTYPES, any_of)) == 2


def test_what_is_no_program_is_passed_over_and_counted(tmp_path: Path) -> None:
    database = Databases([str(tmp_path)], "dezero")
    database.store([PROGRAM])
    key = b"dezero: counterexamples of dezero"
    for entry in (b"{", b"\xff", b"[]", b"\x80\x04\x95."):
        DirectoryBasedExampleDatabase(tmp_path).save(key, entry)
    assert len(database.programs(OPS, DTYPES, any_of)) == 1
    assert database.malformed == 4


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Hypothesis does not say so."""
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "folder")
    (said,) = Databases([folder, str(tmp_path / "other")], "dezero").store([PROGRAM])
    assert said == f"{folder} cannot be written: what was stored is not there"


def test_a_target_may_be_called_as_no_text_can_be_written(tmp_path: Path) -> None:
    Databases([str(tmp_path)], "-- caf\udce9").store([PROGRAM])
    assert len(Databases([str(tmp_path)], "-- caf\udce9").programs(OPS, DTYPES, any_of)) == 1


@pytest.mark.parametrize("name", ["github:", "github:owner", "github:/x", __file__])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(DatabaseError, match="expected"):
        Databases([name], "dezero")


def test_redis_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "redis", None)
    with pytest.raises(DatabaseDown, match="pip install redis"):
        Databases(["redis://127.0.0.1:1"], "dezero")
    assert main([*COMMAND, "--database", "redis://127.0.0.1:1"]) == 3


def test_an_address_of_redis_that_is_none_is_refused() -> None:
    pytest.importorskip("redis")
    with pytest.raises(DatabaseError, match=r"^redis://host:port: .*; expected redis://host:6379$"):
        Databases(["redis://host:port"], "dezero")


def test_an_artefact_is_only_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In place of the artefact there is a folder: it is read, and stays as it was."""
    artefact = DirectoryBasedExampleDatabase(tmp_path / "artefact")
    artefact.save(b"dezero: counterexamples of dezero", PROGRAM.to_json().encode())
    asked: list[tuple[str, str]] = []

    def opened(owner: str, repository: str) -> ExampleDatabase:
        asked.append((owner, repository))
        return artefact

    monkeypatch.setattr("hypothesis.database.GitHubArtifactDatabase", opened)
    both = Databases([str(tmp_path / "own"), "github:someone/something"], "dezero")
    assert asked == [("someone", "something")]
    both.store([LONGER])
    assert len(both.programs(OPS, DTYPES, any_of)) == 2
    assert len(set(artefact.fetch(b"dezero: counterexamples of dezero"))) == 1


# ------------------------------------------------------------------------------------------ The command

COMMAND = ("verify", "--seed", "3", "--ops", "add,sin,cos", "--laws", "runs,value,gradient")


def report(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def test_what_was_found_once_is_found_first(tmp_path: Path) -> None:
    file, kept = tmp_path / "report.json", ("--database", str(tmp_path / "kept"))
    with planted(FAULTS["sin_factor"]):
        assert main([*COMMAND, "--examples", "200", *kept, "--json", str(file)]) == 1
        first = report(file)
        assert main([*COMMAND, "--seed", "4", "--examples", "1", "--json", str(file)]) == 0
        assert main([*COMMAND, "--seed", "4", "--examples", "1", *kept, "--json", str(file)]) == 1
    again = report(file)
    assert again["examples"] == 1
    assert again["counterexample"]["program"] == first["counterexample"]["program"]
    assert main([*COMMAND, "--examples", "20", *kept, "--json", str(file)]) == 0
    assert report(file)["examples"] == 21  # what is stored counts, and stays


def test_what_is_stored_comes_in_the_first_part_only(tmp_path: Path) -> None:
    Databases([str(tmp_path / "kept")], "dezero").store([PROGRAM])
    whole = (*COMMAND, "--examples", "40", "--stretch", "20", "--database", str(tmp_path / "kept"))
    files = [tmp_path / f"{i}.json" for i in (1, 2)]
    for i, file in enumerate(files, 1):
        assert main([*whole, "--shard", f"{i}/2", "--json", str(file)]) == 0
    assert [report(file)["examples"] for file in files] == [21, 20]
    assert main(["merge", *map(str, files), "--json", str(tmp_path / "merged.json")]) == 0
    assert report(tmp_path / "merged.json")["examples"] == 41


def test_entries_that_are_no_programs_are_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    DirectoryBasedExampleDatabase(tmp_path).save(b"dezero: counterexamples of dezero", b"{")
    assert main([*COMMAND, "--examples", "2", "--database", str(tmp_path)]) == 0
    assert "1 entries of the databases are no programs" in capsys.readouterr().err


class Down(DirectoryBasedExampleDatabase):
    """A database whose server has gone, and is told of in the words of Redis."""

    said = "Error 111 connecting to 127.0.0.1:1. Connection refused."

    def save(self, key: bytes, value: bytes) -> None:
        raise RuntimeError(self.said)


class Gone(Down):
    """One that was never there."""

    def fetch(self, key: bytes) -> Iterable[bytes]:
        raise RuntimeError(self.said)


def test_a_database_that_is_down_ends_the_command_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hypothesis.database.DirectoryBasedExampleDatabase", Gone)
    assert main([*COMMAND, "--database", str(tmp_path)]) == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == f"dezero: {tmp_path} cannot be read: {Gone.said}\n"


def test_what_cannot_be_stored_is_told_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hypothesis.database.DirectoryBasedExampleDatabase", Down)
    file = tmp_path / "report.json"
    with planted(FAULTS["sin_factor"]):
        given = (*COMMAND, "--examples", "200", "--database", str(tmp_path), "--json", str(file))
        assert main(given) == 1
    assert report(file)["verdict"] == "counterexample"
    assert f"dezero: {tmp_path} cannot be written: {Down.said}\n" in capsys.readouterr().err


ONE, TWO = np.array(1.0), np.array([1.0, 2.0])


def applied(op: str, x: Array, seed: Array, **attributes: AttributeValue) -> Program:
    operands = (0,) * (CONTRACTS[op].arity or 1)
    return Program((x,), (Step(op, operands, attributes),), (1,), (seed,))


@pytest.mark.parametrize(
    "program",
    [
        applied("sin", TWO, np.ones(3)),
        applied("sin", np.array(np.nan), ONE),
        applied("log", -ONE, ONE),
        applied("sqrt", 0 * ONE, ONE),
        Program((TWO, np.ones(3)), (Step("add", (0, 1)),), (2,), (TWO,)),
        applied("huber", TWO, ONE, delta=-0.5),
        applied("where", TWO, TWO, condition=True),
        applied("pow", ONE, ONE, c=math.inf),
        Program((ONE[None], TWO), (Step("mean_squared_error", (0, 1)),), (2,), (ONE,)),
        Program(
            (TWO[None], TWO, TWO[:, None]),
            (Step("batch_norm", (0, 1, 2), {"eps": 1.0}),),
            (3,),
            (TWO[None],),
        ),
        Program((TWO,), (Step("split", (0,), {"sections": np.array([1, 1])}, 2),), (1,), (np.ones(1),)),
    ],
    ids=[
        *("seed", "no number", "outside", "on the edge", "shapes"),
        *("not positive", "no array", "infinite", "longer", "of more axes", "an array"),
    ],
)
def test_a_program_that_is_none_for_the_engine_accuses_nobody(
    program: Program, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = Databases([str(tmp_path)], "dezero")
    kept.store([program])
    ops = "add,sin,log,sqrt,huber,where,pow,split,mean_squared_error,batch_norm"
    given = ("verify", "--seed", "3", "--ops", ops, "--laws", "runs,value", "--examples", "2")
    assert main([*given, "--database", str(tmp_path)]) == 0
    said = "1 entries of the databases are no programs for dezero, and were passed over"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "program",
    [
        applied("log", TWO, np.ones(3)),
        applied("log", -ONE, ONE),
        Program((ONE,), (Step("log", (0,), n_out=2),), (1, 2), (ONE, ONE)),
    ],
    ids=["seed", "outside", "outputs"],
)
def test_a_program_that_is_none_for_the_function_accuses_nobody(
    program: Program, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = Databases([str(tmp_path)], "dezero.functions:log")
    kept.store([program])
    given = ("verify", "dezero.functions:log", "--domain", "0:inf", "--seed", "3", "--examples", "2")
    assert main([*given, "--database", str(tmp_path)]) == 0
    assert "1 entries of the databases are no programs for" in capsys.readouterr().err
