"""Counterexamples that campaigns share, in Hypothesis' own databases: folders, artefacts, Redis.

A campaign with a database first holds against the laws what broke one before, in an order that does
not depend on the database; then it goes by its seed. So its result follows from the seed and from what
the database held. What is stored are programs in JSON, read as any program is; nothing is deleted, for
what broke a law once is worth being tried ever after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from hypothesis import database
from hypothesis.database import ExampleDatabase

from dezero.verify.program import Program, ProgramError


class DatabaseError(ValueError):
    """A name is that of no database; the message says what was expected."""


class DatabaseDown(Exception):
    """A database, or the package that reads it, is not there; the message says which, and why."""


class Databases:
    """Databases, as one: all are read, and all are written to that can be.

    Attributes:
        malformed: How many entries were passed over, for they are no programs.
    """

    def __init__(self, names: Sequence[str], target: str) -> None:
        """Opens databases.

        Args:
            names: A folder, ``redis://host:6379``, or ``github:owner/repository``, which is only read.
            target: Whose counterexamples are meant.

        Raises:
            DatabaseError: One of the names is none.
            DatabaseDown: The package that one needs is not there.
        """
        self._databases = {name: _opened(name) for name in names}
        # The command of a port may have half of a surrogate pair, for a byte that is no UTF-8.
        self._key = f"dezero: counterexamples of {target}".encode(errors="backslashreplace")
        self.malformed: int = 0

    def programs(
        self, ops: Iterable[str], dtypes: Iterable[str], check: Callable[[Program], None]
    ) -> list[Program]:
        """The stored programs of some operations and element types, the shortest text first.

        Args:
            ops: The operations.
            dtypes: The element types.
            check: Raises ProgramError if a program is none for the target.

        Raises:
            DatabaseDown: One cannot be read.
        """
        ops, dtypes = set(ops), set(dtypes)
        found: list[Program] = []
        for text in sorted(self._texts(), key=lambda b: (len(b), b)):
            try:
                program = Program.from_json(text.decode("utf-8"))
                if {step.op for step in program.steps} <= ops and program.dtype.name in dtypes:
                    check(program)
                    found.append(program)
            except (ProgramError, UnicodeDecodeError):
                self.malformed += 1
        return found

    def _texts(self) -> set[bytes]:
        """What is stored anywhere."""
        found: set[bytes] = set()
        for name, one in self._databases.items():
            try:
                found.update(one.fetch(self._key))
            except Exception as error:  # whatever its client raises
                raise DatabaseDown(f"{name} cannot be read: {_said(error)}") from None
        return found

    def store(self, programs: Iterable[Program]) -> list[str]:
        """Stores programs that break a law, wherever it can.

        Returns:
            Where it cannot, and why: what was found is told all the same.
        """
        texts = [program.to_json().encode() for program in programs]
        failures: list[str] = []
        for name, one in self._databases.items():
            try:
                for text in texts:
                    one.save(self._key, text)
                # That of folders keeps to itself what it cannot write.
                is_folder = isinstance(one, database.DirectoryBasedExampleDatabase)
                if is_folder and not set(texts) <= set(one.fetch(self._key)):
                    failures.append(f"{name} cannot be written: what was stored is not there")
            except Exception as error:  # as above
                failures.append(f"{name} cannot be written: {_said(error)}")
        return failures


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def _opened(name: str) -> ExampleDatabase:
    kind, _, rest = name.partition(":")
    if kind in ("redis", "rediss"):
        return _redis(name)
    if kind == "github":
        owner, _, repository = rest.partition("/")
        if not owner or not repository:
            raise DatabaseError(f"{name!r} is no repository; expected github:owner/repository")
        return database.ReadOnlyDatabase(database.GitHubArtifactDatabase(owner, repository))
    path = Path(name)
    if path.exists() and not path.is_dir():
        raise DatabaseError(f"{name} is a file; expected a folder, redis://… or github:…")
    return database.DirectoryBasedExampleDatabase(path)


def _redis(address: str) -> ExampleDatabase:
    try:
        from hypothesis.extra.redis import RedisExampleDatabase
        from redis import Redis
    except ModuleNotFoundError as error:
        raise DatabaseDown(f"{address}: {error}: pip install redis") from None
    try:
        return RedisExampleDatabase(Redis.from_url(address))
    except ValueError as error:
        raise DatabaseError(f"{address}: {error}; expected redis://host:6379") from None
