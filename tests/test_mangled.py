"""The files that a campaign is put together from: mangled, they are refused by name; nothing breaks."""

from __future__ import annotations

import contextlib
import copy
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dezero.verify.cli import main
from dezero.verify.decoded import MAX_BYTES, MAX_DEPTH, DecodedError, read
from dezero.verify.faults import FAULTS, planted
from dezero.verify.program import Json

COMMAND = (
    *("verify", "--seed", "5", "--ops", "add,mul,sum,sin", "--laws", "runs,value,gradient"),
    *("--examples", "60", "--stretch", "15", "--keep-going"),
)


def nested(depth: int) -> Json:
    return [nested(depth - 1)] if depth else []


VALUES: Sequence[Json] = (
    None, True, False, 0, 1, -1, 2, 7, 2**53 + 1, 10**400, -(10**400), 1.5, -0.5, 1e308, 5e-324,
    float("nan"), float("inf"), "", "abc", "-1", "sin", "gradient", "nobody", "1_0", "٣",
    "\ud800", "\x00\x1b[2J", "x" * 3000, [], {}, [[]], [{}], {"": None}, [1, 2], ["sin", "gradient", 3],
    ["sin", "gradient", "why"], nested(40), {"a": nested(40)}, nested(900),
)  # fmt: skip
EMPTY: Json = {}
TEXTS = ("", "null", "{", "[" * 100_000, '{"a":' * 5000, "1e999999", "9" * 5000, "\ufeff{}", "NaN")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the reports of two parts of a campaign, and with its stretches."""
    folder = tmp_path_factory.mktemp("whole")
    known = folder / "known.json"
    entries = [{"op": op, "law": "value", "reason": "why"} for op in ("mul", "tanh")]
    known.write_text(json.dumps(entries), "utf-8")
    common = [*COMMAND, "--known-failures", str(known)]
    with planted(FAULTS["sin_factor"]):
        for i in (1, 2):
            options = ["--shard", f"{i}/2", "--json", str(folder / f"{i}.json")]
            assert main([*common, *options, "--resume", str(folder / "kept")]) == 1
    return folder


def places(decoded: Json, way: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The ways to all that stands in decoded JSON."""
    found = [way] if way else []
    if isinstance(decoded, dict):
        inner: list[tuple[str | int, Json]] = list(decoded.items())
    else:
        inner = list(enumerate(decoded)) if isinstance(decoded, list) else []
    for key, value in inner:
        found += places(value, (*way, key))
    return found


@st.composite
def manglings(draw: st.DrawFn) -> tuple[str, int, Json]:
    """What to do, where (of so many places, or bytes, the remainder), and with what."""
    kind = draw(st.sampled_from(["put", "put", "put", "drop", "name", "again", "cut", "byte", "text"]))
    return (
        kind,
        draw(st.integers(0, 10**6)),
        draw(st.sampled_from(TEXTS if kind == "text" else VALUES)),
    )


def mangled(text: str, kind: str, where: int, what: Json) -> bytes:
    """A text of JSON, mangled."""
    if kind == "text":
        return str(what).encode()
    if kind == "cut":
        return text.encode()[: where % len(text)]
    if kind == "byte":
        at = where % len(text)
        return text.encode()[:at] + bytes([where % 256]) + text.encode()[at + 1 :]
    ways = places(json.loads(text))
    return mangled_at(text, kind, ways[where % len(ways)], what)


def mangled_at(text: str, kind: str, place: Sequence[str | int], what: Json) -> bytes:
    """A text of JSON, mangled at a place."""
    decoded = json.loads(text)
    *way, last = place
    holder: Any = decoded
    for key in way:
        holder = holder[key]
    if kind == "put":
        holder[last] = what
    elif kind == "drop":
        del holder[last]
    elif isinstance(last, int):
        holder.append(copy.deepcopy(holder[last]))
    else:
        holder[str(what)[:100]] = holder[last] if kind == "again" else holder.pop(last)
    return json.dumps(decoded).encode()


def ran(*arguments: str) -> tuple[int, str]:
    """The exit code of a command, and what it said of errors: one line, if it refused."""
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        code = main(arguments)
    assert code in (0, 1, 2)
    if code == 2:
        assert said.getvalue().startswith("dezero: ")
        assert said.getvalue().count("\n") == 1
        assert len(said.getvalue()) < 3000
    return code, said.getvalue()


