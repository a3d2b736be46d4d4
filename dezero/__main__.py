"""`python -m dezero` and the console script `dezero`."""

import sys
from collections.abc import Callable


def _missing(package: str) -> Callable[[], int]:
    def say_so() -> int:
        print(
            f"dezero: the command needs {package}, which is not installed; "
            "install it with: pip install '.[verify]' in a checkout",
            file=sys.stderr,
        )
        return 3

    return say_so


main: Callable[[], int]
try:
    from dezero.verify.cli import main
except ModuleNotFoundError as _error:
    if (_error.name or "").partition(".")[0] not in ("hypothesis", "flint", "rich"):
        raise
    main = _missing(str(_error.name))


if __name__ == "__main__":
    sys.exit(main())
