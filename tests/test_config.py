"""Where the switches of ``Config`` hold, and that nothing of a region is left behind."""

from __future__ import annotations

import asyncio
import gc
import re
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from contextvars import copy_context
from functools import partial
from typing import Any, TypeAlias, TypeVar

import numpy as np
import pytest

from dezero.config import Config, no_grad, recording, using_config
from dezero.config import test_mode as in_use  # pytest would collect it under its own name

T = TypeVar("T")
Block: TypeAlias = AbstractContextManager[None]


def in_new_thread(f: Callable[[], T]) -> T:
    results: list[T] = []
    thread = threading.Thread(target=lambda: results.append(f()))
    thread.start()
    thread.join()
    return results[0]


def apart(f: Callable[[], None]) -> None:
    """Run a test that assigns in a context of its own."""
    copy_context().run(f)


def switches() -> tuple[bool, bool]:
    return Config.enable_backprop, Config.train


class Local:
    """Something that can be referred to weakly."""


@contextmanager
def quiet() -> Generator[None]:
    with no_grad():
        yield


@contextmanager
def very_quiet() -> Generator[None]:
    with quiet(), in_use():
        yield


@asynccontextmanager
async def quiet_later() -> AsyncGenerator[None]:
    await asyncio.sleep(0)
    with no_grad():
        yield


def half_quiet() -> Iterator[bool]:
    with no_grad():
        yield recording()
        yield recording()
    yield recording()


# --- The switches -------------------------------------------------------------------------------


def test_defaults() -> None:
    assert recording()
    assert Config.enable_backprop is True
    assert Config.train is True


def test_each_region_changes_its_own_switch() -> None:
    with no_grad():
        assert (recording(), Config.enable_backprop, Config.train) == (False, False, True)
    with in_use():
        assert (recording(), Config.enable_backprop, Config.train) == (True, True, False)
    with using_config("train", False):
        assert Config.train is False
    assert (recording(), Config.train) == (True, True)


def test_the_innermost_region_counts() -> None:
    with no_grad():
        with using_config("enable_backprop", True):
            assert recording()
        assert not recording()
    assert recording()


def test_an_exception_restores_and_passes() -> None:
    with pytest.raises(ZeroDivisionError), no_grad():
        _ = 1 / int(recording())
    assert recording()


def test_assignment() -> None:
    def program() -> None:
        Config.train = False
        Config.enable_backprop = False
        assert (recording(), *switches()) == (False, False, False)
        with using_config("train", True):
            assert switches() == (False, True)
        assert switches() == (False, False)
        Config.train = True
        assert switches() == (False, True)

    apart(program)


def test_an_assignment_in_a_region_ends_with_it() -> None:
    def program() -> None:
        with using_config("enable_backprop", True):
            with no_grad():
                Config.enable_backprop = True
                assert recording()
                Config.enable_backprop = False
                assert not recording()
            assert recording()
            Config.enable_backprop = False
        assert recording()

    apart(program)


def test_an_assignment_beside_a_suspended_region_leaves_it_alone() -> None:
    def program() -> None:
        with_region = half_quiet()
        next(with_region)
        Config.enable_backprop = False
        Config.enable_backprop = True
        assert recording()
        assert not next(with_region)
        assert recording()

    apart(program)


def test_an_unknown_name_says_which_exist() -> None:
    message = "Config has no 'enable_backporp'; it has 'enable_backprop' and 'train'"
    with pytest.raises(AttributeError, match=message):
        using_config("enable_backporp", False)
    with pytest.raises(AttributeError, match=message):
        setattr(Config, "enable_backporp", False)  # noqa: B010 - a type checker refuses the plain one
    assert recording()


@pytest.mark.parametrize("value", ["False", 0, None, np.array([True, False])])
def test_a_value_that_is_no_bool(value: Any) -> None:
    message = re.escape(f"Config.train is set to {value!r}; expected True or False")
    with pytest.raises(TypeError, match=message):
        using_config("train", value)
    with pytest.raises(TypeError, match=message):
        setattr(Config, "train", value)  # noqa: B010 - a type checker refuses the plain one
    assert Config.train


def test_a_bool_of_numpy() -> None:
    value: Any = np.float64(1.0) > 2
    with using_config("train", value):
        assert Config.train is False


