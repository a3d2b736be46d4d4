"""Pictures of graphs: DOT text for Graphviz, and a drawing of our own in SVG for where there is none.

The drawing is layered, as Sugiyama's: a rank for each vertex, an order within the ranks that crosses
few edges, then a position. See Gansner et al., "A technique for drawing directed graphs" (1993).
"""

from __future__ import annotations

import itertools
import math
import re
import reprlib
import unicodedata
from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, cast

from dezero.graph import Function, Node, Variable
from dezero.operation import Operation

LARGEST = 3000
"""How many variables and functions a drawing may have; DOT text may have any number."""

MOST_POINTS = 20_000
"""How many points our own drawing may have, the bends of long edges included: it takes some seconds."""

PATIENCE = 120.0
"""How many seconds Graphviz may take."""

Edge: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Vertex:
    """A variable, or the application of a function.

    Attributes:
        id: Its name in DOT: ``v0``, ``f1``, … in the order in which they are met from the output.
        is_function: Whether it is a function.
        label: What is written on it.
        details: What else there is to tell; shown when the mouse rests on it.
        kind: A class for style sheets, if it shall have one.
    """

    id: str
    is_function: bool
    label: str
    details: str
    kind: str = ""


class Picture:
    """What a variable was computed from, to look at. A notebook displays it.

    Attributes:
        vertices: Variables and functions, outputs first.
        edges: From inputs to functions to outputs: pairs of indices into ``vertices``.
    """

    def __init__(self, vertices: Sequence[Vertex], edges: Sequence[Edge]) -> None:
        self.vertices: Sequence[Vertex] = vertices
        self.edges = edges

    @classmethod
    def of(cls, output: Variable | Sequence[Variable], verbose: bool = True) -> Picture:
        """The picture of what led to ``output``. It does not keep the graph alive.

        Raises:
            TypeError: ``output`` is neither a Variable nor a sequence of them.
        """
        items: list[Node | Function] = list({root.node: None for root in _roots(output)})
        places = {item: i for i, item in enumerate(items)}
        edges: list[Edge] = []
        for item in items:  # which grows while it is read
            sources = item.input_nodes if isinstance(item, Function) else (item.creator,)
            for source in sources:
                if source is not None:
                    if source not in places:
                        places[source] = len(items)
                        items.append(source)
                    edges.append((places[source], places[item]))
        vertices = [
            _function_vertex(i, item)
            if isinstance(item, Function)
            else _variable_vertex(i, item, verbose)
            for i, item in enumerate(items)
        ]
        return cls(vertices, edges)

    @cached_property
    def dot(self) -> str:
        """The graph in DOT, the language of Graphviz."""
        lines = ["digraph g {"]
        for vertex in self.vertices:
            look = (
                "color=lightblue, style=filled, shape=box"
                if vertex.is_function
                else "color=orange, style=filled"
            )
            tooltip = f", tooltip={_quoted(vertex.details)}" if vertex.details else ""
            lines.append(f"{vertex.id} [label={_quoted(vertex.label)}, {look}{tooltip}]")
        ids = [vertex.id for vertex in self.vertices]
        lines += [f"{ids[i]} -> {ids[j]}" for i, j in self.edges]
        return "\n".join([*lines, "}", ""])

    @cached_property
    def mermaid(self) -> str:
        """The graph in the language of Mermaid, which sites draw that show Markdown."""
        lines = ["flowchart TD"]
        for vertex in self.vertices:
            left, right = ("[", "]") if vertex.is_function else ("([", "])")
            lines.append(f'  {vertex.id}{left}"{_entities(vertex.label)}"{right}')
        ids = [vertex.id for vertex in self.vertices]
        lines += [f"  {ids[i]} --> {ids[j]}" for i, j in self.edges]
        return "\n".join([*lines, ""])

    @cached_property
    def svg(self) -> str:
        """The picture in SVG: by Graphviz if that is installed, else drawn here. Raises as `render`."""
        return self.render("svg").decode()

    def render(self, kind: str) -> bytes:
        """The picture as the content of a file.

        Args:
            kind: ``"dot"``, ``"svg"``, ``"png"`` or ``"pdf"``.

        Raises:
            ValueError: There are more than `LARGEST` vertices to draw, or without Graphviz more than
                `MOST_POINTS` points.
            RuntimeError: PNG or PDF without Graphviz; or Graphviz failed.
        """
        if kind == "dot":
            return self.dot.encode()
        if len(self.vertices) > LARGEST:
            raise _too_large(f"{len(self.vertices)} variables and functions", LARGEST)
        import shutil  # here, and what else only a drawing needs: so `import dezero` is not slowed

        program = shutil.which("dot")
        if program is not None:
            return _graphviz(program, kind, self.dot)
        if kind == "svg":
            return Drawing(self.vertices, self.edges).svg().encode()
        raise RuntimeError(
            f"{kind.upper()} is drawn by Graphviz, whose program 'dot' is not installed; "
            "install Graphviz (https://graphviz.org), or write to a file that ends in .svg"
        )

    def _repr_svg_(self) -> str | None:
        try:
            return self.svg
        except ValueError:  # too large: for None a notebook falls back on repr()
            return None

    def __repr__(self) -> str:
        functions = sum(vertex.is_function for vertex in self.vertices)
        return f"<Picture of variables: {len(self.vertices) - functions}, functions: {functions}>"


