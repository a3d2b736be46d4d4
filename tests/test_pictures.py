"""Pictures: the DOT text, the drawing, and who draws it."""

from __future__ import annotations

import re
import shutil
import subprocess
import weakref
import xml.etree.ElementTree as ET
from collections.abc import Callable
from itertools import combinations, pairwise

import numpy as np
import pytest

import dezero.functions as F
from dezero import Function, Variable, pictures
from dezero.contract import Array
from dezero.pictures import Drawing, Picture

DOT = shutil.which("dot")
needs_graphviz = pytest.mark.skipif(DOT is None, reason="the program dot of Graphviz is not installed")
SVG = "{http://www.w3.org/2000/svg}"


def scalar(name: str | None = None) -> Variable:
    return Variable(np.array(1.0), name)


@pytest.fixture
def no_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    def which(program: str) -> None:
        assert program == "dot"

    monkeypatch.setattr(shutil, "which", which)


def derivative(order: int) -> Variable:
    x = scalar("x")
    y = F.tanh(x)
    for _ in range(order):
        x.cleargrad()
        y.backward(create_graph=True)
        assert x.grad is not None
        y = x.grad
    return y


# ------------------------------------------------------------------------------------------------- DOT


def test_dot_is_the_books() -> None:
    x = scalar("x")
    y = F.sin(x)
    y.name = "y"
    assert Picture.of(y).dot == (
        "digraph g {\n"
        'v0 [label="y: () float64", color=orange, style=filled]\n'
        'f1 [label="Sin", color=lightblue, style=filled, shape=box]\n'
        'v2 [label="x: () float64", color=orange, style=filled]\n'
        "f1 -> v0\n"
        "v2 -> f1\n"
        "}\n"
    )


def test_mermaid() -> None:
    x = scalar("x")
    y = F.sin(x)
    y.name = "y"
    assert Picture.of(y).mermaid == (
        "flowchart TD\n"
        '  v0(["y: () float64"])\n'
        '  f1["Sin"]\n'
        '  v2(["x: () float64"])\n'
        "  f1 --> v0\n"
        "  v2 --> f1\n"
    )


def test_in_mermaid_a_name_is_text() -> None:
    x = scalar('"] --> <b>`#1;\nx')
    found = Picture.of(x, verbose=False).mermaid
    assert found == 'flowchart TD\n  v0(["#34;#93; --#62; #60;b#62;#96;#35;1#59;<br>x"])\n'


def test_names_only() -> None:
    x = scalar("x")
    dot = Picture.of(F.sin(x), verbose=False).dot
    assert 'v0 [label="", color=orange, style=filled, tooltip="() float64"]' in dot
    assert 'v2 [label="x", color=orange, style=filled, tooltip="() float64"]' in dot


def test_what_is_used_twice_is_one_vertex_with_two_edges() -> None:
    x = scalar()
    dot = Picture.of(x * x).dot
    assert dot.count("[") == 3
    assert dot.count("v2 -> f1\n") == 2


def test_the_same_program_gives_the_same_text() -> None:
    assert Picture.of(derivative(2)).dot == Picture.of(derivative(2)).dot


def test_attributes_are_told_by_the_tooltip() -> None:
    dot = Picture.of(F.sum(Variable(np.zeros((2, 3))), axis=1)).dot
    assert 'f1 [label="Sum", ' in dot
    assert 'shape=box, tooltip="axis=1, keepdims=False"]' in dot


def test_a_variable_that_is_gone_keeps_its_shape() -> None:
    y = F.sin(Variable(np.zeros((2, 3), np.float32), "gone"))
    assert 'v2 [label="(2, 3) float32"' in Picture.of(y).dot


def test_a_variable_without_data_has_a_name_only() -> None:
    assert 'v0 [label="W", color' in Picture.of(Variable(None, "W")).dot


def test_a_variable_that_moved_on_is_not_what_was_used() -> None:
    x = scalar("x")
    y = F.sin(x)
    x.data = np.zeros(3)
    assert 'v2 [label="() float64"' in Picture.of(y).dot


def test_of_several_outputs_what_led_to_the_given_ones() -> None:
    a, b = F.split(Variable(np.zeros(4), "x"), 2)
    assert Picture.of(a).dot.count("float64") == 2
    both = Picture.of([a, b]).dot
    assert both.count('label="Split"') == 1
    assert "f2 -> v0\n" in both
    assert "f2 -> v1\n" in both


