"""The command line: ``hamsym verify | simulate`` and whatever installed packages add.

Further commands are found through the entry-point group ``hamsym.commands``; each entry is a function for
typer whose module imports what is heavy only when it runs.  Exit codes: 0 proved or done, 1 refuted,
2 wrong usage or refused input, 3 undecided.
"""

from __future__ import annotations

import json
import os
import re
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hamsym.errors import FormulaError, HamsymError, ParameterError
from hamsym.files import whole

if TYPE_CHECKING:
    from hamsym.symbolic.hamiltonian import Hamiltonian
    from hamsym.symbolic.space import PhaseSpace

app = typer.Typer(
    name="hamsym",
    help="Prove symmetries of Hamiltonians, simulate them, learn flows that keep them.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: Exit code of a command that was interrupted with Ctrl-C, as shells have it.
INTERRUPTED = 130
#: Exit code of a failure that is not the user's; sysexits.h calls it EX_SOFTWARE.
INTERNAL = 70
#: Kinds of figure that --plot writes.
FIGURE_ENDINGS = (".pdf", ".png", ".svg")

Coordinates = Annotated[
    str | None, typer.Option("-q", "--coordinates", help="Names of the coordinates, 'q1 q2'.")
]
Momenta = Annotated[
    str | None, typer.Option("-p", "--momenta", help="Names of the momenta, in the same order.")
]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--parameter", help="A parameter and its assumption: m=positive or k=real."),
]
Functions = Annotated[
    list[str] | None, typer.Option("--function", help="An undefined function and its arity: V=1.")
]
Time = Annotated[str | None, typer.Option("--time", help="Name of the explicit time variable.")]
System = Annotated[
    str | None, typer.Option("--system", help="A system of the catalogue in place of a formula.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


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


@app.command()
def verify(
    formulas: Annotated[
        list[str],
        typer.Argument(metavar="[HAMILTONIAN] GENERATOR", help="With --system, the generator alone."),
    ],
    coordinates: Coordinates = None,
    momenta: Momenta = None,
    parameter: Parameters = None,
    function: Functions = None,
    time: Time = None,
    system: System = None,
    budget: Annotated[float, typer.Option(help="Seconds to spend before the answer is 'undecided'.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Decide whether {H, g} + dg/dt vanishes identically: proved (0), refuted with a point (1) or undecided (3)."""
    import hamsym as hs

    H, (generator,) = _hamiltonian_and_rest(
        formulas, 1, "GENERATOR", coordinates, momenta, parameter, function, time, system
    )
    verdict = hs.verify(H, generator, budget=budget)
    if as_json:
        typer.echo(json.dumps({"hamiltonian": H.text, "generator": generator, **verdict.to_dict()}))
    else:
        typer.echo(f"H = {H.text}\ng = {generator}\n{verdict}")
    raise typer.Exit({"proved": 0, "refuted": 1, "undecided": 3}[verdict.status])


@app.command()
def simulate(
    formulas: Annotated[
        list[str] | None, typer.Argument(metavar="[HAMILTONIAN]", help="Leave out with --system.")
    ] = None,
    coordinates: Coordinates = None,
    momenta: Momenta = None,
    parameter: Parameters = None,
    system: System = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", help="The value of a parameter: m=1.0 (a catalogue system has defaults)."),
    ] = None,
    q0: Annotated[
        list[str] | None, typer.Option("--q0", help="Initial coordinates '1.0 0.0'; repeat for a batch.")
    ] = None,
    p0: Annotated[list[str] | None, typer.Option("--p0", help="Initial momenta, one for each --q0.")] = None,
    trajectories: Annotated[
        int, typer.Option(help="How many initial states to draw (with --system and without --q0).")
    ] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the drawn initial states.")] = 0,
    dt: Annotated[float, typer.Option(help="Time step.")] = 0.01,
    steps: Annotated[int, typer.Option(help="Number of steps.")] = 1000,
    save_every: Annotated[int, typer.Option(help="Store every n-th state.")] = 10,
    method: Annotated[str, typer.Option(help="Integrator.")] = "leapfrog",
    threads: Annotated[int | None, typer.Option(help="Number of threads (default: all).")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the trajectories to FILE.npz or DIRECTORY.zarr.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a figure to FILE.png, .pdf or .svg.")] = None,
    as_json: AsJson = False,
) -> None:
    """Integrate a Hamiltonian's equations and report the energy error."""
    import hamsym as hs
    from hamsym.numeric.trajectories import FILE_ENDINGS

    H, _ = _hamiltonian_and_rest(
        formulas or [], 0, "", coordinates, momenta, parameter, None, None, system, parameter_values=values
    )
    numbers = dict(hs.systems[system].parameters) if system else {}
    numbers.update(_assignments(values, "--set", float))
    if q0 or p0:
        start: Any = [_state(q, "--q0") for q in q0 or []], [_state(p, "--p0") for p in p0 or []]
    elif system:
        start = hs.systems[system].initial_states(trajectories, seed=seed)
    else:
        raise ParameterError(
            "initial states are missing; give --q0 and --p0, for example --q0 '1 0' --p0 '0 1'"
        )
    if out is not None and out.suffix not in FILE_ENDINGS:
        raise ParameterError(f"{out} has no known ending; use FILE.npz or DIRECTORY.zarr")
    if plot is not None and plot.suffix not in FIGURE_ENDINGS:
        raise ParameterError(f"{plot} has no known ending; use FILE.png, .pdf or .svg")
    traj = hs.simulate(
        H, start[0], start[1], dt=dt, steps=steps, save_every=save_every, method=method, parameters=numbers, threads=threads,
        progress=not as_json and sys.stderr.isatty(),
    )  # fmt: skip
    if out is not None:
        traj.save(out)
    if plot is not None:
        with whole(plot) as partial:
            traj.plot().figure.savefig(partial)
    drift = abs(traj.energy_error).max()
    summary = {
        "hamiltonian": H.text, "method": method, "dt": dt, "steps": steps, "trajectories": len(traj.q),
        "stored": len(traj.t), "time": float(traj.t[-1]), "largest_relative_energy_error": float(drift),
        "out": out and str(out), "plot": plot and str(plot),
    }  # fmt: skip
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        typer.echo(repr(traj))
        for written in (out, plot):
            if written is not None:
                typer.echo(f"wrote {written}")


def _hamiltonian_and_rest(
    formulas: list[str],
    rest: int,
    rest_name: str,
    coordinates: str | None,
    momenta: str | None,
    parameter: list[str] | None,
    function: list[str] | None,
    time: str | None,
    system: str | None,
    parameter_values: list[str] | None = None,
) -> tuple[Hamiltonian, list[str]]:
    """The Hamiltonian, from a formula or the catalogue, and the formulas that follow it."""
    import hamsym as hs

    wanted = rest + (system is None)
    if len(formulas) != wanted:
        expected = " ".join((["HAMILTONIAN"] if system is None else []) + [rest_name] * rest) or "no formula"
        raise ParameterError(f"{len(formulas)} formula(s) given where {expected} is expected")
    if system is not None:
        if coordinates or momenta or parameter or function or time:
            raise ParameterError(
                "--system brings its own names; leave out -q, -p, --parameter, --function, --time"
            )
        return hs.systems[system].hamiltonian, formulas
    parameters = _assignments(parameter, "--parameter", str)
    for name in _assignments(parameter_values, "--set", float):
        parameters.setdefault(name, "real")
    functions = _assignments(function, "--function", int)
    space = _space(formulas, coordinates, momenta, parameters, functions, time)
    return hs.Hamiltonian(formulas[0], space), formulas[1:]


def _space(
    formulas: list[str],
    coordinates: str | None,
    momenta: str | None,
    parameters: dict[str, str],
    functions: dict[str, int],
    time: str | None,
) -> PhaseSpace:
    import hamsym as hs

    options: dict[str, Any] = {"parameters": parameters, "functions": functions, "time": time}
    if coordinates is not None or momenta is not None:
        if coordinates is None or momenta is None:
            raise ParameterError("give both -q and -p, or neither to use q1 q2 … and p1 p2 …")
        return hs.PhaseSpace(coordinates, momenta, **options)
    indices = [
        int(n) for text in formulas for n in re.findall(r"(?<![A-Za-z0-9_])[qp]([1-9]\d{0,3})(?!\w)", text)
    ]
    if not indices and any(re.search(r"(?<!\w)[qp](?!\w)", text) for text in formulas):
        return hs.PhaseSpace("q", "p", **options)
    if not indices:
        raise FormulaError(
            "the formulas use neither q1… nor p1…; name the variables with -q 'x y' -p 'px py'"
        )
    return hs.PhaseSpace.standard(max(indices), **options)


def _assignments(texts: list[str] | None, option: str, kind: type) -> dict[str, Any]:
    found = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        try:
            if not equals or not name:
                raise ValueError
            found[name.strip()] = kind(value.strip())
        except ValueError:
            example = {"--parameter": "m=positive", "--function": "V=1"}.get(option, "m=1.0")
            raise ParameterError(f"{option} {text!r} is not of the form {example}") from None
    return found


def _state(text: str, option: str) -> list[float]:
    try:
        return [float(x) for x in text.replace(",", " ").split()]
    except ValueError:
        raise ParameterError(f"{option} {text!r} is not a list of numbers such as '1.0 0.5'") from None


for _entry in entry_points(group="hamsym.commands"):
    app.command(_entry.name)(_entry.load())


def main() -> None:
    """Run the command line; an error of the input is one line on standard error and exit code 2."""
    try:
        code = app(standalone_mode=False)
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