def _too_large(what: str, limit: int) -> ValueError:
    return ValueError(
        f"a graph of {what} is too large to draw (the limit is {limit}); "
        "write it as text, to a file that ends in .dot"
    )


def _roots(output: object) -> list[Variable]:
    # A list of what, its items will tell.
    given = cast("Sequence[object]", output) if isinstance(output, (list, tuple)) else [output]
    roots = [root for root in given if isinstance(root, Variable)]
    if not roots or len(roots) < len(given):
        kinds = sorted({type(root).__name__ for root in given if not isinstance(root, Variable)})
        raise TypeError(
            "a picture is drawn of a Variable, or of a list of them, "
            f"not of {', '.join(kinds) or 'an empty list'}"
        )
    return roots


def _variable_vertex(i: int, node: Node, verbose: bool) -> Vertex:
    variable = node.living()
    name = variable.name if variable is not None else None
    # The cast tells the truth: the data of a variable that has been given none read None.
    empty = variable is not None and cast(object, variable.data) is None
    kind = "" if empty else f"{node.shape} {node.dtype}"
    label = ": ".join(part for part in (name, kind if verbose else "") if part)
    return Vertex(f"v{i}", False, _printable(label), "" if verbose else kind)


def _function_vertex(i: int, function: Function) -> Vertex:
    values = function.attributes if isinstance(function, Operation) else {}
    details = ", ".join(f"{name}={reprlib.repr(value)}" for name, value in values.items())
    return Vertex(f"f{i}", True, _printable(function.name), _printable(details))


