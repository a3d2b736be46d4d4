"""Utilities: pictures in files, differences, shapes, and files from a (local) server."""

from __future__ import annotations

import hashlib
import http.server
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dezero.functions as F
from dezero import Function, Variable, utils
from dezero.contract import Array

# -------------------------------------------------------------------------------------------- pictures


@pytest.fixture
def no_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    def which(_: str) -> None:
        return None

    monkeypatch.setattr(shutil, "which", which)


def sine() -> Variable:
    y = F.sin(Variable(np.array(1.0), "x"))
    y.name = "y"
    return y


def test_get_dot_graph_is_text() -> None:
    text = utils.get_dot_graph(sine())
    assert text.startswith("digraph g {\n")
    assert 'label="y: () float64"' in text
    assert 'label="y", ' in utils.get_dot_graph(sine(), verbose=False)


@pytest.mark.parametrize("name", ["g.dot", "g.gv", "G.DOT"])
def test_text_is_written(name: str, tmp_path: Path, no_graphviz: None) -> None:
    path = tmp_path / name
    picture = utils.plot_dot_graph(sine(), verbose=False, to_file=path)
    assert path.read_text() == picture.dot == utils.get_dot_graph(sine(), verbose=False)


def test_svg_is_written(tmp_path: Path, no_graphviz: None) -> None:
    path = tmp_path / "g.svg"
    path.write_text("an older one")
    picture = utils.plot_dot_graph(sine(), to_file=str(path))
    assert path.read_text() == picture.svg
    assert [*tmp_path.iterdir()] == [path]


