"""Pictures of graphs, gradients by differences, shapes, and files from the network."""

from __future__ import annotations

import contextlib
import operator
import os
import stat
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import numpy as np

from dezero import arrays
from dezero.arrays import (
    Axes,
    Shape,
    as_array,
    floating,
    is_array_or_number,
    kept_shape,
    reduced_axes,
)
from dezero.contract import Array
from dezero.core import as_shape
from dezero.functions import LogSumExp
from dezero.graph import Operand, Variable, grad, values
from dezero.pictures import Picture as Picture

if TYPE_CHECKING:
    from pathlib import Path

TensorT = TypeVar("TensorT", Variable, Array)

# -------------------------------------------------------------------------------------------- Pictures

KINDS = {".dot": "dot", ".gv": "dot", ".svg": "svg", ".png": "png", ".pdf": "pdf"}


def get_dot_graph(output: Variable | Sequence[Variable], verbose: bool = True) -> str:
    """What ``output`` was computed from, in DOT, the language of Graphviz. Of any size.

    Args:
        output: A variable, or several.
        verbose: Write the shape and the element type of each variable beside its name.

    Raises:
        TypeError: ``output`` is neither a Variable nor a list or tuple of them.
    """
    return Picture.of(output, verbose).dot


def plot_dot_graph(
    output: Variable | Sequence[Variable],
    verbose: bool = True,
    to_file: str | os.PathLike[str] = "graph.png",
) -> Picture:
    """Draw what ``output`` was computed from, into a file.

    Graphviz draws if its program ``dot`` is installed; if not, there is a drawing of our own in SVG.

    Args:
        output: A variable, or several.
        verbose: Write the shape and the element type of each variable beside its name.
        to_file: What it ends in says what is written: .dot and .gv text, .svg, .png, .pdf. The file
            appears complete or not at all.

    Returns:
        The picture, which a notebook displays.

    Raises:
        TypeError: ``output`` is neither a Variable nor a list or tuple of them.
        ValueError: ``to_file`` ends in something else; or the graph is too large to be drawn.
        RuntimeError: PNG and PDF without Graphviz; or Graphviz failed.
        OSError: The file cannot be written.
    """
    from pathlib import Path  # here, so that `import dezero` need not wait for it

    path = Path(to_file)
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(
            f"plot_dot_graph: to_file={str(path)!r} ends in {path.suffix or 'nothing'!r}; "
            f"expected one of {', '.join(KINDS)}"
        )
    picture = Picture.of(output, verbose)
    with whole_file(path) as file:
        file.write(picture.render(kind))
    return picture


