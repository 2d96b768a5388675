"""Names of solvable Lie algebras that are no direct sums."""

from __future__ import annotations

from flint import fmpq

from hamsym.symbolic.lie_names.modules import Module, is_heisenberg
from hamsym.symbolic.structure import Echelon, Structure, nilradical
from hamsym.symbolic.structure.elimination import Vector, multiply
from hamsym.symbolic.structure.quadratic import sign, signature


def solvable_name(algebra: Structure) -> str | None:
    """Return the name of a solvable algebra without abelian summand, or None.

    Source: Mubarakzyanov's classification in low dimension as given by Patera, Sharp, Winternitz and Zassenhaus,
    J. Math. Phys. 17 (1976) 986; each argument is written beside the name.
    """
    n = algebra.dimension
    if is_heisenberg(algebra):
        return f"h_{n}"
    if algebra.is_nilpotent:
        steps = [s.dimension for s in algebra.lower_central_series]
        # The only nilpotent algebra of dimension 4 and class 3 (A_4,1 of the list).
        return "n_4" if steps == [4, 2, 1, 0] else None
    if n == 2:
        return "aff(1)"  # two dimensions, not abelian
    nil = nilradical(algebra)
    if n - nil.dimension != 1:
        return None
    outside = [{algebra.complement(nil)[0]: fmpq(1)}]
    if n == 3:
        return _three(Module(algebra, outside, nil, Echelon()))
    inner = algebra.subalgebra(nil)
    if is_heisenberg(inner):
        return _oscillator(algebra, outside, nil)
    return None


def _three(module: Module) -> str | None:
    """R acting on the plane R² by a matrix M: the class is that of M up to a factor and conjugation.

    Source of the parameter h: Ellis and MacCallum, Commun. Math. Phys. 12 (1969) 108; with M = a + N and N traceless
    it is a²/det N.
    """
    (columns,) = module.matrices
    a, d = (columns[i].get(i, fmpq(0)) for i in range(2))
    b, c = columns[1].get(0, fmpq(0)), columns[0].get(1, fmpq(0))
    trace, determinant = a + d, a * d - b * c
    if not determinant:
        return None
    if not trace:
        return "e(2)" if sign(determinant) > 0 else "iso(1,1)"  # rotations or boosts of the plane
    if not b and not c and not (a - d):
        return "Bianchi V"  # dilations of the plane
    gap = 4 * determinant - trace * trace
    if not gap:
        return "Bianchi IV"  # one Jordan block
    # Two different eigenvalues: trace and determinant determine M up to conjugation, and this ratio up to a factor.
    h = trace * trace / gap
    return f"Bianchi VII_h (h = {h})" if sign(h) > 0 else f"Bianchi VI_h (h = {h})"


def _oscillator(algebra: Structure, outside: list[Vector], nil: Echelon) -> str | None:
    """R acting on the Heisenberg algebra h by a derivation D.

    Modulo inner derivations D is its matrix M on h modulo the centre.  If D kills the centre, M lies in
    sp(2n, R) and ω(u, Mv) is a symmetric form.  For M² = -c² with that form definite M is conjugate to c times the
    standard complex structure, which is the isotropic oscillator.  In two dimensions trace M = 0 and det M < 0
    leave diag(1, -1) up to a factor.
    """
    centre = algebra.centre
    if centre.dimension != 1 or centre.basis[0] not in nil:
        return None
    module = Module(algebra, outside, nil, centre)
    (columns,) = module.matrices
    size = module.dimension
    square = multiply(columns, columns)
    scale = square[0].get(0, fmpq(0))
    if not scale or any(square[j] != {j: scale} for j in range(size)):
        return None
    if size == 2:
        # Nappi and Witten, Phys. Rev. Lett. 71 (1993) 3751, in the first case
        return "oscillator algebra (Nappi–Witten)" if sign(scale) < 0 else "split oscillator algebra"
    pivot = centre.pivots[0]
    basis = module.basis
    form: list[Vector] = []
    for u in basis:
        row = {}
        for j, v in enumerate(columns):
            image: Vector = {}
            for k, c in v.items():
                for place, entry in basis[k].items():
                    image[place] = image[place] + c * entry if place in image else c * entry
            value = algebra.bracket(u, {k: c for k, c in image.items() if c}).get(pivot)
            if value:
                row[j] = value
        form.append(row)
    plus, minus, _ = signature(form)
    if sign(scale) < 0 and 0 in (plus, minus):
        return f"isotropic oscillator algebra in {size // 2} dimensions"
    return None