def test_png_is_what_graphviz_drew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def which(program: str) -> str:
        return program

    def run(arguments: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess([], 0, " ".join(arguments).encode(), b"")

    monkeypatch.setattr(shutil, "which", which)
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.chdir(tmp_path)
    utils.plot_dot_graph(sine())
    assert (tmp_path / "graph.png").read_bytes() == b"dot -Tpng"


def test_png_without_graphviz_leaves_the_older_file(tmp_path: Path, no_graphviz: None) -> None:
    path = tmp_path / "g.png"
    path.write_text("an older one")
    with pytest.raises(RuntimeError, match=r"install Graphviz .* ends in .svg"):
        utils.plot_dot_graph(sine(), to_file=path)
    assert path.read_text() == "an older one"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize(
    ("name", "suffix"), [("g.bmp", "'.bmp'"), ("g", "'nothing'"), ("svg", "'nothing'")]
)
def test_another_suffix(name: str, suffix: str, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError,
        match=rf"^plot_dot_graph: to_file='.*{name}' ends in {suffix}; "
        "expected one of .dot, .gv, .svg, .png, .pdf$",
    ):
        utils.plot_dot_graph(sine(), to_file=tmp_path / name)
    assert not [*tmp_path.iterdir()]


def test_a_file_is_replaced_and_not_written_over(tmp_path: Path) -> None:
    path, reader = tmp_path / "file", tmp_path / "reader"
    path.write_text("older")
    os.link(path, reader)
    with utils.whole_file(path) as file:
        file.write(b"newer")
    assert path.read_text() == "newer"
    assert reader.read_text() == "older"


def test_no_folder_for_a_picture(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^there is no folder .*none to put g\.dot in$"):
        utils.plot_dot_graph(sine(), to_file=tmp_path / "none" / "g.dot")


def test_a_file_that_is_not_finished_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("older")

    def write_half() -> None:
        with utils.whole_file(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_text() == "older"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions and links")
def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    """As is a device: whoever names /dev/null as root must find it there still."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with utils.whole_file(path) as file:
        file.write(b"1")
    assert os.read(reader, 9) == b"1"
    os.close(reader)
    assert path.is_fifo()


def test_a_file_is_like_any_other(tmp_path: Path) -> None:
    plain, link, whole = tmp_path / "plain", tmp_path / "link", tmp_path / "whole"
    plain.touch()
    link.symlink_to(whole)
    with utils.whole_file(link) as file:
        file.write(b"all")
    assert link.is_symlink()
    assert whole.read_bytes() == b"all"
    assert whole.stat().st_mode == plain.stat().st_mode


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    for mode in (0o600, 0o660, 0o444):
        path.chmod(mode)
        with utils.whole_file(path) as file:
            (part,) = set(tmp_path.iterdir()) - {path}
            assert stat.S_IMODE(part.stat().st_mode) == mode  # also before anything is in it
            file.write(b"newer")
        assert stat.S_IMODE(path.stat().st_mode) == mode
        assert path.read_bytes() == b"newer"


# -------------------------------------------------------------------------------------- shapes, arrays


def test_sum_to() -> None:
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(utils.sum_to(x, (1, 3)), [[3.0, 5.0, 7.0]])
    np.testing.assert_array_equal(utils.sum_to(x, [2, 1]), [[3.0], [12.0]])
    np.testing.assert_array_equal(utils.sum_to(x, 3), [3.0, 5.0, 7.0])
    assert utils.sum_to(x, ()).shape == ()
    with pytest.raises(ValueError, match=r"sum_to: \(2,\) does not broadcast to .* \(2, 3\)"):
        utils.sum_to(x, (2,))


@pytest.mark.parametrize("axis", [None, 0, 1, -1, -3, (0, 2), (-1, 0), (2, 1, 0)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reshape_sum_backward(axis: Any, keepdims: bool) -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    total: Array = np.sum(x, axis, keepdims=True)
    gy = np.asarray(np.sum(x, axis, keepdims=keepdims))
    of_array = utils.reshape_sum_backward(gy, x.shape, axis, keepdims)
    of_variable = utils.reshape_sum_backward(Variable(gy), x.shape, axis, keepdims)
    for shaped in (of_array, of_variable.data):
        np.testing.assert_array_equal(np.broadcast_to(shaped, x.shape), np.broadcast_to(total, x.shape))


def test_reshape_sum_backward_of_a_scalar_and_of_a_wrong_axis() -> None:
    for axis in (None, 0, -1):  # NumPy sums a scalar over these, too
        assert utils.reshape_sum_backward(np.array(1.0), (), axis, False).shape == ()
    assert utils.reshape_sum_backward(np.array(1.0), (2, 3), None, False).shape == ()
    wrong: list[tuple[tuple[int, ...], Any, bool, str]] = [
        ((4,), None, False, "()"), ((3,), 1, False, "(2,)"), ((3,), 0, True, "(1, 3)"),
        ((1, 3), 0, False, "(3,)"), ((2, 1, 1), (), False, "(2, 3)"),
    ]  # fmt: skip
    for shape, axis, keepdims, expected in wrong:
        message = f"gy has shape {shape}; expected that of the sum, {expected}"
        with pytest.raises(ValueError, match=re.escape(message)):
            utils.reshape_sum_backward(np.ones(shape), (2, 3), axis, keepdims)
    with pytest.raises(ValueError, match=r"reshape_sum_backward: axis 2 is out of bounds .* of 2 axes"):
        utils.reshape_sum_backward(np.zeros(2), (2, 3), 2, False)


def test_max_backward_shape() -> None:
    x = np.zeros((2, 3, 4))
    assert utils.max_backward_shape(x, None) == (1, 1, 1)
    assert utils.max_backward_shape(x, 1) == (2, 1, 4)
    assert utils.max_backward_shape(x, -1) == (2, 3, 1)
    assert utils.max_backward_shape(Variable(x), (0, -1)) == (1, 3, 1)
    with pytest.raises(ValueError, match=r"max_backward_shape: axis -4 is out of bounds .* of 3 axes"):
        utils.max_backward_shape(x, (0, -4))


INF = np.inf


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ([0.0, 0.0], np.log(2)),
        ([1000.0, 1000.0], 1000 + np.log(2)),
        ([-1000.0, -1000.0], -1000 + np.log(2)),
        ([1000.0, -1000.0], 1000.0),
        ([-INF, 3.0], 3.0),
        ([-INF, -INF], -INF),
        ([INF, 1000.0], INF),
        ([INF, -INF], INF),
        ([np.nan, 1000.0], np.nan),
    ],
)
def test_logsumexp(row: list[float], value: float) -> None:
    x = np.array([row, row])
    np.testing.assert_allclose(utils.logsumexp(x), [[value], [value]], rtol=1e-15)
    np.testing.assert_allclose(utils.logsumexp(x.T, axis=0), [[value, value]], rtol=1e-15)


def test_logsumexp_keeps_dims_and_dtype() -> None:
    x = np.zeros((2, 3, 4), np.float32)
    for axis, shape in ((1, (2, 1, 4)), (-1, (2, 3, 1)), ((0, 2), (1, 3, 1)), (None, (1, 1, 1))):
        assert utils.logsumexp(x, axis).shape == shape
        assert utils.logsumexp(x, axis).dtype == np.float32
    np.testing.assert_allclose(utils.logsumexp(np.array([[200, 200]], np.uint8)), [[200 + np.log(2)]])
    assert utils.logsumexp(np.zeros((0, 3))).shape == (0, 1)


def test_array_equal_and_allclose() -> None:
    a = np.array([1.0, 2.0])
    assert utils.array_equal(Variable(a), a.copy())
    assert not utils.array_equal(a, a[:1])
    assert not utils.array_equal(a, a + 1e-9)
    assert utils.array_allclose(Variable(a), a + 1e-9)
    assert not utils.array_allclose(a, a + 1e-3)
    assert utils.array_allclose(np.array(1.0), np.array(1.05), 0.1, 0.0)
    assert not utils.array_allclose(np.array(1.0), np.array(1.2), 0.1, 0.0)
    assert utils.array_allclose(np.array(0.0), np.array(0.05), 0.0, 0.1)
    assert isinstance(utils.array_allclose(a, a), bool)


def test_pair() -> None:
    assert utils.pair(3) == (3, 3)
    assert utils.pair((1, 2)) == (1, 2)
    for wrong in ((1, 2, 3), (1,), 1.5, "ab", None, (1, 2.0)):
        with pytest.raises(ValueError, match="is neither an integer nor a pair of integers"):
            utils.pair(wrong)  # type: ignore[arg-type]  # that is the test


def test_outsizes_are_those_of_a_loop() -> None:
    for n in range(1, 8):
        for k in range(1, 5):
            for s in range(1, 4):
                for p in range(3):
                    places = [*range(-p, n + p - k + 1, s)]
                    if not places:
                        with pytest.raises(ValueError, match=f"no place for a kernel of {k} in {n}"):
                            utils.get_conv_outsize(n, k, s, p)
                        continue
                    out = utils.get_conv_outsize(n, k, s, p)
                    assert out == len(places)
                    span = places[-1] + k - places[0] - 2 * p
                    if span > 0:
                        assert utils.get_deconv_outsize(out, k, s, p) == span


def test_outsizes_that_are_none() -> None:
    with pytest.raises(ValueError, match=r"get_conv_outsize: .* by steps of 0"):
        utils.get_conv_outsize(4, 2, 0, 0)
    with pytest.raises(
        ValueError, match="get_deconv_outsize: 1 places of a kernel of 2 by steps of 1 "
    ):
        utils.get_deconv_outsize(1, 2, 1, 1)
    with pytest.raises(ValueError, match=r"get_deconv_outsize: .* by steps of 0"):
        utils.get_deconv_outsize(4, 2, 0, 0)


# ------------------------------------------------------------------------------------------- gradients


def cube(x: Any) -> Any:
    return x**3


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2)])
def test_numerical_grad(shape: tuple[int, ...]) -> None:
    x = np.linspace(-1, 2, int(np.prod(shape))).reshape(shape)
    before = x.copy()
    for given in (x, Variable(x)):
        g = utils.numerical_grad(cube, given)
        assert g.shape == shape
        assert g.dtype == np.float64
        np.testing.assert_allclose(g, 3 * before**2, rtol=1e-7, atol=2e-8)
    np.testing.assert_array_equal(x, before)


def test_numerical_grad_calls_f_on_arrays_with_the_other_arguments() -> None:
    seen: list[tuple[object, ...]] = []

    def f(x: Array, a: float, *, b: float) -> Array:
        seen.append((type(x), a, b))
        return x * (a + b)

    np.testing.assert_allclose(utils.numerical_grad(f, Variable(np.ones(2)), 2.0, b=3.0), [5.0, 5.0])
    assert set(seen) == {(np.ndarray, 2.0, 3.0)}


def same(x: Array) -> Array:
    return x


def product(x: Array) -> Array:
    return np.asarray(np.prod(x))


def to_float(x: Array) -> float:
    return float(x)


def test_numerical_grad_of_what_shares_memory_and_of_numbers() -> None:
    np.testing.assert_allclose(utils.numerical_grad(same, np.ones(3)), np.ones(3))
    np.testing.assert_allclose(utils.numerical_grad(to_float, 2.0), 1.0)


def test_numerical_grad_moves_one_element_at_a_time() -> None:
    x = np.array([2.0, 3.0, 5.0])
    np.testing.assert_allclose(utils.numerical_grad(product, x), [15.0, 10.0, 6.0], rtol=1e-10)


def test_numerical_grad_of_integers_of_single_precision_and_far_out() -> None:
    np.testing.assert_allclose(utils.numerical_grad(cube, np.array([2, 3])), [12.0, 27.0], rtol=1e-6)
    single = np.array([2.0, 3.0], np.float32)
    np.testing.assert_allclose(utils.numerical_grad(cube, single), [12.0, 27.0], rtol=1e-7)
    np.testing.assert_allclose(
        utils.numerical_grad(F.square, np.array([1e8, 1e14])), [2e8, 2e14], rtol=1e-3
    )


def nothing(_: object) -> Any:
    return None


def data_of(x: Variable) -> Array:
    return x.data


def test_f_that_returns_nothing() -> None:
    with pytest.raises(
        TypeError, match=r"^numerical_grad: f returned NoneType; expected a Variable or an"
    ):
        utils.numerical_grad(nothing, np.ones(2))
    with pytest.raises(TypeError, match=r"^gradient_check: f returned NoneType; expected a Variable$"):
        utils.gradient_check(nothing, np.ones(2))
    with pytest.raises(TypeError, match=r"^gradient_check: f returned ndarray; expected a Variable$"):
        utils.gradient_check(data_of, np.ones(2))


CHECKED: list[Callable[..., Any]] = [F.sin, F.softmax, F.logsumexp, cube]


@pytest.mark.parametrize("f", CHECKED)
def test_gradient_check_passes(f: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    assert utils.gradient_check(f, x) is True
    assert utils.gradient_check(f, Variable(x.astype(np.float32)))
    assert capsys.readouterr().out == ""


class Wrong(Function):
    """The sine, with a gradient that is wrong in one element."""

    def __init__(self, error: float) -> None:
        self.error = error

    def forward(self, x: Array) -> Array:
        return np.asarray(np.sin(x))

    def backward(self, gy: Variable) -> Variable:
        (x,) = self.inputs
        error = np.zeros(x.shape)
        error.flat[-1] = self.error
        return gy * F.cos(x) + error


@pytest.mark.parametrize("error", [2e-4, -1.0, np.nan, np.inf])
def test_gradient_check_finds_the_wrong_element(
    error: float, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.zeros((2, 3))
    assert utils.gradient_check(Wrong(error), x) is False
    said = capsys.readouterr().out
    assert said.startswith(
        f"gradient_check: at (1, 2) backward gives {1 + error:.9g}, differences give 0.99999"
    )


def test_gradient_check_takes_tolerances_and_arguments() -> None:
    def f(x: Variable, slope: float, power: float) -> Variable:
        return slope * Wrong(0.01)(x) ** power

    x = np.ones(2)
    assert not utils.gradient_check(f, x, 2.0, power=2.0)
    assert utils.gradient_check(f, x, 2.0, power=2.0, rtol=0.1)
    assert utils.gradient_check(f, x, 2.0, power=2.0, rtol=0.0, atol=0.1)


def test_gradient_check_changes_nothing() -> None:
    x, w = Variable(np.ones(3, np.float32)), Variable(np.full(3, 2.0))
    assert utils.gradient_check(F.mul, x, w)
    assert x.dtype == np.float32
    assert x.grad is None
    assert w.grad is None


# ----------------------------------------------------------------------------------------------- files


def test_show_progress(capsys: pytest.CaptureFixture[str]) -> None:
    for blocks, bs, total in ((0, 10, 100), (5, 10, 100), (11, 10, 100), (3, 10, -1), (0, 10, 0)):
        utils.show_progress(blocks, bs, total)
    assert capsys.readouterr().out.split("\r")[1:] == [
        f"[{'.' * 30}] 0.00%",
        f"[{'#' * 15}{'.' * 15}] 50.00%",
        f"[{'#' * 30}] 100.00%",
        "30 bytes",
        "0 bytes",
    ]


CONTENT = bytes(range(256)) * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Site(http.server.BaseHTTPRequestHandler):
    """A server of one file, in a few wrong ways, too."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/missing"):
            self.send_error(404)
        elif self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved/"))
            self.end_headers()
        else:
            self.send_response(200)
            if self.path != "/unsized":
                self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:-1] if self.path == "/short" else CONTENT)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "*")
    Site.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "deep" / "cache"
    monkeypatch.setenv("DEZERO_CACHE", str(folder))
    return folder


