"""Points as a user gives them, made into tensors that a flow can take, or refused with the reason."""

from __future__ import annotations

import functools
import numbers
import warnings
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from hamsym.arguments import shown
from hamsym.errors import NonFiniteError, ParameterError, ShapeError

#: Beyond these one isotropic unit of length no longer serves the data.
FAR = 5.0
ANISOTROPIC = 30.0
#: What to do where numbers leave the numbers.
OVERFLOW = "the states or the weights are too large for this precision; use smaller ones or flow.double()"


def as_points(q: Any, dim: int, like: Tensor) -> Tensor:
    """Return points of shape (batch, dim) in the dtype and on the device of ``like``.

    Arguments:
        q: a tensor, or anything numpy reads as real numbers: lists, integers, any precision, byte order or strides,
            objects that are real numbers (fractions, for example).  A tensor of the right kind is returned as it is.
        dim: number of coordinates.
        like: a tensor with the wanted dtype and device.

    Raises:
        ShapeError: if the shape is another, or the input is not made of real numbers.

    Example:
        >>> as_points([[1, 2], [3, 4]], 2, torch.zeros(1))
        tensor([[1., 2.],
                [3., 4.]])
        >>> as_points(np.arange(4.0, dtype=">f8").reshape(2, 2)[::-1], 2, torch.zeros(1))
        tensor([[2., 3.],
                [0., 1.]])
    """
    if not isinstance(q, Tensor):
        q = _from_array(q, dim, like)
    # what holds no values, or not all of them, cannot be looked at; sparse and quantised tensors lack most operations
    odd = (
        "nested"
        if q.is_nested
        else "quantised"
        if q.is_quantized
        else "without values (meta)"
        if q.is_meta
        else ""
    )
    if odd or q.layout != torch.strided:
        raise ShapeError(
            f"points are an ordinary dense tensor of shape (batch, {dim}), not one that is {odd or q.layout}"
        )
    if q.is_complex():
        raise ShapeError(f"points are real numbers of shape (batch, {dim}), not {q.dtype}")
    if q.ndim != 2 or q.shape[1] != dim:
        raise ShapeError(f"points have shape (batch, {dim}), not {(*q.shape,)}")
    if q.dtype != like.dtype or q.device != like.device:
        q = q.to(like)
    return q


def _from_array(q: Any, dim: int, like: Tensor) -> Tensor:
    wanted = f"points are a numeric array of shape (batch, {dim}), not"
    try:
        array = np.asarray(q)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ShapeError(f"{wanted} {type(q).__name__} whose rows do not fit together: {error}") from error
    if array.dtype == object:
        # numpy would read the text '1.5' as a number and None as NaN
        wrong = [x for x in array.ravel() if not _is_real(x)]
        if wrong:
            raise ShapeError(f"{wanted} one that holds {wrong[0]!r}")
    elif array.dtype.kind not in "biuf":
        what = {"U": "text", "S": "bytes", "c": "complex numbers", "M": "dates", "m": "durations"}
        raise ShapeError(f"{wanted} {what.get(array.dtype.kind, str(array.dtype))}")
    dtype = np.float64 if like.dtype == torch.float64 else np.float32
    try:
        with np.errstate(over="ignore"):  # what becomes infinite is refused by row later
            # a tensor needs native byte order, positive strides and memory that it may write to
            array = np.require(array, dtype, ["C", "W"])
    except (TypeError, ValueError, OverflowError) as error:
        raise ShapeError(f"{wanted} one that numpy cannot turn into {dtype.__name__}: {error}") from error
    return torch.from_numpy(array)


def _is_real(x: Any) -> bool:
    # sympy's numbers are registered or convertible; text and None are not numbers whatever float() says
    if isinstance(x, numbers.Real):
        return True
    return not isinstance(x, (str, bytes, numbers.Complex)) and hasattr(x, "__float__")


