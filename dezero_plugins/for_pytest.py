"""The plugin for pytest: the fixture `dezero_check`, and the options that say how much it tries."""

from __future__ import annotations

import os
import random
import shlex
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dezero.graph import Function
    from dezero.verify import Check, Given, Tally, Target

EXAMPLES = 50
"""How many inputs a check tries, if nothing else is said."""
SEED = 0
"""From which they follow, if nothing else is said: so a commit passes or fails, whoever runs it."""

_examples = pytest.StashKey[int]()
_seed = pytest.StashKey[int]()
_SEED_TOLD = "dezero_seed"


def examples(text: str) -> int:
    """A number of inputs to try."""
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{text!r} is no number of examples; expected 1 or more")
    return int(text)


def seed(text: str) -> int:
    """A seed; a new one for ``random``."""
    if text == "random":
        return random.SystemRandom().randrange(10**6)
    if not text.isdecimal() or len(text) > 18:
        raise ValueError(f"{text!r} is no seed; expected a whole number from 0, or random")
    return int(text)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Defines the options, and the settings of a project that they override."""
    group = parser.getgroup("dezero")
    n, s = "inputs that dezero_check tries", "seed of dezero_check, or random"
    group.addoption("--dezero-examples", metavar="N", help=f"{n} (default {EXAMPLES})")
    group.addoption("--dezero-seed", metavar="S", help=f"{s} (default {SEED})")
    parser.addini("dezero_examples", n, default="")
    parser.addini("dezero_seed", s, default="")


def pytest_configure(config: pytest.Config) -> None:
    """Settles what holds: the option, else the project's setting, else the default.

    Raises:
        pytest.UsageError: A setting is wrong.
    """
    config.stash[_examples] = _settled(config, "dezero_examples", examples, EXAMPLES)
    config.stash[_seed] = _settled(config, "dezero_seed", seed, SEED)
    told: dict[str, int] = getattr(config, "workerinput", {})  # by pytest_configure_node
    config.stash[_seed] = told.get(_SEED_TOLD, config.stash[_seed])


class Worker(Protocol):
    """What pytest-xdist knows of a worker, as far as it matters here."""

    config: pytest.Config
    workerinput: dict[str, int]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Worker) -> None:
    """Tells a worker of pytest-xdist the seed: a random one shall be the same for all."""
    node.workerinput[_SEED_TOLD] = node.config.stash[_seed]


def pytest_report_header(config: pytest.Config) -> str | None:
    """What the options or the project's settings ask for; nothing if they do not."""
    if not any(_written(config, name) for name in ("dezero_examples", "dezero_seed")):
        return None
    return f"dezero: {_options(config.stash[_seed], config.stash[_examples])}"


@pytest.fixture
def dezero_check(request: pytest.FixtureRequest) -> Check:
    """Checks a derivative: `dezero.verify.check`, with the options of this run.

    The test fails if a law is broken, or if too much could not be decided; the text says how to see the
    same again. What is given by keyword goes before the options.
    """
    try:
        from dezero.verify import TargetError, check
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("hypothesis", "flint"):
            raise
        pytest.fail(
            f"dezero_check needs {error.name}, which is not installed; "
            "install it with: pip install '.[verify]' in a checkout",
            pytrace=False,
        )

    def checked(
        target: Target | type[Function],
        *domains: Given,
        examples: int | None = None,
        seed: int | None = None,
        laws: Sequence[str] | None = None,
    ) -> Tally:
        __tracebackhide__ = True  # so pytest shows the line of the test
        n = request.config.stash[_examples] if examples is None else examples
        s = request.config.stash[_seed] if seed is None else seed
        try:
            return check(target, *domains, examples=n, seed=s, laws=laws)
        except TargetError as error:
            raise TargetError(str(error)) from None
        except AssertionError as error:
            again = f"pytest {shlex.quote(_test_from_here(request))} {_options(s, n)}"
            raise AssertionError(f"{error}\n\nSeed {s}. To see it again:\n  {again}") from None

    return checked


def _test_from_here(request: pytest.FixtureRequest) -> str:
    """The test, by a path from where pytest was called, not from the root of the project."""
    config = request.config
    path, *parts = request.node.nodeid.split("::")
    return "::".join([os.path.relpath(config.rootpath / path, config.invocation_params.dir), *parts])


def _written(config: pytest.Config, name: str) -> str:
    """What an option, or else a setting, says; nothing if there is neither."""
    return str(config.getoption(name) or config.getini(name)).strip()


def _settled(config: pytest.Config, name: str, meant: Callable[[str], int], default: int) -> int:
    """What an option or a setting means."""
    text = _written(config, name)
    try:
        return meant(text) if text else default
    except ValueError as error:
        raise pytest.UsageError(f"{name}: {error}") from None


def _options(seed: int, examples: int) -> str:
    """The options that ask for the same inputs."""
    return f"--dezero-seed {seed} --dezero-examples {examples}"
