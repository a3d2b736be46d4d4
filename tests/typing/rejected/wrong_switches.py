"""`Config` and its regions, misused; each marked line is an error for both checkers."""

from __future__ import annotations

from dezero import Config, no_grad, test_mode, using_config

using_config("train", "no")  # rejected: a string is no bool
using_config("train")  # rejected: no value
using_config(True, "train")  # rejected: the arguments exchanged
f1: bool = no_grad()  # rejected: a region is no bool
f2: bool = test_mode  # rejected: a function is no bool
no_grad(True)  # rejected: no argument
Config.train = "no"  # rejected: a string is no bool
Config.train = None  # rejected: None is no bool
Config.trian = False  # rejected: a misspelt switch
f3 = Config.enable_back  # rejected: a misspelt switch

with no_grad:  # rejected: the call is missing
    pass

with using_config("train", False) as f4:
    f5: int = f4  # rejected: a region gives None


@no_grad()
def doubled(x: int) -> int:
    return 2 * x


doubled("2")  # rejected: a decorated function keeps its signature


@no_grad  # rejected: the call is missing
def halved(x: int) -> float:
    return x / 2