def require_finite(
    q: Tensor, what: str, remedy: str = "remove or repair such rows first, or use float64 for such sizes"
) -> Tensor:
    """Return ``q`` of shape (batch, ...) if every value is finite.

    Arguments:
        q: the points, or numbers that belong to them row by row.
        what: their name in the message.
        remedy: the end of the message.

    Raises:
        NonFiniteError: naming the first row that is not.

    Example:
        >>> require_finite(torch.zeros(1, 2), "q")
        tensor([[0., 0.]])
    """
    try:
        finite = bool(torch.isfinite(q).all())
    except RuntimeError:  # under torch.func.vmap nobody may look at the values
        return q
    if not finite:
        row = int(
            torch.isfinite(q).flatten(1).all(-1).logical_not().nonzero()[0]
            if q.ndim > 1
            else torch.isfinite(q).logical_not().nonzero()[0]
        )
        precision = str(q.dtype).removeprefix("torch.")
        raise NonFiniteError(
            f"{what}: row {row} is {shown(q[row].tolist())} in {precision}; {remedy}", index=row
        )
    return q


Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Module = TypeVar("Module", bound=nn.Module)


def blames_weights(
    method: Callable[Concatenate[Module, Arguments], Result],
) -> Callable[Concatenate[Module, Arguments], Result]:
    """Make a method of a module say so where its numbers are not finite because a weight of the module is not.

    Arguments:
        method: one that raises a NonFiniteError about points or what becomes of them.

    Example:
        >>> from learn import HamiltonianFlow
        >>> flow = HamiltonianFlow(1, hamiltonians=1, width=4)
        >>> _ = flow.log_scale.data.fill_(float("nan"))
        >>> flow.sample(3)
        Traceback (most recent call last):
        hamsym.errors.NonFiniteError: the weights log_scale are not finite, so nothing that comes of them is; go back to a checkpoint (learn.load) or begin with a new flow
    """

    @functools.wraps(method)
    def asked(self: Module, *args: Arguments.args, **options: Arguments.kwargs) -> Result:
        try:
            return method(self, *args, **options)
        except NonFiniteError as error:
            broken = [name for name, w in self.named_parameters() if not bool(torch.isfinite(w).all())]
            if not broken:
                raise
            raise NonFiniteError(
                f"the weights {broken[0]} are not finite, so nothing that comes of them is; go back to a checkpoint "
                "(learn.load) or begin with a new flow",
                index=error.index,
            ) from error

    return asked


def look_at(q: Tensor, what: str, *, removed: Tensor | None = None, stacklevel: int = 2) -> None:
    """Warn where one isotropic unit of length cannot serve the points, refuse points that are all the same.

    Arguments:
        q: finite points of shape (batch, dim), two or more.
        what: their name in the message.
        removed: orthonormal directions, of shape (t, dim), in which nobody looks at the points.
        stacklevel: of the warning, counted from the caller.

    Raises:
        ParameterError: if all points are the same.

    Example:
        >>> look_at(torch.zeros(3, 2), "q")
        Traceback (most recent call last):
        hamsym.errors.ParameterError: q: all 3 points are the same, [0.0, 0.0]; a density needs points that differ
    """
    if bool((q == q[:1]).all()):
        raise ParameterError(
            f"{what}: all {len(q)} points are the same, {q[0].tolist()}; a density needs points that differ"
        )
    x = q.detach().double()
    unseen = 0 if removed is None else len(removed)
    if removed is not None and unseen:
        x = x - (x @ removed.double().T) @ removed.double()
        if float((x - x[:1]).abs().max()) <= 4 * torch.finfo(removed.dtype).eps * float(q.abs().max()):
            raise ParameterError(
                f"{what}: all {len(q)} points are the same but for translations, of which the density knows nothing; a "
                "density needs points that differ"
            )
    mean = x.mean(0)
    spread = float((x - mean).square().mean().sqrt())
    distance = float(mean.norm())
    if distance > FAR * spread:
        warnings.warn(
            f"{what} lies {distance / spread:.3g} times its spread ({spread:.3g}) away from the origin, where a flow "
            "starts and about which rotations turn; train on q - q.mean(0) and add the mean back to the samples",
            stacklevel=stacklevel + 1,
        )
    variances = torch.linalg.eigvalsh((x - mean).T @ (x - mean) / len(x)).clamp(min=0)
    smallest, largest = float(variances[min(unseen, len(variances) - 1)].sqrt()), float(variances[-1].sqrt())
    if largest > ANISOTROPIC * smallest:
        ratio = "in no way" if smallest == 0 else f"{largest / smallest:.3g} times less"
        warnings.warn(
            f"{what} spreads over {largest:.3g} in one direction and {ratio} in another, but a flow has one unit of "
            "length for all coordinates, so that it keeps rotations; divide each coordinate by its standard "
            "deviation (and leave out coordinates that do not vary), or whiten the points, before training",
            stacklevel=stacklevel + 1,
        )