def test_there_are_no_instances() -> None:
    with pytest.raises(TypeError, match=r"^Config has no instances; assign to Config\.train or"):
        Config()


def test_repr() -> None:
    assert repr(no_grad()) == "using_config('enable_backprop', False)"
    with in_use():
        assert repr(Config) == "Config(enable_backprop=True, train=False)"


# --- One object, several regions ----------------------------------------------------------------


def test_one_object_can_be_used_again_and_nested() -> None:
    region = no_grad()
    for _ in range(2):
        with region:
            with region:
                assert not recording()
            assert not recording()
        assert recording()


def test_the_inner_region_of_one_object_ends_first() -> None:
    region = no_grad()
    with region:
        with region:
            Config.enable_backprop = True
            assert recording()
        assert not recording()


def test_one_object_in_two_contexts() -> None:
    region, other = no_grad(), copy_context()
    with region:
        other.run(region.__enter__)
    assert recording()
    assert not other.run(recording)
    other.run(region.__exit__)
    assert other.run(recording)


def test_a_region_that_has_ended_has_ended_in_every_copy_of_the_context() -> None:
    region = no_grad()
    with region:
        copied = copy_context()
        assert not copied.run(recording)
    assert copied.run(recording)


def test_as_a_decorator() -> None:
    @no_grad()
    def depth(n: int) -> list[bool]:
        return [recording(), *(depth(n - 1) if n else [])]

    assert depth(2) == [False] * 3
    assert recording()


def test_a_decorator_of_a_generator_or_coroutine_would_do_nothing_and_is_refused() -> None:
    async def coroutine() -> None: ...

    async def stream() -> AsyncIterator[int]:
        yield 1

    class Half:
        def __call__(self) -> Iterator[bool]:
            yield recording()

        def method(self) -> Iterator[bool]:
            yield recording()

    later = (half_quiet, coroutine, stream, partial(half_quiet), Half(), Half().method)
    for function in later:
        with pytest.raises(TypeError, match="whose body runs after the call"):
            no_grad()(function)


def test_one_object_in_interleaved_generators() -> None:
    region = no_grad()

    def g() -> Iterator[bool]:
        with region:
            yield recording()
            yield recording()
        yield recording()
        yield recording()

    first, second = g(), g()
    assert [next(first), next(second)] == [False, False]
    assert [next(first), next(first)] == [False, True]  # the first leaves, not the second
    assert not next(second)
    assert recording()
    assert [next(first), next(second)] == [True, True]
    assert recording()


def test_one_object_in_a_generator_and_its_consumer() -> None:
    region = no_grad()

    def g() -> Iterator[None]:
        with region:
            yield

    with region:
        generator = g()
        next(generator)
        del generator  # ends its own region, not the consumer's
        assert not recording()
    assert recording()


# --- Generators -----------------------------------------------------------------------------------


def test_a_suspended_generator_does_not_leak() -> None:
    generator = half_quiet()
    assert not next(generator)
    assert recording()
    assert not next(generator)
    assert recording()
    assert next(generator)


def test_interleaved_generators_leave_in_any_order() -> None:
    first, second = half_quiet(), half_quiet()
    assert [next(first), next(second), next(first)] == [False] * 3
    assert next(first)
    assert not next(second)
    assert recording()
    assert next(second)


def test_a_region_of_the_consumer_holds_in_the_generator_while_it_consumes() -> None:
    def g() -> Iterator[bool]:
        while True:
            yield recording()

    generator = g()
    assert next(generator)
    with no_grad():
        assert not next(generator)
    assert next(generator)


def test_a_region_holds_in_what_the_generator_calls_and_delegates_to() -> None:
    def inner() -> Iterator[bool]:
        yield recording()
        yield (lambda: recording())()

    def outer() -> Iterator[bool]:
        with no_grad():
            yield from inner()

    generator = outer()
    assert not next(generator)
    assert recording()
    assert not next(generator)


def test_a_class_that_wraps_a_region_leaks_neither() -> None:
    class Quiet:
        def __enter__(self) -> None:
            self.region = no_grad()
            self.region.__enter__()

        def __exit__(self, *_: object) -> None:
            self.region.__exit__()

    def g() -> Iterator[bool]:
        with Quiet():
            yield recording()
        yield recording()

    generator = g()
    assert not next(generator)
    assert recording()
    assert next(generator)


