"""`Config`, and the regions that change it."""

from __future__ import annotations

from typing import assert_type

import numpy as np

from dezero import Config, Variable, no_grad, test_mode, using_config

x = Variable(np.array(2.0))

assert_type(Config.enable_backprop, bool)
assert_type(Config.train, bool)
assert_type(no_grad(), using_config)
assert_type(test_mode(), using_config)
with no_grad():
    y = x * x
    assert_type(y, Variable)
with using_config("train", False):
    assert_type(Config.train, bool)
with no_grad(), test_mode():
    pass


@no_grad()
def predict(x: Variable, factor: float = 2.0) -> Variable:
    """A decorated function keeps its signature."""
    return x * factor


assert_type(predict(x), Variable)
assert_type(predict(x, factor=3.0), Variable)
assert predict(x).creator is None


def in_use() -> None:
    Config.train = False
    Config.enable_backprop = True


in_use()