@contextlib.contextmanager
def whole_file(path: Path) -> Generator[BinaryIO, None, None]:
    """A file to write to, which takes its place at ``path`` when the block ends, but not if it raises.

    A file that is replaced leaves its permissions to the new one. What is no file that could be
    replaced, as a device or a pipe, is written to at once.

    Raises:
        OSError: It cannot be written.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as there:
            yield there
        return
    path = path.resolve()  # behind a link, not in its place
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to put {path.name} in")
    part = path.with_name(f".{os.urandom(8).hex()}.part")
    try:
        with part.open("xb") as file:
            if path.exists():
                part.chmod(stat.S_IMODE(path.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())  # or the name might be there before what is in the file
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


# -------------------------------------------------------------------------------------- Shapes, arrays


def sum_to(x: Array, shape: int | Sequence[int]) -> Array:
    """The sum over the axes along which ``shape`` broadcasts to the shape of ``x``.

    Raises:
        ValueError: It does not broadcast to the shape of ``x``.
    """
    return arrays.sum_to(as_array(x), as_shape(shape))


def reshape_sum_backward(gy: TensorT, x_shape: Shape, axis: Axes, keepdims: bool) -> TensorT:
    """The cotangent of a sum, so shaped that it broadcasts to the shape of what was summed.

    Args:
        gy: The cotangent, of the shape of the sum.
        x_shape: The shape of what was summed.
        axis, keepdims: Over what it was summed, and whether these axes were kept.

    Raises:
        ValueError: An axis is none of ``x_shape``; or ``gy`` has not the shape of the sum.
    """
    if not x_shape:
        axis = None  # over 0 and -1 NumPy sums a scalar, too
    kept = kept_shape(x_shape, _axes("reshape_sum_backward", len(x_shape), axis))
    reduced = reduced_axes(len(x_shape), axis)
    summed = kept if keepdims else tuple(n for a, n in enumerate(x_shape) if a not in reduced)
    if gy.shape != summed:
        raise ValueError(
            f"reshape_sum_backward: gy has shape {gy.shape}; expected that of the sum, {summed}"
        )
    return gy.reshape(gy.shape if axis is None else kept)


def max_backward_shape(x: Variable | Array, axis: Axes) -> Shape:
    """The shape of ``x`` with the axes over which a maximum was taken kept, at length one.

    Raises:
        ValueError: An axis is none of ``x``.
    """
    return kept_shape(x.shape, _axes("max_backward_shape", x.ndim, axis))


def _axes(who: str, ndim: int, axis: Axes) -> Axes:
    for a in () if axis is None else axis if isinstance(axis, tuple) else (axis,):
        if not -ndim <= a < ndim:
            raise ValueError(f"{who}: axis {a} is out of bounds for an array of {ndim} axes")
    return axis


def logsumexp(x: Array, axis: Axes = 1) -> Array:
    """log Σ eˣ over some axes, which are kept at length one; finite wherever the value is."""
    with np.errstate(over="ignore"):  # beside an infinity, e^1000 may be infinite, too
        return LogSumExp(axis, keepdims=True).forward(as_array(x))


def array_equal(a: Operand, b: Operand) -> bool:
    """Whether two arrays or variables have the same shape and the same elements."""
    return bool(np.array_equal(values(a), values(b)))


def array_allclose(a: Operand, b: Operand, rtol: float = 1e-4, atol: float = 1e-5) -> bool:
    """Whether |a - b| ≤ atol + rtol · |b| for all elements of two arrays or variables, broadcast."""
    return bool(np.allclose(values(a), values(b), rtol=rtol, atol=atol))


def pair(x: int | tuple[int, int]) -> tuple[int, int]:
    """``(x, x)`` for a number, a pair as it is.

    Raises:
        ValueError: ``x`` is neither an integer nor a tuple of two.
    """
    numbers = x if isinstance(x, tuple) else (x, x)
    try:
        height, width = map(operator.index, numbers)
    except (TypeError, ValueError):
        raise ValueError(f"pair: {x!r} is neither an integer nor a pair of integers") from None
    return height, width


def checked_rng(who: str, rng: np.random.Generator | None, draw: str) -> np.random.Generator | None:
    """``rng``, if it can draw by the method of this name, or None.

    Raises:
        TypeError: It is something else, such as a seed.
    """
    if rng is None or callable(getattr(rng, draw, None)):
        return rng
    raise TypeError(
        f"{who}: rng is of type {type(rng).__name__}; expected a Generator, as np.random.default_rng(0)"
    )


def get_conv_outsize(input_size: int, kernel_size: int, stride: int, pad: int) -> int:
    """How many places a kernel takes along an axis: (input_size + 2 · pad - kernel_size) // stride + 1.

    Raises:
        ValueError: The stride is not positive; or the kernel has no place at all.
    """
    room = input_size + 2 * pad - kernel_size
    if stride < 1 or room < 0:
        raise ValueError(
            f"get_conv_outsize: no place for a kernel of {kernel_size} in {input_size} elements "
            f"with padding {pad}, by steps of {stride}"
        )
    return room // stride + 1


def get_deconv_outsize(size: int, k: int, s: int, p: int) -> int:
    """How long an axis of ``size`` places of a kernel was: stride s · (size - 1) + k - 2 · padding p.

    Raises:
        ValueError: The stride is not positive; or nothing is left between the padding.
    """
    length = s * (size - 1) + k - 2 * p
    if s < 1 or length < 1:
        raise ValueError(
            f"get_deconv_outsize: {size} places of a kernel of {k} by steps of {s} "
            f"leave no element between the padding of {p}"
        )
    return length


# ------------------------------------------------------------------------------------------- Gradients

STEP = 1e-4


def numerical_grad(f: Callable[..., Operand], x: Operand, *args: object, **kwargs: object) -> Array:
    """The gradient of the sum of ``f(x, *args, **kwargs)``, by central differences.

    Args:
        f: A function of an ndarray that returns a Variable or an ndarray.
        x: Where: a Variable, or an array. It is left as it is.
        args, kwargs: What else ``f`` takes.

    Returns:
        An array of the shape of ``x``, in float64. Its error is of the order of 10⁻⁸ times the third
        derivative.

    Raises:
        TypeError: ``f`` returned neither a Variable nor an array nor a number.
    """
    return _differences("numerical_grad", lambda at: f(at, *args, **kwargs), x)


def _differences(who: str, f: Callable[[Array], object], x: Operand) -> Array:
    x = values(x).astype(np.float64)
    gradient = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        # A step that is not lost in x; and divided by what it has really come to.
        step = max(STEP, 1e3 * np.spacing(abs(x[index])))
        low, high = x.copy(), x.copy()
        low[index] -= step
        high[index] += step
        rise = floating(_value(who, f(high))) - floating(_value(who, f(low)))
        gradient[index] = np.sum(rise) / (high[index] - low[index])
    return gradient


def _value(who: str, y: object) -> Array:
    if isinstance(y, Variable):
        return y.data
    if is_array_or_number(y):
        return as_array(y)
    raise TypeError(f"{who}: f returned {type(y).__name__}; expected a Variable or an ndarray")


def gradient_check(
    f: Callable[..., Operand],
    x: Operand,
    *args: object,
    rtol: float = 1e-4,
    atol: float = 1e-5,
    **kwargs: object,
) -> bool:
    """Whether `backward` and central differences agree on the gradient of the sum of ``f(x, …)``.

    Args:
        f: A function of a Variable that returns a Variable.
        x: Where: a Variable, or an array. It is taken in float64, and left as it is.
        args, kwargs: What else ``f`` takes.
        rtol, atol: How far they may be apart: |backward - differences| ≤ atol + rtol · |differences|.

    Returns:
        Whether they agree; if not, where they differ most is printed.

    Raises:
        TypeError: ``f`` did not return a Variable.
    """
    at = Variable(values(x).astype(np.float64))
    y: object = f(at, *args, **kwargs)
    if not isinstance(y, Variable):
        raise TypeError(f"gradient_check: f returned {type(y).__name__}; expected a Variable")
    given = grad(y, at).data
    expected = _differences("gradient_check", lambda a: f(Variable(a), *args, **kwargs), x)
    if array_allclose(given, expected, rtol, atol):
        return True
    excess = np.abs(given - expected) - rtol * np.abs(expected)
    place = tuple(map(int, np.unravel_index(np.argmax(excess), excess.shape)))  # of a NaN, if any
    print(
        f"gradient_check: at {place} backward gives {given[place]:.9g}, "
        f"differences give {expected[place]:.9g}"
    )
    return False


# ----------------------------------------------------------------------------------------------- Files

cache_dir: str = os.environ.get("DEZERO_CACHE") or os.path.join(os.path.expanduser("~"), ".dezero")
"""Where `get_file` keeps what it has fetched, unless DEZERO_CACHE names another folder at the call."""

CHUNK = 1 << 16


def show_progress(block_num: int, bs: int, total_size: int) -> None:
    """Print how far a download has come: a hook for ``urllib.request.urlretrieve``.

    Args:
        block_num: How many blocks have come.
        bs: Bytes in a block.
        total_size: Bytes to come in all; not positive if that is not known.
    """
    done = block_num * bs
    if total_size <= 0:
        print(f"\r{done} bytes", end="", flush=True)
        return
    share = min(done / total_size, 1.0)
    filled = int(share * 30)
    print(f"\r[{'#' * filled}{'.' * (30 - filled)}] {share * 100:.2f}%", end="", flush=True)


def get_file(
    url: str,
    file_name: str | None = None,
    *,
    sha256: str | None = None,
    size_limit: int = 2**31,
    timeout: float = 30.0,
) -> str:
    """The path of a file that is in the cache folder; if it is not, it is fetched there first.

    The folder is ``~/.dezero``, or what the environment variable DEZERO_CACHE names. A file appears
    there complete, or not at all.

    Args:
        url: Where to fetch it: http or https.
        file_name: Its name in the folder; by default what stands behind the last slash of the URL.
        sha256: The checksum that it must have, in hexadecimal.
        size_limit: The most bytes to fetch.
        timeout: How many seconds to wait for an answer, or for the next bytes.

    Raises:
        ValueError: The URL is neither http nor https; or the name is no plain file name; or the file is
            larger than the limit, or has another checksum.
        OSError: It could not be fetched. The message says where to put the file by hand.
    """
    # Here and in `_fetch`: these take longer to import than all of dezero.
    import hashlib
    from http.client import HTTPException
    from pathlib import Path, PureWindowsPath
    from urllib.parse import urlsplit

    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"get_file: {url!r} is fetched over neither http nor https")
    name = url.rpartition("/")[2] if file_name is None else file_name
    # What a path may mean on either system: separators, drives, the folder above.
    if PureWindowsPath(name).name != name or name in ("", ".", "..") or "\0" in name:
        raise ValueError(f"get_file: {name!r} is no name of a file in the cache folder; give file_name")
    path = Path(os.environ.get("DEZERO_CACHE") or cache_dir, name)
    if path.exists():
        if sha256 is not None:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            _check_digest(str(path), digest, sha256)
        return str(path)
    print(f"Downloading: {name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            _check_digest(url, _fetch(url, file, size_limit, timeout), sha256)
    except (OSError, HTTPException) as error:
        raise OSError(
            f"get_file: {name} could not be fetched from {url} ({error}); "
            f"without a network, put the file at {path}"
        ) from error
    print(" Done")
    return str(path)


def _fetch(url: str, file: BinaryIO, size_limit: int, timeout: float) -> str:
    """Copy what is at a URL into a file, and give its SHA-256."""
    import hashlib
    import urllib.request as web

    opener = web.OpenerDirector()  # which, unlike urllib's default, follows no link to ftp or file
    for handler in (
        web.ProxyHandler,
        web.HTTPHandler,
        web.HTTPSHandler,
        web.HTTPDefaultErrorHandler,
        web.HTTPRedirectHandler,
        web.HTTPErrorProcessor,
        web.UnknownHandler,
    ):
        opener.add_handler(handler())
    digest = hashlib.sha256()
    with opener.open(url, timeout=timeout) as response:
        total = -1 if response.length is None else response.length
        done = 0
        while True:
            if max(done, total) > size_limit:
                raise ValueError(
                    f"get_file: {url} has {max(done, total)} bytes or more; the limit is {size_limit}"
                )
            chunk = response.read(CHUNK)
            if not chunk:
                break
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            show_progress(done, 1, total)
    if done < total:
        raise OSError(f"only {done} of {total} bytes came")
    return digest.hexdigest()


def _check_digest(what: str, digest: str, sha256: str | None) -> None:
    if sha256 is not None and digest != sha256.lower():
        raise ValueError(f"get_file: {what} has the SHA-256 {digest}; expected {sha256}")