def test_a_users_function() -> None:
    class Twice(Function):
        def forward(self, x: Array) -> Array:
            return x * 2

    dot = Picture.of(Twice()(scalar())).dot
    assert 'f1 [label="Twice", color=lightblue, style=filled, shape=box]' in dot


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ('say "a"', r'"say \"a\": () float64"'),
        ("back\\slash\\", r'"back\\slash\\: () float64"'),
        ("two\nlines", r'"two\nlines: () float64"'),
        ("<b>1 & 2</b>", '"<b>1 & 2</b>: () float64"'),
        ("&lt;", '"&amp;lt;: () float64"'),
        ("\x00\x1b\ud800", '"\ufffd\ufffd\ufffd: () float64"'),
        ("Größe 幅", '"Größe 幅: () float64"'),
    ],
)
def test_names_are_escaped(name: str, label: str, no_graphviz: None) -> None:
    picture = Picture.of(scalar(name))
    assert picture.dot == f"digraph g {{\nv0 [label={label}, color=orange, style=filled]\n}}\n"
    root = ET.fromstring(picture.svg)
    shown = "\n".join(text.text or "" for text in root.iter(f"{SVG}text"))
    assert shown == re.sub("[\x00\x1b\ud800]", "\ufffd", name) + ": () float64"


@pytest.mark.parametrize(
    ("output", "kinds"),
    [(1.0, "float"), (None, "NoneType"), ([], "an empty list"), ([1, scalar(), "x"], "int, str")],
)
def test_what_is_no_variable(output: Variable, kinds: str) -> None:
    with pytest.raises(TypeError, match=f"drawn of a Variable, or of a list of them, not of {kinds}$"):
        Picture.of(output)


def test_a_picture_keeps_no_graph() -> None:
    x = scalar()
    y = F.sin(x)
    creator = y.creator
    assert creator is not None
    gone = weakref.ref(creator)
    del creator
    picture = Picture.of(y)
    del y
    assert gone() is None
    assert repr(picture) == "<Picture of variables: 2, functions: 1>"


# --------------------------------------------------------------------------------------------- Drawing


def boxes(drawing: Drawing) -> list[tuple[float, float, float, float]]:
    found: list[tuple[float, float, float, float]] = []
    for p in range(len(drawing.vertices)):
        a, b = drawing.half[p]
        top, bottom = drawing.bands[drawing.rank[p]]
        middle = (top + bottom) / 2
        found.append((drawing.x[p] - a, middle - b, drawing.x[p] + a, middle + b))
    return found


def square() -> Variable:
    x = scalar("x")
    return x * x


def bundle() -> Variable:
    x = scalar("a name that is longer than there is room for in a picture")
    return F.concatenate([F.reshape(x, (1,)) for _ in range(30)])


GRAPHS: dict[str, Callable[[], Variable]] = {
    "leaf": lambda: scalar("x"),
    "sin": lambda: F.sin(scalar("x")),
    "square": square,
    "bundle": bundle,
    "second": lambda: derivative(2),
    "fourth": lambda: derivative(4),
}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("verbose", [False, True])
def test_nothing_overlaps_and_all_edges_go_down(name: str, verbose: bool) -> None:
    picture = Picture.of(GRAPHS[name](), verbose)
    drawing = Drawing(picture.vertices, picture.edges)
    for i, j in picture.edges:
        assert drawing.rank[i] < drawing.rank[j]
    found = boxes(drawing)
    for (l1, t1, r1, b1), (l2, t2, r2, b2) in combinations(found, 2):
        assert r1 < l2 or r2 < l1 or b1 < t2 or b2 < t1
    for p, q in drawing.segments:
        assert drawing.rank[q] == drawing.rank[p] + 1
    for layer in drawing.layers:  # points keep clear of the vertices beside them
        for p, q in pairwise(layer):
            gap = drawing.x[q] - drawing.half[q][0] - drawing.x[p] - drawing.half[p][0]
            assert gap >= pictures.BETWEEN - 1e-6
    root = ET.fromstring(drawing.svg())
    _, _, width, height = map(float, (root.get("viewBox") or "").split())
    for left, top, right, bottom in found:
        assert min(left, top) >= 0
        assert right <= width
        assert bottom <= height


@pytest.mark.parametrize("name", GRAPHS)
def test_the_drawing_has_all_vertices_and_edges(name: str, no_graphviz: None) -> None:
    picture = Picture.of(GRAPHS[name]())
    root = ET.fromstring(picture.svg)
    functions = sum(vertex.is_function for vertex in picture.vertices)
    assert len(root.findall(f"{SVG}g/{SVG}rect")) == functions
    assert len(root.findall(f"{SVG}g/{SVG}ellipse")) == len(picture.vertices) - functions
    titles = [title.text or "" for title in root.findall(f"{SVG}g/{SVG}title")]
    assert [title.split("\n")[0] for title in titles] == [vertex.label for vertex in picture.vertices]
    heads = root.findall(f"{SVG}path")[1].get("d") or ""
    assert heads.count("M") == len(picture.edges)


