"""Models: layers that can be drawn, and networks that are known by name.

The networks for pictures take arrays (N, 3, H, W) and give a number for each of the 1000 classes of
ImageNet (`dezero.datasets.ImageNet.labels`). Their weights are drawn at the first call, or read from
the files that were published for the book.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

import dezero.functions as F
import dezero.layers as L
from dezero import utils
from dezero.arrays import as_array
from dezero.config import using_config
from dezero.contract import Array
from dezero.graph import Operand, Variable
from dezero.transforms import Image

WEIGHTS = "https://github.com/koki0702/dezero-models/releases/download/v0.1/"
"""Where the weights are published."""


class Model(L.Layer):
    """A layer that is used by itself, and can be drawn.

    Its output is one Variable, for the type checker: so a function that takes any Model can compute
    with ``model(x)``. A network with several outputs derives from `dezero.layers.Layer`.
    """

    # Any parameters may override Any: so a subclass takes what it needs.
    def forward(self, *inputs: Any, **settings: Any) -> Variable:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def plot(self, *inputs: Operand, to_file: str | os.PathLike[str] = "model.png") -> utils.Picture:
        """Call the model, and draw the graph that it records. See `dezero.utils.plot_dot_graph`."""
        with using_config("enable_backprop", True):
            y = self(*inputs)
        return utils.plot_dot_graph(y, verbose=True, to_file=to_file)


class Sequential(Model):
    """Layers, and functions of a Variable, one after the other.

    Attributes:
        l0, l1, …: The layers by their places. One that is assigned takes the place of the old one.

    Raises:
        TypeError: One cannot be called.
    """

    def __init__(self, *layers: Callable[[Variable], Variable]) -> None:
        self._length: int = len(layers)
        for i, layer in enumerate(layers):
            if not callable(layer):
                raise TypeError(
                    f"Sequential: layer {i} is {type(layer).__name__}; expected a Layer or a function"
                )
            setattr(self, f"l{i}", layer)

    @property
    def layers(self) -> tuple[Callable[[Variable], Variable], ...]:
        """All of them, in order."""
        return _numbered(self, "l", range(self._length))

    def forward(self, x: Variable) -> Variable:
        for layer in self.layers:
            x = layer(x)
        return x


class MLP(Model):
    """A multi-layer perceptron: `Linear` layers with an activation after each but the last.

    Args:
        fc_output_sizes: The size of what each layer gives.
        activation: A function of a Variable.

    Attributes:
        l0, l1, …: The layers by their places. One that is assigned takes the place of the old one.

    Raises:
        ValueError: There is no size, or one is not positive.
        TypeError: There are no sizes, but something else; or the activation cannot be called.
    """

    def __init__(
        self,
        fc_output_sizes: Iterable[int],
        activation: Callable[[Variable], Variable] = F.sigmoid,
    ) -> None:
        if not callable(activation):
            raise TypeError(
                f"MLP: activation is of type {type(activation).__name__}; expected a function"
            )
        try:
            sizes = list(fc_output_sizes)
        except TypeError:
            raise TypeError(
                f"MLP: fc_output_sizes is of type {type(fc_output_sizes).__name__}; "
                "expected a size for each layer, such as (100, 10)"
            ) from None
        self.activation: Callable[[Variable], Variable] = activation
        if not sizes:
            raise ValueError("MLP: fc_output_sizes is empty; expected the size of at least one layer")
        self._length: int = len(sizes)
        for i, size in enumerate(sizes):
            setattr(self, f"l{i}", L.Linear(size))

    @property
    def layers(self) -> tuple[L.Linear, ...]:
        """All of them, in order."""
        return _numbered(self, "l", range(self._length))

    def forward(self, x: Variable) -> Variable:
        *hidden, last = self.layers
        for layer in hidden:
            x = self.activation(layer(x))
        return last(x)


def _numbered(layer: L.Layer, letter: str, numbers: range) -> tuple[Any, ...]:
    """The attributes ``l0``, ``l1``, …: they alone are kept, for a list beside them might differ."""
    return tuple([getattr(layer, f"{letter}{i}") for i in numbers])


# ------------------------------------------------------------------------------------------------ VGG


class VGG16(Model):
    """The network of 16 layers.

    Args:
        pretrained: Read the published weights, which are for pictures of 224 x 224: fetched once, and
            kept by `dezero.utils.get_file`. See `preprocess`.

    Raises:
        OSError: The weights cannot be fetched. The message says where to put the file by hand.

    Source: K. Simonyan and A. Zisserman, "Very Deep Convolutional Networks", 2014, configuration D.
    """

    WEIGHTS_PATH: ClassVar[str] = WEIGHTS + "vgg16.npz"

    def __init__(self, pretrained: bool = False) -> None:
        self.conv1_1: L.Conv2d = L.Conv2d(64, kernel_size=3, stride=1, pad=1)
        self.conv1_2: L.Conv2d = L.Conv2d(64, kernel_size=3, stride=1, pad=1)
        self.conv2_1: L.Conv2d = L.Conv2d(128, kernel_size=3, stride=1, pad=1)
        self.conv2_2: L.Conv2d = L.Conv2d(128, kernel_size=3, stride=1, pad=1)
        self.conv3_1: L.Conv2d = L.Conv2d(256, kernel_size=3, stride=1, pad=1)
        self.conv3_2: L.Conv2d = L.Conv2d(256, kernel_size=3, stride=1, pad=1)
        self.conv3_3: L.Conv2d = L.Conv2d(256, kernel_size=3, stride=1, pad=1)
        self.conv4_1: L.Conv2d = L.Conv2d(512, kernel_size=3, stride=1, pad=1)
        self.conv4_2: L.Conv2d = L.Conv2d(512, kernel_size=3, stride=1, pad=1)
        self.conv4_3: L.Conv2d = L.Conv2d(512, kernel_size=3, stride=1, pad=1)
        self.conv5_1: L.Conv2d = L.Conv2d(512, kernel_size=3, stride=1, pad=1)
        self.conv5_2: L.Conv2d = L.Conv2d(512, kernel_size=3, stride=1, pad=1)
        self.conv5_3: L.Conv2d = L.Conv2d(512, kernel_size=3, stride=1, pad=1)
        self.fc6: L.Linear = L.Linear(4096)
        self.fc7: L.Linear = L.Linear(4096)
        self.fc8: L.Linear = L.Linear(1000)
        if pretrained:
            self.load_weights(utils.get_file(self.WEIGHTS_PATH))

    def forward(self, x: Variable) -> Variable:
        for block in (
            (self.conv1_1, self.conv1_2),
            (self.conv2_1, self.conv2_2),
            (self.conv3_1, self.conv3_2, self.conv3_3),
            (self.conv4_1, self.conv4_2, self.conv4_3),
            (self.conv5_1, self.conv5_2, self.conv5_3),
        ):
            for conv in block:
                x = F.relu(conv(x))
            x = F.pooling(x, 2, 2)
        x = F.reshape(x, (x.shape[0], -1))
        x = F.dropout(F.relu(self.fc6(x)))
        x = F.dropout(F.relu(self.fc7(x)))
        return self.fc8(x)

    @staticmethod
    def preprocess(
        image: Image, size: tuple[int, int] | None = (224, 224), dtype: DTypeLike = np.float32
    ) -> Array:
        """A picture as the published weights need it: an array (3, H, W), blue first, of mean 0.

        Args:
            image: A picture of Pillow.
            size: Its new width and height; None to leave it as it is.
            dtype: The element type.

        Raises:
            TypeError: ``dtype`` is not floating.
        """
        if np.dtype(dtype).kind != "f":
            raise TypeError(f"VGG16.preprocess: dtype is {np.dtype(dtype)}; expected a floating one")
        image = image.convert("RGB")
        if size is not None:
            image = image.resize(size, BICUBIC)
        pixels = as_array(np.asarray(image))[:, :, ::-1].astype(dtype)
        pixels -= np.array(MEAN_BGR, dtype)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))


MEAN_BGR = (103.939, 116.779, 123.68)
"""The mean of blue, green and red over the pictures that VGG was trained on."""
BICUBIC = 3
"""What Pillow calls ``Image.Resampling.BICUBIC``."""


# --------------------------------------------------------------------------------------------- ResNet


class ResNet(Model):
    """A network that learns what is left over from the input of each block.

    Args:
        n_layers: 50, 101 or 152.
        pretrained: Read the published weights: fetched once, and kept by `dezero.utils.get_file`.

    Raises:
        ValueError: There is no network of so many layers.
        OSError: The weights cannot be fetched. The message says where to put the file by hand.

    Source: K. He et al., "Deep Residual Learning for Image Recognition", 2015.
    """

    WEIGHTS_PATH: ClassVar[str] = WEIGHTS + "resnet{}.npz"

    def __init__(self, n_layers: int = 152, pretrained: bool = False) -> None:
        if n_layers not in BLOCKS:
            expected = ", ".join(map(str, BLOCKS))
            raise ValueError(f"ResNet: n_layers is {n_layers!r}; expected one of {expected}")
        n2, n3, n4, n5 = BLOCKS[n_layers]
        self.conv1: L.Conv2d = L.Conv2d(64, 7, 2, 3)
        self.bn1: L.BatchNorm = L.BatchNorm()
        self.res2: BuildingBlock = BuildingBlock(n2, 64, 64, 256, 1)
        self.res3: BuildingBlock = BuildingBlock(n3, 256, 128, 512, 2)
        self.res4: BuildingBlock = BuildingBlock(n4, 512, 256, 1024, 2)
        self.res5: BuildingBlock = BuildingBlock(n5, 1024, 512, 2048, 2)
        self.fc6: L.Linear = L.Linear(1000)
        if pretrained:
            self.load_weights(utils.get_file(self.WEIGHTS_PATH.format(n_layers)))

    def forward(self, x: Variable) -> Variable:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.pooling(x, kernel_size=3, stride=2)
        for block in (self.res2, self.res3, self.res4, self.res5):
            x = block(x)
        return self.fc6(F.mean(x, axis=(2, 3)))


BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""For each number of layers how many bottlenecks there are in each of the four blocks."""


