"""Models: what they are made of, what comes out, and where their weights come from."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, assert_type

import numpy as np
import pytest

import dezero.functions as F
from dezero import Variable, no_grad, test_mode, utils
from dezero.contract import Array
from dezero.graph import has_data
from dezero.layers import BatchNorm, Conv2d, Layer, Linear
from dezero.models import (
    MLP,
    VGG16,
    BottleneckA,
    BottleneckB,
    BuildingBlock,
    Model,
    ResNet,
    ResNet50,
    ResNet101,
    ResNet152,
    Sequential,
    SqueezeNet,
)

test_mode.__test__ = False  # type: ignore[attr-defined] # pytest would collect it by its name


def anything(x: object) -> Any:
    """The same, of which no checker knows what it is."""
    return x


@pytest.fixture(autouse=True)
def seed() -> None:
    np.random.seed(0)


def pictures(n: int, size: int) -> Array:
    return np.random.randn(n, 3, size, size).astype(np.float32)


def keys(model: Model, path: Path) -> list[str]:
    """What the file of its weights calls its parameters."""
    model.save_weights(path)
    with np.load(path, allow_pickle=False) as archive:
        found: list[str] = archive.files
        return found


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (MLP, ["fc_output_sizes", "activation=sigmoid"]),
        (Sequential, ["layers"]),
        (VGG16, ["pretrained=False"]),
        (VGG16.preprocess, ["image", "size=(224, 224)", "dtype=float32"]),
        (ResNet, ["n_layers=152", "pretrained=False"]),
        (ResNet152, ["pretrained=False"]),
        (ResNet101, ["pretrained=False"]),
        (ResNet50, ["pretrained=False"]),
        (SqueezeNet, ["pretrained=False"]),
        (BottleneckA, ["in_size", "mid_size", "out_size", "stride=2", "downsample_fb=False"]),
        (BottleneckB, ["in_size", "mid_size"]),
        (Model.plot, ["self", "inputs", "to_file=model.png"]),
    ],
)
def test_what_they_take(model: Callable[..., object], parameters: list[str]) -> None:
    found: list[str] = []
    for parameter in inspect.signature(model).parameters.values():
        default: Any = parameter.default
        shown = getattr(default, "__name__", default)
        found.append(parameter.name if default is parameter.empty else f"{parameter.name}={shown}")
    assert found == parameters


# ------------------------------------------------------------------------------------- MLP, Sequential


def test_mlp(tmp_path: Path) -> None:
    model = MLP((10, 4, 1))
    x = np.random.randn(5, 3).astype(np.float32)
    y = assert_type(model(x), Variable)
    assert (y.shape, y.dtype) == ((5, 1), np.dtype(np.float32))
    assert anything(model).l1 is model.layers[1]
    assert [layer.W.shape for layer in model.layers] == [(3, 10), (10, 4), (4, 1)]
    hidden = F.sigmoid(model.layers[1](F.sigmoid(model.layers[0](x))))
    np.testing.assert_array_equal(y.data, model.layers[2](hidden).data)
    assert keys(model, tmp_path / "w") == ["l0/W", "l0/b", "l1/W", "l1/b", "l2/W", "l2/b"]


def test_the_activation_of_an_mlp() -> None:
    model = MLP([2, 3], F.relu)
    x = np.random.randn(5, 3)
    expected = model.layers[1](F.relu(model.layers[0](x)))
    np.testing.assert_array_equal(model(x).data, expected.data)
    assert len(MLP(n for n in (3, 4)).layers) == 2
    with pytest.raises(ValueError, match="MLP: fc_output_sizes is empty; expected"):
        MLP(())
    with pytest.raises(ValueError, match="Linear: out_size is 0"):
        MLP((3, 0))
    with pytest.raises(TypeError, match="MLP: fc_output_sizes is of type int; expected a size"):
        MLP(anything(3))
    with pytest.raises(TypeError, match="MLP: activation is of type str; expected a function"):
        MLP((3, 2), activation=anything("relu"))


def test_sequential(tmp_path: Path) -> None:
    first, last = Linear(4), Linear(2)
    model = Sequential(first, F.relu, last)
    x = np.random.randn(5, 3).astype(np.float32)
    y = assert_type(model(x), Variable)
    np.testing.assert_array_equal(y.data, last(F.relu(first(x))).data)
    assert model.layers == (first, F.relu, last)
    assert anything(model).l2 is last
    assert list(model.params()) == [first.W, first.b, last.W, last.b]
    assert keys(model, tmp_path / "w") == ["l0/W", "l0/b", "l2/W", "l2/b"]
    nested = Sequential(model, model, Sequential())  # of which one is there twice, and one is empty
    assert len(list(nested.params())) == 4
    with pytest.raises(TypeError, match="Sequential: layer 1 is list; expected a Layer or a function"):
        Sequential(first, anything([last]))


@pytest.mark.parametrize("model", [MLP((4, 2)), Sequential(Linear(4), F.tanh, Linear(2))])
def test_a_copy_is_whole_and_its_own(model: MLP | Sequential) -> None:
    x = np.random.randn(5, 3)
    y = model(x)
    for twin in (anything(copy.deepcopy(model)), pickle.loads(pickle.dumps(model))):
        assert twin.layers[0] is twin.l0
        assert twin.layers[0] is not model.layers[0]
        np.testing.assert_array_equal(twin(x).data, y.data)


@pytest.mark.parametrize(
    ("model", "name", "size"),
    [(MLP((4, 2)), "l1", 2), (Sequential(Linear(4), F.tanh, Linear(2)), "l2", 2)],
)
def test_an_attribute_that_is_assigned_takes_part(
    model: MLP | Sequential, name: str, size: int, tmp_path: Path
) -> None:
    x = np.random.randn(5, 3)
    assert model(x).shape == (5, size)
    replaced = Linear(7)
    setattr(model, name, replaced)
    assert model(x).shape == (5, 7)
    assert model.layers[-1] is replaced
    model.save_weights(tmp_path / "w")
    with pytest.raises(TypeError, match="does not support item assignment"):
        anything(model).layers[0] = replaced  # which would be registered nowhere


def test_a_block_that_is_assigned_takes_part() -> None:
    block = BuildingBlock(3, 8, 4, 16, 2)
    called: list[Variable] = []

    class Noting(Layer):
        def forward(self, x: Variable) -> Variable:
            called.append(x)
            return x

    setattr(block, "b2", Noting())  # noqa: B010 - a type checker knows of no such name
    block(np.random.randn(2, 8, 6, 6).astype(np.float32))
    assert len(called) == 1
    assert len(block.bs) == 2


def test_a_model_learns() -> None:
    model = Sequential(Linear(16), F.tanh, BatchNorm(), Linear(1))
    x = np.linspace(-1, 1, 40, dtype=np.float32).reshape(-1, 1)
    t = np.asarray(np.sin(3 * x), np.float32)
    losses: list[float] = []
    for _ in range(300):
        loss = F.mean_squared_error(model(x), t)
        model.cleargrads()
        loss.backward()
        for p in model.params():
            if p.grad is not None:
                p.data -= 0.05 * p.grad.data
        losses.append(float(loss))
    assert losses[-1] < 0.02 < 0.2 < losses[0]
    assert {p.dtype for p in model.params()} == {np.dtype(np.float32)}


def test_plot(tmp_path: Path) -> None:
    model = MLP((4, 2))
    path = tmp_path / "model.dot"
    with no_grad():
        picture = model.plot(np.ones((3, 5), np.float32), to_file=path)
    assert "MatMul" in path.read_text() or "Linear" in path.read_text()
    assert path.read_text() == picture.dot

    class Both(Model):
        def forward(self, x: Variable) -> Variable:
            return F.sin(x) + F.cos(x)

    dot = Both().plot(np.ones(3), to_file=path).dot
    assert "Sin" in dot
    assert "Cos" in dot
    with pytest.raises(ValueError, match="ends in"):
        model.plot(np.ones((3, 5)), to_file=tmp_path / "model.txt")


# ---------------------------------------------------------------------------------------- the networks


@pytest.fixture
def cheap_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights without drawing: VGG has 40 million."""

    def normal(*shape: int) -> Array:
        count = int(np.prod(shape))
        pattern = np.sin(np.arange(1, 102, dtype=np.float32)) * np.float32(2**0.5)
        return np.resize(pattern, count).reshape(shape)

    monkeypatch.setattr(np.random, "randn", normal)