SETTINGS = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        *(("put", what) for what in ("nobody", "\x00\x1b[2J", 10**400, None, EMPTY)),
        ("drop", 0),
        ("name", "abc"),
    ],
)
def test_each_place_of_a_part_may_be_wrong(files: Path, tmp_path: Path, kind: str, what: Json) -> None:
    """Each once, of rows and stretches that are alike."""
    text = (files / "1.json").read_text("utf-8")
    alike = {
        tuple("*" if isinstance(key, int) or key.isdecimal() else key for key in way): way
        for way in places(json.loads(text))
    }
    assert len(alike) > 100
    (tmp_path / "2.json").write_bytes((files / "2.json").read_bytes())
    for way in alike.values():
        (tmp_path / "1.json").write_bytes(mangled_at(text, kind, way, what))
        outputs = [f"--{kind}={tmp_path / kind}" for kind in ("html", "junit")]
        code, said = ran("merge", *(str(tmp_path / f"{i}.json") for i in (1, 2)), *outputs)
        if code == 2:
            assert str(tmp_path / "1.json") in said
        else:
            ElementTree.parse(tmp_path / "junit")


@SETTINGS
@given(manglings(), st.sampled_from(["1.json", "2.json"]))
def test_a_part_is_put_together_or_refused_by_name(
    files: Path, tmp_path: Path, mangling: tuple[str, int, Json], name: str
) -> None:
    for part in ("1.json", "2.json"):
        text = (files / part).read_text("utf-8")
        wrong = mangled(text, *mangling) if part == name else text.encode()
        (tmp_path / part).write_bytes(wrong)
    outputs = [f"--{kind}={tmp_path / kind}" for kind in ("json", "junit", "markdown", "html", "badge")]
    code, said = ran("merge", str(tmp_path / "1.json"), str(tmp_path / "2.json"), *outputs)
    if code == 2:
        assert str(tmp_path / name) in said
        return
    assert (tmp_path / "html").read_text("utf-8").startswith("<!DOCTYPE html>")
    ElementTree.parse(tmp_path / "junit")
    json.loads((tmp_path / "json").read_text("utf-8"), parse_constant=pytest.fail)


@SETTINGS
@given(manglings(), st.sampled_from(["stretch-000000.json", "stretch-000003.json", "campaign.json"]))
def test_a_stretch_is_gone_on_from_or_refused_by_name(
    files: Path, tmp_path: Path, mangling: tuple[str, int, Json], name: str
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir(exist_ok=True)
    for path in (files / "kept").iterdir():
        text = path.read_text("utf-8")
        wrong = mangled(text, *mangling) if path.name == name else text.encode()
        (kept / path.name).write_bytes(wrong)
    listed = ["--known-failures", str(files / "known.json")]
    outputs = [f"--{kind}={tmp_path / kind}" for kind in ("json", "html")]
    code, said = ran(*COMMAND, *listed, "--resume", str(kept), *outputs)
    if code == 2:
        assert str(kept if name == "campaign.json" else kept / name) in said


@pytest.mark.parametrize(
    "name",
    [
        "stretch-abc.json",
        "stretch-.json",
        "stretch-0.json",
        "stretch-٣٣٣٣٣٣.json",
        "stretch-000004.json",
    ],
)
def test_a_file_that_is_no_stretch_is_refused(files: Path, tmp_path: Path, name: str) -> None:
    for path in (files / "kept").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_bytes((files / "kept" / "stretch-000000.json").read_bytes())
    listed = ["--known-failures", str(files / "known.json")]
    code, said = ran(*COMMAND, *listed, "--resume", str(tmp_path))
    assert code == 2
    assert f"{tmp_path / name} is no stretch; expected them in stretch-000000.json and so on" in said
    assert "up to stretch-000003.json" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[" * 10**6, "not JSON"),
        (b'{"a":' + b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1) + b"}", "nested more than 32 deep"),
        (b'{"a": "\\ud800"}', r"'\ud800' has half of a character; expected whole ones"),
        (b"\xff", "not JSON: 'utf-8' codec"),
        (b"[1]", "[1]; expected an object"),
        (b'{"a": ' + b"1" * 5000 + b"}", "not JSON: Exceeds the limit"),
        (b" " * (MAX_BYTES + 1), f"has more than {MAX_BYTES} bytes"),
    ],
)  # fmt: skip
def test_what_is_no_record_is_refused(tmp_path: Path, text: bytes, said: str) -> None:
    path = tmp_path / "it.json"
    path.write_bytes(text)
    with pytest.raises(DecodedError) as refused:
        read(path)
    assert str(refused.value).startswith(str(path))
    assert said in str(refused.value)


def test_what_is_as_deep_as_may_be_is_read(tmp_path: Path) -> None:
    path = tmp_path / "it.json"
    depth = MAX_DEPTH - 1
    path.write_text('{"a":' + "[" * depth + "]" * depth + "}", "utf-8")
    assert read(path).items("a")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        code, said = ran("merge", str(path))
        assert code == 2
        assert f"{path} cannot be read" in said
