"""The examples, each in its short form: what they compute is right, and their pictures are there."""

from __future__ import annotations

import gzip
import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from dezero.contract import Array

EXAMPLES = Path(__file__).parent.parent / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem != "common")
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def _as_scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Examples import what stands beside them, and seed NumPy's global state."""
    state, modules = np.random.get_state(), set(sys.modules)
    monkeypatch.syspath_prepend(EXAMPLES)
    yield
    np.random.set_state(state)
    for name in {"common", *NAMES} - modules:
        sys.modules.pop(name, None)


def run(name: str, *arguments: str | Path) -> Mapping[str, float]:
    main: Callable[[Sequence[str]], Mapping[str, float]] = importlib.import_module(name).main
    return main(["--quick", *map(str, arguments)])


def expect_picture(path: Path) -> None:
    """Whatever is drawn must be there, and be a picture; matplotlib alone may be missing."""
    pytest.importorskip("matplotlib", reason="the figures hold; pictures need matplotlib")
    assert path.read_bytes().startswith(PNG)


def test_taylor(tmp_path: Path) -> None:
    errors = run("taylor", "--out", tmp_path)
    assert len(errors) == 4
    # The first term left out is (2π)^33 / 33!, some 3e-11; a derivative makes it 33 / 2π times larger.
    assert max(errors.values()) < 1e-8
    assert max(list(errors.values())[:2]) < 2e-10  # as examples/README.md says
    expect_picture(tmp_path / "taylor.png")


def test_regression(tmp_path: Path) -> None:
    figures = run("regression", "--out", tmp_path)
    assert figures["loss"] < 0.06  # the noise has a variance of 0.04
    assert figures["distance from the sine"] < 0.15
    expect_picture(tmp_path / "regression.png")


def test_newton(tmp_path: Path) -> None:
    figures = run("newton", "--out", tmp_path)
    assert figures["steps of Newton"] <= 9
    assert figures["error of Newton"] < 1e-15
    assert 100 < figures["steps of descent"] < 1000
    assert figures["error of descent"] < 1e-9
    expect_picture(tmp_path / "newton.png")


def test_rosenbrock(tmp_path: Path) -> None:
    figures = run("rosenbrock", "--out", tmp_path)
    assert figures["steps of Newton"] <= 7
    assert figures["error of Newton"] < 1e-12
    assert 0.1 < figures["error of gradient descent"] < 0.3
    expect_picture(tmp_path / "rosenbrock.png")


def test_spiral(tmp_path: Path) -> None:
    figures = run("spiral", "--out", tmp_path)
    assert figures["accuracy"] >= 0.9
    assert figures["loss"] < 0.25
    expect_picture(tmp_path / "spiral.png")


def test_digits(tmp_path: Path) -> None:
    figures = run("digits", "--out", tmp_path)
    assert figures["Perceptron"] >= 0.93
    assert figures["ConvNet"] >= 0.94
    expect_picture(tmp_path / "digits.png")


def test_wave(tmp_path: Path) -> None:
    figures = run("wave", "--out", tmp_path)
    assert figures["RNN"] < 0.45  # zeros are 0.71 away
    assert figures["LSTM"] < 0.3
    expect_picture(tmp_path / "wave.png")


def test_vae(tmp_path: Path) -> None:
    figures = run("vae", "--out", tmp_path)
    assert figures["ELBO before"] < -45
    assert figures["ELBO after"] > -27
    assert figures["error of a pixel"] < 0.2  # the mean of all digits leaves 0.27
    expect_picture(tmp_path / "vae.png")


def test_characters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = run("characters", "--out", tmp_path)
    # Only a memory of more than one character gets below what the counts of pairs tell.
    assert figures["LSTM"] < figures["pairs counted"] - 0.1 < figures["characters counted"] - 0.6
    assert " the " in capsys.readouterr().out
    expect_picture(tmp_path / "characters.png")


def test_compare_torch() -> None:
    pytest.importorskip("torch", reason="the comparison needs torch")
    figures = run("compare_torch")
    for net in ("Perceptron", "ConvNet"):
        # From the same weights, with the same batches: but for rounding, the same net.
        assert abs(figures[f"{net}: dezero"] - figures[f"{net}: PyTorch"]) <= 0.01


def test_digits_of_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own files, here of the other digits in the size of MNIST's."""
    digits = importlib.import_module("digits")
    drawings: list[Callable[..., None]] = []

    def picture(path: Path, draw: Callable[..., None], size: tuple[float, float]) -> None:
        drawings.append(draw)

    monkeypatch.setattr(digits, "picture", picture)
    load: Callable[..., Sequence[Array]] = digits.load
    x, t, x_test, t_test = load()
    for part, pictures, classes in (("train", x[:600], t[:600]), ("t10k", x_test[:200], t_test[:200])):
        large = np.pad(np.kron(pictures[:, 0], np.ones((3, 3))), ((0, 0), (2, 2), (2, 2)))
        for name, content in (
            ("images-idx3", np.uint8(255 * large)),
            ("labels-idx1", np.uint8(classes)),
        ):
            lengths = np.array(content.shape, ">u4").tobytes()
            head = bytes([0, 0, 8, content.ndim]) + lengths
            packed = gzip.compress(head + content.tobytes())
            (tmp_path / f"{part}-{name}-ubyte.gz").write_bytes(packed)
    figures = run("digits", "--mnist", tmp_path, "--out", tmp_path)
    assert figures["Perceptron"] >= 0.85
    assert figures["ConvNet"] >= 0.85

    figure = pytest.importorskip("matplotlib.figure", reason="what is drawn needs it").Figure()
    (draw,) = drawings
    draw(figure)
    for ax in figure.axes:  # a guess stands below the middle of its digit, 28 wide and framed
        ticks = ax.get_xticks()
        np.testing.assert_array_equal(ticks, 14.5 + 30 * np.arange(len(ticks)))
        assert len(ticks) > 1


def test_each_example_is_tested() -> None:
    assert {f"test_{name}" for name in NAMES} <= set(globals())


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_a_script(name: str) -> None:
    source = (EXAMPLES / f"{name}.py").read_text("utf-8")
    assert source.endswith('\n\nif __name__ == "__main__":\n    main()\n')


def test_a_script_runs_by_itself(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "newton.py"), "--out", str(tmp_path / "new")]
    script = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert script.returncode == 0, script.stderr
    assert "steps of Newton   8\n" in script.stdout
    expect_picture(tmp_path / "new" / "newton.png")


def test_without_matplotlib_and_rich(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("matplotlib", "matplotlib.figure", "rich", "rich.progress"):
        monkeypatch.setitem(sys.modules, package, None)
    assert run("rosenbrock", "--out", tmp_path)["error of Newton"] < 1e-12
    said = capsys.readouterr().out
    assert f"{tmp_path / 'rosenbrock.png'} needs matplotlib: pip install matplotlib\n" in said
    assert said.count("gradient descent ") >= 10
    assert "gradient descent 300/3000  y " in said
    assert not list(tmp_path.iterdir())
