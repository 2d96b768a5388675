"""Exponential, logarithm, powers and hyperbolic functions of the kernels; loaded only by them, because it loads numba.

As sine and cosine in :mod:`hamsym.numeric.elementary` they are straight-line arithmetic, which the compiler turns into
SIMD, and their bits do not depend on a library's version.  They are defined for every number: overflow, underflow, NaN and
denormal numbers come out as in the C library, through selections instead of branches.  Errors are below 1.2 units in the
last place, for ``sinh`` and ``tanh`` below two.

The polynomials are ``mpmath.chebyfit`` of the functions named beside them, which is within a few per cent of minimax, with
60 digits on the interval of the reduced argument (widened by one part in 2^40), rounded to double precision.
"""

# numba calls an intrinsic without the first argument of its definition:
# mypy: disable-error-code="call-arg"

from __future__ import annotations

import math

from hamsym.numeric.elementary import bits_of, float_of, fma, inlined, with_sign_of

#: Adding it rounds to a whole number, which then stands in the last bits.
_MAGIC = 6755399441055744.0  # 1.5·2^52
_LN2, _LN2_REST, _PER_LN2 = 0.6931471805599453, 2.3190468138462996e-17, 1.4426950408889634
#: The bits of 1, of the mantissa, of 2^52 and of √½.
_ONE, _MANTISSA, _TWO52, _ROOT_HALF = (
    0x3FF0000000000000,
    0xFFFFFFFFFFFFF,
    0x4330000000000000,
    0x3FE6A09E667F3BCD,
)


@inlined
def _power_of_two(n: int) -> float:
    """2^n of which only the last eleven bits count."""
    return float_of((n << 52) + _ONE)


@inlined
def _whole(x: float) -> float:
    """n + 1.5·2^52 with the whole number n nearest to x/ln 2."""
    t: float = fma(x, _PER_LN2, _MAGIC)
    return t


@inlined
def _rest(x: float, n: float) -> float:
    """x - n ln 2: the first product and its difference are exact, so only the second rounds."""
    r: float = fma(-n, _LN2_REST, fma(-n, _LN2, x))
    return r


@inlined
def _even(z: float) -> float:
    """(cosh r - 1)/r² of z = r², for |r| ≤ ln 2/2."""
    s: float = fma(2.762007587998348e-07, z, 2.4801521322368692e-05)
    c: float = fma(fma(fma(s, z, 0.0013888888917196719), z, 0.041666666666624164), z, 0.5000000000000001)
    return c


@inlined
def _odd(z: float) -> float:
    """(sinh r - r)/r³ of z = r², for |r| ≤ ln 2/2."""
    s: float = fma(2.510037583256132e-08, z, 2.7557268480310024e-06)
    c: float = fma(fma(fma(s, z, 0.00019841269863040545), z, 0.008333333333330065), z, 0.16666666666666669)
    return c


@inlined
def _growth(r: float) -> float:
    """e^r - 1 for |r| ≤ ln 2/2."""
    z = r * r
    g: float = fma(z, fma(r, _odd(z), _even(z)), r)
    return g


@inlined
def exp(x: float) -> float:
    """The exponential function.

    x = n ln 2 + r.  2^n is multiplied in two halves, so that neither is out of range; beyond the bounds on x the result is
    zero or infinite all the same.
    """
    x = -746.0 if x < -746.0 else x
    x = 710.0 if x > 710.0 else x
    t = _whole(x)
    n = t - _MAGIC
    half: int = bits_of(fma(0.5, n, _MAGIC))
    y = (1.0 + _growth(_rest(x, n))) * _power_of_two(half)
    return y * _power_of_two(bits_of(t) - half)


@inlined
def log(x: float) -> float:
    """The natural logarithm.

    x = 2^k (1 + f) with √½ ≤ 1 + f < √2, and log(1 + f) = 2s + s R(s²) with s = f/(2 + f) (the arrangement of terms is that
    of Tang, ACM Transactions on Mathematical Software 16 (1990) 378, and of FDLIBM).
    """
    is_small = x < 2.2250738585072014e-308
    w = bits_of(x * 18014398509481984.0 if is_small else x) + (_ONE - _ROOT_HALF)
    k = float_of(((w >> 52) & 2047) | _TWO52) - (4503599627371573.0 if is_small else 4503599627371519.0)
    f = float_of((w & _MANTISSA) + _ROOT_HALF) - 1.0
    s = f / (2.0 + f)
    z = s * s
    v = z * z
    a = fma(
        fma(fma(0.14616449685045874, v, 0.18182889125261728), v, 0.28571428625975487), v, 0.666666666666667
    )
    b = fma(fma(0.15331721600555842, v, 0.2222221113479508), v, 0.39999999999899505)
    half_square = 0.5 * f * f
    correction = fma(s, half_square + z * fma(b, z, a), k * _LN2_REST)
    y = fma(k, _LN2, f - (half_square - correction))
    y = y if x < math.inf else x  # infinity and NaN
    y = math.nan if x < 0.0 else y
    return -math.inf if x == 0.0 else y


