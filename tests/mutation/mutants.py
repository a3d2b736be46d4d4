"""The mutants of a source: what mutmut's operators make of its syntax tree, one change at a time.

mutmut's own runner changes the bodies of undecorated functions only. Here its operators are asked at
every node of a module, so that properties, class bodies and what a class statement says of an operation
(``saves="ab"``) are changed too. Left alone is what never runs: annotations, which are not evaluated
here, what only checkers read (`TypeAlias`, the type in a `cast`, the name of a `TypeVar`), docstrings;
and ``__all__``, of which ruff says whether each name exists.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import libcst as cst
from libcst import matchers as m
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

LEFT_ALONE = (
    m.Annotation()
    | m.AnnAssign(annotation=m.Annotation(m.Name("TypeAlias")))
    | m.Assign(value=m.Call(func=m.Name("TypeVar")))
    | m.Assign(targets=[m.AssignTarget(m.Name("__all__"))])
)

Operator = Callable[[cst.CSTNode], Iterable[cst.CSTNode]]


@dataclass(frozen=True)
class Mutant:
    """A source with one change.

    Attributes:
        path: Of the source, in the project.
        line: Where the change begins.
        where: The dotted name of the innermost class or function around it; empty for the module.
        old: The text that is changed, on one line.
        new: What takes its place.
        nth: Counts from 0 the same changes in the same place.
        around: A hash of the unchanged text around it: of the outermost function, else of the innermost
            class, else of the statement of the module.
        make: The whole text of the changed source.
    """

    path: str
    line: int
    where: str
    old: str
    new: str
    nth: int
    around: str
    make: Callable[[], str]

    @property
    def key(self) -> str:
        """What names it for as long as the text around it stays: no line number is in it.

        A verdict of a function that was changed since says nothing of the function as it is.
        """
        return _hash("\0".join((self.path, self.where, self.old, self.new, str(self.nth), self.around)))


def mutants(path: str, source: str) -> list[Mutant]:
    """All mutants of a source, in the order of its lines."""
    wrapper = MetadataWrapper(cst.parse_module(source), unsafe_skip_copy=True)
    finder = _Finder(wrapper.module)
    wrapper.visit(finder)
    counted: Counter[tuple[str, str, str]] = Counter()
    found: list[Mutant] = []
    for line, where, around, node, changed in finder.found:
        told = (where, _one_line(wrapper.module, node), _one_line(wrapper.module, changed))
        make = _maker(wrapper.module, node, changed)
        found.append(Mutant(path, line, *told, counted[told], around, make))
        counted[told] += 1
    return sorted(found, key=lambda mutant: mutant.line)


def _maker(module: cst.Module, node: cst.CSTNode, changed: cst.CSTNode) -> Callable[[], str]:
    def make() -> str:
        replaced = module.deep_replace(node, changed)
        assert isinstance(replaced, cst.Module), "a module stays one"
        return replaced.code

    return make


def _one_line(module: cst.Module, node: cst.CSTNode) -> str:
    return re.sub(r"\s+", " ", module.code_for_node(node)).strip()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class _Finder(cst.CSTVisitor):
    """Asks the operators at each node; knows the classes and functions around it."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, module: cst.Module) -> None:
        super().__init__()
        self.found: list[tuple[int, str, str, cst.CSTNode, cst.CSTNode]] = []
        self._module = module
        self._names: list[str] = []
        self._texts: list[tuple[cst.CSTNode, str]] = []
        self._line = 1
        self._alone: set[cst.CSTNode] = set()

    def on_visit(self, node: cst.CSTNode) -> bool:
        if node in self._alone or m.matches(node, LEFT_ALONE):
            return False
        if isinstance(node, cst.Call) and m.matches(node.func, m.Name("cast")):
            self._alone.add(node.args[0])
            return True
        # What has no place of its own, as an operator, stands where the node around it does.
        place = self.get_metadata(PositionProvider, node, None)
        if place is not None:
            self._line = place.start.line
        if self._is_told_of(node):
            alone = node.with_changes(leading_lines=())  # what stands above belongs to no text
            self._texts.append((node, _hash(self._module.code_for_node(alone))))
        place_of = ".".join(self._names), self._texts[-1][1] if self._texts else ""
        self.found += [(self._line, *place_of, node, new) for new in _changed(node)]
        if isinstance(node, (cst.ClassDef, cst.FunctionDef)):
            self._names.append(node.name.value)
        return True

    def _is_told_of(self, node: cst.CSTNode) -> bool:
        """Whether the text of a node is the one that names the mutants in it."""
        if not self._texts:
            return isinstance(node, (cst.SimpleStatementLine, cst.BaseCompoundStatement))
        return isinstance(self._texts[-1][0], cst.ClassDef) and isinstance(
            node, (cst.ClassDef, cst.FunctionDef)
        )

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, (cst.ClassDef, cst.FunctionDef)):
            self._names.pop()
        if self._texts and self._texts[-1][0] is original_node:
            self._texts.pop()


def _changed(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    for kind, operator in mutation_operators:
        if isinstance(node, kind):
            yield from operator(node)
