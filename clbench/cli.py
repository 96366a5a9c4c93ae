"""The command line: brings the commands together, and tells what a user can put right."""

import errno
import gc
import sys

from clbench.commands import looking, making, many, reading, trying
from clbench.commands.arguments import app
from clbench.errors import ClbenchError

COMMANDS = (looking, making, many, reading, trying)  # each adds its own to the app
OUT_OF_OUR_HANDS = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EIO)


def main() -> None:
    """Run a command; what a user can put right is one line and exit code 2."""
    gc.set_threshold(50_000, 20, 20)  # at the usual 700 collecting is an eighth of `list`
    try:
        app()
    except ClbenchError as error:
        _stop(str(error))
    except OSError as error:
        if error.errno not in OUT_OF_OUR_HANDS:
            raise
        _stop(f"{error.filename or 'a file'}: {error.strerror}; what is recorded is not lost")


def _stop(message: str) -> None:
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, soft_wrap=True).print(Text.assemble(("error: ", "bold red"), message))
    sys.exit(2)
