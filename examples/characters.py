"""A character model: an LSTM reads the Python reference, and goes on writing in its manner."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pydoc_data.topics import topics
from typing import TYPE_CHECKING

import numpy as np
from common import Options, Steps, parser, picture, report
from numpy.typing import NDArray

import dezero.functions as F
import dezero.layers as L
from dezero import Dataset, Model, SeqDataLoader, Variable, as_array, no_grad
from dezero.optimizers import Adam, ClipGrad

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALPHABET = "".join(map(chr, range(32, 127)))


def text(length: int) -> NDArray[np.int64]:
    """The beginning of the help that Python ships, each character as its place in the alphabet."""
    whole = " ".join(topics[name] for name in sorted(topics))
    plain = re.sub(r"[^!-~]+|[-=+*]{3,}", " ", whole)  # no lines, and no rules of tables
    return np.array([ALPHABET.index(character) for character in plain[:length]])


class Characters(Model):
    """What comes next, after all characters so far."""

    def __init__(self, hidden_size: int) -> None:
        self.embed = L.EmbedID(len(ALPHABET), 32)
        self.lstm = L.LSTM(hidden_size, in_size=32)
        self.fc = L.Linear(len(ALPHABET))

    def forward(self, x: Variable) -> Variable:
        """The scores (N, 95) of what comes after the characters (N,)."""
        return self.fc(self.lstm(self.embed(x)))


def entropy(model: Characters, ids: NDArray[np.int64]) -> float:
    """Bits per character, of a text that is read in 50 pieces side by side."""
    model.lstm.reset_state()
    total = 0.0
    loader = SeqDataLoader(Dataset.of(ids[:-1], ids[1:]), batch_size=50)
    with no_grad():
        for x, t in loader:
            total += float(F.softmax_cross_entropy(model(x), t))
    return total / loader.max_iter / math.log(2)


def counted(train: NDArray[np.int64], test: NDArray[np.int64], context: bool) -> float:
    """Bits per character, from how often each occurs; with ``context`` after the one before it."""
    counts = np.full((len(ALPHABET), len(ALPHABET)), 0.01)
    np.add.at(counts, (train[:-1], train[1:]), 1.0)
    if not context:
        counts[:] = counts.sum(axis=0)
    p = as_array(counts / counts.sum(axis=1, keepdims=True))
    return float(-np.mean(np.log2(p[test[:-1], test[1:]])))


def written(model: Characters, length: int, temperature: float = 0.6) -> str:
    """What the model writes, after a space."""
    model.lstm.reset_state()
    ids = [0]
    with no_grad():
        for _ in range(length):
            p = F.softmax(model(np.array(ids[-1:])) / temperature).data[0].astype(np.float64)
            ids.append(int(np.random.choice(len(ALPHABET), p=p / p.sum())))
    return "".join(ALPHABET[i] for i in ids)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Returns the bits per character on text that was not learnt, and those that counting needs."""
    options = parser(__doc__).parse_args(argv, Options())
    np.random.seed(0)
    ids = text(50_000 if options.quick else 400_000)
    train, test = np.split(ids, [len(ids) * 9 // 10])
    model = Characters(62 if options.quick else 192)
    optimizer = Adam(alpha=0.01 if options.quick else 0.005).setup(model)
    optimizer.add_hook(ClipGrad(5.0))
    batches = list(SeqDataLoader(Dataset.of(train[:-1], train[1:]), batch_size=64))

    curve: list[float] = []
    cut = 16 if options.quick else 25
    for _ in (steps := Steps("epoch", 2 if options.quick else 6)):
        model.lstm.reset_state()
        for i in range(0, len(batches), cut):
            losses = [F.softmax_cross_entropy(model(x), t) for x, t in batches[i : i + cut]]
            loss = F.mean(F.stack(losses))
            model.cleargrads()
            loss.backward()
            loss.unchain_backward()
            optimizer.update()
            curve.append(float(loss) / math.log(2))
            steps.note(bits=curve[-1])

    baselines = {
        "characters counted": counted(train, test, context=False),
        "pairs counted": counted(train, test, context=True),
    }
    bits = entropy(model, test)
    print(written(model, 400))

    def draw(figure: Figure) -> None:
        ax = figure.subplots()
        ax.plot(curve, lw=1, label="LSTM, as it learns")
        for (name, value), color in zip(baselines.items(), ("0.5", "k"), strict=True):
            ax.axhline(value, color=color, ls="--", lw=1, label=name)
        ax.axhline(bits, color="C3", lw=1, label="LSTM, on the rest of the text")
        ax.set(xlabel="update", ylabel="bits per character", ylim=(0, 7))
        figure.legend(loc="outside upper center", ncols=2)

    picture(options.out / "characters.png", draw)
    return report({"LSTM": bits} | baselines)


if __name__ == "__main__":
    main()
