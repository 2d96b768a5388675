"""Whether the motion of a model is Hamiltonian: is the map from true states to its states canonical, up to a factor?

Let f take a true state s = (q, p) of n degrees of freedom to the state z of a model, of m ≥ n, and let J be its
derivative.  Where f carries the true motion to one of the model, that is Hamiltonian with respect to the model's own
brackets if the two-forms agree: JᵀΩ_m J = c Ω_n with one constant c, whatever m.  The energy is then c times the true one; a
negative c, as of p ↦ -p, is as good as a positive one.

Source: Higgins, Wirnsberger, Jaegle, Botev, SyMetric, arXiv 2111.05986 (2021), for the question and the thresholds;
Abraham and Marsden, Foundations of Mechanics, section 3.2, for the form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import Tensor

from hamsym.arguments import integer, shown
from hamsym.errors import NonFiniteError, ParameterError, ShapeError
from learn.evaluation.polynomial import PolynomialMap, PrincipalAxes, fitted, refitted

#: Thresholds of the published indicator.
ENOUGH_R2, SMALL_DEVIATION = 0.9, 0.05
#: How far a direction of the model's state must spread to predict from it; each is tried.
_SPREADS = (1e-6, 1e-2, 1e-1)


@dataclass(frozen=True)
class Symplecticity:
    """How well a model's states determine the true ones, and how far the map between them is from canonical.

    Attributes:
        r2: R² of true states predicted from the model's, by a polynomial, on trajectories that it was not fitted to; mean
            over the true coordinates and momenta that vary.
        r2_embedding: the same of the model's states predicted from true ones; of the variance of all of them together.
        deviation: root mean square over states of |JᵀΩJ - cΩ| / |cΩ|, in the directions of the true states, weighed by
            how far they spread; 0 where the map is canonical up to a factor, infinite where c is 0.
        along: how much of that is change of c along trajectories: standard deviation of the best factor of a state within
            its trajectory, relative to c.  Where the model's motion is Hamiltonian and follows the true one, this is 0 even
            where the deviation is not.
        noise_floor: what noise alone moves the form by, in the units of the deviation: refitted to its own values and
            residuals of other trajectories.
        published: the score as SyMetric's public code has it: mean square entry of AAᵀ/a - 1 with A = KΩ_mKᵀ, K the
            derivative of true with respect to the model's states, a the mean of the largest entry in a trajectory; at most 1.
        scale: c.
        order, order_embedding: degrees of the polynomials from the model's states and to them.
        trajectories: how many were not fitted to.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> q, p = rng.normal(size=(2, 50, 10, 1))
        >>> sheared = symplecticity(q, 2 * (p + q**2), q, p)      # canonical, twice the energy
        >>> round(sheared.scale, 6), sheared.deviation < 1e-6, sheared.is_hamiltonian
        (2.0, True, True)
        >>> symplecticity(q, p + p**3, q, p).is_hamiltonian
        False
    """

    r2: float
    r2_embedding: float
    deviation: float
    along: float
    noise_floor: float
    published: float
    scale: float
    order: int
    order_embedding: int
    trajectories: int

    @property
    def is_hamiltonian(self) -> bool:
        """Whether R² > 0.9 and deviation < 0.05, the published thresholds."""
        return self.r2 > ENOUGH_R2 and self.deviation < SMALL_DEVIATION

    @property
    def is_hamiltonian_as_published(self) -> bool:
        """The same with the published score in place of the deviation."""
        return self.r2 > ENOUGH_R2 and self.published < SMALL_DEVIATION

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers and the verdicts as plain values."""
        verdicts = {name: getattr(self, name) for name in ("is_hamiltonian", "is_hamiltonian_as_published")}
        return asdict(self) | verdicts