def test_a_file_is_fetched_once(site: str, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = utils.get_file(f"{site}/file.bin")
    assert path == str(cache / "file.bin")
    assert Path(path).read_bytes() == CONTENT
    said = capsys.readouterr().out
    assert said.startswith("Downloading: file.bin\n")
    assert said.endswith(f"[{'#' * 30}] 100.00% Done\n")
    assert utils.get_file(f"{site}/file.bin") == path
    assert capsys.readouterr().out == ""
    assert Site.asked == ["/file.bin"]
    assert [*cache.iterdir()] == [Path(path)]


def test_the_name_may_be_given_and_the_size_unknown(site: str, cache: Path) -> None:
    assert (
        Path(utils.get_file(f"{site}/unsized", "mine", sha256=DIGEST.upper())).read_bytes() == CONTENT
    )
    assert (cache / "mine").exists()
    assert utils.get_file(f"{site}/moved//file.bin", "moved") == str(cache / "moved")


def test_cache_dir_without_the_variable(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEZERO_CACHE")
    monkeypatch.setattr(utils, "cache_dir", str(tmp_path))
    (tmp_path / "here").write_text("x")
    assert utils.get_file("https://example.org/here") == str(tmp_path / "here")


@pytest.mark.parametrize("variable", [None, "elsewhere"])
def test_cache_dir_is_under_the_home(variable: str | None, tmp_path: Path) -> None:
    env = {**os.environ, "HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    env.pop("DEZERO_CACHE", None)
    if variable:
        env["DEZERO_CACHE"] = variable
    told = subprocess.run(
        [sys.executable, "-c", "import dezero.utils as u; print(u.cache_dir)"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == (variable or str(tmp_path / ".dezero"))


def untouched(cache: Path) -> bool:
    return not cache.exists() or not [*cache.iterdir()]


def test_a_wrong_checksum(site: str, cache: Path) -> None:
    with pytest.raises(ValueError, match=f"^get_file: .*/file has the SHA-256 {DIGEST}; expected 00$"):
        utils.get_file(f"{site}/file", sha256="00")
    assert untouched(cache)
    path = utils.get_file(f"{site}/file", sha256=DIGEST)
    assert utils.get_file(f"{site}/file", sha256=DIGEST) == path
    with pytest.raises(
        ValueError, match=rf"^get_file: {cache}.file has the SHA-256 {DIGEST}; expected 00$"
    ):
        utils.get_file(f"{site}/file", sha256="00")


@pytest.mark.parametrize("name", ["file", "unsized"])
def test_the_size_limit(name: str, site: str, cache: Path) -> None:
    with pytest.raises(ValueError, match=r"^get_file: .* has \d+ bytes or more; the limit is 1000$"):
        utils.get_file(f"{site}/{name}", size_limit=1000)
    assert untouched(cache)
    assert utils.get_file(f"{site}/{name}", size_limit=len(CONTENT))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing.bin", "HTTP Error 404: Not Found"),
        ("short", "only 255999 of 256000 bytes came"),
        ("moved/file:///etc/hostname", "HTTP Error 302: .*"),
        ("moved/ftp://127.0.0.1:1/x", ".*unknown url type: ftp.*"),
        ("a b", ".*control characters.*"),
    ],
)
def test_what_cannot_be_fetched_can_be_put_there(
    path: str, reason: str, site: str, cache: Path
) -> None:
    with pytest.raises(
        OSError,
        match=rf"(?s)^get_file: mine could not be fetched from {site}/{path} \({reason}\); "
        rf"without a network, put the file at {cache}.mine$",
    ):
        utils.get_file(f"{site}/{path}", "mine")
    assert untouched(cache)


def test_without_a_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr("socket.create_connection", refuse)
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(
        OSError, match=r"\(.*timed out.*\); without a network, put the file at .*data\.npz$"
    ):
        utils.get_file("https://example.org/a/data.npz")
    assert untouched(cache)


def test_the_timeout_is_the_connections(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def connect(_: object, timeout: object, *__: object) -> None:
        seen.append(timeout)
        raise ConnectionRefusedError

    monkeypatch.setattr("socket.create_connection", connect)
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(OSError, match="put the file at"):
        utils.get_file("http://example.org/data")
    with pytest.raises(OSError, match="put the file at"):
        utils.get_file("http://example.org/data", timeout=2.5)
    assert seen == [30.0, 2.5]


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.org/x", "/etc/passwd", "data:,x", ""]
)
def test_http_only(url: str, cache: Path) -> None:
    with pytest.raises(ValueError, match=r"^get_file: '.*' is fetched over neither http nor https$"):
        utils.get_file(url, "x")
    assert untouched(cache)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/etc/x", "a\\b", "..\\x", "C:x", "C:\\x", "x\0", "x/"]
)
def test_names_that_would_leave_the_folder(name: str, cache: Path) -> None:
    with pytest.raises(ValueError, match="is no name of a file in the cache folder; give file_name"):
        utils.get_file("https://example.org/x", name)
    assert untouched(cache)


def test_a_url_that_names_no_file(cache: Path) -> None:
    with pytest.raises(ValueError, match=r"^get_file: '' is no name of a file"):
        utils.get_file("https://example.org/")
