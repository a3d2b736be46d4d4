"""What the authors of ports need: `dezero serve`."""

from __future__ import annotations

import argparse

from dezero.verify import serve
from dezero.verify.cli.arguments import AddCommand


def define(add: AddCommand) -> None:
    """Defines the commands."""
    port = add("serve", help="run programs as a port, on standard input and output")
    port.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    return serve.main()