def _printable(text: str) -> str:
    """Without the characters that XML has no place for."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    return re.sub("[^\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


def _quoted(text: str) -> str:
    """A string in DOT, where also entities such as ``&lt;`` have a meaning."""
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _entities(text: str) -> str:
    """A string in Mermaid, where markup and quotes have a meaning: what may have one is numbered."""
    text = re.sub(r"[^\w .,:=()+\n-]", lambda found: f"#{ord(found[0])};", text)
    return text.replace("\n", "<br>")


def _graphviz(program: str, kind: str, dot: str) -> bytes:
    import subprocess  # here, so that nobody waits for it who draws nothing

    try:
        run = subprocess.run(
            [program, f"-T{kind}"], input=dot.encode(), capture_output=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(
            f"Graphviz did not finish the picture in {PATIENCE:g} s; "
            "write it as text, to a file that ends in .dot"
        ) from None
    if run.returncode:
        raise RuntimeError(f"Graphviz failed: {run.stderr.decode(errors='replace').strip()}")
    return run.stdout


# -------------------------------------------------------------------------------------------- Drawing

LINE, CHARACTER = 16.0, 7.4  # the height of a line and the width of a character, for 13 px letters
LONGEST, MOST_LINES = 40, 4  # of what is written on a vertex; its tooltip has all
BETWEEN, GAP, MARGIN = 18.0, 34.0, 12.0  # between neighbours, between ranks, around the whole
SWEEPS = 12


class Drawing:
    """Where everything stands.

    A *point* is a vertex, or a place where an edge crosses a rank between its ends. The edges that
    leave a vertex share their points, as a trunk from which they branch off. A *segment* leads from a
    point to one of the next rank.

    Raises:
        ValueError: There are more than `MOST_POINTS` points.
    """

    def __init__(self, vertices: Sequence[Vertex], edges: Sequence[Edge]) -> None:
        self.vertices = vertices
        self.texts: list[list[str]] = [_lines(vertex.label) for vertex in vertices]
        self.rank: list[int] = _ranks(len(vertices), edges)
        self.segments: list[Edge] = self._segments(edges)
        n = len(self.rank)
        self.above: list[list[int]] = [[] for _ in range(n)]
        self.below: list[list[int]] = [[] for _ in range(n)]
        for p, q in self.segments:
            self.above[q].append(p)
            self.below[p].append(q)
        self.half: list[tuple[float, float]] = [self._half_size(p) for p in range(n)]
        self.layers: list[list[int]] = [[] for _ in range(max(self.rank) + 1)]
        for p, r in enumerate(self.rank):
            self.layers[r].append(p)
        self._order()
        self.x: list[float] = self._positions()
        self.bands: list[tuple[float, float]] = self._bands()
        self.slope: list[float] = [self._slope(p) for p in range(n)]

    def _segments(self, edges: Sequence[Edge]) -> list[Edge]:
        consumers: defaultdict[int, list[int]] = defaultdict(list)
        for i, j in edges:
            consumers[i].append(j)
        segments: list[Edge] = []
        for i, js in sorted(consumers.items()):
            js.sort(key=self.rank.__getitem__)
            point = i
            for j in js:
                while self.rank[point] < self.rank[j] - 1:
                    segments.append((point, len(self.rank)))
                    self.rank.append(self.rank[point] + 1)
                    point = len(self.rank) - 1
                if len(self.rank) > MOST_POINTS:
                    vertices = f"{len(self.vertices)} variables and functions"
                    raise _too_large(f"{vertices}, and with the bends of edges more,", MOST_POINTS)
                segments.append((point, j))
        return segments

    def _half_size(self, p: int) -> tuple[float, float]:
        if not self.is_vertex(p):
            return 0.0, 0.0
        lines = self.texts[p]
        width = max((_width(line) for line in lines), default=0.0)
        height = LINE * len(lines)
        if self.vertices[p].is_function:
            return max(width + 20, 10.0 * (len(self.above[p]) + 1)) / 2, (height + 12) / 2
        b = height / 2 + 9  # an ellipse around the text
        return max(width / 2 / math.sqrt(1 - (height / 2 / b) ** 2) + 9, b), b

    def is_vertex(self, p: int) -> bool:
        return p < len(self.vertices)

    def _order(self) -> None:
        """Order the layers by the means of their neighbours' places, to and fro; keep the best."""
        best, fewest, last = self.layers, self.crossings(self.layers), 0
        layers = self.layers
        for sweep in range(2 * SWEEPS):
            if not fewest or sweep - last > 4:
                break
            down = sweep % 2 == 0
            neighbours = self.above if down else self.below
            layers = [list(layer) for layer in layers]
            for r in range(1, len(layers)) if down else range(len(layers) - 2, -1, -1):
                fixed = {p: i for i, p in enumerate(layers[r - 1 if down else r + 1])}
                mean = {
                    p: sum(fixed[q] for q in neighbours[p]) / len(neighbours[p]) if neighbours[p] else i
                    for i, p in enumerate(layers[r])
                }
                layers[r].sort(key=mean.__getitem__)
            crossings = self.crossings(layers)
            if crossings < fewest:
                best, fewest, last = layers, crossings, sweep
        self.layers = best

    def crossings(self, layers: list[list[int]]) -> int:
        """How often segments cross if the layers are in this order."""
        place = {p: i for layer in layers for i, p in enumerate(layer)}
        count = 0
        for layer in layers:
            ends: list[int] = []  # of the segments that start further left
            for p in layer:
                starts = sorted(place[q] for q in self.below[p])
                count += sum(len(ends) - bisect_right(ends, end) for end in starts)
                for end in starts:
                    insort(ends, end)
        return count

    def _positions(self) -> list[float]:
        """Each point as near to its neighbours as those beside it allow."""
        x = [0.0] * len(self.rank)
        offsets: list[list[float]] = []
        for layer in self.layers:
            steps = [self.half[p][0] + self.half[q][0] + BETWEEN for p, q in itertools.pairwise(layer)]
            offsets.append(list(itertools.accumulate(steps, initial=0.0)))
            for p, offset in zip(layer, offsets[-1], strict=True):
                x[p] = offset - offsets[-1][-1] / 2
        for sweep in range(2 * SWEEPS):
            layers = list(zip(self.layers, offsets, strict=True))
            for layer, least in layers if sweep % 2 == 0 else reversed(layers):
                wanted: list[tuple[float, float]] = []
                for p in layer:
                    if sweep < SWEEPS:
                        near = self.above[p] if sweep % 2 == 0 else self.below[p]
                    else:
                        near = self.above[p] + self.below[p]
                    pulls = [(x[q], self._pull(p, q)) for q in near] or [(x[p], 0.1)]
                    pull = sum(w for _, w in pulls)
                    wanted.append((sum(at * w for at, w in pulls) / pull, pull))
                for p, at in zip(layer, _spread(wanted, least), strict=True):
                    x[p] = at
        left = min(at - self.half[p][0] for p, at in enumerate(x)) - MARGIN
        return [at - left for at in x]

    def _bands(self) -> list[tuple[float, float]]:
        """The top and the bottom of each rank. Where segments lie flat, there is more room for them."""
        bands: list[tuple[float, float]] = []
        top = MARGIN
        for layer in self.layers:
            bottom = top + 2 * max(self.half[p][1] for p in layer)
            bands.append((top, bottom))
            reach = max((abs(self.x[p] - self.x[q]) for p in layer for q in self.below[p]), default=0.0)
            top = bottom + min(GAP + reach / 10, 3 * GAP)
        return bands

    def _pull(self, p: int, q: int) -> float:
        """How much a segment should be straight: the more, the longer its edge is; leaves give way."""
        through = (not self.is_vertex(p)) + (not self.is_vertex(q))
        return (1.0, 2.0, 8.0)[through] if self.above[p] and self.above[q] else 0.1

    def svg(self) -> str:
        """The drawing."""
        width = max(at + self.half[p][0] for p, at in enumerate(self.x)) + MARGIN
        height = self.bands[-1][1] + MARGIN
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
                f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="Helvetica, Arial, sans-serif" '
                'font-size="13" text-anchor="middle">',
                '<rect width="100%" height="100%" fill="white"/>',
                *self._svg_of_edges(),
                *(self._svg_of_vertex(p) for p in range(len(self.vertices))),
                "</svg>",
                "",
            ]
        )

    def _svg_of_edges(self) -> list[str]:
        lines: list[str] = []
        heads: list[str] = []
        for q in range(len(self.rank)):
            sources = sorted(self.above[q], key=self.x.__getitem__)
            reach = min(14.0 * (len(sources) - 1), 2 * self.half[q][0] - 14)
            for i, p in enumerate(sources):
                port = (i / (len(sources) - 1) - 0.5) * reach if len(sources) > 1 else 0.0
                x0, y0, x1, y1 = self.x[p], self._middle(p), self.x[q] + port, self._middle(q)
                first, last = f"M{x0:.1f} {y0 + self.half[p][1]:.1f}", ""
                if self.is_vertex(p):  # straight to the edge of its rank
                    y0 = self.bands[self.rank[p]][1]
                    first += f"V{y0:.1f}"
                if self.is_vertex(q):
                    tip, y1 = y1 - self.half[q][1], self.bands[self.rank[q]][0]
                    last = f"V{tip - 4:.1f}"
                    heads.append(f"M{x1:.1f} {tip:.1f}l-3.5 -8h7z")
                d = (y1 - y0) / 2
                lines.append(
                    f"{first}C{x0 + self.slope[p] * d:.1f} {y0 + d:.1f}"
                    f" {x1 - self.slope[q] * d:.1f} {y1 - d:.1f} {x1:.1f} {y1:.1f}{last}"
                )
        return [
            f'<path fill="none" stroke="#444" d="{" ".join(lines)}"/>',
            f'<path fill="#444" d="{" ".join(heads)}"/>',
        ]

    def _slope(self, p: int) -> float:
        """How edges pass a point: upright at a vertex and where they turn, else along their way."""
        if self.is_vertex(p):
            return 0.0
        (p0,), p1 = self.above[p], max(self.below[p])  # points, if there are, come behind vertices
        before = (self.x[p] - self.x[p0]) / (self._middle(p) - self._middle(p0))
        after = (self.x[p1] - self.x[p]) / (self._middle(p1) - self._middle(p))
        if before * after <= 0:
            return 0.0
        return math.copysign(min(abs(before), abs(after), 1.0), before)

    def _middle(self, p: int) -> float:
        return sum(self.bands[self.rank[p]]) / 2

    def _svg_of_vertex(self, p: int) -> str:
        import html

        vertex, lines = self.vertices[p], self.texts[p]
        x, y = self.x[p], self._middle(p)
        a, b = self.half[p]
        shape = (
            f'<rect x="{x - a:.1f}" y="{y - b:.1f}" width="{2 * a:.1f}" height="{2 * b:.1f}" rx="3" '
            'fill="lightblue"/>'
            if vertex.is_function
            else f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{a:.1f}" ry="{b:.1f}" fill="orange"/>'
        )
        first = y - LINE * (len(lines) - 1) / 2 + 4.5
        texts = [
            f'<text x="{x:.1f}" y="{first + LINE * i:.1f}">{html.escape(line)}</text>'
            for i, line in enumerate(lines)
        ]
        title = "\n".join(part for part in (vertex.label, vertex.details) if part)
        kind = f' class="{html.escape(vertex.kind)}"' if vertex.kind else ""
        return f"<g{kind}><title>{html.escape(title)}</title>{shape}{''.join(texts)}</g>"