@pytest.mark.parametrize("enter", [no_grad, quiet, very_quiet])
def test_an_abandoned_generator_leaves_nothing_behind(
    enter: Callable[[], Block],
) -> None:
    def g(local: Local) -> Iterator[int]:
        with enter():
            yield 1
            yield id(local)

    gc.disable()
    try:
        local = Local()
        alive = weakref.ref(local)
        generator = g(local)
        next(generator)
        elsewhere = copy_context()  # keeps the entries as they are now
        del generator, local
        assert alive() is None
        assert elsewhere.run(recording)
        assert recording()
    finally:
        gc.enable()


def test_a_generator_closed_in_another_thread_leaves_nothing_behind() -> None:
    generators = [half_quiet()]
    next(generators[0])
    in_new_thread(generators.clear)
    assert recording()
    with no_grad():
        assert not recording()
    assert recording()
    assert [entries for var, entries in copy_context().items() if var.name == "enable_backprop"] == [()]


# --- contextlib -----------------------------------------------------------------------------------


@pytest.mark.parametrize("enter", [quiet, very_quiet])
def test_a_context_manager_lends_its_region_to_the_block(
    enter: Callable[[], Block],
) -> None:
    with enter():
        assert not recording()
        with enter():
            assert not recording()
        assert not recording()
    assert recording()
    assert Config.train


def test_a_context_manager_in_a_generator_does_not_leak() -> None:
    def g() -> Iterator[bool]:
        with very_quiet():
            yield recording()
            yield recording()
        yield recording()

    generator = g()
    assert not next(generator)
    assert recording()
    assert Config.train
    assert not next(generator)
    assert next(generator)


def test_an_exit_stack_holds_its_regions_until_it_closes() -> None:
    with ExitStack() as stack:
        stack.enter_context(no_grad())
        stack.enter_context(very_quiet())
        assert (recording(), Config.train) == (False, False)
        rest = stack.pop_all()
    assert not recording()
    rest.close()
    assert (recording(), Config.train) == (True, True)


def test_an_exit_stack_in_a_generator_does_not_leak() -> None:
    def g() -> Iterator[bool]:
        with ExitStack() as stack:
            stack.enter_context(no_grad())
            yield recording()
        yield recording()

    generator = g()
    assert not next(generator)
    assert recording()
    assert next(generator)


# --- Threads and tasks ----------------------------------------------------------------------------


def test_another_thread_sees_the_defaults() -> None:
    def program() -> None:
        Config.train = False
        with no_grad():
            assert in_new_thread(lambda: (recording(), Config.train)) == (True, True)
            in_new_thread(lambda: setattr(Config, "enable_backprop", True))
            assert not recording()

    apart(program)


def test_a_region_holds_across_await_in_its_own_task_alone() -> None:
    async def quiet_task(seen: list[bool]) -> None:
        with no_grad():
            for _ in range(3):
                await asyncio.sleep(0)
                seen.append(recording())
        Config.train = False

    async def plain_task(seen: list[bool]) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
            seen.append(recording() and Config.train)

    async def main() -> None:
        inside: list[bool] = []
        outside: list[bool] = []
        await asyncio.gather(quiet_task(inside), plain_task(outside), plain_task(outside))
        assert (inside, outside) == ([False] * 3, [True] * 10)
        assert Config.train

    asyncio.run(main())


def test_a_region_does_not_hold_in_a_task_begun_inside() -> None:
    async def child() -> bool:
        await asyncio.sleep(0)
        return recording()

    async def main() -> None:
        with no_grad():
            task = asyncio.create_task(child())
            assert await task
            assert not await child()  # not a task of its own: called from here
        later = asyncio.create_task(child())
        assert await later

    asyncio.run(main())
    with no_grad():
        asyncio.run(silent())


async def silent() -> None:
    await asyncio.sleep(0)
    assert not recording()


def test_asynchronous_context_managers_and_generators() -> None:
    async def stream() -> AsyncIterator[bool]:
        with no_grad():
            yield recording()
            await asyncio.sleep(0)
            yield recording()

    async def main() -> None:
        async with quiet_later():
            await asyncio.sleep(0)
            assert not recording()
        assert recording()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(quiet_later())
            assert not recording()
        assert recording()
        async for inside in stream():
            assert not inside
            assert recording()

    asyncio.run(main())
    assert recording()
