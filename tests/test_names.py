"""DeZero's names: everything that a program written for it may import, with its signature.

A signature of ours may go on where the original's ends, but only with parameters that have a default:
so every call that the original takes, ours takes, too.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import cast

import numpy as np
import pytest

import dezero
import dezero.functions as F
from dezero import Layer

ROOT = Path(__file__).parent.parent

SUBMODULES = """
core core_simple functions functions_conv layers models optimizers
datasets dataloaders transforms utils cuda
"""

OF_THE_ENGINE = """
Config.enable_backprop
using_config(name, value)
no_grad()
Variable(data, name=None)
Variable.__len__()
Variable.__repr__()
Variable.shape
Variable.ndim
Variable.size
Variable.dtype
Variable.set_creator(func)
Variable.cleargrad()
Function()
Function.__call__(*inputs)
as_variable(obj)
setup_variable()
Add()
Mul()
Neg()
Sub()
Div()
Pow(c)
add(x0, x1, /)
mul(x0, x1, /)
sub(x0, x1, /)
rsub(x0, x1, /)
div(x0, x1, /)
rdiv(x0, x1, /)
neg(x, /)
pow(x, c, /)
"""
"""What ``core`` and ``core_simple`` share."""

OF_CORE = f"""
{OF_THE_ENGINE}
Config.train
test_mode()
as_array(x, array_module=np)
Parameter(data, name=None)
Variable.T
Variable.data
Variable.creator
Variable.generation
Variable.unchain()
Variable.unchain_backward()
Variable.backward(retain_grad=False, create_graph=False)
Variable.reshape(*shape)
Variable.transpose(*axes)
Variable.sum(axis=None, keepdims=False)
Variable.matmul(W, /)
Variable.dot(W, /)
Variable.max(axis=None, keepdims=False)
Variable.min(axis=None, keepdims=False)
Variable.to_cpu()
Variable.to_gpu()
Function.forward(*xs)
Function.backward(*gys)
Function.inputs
Function.outputs
Function.generation
"""

OF_THE_OPTIMIZERS = """
Optimizer()
Optimizer.setup(target)
Optimizer.update()
Optimizer.update_one(param)
Optimizer.add_hook(f)
WeightDecay(rate)
ClipGrad(max_norm)
FreezeParam(*layers)
SGD(lr=0.01)
MomentumSGD(lr=0.01, momentum=0.9)
AdaGrad(lr=0.001, eps=1e-8)
AdaDelta(rho=0.95, eps=1e-6)
Adam(alpha=0.001, beta1=0.9, beta2=0.999, eps=1e-8)
Adam.lr
"""

OF_THE_FUNCTIONS = """
sin(x)
cos(x)
tanh(x)
exp(x)
log(x)
reshape(x, shape)
transpose(x, axes=None)
get_item(x, slices)
expand_dims(x, axis)
flatten(x)
sum(x, axis=None, keepdims=False)
sum_to(x, shape)
broadcast_to(x, shape)
average(x, axis=None, keepdims=False)
mean(x, axis=None, keepdims=False)
max(x, axis=None, keepdims=False)
min(x, axis=None, keepdims=False)
clip(x, x_min, x_max)
matmul(x, W)
linear(x, W, b=None)
linear_simple(x, W, b=None)
sigmoid(x)
sigmoid_simple(x)
relu(x)
leaky_relu(x, slope=0.2)
softmax(x, axis=1)
softmax_simple(x, axis=1)
log_softmax(x, axis=1)
mean_squared_error(x0, x1)
mean_squared_error_simple(x0, x1)
softmax_cross_entropy(x, t)
softmax_cross_entropy_simple(x, t)
sigmoid_cross_entropy(x, t)
binary_cross_entropy(p, t)
accuracy(y, t)
dropout(x, dropout_ratio=0.5)
batch_norm(x, gamma, beta, mean, var, decay=0.9, eps=2e-5)
batch_nrom(x, gamma, beta, mean, var, decay=0.9, eps=2e-5)
embed_id(x, W)
add(x0, x1, /)
mul(x0, x1, /)
sub(x0, x1, /)
rsub(x0, x1, /)
div(x0, x1, /)
neg(x, /)
pow(x, c, /)
Sin()
Cos()
Tanh()
Exp()
Log()
Reshape(shape)
Transpose(axes=None)
GetItem(slices)
GetItemGrad(slices, in_shape)
Sum(axis, keepdims)
SumTo(shape)
BroadcastTo(shape)
MatMul()
Sigmoid()
ReLU()
LeakyReLU(slope)
Softmax(axis=1)
LogSoftmax(axis=1)
Max(axis=None, keepdims=False)
Min(axis=None, keepdims=False)
Clip(x_min, x_max)
Linear
MeanSquaredError
SoftmaxCrossEntropy
BatchNorm
"""

OF_THE_CONVOLUTIONS = """
conv2d_simple(x, W, b=None, stride=1, pad=0)
conv2d(x, W, b=None, stride=1, pad=0)
deconv2d(x, W, b=None, stride=1, pad=0, outsize=None)
pooling_simple(x, kernel_size, stride=1, pad=0)
pooling(x, kernel_size, stride=1, pad=0)
average_pooling(x, kernel_size, stride=1, pad=0)
im2col(x, kernel_size, stride=1, pad=0, to_matrix=True)
col2im(x, input_shape, kernel_size, stride=1, pad=0, to_matrix=True)
im2col_array(img, /, kernel_size, stride, pad, to_matrix=True)
col2im_array(col, img_shape, /, kernel_size, stride, pad, to_matrix=True)
Conv2d(stride=1, pad=0)
Deconv2d(stride=1, pad=0, outsize=None)
Conv2DGradW
Pooling(kernel_size, stride=1, pad=0)
Pooling2DGrad
AveragePooling(kernel_size, stride=1, pad=0)
Im2col(kernel_size, stride, pad, to_matrix)
Col2im(input_shape, kernel_size, stride, pad, to_matrix)
"""

OF_A_LAYER = """
Layer()
Layer.__call__(*inputs)
Layer.forward(*inputs)
Layer.params()
Layer.cleargrads()
Layer.to_cpu()
Layer.to_gpu()
Layer.save_weights(path)
Layer.load_weights(path)
Layer._params
"""

OF_A_LOADER = """
DataLoader(dataset, batch_size, shuffle=True, gpu=False)
DataLoader.reset()
DataLoader.next()
DataLoader.to_cpu()
DataLoader.to_gpu()
SeqDataLoader(dataset, batch_size, gpu=False)
"""

OF_DATASET = """
Dataset(train=True, transform=None, target_transform=None)
Dataset.prepare()
Dataset.__getitem__(index, /)
Dataset.__len__()
"""

NAMES = {
    "dezero": f"""
{OF_A_LAYER}
{OF_A_LOADER}
{OF_DATASET}
Variable(data, name=None)
Parameter(data, name=None)
Function()
Config.enable_backprop
Config.train
using_config(name, value)
no_grad()
test_mode()
as_array(x, array_module=np)
as_variable(obj)
setup_variable()
Model()
""",
    "dezero.core": OF_CORE,
    "dezero.core_simple": f"""
{OF_THE_ENGINE}
as_array(x)
Variable.backward(retain_grad=False)
""",
    "dezero.functions": f"{OF_THE_FUNCTIONS}{OF_THE_CONVOLUTIONS}",
    "dezero.functions_conv": OF_THE_CONVOLUTIONS,
    "dezero.layers": f"""
{OF_A_LAYER}
Linear(out_size, nobias=False, dtype=np.float32, in_size=None)
Linear._init_W(xp=np)
Conv2d(out_channels, kernel_size, stride=1, pad=0, nobias=False, dtype=np.float32, in_channels=None)
Conv2d._init_W(xp=np)
Deconv2d(out_channels, kernel_size, stride=1, pad=0, nobias=False, dtype=np.float32, in_channels=None)
Deconv2d._init_W(xp=np)
RNN(hidden_size, in_size=None)
RNN.reset_state()
LSTM(hidden_size, in_size=None)
LSTM.reset_state()
EmbedID(in_size, out_size)
BatchNorm()
""",
    "dezero.models": """