class ResNet152(ResNet):
    """`ResNet` of 152 layers."""

    def __init__(self, pretrained: bool = False) -> None:
        super().__init__(152, pretrained)


class ResNet101(ResNet):
    """`ResNet` of 101 layers."""

    def __init__(self, pretrained: bool = False) -> None:
        super().__init__(101, pretrained)


class ResNet50(ResNet):
    """`ResNet` of 50 layers."""

    def __init__(self, pretrained: bool = False) -> None:
        super().__init__(50, pretrained)


class BuildingBlock(L.Layer):
    """A `BottleneckA`, then ``n_layers - 1`` of `BottleneckB`; named ``a``, ``b1``, ``b2``, ….

    Args:
        n_layers: How many bottlenecks.
        in_size: The channels of x, which the first call says anyway.
        mid_size: The channels inside of the bottlenecks.
        out_size: The channels of what comes out.
        stride: How far the kernels of the first bottleneck move.
        downsample_fb: Whether its second convolution takes these steps, and not the first.
    """

    def __init__(
        self,
        n_layers: int,
        in_size: int,
        mid_size: int,
        out_size: int,
        stride: int,
        downsample_fb: bool = False,
    ) -> None:
        self.a: BottleneckA = BottleneckA(in_size, mid_size, out_size, stride, downsample_fb)
        self._length: int = n_layers
        for i in range(1, n_layers):
            setattr(self, f"b{i}", BottleneckB(out_size, mid_size))

    @property
    def bs(self) -> tuple[BottleneckB, ...]:
        """The second bottleneck and those after it, in order."""
        return _numbered(self, "b", range(1, self._length))

    def forward(self, x: Variable) -> Variable:
        x = self.a(x)
        for b in self.bs:
            x = b(x)
        return x


