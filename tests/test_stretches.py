"""Campaigns in stretches: put together, kept, resumed, in parts, on workers of which one is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from dezero import Variable
from dezero.verify import campaign, stretches
from dezero.verify.campaign import Counterexample, Plan, Tally
from dezero.verify.cli import main, verifying
from dezero.verify.cli.merging import merged
from dezero.verify.decoded import Decoded, DecodedError, read
from dezero.verify.engines.dezero import CONTRACTS, DezeroEngine
from dezero.verify.faults import FAULTS, planted
from dezero.verify.known import KnownFailure
from dezero.verify.laws import LAWS
from dezero.verify.outcomes import Broken
from dezero.verify.program import Json, Program, Step
from dezero.verify.stretches import Folder
from dezero.verify.trial import Trial

OPS = ("add", "mul", "sum", "sin")
PLAN = Plan(
    lambda program: Trial(DezeroEngine(), program),
    {op: CONTRACTS[op] for op in OPS},
    ("runs", "value", "gradient", "second_order"),
    5,
    examples=100,
    stretch_size=30,
)
COMMAND = ("--seed", "5", "--ops", ",".join(OPS), "--laws", ",".join(PLAN.laws))
OF_100 = (*COMMAND, "--examples", "100", "--stretch", "30")


def timeless(decoded: Json) -> Json:
    """Decoded JSON without what differs from run to run: how long things took."""
    if isinstance(decoded, dict):
        timed = ("seconds", "examples_per_second", "elapsed", "cost", "sha256")
        return {k: timeless(v) for k, v in decoded.items() if k not in timed}
    return [timeless(x) for x in decoded] if isinstance(decoded, list) else decoded


def reported(path: Path) -> Any:  # of decoded JSON
    return timeless(json.loads(path.read_text("utf-8")))


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "dezero", *map(str, arguments)]


def run(*arguments: object) -> str:
    done = subprocess.run(command(*arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ------------------------------------------------------------------------------------ Cut, and together


def test_stretches_have_their_own_programs_and_sum_up() -> None:
    met: list[str] = []

    def watched(program: Program) -> Trial[Variable]:
        met.append(program.to_json())
        return Trial(DezeroEngine(), program)

    plan = replace(PLAN, trial=watched)
    parts = [campaign.run_stretch(plan.of_stretch(n)) for n in range(4)]
    assert [part.examples for part in parts] == [30, 30, 30, 10]
    assert PLAN.n_stretches == 4
    assert len(set(met)) > 90  # a simple one may come twice
    whole = campaign.run(PLAN)
    total = stretches.together(dict(enumerate(parts)))
    assert timeless(stretches.to_dict(total)) == timeless(stretches.to_dict(whole))
    assert whole.examples == 100
    assert whole.held["gradient"] == 100


def test_the_first_stretch_is_the_campaign_of_one_stretch() -> None:
    alone = campaign.run(replace(PLAN, examples=30))
    first = campaign.run_stretch(PLAN.of_stretch(0))
    assert timeless(stretches.to_dict(alone)) == timeless(stretches.to_dict(first))


def test_what_lies_behind_a_counterexample_does_not_count() -> None:
    with planted(FAULTS["sin_factor"]):
        parts = {n: campaign.run_stretch(PLAN.of_stretch(n)) for n in (2, 1, 0)}
        whole = campaign.run(PLAN)
    total = stretches.together(parts)
    assert total.counterexample is not None
    assert total.examples < sum(part.examples for part in parts.values())
    assert timeless(stretches.to_dict(total)) == timeless(stretches.to_dict(whole))


def full() -> Tally:
    """A tally in which nothing is empty."""
    known = KnownFailure("sin", "gradient", "it is known")
    with planted(FAULTS["sin_factor"]):
        tally = campaign.run(replace(PLAN, known=(known,), laws=("gradient", "second_order")))
    tally.certified, tally.worst_margin = [1.5], 0.5
    tally.coverage.pairs["add", "mul"] += 1
    tally.matrix["value", "mul"] += 1
    tally.margins[-7] += 1
    tally.held["value"] += 1
    tally.unresolved["value", "nobody knows"] += 2
    tally.conventions["sin"] += 1
    tally.known_to_hold[known] += 3
    assert tally.known
    assert tally.counterexample is not None
    return tally


def test_a_tally_survives_json() -> None:
    record = json.loads(json.dumps(stretches.to_dict(full())))
    assert all(record.values()), record
    assert stretches.to_dict(stretches.from_dict(Decoded(record, "here"), OPS)) == record


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("examples", -1, "here: examples is -1; expected a whole number from 0"),
        ("examples", 10**400, "here: examples is 10000"),
        ("elapsed", "long", "here: elapsed is 'long'; expected a finite number"),
        ("elapsed", 10**400, "here: elapsed is 10000"),
        ("held", [], "here: held: []; expected an object"),
        ("held", {"nobody": 1}, "here: held: 'nobody'; expected names of laws"),
        ("operations", {"cos": 1}, "here: operations: 'cos'; expected operations of the campaign"),
        ("features", {"round": 1}, "here: features: 'round'; expected features of programs"),
        ("margins", [[-(10**9), 1]], "here: margins 0: 0 is -1000000000; expected a whole number"),
        ("pairs", [1], "here: pairs 0: 1; expected a row"),
        ("pairs", [["add", 2, 3]], "here: pairs 0: 1 is 2; expected an operation of the campaign"),
        ("counterexample", {"program": {}}, "here: counterexample: program: inputs"),
    ],
)
def test_a_malformed_tally_is_refused(key: str, value: object, said: str) -> None:
    record = stretches.to_dict(Tally())
    record[key] = json.loads(json.dumps(value))
    with pytest.raises(DecodedError) as refused:
        stretches.from_dict(Decoded(record, "here"), OPS)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("key", "value"),
    [("examples", 31), ("held", {"value": 7}), ("elapsed", 0.25), ("sha256", "0"), ("more", 1)],
)
def test_a_tally_that_was_changed_is_refused(key: str, value: Json) -> None:
    record = stretches.to_dict(full())
    assert record.get(key) != value
    with pytest.raises(DecodedError, match=r"^here does not hold what was written: its sha256 is"):
        stretches.from_dict(Decoded({**record, key: value}, "here"), OPS)


# --------------------------------------------------------------------------------------------- Resuming


def test_a_campaign_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    folder, file = tmp_path / "kept", tmp_path / "report.json"
    whole = tmp_path / "whole.json"
    with subprocess.Popen(
        command("verify", *OF_100, "--resume", folder), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "stretch 0: 30 programs so far\n"
        process.kill()
    kept = sorted(folder.glob("stretch-*.json"))
    assert 1 <= len(kept) < 4
    before = [path.stat().st_mtime_ns for path in kept]
    run("verify", *OF_100, "--resume", folder, "--json", file)
    assert [path.stat().st_mtime_ns for path in kept] == before  # not done again
    run("verify", *OF_100, "--json", whole)
    assert reported(file) == reported(whole)


def test_a_folder_is_of_one_campaign(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Folder(tmp_path, {"campaign": "--seed 1"})
    assert Folder(tmp_path, {"campaign": "--seed 1"}).done(PLAN) == {}
    with pytest.raises(DecodedError, match="whose campaign is '--seed 1'; expected '--seed 2'"):
        Folder(tmp_path, {"campaign": "--seed 2"})
    assert main(["verify", *OF_100, "--resume", str(tmp_path)]) == 2
    assert "Name another folder for another campaign" in capsys.readouterr().err
    (tmp_path / "stretch-000000.json").write_text("{", "utf-8")
    with pytest.raises(DecodedError, match="not JSON"):
        Folder(tmp_path, {"campaign": "--seed 1"}).done(PLAN)


def test_time_is_up_between_stretches(tmp_path: Path) -> None:
    """A stretch that was cut short must not be kept as one that is done."""
    run("verify", *COMMAND, "--stretch", "30", "--time", "0.05s", "--resume", tmp_path)
    kept = [*tmp_path.glob("stretch-*.json")]
    assert kept  # one at least, as many as there was time for
    assert {read(stretch).count("examples") for stretch in kept} == {30}


def test_a_folder_of_so_many_programs_is_none_of_a_campaign_that_lasts_so_long(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its last stretch is short, and would stay so."""
    given = ["verify", "--seed", "5", "--ops", "add", "--laws", "runs", "--stretch", "400"]
    assert main([*given, "--resume", str(tmp_path)]) == 0
    assert main([*given, "--resume", str(tmp_path), "--time", "0.1s"]) == 2
    assert "whose programs is 1000; expected None" in capsys.readouterr().err