Model()
Model.plot(*inputs, to_file='model.png')
Sequential(*layers)
MLP(fc_output_sizes, activation=F.sigmoid)
VGG16(pretrained=False)
VGG16.preprocess(image, size=(224, 224), dtype=np.float32)
ResNet(n_layers=152, pretrained=False)
ResNet152(pretrained=False)
ResNet101(pretrained=False)
ResNet50(pretrained=False)
BuildingBlock
BottleneckA
BottleneckB
SqueezeNet(pretrained=False)
""",
    "dezero.optimizers": OF_THE_OPTIMIZERS,
    "dezero.datasets": f"""
{OF_DATASET}
get_spiral(train=True)
Spiral(train=True, transform=None, target_transform=None)
MNIST(train=True, transform=..., target_transform=None)
MNIST.prepare()
MNIST.show(row=10, col=10)
MNIST.labels()
CIFAR10(train=True, transform=..., target_transform=None)
CIFAR10.show(row=10, col=10)
CIFAR10.labels()
CIFAR100(train=True, transform=..., target_transform=None, label_type='fine')
CIFAR100.show(row=10, col=10)
CIFAR100.labels(label_type='fine')
ImageNet()
ImageNet.labels()
SinCurve(train=True, transform=None, target_transform=None)
Shakespear(train=True, transform=None, target_transform=None)
""",
    "dezero.dataloaders": OF_A_LOADER,
    "dezero.transforms": """
