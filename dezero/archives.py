"""Files: the arrays of weights, and what datasets are published in.

Who needs this imports it when it reads or writes: `import dezero` need not wait for what it imports.
"""

from __future__ import annotations

import gzip
import math
import os
import stat
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from dezero.arrays import Shape, as_array
from dezero.contract import Array
from dezero.utils import whole_file

# --------------------------------------------------------------------------------------------- weights


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> None:
    """Write arrays to an ``.npz`` file, which is there whole, or as it was before.

    Raises:
        OSError: It cannot be written.
    """
    # Not np.savez: some keys would be taken for its own arguments.
    with whole_file(Path(path)) as file:
        # Others than Python read the sizes before each array, where only a file can have them.
        is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        with zipfile.ZipFile(file if is_file else _Stream(file), "w") as archive:
            for key, array in arrays.items():
                with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                    np.save(member, array, allow_pickle=False)


class _Stream:
    """A device or a pipe, without places: a device calls each 0, which a zip archive would believe."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write
        self.flush = file.flush
        self.close = file.close


def read_arrays(
    who: str,
    path: str | os.PathLike[str],
    difference: Callable[[str, Shape, np.dtype[np.generic]], str],
) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays in an ``.npz`` file by key, and what is wrong with those that are not read.

    Args:
        who: What a message begins with.
        path: The file.
        difference: Tells of a key, a shape and an element type how an array of these is not as
            expected, before it is read; nothing if it is.

    Raises:
        ValueError: It is no such file.
        OSError: It cannot be read.
    """
    arrays: dict[str, Array] = {}
    wrong: dict[str, str] = {}
    with open(path, "rb") as file:
        try:
            archive = zipfile.ZipFile(file)
        except Exception as error:  # of several kinds
            raise ValueError(
                f"{who}: {os.fspath(path)} is no .npz file, or not a whole one ({error})"
            ) from error
        members = {member: member.filename.removesuffix(".npy") for member in archive.infolist()}
        times = Counter(members.values())
        for member, key in members.items():
            if times[key] > 1:
                wrong[key] = f"there {times[key]} times"
                continue
            try:
                arrays[key] = _array(archive, member, partial(difference, key))
            except Exception as error:  # there are a dozen kinds: a header is read as Python
                wrong[key] = str(error) or type(error).__name__
    return arrays, wrong


def _array(
    archive: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    difference: Callable[[Shape, np.dtype[np.generic]], str],
) -> Array:
    """The array that a member holds; nothing but its header is unpacked before that is as expected."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # Of what is packed in other ways, zipfile unpacks much more than it is asked for.
        raise ValueError(f"packed by method {member.compress_type}, expected NumPy's")
    with archive.open(member) as file:
        start = BytesIO(file.read(LONGEST_HEADER))
    if not start.getvalue().startswith(b"\x93NUMPY"):
        raise ValueError("no array")
    version = npy.read_magic(start)
    if version not in _HEADERS:
        raise ValueError(
            f"version {version} of the format, expected one of {', '.join(map(str, _HEADERS))}"
        )
    shape, by_columns, dtype = _HEADERS[version](start)
    if dtype.hasobject:
        raise ValueError("an array of objects, which would be unpickled; expected numbers")
    there, announced = member.file_size - start.tell(), math.prod(shape) * dtype.itemsize
    if there != announced:
        raise ValueError(f"{there} bytes, expected the {announced} of {dtype}{list(shape)}")
    if different := difference(shape, dtype):
        raise ValueError(different)
    with archive.open(member) as file:
        file.read(start.tell())
        data = _taken(file.read, announced, math.inf)
    return as_array(data.view(dtype).reshape(shape, order="F" if by_columns else "C"))


LONGEST_HEADER = 2**16
"""How many bytes of a member are read for its header; NumPy refuses those that are not much shorter."""

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
"""What reads the header of a member, by the version of the format; a third is for names of fields."""


# -------------------------------------------------------------------------------------------- datasets

LARGEST = 2**30
"""How many bytes one file may hold when it is unpacked."""

PIECE = 2**20
"""How many bytes are unpacked at once."""


@contextmanager
def _opened(path: str) -> Generator[IO[bytes]]:
    """A file, for as long as it is unpacked: whatever is wrong in it is a ValueError with its name."""
    with open(path, "rb") as file:
        try:
            yield file
        except (ValueError, gzip.BadGzipFile, zlib.error, EOFError, tarfile.TarError) as error:
            raise ValueError(f"{path}: {error}") from error


class _Unpacked(gzip.GzipFile):
    """What is in a gzip file, in small pieces only: tarfile asks for what a header says, at once."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= PIECE:
            raise ValueError(f"a header announces {size} bytes")
        return super().read(size)


def _taken(read: Callable[[int], bytes], count: int, largest: float = LARGEST) -> NDArray[np.uint8]:
    """So many bytes. Memory is taken as they come, not as they are announced."""
    if count > largest:
        raise ValueError(f"announces {count} bytes; at most {largest} are read")
    data = bytearray()
    while len(data) < count:
        part = read(min(count - len(data), PIECE))
        if not part:
            raise ValueError(f"ends after {len(data)} of the {count} bytes that it announces")
        data += part
    return np.frombuffer(data, np.uint8)


def read_idx(path: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """An array (N, *shape) of bytes in LeCun's IDX format, which the MNIST database's page describes.

    Two zeros, 8 for "unsigned byte", the number of axes; each axis as a big-endian uint32; the bytes.
    """
    ndim = 1 + len(shape)
    with _opened(path) as packed, gzip.open(packed) as file:
        magic = _taken(file.read, 4).tobytes()
        if magic != bytes([0, 0, 8, ndim]):
            raise ValueError(
                f"begins with {magic.hex(' ')}; expected 00 00 08 {ndim:02x}, "
                f"the IDX format of bytes with {ndim} axes"
            )
        n, *rest = (int(size) for size in _taken(file.read, 4 * ndim).view(">u4"))
        if tuple(rest) != shape:
            raise ValueError(f"holds arrays of the shape {tuple(rest)}; expected {shape}")
        data = _taken(file.read, n * math.prod(shape))
        if file.read(1):
            raise ValueError(f"goes on after the {data.size} bytes that it announces")
    return data.reshape(n, *shape)


def read_cifar(
    path: str, members: Sequence[str], label_bytes: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The labels (N, label_bytes) and pictures (N, 3, 32, 32) of the archive's "binary version".

    Each record is its labels, then 3072 bytes: the red, the green, the blue plane, row by row.
    """
    length = label_bytes + 3 * 32 * 32
    parts: list[NDArray[np.uint8]] = []
    with (
        _opened(path) as packed,
        _Unpacked(fileobj=packed) as unpacked,
        tarfile.open(fileobj=unpacked, mode="r:") as archive,
    ):
        found: dict[str, tarfile.TarInfo] = {}
        for member in archive:
            if member.size < 0:  # behind it would come what was read already, for ever
                raise ValueError(f"{member.name} has {member.size} bytes")
            found[member.name] = member
        for name in members:
            if name not in found:
                raise ValueError(f"holds no {name}")
            member = found[name]
            file = archive.extractfile(member) if member.isreg() else None
            if file is None:
                raise ValueError(f"{name} is no regular file")
            if not member.size or member.size % length:
                raise ValueError(f"{name} has {member.size} bytes; expected a multiple of {length}")
            parts.append(_taken(file.read, member.size))
    records = np.concatenate(parts).reshape(-1, length)
    return records[:, :label_bytes], records[:, label_bytes:].reshape(-1, 3, 32, 32)
