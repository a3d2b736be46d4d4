"""What a target is held to: the profile of operations that it must have, and what is known to fail."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from dezero.verify import known
from dezero.verify.catalogue import OPERATIONS
from dezero.verify.claims import PROFILES, Claims, claims_of
from dezero.verify.cli.arguments import UsageError
from dezero.verify.cli.targets import Chosen
from dezero.verify.known import KnownFailure, KnownFailureError
from dezero.verify.laws import LAWS


def define(parser: argparse.ArgumentParser) -> None:
    """Defines the arguments."""
    parser.add_argument(
        "--profile",
        choices=sorted(PROFILES),
        default="extended",
        help="core: only the operations that every port has are tried; a target that lacks one, "
        "or one of its attributes, or gradients, has failed (exit code 1). "
        "extended (default): all that the target has",
    )
    parser.add_argument(
        "--known-failures",
        type=Path,
        metavar="FILE",
        help='what the target is known to do wrong, in JSON: [{"op": …, "law": …, "reason": …}]. '
        "The campaign goes on without it; one that passes unexpectedly is an error (exit code 1)",
    )


def in_profile(target: Chosen, profile: str) -> tuple[Chosen, Claims]:
    """A target with the operations of a profile, and what it claims; raises UsageError."""
    if target.prepared is not None:
        if profile != "extended":
            raise UsageError(f"--profile {profile} is for engines; a function is one operation")
        return target, Claims()
    claims = claims_of(target.engine, profile)
    chosen = {op: contract for op, contract in target.contracts.items() if op in PROFILES[profile]}
    if not chosen and not claims.lacking:
        raise UsageError(f"none of the operations of --ops belongs to the profile {profile}")
    return replace(target, contracts=chosen), claims


def known_failures(path: Path | None, target: Chosen) -> list[KnownFailure]:
    """The known failures that a file lists; raises UsageError."""
    if path is None:
        return []
    if target.prepared is not None:
        raise UsageError("--known-failures is for engines; a function is one operation")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: {error.reason}") from None
    try:
        return known.read(text, str(path), OPERATIONS, LAWS)
    except KnownFailureError as error:
        raise UsageError(str(error)) from None