Compose(transforms=...)
Convert(mode='RGB')
Resize(size, mode=2)
CenterCrop(size)
ToArray(dtype=np.float32)
ToPIL()
RandomHorizontalFlip()
Normalize(mean=0, std=1)
Flatten()
AsType(dtype=np.float32)
ToFloat(dtype=np.float32)
ToInt(dtype=...)
""",
    "dezero.utils": """
get_dot_graph(output, verbose=True)
plot_dot_graph(output, verbose=True, to_file='graph.png')
sum_to(x, shape)
reshape_sum_backward(gy, x_shape, axis, keepdims)
logsumexp(x, axis=1)
max_backward_shape(x, axis)
gradient_check(f, x, *args, rtol=1e-4, atol=1e-5, **kwargs)
numerical_grad(f, x, *args, **kwargs)
array_equal(a, b)
array_allclose(a, b, rtol=1e-4, atol=1e-5)
show_progress(block_num, bs, total_size)
cache_dir
get_file(url, file_name=None)
get_deconv_outsize(size, k, s, p)
get_conv_outsize(input_size, kernel_size, stride, pad)
pair(x)
""",
    "dezero.cuda": """
gpu_enable
get_array_module(x)
as_numpy(x)
as_cupy(x)
""",
}
"""By module, each name that programs use, with its parameters in their order and their defaults.

