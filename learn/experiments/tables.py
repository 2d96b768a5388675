"""What the reports of the experiments share: the head, the proofs of the targets, and how measures are to be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

BRACKET = (
    "- **E{g,H}²**: mean square of the bracket over states and over the Hamiltonians of the chain, on base states (where the paper "
    "imposes the constraint), on data with momenta of the encoder, and on the path: the state that each Hamiltonian meets on the way from data to base."
)
INVARIANCE = "- **sd of log p**: standard deviation of the learned log-density over rotations of a point; below its noise floor nothing is measured."


def gap(samples: int) -> str:
    """Return what the KL gap is, a line of the legend."""
    return (
        f"- **KL gap**: mean of log p − IW-{samples} bound over held-out points, with its standard error; an upper bound of the divergence of the "
        "flow from the target, whose entropy is known exactly."
    )


def made_by(metrics: Mapping[str, Any]) -> str:
    """Return the command that made a report, and how long it took.

    Example:
        >>> made_by({"experiment": "ehf", "quick": True, "seed": 0, "seconds": 60.2})
        'Made by `hamsym reproduce ehf --quick --seed 0`; this call took 60 s.'
    """
    return (
        f"Made by `hamsym reproduce {metrics['experiment']}{' --quick' if metrics['quick'] else ''} --seed {metrics['seed']}`; "
        f"this call took {metrics['seconds']:.0f} s."
    )


def plain(markdown: str) -> str:
    """Return Markdown whose formulas are read as they are written: no star or bracket of theirs is taken for markup.

    Example:
        >>> plain("**g** = p1*q2 - V'[1, 0](x**2) and `a*b` **holds**.")
        "**g** = p1\\\\*q2 - V'[1, 0]\\\\(x\\\\*\\\\*2) and `a*b` **holds**."
    """
    pieces = re.split(r"(`[^`\n]*`)", markdown)
    for k in range(0, len(pieces), 2):  # what is between code
        pieces[k] = re.sub(r"(?<=[\w)\]])\*{1,2}(?=[\w(])", lambda m: r"\*" * len(m[0]), pieces[k])
        pieces[k] = re.sub(r"(?<=\[)([\d, ]+)\]\(", r"\1]\\(", pieces[k])
    return "".join(pieces)


def proofs(found: Mapping[str, Any]) -> list[str]:
    """Return the lines that say which targets have the symmetry."""
    lines = []
    for problem, proof in found.items():
        again = "verified again" if proof["checked"] else "NOT confirmed"
        name = "" if problem == proof["target"] else f" ({proof['target']})"
        lines.append(
            f"- **{problem}**{name}, g = {proof['generator']}: {{g, H}} = 0 is **{proof['status']}**, "
            f"{again} by independent code."
        )
        if proof["status"] == "refuted":
            lines.append(f"  {proof['text'][-1].strip()}.")
    return lines


def flow_proofs(found: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return one line for each verdict about an exact flow, with what the proof reduces by.

    Example:
        >>> flow_proofs([{"question": "{g, U} = 0", "status": "proved", "checked": True, "certificate": [{"name": "V_1", "meaning": "V(q1)"}]}])
        ['{g, U} = 0: proved, checked again by independent code; certificate: V_1 = V(q1).']
    """
    lines = []
    for record in found:
        relations = ", ".join(f"{r['name']} = {r['meaning']}" for r in record.get("certificate", []))
        checked = "checked again" if record["checked"] else "NOT confirmed"
        by = f"; certificate: {relations}" if relations else ""
        lines.append(f"{record['question']}: {record['status']}, {checked} by independent code{by}.")
    return lines


def plus_minus(value: float, error: float, *, sign: bool = False) -> str:
    """Return a value with its standard error, a table cell.

    Example:
        >>> plus_minus(0.25, 0.051), plus_minus(0.25, 0.051, sign=True)
        ('0.250 ± 0.051', '+0.250 ± 0.051')
    """
    return f"{value:{'+' if sign else ''}.3f} ± {error:.3f}"


def middle(found: Sequence[Any]) -> Any:
    """Return the median of equal records over seeds, number by number.

    Arguments:
        found: numbers, or mappings or lists of numbers, one for each seed; None counts as larger than any number.  Of what
            holds no numbers, and of lists of unequal lengths, the first is returned.

    Example:
        >>> middle([{"title": "a", "error": 1.0}, {"title": "a", "error": 3.0}, {"title": "a", "error": None}])
        {'title': 'a', 'error': 3.0}
        >>> middle([[1.0, None], [2.0, None]])
        [1.5, None]
    """
    first = found[0]
    if isinstance(first, Mapping):
        return {name: middle([f[name] for f in found]) for name in first}
    if (
        isinstance(first, list)
        and len({len(f) for f in found}) == 1
        and not any(isinstance(x, list) for x in first)
    ):
        return [middle(values) for values in zip(*found, strict=True)]
    if first is not None and (not isinstance(first, int | float) or isinstance(first, bool)):
        return first
    value = median([float("inf") if f is None else f for f in found])
    return None if value == float("inf") else value