def ends(path: str) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Where the lines of a path start and end."""
    found: list[tuple[tuple[float, float], tuple[float, float]]] = []
    for line in path.split("M")[1:]:
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", line)]
        upright = "V" in line.rpartition("C")[2]
        end = (numbers[-3], numbers[-1]) if upright else (numbers[-2], numbers[-1])
        found.append(((numbers[0], numbers[1]), end))
    return found


def test_lines_lead_from_vertex_to_vertex() -> None:
    picture = Picture.of(derivative(3))
    drawing = Drawing(picture.vertices, picture.edges)
    root = ET.fromstring(drawing.svg())
    path = root.findall(f"{SVG}path")[0].get("d") or ""
    places = boxes(drawing)
    lines = ends(path)
    assert len(lines) == len(drawing.segments)
    reached: dict[tuple[float, float], set[int]] = {}
    for i, (left, _, right, bottom) in enumerate(places):
        reached[round((left + right) / 2, 1), round(bottom, 1)] = {i}
    drawn: list[tuple[int, int]] = []
    for start, end in sorted(lines, key=lambda line: line[0][1]):
        (source,) = reached[start]
        hit = [
            j
            for j, (left, top, right, _) in enumerate(places)
            if left < end[0] < right and abs(end[1] + 4 - top) < 0.11
        ]
        if hit:
            drawn.append((source, hit[0]))
        else:
            reached.setdefault(end, set()).add(source)
    assert sorted(drawn) == sorted(picture.edges)


def test_arrowheads_keep_apart(no_graphviz: None) -> None:
    root = ET.fromstring(Picture.of(bundle()).svg)
    tips = re.findall(r"M([\d.]+) ([\d.]+)l", root.findall(f"{SVG}path")[1].get("d") or "")
    places = sorted((float(y), float(x)) for x, y in tips)
    for (y, left), (below, right) in pairwise(places):
        assert y < below or right - left > 7


def crossings(output: Variable) -> int:
    picture = Picture.of(output)
    drawing = Drawing(picture.vertices, picture.edges)
    return drawing.crossings(drawing.layers)


def test_a_tree_crosses_no_edges() -> None:
    def tree(depth: int) -> Variable:
        return scalar() if depth == 0 else tree(depth - 1) * F.sin(tree(depth - 1))

    assert crossings(tree(5)) == 0


def test_crossings_are_counted() -> None:
    a, b, c = (pictures.Vertex(f"v{i}", False, "", "") for i in range(3))
    d = pictures.Vertex("v3", False, "", "")
    drawing = Drawing([a, b, c, d], [(0, 2), (0, 3), (1, 2), (1, 3)])
    assert drawing.crossings([[0, 1], [2, 3]]) == 1
    drawing = Drawing([a, b, c, d], [(0, 2), (1, 3)])
    assert drawing.crossings([[0, 1], [2, 3]]) == 0
    assert drawing.crossings([[0, 1], [3, 2]]) == 1
    assert drawing.crossings(drawing.layers) == 0


def test_ordering_uncrosses() -> None:
    vertices = [pictures.Vertex(f"v{i}", False, "", "") for i in range(8)]
    drawing = Drawing(vertices, [(0, 7), (1, 6), (2, 5), (3, 4)])
    assert drawing.crossings([[0, 1, 2, 3], [4, 5, 6, 7]]) == 6
    assert drawing.crossings(drawing.layers) == 0


def test_leaves_stand_just_before_what_uses_them() -> None:
    x = scalar("x")
    for _ in range(5):
        x = F.sin(x)
    picture = Picture.of(x + 1.0)
    rank = Drawing(picture.vertices, picture.edges).rank
    late = [j for j, vertex in enumerate(picture.vertices) if vertex.id == "v3"]
    assert [rank[j] for j in late] == [10]


def test_long_names_are_cut_in_the_drawing_and_whole_in_the_tooltip(no_graphviz: None) -> None:
    name = "w" * 300 + "\n" + "\n".join("abcdefg")
    svg = Picture.of(scalar(name)).svg
    root = ET.fromstring(svg)
    assert [text.text for text in root.iter(f"{SVG}text")] == ["w" * 39 + "…", "a", "b", "…"]
    assert [title.text for title in root.iter(f"{SVG}title")] == [f"{name}: () float64"]
    assert float(root.get("width") or 0) < 600


def is_too_large(picture: Picture, what: str, limit: int) -> None:
    """Raises AssertionError unless a picture says so, and a notebook shows its repr()."""
    with pytest.raises(
        ValueError,
        match=rf"^a graph of {what} is too large to draw \(the limit is {limit}\); "
        r"write it as text, to a file that ends in \.dot$",
    ):
        _ = picture.svg
    assert picture._repr_svg_() is None  # pyright: ignore[reportPrivateUsage]  # a notebook's name for it


def test_a_graph_of_a_hundred_thousand_vertices_is_text_but_no_drawing() -> None:
    y = scalar("x")
    for _ in range(50_000):
        y = F.sin(y)
    picture = Picture.of(y)
    assert picture.dot.count(" -> ") == 100_000
    is_too_large(picture, "100001 variables and functions", 3000)


def test_the_largest_chain_is_drawn(no_graphviz: None) -> None:
    y = scalar("x")
    for _ in range((pictures.LARGEST - 1) // 2):
        y = F.sin(y)
    root = ET.fromstring(Picture.of(y).svg)
    assert len(root.findall(f"{SVG}g")) == pictures.LARGEST - 1


def test_long_edges_are_text_but_no_drawing(no_graphviz: None) -> None:
    ys = [scalar("x")]
    for i in range(1, 600):  # half of these edges are as long as the graph so far
        ys.append(ys[i - 1] + ys[i // 2])
    picture = Picture.of(ys[-1])
    assert picture.dot.count(" -> ") == 3 * 599
    is_too_large(picture, "1199 variables and functions, and with the bends of edges more,", 20000)


# -------------------------------------------------------------------------------------------- Graphviz


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_without_graphviz_png_says_what_to_install(kind: str, no_graphviz: None) -> None:
    with pytest.raises(
        RuntimeError,
        match=f"{kind.upper()} is drawn by Graphviz, whose program 'dot' is not installed; install "
        r"Graphviz \(https://graphviz.org\), or write to a file that ends in \.svg",
    ):
        Picture.of(scalar()).render(kind)


def test_a_notebook_shows_the_drawing(no_graphviz: None) -> None:
    picture = Picture.of(scalar("x"))
    shown = picture._repr_svg_()  # pyright: ignore[reportPrivateUsage]  # a notebook's name for it
    assert shown == picture.svg
    assert picture.svg.startswith("<svg ")


class Ran(subprocess.CompletedProcess[bytes]):
    pass


def test_graphviz_is_given_arguments_and_no_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[object, dict[str, object]]] = []

    def run(arguments: object, **options: object) -> Ran:
        seen.append((arguments, options))
        return Ran([], 0, b"drawn", b"Warning: a warning\n")

    def which(program: str) -> str:
        return f"/somewhere/{program}"

    monkeypatch.setattr(shutil, "which", which)
    monkeypatch.setattr(subprocess, "run", run)
    picture = Picture.of(scalar('"; rm -rf'))
    assert picture.render("png") == b"drawn"
    assert picture.svg == "drawn"
    for (arguments, options), kind in zip(seen, ["png", "svg"], strict=True):
        assert arguments == ["/somewhere/dot", f"-T{kind}"]
        assert options["input"] == picture.dot.encode()
        assert not options.get("shell")
        assert options["timeout"] == pictures.PATIENCE


def test_graphviz_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **__: object) -> Ran:
        return Ran([], 1, b"half", b"Error: syntax error\n")

    def which(program: str) -> str:
        return program

    monkeypatch.setattr(shutil, "which", which)
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(RuntimeError, match=r"^Graphviz failed: Error: syntax error$"):
        Picture.of(scalar()).render("png")


def test_graphviz_that_does_not_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **__: object) -> Ran:
        raise subprocess.TimeoutExpired("dot", pictures.PATIENCE)

    def which(program: str) -> str:
        return program

    monkeypatch.setattr(shutil, "which", which)
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(RuntimeError, match=r"did not finish the picture in 120 s; write it as text"):
        Picture.of(scalar()).render("png")


@needs_graphviz
@pytest.mark.parametrize("name", ['a "b"', "back\\", "two\nlines", "<b>&lt;</b>", "\x00", "幅", ""])
def test_graphviz_shows_names_as_they_are(name: str) -> None:
    root = ET.fromstring(Picture.of(scalar(name), verbose=False).svg)
    shown = "\n".join(text.text or "" for text in root.iter(f"{SVG}text"))
    assert shown.replace("\xa0", " ") == name.replace("\x00", "\ufffd")


@needs_graphviz
@pytest.mark.parametrize(("kind", "magic"), [("png", b"\x89PNG\r\n"), ("pdf", b"%PDF-")])
def test_graphviz_draws(kind: str, magic: bytes) -> None:
    assert Picture.of(derivative(1)).render(kind).startswith(magic)
