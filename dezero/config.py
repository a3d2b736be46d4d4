"""Two switches, local to the thread and to the async task: is a graph recorded, is this training?

``Config.enable_backprop`` and ``Config.train`` read and assign as class attributes; a region of
``using_config``, ``no_grad`` or ``test_mode`` changes one, and restores it however it ends.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import ContextDecorator
from contextvars import ContextVar
from types import FrameType
from typing import Never, TypeAlias, TypeVar
from weakref import ref

import numpy as np

# How a region knows where it holds.  A ContextVar alone would leak out of a suspended generator,
# because a generator shares the context of whoever consumes it.  So a region belongs to the
# innermost frame around its ``with`` that can be suspended, and holds while that frame executes:
# only then has the frame an ``f_back``.  A generator that contextlib drives is no owner: whoever
# writes ``with quiet():`` means *that* block.  The ContextVar refers to regions weakly; their owner
# is the object in the ``with`` statement.  So what has ended, in whatever order, thread or task,
# has ended in every copy of the context, and an abandoned generator leaves nothing behind.

_SUSPENDABLE = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_CONTEXTLIB = inspect.getfile(ContextDecorator)
_RUN_LATER = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)


def _owner(frame: FrameType | None) -> FrameType | None:
    """The innermost frame, from this one outward, that can be suspended and is its own master."""
    while frame is not None:
        caller = frame.f_back
        if frame.f_code.co_flags & _SUSPENDABLE and not any(
            f is not None and f.f_code.co_filename == _CONTEXTLIB for f in (frame, caller)
        ):
            return frame
        frame = caller
    return None


class _Region:
    """One ``with`` block, from its beginning to its end."""

    __slots__ = ("__weakref__", "owner")

    def __init__(self, owner: FrameType | None) -> None:
        self.owner = owner

    def holds(self) -> bool:
        return self.owner is None or self.owner.f_back is not None


_Entry: TypeAlias = tuple[bool, ref[_Region] | None]  # a value and where it holds; None: everywhere


def _innermost(entries: tuple[_Entry, ...]) -> int:
    """The index of the entry that holds here and now, or -1."""
    for i in range(len(entries) - 1, -1, -1):
        place = entries[i][1]
        if place is None or ((region := place()) is not None and region.holds()):
            return i
    return -1


class _Switch:
    """An attribute of ``Config``, on by default."""

    def __init__(self, name: str) -> None:
        self.entries: ContextVar[tuple[_Entry, ...]] = ContextVar(name, default=())

    def __get__(self, config: object, kind: type) -> bool:
        entries = self.entries.get()
        return not entries or (i := _innermost(entries)) < 0 or entries[i][0]

    def __set__(self, config: object, value: bool) -> None:
        """Change the value for the region that holds or, outside of regions, from here on."""
        value = _boolean(self.entries.name, value)
        entries = self.entries.get()
        i = _innermost(entries)
        place = entries[i][1] if i >= 0 else None
        self.entries.set((*entries[: max(i, 0)], (value, place), *entries[i + 1 :]))


_SWITCHES = {name: _Switch(name) for name in ("enable_backprop", "train")}
_ENTRIES = _SWITCHES["enable_backprop"].entries


def recording() -> bool:
    """Whether operations record the graph here: ``Config.enable_backprop``, as fast as can be."""
    entries = _ENTRIES.get()
    return not entries or (i := _innermost(entries)) < 0 or entries[i][0]


def _boolean(name: str, value: object) -> bool:
    """``value``, if it is true or false by itself: also ``"False"`` would count as true."""
    if type(value) not in (bool, np.bool_):
        raise TypeError(f"Config.{name} is set to {value!r}; expected True or False")
    return bool(value)


def _switch(name: str) -> _Switch:
    if name not in _SWITCHES:
        raise AttributeError(f"Config has no {name!r}; it has {' and '.join(map(repr, _SWITCHES))}")
    return _SWITCHES[name]


class _Config(type):
    enable_backprop: _Switch = _SWITCHES["enable_backprop"]
    train: _Switch = _SWITCHES["train"]

    def __setattr__(cls, name: str, value: Never) -> None:  # Never: a type checker refuses the rest
        _switch(name).__set__(cls, value)

    def __repr__(cls) -> str:
        return f"Config(enable_backprop={cls.enable_backprop}, train={cls.train})"


class Config(metaclass=_Config):
    """The switches ``Config.enable_backprop`` and ``Config.train``, both True by default.

    An assignment counts in this thread and async task only, and inside a region until its end.

    Raises:
        AttributeError: At an assignment: there is no such switch.
        TypeError: At an assignment: the value is no bool. Or Config is called: it has no instances.
    """

    def __init__(self) -> None:
        raise TypeError("Config has no instances; assign to Config.train or Config.enable_backprop")


_F = TypeVar("_F", bound=Callable[..., object])


class using_config(ContextDecorator):
    """A region in which ``Config.<name>`` is ``value``; also a decorator of plain functions.

    It may be nested, used again, and held by an ``ExitStack``.  It does not hold while the
    generator or coroutine around it is suspended, hence not in a task that starts meanwhile.  Only
    generators driven by contextlib lend a region to their caller: one in a pytest fixture that
    yields does not reach the test.  A generator that moves to another thread or task leaves its
    region behind.

    Raises:
        AttributeError: ``Config`` has no such name.
        TypeError: ``value`` is no bool; or what is decorated runs after the call, as a generator does.
    """

    def __init__(self, name: str, value: bool) -> None:
        self._entries = _switch(name).entries
        self._value = _boolean(name, value)
        self._regions: list[_Region] = []

    def __enter__(self) -> None:
        region = _Region(_owner(inspect.currentframe()))
        self._regions.append(region)
        self._entries.set((*self._entries.get(), (self._value, ref(region))))

    def __exit__(self, *_: object) -> None:
        # One object may have opened several regions: end the latest of this frame, in this context.
        owner = _owner(inspect.currentframe())
        here = [place and place() for _, place in self._entries.get()]
        ends = max(self._regions[::-1], key=lambda region: (region.owner is owner, region in here))
        self._regions.remove(ends)
        still_open = [e for e in self._entries.get() if e[1] is None or e[1]() not in (None, ends)]
        self._entries.set(tuple(still_open))

    def __call__(self, func: _F) -> _F:
        """Make the region around every call of a function."""
        if any(runs(f) for f in (func, type(func).__call__) for runs in _RUN_LATER):
            raise TypeError(f"{self!r} cannot decorate {func!r}, whose body runs after the call")
        return super().__call__(func)

    def __repr__(self) -> str:
        return f"using_config({self._entries.name!r}, {self._value})"


def no_grad() -> using_config:
    """A region in which no graph is recorded."""
    return using_config("enable_backprop", False)


def test_mode() -> using_config:
    """A region in which layers behave as in use, not as in training."""
    return using_config("train", False)