What stands before ``/`` is given by its place; ``...`` stands for a default that is not compared.
"""

LISTED = [(module, line) for module, lines in NAMES.items() for line in lines.split("\n") if line]


def parameters_in(line: str) -> list[inspect.Parameter]:
    """The parameters that a line of the table names."""
    namespace: dict[str, object] = {"np": np, "F": F}
    exec(f"def listed({line.partition('(')[2]}: ...", namespace)
    return parameters_of(namespace["listed"])


def parameters_of(thing: object) -> list[inspect.Parameter]:
    assert callable(thing)
    return list(inspect.signature(thing).parameters.values())


def found(module: str, path: str) -> tuple[object, bool]:
    """What a dotted name of a module stands for, and whether it takes a ``self`` before the rest."""
    thing: object = importlib.import_module(module)
    bound = True
    for name in path.split("."):
        bound = not isinstance(thing, type) or isinstance(
            inspect.getattr_static(thing, name), (staticmethod, classmethod)
        )
        thing = getattr(thing, name)
    return thing, not bound


def difference(expected: list[inspect.Parameter], ours: list[inspect.Parameter]) -> str:
    """Which call that the original takes ours does not; empty if there is none."""
    rest = list(ours)
    for i, p in enumerate(expected):
        if p.kind == p.POSITIONAL_ONLY:
            q = next((q for q in ours[i : i + 1] if q.kind <= p.POSITIONAL_OR_KEYWORD), None)
        elif p.kind == p.POSITIONAL_OR_KEYWORD:
            q = next((q for q in ours[i : i + 1] if (q.name, q.kind) == (p.name, p.kind)), None)
        elif p.kind == p.KEYWORD_ONLY:
            q = next((q for q in ours if q.name == p.name and q.kind >= p.POSITIONAL_OR_KEYWORD), None)
        else:
            q = next((q for q in ours if q.kind == p.kind), None)
        if q is None:
            return f"expected {p} as parameter {i}"
        if p.default is not p.empty and (q.default is q.empty or not alike(p.default, q.default)):
            return f"expected {p}, not {q}"
        rest.remove(q)
    needed = [q for q in rest if q.default is q.empty and "*" not in str(q)]
    return f"expected no parameter {needed[0]} without a default" if needed else ""


def alike(default: object, ours: object) -> bool:
    return default is ... or default is ours or default == ours


@pytest.mark.parametrize("name", SUBMODULES.split())
def test_a_module_is_there_and_reached_from_the_package(name: str) -> None:
    module = importlib.import_module(f"dezero.{name}")
    assert getattr(importlib.import_module("dezero"), name) is module


@pytest.mark.parametrize(("module", "line"), LISTED, ids=[f"{m}: {line}" for m, line in LISTED])
def test_a_name_is_there_with_its_signature(module: str, line: str) -> None:
    thing, takes_self = found(module, line.partition("(")[0])
    if "(" in line:
        assert not difference(parameters_in(line), parameters_of(thing)[takes_self:])


@pytest.mark.parametrize(
    ("listed", "ours", "said"),
    [
        ("f(x, axis=None)", "f(x, axis=None)", ""),
        ("f(x)", "f(x, axis=None)", ""),
        ("f(x)", "f(x, *, axis=None)", ""),
        ("f(x, /)", "f(a)", ""),
        ("f(x, *args, rtol=1, **kwargs)", "f(x, *args, rtol=1, **kwargs)", ""),
        ("f(axis=...)", "f(axis=3)", ""),
        ("f(x)", "f()", "expected x as parameter 0"),
        ("f(x)", "f(a)", "expected x as parameter 0"),
        ("f(x)", "f(*, x)", "expected x as parameter 0"),
        ("f(x, /)", "f(*, x)", "expected x as parameter 0"),
        ("f(x, y)", "f(y, x)", "expected x as parameter 0"),
        ("f(x)", "f(x, y)", "expected no parameter y without a default"),
        ("f(x)", "f(x, *, y)", "expected no parameter y without a default"),
        ("f(x=1)", "f(x=2)", "expected x=1, not x=2"),
        ("f(x=...)", "f(x)", "expected x=Ellipsis, not x"),
        ("f(*xs)", "f(xs)", "expected *xs as parameter 0"),
        ("f(*, x=1)", "f()", "expected x=1 as parameter 0"),
    ],
)
def test_a_difference_is_told(listed: str, ours: str, said: str) -> None:
    assert difference(parameters_in(listed), parameters_in(ours)) == said


ATTRIBUTES = """
dezero.Variable(np.ones(2)): data name grad creator generation
dezero.Parameter(np.ones(2)): data name grad creator generation
(dezero.Variable(np.ones(2)) * 2).creator: inputs outputs generation
dezero.core_simple.Variable(np.ones(2)): data name grad creator generation
(dezero.core_simple.Variable(np.ones(2)) * 2).creator: inputs outputs generation
dezero.layers.Linear(3, in_size=2): W b in_size out_size dtype
dezero.layers.Conv2d(3, 1): W b in_channels out_channels kernel_size stride pad dtype
dezero.layers.Deconv2d(3, 1): W b in_channels out_channels kernel_size stride pad dtype
dezero.layers.RNN(3): x2h h2h h
dezero.layers.LSTM(3): x2f x2i x2o x2u h2f h2i h2o h2u h c
dezero.layers.EmbedID(3, 2): W
dezero.layers.BatchNorm(): avg_mean avg_var gamma beta
called(dezero.layers.Linear(3)): inputs outputs
dezero.models.MLP((3, 2)): layers activation l0 l1
dezero.models.Sequential(F.sin, dezero.layers.Linear(2)): layers l0 l1
dezero.optimizers.SGD(): target hooks lr
dezero.optimizers.MomentumSGD(): lr momentum
dezero.optimizers.AdaGrad(): lr eps
dezero.optimizers.AdaDelta(): rho eps
dezero.optimizers.Adam(): t lr alpha beta1 beta2 eps
dezero.optimizers.WeightDecay(0.1): rate
dezero.optimizers.ClipGrad(1.0): max_norm
dezero.datasets.Spiral(): train transform target_transform data label
dezero.DataLoader([(1, 2)], 1): dataset batch_size shuffle data_size max_iter gpu iteration index
dezero.SeqDataLoader([(1, 2)], 1): dataset batch_size data_size max_iter gpu iteration
"""
"""What instances have."""


def called(layer: Layer) -> Layer:
    layer(np.ones((1, 2)))
    return layer


@pytest.mark.parametrize("line", ATTRIBUTES.strip().split("\n"))
def test_an_instance_has_its_attributes(line: str) -> None:
    expression, _, names = line.partition(": ")
    thing: object = eval(expression, {"np": np, "F": F, "dezero": dezero, "called": called})
    assert not [name for name in names.split() if not hasattr(thing, name)]


def test_config_is_read_and_assigned_as_a_class() -> None:
    config = dezero.Config
    assert (config.enable_backprop, config.train) == (True, True)
    try:
        config.enable_backprop = config.train = False
        assert (config.enable_backprop, config.train) == (False, False)
    finally:
        config.enable_backprop = config.train = True


def test_the_operators_take_both_sides() -> None:
    x, a = dezero.Variable(np.array([1.0, 2.0])), np.array([3.0, 4.0])
    for y in (
        x + a,
        a + x,
        x - a,
        a - x,
        x * a,
        a * x,
        x / a,
        a / x,
        x + 1,
        1 - x,
        2 / x,
        -x,
        x**2,
        x[0],
    ):
        assert isinstance(y, dezero.Variable)
    assert repr(dezero.Variable(np.eye(2))) == "variable([[1. 0.]\n" + " " * 10 + "[0. 1.]])"
    assert (x == dezero.Variable(x.data)) is False
    assert len({x, dezero.Variable(x.data)}) == 2


# -------------------------------------------------------------- docs/migrating.md, against the code

PAGE = (ROOT / "docs" / "migrating.md").read_text("utf-8")
MEMBERS: dict[str, list[type]] = {
    "dezero.core": [dezero.Variable, dezero.Function],
    "dezero.layers": [dezero.Layer],
    "dezero.models": [dezero.Model],
    "dezero.optimizers": [dezero.optimizers.Optimizer],
    "dezero.datasets": [dezero.Dataset, dezero.datasets.ImageNet],
    "dezero.dataloaders": [dezero.DataLoader],
}
"""By module, the classes whose members are listed, too."""


def rows_of(section: str, page: str) -> list[tuple[list[str], str]]:
    """The rows in a section of a page: names, and what is said of them."""
    text = page.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"(?m)^\| (`.*`) \| (.*) \|$", text)
    return [(re.findall(r"`([^`]+)`", names), said) for names, said in rows]


def public_in(module: str) -> set[str]:
    """What a module exports.

    That is its ``__all__``; else its functions and classes, their other names, what it re-exports
    (``a as a``, ``*``), and the constants that have an annotation and a docstring.
    """
    loaded = importlib.import_module(module)
    if hasattr(loaded, "__all__"):
        return set(cast("list[str]", loaded.__all__))
    names: set[str] = set()
    body = ast.parse(Path(str(loaded.__file__)).read_text("utf-8")).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names if alias.name == alias.asname}
            if node.names[0].name == "*":
                names |= public_in(str(node.module))
        elif isinstance(node, ast.AnnAssign) and isinstance(after, ast.Expr):
            names.add(ast.unparse(node.target))
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
            names |= {ast.unparse(target) for target in node.targets}
    return {name for name in names if not name.startswith("_")}


def members_of(cls: type) -> set[str]:
    own = {*vars(cls), *inspect.get_annotations(cls), *vars(cls).get("__slots__", ())}
    return {f"{cls.__name__}.{name}" for name in own if not name.startswith("_")}


def original_in(module: str) -> set[str]:
    """What the original's module has, as the tables above say."""
    names = {re.split(r"[.(]", line)[0] for line in NAMES[module].split("\n") if line}
    return names.union(SUBMODULES.split() if module == "dezero" else ())