def test_what_was_found_in_time_is_drawn_again_by_number(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--seed", "5", "--ops", "add,sin", "--laws", "gradient", "--stretch", "3"]
    with planted(FAULTS["sin_factor"]):
        assert main(["verify", *given, "--time", "1m"]) == 1
        said, _, again = capsys.readouterr().out.partition("To see it again:")
        repeated = re.search(r"dezero (verify .* --examples .*)", again)
        assert repeated is not None
        assert main(repeated[1].split()) == 1
    said_again, _, _ = capsys.readouterr().out.partition("To see it again:")
    assert said_again.splitlines()[1:] == said.splitlines()[1:]  # all but how long it took


def test_what_a_stretch_depends_on_says_which_campaign_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = tmp_path / "known.json"
    folder = ("--resume", str(tmp_path / "kept"))
    for reason, code in (("one", 0), ("one", 0), ("another", 2)):
        listed.write_text(json.dumps([{"op": "sin", "law": "kink", "reason": reason}]), "utf-8")
        assert main(["verify", *OF_100, "--known-failures", str(listed), *folder]) == code
    assert "whose known failures is [['sin', 'kink', 'one']]" in capsys.readouterr().err
    assert main(["verify", *OF_100, "--known-failures", str(listed), "--certify", *folder]) == 2
    assert "whose campaign is" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------- Parts


def test_parts_put_together_are_the_campaign(tmp_path: Path) -> None:
    files = [tmp_path / f"{i}.json" for i in (1, 2, 3)]
    for i, file in enumerate(files, 1):
        assert main(["verify", *OF_100, "--shard", f"{i}/3", "--json", str(file)]) == 0
    assert main(["merge", *map(str, files), "--json", str(tmp_path / "merged.json")]) == 0
    assert main(["verify", *OF_100, "--json", str(tmp_path / "whole.json")]) == 0
    assert reported(tmp_path / "merged.json") == reported(tmp_path / "whole.json")


def both_ways(tmp_path: Path, target: Sequence[str], code: int) -> tuple[Any, Any]:
    """What three parts put together report, and what the campaign reports in one piece."""
    files = [tmp_path / f"{i}.json" for i in (1, 2, 3)]
    for i, file in enumerate(files, 1):
        assert main(["verify", *target, "--shard", f"{i}/3", "--json", str(file)]) in (0, code)
    assert main(["merge", *map(str, files), "--json", str(tmp_path / "merged.json")]) == code
    assert main(["verify", *target, "--json", str(tmp_path / "whole.json")]) == code
    return reported(tmp_path / "merged.json"), reported(tmp_path / "whole.json")


def test_known_failures_are_put_together_too(tmp_path: Path) -> None:
    listed = tmp_path / "known.json"
    named = (("sin", "gradient"), ("sin", "second_order"), ("mul", "gradient"))
    entries = [{"op": op, "law": law, "reason": "R"} for op, law in named]
    listed.write_text(json.dumps(entries), "utf-8")
    of_200 = (*COMMAND, "--examples", "200", "--stretch", "60")
    with planted(FAULTS["sin_factor"]):
        merged, whole = both_ways(tmp_path, (*of_200, "--known-failures", str(listed)), 1)
    assert merged == whole
    assert merged["verdict"] == "passes unexpectedly"  # `mul` has no fault
    states = [entry["state"] for entry in merged["known_failures"]]
    assert states == ["met", "met", "passes unexpectedly"]


def test_parts_about_a_function_are_put_together(tmp_path: Path) -> None:
    target = ("dezero.functions:softplus", "--seed", "1", "--examples", "30", "--stretch", "10")
    merged, whole = both_ways(tmp_path, target, 0)
    assert merged == whole
    assert merged["coverage"]["operations"] == {"softplus": 30}


def test_what_a_replay_must_be_told_is_put_together_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "bent.py").write_text(
        "from dezero import Function\n"
        "class Bent(Function):\n"
        "    def forward(self, x): return x * x\n"
        "    def backward(self, gy): return gy\n",
        "utf-8",
    )
    target = ("bent:Bent", "--domain", "2:3@2", "--seed", "1", "--examples", "30", "--stretch", "10")
    merged, whole = both_ways(tmp_path, target, 1)
    assert merged == whole
    said = capsys.readouterr().out
    assert said.count("dezero replay --domain 2:3@2 FILE bent:Bent") == 5  # three, all, the whole


