"""Names of algebras that are neither solvable nor reductive and no direct sums."""

from __future__ import annotations

from flint import fmpq

from hamsym.symbolic.lie_names.modules import Module, is_heisenberg, is_nondegenerate
from hamsym.symbolic.structure import Echelon, Structure, killing_form, nilradical, radical, signature
from hamsym.symbolic.structure.elimination import combination, multiply
from hamsym.symbolic.structure.quadratic import sign


def semidirect_name(algebra: Structure) -> str | None:
    """Return the name of an algebra with a Levi factor that acts faithfully on its radical, or None.

    By Levi's theorem L = S ⋉ R, so that the class is that of S, of R and of the action.
    """
    solvable, nil = radical(algebra), nilradical(algebra)
    commuting = algebra.subalgebra(nil).derived.dimension == 0
    if commuting:
        return _on_abelian(algebra, solvable, nil)
    if solvable.dimension == nil.dimension:
        galilei = _galilei(algebra, solvable)
        if galilei is not None:
            return galilei
    if is_heisenberg(algebra.subalgebra(nil)):
        return _on_heisenberg(algebra, solvable, nil)
    return None


def _on_abelian(algebra: Structure, solvable: Echelon, nil: Echelon) -> str | None:
    """L/N acting on the abelian nilradical N = R^n; the action is faithful by the definition of N."""
    n = nil.dimension
    outside = [{i: fmpq(1)} for i in algebra.complement(nil)]
    module = Module(algebra, outside, nil, Echelon())
    if not module.is_faithful:
        return None
    if solvable.dimension == n:
        # L/N is semisimple, L = L/N ⋉ R^n.
        size = len(outside)
        if size == n * (n - 1) // 2:
            for form in module.forms(1)[:1]:
                if is_nondegenerate(form):  # faithful, in so(p,q), and of its dimension
                    p, q, _ = signature(form)
                    return f"e({n})" if 0 in (p, q) else f"iso({max(p, q)},{min(p, q)})"
        if size == n * n - 1:
            return f"sl({n},R) ⋉ R^{n}"  # semisimple, so traceless, and of the dimension of sl(n,R)
        if n % 2 == 0 and size == n * (n + 1) // 2:
            for form in module.forms(-1)[:1]:
                if is_nondegenerate(form):
                    return f"sp({n},R) ⋉ R^{n}"
        levi = algebra.quotient(nil)
        if signature(killing_form(levi)) == (2, 1, 0) and module.commutant_dimension == 1:
            # sl(2,R) has one irreducible real representation in each dimension, all with commutant R.
            return f"sl(2,R) ⋉ R^{n} (irreducible)"
        return None
    if solvable.dimension == n + 1:
        # An element of L/N that commutes with it and acts invertibly kills H²(L/N, N): the extension splits.
        if len(outside) == n * n:
            return f"aff({n},R)"
        derived = algebra.derived.basis
        if n >= 3 and len(outside) == n * (n - 1) // 2 + 1:
            inner = Module(algebra, derived, nil, Echelon())
            forms = inner.forms(1)
            if len(forms) == 1 and is_nondegenerate(forms[0]) and _is_invertible_centre(algebra, nil):
                p, q, _ = signature(forms[0])  # L/N lies in so(p,q) ⊕ R and has its dimension
                return f"sim({n})" if 0 in (p, q) else f"sim({max(p, q)},{min(p, q)})"
    return None


def _is_invertible_centre(algebra: Structure, nil: Echelon) -> bool:
    """Whether an element that is central modulo N acts on N as a multiple of 1 that is not zero."""
    reduced = algebra.quotient(nil)
    places = algebra.complement(nil)
    if reduced.centre.dimension != 1:
        return False
    central = {places[k]: c for k, c in reduced.centre.basis[0].items()}
    (columns,) = Module(algebra, [central], nil, Echelon()).matrices
    scale = columns[0].get(0)
    return bool(scale) and all(columns[j] == {j: scale} for j in range(nil.dimension))


