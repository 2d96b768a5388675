"""The system of a data set: one of the catalogue, in its size, or a formula with its names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from hamsym.arguments import integer, shown
from hamsym.data.systems import System, systems
from hamsym.errors import ParameterError, did_you_mean
from hamsym.symbolic.hamiltonian import Hamiltonian
from hamsym.symbolic.phase_space import PhaseSpace

_FORMULA_KEYS = ("hamiltonian", "coordinates", "momenta", "parameters", "integrals", "time")


@dataclass(frozen=True, eq=False)
class Source:
    """A Hamiltonian with what is known about it.

    Attributes:
        given: name or mapping, as a spec gives it.
        hamiltonian: the Hamiltonian.
        integrals: what is claimed to be conserved, the energy first unless H depends on time: in words, to its expression
            with the sums as they are written.
        parameters: usual values, by name.
        own_states: ``(n, seed, parameters) -> (q, p)``, initial states; None for a formula.

    Example:
        >>> Source.of("kepler").parameters
        {'k': 1.0}
        >>> free = Source.of({"hamiltonian": "p**2/2", "coordinates": "x", "momenta": "p", "integrals": ["p"]})
        >>> free.integrals
        {'energy': p**2/2, 'p': p}
    """

    given: Any
    hamiltonian: Hamiltonian
    integrals: dict[str, sp.Expr]
    parameters: dict[str, float]
    own_states: Callable[[int, int, Mapping[str, float]], tuple[np.ndarray, np.ndarray]] | None

    @classmethod
    def of(cls, given: Any) -> Source:
        """Return the system that a spec names or writes down.

        Raises:
            ParameterError, UnknownNameError, FormulaError, SpaceError: if there is no such system, or the formula is
                refused.
        """
        if isinstance(given, System):
            given = {"name": given.name, **given.size} if given.size else given.name
        if isinstance(given, Hamiltonian):
            given = _formula(given)
        if isinstance(given, str):
            return cls._from_catalogue(given, given, {})
        if not isinstance(given, Mapping) or not given:
            raise ParameterError(
                f"system is a name in hamsym.systems or a mapping with the key 'name' or 'hamiltonian', not {shown(given)}"
            )
        if "name" in given:
            sizes = {str(k): integer(f"system: {k}", v, minimum=1) for k, v in given.items() if k != "name"}
            if not isinstance(given["name"], str):
                raise ParameterError(f"system: name is text, not {shown(given['name'])}")
            return cls._from_catalogue({"name": given["name"], **sizes}, given["name"], sizes)
        return cls._from_formula(given)

    @classmethod
    def _from_catalogue(cls, given: Any, name: str, sizes: dict[str, int]) -> Source:
        system = systems[name]
        if sizes:
            system = system(**sizes)
        integrals = {label: g.written for label, g in zip(system.labels, system.integrals, strict=True)}
        H: Hamiltonian = system.hamiltonian
        if not isinstance(H.space, PhaseSpace):
            raise ParameterError(
                f"the system {name!r} has no pairs (q, p); a data set holds trajectories of those"
            )

        def own_states(n: int, seed: int, parameters: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
            return system.initial_states(n, seed=seed, parameters=parameters)

        return cls(given, H, integrals, dict(system.parameters), own_states)

    @classmethod
    def _from_formula(cls, given: Mapping[str, Any]) -> Source:
        for key in given:
            if key not in _FORMULA_KEYS:
                raise ParameterError(
                    f"system has no key {key!r}{did_you_mean(str(key), (*_FORMULA_KEYS, 'name'))}"
                )
        for key in _FORMULA_KEYS[:3]:
            if not isinstance(given.get(key), str):
                raise ParameterError(f"system: {key} is text, not {shown(given.get(key))}")
        integrals = given.get("integrals") or []
        if not isinstance(integrals, Sequence) or isinstance(integrals, str) or not all(isinstance(g, str) for g in integrals):  # fmt: skip
            raise ParameterError(f"system: integrals is a list of formulas, not {shown(integrals)}")
        declared = given.get("parameters") or {}
        if not isinstance(declared, Mapping):
            raise ParameterError(
                f"system: parameters is a mapping such as {{'k': 'positive'}}, not {shown(declared)}"
            )
        time = given.get("time")
        if time is not None and not isinstance(time, str):
            raise ParameterError(f"system: time is the name of the time, not {shown(time)}")
        space = PhaseSpace(given["coordinates"], given["momenta"], parameters=declared, time=time)
        H = Hamiltonian(given["hamiltonian"], space)
        is_driven = space.time is not None and space.time in H.written.free_symbols
        known = ({} if is_driven else {"energy": H.written}) | {g: space.written(g) for g in integrals}
        kept = {key: given[key] for key in _FORMULA_KEYS[:3]}
        kept |= {"parameters": dict(declared), "integrals": list(integrals), "time": time}
        return cls(kept, H, known, {}, None)

    def to_dict(self) -> Any:
        """Return the system as a spec gives it, in types that JSON knows."""
        return self.given


def _formula(H: Hamiltonian) -> dict[str, Any]:
    space = H.space
    if not isinstance(space, PhaseSpace) or space.functions:
        raise ParameterError(
            f"system: a data set holds trajectories of pairs (q, p) without undefined functions, not of {H!r}"
        )
    return {
        "hamiltonian": H.text,
        "coordinates": " ".join(s.name for s in space.coordinates),
        "momenta": " ".join(s.name for s in space.momenta),
        "parameters": {name: space.assumptions[name] for name in space.parameters},
        "time": None if space.time is None else space.time.name,
    }
