"""What the examples share: arguments, progress, pictures, the report of what came out."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dezero import as_array
from dezero.contract import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Options(argparse.Namespace):
    """What each example can be told.

    Attributes:
        quick: Run a short form, which still shows what the example shows.
        out: The folder for pictures; made when there is one to save.
    """

    quick: bool
    out: Path


def parser(about: str | None) -> argparse.ArgumentParser:
    """A parser of the common arguments, to which an example may add its own."""
    arguments = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    arguments.add_argument("--quick", action="store_true", help="a short form")
    arguments.add_argument("--out", type=Path, default=Path("pictures"), help="folder for pictures")
    return arguments


class Steps:
    """``range(total)`` with a progress bar, drawn by rich; without rich, ten lines.

        for epoch in (steps := Steps("epoch", 100)):
            ...
            steps.note(loss=float(loss))

    Args:
        what: What is counted.
        total: How often.
    """

    def __init__(self, what: str, total: int) -> None:
        self.what = what
        self.total = total
        self.figures = ""

    def note(self, **figures: float) -> None:
        """Show figures beside the bar."""
        self.figures = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())

    def __iter__(self) -> Iterator[int]:
        try:
            from rich.progress import Progress, TextColumn
        except ImportError:
            yield from self._lines()
            return
        with Progress(*Progress.get_default_columns(), TextColumn("{task.fields[figures]}")) as bar:
            task = bar.add_task(self.what, total=self.total, figures="")
            for i in range(self.total):
                yield i
                bar.update(task, advance=1, figures=self.figures)

    def _lines(self) -> Iterator[int]:
        for i in range(self.total):
            yield i
            if (i + 1) * 10 // self.total > i * 10 // self.total:
                print(f"{self.what} {i + 1}/{self.total}  {self.figures}")


def picture(path: Path, draw: Callable[[Figure], None], size: tuple[float, float] = (7.0, 4.0)) -> None:
    """Save what ``draw`` draws, on so many inches; without matplotlib, say what it needs."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print(f"{path} needs matplotlib: pip install matplotlib")
        return
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    draw(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    print(path)


def mosaic(pictures: Array, columns: int) -> Array:
    """Pictures (N, H, W) side by side in rows, in a frame of zeros each; a row at least."""
    missing = -len(pictures) % columns if len(pictures) else columns
    framed = np.pad(pictures, ((0, missing), (1, 1), (1, 1)))
    rows = framed.reshape(-1, columns, *framed.shape[1:])
    return as_array(rows.transpose(0, 2, 1, 3).reshape(len(rows) * rows.shape[2], -1))


def report(figures: Mapping[str, float]) -> dict[str, float]:
    """Print figures, one a line, and return them."""
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:{width}}  {value:.6g}")
    return dict(figures)