def test_vgg16(cheap_weights: None) -> None:
    model = VGG16()
    with test_mode(), no_grad():
        y = assert_type(model(pictures(1, 32)), Variable)
    assert (y.shape, y.dtype) == ((1, 1000), np.dtype(np.float32))
    assert np.isfinite(y.data).all()
    convolutions = [x for x in vars(model).values() if isinstance(x, Conv2d)]
    assert [conv.out_channels for conv in convolutions] == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    assert [model.fc6.in_size, model.fc7.in_size, model.fc8.in_size] == [512, 4096, 4096]
    assert len(list(model.params())) == 32


def test_the_outputs_of_inner_layers_have_gradients(
    cheap_weights: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As programs that look for what a network looks at expect."""
    model = VGG16()
    for name in ("fc6", "fc7", "fc8"):
        setattr(model, name, Linear(10))
    with test_mode():
        y = model(pictures(1, 32))
    y[0, 3].backward(retain_grad=True)
    output = model.conv5_3.outputs[0]()
    assert output is not None
    assert output.grad is not None
    assert output.grad.shape == output.shape == (1, 512, 2, 2)
    del y
    weak = model.conv5_3.outputs[0]
    del output
    assert weak() is None


def test_resnet_and_its_keys(tmp_path: Path) -> None:
    model = ResNet50()
    x = pictures(2, 16)
    y = assert_type(model(x), Variable)
    assert (y.shape, y.dtype) == ((2, 1000), np.dtype(np.float32))
    assert {p.dtype for p in model.params()} == {np.dtype(np.float32)}
    names = keys(model, tmp_path / "w")
    assert len(names) == len(list(model.params()))
    assert [n for n in names if n.startswith("res2/b1/conv")] == [
        f"res2/b1/conv{i}/W" for i in (1, 2, 3)
    ]
    blocks = {n.split("/")[1] for n in names if n.startswith("res4/")}
    assert blocks == {"a", "b1", "b2", "b3", "b4", "b5"}
    assert {n for n in names if n.startswith(("bn1", "conv1", "fc6"))} == {
        "conv1/W",
        "conv1/b",
        "bn1/avg_mean",
        "bn1/avg_var",
        "bn1/gamma",
        "bn1/beta",
        "fc6/W",
        "fc6/b",
    }
    twin = ResNet50()
    twin.load_weights(tmp_path / "w")
    with test_mode(), no_grad():
        np.testing.assert_array_equal(twin(x).data, model(x).data)


@pytest.mark.parametrize(
    ("make", "convolutions"), [(ResNet50, 49), (ResNet101, 100), (ResNet152, 151), (ResNet, 151)]
)
def test_resnets_have_the_layers_that_they_are_named_for(make: type[ResNet], convolutions: int) -> None:
    """But for the four shortcuts, which are not counted, and the last layer, which is Linear."""
    assert sum(isinstance(layer, Conv2d) for layer in within(make())) - 4 == convolutions


def within(layer: Layer) -> Iterator[Layer]:
    yield layer
    for x in vars(layer).values():
        if isinstance(x, Layer):
            yield from within(x)


def test_no_resnet_of_so_many_layers() -> None:
    with pytest.raises(ValueError, match="ResNet: n_layers is 18; expected one of 50, 101, 152"):
        ResNet(18)


@pytest.mark.parametrize(("downsample_fb", "strides"), [(False, [2, 1]), (True, [1, 2])])
def test_building_block(downsample_fb: bool, strides: list[int]) -> None:
    block = BuildingBlock(3, 8, 4, 16, 2, downsample_fb)
    x = np.random.randn(2, 8, 6, 6).astype(np.float32)
    y = assert_type(block(x), Variable)
    assert y.shape == (2, 16, 3, 3)
    assert (y.data >= 0).all()
    assert [block.a.conv1.stride, block.a.conv2.stride] == strides
    assert anything(block).b2 is block.bs[1]
    F.sum(y * y).backward()
    assert all(
        (p.grad is None) == (p.name is not None and p.name.startswith("avg")) for p in block.params()
    )


def test_a_bottleneck_adds_to_its_input() -> None:
    block = BottleneckB(6, 2)
    x = np.random.randn(2, 6, 4, 4).astype(np.float32)
    block(x)
    block.bn3.gamma.data = np.zeros(6, np.float32)
    np.testing.assert_array_equal(block(x).data, np.maximum(x, 0))


def test_squeezenet() -> None:
    model = SqueezeNet()
    with test_mode():
        y = assert_type(model(pictures(2, 33)), Variable)
    assert (y.shape, y.dtype) == ((2, 1000), np.dtype(np.float32))
    assert (y.data >= 0).all()
    assert sum(p.size for p in model.params()) == 1_235_496  # as many as of the published version 1.1
    with pytest.raises(NotImplementedError, match="SqueezeNet: no weights are published"):
        SqueezeNet(pretrained=True)


# ------------------------------------------------------------------------------------ published weights

RELEASE = "https://github.com/koki0702/dezero-models/releases/download/v0.1/"


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (VGG16, "vgg16.npz"),
        (ResNet50, "resnet50.npz"),
        (ResNet101, "resnet101.npz"),
        (ResNet152, "resnet152.npz"),
    ],
)
def test_where_the_weights_are_fetched(
    make: Callable[..., Model], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    path = tmp_path / name
    Sequential(Linear(2, in_size=2)).save_weights(path)

    def get_file(url: str) -> str:
        asked.append(url)
        return str(path)

    monkeypatch.setattr(utils, "get_file", get_file)
    with pytest.raises(ValueError, match="l0/W: not expected"):
        make(pretrained=True)
    assert asked == [RELEASE + name]


def test_weights_that_fit_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ResNet50()
    with test_mode(), no_grad():
        source(pictures(1, 16))
    path = tmp_path / "resnet50.npz"
    source.save_weights(path)
    monkeypatch.setenv("DEZERO_CACHE", str(tmp_path))
    model = ResNet50(pretrained=True)
    assert all(has_data(p) for p in model.params())
    for p, q in zip(source.params(), model.params(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)


def test_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEZERO_CACHE", str(tmp_path))

    class Offline:
        def add_handler(self, handler: object) -> None:
            pass

        def open(self, url: str, timeout: float) -> None:
            raise OSError("no network")

    monkeypatch.setattr("urllib.request.OpenerDirector", Offline)
    with pytest.raises(OSError, match=r"vgg16\.npz could not be fetched .*put the file at"):
        VGG16(pretrained=True)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------- preprocess


@pytest.fixture(scope="module")
def pillow() -> ModuleType:
    module: ModuleType = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    return module


def test_preprocess(pillow: Any) -> None:
    red, green, blue = 10, 20, 30
    picture = pillow.new("RGB", (5, 3), (red, green, blue))
    x = VGG16.preprocess(picture)
    assert (x.shape, x.dtype) == ((3, 224, 224), np.dtype(np.float32))
    expected = np.array([blue - 103.939, green - 116.779, red - 123.68], np.float32)
    np.testing.assert_allclose(x[:, 100, 7], expected, rtol=1e-6)
    assert x.flags.c_contiguous
    assert VGG16.preprocess(picture, size=None).shape == (3, 3, 5)
    assert VGG16.preprocess(picture, (7, 9), np.float64).shape == (3, 9, 7)
    assert VGG16.preprocess(picture, (7, 9), np.float64).dtype == np.float64
    assert VGG16.preprocess(pillow.new("L", (5, 3), 9), (2, 2)).shape == (3, 2, 2)
    assert picture.size == (5, 3)
    with pytest.raises(TypeError, match="preprocess: dtype is uint8; expected a floating one"):
        VGG16.preprocess(picture, None, np.uint8)
