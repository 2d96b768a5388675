"""Operations and circular functions that generated kernels are made of; loaded only by them, because it loads numba.

``sin`` and its kin are straight-line arithmetic, so that the compiler turns a loop over them into SIMD, which it cannot do
with calls of a library; and their bits do not depend on a library's version.  Errors are below one unit in the last place
of 1 for ``sin`` and ``cos``, and below four units in the last place for ``tan``, three for its inverse and those of the
others.  Where the method of sine, cosine and tangent ends, at huge arguments, they return NaN.  The twins with ``careful_``
in front have the same bits and call the library there: a trajectory that became NaN is run again with them.
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


@inlined
def with_sign_of(y: float, x: float) -> float:
    """y ≥ 0, with the sign of x."""
    return float_of(bits_of(y) | ((bits_of(x) >> 63) << 63))


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
def _circle(x: float) -> tuple[float, float, int]:
    """sin r, cos r and n, where x = n·π/2 + r with |r| ≤ π/4, for |x| up to 1e8, to about one unit in the last place of 1.

    n·(π/2 to 53 bits) is subtracted without any error by the fused operation, then the next 53 bits.  The polynomials are
    minimax on that interval, with errors below 4e-18.
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
    return s, c, bits_of(t)


@inlined
def _sine(x: float, shift: int) -> float:
    """sin(x + shift·π/2)."""
    s, c, n = _circle(x)
    quarter = n + shift
    return float_of(bits_of(c if quarter & 1 else s) ^ ((quarter & 2) << 62))


@inlined
def _tangent(x: float) -> float:
    s, c, n = _circle(x)
    return -c / s if n & 1 else s / c


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


@inlined
def tan(x: float) -> float:
    """Tangent, or NaN for |x| > 1e8."""
    y = _tangent(x)
    return y if abs(x) <= _FAR else math.nan


@inlined
def careful_tan(x: float) -> float:
    """Tangent for every x, with the bits of :func:`tan` where that is finite."""
    return _tangent(x) if abs(x) <= _FAR else math.tan(x)


@inlined
def _slope_angle(a: float, b: float) -> float:
    """The angle of the point (b, a) with a, b ≥ 0.

    It is 0, π/4 or π/2 more than the angle of a point whose slope t has |t| ≤ tan(π/8), for which (atan t - t)/t³ is the
    polynomial in t² that ``mpmath.chebyfit`` gives, with an error below 7e-18 of the angle.
    """
    low, high = a < 0.41421356237309503 * b, a > 2.414213562373095 * b
    above = a if low else (-b if high else a - b)
    below = b if low else (a if high else a + b)
    start = 0.0 if low else (1.5707963267948966 if high else 0.7853981633974483)
    t = above / below
    z = t * t
    v = z * z
    c: float = fma(fma(-0.019176887119035292, v, -0.05085449737939498), v, -0.06664511447381931)
    c = fma(fma(fma(c, v, -0.09090904578123901), v, -0.14285714284666542), v, -0.3333333333333333)
    d = fma(fma(0.03923165829556517, v, 0.05858148912802064), v, 0.07692183190826085)
    d = fma(fma(d, v, 0.11111111015256361), v, 0.1999999999999552)
    return start + fma(t * z, fma(d, z, c), fma(start, 3.8981718325193755e-17, t))


@inlined
def atan(x: float) -> float:
    """The angle of the point (1, x)."""
    return with_sign_of(_slope_angle(abs(x), 1.0), x)


@inlined
def atan2(y: float, x: float) -> float:
    """The angle of the point (x, y)."""
    a, b = abs(y), abs(x)
    largest = a if a > b else b
    unit = 3.054936363499605e-151 if largest > 1e150 else (3.273390607896142e150 if largest < 1e-150 else 1.0)
    without_slope = a == b and (a == 0.0 or a == math.inf)
    angle = _slope_angle(a * unit, b * unit)
    angle = (0.0 if a == 0.0 else 0.7853981633974483) if without_slope else angle
    angle = 3.141592653589793 - (angle - 1.2246467991473532e-16) if bits_of(x) < 0 else angle
    return with_sign_of(angle, y) if x == x else x


@inlined
def asin(x: float) -> float:
    """The angle in [-π/2, π/2] whose sine is x."""
    return atan2(x, math.sqrt((1.0 - x) * (1.0 + x)))


@inlined
def acos(x: float) -> float:
    """The angle in [0, π] whose cosine is x."""
    return atan2(math.sqrt((1.0 - x) * (1.0 + x)), x)