class BottleneckA(L.Layer):
    """A bottleneck that changes the number of channels, and with ``stride`` the height and width.

    Args: As for `BuildingBlock`.
    """

    def __init__(
        self,
        in_size: int,
        mid_size: int,
        out_size: int,
        stride: int = 2,
        downsample_fb: bool = False,
    ) -> None:
        first, second = (1, stride) if downsample_fb else (stride, 1)
        self.conv1: L.Conv2d = L.Conv2d(mid_size, 1, first, 0, nobias=True)
        self.bn1: L.BatchNorm = L.BatchNorm()
        self.conv2: L.Conv2d = L.Conv2d(mid_size, 3, second, 1, nobias=True)
        self.bn2: L.BatchNorm = L.BatchNorm()
        self.conv3: L.Conv2d = L.Conv2d(out_size, 1, 1, 0, nobias=True)
        self.bn3: L.BatchNorm = L.BatchNorm()
        self.conv4: L.Conv2d = L.Conv2d(out_size, 1, stride, 0, nobias=True)
        self.bn4: L.BatchNorm = L.BatchNorm()

    def forward(self, x: Variable) -> Variable:
        h = F.relu(self.bn1(self.conv1(x)))
        h = F.relu(self.bn2(self.conv2(h)))
        return F.relu(self.bn3(self.conv3(h)) + self.bn4(self.conv4(x)))


