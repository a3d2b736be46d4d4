"""What Hypothesis calls when it is imported: `st.from_type(Variable)` shall know what to draw.

Hypothesis would guess from the annotations else, and draw None and arrays of texts. It wants the class
itself, which there is only once the library is loaded. To load it here would double the time of
``import hypothesis``, also for those who never use dezero: so it is waited for.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from dezero.graph import Variable


def register() -> None:
    """Registers what Variables are drawn from: now if the library is loaded, else when it is."""
    if "dezero" in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _Awaited())


def _register() -> None:
    from hypothesis import strategies as st

    from dezero.graph import Variable

    st.register_type_strategy(Variable, _variables)


def _variables(_: type[Variable]) -> SearchStrategy[Variable]:
    """Loads the kit, when the first Variable is to be drawn."""
    from dezero.verify import variables

    return variables()


class _Awaited(MetaPathFinder):
    """Steps aside when the library is imported, and registers when that is done."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "dezero":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            loader = spec.loader

            def execute_and_register(module: ModuleType) -> None:
                del vars(loader)["exec_module"]
                loader.exec_module(module)
                _register()

            vars(loader)["exec_module"] = execute_and_register
        return spec
