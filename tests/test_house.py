"""The house: who may import whom, and what `import dezero` loads."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "dezero"

FLOORS: tuple[frozenset[str], ...] = tuple(
    frozenset(floor.split())
    for floor in (
        # From the ground up. A module imports from the floors below its own, and from its own floor.
        "config contract",
        "arrays core_simple",
        "namespace",
        "graph",
        "operation",
        "core",
        "functions_elementwise functions_array",
        "functions_conv functions_nn",
        "functions",
        "cuda pictures utils transforms numpy_functions",
        "archives",
        "datasets dataloaders optimizers layers",
        "models",
        "dezero",  # the package itself re-exports what stands below
        # The kit stands on the library; nothing below imports it.
        "verify.program verify.balls verify.catalogue verify.schemas verify.outcomes",
        "verify.reference verify.diagrams verify.comparison",
        "verify.reference_nn verify.reference_conv",
        "verify.evaluation",
        "verify.oracles verify.rewrites verify.engines verify.protocol",  # verify.engines: what one is
        "verify.engines.*",  # the engines themselves
        "verify.magnitude",
        "verify.trial",
        "verify.lifetimes verify.standing verify.serve",
        "verify.engines.opaque verify.engines.port",  # they bring their trials
        "verify.engines.peers",  # what one is
        "verify.engines.peers.*",
        "verify.laws verify.known",
        "verify.attributes verify.decoding verify.specification",
        "verify.claims verify.coverage verify.strategies verify.planting verify.decoded",
        "verify.proofs",  # what a proof is
        "verify.faulty_engine verify.faulty_rules",
        "verify.faults",
        "verify.proofs.*",  # the ways to prove
        "verify.campaign verify.corpus verify.tracing",
        "verify.smoke verify.target verify.report verify.drawing verify.strength",
        "verify.strength_report verify.stretches verify.workers verify.pages verify.databases",
        "verify.html_report verify.scoreboard",
        "verify",
        "verify.cli.arguments",
        "verify.cli.*",
        "verify.cli",
        "__main__",
    )
)
"""Modules by floor; not all need exist. What stands in a package stands on the floor of the package, or
on that of ``package.*`` if there is one."""

MAY_IMPORT_ON_CALL = {"cuda", "datasets", "layers", "models", "pictures", "transforms", "utils"}
"""Modules with functions that need what `import dezero` shall not wait for, or may do without."""

MAY_IMPORT_HYPOTHESIS = {
    "verify.strategies",
    "verify.drawing",
    "verify.campaign",
    "verify.databases",
}


def module_name(path: Path) -> str:
    """``dezero/verify/laws.py`` is ``verify.laws``; the package itself is ``dezero``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "dezero"


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def floor_of(module: str) -> int | None:
    """The floor of a module, else of its package; each file of the kit needs one of its own."""
    package = module.rpartition(".")[0]
    for name in (module, f"{package}.*", package if package != "verify" else ""):
        for height, floor in enumerate(FLOORS):
            if name in floor:
                return height
    return None


def imported(source: str, module: str, package: bool = False) -> list[tuple[int, str]]:
    """All that a module imports, by line: also in functions, also for type checkers only."""
    found: list[tuple[int, str]] = []
    here = ["dezero", *([] if module == "dezero" else module.split("."))]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = here[: len(here) - node.level + package]
                base = ".".join([*parents, *([base] if base else [])])
            found += [(node.lineno, f"{base}.{alias.name}") for alias in node.names]
    return found


def of_dezero(name: str, modules: Iterable[str]) -> str | None:
    """The module of ours that a dotted name belongs to; None if it is not ours."""
    if name.split(".")[0] != "dezero":
        return None
    inner = name.partition(".")[2]
    while inner:
        if inner in modules:
            return inner
        inner = inner.rpartition(".")[0]
    return "dezero"