def expected_in(module: str) -> set[str]:
    """What the section of a module has to list; each function once, though F has those of core, too."""
    names = public_in(module)
    of_core = public_in("dezero.core") - (original_in("dezero.functions") - original_in("dezero.core"))
    if module == "dezero.core":
        names = of_core
    elif module == "dezero.functions":
        names -= of_core | public_in("dezero.functions_conv")
    return names.union(*(members_of(cls) for cls in MEMBERS.get(module, [])))


@pytest.mark.parametrize("module", NAMES)
def test_the_page_lists_each_name_once(module: str) -> None:
    listed = [name for names, _ in rows_of(f"`{module}`", PAGE) for name in names]
    assert sorted(listed) == sorted(expected_in(module))


@pytest.mark.parametrize("module", NAMES)
def test_the_page_says_added_of_what_the_original_has_not(module: str) -> None:
    for names, said in rows_of(f"`{module}`", PAGE):
        assert re.match(r"(same|added)\b|(fixed|changed): .|as in ", said), said
        for name in names:
            if "." not in name:
                assert said.startswith("added") == (name not in original_in(module)), name


def test_the_page_lists_each_module() -> None:
    added = [name for names, _ in rows_of("Modules that were not there", PAGE) for name in names]
    files = {p.stem for p in (ROOT / "dezero").iterdir() if p.suffix == ".py" or (p / "cli").is_dir()}
    private = {"__init__", "__main__"}
    assert sorted(added) == sorted(files - private - set(SUBMODULES.split()))
    assert set(re.findall(r"(?m)^## `(.+)`$", PAGE)) == set(NAMES)


def test_a_row_of_a_page_is_read() -> None:
    page = "\n## `m`\n\n| name | |\n|---|---|\n| `a`, `B.c` | fixed: `x` |\n| `d` | same |\n"
    page += "\n## n\n| `e` | same |\n"
    assert rows_of("`m`", page) == [(["a", "B.c"], "fixed: `x`"), (["d"], "same")]