@pytest.mark.parametrize("options", [("--profile", "core"), ("--dtype", "float64"), ()])
def test_what_must_be_covered_is_the_same_in_parts(
    tmp_path: Path, options: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In so few programs not all occurs, and float32 may not."""
    monkeypatch.setattr(verifying, "FLOOR_FROM", 3)
    target = ("--seed", "1", "--laws", "runs", "--examples", "3", "--stretch", "1", *options)
    merged, whole = both_ways(tmp_path, target, 1)
    assert merged == whole
    missing = merged["coverage"]["below_the_floor"]
    assert "operation matmul" in missing
    assert ("operation conv2d" in missing) == ("core" not in options)
    assert ("float32" in missing) == ("float64" not in options)


def test_parts_may_share_a_folder(tmp_path: Path) -> None:
    shared = ("--resume", str(tmp_path / "kept"))
    for _ in range(2):
        merged, whole = both_ways(tmp_path, (*OF_100, *shared), 0)
        assert merged == whole
    one = reported(tmp_path / "1.json")  # what is there of the others it does not count
    assert list(one["stretches"]) == ["0", "3"]
    assert one["examples"] == 40


def test_each_cause_is_on_the_page_of_all_parts(tmp_path: Path) -> None:
    files = [str(tmp_path / f"{i}.json") for i in (1, 2)]
    target = (*COMMAND, "--examples", "60", "--stretch", "10", "--keep-going")
    for i, file in enumerate(files, 1):
        with planted(FAULTS["sin_factor" if i == 1 else "mul_operands"]):
            assert main(["verify", *target, "--shard", f"{i}/2", "--json", file]) == 1
    assert main(["merge", *files, "--html", str(tmp_path / "all.html")]) == 1
    assert (tmp_path / "all.html").read_text("utf-8").count("<article ") == 2


def test_a_campaign_that_keeps_going_does_so_in_parts_too(tmp_path: Path) -> None:
    target = (*COMMAND, "--examples", "60", "--stretch", "10", "--keep-going")
    with planted(FAULTS["sin_factor"]):
        merged, whole = both_ways(tmp_path, target, 1)
        assert main(["verify", *target[:-1], "--json", str(tmp_path / "first.json")]) == 1
    assert merged == whole
    first = reported(tmp_path / "first.json")
    assert merged["examples"] > first["examples"]
    assert merged["counterexample"] is not None
    assert merged["other_counterexamples"] == []  # one cause in all of the stretches


def test_of_one_cause_the_smallest_is_shown_and_of_alike_the_first() -> None:
    small = Program((np.ones(1),), (Step("sin", (0,)),), (1,), (np.ones(1),))
    large = Program((np.ones(2),), (Step("sin", (0,)),), (1,), (np.ones(2),))
    other = Program((np.ones(2),), (Step("cos", (0,)),), (1,), (np.ones(2),))
    found = [
        Counterexample("gradient", program, Broken("it", seed, 0), seed)
        for seed, program in enumerate((large, other, small, small))
    ]
    parts = {n: Tally(examples=1, counterexample=one) for n, one in enumerate(found)}
    assert stretches.causes(parts) == [found[2], found[1]]
    total = stretches.together(parts, keep_going=True)
    assert total.examples == 4
    assert total.counterexample is found[2]


def test_only_all_parts_of_one_campaign_are_put_together(tmp_path: Path) -> None:
    reports: list[Decoded] = []
    for i in (1, 2):
        file = tmp_path / f"{i}.json"
        arguments = [*COMMAND, "--examples", "4", "--stretch", "2", "--shard", f"{i}/2"]
        assert main(["verify", *arguments, "--json", str(file)]) == 0
        reports.append(Decoded(read(file).record, file.name))
    one, two = reports

    def but(**changed: Json) -> list[Decoded]:
        return [one, Decoded({**two.record, **changed}, "2.json")]

    given = two.inner("stretches").record
    cases: list[tuple[list[Decoded], str]] = [
        ([one], "missing: 1 of 2 parts, among them 2/2"),
        ([one, Decoded(one.record, "again")], "again is part 1/2; 1.json is part 1/2"),
        (but(seed=6), "2.json and 1.json are of different campaigns: seed is 6 and 5"),
        (but(floor=["float64"]), "different campaigns: floor is ['float64'] and None"),
        (but(lacking=["x"]), "different campaigns: lacking is ['x'] and []"),
        ([Decoded({**one.record, "module": "a;b", "shard": [1, 1]}, "it")], "it: module is 'a;b'"),
        (but(shard=[2, 3]), "2.json is part 2/3; 1.json is part 1/2"),
        (but(shard=[2, 10**9]), "2.json: shard: 1 is 1000000000; expected a whole number from 1 to"),
        (but(versions={"dezero": "9"}), "2.json: versions: dezero is '9'; expected 0.1.0"),
        (but(stretches={}), "2.json: stretches: 0 stretches, without 1; expected 1 or more"),
        (but(stretches={"0": given["1"]}), "'0'; expected numbers of stretches of part 2/2, of 2"),
        (but(stretches={"abc": given["1"]}), "2.json: stretches: 'abc'; expected numbers"),
        ([Decoded({}, "1.json")], "1.json is no part; expected what verify --shard I/N"),
    ]
    for wrong, said in cases:
        with pytest.raises(DecodedError) as refused:
            merged(wrong)
        assert said in str(refused.value)
    assert merged(reports).verdict == "held"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--shard", "3/2"), "'3/2' is no part; expected for instance 1/4"),
        (("--shard", "1/2", "--time", "5s"), "give --examples instead of --time"),
        (("--shard", "1/2", "--examples", "9"), "--shard needs --seed"),
        (("--cluster", "tcp://127.0.0.1:9"), "no scheduler at tcp://127.0.0.1:9"),
        (("--workers", "0"), "argument --workers: '0' is no number of processes; expected 1 or more"),
        (("--stretch", "x"), "argument --stretch: 'x' is no number of programs; expected 1 or more"),
    ],
)
def test_wrong_usage(arguments: Sequence[str], said: str) -> None:
    done = subprocess.run(command("verify", *arguments), capture_output=True, text=True, check=False)
    assert done.returncode == (3 if "--cluster" in arguments else 2)
    assert said in done.stderr


def test_names_that_are_given_more_than_once_are_joined(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    given = ["--ops", "add", "--ops", "mul,sum", "--laws", "runs", "--laws", "value"]
    assert main(["verify", *given, "--examples", "3", "--json", str(file)]) == 0
    made = reported(file)
    assert [*made["laws"]] == ["runs", "value"]
    assert {*made["coverage"]["operations"]} == {"add", "mul", "sum"}


# --------------------------------------------------------------------------------------------- Workers


def stretching(process: subprocess.Popen[str]) -> psutil.Process:
    """The process that does a stretch for a command, when there is one."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if "dezero.verify.cli.stretching" in child.cmdline():
                    return child
        time.sleep(0.02)
    raise AssertionError("no stretch was begun")


@pytest.mark.parametrize("killed", ["the worker", "the process of a stretch"])
def test_who_is_killed_changes_nothing(killed: str, tmp_path: Path) -> None:
    file, whole = tmp_path / "report.json", tmp_path / "whole.json"
    long = (*COMMAND, "--examples", "900", "--stretch", "150")
    arguments = command("verify", *long, "--workers", "2", "--json", file)
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("programs so far" in line for line in iter(process.stderr.readline, ""))
        child = stretching(process)
        os.kill(child.ppid() if killed == "the worker" else child.pid, signal.SIGKILL)
        rest = process.stderr.read()
    assert process.returncode == 0, rest
    assert rest.count("programs so far") == 5
    assert main(["verify", *long, "--json", str(whole)]) == 0
    assert reported(file) == reported(whole)


def test_who_has_slept_goes_on(tmp_path: Path) -> None:
    """A machine that sleeps stops its processes; who wakes last is not dead to who wakes first."""
    arguments = command("verify", *COMMAND, "--examples", "300", "--stretch", "150", "--workers", "1")
    patience = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "1s"}  # in place of five minutes
    with subprocess.Popen(
        arguments, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env={**os.environ, **patience}
    ) as process:
        stretching(process)
        sleepers = psutil.Process(process.pid).children(recursive=True)
        for one in sleepers:
            one.suspend()
        time.sleep(8)  # five are granted in any case
        for one in sleepers:
            one.resume()
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 0, said
    assert "restart" not in said.lower()


