"""The names that DeZero programs import, from where they import them."""

from __future__ import annotations

from typing import assert_type

import numpy as np

import dezero
from dezero import Config, Function, Parameter, Variable, as_array, as_variable, no_grad, using_config
from dezero import functions as F
from dezero.core import Add, add, setup_variable
from dezero.core import Config as CoreConfig
from dezero.core import Variable as CoreVariable

setup_variable()
dezero.setup_variable()
assert_type(dezero.Variable(np.array(1.0)), Variable)
assert_type(CoreVariable(np.array(1.0)), Variable)
assert_type(Parameter(np.array(1.0)), Parameter)
assert_type(Add()(1.0, 2.0), Variable)
assert_type(add(1.0, 2.0), Variable)
assert_type(F.add(1.0, as_array(2.0)), Variable)
assert_type(as_variable(as_array(1.0)), Variable)
assert_type(CoreConfig.train, bool)
assert_type(Config.train, bool)
with no_grad(), using_config("train", False):
    pass


def applied(function: Function, x: Variable) -> Variable:
    """A function of any number of outputs, its first."""
    ys = function(x)
    return ys if isinstance(ys, Variable) else ys[0]


assert_type(applied(F.Exp(), Variable(np.array(1.0))), Variable)
assert_type(applied(F.Split(1), Variable(np.array([1.0]))), Variable)