@inlined
def tanh(x: float) -> float:
    """The hyperbolic tangent e/(e + 2) with e = exp(2|x|) - 1; it is 1 in double precision from 20 on.

    What rounding took from e and from the sum is put back after the division.
    """
    a = abs(x)
    a = 22.0 if a > 22.0 else a
    t = _whole(2.0 * a)
    r, scale = _rest(2.0 * a, t - _MAGIC), _power_of_two(bits_of(t))
    z = r * r
    curve = fma(r, _odd(z), _even(z))
    g = fma(z, curve, r)
    e = fma(scale, g, scale - 1.0)
    e_rest = fma(scale, g, (scale - 1.0) - e) + scale * fma(z, curve, r - g)
    total = e + 2.0
    inverse = 1.0 / total
    y = e * inverse
    y = fma(inverse, fma(-y, total, e) + fma(-y, (2.0 - total) + e, e_rest), y)
    return with_sign_of(y, x)


@inlined
def sinh(x: float) -> float:
    """The hyperbolic sine, by its sum formula for |x| = n ln 2 + r."""
    a = abs(x)
    a = 710.5 if a > 710.5 else a
    t = _whole(a)
    n = t - _MAGIC
    r = _rest(a, n)
    # a quarter of 2^n and of 2^-n, because 2^n itself is out of range where the result is not yet
    grown = _power_of_two(bits_of(t) - 2)
    shrunk = _power_of_two(-2 - bits_of(t)) if n < 100.0 else 0.0
    z = r * r
    difference = grown - shrunk
    part = fma(fma(z * r, _odd(z), r), grown + shrunk, z * _even(z) * difference)
    y = a if a < 1e-9 else 2.0 * (difference + part)
    return with_sign_of(y, x)


@inlined
def cosh(x: float) -> float:
    """The hyperbolic cosine, by its sum formula for |x| = n ln 2 + r."""
    a = abs(x)
    a = 710.5 if a > 710.5 else a
    t = _whole(a)
    n = t - _MAGIC
    r = _rest(a, n)
    grown = _power_of_two(bits_of(t) - 2)
    shrunk = _power_of_two(-2 - bits_of(t)) if n < 100.0 else 0.0
    z = r * r
    total = grown + shrunk
    part = fma(fma(z * r, _odd(z), r), grown - shrunk, z * _even(z) * total)
    return 2.0 * (total + part)


@inlined
def _logarithm_in_two_parts(x: float) -> tuple[float, float]:
    """log x as a sum of two numbers, to about 2^-65 of it, for 0 < x < ∞.

    As in :func:`log`; s and the first term of R are kept in two parts, so that only what is small is rounded.
    """
    is_small = x < 2.2250738585072014e-308
    w = bits_of(x * 18014398509481984.0 if is_small else x) + (_ONE - _ROOT_HALF)
    k = float_of(((w >> 52) & 2047) | _TWO52) - (4503599627371573.0 if is_small else 4503599627371519.0)
    f = float_of((w & _MANTISSA) + _ROOT_HALF) - 1.0
    d = 2.0 + f
    s = f / d
    s_rest = (fma(-s, d, f) - s * ((2.0 - d) + f)) / d
    z = s * s
    z_rest = fma(2.0 * s, s_rest, fma(s, s, -z))
    v = z * z
    # (R - 2z/3)/z², with an error below 1.1e-20 of the logarithm
    a = fma(fma(fma(0.11706248540922164, v, 0.15384594970895457), v, 0.22222222221656232), v, 0.4)
    b = fma(fma(0.11723051028100073, v, 0.13334804238225353), v, 0.18181818335314404)
    tail = v * fma(fma(b, v, 0.28571428571429364), z, a)
    t = 0.6666666666666666 * z
    t_rest = fma(0.6666666666666666, z, -t) + fma(
        0.6666666666666666, z_rest, fma(3.700743415417189e-17, z, tail)
    )
    u = s * t
    u_rest = fma(s, t, -u) + fma(s, t_rest, s_rest * t)
    p = k * _LN2
    p_rest = fma(k, _LN2, -p) + k * _LN2_REST
    # p, 2s and u in the order of their sizes, where p is not zero
    first = p + 2.0 * s
    lost = (p - first) + 2.0 * s if k != 0.0 else 0.0
    high = first + u
    lost += (first - high) + u
    return high, lost + (p_rest + (2.0 * s_rest + u_rest))


@inlined
def _is_whole(a: float) -> bool:
    size = abs(a)
    return size >= 4503599627370496.0 or (size + 4503599627370496.0) - 4503599627370496.0 == size


@inlined
def power(x: float, a: float) -> float:
    """x^a, as the C library has it for every pair: the exponential of a log x, both in two parts."""
    size = abs(x)
    inside = size > 0.0 and size < math.inf
    high, low = _logarithm_in_two_parts(size if inside else 1.0)
    y = a * high
    y_rest = fma(a, high, -y) + a * low
    beyond = abs(y) > 746.0
    y = (746.0 if y > 0.0 else -746.0) if beyond else y
    y_rest = 0.0 if beyond else y_rest
    t = _whole(y)
    n = t - _MAGIC
    half = bits_of(fma(0.5, n, _MAGIC))
    result = (1.0 + _growth(_rest(y, n) + y_rest)) * _power_of_two(half)
    result = result * _power_of_two(bits_of(t) - half)
    ends = math.inf if (a if size > 1.0 else -a) > 0.0 else 0.0  # infinity and zero, to powers of both signs
    result = result if inside else ends
    whole = _is_whole(a)
    odd = whole and not _is_whole(0.5 * a)
    result = -result if odd and bits_of(x) < 0 else result
    result = result if x >= 0.0 or whole or not inside else math.nan
    result = result if x == x and a == a else math.nan
    return 1.0 if a == 0.0 or x == 1.0 or (x == -1.0 and abs(a) == math.inf) else result


@inlined
def library_power(x: float, a: float) -> float:
    """x^a by the C library."""
    return x**a
