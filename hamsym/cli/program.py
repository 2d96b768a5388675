"""The ``hamsym`` program: its commands, and how an error becomes one line and an exit code.

Further commands are found through the entry-point group ``hamsym.commands``; each entry is a function for
typer whose module imports what is heavy only when it runs.  Exit codes: 0 proved or done, 1 refuted or not
closed, 2 wrong usage or refused input, 3 undecided or incomplete.
"""

from __future__ import annotations

import os
import re
import sys
from importlib.metadata import entry_points
from typing import Annotated

import typer

from hamsym.cli.algebra import algebra
from hamsym.cli.dataset import dataset
from hamsym.cli.integrals import integrals
from hamsym.cli.simulate import simulate
from hamsym.cli.systems import systems
from hamsym.cli.verify import verify
from hamsym.errors import HamsymError

app = typer.Typer(
    name="hamsym",
    help="Prove symmetries of Hamiltonians, find their integrals, simulate them, learn flows that keep them.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: Exit code of a command that was interrupted with Ctrl-C, as shells have it.
INTERRUPTED = 130
#: Exit code of a failure that is not the user's; sysexits.h calls it EX_SOFTWARE.
INTERNAL = 70


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from hamsym import __version__

        typer.echo(f"hamsym {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


for _command in (verify, integrals, algebra, systems, simulate):
    app.command()(_command)
app.add_typer(dataset, name="dataset")
for _entry in entry_points(group="hamsym.commands"):
    app.command(_entry.name)(_entry.load())


#: Text that starts with a minus sign and is a formula, not an option: it has an operator or a call in it.
_NEGATIVE_FORMULA = re.compile(r"-(?!-)[^=]*(?:[*/(]|\s[+-]\s)")


def arguments_of(given: list[str]) -> list[str]:
    """Return command-line arguments in which formulas such as ``-p1*q2 + p2*q1`` are not taken for options.

    Example:
        >>> arguments_of(["verify", "p1**2", "-p1*q2 + p2*q1", "-q", "q1 q2", "--json"])
        ['verify', 'p1**2', ' -p1*q2 + p2*q1', '-q', 'q1 q2', '--json']
    """
    return [f" {a}" if _NEGATIVE_FORMULA.match(a) else a for a in given]


def main() -> None:
    """Run the command line; an error of the input is one line on standard error and exit code 2."""
    try:
        code = app(arguments_of(sys.argv[1:]), standalone_mode=False)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
    except HamsymError as error:
        _stop(str(error), 2)
    except (KeyboardInterrupt, typer.Abort) as stop:
        _stop(
            str(stop) or "interrupted; where the command has --resume, the same command with it goes on",
            INTERRUPTED,
        )
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _stop(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""), 2)
    except MemoryError:
        _stop("not enough memory for arrays of this size; ask for fewer states, points or steps", 2)
    except Exception as error:
        if hasattr(error, "format_message"):  # typer's usage errors carry one
            _stop(error.format_message(), 2)
        if os.environ.get("HAMSYM_DEBUG"):
            raise
        _stop(
            f"internal: {type(error).__name__}: {error} (HAMSYM_DEBUG=1 shows where; please report it)",
            INTERNAL,
        )
    sys.exit(code if isinstance(code, int) else 0)


def _stop(message: str, code: int) -> None:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(code)
