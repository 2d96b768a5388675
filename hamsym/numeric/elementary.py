"""Functions that generated kernels are made of; loaded only by them, because it loads numba.

``sin`` and ``cos`` are straight-line arithmetic, so that the compiler turns a loop over them into SIMD, which it cannot do
with calls of a library; and their bits do not depend on a library's version.  Where their method ends, at huge arguments,
they return NaN.  The twins with ``careful_`` in front have the same bits and call the library there: a trajectory that
became NaN is run again with them.
"""

# numba calls an intrinsic without the first argument of its definition:
# mypy: disable-error-code="call-arg"

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

inlined = njit(forceinline=True, error_model="numpy")


@intrinsic
def fma(context: Any, a: Any, b: Any, c: Any) -> Any:
    """a·b + c, rounded once."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), emit


@inlined
def separate(a: float, b: float, c: float) -> float:
    """a·b + c, rounded twice."""
    return a * b + c


@intrinsic
def bits_of(context: Any, x: Any) -> Any:
    """The 64 bits of a float as an integer."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), emit


@intrinsic
def float_of(context: Any, n: Any) -> Any:
    """The float with the 64 bits of an integer."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), emit


@intrinsic(prefer_literal=True)
def scatter(context: Any, out: Any, first: Any, stride: Any, lanes: Any, start: Any, width: Any) -> Any:
    """Store the numbers of ``lanes`` from ``start`` on at the places first, first + stride, … of the memory of ``out``.

    Scalar loads from lanes just stored as vectors would wait until the stores have left the core.
    """
    count = width.literal_value

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, source = (
            context.make_array(signature.args[i])(context, builder, arguments[i]).data for i in (0, 3)
        )
        vector = ir.VectorType(ir.DoubleType(), count)
        begin = builder.gep(source, [ir.Constant(ir.IntType(64), start.literal_value)])
        values = builder.load(builder.bitcast(begin, vector.as_pointer()), align=8)
        place = arguments[1]
        for lane in range(count):
            value = builder.extract_element(values, ir.Constant(ir.IntType(32), lane))
            builder.store(value, builder.gep(target, [place]))
            place = builder.add(place, arguments[2])
        return context.get_dummy_value()

    return types.void(out, types.intp, types.intp, lanes, start, width), emit


#: Up to this size of x, subtracting a multiple of π/2 loses nothing.
_FAR = 1e8


@inlined
def _sine(x: float, shift: int) -> float:
    """sin(x + shift·π/2) for |x| up to 1e8, to about one unit in the last place of 1.

    x = n·π/2 + r with |r| ≤ π/4: n·(π/2 to 53 bits) is subtracted without any error by the fused operation, then the next
    53 bits.  The polynomials are minimax on that interval, with errors below 4e-18.
    """
    magic = (
        6755399441055744.0  # 1.5·2^52: adding it rounds to a whole number, which then stands in the last bits
    )
    t: float = fma(x, 0.6366197723675814, magic)
    n = t - magic
    r = fma(-n, 6.123233995736766e-17, fma(-n, 1.5707963267948966, x))
    z = r * r
    s = fma(1.5896827649184822e-10, z, -2.5050758648676674e-08)
    s = fma(fma(s, z, 2.7557313695198736e-06), z, -0.00019841269829816874)
    s = fma(r * z, fma(fma(s, z, 0.008333333333322425), z, -0.16666666666666632), r)
    c = fma(-1.1359669698186777e-11, z, 2.0875723681244292e-09)
    c = fma(fma(c, z, -2.75573143552189e-07), z, 2.480158728949175e-05)
    c = fma(z * z, fma(fma(c, z, -0.0013888888888874138), z, 0.0416666666666666), fma(-0.5, z, 1.0))
    quarter = bits_of(t) + shift
    return float_of(bits_of(c if quarter & 1 else s) ^ ((quarter & 2) << 62))


@inlined
def sin(x: float) -> float:
    """Sine, or NaN for |x| > 1e8."""
    y = _sine(x, 0)
    return y if abs(x) <= _FAR else math.nan


@inlined
def cos(x: float) -> float:
    """Cosine, or NaN for |x| > 1e8."""
    y = _sine(x, 1)
    return y if abs(x) <= _FAR else math.nan


@inlined
def careful_sin(x: float) -> float:
    """Sine for every x, with the bits of :func:`sin` where that is finite."""
    return _sine(x, 0) if abs(x) <= _FAR else math.sin(x)


@inlined
def careful_cos(x: float) -> float:
    """Cosine for every x, with the bits of :func:`cos` where that is finite."""
    return _sine(x, 1) if abs(x) <= _FAR else math.cos(x)
