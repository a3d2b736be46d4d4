"""The nets of digits.py in PyTorch: do they learn as much, from the same weights, and from its own?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from common import Options, parser, report
from digits import ConvNet, Digits, Perceptron, fit, load, scores

import dezero.functions as F
from dezero import DataLoader, Dataset
from dezero.cuda import optional


def accuracy_in_torch(
    digits: Digits, epochs: int, net: Perceptron | ConvNet, seed: int | None = None
) -> float:
    """What the same net reaches on the test's digits when PyTorch teaches it in the same manner.

    Args:
        digits: The digits.
        epochs: How often it sees those to learn from.
        net: The net in dezero, with whose weights it begins,
        seed: unless PyTorch shall draw its own with this seed.
    """
    torch = optional("torch", "torch", "compare_torch.py")
    nn = torch.nn
    if seed is not None:
        torch.manual_seed(seed)
    if isinstance(net, Perceptron):
        size = digits.x[0].size
        layers = [nn.Flatten(), nn.Linear(size, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()]
        model = nn.Sequential(*layers, nn.Linear(64, 10))
    else:
        size = 32 * (digits.x.shape[2] // 4) * (digits.x.shape[3] // 4)
        first = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        second = [nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        model = nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(size, 10))
    if seed is None:
        with torch.no_grad():
            for theirs, ours in zip(model.parameters(), net.params(), strict=True):
                # Linear holds (O, I) there, and (I, O) here.
                theirs.copy_(torch.from_numpy(ours.data.T if ours.ndim == 2 else ours.data))

    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    loader = DataLoader(Dataset.of(digits.x, digits.t), batch_size=50)
    for _ in range(epochs):
        for x, t in loader:
            loss = nn.functional.cross_entropy(model(torch.from_numpy(x)), torch.from_numpy(t))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        y = model(torch.from_numpy(digits.x_test)).numpy()
    return float(F.accuracy(y, digits.t_test))


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Returns the mean accuracies over several seeds."""
    options = parser(__doc__).parse_args(argv, Options())
    digits = load()
    epochs, seeds = (4, 1) if options.quick else (30, 10)

    figures: dict[str, float] = {}
    for kind in (Perceptron, ConvNet):
        rows: list[tuple[float, float, float]] = []
        for seed in range(seeds):
            np.random.seed(seed)
            net = kind()
            net(digits.x[:1])  # which draws the weights
            order = np.random.get_state()
            same = accuracy_in_torch(digits, epochs, net)
            np.random.set_state(order)
            own = accuracy_in_torch(digits, epochs, net, seed)
            np.random.set_state(order)
            fit(net, digits, epochs)
            rows.append((float(F.accuracy(scores(net, digits.x_test), digits.t_test)), same, own))
            print("dezero {:.4f}   PyTorch {:.4f}, with weights of its own {:.4f}".format(*rows[-1]))
        names = "dezero", "PyTorch", "PyTorch, weights of its own"
        for name, accuracies in zip(names, zip(*rows, strict=True), strict=True):
            figures[f"{kind.__name__}: {name}"] = sum(accuracies) / seeds
    return report(figures)


if __name__ == "__main__":
    main()
