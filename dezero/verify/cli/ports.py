"""What the authors of ports need: `dezero serve`, `dezero smoke` and `dezero schema`."""

from __future__ import annotations

import argparse
import json
import shlex

from dezero.verify import schemas, serve
from dezero.verify.cli import arguments
from dezero.verify.cli.arguments import COUNTEREXAMPLE, HELD, AddCommand, NotStarted, UsageError
from dezero.verify.smoke import NoReply, smoke


def define(add: AddCommand) -> None:
    """Defines the commands."""
    port = add("serve", help="run programs as a port, on standard input and output")
    port.set_defaults(run=_serve)

    trial = add(
        "smoke",
        help="see whether a port's harness works, before its autograd is verified",
        description="See whether a port's harness works: that it starts, that numbers survive, that "
        "a small program of each operation runs, that it stops. Says in one line what is wrong. "
        "Exit codes: 0 nothing, 1 something, 2 wrong usage, 3 the port did not start.",
        usage="%(prog)s [options] -- COMMAND ...",
    )
    arguments.add_limits(trial)
    trial.set_defaults(run=_smoke)

    schema = add(
        "schema",
        help="print the JSON Schema of a message",
        description="Print the JSON Schema (2020-12) of a message, with all that it refers to; "
        "without a name, the names.",
    )
    schema.add_argument("name", nargs="?", metavar="NAME", help="of a message")
    schema.set_defaults(run=_schema)


def _serve(options: argparse.Namespace) -> int:
    return serve.main()


def _smoke(options: argparse.Namespace) -> int:
    if not options.port:
        raise UsageError("smoke: nothing stands behind --; expected the command of a port")
    try:
        found = smoke(options.port, options.start_limit, options.program_limit)
    except NoReply as error:
        raise NotStarted(f"{shlex.join(options.port)}: {error}") from None
    print(f"smoke: {'fine: ' if found.well else 'wrong: '}{found.line}")
    return HELD if found.well else COUNTEREXAMPLE


def _schema(options: argparse.Namespace) -> int:
    if options.name is None:
        print("\n".join(schemas.NAMES))
        return HELD
    if options.name not in schemas.NAMES:
        raise UsageError(f"no schema is called {options.name!r}; there are: {', '.join(schemas.NAMES)}")
    print(json.dumps(schemas.schema(options.name), indent=1))
    return HELD