def symplecticity(
    q: np.ndarray | Tensor,
    p: np.ndarray | Tensor,
    true_q: np.ndarray | Tensor,
    true_p: np.ndarray | Tensor,
    *,
    order: int = 5,
    seed: int = 0,
) -> Symplecticity:
    """Measure whether a model's trajectories are those of a Hamiltonian system, beside the true ones.

    Both maps are polynomials in principal axes, fitted by least squares with a small penalty to three fifths of the
    trajectories; a fifth chooses degree and penalty, and a fifth is measured.  Directions in which the true states do not
    spread are left out: nothing is known about the map there.

    Arguments:
        q, p: states of the model, shape (trajectories, time, m).
        true_q, true_p: true states at the same times in canonical coordinates, shape (trajectories, time, n) with n ≤ m.
        order: largest degree to try; those with too many coefficients for the number of states are left out.
        seed: which trajectories are fitted to.

    Returns:
        the measures, beside their noise floor.

    Raises:
        ShapeError: for shapes that do not fit.
        ParameterError: for fewer than ten trajectories, m < n, or true states that span no area.
        NonFiniteError: for states that are not finite.

    Source:
        Higgins et al., arXiv 2111.05986, and its public evaluation code.  Theirs fits one map only, from the model's states
        to the true ones, takes the first degree whose R² on the rows that it was fitted to passes a threshold, and
        compares KΩKᵀ; off the set of the model's states, which data do not reach where m > n, K is arbitrary.  The form
        JᵀΩJ needs no derivative across that set.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> q, p = rng.normal(size=(2, 50, 10, 2))
        >>> found = symplecticity(q * [1, 3], p, q, p)            # the two planes have different factors
        >>> found.r2 > 0.999, found.deviation > 0.3
        (True, True)
    """
    order = integer("order", order, minimum=1, maximum=9)
    model, truth = _states("q", q, "p", p), _states("true_q", true_q, "true_p", true_p)
    if model.shape[:2] != truth.shape[:2]:
        raise ShapeError(
            f"the model's states and the true ones have the same trajectories and times, not {model.shape[:2]} and {truth.shape[:2]}"
        )
    if len(model) < 10:
        raise ParameterError(f"ten trajectories are needed at least, not {len(model)}; some are held out")
    if model.shape[2] < truth.shape[2]:
        raise ParameterError(
            f"the model has {model.shape[2] // 2} degrees of freedom, fewer than the {truth.shape[2] // 2} of the true states"
        )
    part = np.random.default_rng(integer("seed", seed)).permutation(len(model)) * 5 // len(model)
    seen, test = part < 4, part == 4
    learning = np.repeat(part[seen] < 3, model.shape[1])
    z, s = (_rows(x[seen]) for x in (model, truth))
    orders = range(1, order + 1)
    if (widest := max(z.shape[1], s.shape[1]) + 1) > learning.sum():
        raise ParameterError(
            f"a linear map of {widest - 1} numbers has more coefficients than the {learning.sum()} states that it is fitted to; "
            "give more trajectories, or states of fewer dimensions"
        )
    back, there = fitted(z, s, learning, orders, _SPREADS), fitted(s, z, learning, orders)
    forms = _pulled_back(there, _rows(truth[test]))
    flat, form = _form_of(there.axes)
    factor = np.tensordot(forms, form, 2) / flat**2
    scale = float(factor.mean())
    relative = 1 / (abs(scale) * flat) if scale else np.inf
    within = factor.reshape(-1, model.shape[1])
    return Symplecticity(
        r2=_r2(back(_rows(model[test])), _rows(truth[test]), together=False),
        r2_embedding=_r2(there(_rows(truth[test])), _rows(model[test]), together=True),
        deviation=_size(forms - scale * form, relative),
        along=float(np.sqrt(within.var(1).mean())) / abs(scale) if scale else np.inf,
        noise_floor=_size(_pulled_back(_shuffled(there, s, z, int(seen.sum()), seed), _rows(truth[test])) - forms, relative),
        published=_published(back.derivative(_rows(model[test])) @ back.axes.inverse, model.shape[1]),
        scale=scale,
        order=back.order,
        order_embedding=there.order,
        trajectories=int(test.sum()),
    )  # fmt: skip


def _rows(x: np.ndarray) -> np.ndarray:
    return x.reshape(-1, x.shape[-1])