def _ranks(n: int, edges: Sequence[Edge]) -> list[int]:
    """The longest path from a leaf to each vertex; what may wait stands just before its consumers."""
    above: list[list[int]] = [[] for _ in range(n)]
    below: list[list[int]] = [[] for _ in range(n)]
    for i, j in edges:
        above[j].append(i)
        below[i].append(j)
    rank = [0] * n
    missing = [len(sources) for sources in above]
    order = [i for i in range(n) if not missing[i]]
    for i in order:  # which grows while it is read
        for j in below[i]:
            missing[j] -= 1
            if not missing[j]:  # and the last of its sources is of the highest rank
                rank[j] = rank[i] + 1
                order.append(j)
    for i in reversed(order):
        if below[i] and len(above[i]) <= len(below[i]):  # to move it makes no edges longer
            rank[i] = min(rank[j] for j in below[i]) - 1
    return rank


def _spread(wanted: Sequence[tuple[float, float]], offsets: Sequence[float]) -> list[float]:
    """Positions at least as far apart as the offsets, with the least Σ weight · (position - wanted)².

    Less the offsets, they are the isotonic regression, by pooling adjacent violators.
    """
    pools: list[tuple[float, float, int]] = []  # position, weight, how many
    for (at, weight), offset in zip(wanted, offsets, strict=True):
        pool = (at - offset, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            (a, v, m), (b, w, k) = pools.pop(), pool
            pool = ((a * v + b * w) / (v + w), v + w, m + k)
        pools.append(pool)
    levels = itertools.chain.from_iterable([at] * count for at, _, count in pools)
    return [level + offset for level, offset in zip(levels, offsets, strict=True)]


def _lines(label: str) -> list[str]:
    """What is written on a vertex, line by line: not more than there is room for."""
    lines = label.split("\n") if label else []
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], "…"]
    return [line if len(line) <= LONGEST else line[: LONGEST - 1] + "…" for line in lines]


def _width(line: str) -> float:
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in line)
    return CHARACTER * (len(line) + 0.8 * wide)