@pytest.mark.parametrize("given", [COMMAND, ("dezero.functions:sin",)], ids=["swept", "drawn"])
def test_a_stretch_whose_worker_has_gone_ends(given: Sequence[str]) -> None:
    """It ends by itself: one whose parent is another is of a worker that has gone."""
    asked = {"given": [*given, "--examples", "30"], "port": None, "seed": 5, "number": 0}
    arguments = [sys.executable, "-m", "dezero.verify.cli.stretching"]
    for parent, code, said in ((os.getpid(), 0, ""), (1, 1, "the worker has gone")):
        text = json.dumps({**asked, "parent": parent})
        done = subprocess.run(arguments, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert said in done.stderr
        assert (json.loads(done.stdout)["examples"] == 30) if not code else not done.stdout


def test_a_stretch_that_ends_everyone_is_to_blame(tmp_path: Path) -> None:
    (tmp_path / "deadly.py").write_text(
        "import os\nfrom dezero import functions as F\n"
        "def f(x):\n    os.kill(os.getpid(), 9) if 'PYTEST_DEADLY' in os.environ else None\n"
        "    return F.sin(x)\n",
        "utf-8",
    )
    done = subprocess.run(
        command("verify", "deadly:f", "--seed", "1", "--examples", "5", "--workers", "1"),
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DEADLY": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "stretch 0: StretchFailed: its process ended with -9" in done.stderr


def test_a_worker_does_a_stretch_in_a_process_with_nothing_else_in_it(tmp_path: Path) -> None:
    """What a worker's threads make and drop would be seen by laws about memory."""
    (tmp_path / "telling.py").write_text(
        "import threading\nfrom pathlib import Path\nfrom dezero import Variable\n"
        "def telling(x: Variable) -> Variable:\n"
        "    names = sorted(thread.name for thread in threading.enumerate())\n"
        "    Path('threads.txt').write_text(' '.join(names), 'utf-8')\n"
        "    return x * x\n",
        "utf-8",
    )
    arguments = ["verify", "telling:telling", "--seed", "1", "--examples", "3", "--workers", "1"]
    done = subprocess.run(
        command(*arguments), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "threads.txt").read_text("utf-8") == "MainThread"


def test_a_scheduler_of_ones_own(tmp_path: Path) -> None:
    file, whole = tmp_path / "report.json", tmp_path / "whole.json"
    ready = tmp_path / "scheduler.json"
    started = [
        [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"],
        [sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "1", "--no-dashboard"],
    ]
    processes = [
        subprocess.Popen(
            [*arguments, "--scheduler-file", str(ready)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=tmp_path,
        )
        for arguments in started
    ]
    try:
        until = time.monotonic() + 30
        while not ready.exists() or not ready.read_text("utf-8"):
            assert time.monotonic() < until, "the scheduler did not start"
            time.sleep(0.1)
        address = json.loads(ready.read_text("utf-8"))["address"]
        run("verify", *OF_100, "--cluster", address, "--json", file)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)
    assert main(["verify", *OF_100, "--json", str(whole)]) == 0
    assert reported(file) == reported(whole)


def test_a_counterexample_is_that_of_the_lowest_stretch(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(
        "import numpy as np\nfrom dezero import Function\n"
        "class Wrong(Function):\n"
        "    def forward(self, x): return np.where(x > 1.0, x * x, x)\n"
        "    def backward(self, gy): return gy\n",
        "utf-8",
    )
    found = []
    for way in ((), ("--workers", "2")):
        file = tmp_path / f"{len(way)}.json"
        arguments = ["verify", "wrong:Wrong", "--seed", "1", "--examples", "90", "--stretch", "30"]
        done = subprocess.run(
            command(*arguments, *way, "--json", file), cwd=tmp_path, capture_output=True, check=False
        )
        assert done.returncode == 1, done.stderr
        found.append(reported(file))
    assert found[0] == found[1]
    assert found[0]["counterexample"] is not None


def test_every_law_is_one_that_a_stretch_can_be_asked() -> None:
    assert set(PLAN.laws) <= set(LAWS)