class BottleneckB(L.Layer):
    """A bottleneck that leaves the shape as it is.

    Args: As for `BuildingBlock`.
    """

    def __init__(self, in_size: int, mid_size: int) -> None:
        self.conv1: L.Conv2d = L.Conv2d(mid_size, 1, 1, 0, nobias=True)
        self.bn1: L.BatchNorm = L.BatchNorm()
        self.conv2: L.Conv2d = L.Conv2d(mid_size, 3, 1, 1, nobias=True)
        self.bn2: L.BatchNorm = L.BatchNorm()
        self.conv3: L.Conv2d = L.Conv2d(in_size, 1, 1, 0, nobias=True)
        self.bn3: L.BatchNorm = L.BatchNorm()

    def forward(self, x: Variable) -> Variable:
        h = F.relu(self.bn1(self.conv1(x)))
        h = F.relu(self.bn2(self.conv2(h)))
        return F.relu(self.bn3(self.conv3(h)) + x)


# ----------------------------------------------------------------------------------------- SqueezeNet


class SqueezeNet(Model):
    """A network of few parameters, with no `Linear` layer: version 1.1.

    Args:
        pretrained: Must be False, as no weights are published.

    Raises:
        NotImplementedError: ``pretrained`` is true.

    Source: F. N. Iandola et al., "SqueezeNet", 2016, and their repository for version 1.1. Where their
    windows for pooling reach over the edge, these do not.
    """

    def __init__(self, pretrained: bool = False) -> None:
        if pretrained:
            raise NotImplementedError("SqueezeNet: no weights are published; leave pretrained=False")
        self.conv1: L.Conv2d = L.Conv2d(64, 3, 2)
        self.fire2: Fire = Fire(16, 64)
        self.fire3: Fire = Fire(16, 64)
        self.fire4: Fire = Fire(32, 128)
        self.fire5: Fire = Fire(32, 128)
        self.fire6: Fire = Fire(48, 192)
        self.fire7: Fire = Fire(48, 192)
        self.fire8: Fire = Fire(64, 256)
        self.fire9: Fire = Fire(64, 256)
        self.conv10: L.Conv2d = L.Conv2d(1000, 1)

    def forward(self, x: Variable) -> Variable:
        x = F.pooling(F.relu(self.conv1(x)), 3, 2)
        x = F.pooling(self.fire3(self.fire2(x)), 3, 2)
        x = F.pooling(self.fire5(self.fire4(x)), 3, 2)
        x = F.dropout(self.fire9(self.fire8(self.fire7(self.fire6(x)))))
        return F.mean(F.relu(self.conv10(x)), axis=(2, 3))


class Fire(L.Layer):
    """Channels squeezed by 1 x 1 kernels, then widened by 1 x 1 and by 3 x 3 kernels, side by side.

    Args:
        squeezed: How many channels are left in between.
        expanded: How many each kind of kernel makes of them.
    """

    def __init__(self, squeezed: int, expanded: int) -> None:
        self.squeeze: L.Conv2d = L.Conv2d(squeezed, 1)
        self.expand1: L.Conv2d = L.Conv2d(expanded, 1)
        self.expand3: L.Conv2d = L.Conv2d(expanded, 3, pad=1)

    def forward(self, x: Variable) -> Variable:
        x = F.relu(self.squeeze(x))
        return F.concatenate([F.relu(self.expand1(x)), F.relu(self.expand3(x))], axis=1)