def _on_heisenberg(algebra: Structure, solvable: Echelon, nil: Echelon) -> str | None:
    """L/N acting on N = h_(2n+1), N modulo its centre a symplectic space V of dimension 2n.

    A semisimple S acts trivially on the line Z, so it lies in sp(V).  The derivations of h modulo the inner ones are
    sp(V) ⊕ R, and Levi factors of Der(h) are conjugate (Malcev): the action is determined by that on V.
    """
    n = (nil.dimension - 1) // 2
    centre = algebra.subalgebra(nil).centre
    line = Echelon(combination(v, nil.basis) for v in centre)
    outside = [{i: fmpq(1)} for i in algebra.complement(nil)]
    module = Module(algebra, outside, nil, line)
    if not module.is_faithful:
        return None
    quotient = algebra.quotient(nil)
    if solvable.dimension == nil.dimension:
        if quotient.dimension == n * (2 * n + 1):
            if n == 1:
                return "Schrödinger algebra sl(2,R) ⋉ h_3"
            return f"sp({2 * n},R) ⋉ h_{2 * n + 1}"
        if n == 3 and signature(killing_form(quotient)) == (2, 4, 0) and module.commutant_dimension == 1:
            # so(3) + sl(2,R) irreducible over C on R^6: 2 ⊗ 3, for 3 ⊗ 2 is not real.
            return "Schrödinger algebra (sl(2,R) ⊕ so(3)) ⋉ h_7"
        return None
    if n == 2 and quotient.dimension == 4 and algebra.centre == line:
        return _schroedinger_plane(quotient, module)
    return None


def _schroedinger_plane(quotient: Structure, module: Module) -> str | None:
    """sl(2,R) ⊕ R j on R^4 = R² ⊗ W with a form β on W that j preserves: definite exactly if j² < 0.

    j is chosen invariant under sl(2,R) in the radical; V has no invariants, so its action on h is that on V.
    """
    if signature(killing_form(quotient)) != (2, 1, 1) or quotient.centre.dimension != 1:
        return None
    columns = module.matrix(quotient.centre.basis[0])
    square = multiply(columns, columns)
    scale = square[0].get(0, fmpq(0))
    doubled = module.restricted(quotient.derived.basis)
    isotypic = doubled.commutant_dimension == 4 and doubled.invariants_dimension == 0
    if isotypic and sign(scale) < 0 and all(square[k] == {k: scale} for k in range(4)):
        return "Schrödinger algebra (sl(2,R) ⊕ so(2)) ⋉ h_5"
    return None


def _galilei(algebra: Structure, solvable: Echelon) -> str | None:
    """The Galilei algebra of space, or its central extension by the mass.

    Galilei: S = so(3); D = [R, R] of dimension 3; C = [L, R] is abelian of dimension 6; R/C is a line.  C/D and D are
    modules of so(3) without invariants, so C = R³ ⊗ R² with D = R³ ⊗ line, and the line R/C, lifted to an invariant
    element, acts on R² by a nilpotent matrix with image that line: one Jordan block.  All is determined.

    Extension: H²(gal(3), R) has dimension 1 (Bargmann, Ann. Math. 59 (1954) 1), so that central extensions by a line
    that are no direct sums are all isomorphic.
    """
    quotient = algebra.quotient(solvable)
    if quotient.dimension != 3 or signature(killing_form(quotient)) != (0, 3, 0):
        return None
    centre = algebra.centre
    if algebra.dimension == 11 and centre.dimension == 1 and centre.basis[0] in algebra.derived:
        below = algebra.quotient(centre)
        if _galilei(below, radical(below)) == "Galilei algebra gal(3)":
            return "Bargmann algebra (Galilei with mass)"
        return None
    if algebra.dimension != 10:
        return None
    lower = algebra.commutator(solvable, solvable)
    commuting = algebra.commutator(algebra.whole, solvable)
    outside = [{i: fmpq(1)} for i in algebra.complement(solvable)]
    if lower.dimension != 3 or commuting.dimension != 6 or algebra.commutator(commuting, commuting).dimension:
        return None
    parts = [Module(algebra, outside, commuting, lower), Module(algebra, outside, lower, Echelon())]
    # A three-dimensional module of so(3) is the vector or trivial.  The elements outside R act as so(3) plus R; of R
    # only the line R/C acts, so that three independent matrices exclude the trivial one.
    if all(part.is_faithful for part in parts):
        return "Galilei algebra gal(3)"
    return None