def upward(module: str, source: str, modules: Iterable[str], package: bool = False) -> list[str]:
    """The imports of a module that do not go down."""
    height = floor_of(module)
    assert height is not None, f"{module} has no floor: give it one in FLOORS"
    wrong: list[str] = []
    for line, name in imported(source, module, package):
        target = of_dezero(name, modules)
        if target is None or target == module:
            continue
        below = floor_of(target)
        if below is None or below > height:
            wrong.append(f"{module}:{line} imports {name}, which stands above it")
    return wrong


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module: str) -> None:
    path = MODULES[module]
    wrong = upward(module, path.read_text("utf-8"), MODULES, path.name == "__init__.py")
    assert not wrong, "\n".join(wrong)


def test_the_file_map_has_every_module() -> None:
    """A name in it is a file's, beside those in its row, or a folder's."""
    named: set[str] = set()
    for row in (ROOT / "CONTRIBUTING.md").read_text("utf-8").splitlines():
        paths = (
            re.findall(r"`([\w/]+(?:\.py|/))`", row.split(" | ")[0]) if row.startswith("| `") else []
        )
        folder = Path(paths[0]).parent if paths else Path()
        named.update(str(folder / Path(path).name) for path in paths)
    assert all((ROOT / name).exists() for name in named)
    inits = ("__init__.py", "__main__.py")
    modules = [path.relative_to(ROOT) for path in PACKAGE.rglob("*.py") if path.name not in inits]
    assert not [str(m) for m in modules if not named & {str(m), *map(str, m.parents)}]


def test_each_module_has_one_floor() -> None:
    names = [name for floor in FLOORS for name in floor]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("module", MODULES)
def test_only_the_generators_import_hypothesis(module: str) -> None:
    names = [name for _, name in imported(MODULES[module].read_text("utf-8"), module)]
    uses = [name for name in names if name.split(".")[0] == "hypothesis"]
    assert not uses or module in MAY_IMPORT_HYPOTHESIS


@pytest.mark.parametrize("module", [m for m in MODULES if not m.startswith("verify")])
def test_the_library_imports_numpy_only(module: str) -> None:
    path = MODULES[module]
    names = imported(path.read_text("utf-8"), module, path.name == "__init__.py")
    packages = {name.split(".")[0] for _, name in names}
    on_call = {"importlib"} - ({"importlib"} if module in MAY_IMPORT_ON_CALL else set())
    assert packages <= {*sys.stdlib_module_names, "numpy", "dezero"} - on_call


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("graph", "from dezero.core import Add\n"),
        ("graph", "def f() -> None:\n    import dezero.functions\n"),
        ("graph", "if TYPE_CHECKING:\n    from dezero import operation\n"),
        ("graph", "from . import operation\n"),
        ("graph", "from .functions import exp\n"),
        ("graph", "from dezero import Variable\n"),
        ("functions", "from dezero.verify.oracles import root\n"),
        ("config", "import dezero.verify\n"),
        ("verify.oracles", "from dezero.verify.cli import main\n"),
        ("verify.program", "from .reference import apply\n"),
        ("verify.oracles", "from dezero.verify.engines.dezero import DezeroEngine\n"),
    ],
)
def test_an_upward_import_is_found(module: str, source: str) -> None:
    known = {*MODULES, "verify.cli"}
    assert upward(module, source, known)


def test_an_import_that_goes_down_is_none() -> None:
    source = (
        "import numpy\nfrom dezero import arrays\nfrom dezero.graph import T\nfrom .core import Add\n"
    )
    assert upward("functions", source, MODULES) == []


PRINT_WHAT_IS_LOADED = "import sys, dezero; print(*sorted(sys.modules))"


def test_import_dezero_loads_numpy_only() -> None:
    run = [sys.executable, "-W", "error", "-c"]
    before = subprocess.run(
        [*run, "import sys, numpy; print(*sys.modules)"], cwd=ROOT, capture_output=True
    )
    after = subprocess.run([*run, PRINT_WHAT_IS_LOADED], cwd=ROOT, capture_output=True)
    assert after.returncode == 0, after.stderr.decode()
    loaded = set(after.stdout.decode().split()) - set(before.stdout.decode().split())
    assert "dezero.graph" in loaded
    assert not [name for name in loaded if name.startswith("dezero.verify")]
    foreign = (
        {name.split(".")[0] for name in loaded} - set(sys.stdlib_module_names) - {"numpy", "dezero"}
    )
    assert not foreign