def _canonical(half: int) -> np.ndarray:
    """Ω of q before p: Ω(u, v) = u_q·v_p − u_p·v_q.

    Example:
        >>> _canonical(1).tolist()
        [[0.0, 1.0], [-1.0, 0.0]]
    """
    return np.kron([[0.0, 1.0], [-1.0, 0.0]], np.eye(half))


def _pulled_back(there: PolynomialMap, points: np.ndarray) -> np.ndarray:
    """The model's form in the axes of the true states, shape (n, kept, kept)."""
    slope = there.derivative(points)
    found: np.ndarray = slope.swapaxes(1, 2) @ _canonical(slope.shape[1] // 2) @ slope
    return found


def _form_of(axes: PrincipalAxes) -> tuple[float, np.ndarray]:
    """The true form in the axes of the true states, its norm first."""
    form = axes.axes.T @ _canonical(len(axes.axes) // 2) @ axes.axes
    norm = float(np.linalg.norm(form))
    if norm < 1e-9 * float((axes.axes**2).sum()):
        raise ParameterError(
            "the true states span no area of phase space, as on a line or with p = 0: nothing can be said of the form there"
        )
    return norm, form


def _size(difference: np.ndarray, relative: float) -> float:
    return float(np.sqrt((difference**2).sum((1, 2)).mean())) * relative


def _shuffled(
    there: PolynomialMap, s: np.ndarray, z: np.ndarray, trajectories: int, seed: int
) -> PolynomialMap:
    """The map fitted to its own values and the residuals of other trajectories."""
    values = there(s)
    rest = (z - values).reshape(trajectories, -1, z.shape[1])
    order = np.random.default_rng([seed, 1]).permutation(trajectories)
    return refitted(there, s, values + rest[order].reshape(z.shape))


def _r2(found: np.ndarray, wanted: np.ndarray, *, together: bool) -> float:
    left, total = ((found - wanted) ** 2).sum(0), ((wanted - wanted.mean(0)) ** 2).sum(0)
    if together:
        return float(1 - left.sum() / total.sum())
    varies = total > 1e-12 * total.max()
    return float((1 - left[varies] / total[varies]).mean())


def _published(slope: np.ndarray, times: int) -> float:
    """The score of SyMetric from the derivatives of true with respect to model states, shape (n, 2n, 2m)."""
    brackets = slope @ _canonical(slope.shape[2] // 2) @ slope.swapaxes(1, 2)
    squares = brackets @ brackets.swapaxes(1, 2)
    squares = squares.reshape(-1, times, *squares.shape[1:])
    largest = np.abs(squares).max((2, 3)).mean(1)[:, None, None, None]
    one = np.eye(squares.shape[-1])
    scaled = np.divide(squares, largest, out=np.zeros_like(squares), where=largest > 0)
    return float(min(1.0, ((scaled - one) ** 2).mean()))


def _states(q_name: str, q: Any, p_name: str, p: Any) -> np.ndarray:
    """(q, p) side by side in float64."""
    pair = [_array(name, x) for name, x in ((q_name, q), (p_name, p))]
    if pair[0].shape != pair[1].shape or pair[0].ndim != 3 or 0 in pair[0].shape:
        raise ShapeError(
            f"{q_name} and {p_name} have one shape (trajectories, time, degrees of freedom), not {pair[0].shape} and {pair[1].shape}"
        )
    return np.concatenate(pair, -1)


def _array(name: str, x: Any) -> np.ndarray:
    try:
        if isinstance(x, Tensor):
            x = x.detach().cpu().numpy()
        kind = np.asarray(x).dtype.kind
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{name} is an array of real numbers: {error}") from error
    if not (isinstance(x, np.ndarray | Sequence) and kind in "fiu"):
        raise ParameterError(f"{name} is an array of real numbers, not {shown(x)}")
    found = np.asarray(x, np.float64)
    if not np.isfinite(found).all():
        index = int(np.argwhere(~np.isfinite(found))[0][0]) if found.ndim else 0
        raise NonFiniteError(f"{name} is not finite in trajectory {index}", index=index)
    return found
