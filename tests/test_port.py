"""Ports: real processes, honest and hostile. Whatever they do, the next program goes on."""

from __future__ import annotations

import fcntl
import json
import re
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from dezero.contract import Array
from dezero.verify import cli
from dezero.verify.engines import opaque, port
from dezero.verify.engines.dezero import CONTRACTS, DezeroEngine
from dezero.verify.engines.port import KEPT, PortEngine, PortError, PortTrial, settled
from dezero.verify.laws import LAWS
from dezero.verify.outcomes import Broken
from dezero.verify.program import Json, Program, Step
from dezero.verify.protocol import Result
from dezero.verify.trial import Trial

DOCUMENT = Path(__file__).parent.parent / "docs" / "ports.md"
SERVE = [sys.executable, "-m", "dezero", "serve"]


def program(op: str) -> Program:
    return Program((np.array([0.5, -1.0]),), (Step(op, (0,)),), (1,), (np.array([1.0, 2.0]),))


GOOD, BAD = program("sin"), program("exp")
LOOP = """
import json, os, subprocess, sys, time
import port
out = sys.stdout.buffer

def say(data):
    out.write(data)
    out.flush()

def reply(request):
    say(json.dumps(port.answer(request)).encode() + b"\\n")

{before}
for line in sys.stdin:
    request = json.loads(line)
    if request["cmd"] == "stop":
        break
    bad = request["cmd"] == "run" and any(node["op"] == "exp" for node in request["nodes"])
    if not bad:
        reply(request)
        continue
    {bad}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the port of the documents, as `port.py`."""
    found = re.search(r"```python\n(# port\.py\n.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert found is not None
    (tmp_path / "port.py").write_text(found[1], "utf-8")
    return tmp_path


def hostile(folder: Path, bad: str = "reply(request)", before: str = "") -> list[str]:
    """The command of a port that does something else when it meets an `exp`, or before all."""
    script = folder / "hostile.py"
    bad = bad.replace("\n", "\n    ")
    script.write_text(LOOP.format(bad=bad, before=before), "utf-8")
    return [sys.executable, str(script)]


def verify(*arguments: str) -> int:
    return cli.main(["verify", "--seed", "1", *arguments])


# --- honest ones --------------------------------------------------------------------------------------


def test_our_own_port_keeps_the_laws() -> None:
    ran = subprocess.run(
        [*SERVE[:3], "verify", "--seed", "1", "--examples", "120", "--", *SERVE],
        capture_output=True,
        encoding="utf-8",
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (
        f": held. 120 programs, {len(opaque.VALUE_LAWS + opaque.GRADIENT_LAWS) + 1} laws" in ran.stdout
    )
    assert "covered: " in ran.stdout
    assert f"of {len(CONTRACTS)} operations" in ran.stdout
    assert "port: dezero " in ran.stdout
    assert "not claimed: the law isolation" in ran.stdout


def test_a_port_gives_what_dezero_gives() -> None:
    engine = PortEngine(SERVE)
    try:
        for op in ("sin", "exp"):
            trial = PortTrial(engine, program(op))
            expected = Trial(DezeroEngine(), program(op)).run
            found = trial.run
            assert [None if v is None else v.tolist() for v in found.values] == [
                v.tolist() for v in expected.values if v is not None
            ]
            assert [g.tolist() for g in found.gradients if g is not None] == [
                g.tolist() for g in expected.gradients if g is not None
            ]
            assert [s.shape for s in trial.spread] == [(2,)]
            assert [s.shape for s in trial.spread_of_values] == [(2,), (2,)]
            wider = trial.of(program(op).astype("float32")).in_wider_precision()
            assert wider is not None
            assert wider.program.dtype == np.float64
            assert wider.eps == float(np.finfo(np.float32).eps) / 4
            assert trial.in_wider_precision() is None
    finally:
        engine.stop()


def test_what_is_not_declared_is_not_claimed(folder: Path) -> None:
    declared = """
port.START["ops"] |= {
    "max": {"attrs": ["keepdims", "axis", "pace"]}, "sum": {"attrs": ["axis"]},
    "reshape": {}, "split": {"attrs": ["sections", "axis"]}, "dance": {}
}
port.START["features"].remove("vjp")
"""
    engine = PortEngine(hostile(folder, before=declared))
    try:
        assert set(engine.contracts) == {"neg", "sin", "exp", "max"}
        told = engine.not_claimed
        assert told["cos"] == ""
        assert told["sum"] == "without keepdims"
        assert told["reshape"] == "without shape"
        assert told["split"] == "no feature multi_output"
        assert told["'dance'"] == "not known to this kit"
        assert engine.laws == ("runs", "value", "shape_dtype")
        LAWS["runs"].hold(PortTrial(engine, GOOD))
    finally:
        engine.stop()


def test_a_port_without_mul_is_given_the_tolerance_of_dezero(folder: Path) -> None:
    engine = PortEngine(hostile(folder))
    try:
        trial, twin = PortTrial(engine, GOOD), Trial(DezeroEngine(), GOOD)
        for found, moved in (
            (trial.spread, twin.spread),
            (trial.spread_of_values, twin.spread_of_values),
        ):
            assert all(np.all(f >= m) for f, m in zip(found, moved, strict=True))
            assert all(np.all(f < 10 * trial.eps) for f in found)
    finally:
        engine.stop()


def test_what_dezero_loses_counts_for_values_and_for_gradients(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_of_it(xs: Sequence[Array], ys: Sequence[Array]) -> list[Array]:
        return [np.ones(()) for _ in xs]

    monkeypatch.setattr(opaque, "_differences", all_of_it)
    engine = PortEngine(hostile(folder))
    try:
        trial = PortTrial(engine, GOOD)
        assert all(np.all(s == 1) for s in (*trial.spread, *trial.spread_of_values))
    finally:
        engine.stop()


def test_what_dezero_loses_by_rounding_a_port_may_lose() -> None:
    """Terms of some thousands cancel inside of the operation; no wider precision is there to tell."""
    data = np.array([[1053.5372314453125, 72.20299530029297], [-120.31422424316406, -3970.81689453125]])
    steps = (Step("reciprocal", (0,)), Step("sigmoid_cross_entropy", (1, 0)))
    cancels = Program((data,), steps, (2,), (np.array(-1.0),))
    engine = PortEngine(SERVE)
    try:
        trial = PortTrial(engine, cancels)
        few = float(trial.few_roundings(trial.values[2]))
        value = trial.run.values[2]
        assert value is not None
        assert abs(float(value - trial.values[2])) > 10 * few
        for name in engine.laws:
            LAWS[name].hold(trial)
    finally:
        engine.stop()


# --- a fault ------------------------------------------------------------------------------------------


def altered(script: Path, change: str) -> list[str]:
    """The command of a port: dezero, with a change of its operations, which is Python."""
    lines = ("import sys, time", "from dezero import functions as F", "from dezero.verify import serve")
    script.write_text("\n".join([*lines, change, "sys.exit(serve.main())", ""]), "utf-8")
    return [sys.executable, str(script)]


def test_a_planted_fault_is_found_and_shrunk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change = "F.Sin.vjp = lambda self, xp, gy, x, y: 1.01 * gy * xp.cos(x)"
    command = altered(tmp_path / "planted.py", change)
    assert verify("--order", "1", "--save", str(tmp_path), "--", *command) == 1
    shown = capsys.readouterr().out
    assert "The law `gradient` is broken" in shown
    (saved,) = tmp_path.glob("gradient-seed-1-*.json")
    # As it was written.
    found = cast("dict[str, Json]", json.loads(saved.read_text("utf-8")))
    shrunk = Program.from_dict(found["program"])
    assert [step.op for step in shrunk.steps].count("sin") == 1
    assert len(shrunk.steps) <= 4
    assert f"dezero replay {saved} -- {' '.join(command)}" in shown
    assert cli.main(["replay", str(saved), "--", *command]) == 1
    assert "broken      gradient" in capsys.readouterr().out
    assert cli.main(["replay", str(saved), "--", *SERVE]) == 0


# --- hostile ones -------------------------------------------------------------------------------------

HOSTILE = {
    "ends": ("os._exit(7)", "it closed its output; it ended with exit code 7"),
    "hangs": ("time.sleep(1000)", "no reply within 0.5 s"),
    "closes its output": ("os.close(1); time.sleep(1000)", "it closed its output"),
    "ends in a line": (
        """say(b'{"id"'); os._exit(0)""",
        "it closed its output in the middle of a line: b'{\"id\"'; it ended with exit code 0",
    ),
    "dribbles": ("while True: say(b' '); time.sleep(0.01)", "no reply within 0.5 s"),
    "another id": (
        "reply(request | {'id': request['id'] + 1})",
        r"id is \d+; expected \d+; its line: b'{\"id\": ",
    ),
    "no id": ("say(b'{}\\n')", "message: id is None; expected an integer; its line: b'{}"),
    "garbage": ("say(bytes(range(128, 256)) + b'\\n')", "message: not JSON: 'utf-8' codec"),
    "text": ("print('nan', flush=True)", "message: not JSON: .*; its line: b'nan"),
    "a long line": (
        "while True: say(b'x' * 4096)",
        "a line longer than 100000 bytes: b'xxx.*x\\.\\.\\.$",
    ),
    "nested": (
        "say(b'[' * 10000 + b']' * 10000 + b'\\n')",
        "message: not JSON: maximum recursion depth",
    ),
    "nested in an id": (
        "say(b'{\"id\": ' + b'[' * 900 + b']' * 900 + b'}\\n')",
        "message: (id is|not JSON: maximum recursion depth)",
    ),
    "lies about what it has": (
        "say(json.dumps({'id': request['id'], 'unsupported': {'op': 'exp'}}).encode() + b'\\n')",
        "it does not support what it declares: {'id': ",
    ),
    "an error": (
        "say(json.dumps({'id': request['id'], 'error': '\\x1b[2J'}).encode() + b'\\n')",
        r"it reports an error: '\\x1b\[2J'",
    ),
    "no values": (
        "say(json.dumps({'id': request['id']}).encode() + b'\\n')",
        "values: None; expected a list; the reply: {'id': ",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_port_is_a_failed_program_and_the_next_goes_on(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, message = HOSTILE[name]
    monkeypatch.setattr(port, "MAX_BYTES", 100_000)
    engine = PortEngine(hostile(folder, bad), seconds_to_run=0.5)
    try:
        before = engine.run(GOOD)
        for _ in range(2):
            with pytest.raises(PortError, match=message):
                engine.run(BAD)
            with pytest.raises(Broken) as broken:
                LAWS["runs"].hold(PortTrial(engine, BAD))
            assert re.search(message, broken.value.found)
            after = engine.run(GOOD)
            assert [y.tolist() for y in after.values] == [y.tolist() for y in before.values]
    finally:
        engine.stop()


def test_a_request_that_is_not_read_does_not_block(folder: Path) -> None:
    starts = "for _ in range(5): reply(json.loads(sys.stdin.readline()))\ntime.sleep(1000)"
    engine = PortEngine(hostile(folder, before=starts), seconds_to_run=0.5)
    try:
        x = np.zeros(500_000)  # more than fits into a pipe
        with pytest.raises(PortError, match=r"no reply within 0\.5 s"):
            engine.run(Program((x,), (Step("sin", (0,)),), (1,), (x,)))
    finally:
        engine.stop()


def test_lines_that_nobody_asked_for(folder: Path) -> None:
    command = hostile(folder, "reply(request)\nwhile True: say(b'spam\\n' * 1000)")
    engine = PortEngine(command)
    try:
        engine.run(BAD)  # the reply itself is as it should be
        with pytest.raises(PortError, match=r"nobody asked for: b'spam|not JSON"):
            engine.run(GOOD)
        engine.run(GOOD)
    finally:
        engine.stop()


def test_of_a_flooded_standard_error_the_end_is_kept(folder: Path) -> None:
    flood = (
        "for _ in range(1000): sys.stderr.write('x' * 30000)\nprint('last words\\x1b', file=sys.stderr)"
    )
    engine = PortEngine(hostile(folder, flood + "\nos._exit(3)"), seconds_to_run=30)
    try:
        with pytest.raises(PortError, match="exit code 3") as raised:
            engine.run(BAD)
        assert raised.value.stderr.endswith("xlast words\\x1b\n")
        assert len(raised.value.stderr) <= KEPT + 3  # the escape takes four letters
        engine.run(GOOD)
    finally:
        engine.stop()


def test_a_crash_at_the_nth_program_is_reported_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What depends on all that went before cannot be shrunk; it is shown as it was seen."""
    count = "n = 0\nanswer = port.answer\ndef counted(request):\n    global n\n    n += 1\n"
    count += (
        "    if n > 40: sys.exit('forty is enough')\n    return answer(request)\nport.answer = counted"
    )
    assert verify("--", *hostile(folder, before=count)) == 1
    shown = capsys.readouterr().out
    assert "The law `runs` is broken" in shown
    assert "it closed its output; it ended with exit code 1" in shown
    assert "Its standard error ended with:\n\nforty is enough" in shown


def test_what_a_port_started_ends_with_it(folder: Path) -> None:
    lock = folder / "lock"
    holder = folder / "holder.py"
    holder.write_text(
        "import fcntl, sys, time\n"
        f"file = open({str(lock)!r}, 'w')\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('locked', file=sys.stderr, flush=True)\n"
        "time.sleep(1000)\n"
    )
    starts = (
        f"child = subprocess.Popen([sys.executable, {str(holder)!r}], stderr=subprocess.PIPE)\n"
        "child.stderr.readline()\ntime.sleep(1000)"
    )
    engine = PortEngine(hostile(folder, starts), seconds_to_run=1)
    try:
        with pytest.raises(PortError, match="no reply"):
            engine.run(BAD)
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # waits for good if it lives on
    finally:
        engine.stop()


@pytest.mark.parametrize(
    ("change", "law", "message"),
    [
        ("r['values'][0]['shape'] = [1, 2]", "value", "shape (2,)\n  found     shape (1, 2)"),
        ("r['grads'][0]['shape'] = [1, 2]", "shape_dtype", "float64[2]\n  found     float64[1, 2]"),
        ("r['grads'][0]['dtype'] = 'float32'", "shape_dtype", "found     float32[2]"),
        ("r['values'][0]['data'][0] = 'NaN'", "value", "found     nan"),
        ("r['grads'][0] = None", "gradient", "found     0.0"),
        ("r['grads'].pop()", "runs", "grads: 0 tensors; expected 1"),
    ],
)
def test_a_wrong_reply_breaks_its_law(change: str, law: str, message: str, folder: Path) -> None:
    wrong = "r = port.answer(request)\nif len(request['inputs']) == 1 and "
    wrong += "request['inputs'][0]['shape'] == [2]:\n"
    wrong += f"    {change}\nsay(json.dumps(r).encode() + b'\\n')"
    engine = PortEngine(hostile(folder, wrong))
    try:
        trial = PortTrial(engine, BAD)
        for name in engine.laws[: engine.laws.index(law)]:
            LAWS[name].hold(trial)
        with pytest.raises(Broken) as raised:
            LAWS[law].hold(trial)
        broken = raised.value
        assert message in f"expected  {broken.expected}\n  found     {broken.found}"
    finally:
        engine.stop()


def test_a_crash_is_shrunk_and_its_last_words_are_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = hostile(folder, "sys.exit('no exponentials today')")
    assert verify("--examples", "60", "--save", str(folder), "--", *command) == 1
    shown = capsys.readouterr().out
    assert "The law `runs` is broken" in shown
    assert "found     PortError: it closed its output; it ended with exit code 1" in shown
    assert "(1 step)" in shown
    assert "Its standard error ended with:\n\nno exponentials today\n" in shown


FORKS = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])\ntime.sleep(1000)"
CHANGED = "r = port.answer(request)\n{}\nsay(json.dumps(r).encode() + b'\\n')"
DIGITS = """r = json.dumps(port.answer(request))
say(r.replace('"data": [', '"data": [' + '9' * 10**6 + ', ').encode() + b'\\n')"""
FOUND = {
    "ends": HOSTILE["ends"][0],
    "hangs": HOSTILE["hangs"][0],
    "answers late": "time.sleep(0.6)\nreply(request)",
    "another id": HOSTILE["another id"][0],
    "a banner before the reply": "print('exponentials ahead', flush=True)\nreply(request)",
    "garbage": HOSTILE["garbage"][0],
    "closes its output": HOSTILE["closes its output"][0],
    "a gigabyte of errors": "for _ in range(1024): os.write(2, b'x' * 2**20)\ntime.sleep(1000)",
    "a gigabyte of output": "for _ in range(1024): os.write(1, b'x' * 2**20)\ntime.sleep(1000)",
    "NaN": CHANGED.format("r['grads'][0]['data'] = [float('nan')] * len(r['grads'][0]['data'])"),
    "another shape": CHANGED.format("r['values'][0]['shape'].append(1)"),
    "nested": HOSTILE["nested"][0],
    "a million digits": DIGITS,
    "lies about what it has": HOSTILE["lies about what it has"][0],
    "leaves children": FORKS,
}
"""What a port may do when it meets an `exp`."""
WELL_FORMED = ("another shape", "lies about what it has")
"""What is a reply, though a wrong one: the port goes on."""
MOST_KIB = 200_000
"""How much more memory the kit may take at its peak: a line of 16 MB some times over, no gigabyte."""


def living(group: int) -> list[str]:
    """The processes of a group that run still."""
    found: list[str] = []
    for about in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it may have ended just now
            state, _, of_group = about.read_text("utf-8").rpartition(")")[2].split()[:3]
            if int(of_group) == group and state != "Z":
                found.append(about.parent.name)
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc to look into")
@pytest.mark.parametrize("name", FOUND)
def test_what_a_hostile_port_does_is_shrunk_and_leaves_nothing(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is a counterexample of one step; memory is bounded, and no process lives on."""
    groups: list[int] = []
    kill = port.PortProcess.kill

    def counted(process: port.PortProcess) -> int:
        groups.append(process.pid)
        return kill(process)

    monkeypatch.setattr(port.PortProcess, "kill", counted)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = folder / "report.json"
    options = ["--examples", "60", "--ops", "neg,exp", "--program-limit", "0.4", "--json", str(report)]
    assert verify(*options, "--", *hostile(folder, FOUND[name])) == 1
    capsys.readouterr()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_KIB
    found = cast("dict[str, Json]", json.loads(report.read_text("utf-8")))["counterexample"]
    assert isinstance(found, dict)
    assert [step.op for step in Program.from_dict(found["program"]).steps] == ["exp"]
    assert found["law"] == ("value" if name == "another shape" else "runs")
    if name not in WELL_FORMED:
        assert len(groups) > 1  # it was ended, and started anew for the next program
    assert [pid for group in set(groups) for pid in living(group)] == []


def together(engine: PortEngine, *programs: Program) -> list[Result | PortError]:
    return engine.outcomes([engine.request(program) for program in programs])


def test_requests_go_down_the_pipe_together(folder: Path) -> None:
    engine = PortEngine(hostile(folder, "os._exit(7)"))
    try:
        alone = engine.run(GOOD)
        for outcome in together(engine, GOOD, GOOD, GOOD):
            assert [y.tolist() for y in settled(outcome).values] == [y.tolist() for y in alone.values]
        x = np.zeros(50_000)  # each is more than a pipe takes
        wide = Program((x,), (Step("neg", (0,)),), (1,), (x,))
        outcomes = together(engine, wide, wide, wide)
        assert [y.size for outcome in outcomes for y in settled(outcome).values] == [x.size] * 3
    finally:
        engine.stop()


def test_what_a_port_does_wrong_at_one_of_several_is_the_outcome_of_that(folder: Path) -> None:
    engine = PortEngine(hostile(folder, "os._exit(7)"))
    try:
        first, second, third, fourth = together(engine, GOOD, BAD, GOOD, BAD)
        assert "it closed its output; it ended with exit code 7" in str(second)
        assert "it closed its output; it ended with exit code 7" in str(fourth)
        assert settled(first).values[0].tolist() == settled(third).values[0].tolist()
    finally:
        engine.stop()


def test_an_error_that_a_port_reports_does_not_end_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = "{'id': request['id'], 'error': {'kind': 'internal', 'message': 'no'}}"
    engine = PortEngine(hostile(folder, f"say(json.dumps({error}).encode() + b'\\n')"))

    def kill(process: port.PortProcess) -> int:
        pytest.fail(f"{process.pid} was ended")

    with monkeypatch.context() as patch:
        patch.setattr(port.PortProcess, "kill", kill)
        refused, result = together(engine, BAD, GOOD)
    engine.stop()
    assert "it reports an error" in str(refused)
    assert settled(result).values[0].size == 2


def test_two_replies_to_one_of_several_requests(folder: Path) -> None:
    """The reply to one is not taken for that to the next."""
    engine = PortEngine(hostile(folder, "reply(request)\nreply(request)"))
    try:
        first, second = together(engine, BAD, GOOD)
        assert len(settled(first).values) == 1
        assert re.search(r"id is \d+; expected \d+", str(second))
        engine.run(GOOD)
    finally:
        engine.stop()


# --- ports that never start ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ("print('Welcome!', flush=True)", "(nobody asked for|not JSON).*b'Welcome!"),
        ("time.sleep(1000)", "no reply within 0.5 s"),
        ("sys.exit('cannot find\\x1b my libraries')", "exit code 1\n\n.*:\n\ncannot find\\\\x1b my"),
        ("port.START['protocol'] = 2", "start: protocol is 2; expected 1; .*its line: b'{\"prot"),
        ("port.START['numbers'] = []", 'start: numbers has no "decimal"'),
        (
            "port.numbers = lambda t: [float(x) + 0.0 for x in t['data']]",
            r"echo: .*'-0'.* came back as .* 0.0, ",
        ),
        ("port.numbers = lambda t: [0.0]", "1 numbers for shape"),
    ],
)
def test_a_port_that_never_starts(
    before: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = verify("--start-limit", "0.5", "--", *hostile(folder, before=before))
    shown = capsys.readouterr()
    assert code == 3
    assert shown.out == ""
    assert re.search(message, shown.err, re.DOTALL), shown.err


def test_a_command_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "missing"
    assert verify("--", str(missing)) == 3
    assert f"{missing} cannot be started: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--"], "nothing stands behind --; expected the command of a port"),
        (["core_simple", "--", "x"], "a target, core_simple, or the command of a port; not both"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(*arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dtype", "float32"], "the port computes in float64, not in float32"),
        (["--ops", "cos"], "no operation of the port is called 'cos'; there are: neg, exp, sin"),
        (["--laws", "refcount"], "no law for ports is called 'refcount'"),
        (["--domain", "0:1"], "--domain is for functions; a port is an engine"),
    ],
)
def test_what_a_port_cannot_be_asked(
    arguments: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(*arguments, "--", *hostile(folder)) == 2
    assert message in capsys.readouterr().err


def test_a_port_is_given_no_program_of_a_type_that_it_does_not_compute_in(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "p.json").write_text(GOOD.astype("float32").to_json(), "utf-8")
    assert cli.main(["replay", str(folder / "p.json"), "--", *hostile(folder)]) == 2
    said = "program: its numbers are float32; "
    assert said in capsys.readouterr().err


def test_an_interrupted_port_is_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = PortEngine(hostile(folder))

    def interrupted(*_: object) -> bytes:
        raise KeyboardInterrupt

    killed: list[port.PortProcess] = []
    kill = port.PortProcess.kill

    def counted(process: port.PortProcess) -> int:
        killed.append(process)
        return kill(process)

    with monkeypatch.context() as patch:
        patch.setattr(port.PortProcess, "ask", interrupted)
        patch.setattr(port.PortProcess, "kill", counted)
        with pytest.raises(KeyboardInterrupt):
            engine.run(GOOD)
    assert len(killed) == 1
    engine.run(GOOD)
    engine.stop()


# --- second order -------------------------------------------------------------------------------------


def test_second_order_is_checked_across_the_pipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A port whose Hessian is wrong, but not its gradient."""
    script = tmp_path / "planted.py"
    script.write_text(
        "import sys\nfrom dezero.verify import serve\nproducts = serve._products\n"
        "serve._products = lambda *of: tuple(1.001 * h for h in products(*of))\n"
        "sys.exit(serve.main())\n",
        "utf-8",
    )
    assert verify("--laws", "gradient,second_order", "--", sys.executable, str(script)) == 1
    shown = capsys.readouterr().out
    assert "The law `second_order` is broken" in shown
    assert "(1 step)" in shown


def test_second_order_of_a_port_without_mul_and_without_wider_precision() -> None:
    engine = PortEngine(SERVE)
    try:
        trial = PortTrial(engine, GOOD)
        assert trial.spread_of(lambda engine, program: np.array([1.0 + program.inputs[0][0]])) < 1e-15
        for given in (GOOD, GOOD.astype("float32")):
            LAWS["second_order"].hold(PortTrial(engine, given))
    finally:
        engine.stop()


# --- more hostile ones --------------------------------------------------------------------------------

GIGABYTE = "chunk = b'x' * 2**20\nfor _ in range(1024): os.write({}, chunk)\ntime.sleep(1000)"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (GIGABYTE.format(1), "a line longer than 16000000 bytes|no reply within"),
        (GIGABYTE.format(2), "no reply within"),
        ("while True: say(b'\\n' * 2**16)", "not JSON|nobody asked for"),
    ],
)
def test_a_flood_takes_bounded_memory(bad: str, message: str, folder: Path) -> None:
    engine = PortEngine(hostile(folder, bad), seconds_to_run=3)
    try:
        engine.run(GOOD)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(PortError, match=message):
            engine.run(BAD)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert after - before < 200_000  # KiB; a line of 16 MB, some times over, and no gigabyte
        engine.run(GOOD)
    finally:
        engine.stop()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (
            "r = json.dumps(port.answer(request))\n"
            "say(r.replace('\"data\": [', '\"data\": [' + '9' * 10**6 + ', ').encode() + b'\\n')",
            "not JSON: Exceeds the limit|numbers for shape",
        ),
        (
            "r = json.dumps(port.answer(request))\n"
            "say(r.replace('\"data\": [', '\"data\": [1.' + '9' * 10**6 + ', ').encode() + b'\\n')",
            "numbers for shape",
        ),
        (
            "r = port.answer(request)\nr['values'][0]['data'][0] = float('nan')\n"
            "say(json.dumps(r).encode() + b'\\n')",
            "NaN is not a JSON number; write it as a string",
        ),
        (
            "r = port.answer(request)\nr['values'][0]['shape'] = [10**9, 10**9]\n"
            "say(json.dumps(r).encode() + b'\\n')",
            "at most 1000000 elements",
        ),
        ("time.sleep(0.7)\nreply(request)", r"no reply within 0\.5 s"),
    ],
)
def test_a_reply_that_is_none(bad: str, message: str, folder: Path) -> None:
    engine = PortEngine(hostile(folder, bad), seconds_to_run=0.5)
    try:
        with pytest.raises(PortError, match=message):
            engine.run(BAD)
        engine.run(GOOD)  # and a late answer is not taken for that to another request
    finally:
        engine.stop()


def test_a_child_that_fled_does_not_block(folder: Path) -> None:
    """One in a session of its own holds the pipes open; who reads them gives up in time."""
    fled = (
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(6)'], start_new_session=True)"
    )
    engine = PortEngine(hostile(folder, fled + "\nos._exit(1)"), seconds_to_run=0.5)
    try:
        begun = time.monotonic()
        with pytest.raises(PortError, match=r"no reply within|closed its output"):
            engine.run(BAD)
        engine.run(GOOD)
        assert time.monotonic() - begun < 5
    finally:
        engine.stop()


# --- the smoke test -----------------------------------------------------------------------------------


def smoke(capsys: pytest.CaptureFixture[str], *command: str) -> tuple[int, str]:
    code = cli.main(["smoke", "--start-limit", "5s", "--program-limit", "1s", "--", *command])
    shown = capsys.readouterr()
    text = shown.out + shown.err
    assert text.count("\n") == 1, text
    return code, text


def test_smoke_of_a_port_that_works(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, line = smoke(capsys, *hostile(folder))
    assert (code, line[:32]) == (0, "smoke: fine: fifty-lines 1, Pyth")
    assert "3 operations run; nonfinite, vjp" in line


@pytest.mark.parametrize(
    ("bad", "before", "message"),
    [
        ("reply(request)", "port.START['protocol'] = 2", "start: protocol is 2; expected 1"),
        (
            "reply(request)",
            "port.numbers = lambda t: [float(x) + 0.0 for x in t['data']]",
            r"echo: .*\['-0'\]} came back as .*\[0.0\]}",
        ),
        ("sys.exit('no\\nexponentials')", "", "exit code 1; its last words: 'exponentials'"),
        (
            "r = port.answer(request)\nr['grads'].pop()\nsay(json.dumps(r).encode() + b'\\n')",
            "",
            "exp:",
        ),
        (
            "r = port.answer(request)\nr['values'][0]['shape'].append(1)\n"
            "say(json.dumps(r).encode() + b'\\n')",
            "",
            r"exp: value 1, of step 0 \(exp\): expected float64\[\d+.*, found float64\[",
        ),
        ("reply(request)", "import atexit; atexit.register(time.sleep, 100)", "stop: it does not end"),
        ("reply(request)", "port.START['ops'] = {}", "start: ops: no operation that this kit knows"),
    ],
)
def test_smoke_says_what_is_wrong(
    bad: str, before: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, line = smoke(capsys, *hostile(folder, bad, before))
    assert code == 1
    assert re.search("^smoke: wrong: .*" + message, line), line


def test_smoke_of_what_does_not_start(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert smoke(capsys, str(folder / "missing"))[0] == 3
    code, line = smoke(capsys, *hostile(folder, before="sys.exit('no library')"))
    assert code == 3
    assert "it closed its output; it ended with exit code 1; its last words: 'no library'" in line
