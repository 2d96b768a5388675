"""Compiled loops over ridge potentials: slopes, what cotangents pull back, and whole chains of leapfrog steps.

Loaded with the first use, because it loads numba; :mod:`learn.kernels` is the way in.  The innermost loops are written
in vector registers: a few registers of points at a time, unit by unit, so that nothing but weights is read while the
sums over units stay where they are.  Sine and cosine come from one range reduction by multiples of π (Cody, Waite,
*Software Manual for the Elementary Functions*, 1980) with fused operations, and from polynomials on ±π/2 which are exact
to rounding there.  Every point sees the same operations wherever it stands in a batch.
"""

# numba calls an intrinsic without the first argument of its definition, and compiled functions carry no types:
# mypy: disable-error-code="call-arg, no-untyped-def, no-untyped-call"

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import cfunc, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

BLOCK = 512  # points worked on at once: their intermediate rows stay in the first cache
GROUP = (
    64  # rows are filled up with zeros to a multiple of this: the points of the largest group of registers
)

compiled = njit(cache=True, error_model="numpy", fastmath={"contract", "nsz"})
# sums may be reordered, which is what lets them use vector registers
summed = njit(cache=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"})


def _series(double: bool) -> tuple[list[float], list[float]]:
    """Coefficients of sin(r)/r and cos(r) in powers of r² for |r| ≤ π/2.

    Taylor's in float64; in float32 those that interpolate at the Chebyshev points of r², one fewer each.
    """
    if double:
        sine = [(-1) ** k / math.factorial(2 * k + 1) for k in range(11)]
        return sine, [(-1) ** k / math.factorial(2 * k) for k in range(12)]
    found = []
    for count, function in ((5, lambda r: np.sin(r) / r), (6, np.cos)):
        points = (math.pi / 2) ** 2 * (0.5 + 0.5 * np.cos((np.arange(count) + 0.5) * math.pi / count))
        powers = points[:, None] ** np.arange(count)
        found.append([float(c) for c in np.linalg.solve(powers, function(np.sqrt(points)))])
    return found[0], found[1]


class _Lanes:
    """Writes arithmetic on vector registers of one scalar type."""

    def __init__(self, builder: Any, scalar: Any) -> None:
        self.builder, self.double = builder, scalar == types.float64
        self.lanes = 8 if self.double else 16
        self.scalar = ir.DoubleType() if self.double else ir.FloatType()
        self.vector = ir.VectorType(self.scalar, self.lanes)
        self.integers = ir.VectorType(ir.IntType(64 if self.double else 32), self.lanes)

    def constant(self, value: float) -> Any:
        value = value if self.double else float(np.float32(value))
        return ir.Constant(self.vector, [value] * self.lanes)

    def splat(self, value: Any) -> Any:
        first = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), value, ir.IntType(32)(0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, ir.Constant(self.vector, ir.Undefined), mask)

    def load(self, pointer: Any) -> Any:
        return self.builder.load(self.builder.bitcast(pointer, self.vector.as_pointer()), align=4)

    def store(self, value: Any, pointer: Any) -> None:
        self.builder.store(value, self.builder.bitcast(pointer, self.vector.as_pointer()), align=4)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        name = f"llvm.fma.v{self.lanes}f{64 if self.double else 32}"
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), [a, b, c])

    def reduced(self, x: Any) -> tuple[Any, Any]:
        """(r, sign bit) with x = r + kπ, |r| ≤ π/2; beyond where k is a whole number of the type r is ±π/2 or so."""
        b = self.builder
        magic = self.constant(6755399441055744.0 if self.double else 12582912.0)
        high = math.pi if self.double else float(np.float32(math.pi))
        low = 1.2246467991473532e-16 if self.double else math.pi - high
        t = self.fma(x, self.constant(1 / math.pi), magic)
        k = b.fneg(b.fsub(t, magic))
        r = self.fma(k, self.constant(low), self.fma(k, self.constant(high), x))
        for bound, sign in ((1.5708, "<"), (-1.5708, ">")):
            limit = self.constant(bound)
            r = b.select(b.fcmp_ordered(sign, limit, r), limit, r)
        shift = ir.Constant(self.integers, [63 if self.double else 31] * self.lanes)
        return r, b.shl(b.bitcast(t, self.integers), shift)

    def polynomial(self, coefficients: list[float], y: Any) -> Any:
        value = self.constant(coefficients[-1])
        for c in reversed(coefficients[:-1]):
            value = self.fma(value, y, self.constant(c))
        return value

    def signed(self, value: Any, sign: Any) -> Any:
        b = self.builder
        return b.bitcast(b.xor(b.bitcast(value, self.integers), sign), self.vector)

    def sine(self, x: Any) -> Any:
        r, sign = self.reduced(x)
        return self.signed(
            self.builder.fmul(r, self.polynomial(_series(self.double)[0], self.builder.fmul(r, r))), sign
        )

    def sine_and_cosine(self, x: Any) -> tuple[Any, Any]:
        r, sign = self.reduced(x)
        y = self.builder.fmul(r, r)
        sine, cosine = (self.polynomial(c, y) for c in _series(self.double))
        return self.signed(self.builder.fmul(r, sine), sign), self.signed(cosine, sign)


class _Rows:
    """Addresses in a two-dimensional array, rows one after the other."""

    def __init__(self, builder: Any, data: Any, columns: Any) -> None:
        self.builder, self.data, self.columns = builder, data, columns

    def at(self, row: Any, column: Any) -> Any:
        row = ir.IntType(64)(row) if isinstance(row, int) else row
        place = self.builder.add(self.builder.mul(row, self.columns), column)
        return self.builder.gep(self.data, [place])


def _registers(inputs: int, double: bool, wanted: int) -> int:
    """Registers of points per group: as many as leave room for the sums."""
    return max(1, min(wanted, 8 // inputs, GROUP // (8 if double else 16)))


@intrinsic
def _emit_slope(context: Any, points: Any, z: Any, units: Any, packed: Any, result: Any, inputs: Any) -> Any:
    """Write :func:`slope_loop`; ``inputs`` is a tuple of that length."""
    count = inputs.count

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = _Lanes(builder, z.dtype)
        columns, unit_count = arguments[0], arguments[2]
        source, target = (_Rows(builder, arguments[i], columns) for i in (1, 4))
        weights = _Rows(builder, arguments[3], ir.IntType(64)(2 * count + 1))
        across = _registers(count, lanes.double, 4)
        sums = [[cgutils.alloca_once(builder, lanes.vector) for _ in range(across)] for _ in range(count)]
        step = ir.IntType(64)(across * lanes.lanes)
        zero = ir.IntType(64)(0)
        with cgutils.for_range_slice(builder, zero, columns, step, inc=True) as (start, _):
            places = [builder.add(start, ir.IntType(64)(v * lanes.lanes)) for v in range(across)]
            point = [[lanes.load(source.at(f, place)) for place in places] for f in range(count)]
            for row in sums:
                for place in row:
                    builder.store(lanes.constant(0.0), place)
            with cgutils.for_range(builder, unit_count) as loop:
                given = [
                    lanes.splat(builder.load(weights.at(loop.index, ir.IntType(64)(c))))
                    for c in range(2 * count + 1)
                ]
                for v in range(across):
                    angle = given[count]
                    for f in range(count):
                        angle = lanes.fma(given[f], point[f][v], angle)
                    sine = lanes.sine(angle)
                    for f in range(count):
                        total = lanes.fma(given[count + 1 + f], sine, builder.load(sums[f][v]))
                        builder.store(total, sums[f][v])
            for f in range(count):
                for v, place in enumerate(places):
                    lanes.store(builder.load(sums[f][v]), target.at(f, place))
        return context.get_dummy_value()

    return types.void(points, z, units, packed, result, inputs), emit


@intrinsic
def _emit_pulled(
    context: Any,
    points: Any,
    z: Any,
    g: Any,
    units: Any,
    packed: Any,
    result: Any,
    back: Any,
    totals: Any,
    inputs: Any,
) -> Any:
    """Write :func:`pulled_loop`."""
    count = inputs.count

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = _Lanes(builder, z.dtype)
        columns, unit_count = arguments[0], arguments[3]
        source, pulling, target, pulled = (_Rows(builder, arguments[i], columns) for i in (1, 2, 5, 6))
        weights = _Rows(builder, arguments[4], ir.IntType(64)(2 * count + 1))
        sums_over_points = _Rows(builder, arguments[7], ir.IntType(64)((count + 2) * lanes.lanes))
        across = _registers(count, lanes.double, 2)
        slots = [
            [[cgutils.alloca_once(builder, lanes.vector) for _ in range(across)] for _ in range(count)]
            for _ in range(2)
        ]
        step = ir.IntType(64)(across * lanes.lanes)
        zero = ir.IntType(64)(0)
        with cgutils.for_range_slice(builder, zero, columns, step, inc=True) as (start, _):
            places = [builder.add(start, ir.IntType(64)(v * lanes.lanes)) for v in range(across)]
            point = [[lanes.load(source.at(f, place)) for place in places] for f in range(count)]
            pull = [[lanes.load(pulling.at(f, place)) for place in places] for f in range(count)]
            for half in slots:
                for row in half:
                    for place in row:
                        builder.store(lanes.constant(0.0), place)
            with cgutils.for_range(builder, unit_count) as loop:
                given = [
                    lanes.splat(builder.load(weights.at(loop.index, ir.IntType(64)(c))))
                    for c in range(2 * count + 1)
                ]
                column = [ir.IntType(64)(c * lanes.lanes) for c in range(count + 2)]
                totals = [lanes.load(sums_over_points.at(loop.index, c)) for c in column]
                for v in range(across):
                    angle, along = given[count], builder.fmul(given[0], pull[0][v])
                    for f in range(count):
                        angle = lanes.fma(given[f], point[f][v], angle)
                        if f:
                            along = lanes.fma(given[f], pull[f][v], along)
                    sine, cosine = lanes.sine_and_cosine(angle)
                    bent = builder.fmul(cosine, along)
                    for f in range(count):
                        scaled = given[count + 1 + f]
                        for half, value in zip(slots, (sine, bent), strict=True):
                            builder.store(lanes.fma(scaled, value, builder.load(half[f][v])), half[f][v])
                        totals[f] = lanes.fma(pull[f][v], sine, lanes.fma(point[f][v], bent, totals[f]))
                    totals[count] = builder.fadd(totals[count], bent)
                    totals[count + 1] = lanes.fma(sine, along, totals[count + 1])
                for c, total in zip(column, totals, strict=True):
                    lanes.store(total, sums_over_points.at(loop.index, c))
            for half, rows in zip(slots, (target, pulled), strict=True):
                for f in range(count):
                    for v, place in enumerate(places):
                        lanes.store(builder.load(half[f][v]), rows.at(f, place))
        return context.get_dummy_value()

    return types.void(points, z, g, units, packed, result, back, totals, inputs), emit


@cache
def slope_loop(inputs: int, double: bool) -> int:
    """Address of the compiled loop result ← Σ_j s_j sin(W_j·z + b_j).

    z and the result are (inputs, points), and each unit has a packed row W_j, b_j, s_j.
    """
    numbers = types.CPointer(types.float64 if double else types.float32)
    dummy = (0,) * inputs

    @cfunc(types.void(types.intp, numbers, types.intp, numbers, numbers))
    def loop(points, z, units, packed, result):
        _emit_slope(points, z, units, packed, result, dummy)

    _LOOPS.append(loop)
    return int(loop.address)


@cache
def pulled_loop(inputs: int, double: bool) -> int:
    """Address of the compiled loop that does what :func:`slope_loop` does, and its reverse pass for a cotangent g.

    back ← the cotangent of z; totals, of shape (units, (inputs + 2)·lanes), grows by those of W_j and b_j but for the
    factor w_j, and of w_j, lane by lane.
    """
    numbers = types.CPointer(types.float64 if double else types.float32)
    dummy = (0,) * inputs

    @cfunc(types.void(types.intp, numbers, numbers, types.intp, numbers, numbers, numbers, numbers))
    def loop(points, z, g, units, packed, result, back, totals):
        _emit_pulled(points, z, g, units, packed, result, back, totals, dummy)

    _LOOPS.append(loop)
    return int(loop.address)


_LOOPS: list[Any] = []  # keeps their machine code


@intrinsic
def _call(context: Any, address: Any, points: Any, units: Any, arrays: Any) -> Any:
    """Call a loop at an address with the memory of arrays, the third or second of them being that of the units."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, points, units, given = arguments
        data = [
            context.make_array(kind)(context, builder, builder.extract_value(given, i)).data
            for i, kind in enumerate(signature.args[3])
        ]
        before = 1 if len(data) == 3 else 2
        passed = [points, *data[:before], units, *data[before:]]
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in passed])
        builder.call(builder.inttoptr(address, kind.as_pointer()), passed)
        return context.get_dummy_value()

    return types.void(address, points, units, arrays), emit


@compiled
def _slope(z, packed, result, loops):
    _call(loops[0], z.shape[1], packed.shape[0], (z, packed, result))


@compiled
def _pulled(z, g, packed, result, back, totals, loops):
    _call(loops[1], z.shape[1], packed.shape[0], (z, g, packed, result, back, totals))


# -- features: z = (C x, √(member·(rows x)² + ε²)); without rows the coordinates stand in their place --------------
# (loops are spelled out: array expressions cost ten times as long to compile)


@compiled
def _add_scaled(x, factor, y):
    for f in range(x.shape[0]):
        to, row = x[f], y[f]
        for n in range(to.size):
            to[n] += factor * row[n]


@compiled
def _add_product(matrix, x, result, to, turned):
    """result[to + i] ← result[to + i] + Σ_k matrix[i, k] x[k], with the transposed matrix where ``turned``."""
    rows, columns = matrix.shape
    for i in range(rows):
        for k in range(columns):
            w = matrix[i, k]
            if w != 0:
                target, row = (result[to + k], x[i]) if turned else (result[to + i], x[k])
                for n in range(row.size):
                    target[n] += w * row[n]


@compiled
def _combine(a, at, b, start, result, kind):
    """result ← a b, a / b or √a, row by row, those of a from ``at`` on and those of b from ``start`` on."""
    for f in range(result.shape[0]):
        x, y, to = a[at + f], b[start + f], result[f]
        for n in range(to.size):
            if kind == 0:
                to[n] = x[n] * y[n]
            elif kind == 1:
                to[n] = x[n] / y[n]
            else:
                to[n] = math.sqrt(x[n])


@compiled
def _looked_at(rows, x):
    """The rows of a matrix times x, all of x if there are none."""
    if rows.shape[0] == 0:
        return x
    y = np.zeros((rows.shape[0], x.shape[1]), x.dtype)
    _add_product(rows, x, y, 0, False)
    return y


@compiled
def _add_back(rows, y, result):
    """The transposed of :func:`_looked_at`, added."""
    if rows.shape[0] == 0:
        _add_scaled(result, result.dtype.type(1), y)
    else:
        _add_product(rows, y, result, 0, True)


@compiled
def _centred(x, removed):
    if removed.shape[0] == 0:
        return x
    away, result = np.zeros((removed.shape[0], x.shape[1]), x.dtype), x.copy()
    _add_product(removed, x, away, 0, False)
    _add_product(-removed, away, result, 0, True)
    return result


@compiled
def _inputs_of(x, y, features):
    """The features of x, whose rows are y, and the lengths among them."""
    linear, _, member, _, smoothing = features
    n, count = linear.shape[0], member.shape[0]
    z, lengths = np.zeros((n + count, x.shape[1]), x.dtype), np.empty((count, x.shape[1]), x.dtype)
    lengths[:] = smoothing[0] * smoothing[0]
    square = np.empty_like(y)
    _combine(y, 0, y, 0, square, 0)
    _add_product(member, square, lengths, 0, False)
    _combine(lengths, 0, lengths, 0, lengths, 2)
    _add_product(linear, x, z, 0, False)
    for f in range(count):
        z[n + f] = lengths[f]
    return z, lengths


@compiled
def _gradient(x, packed, curvature, features, loops, result):
    """result ← ∇U of the points x, in units of U."""
    if features[0].shape[0] + features[2].shape[0] == 0:
        _slope(x, packed, result, loops)
        _add_scaled(result, curvature, x)
    else:
        linear, rows, member, removed, _ = features
        y = _looked_at(rows, x)
        z, lengths = _inputs_of(x, y, features)
        slope, through = np.empty_like(z), np.zeros_like(y)
        _slope(z, packed, slope, loops)
        _combine(slope, linear.shape[0], lengths, 0, lengths, 1)
        _add_product(member, lengths, through, 0, True)
        _combine(through, 0, y, 0, through, 0)
        result[:] = 0
        _add_product(linear, slope, result, 0, True)
        _add_back(rows, through, result)
        _add_scaled(result, curvature, _centred(x, removed))


@compiled
def _gradient_pulled(x, g, packed, curvature, features, loops, totals, result, back):
    """result ← ∇U, back ← ∇∇U·g, and totals grow by what g·∇U pulls to the weights; returns g·x for the curvature."""
    if features[0].shape[0] + features[2].shape[0] == 0:
        _pulled(x, g, packed, result, back, totals, loops)
        _add_scaled(result, curvature, x)
        _add_scaled(back, curvature, g)
        return _dot(g, x)
    else:
        linear, rows, member, removed, _ = features
        n, count = linear.shape[0], member.shape[0]
        y, across = _looked_at(rows, x), _looked_at(rows, g)
        z, lengths = _inputs_of(x, y, features)
        slope, to_z, inner = np.empty_like(z), np.empty_like(z), np.zeros_like(z)
        _add_product(linear, g, inner, 0, False)
        forces, bent, product = np.zeros_like(y), np.zeros_like(y), np.empty_like(y)
        _combine(across, 0, y, 0, product, 0)
        _add_product(member, product, inner, n, False)
        for f in range(count):
            length, row = lengths[f], inner[n + f]
            for i in range(length.size):
                row[i] /= length[i]
        _pulled(z, inner, packed, slope, to_z, totals, loops)
        result[:] = 0
        back[:] = 0
        _add_product(linear, slope, result, 0, True)
        _add_product(linear, to_z, back, 0, True)
        by_length, second = np.empty_like(lengths), np.empty_like(lengths)
        _combine(slope, n, lengths, 0, by_length, 1)
        for f in range(count):
            length, force, along, pulled, to = lengths[f], by_length[f], inner[n + f], to_z[n + f], second[f]
            for i in range(to.size):
                to[i] = (pulled[i] - along[i] * force[i]) / length[i]
        _add_product(member, by_length, forces, 0, True)
        _add_product(member, second, bent, 0, True)
        for f in range(y.shape[0]):
            to, row, force, other = bent[f], y[f], forces[f], across[f]
            for i in range(to.size):
                to[i] = to[i] * row[i] + other[i] * force[i]
        _combine(forces, 0, y, 0, forces, 0)
        _add_back(rows, forces, result)
        _add_back(rows, bent, back)
        _add_scaled(result, curvature, _centred(x, removed))
        away = _centred(g, removed)
        _add_scaled(back, curvature, away)
        return _dot(away, x)


@summed
def _dot(a, b):
    total = a[0, 0] - a[0, 0]
    for f in range(a.shape[0]):
        row, other = a[f], b[f]
        for n in range(row.size):
            total += row[n] * other[n]
    return total


# -- what learn.kernels calls --------------------------------------------------------------------------------------


@compiled
def _packed(weight, bias, out):
    """One row for each unit of each potential: W_j, b_j, w_j W_j."""
    members, count, units = weight.shape
    packed = np.empty((members, units, 2 * count + 1), weight.dtype)
    for m in range(members):
        for j in range(units):
            for f in range(count):
                packed[m, j, f] = weight[m, f, j]
                packed[m, j, count + 1 + f] = weight[m, f, j] * out[m, j]
            packed[m, j, count] = bias[m, j]
    return packed


@compiled
def _block(x, start, unit):
    """Points from ``start`` on as rows of coordinates in ``unit``, filled up with zeros."""
    stop = min(x.shape[0], start + BLOCK)
    rows = np.zeros((x.shape[1], -(-(stop - start) // GROUP) * GROUP), x.dtype)
    for f in range(x.shape[1]):
        for n in range(start, stop):
            rows[f, n - start] = x[n, f] / unit
    return rows


@compiled
def _put_back(rows, start, unit, x):
    for n in range(start, min(x.shape[0], start + BLOCK)):
        for f in range(x.shape[1]):
            x[n, f] = rows[f, n - start] * unit


@compiled
def _fold(totals, out, to_weight, to_bias, to_out):
    """Sums over lanes of ``totals`` for the weights of one potential."""
    count, units = to_weight.shape
    lanes = totals.shape[1] // (count + 2)
    for j in range(units):
        for c in range(count + 2):
            total = totals[j, c * lanes]
            for lane in range(1, lanes):
                total += totals[j, c * lanes + lane]
            if c < count:
                to_weight[c, j] = total * out[j]
            elif c == count:
                to_bias[j] = total * out[j]
            else:
                to_out[j] = total


@compiled
def gradients(x, weight, bias, out, curvature, unit, features, loops, result):
    """result (potentials, points, dim) ← the gradient of each potential at its points x."""
    packed = _packed(weight, bias, out)
    for m in range(x.shape[0]):
        for start in range(0, x.shape[1], BLOCK):
            rows = _block(x[m], start, unit[m])
            found = np.empty_like(rows)
            _gradient(rows, packed[m], curvature[m], features, loops, found)
            _put_back(found, start, 1 / unit[m], result[m])


@compiled
def gradients_pulled(
    x, g, weight, bias, out, curvature, unit, features, loops, to_x, to_weight, to_bias, to_out, to_curvature
):
    """The reverse pass of :func:`gradients` for the cotangents g of its result."""
    packed = _packed(weight, bias, out)
    lanes = 64 // x.itemsize
    for m in range(x.shape[0]):
        totals = np.zeros((packed.shape[1], (weight.shape[1] + 2) * lanes), x.dtype)
        for start in range(0, x.shape[1], BLOCK):
            rows, pull = _block(x[m], start, unit[m]), _block(g[m], start, unit[m])
            found, back = np.empty_like(rows), np.empty_like(rows)
            to_curvature[m] += _gradient_pulled(
                rows, pull, packed[m], curvature[m], features, loops, totals, found, back
            )
            _put_back(back, start, 1 / unit[m], to_x[m])
        _fold(totals, out[m], to_weight[m], to_bias[m], to_out[m])


@compiled
def leapfrog(q, p, weight, bias, out, curvature, unit, dt, features, loops, steps, q_out, p_out):
    """Kick–drift–kick steps through a chain, whose potentials stand before its kinetic energies."""
    packed = _packed(weight, bias, out)
    members = dt.size
    half = dt.dtype.type(0.5)
    for start in range(0, q.shape[0], BLOCK):
        x, y = _block(q, start, unit[0]), _block(p, start, unit[members])
        slope = np.empty_like(x)
        for m in range(members):
            if m:
                x *= unit[m - 1] / unit[m]
                y *= unit[members + m - 1] / unit[members + m]
            step = dt[m] / (unit[m] * unit[members + m])
            for k in range(2 * steps + 1):  # kicks and drifts in turns, in one place: it is compiled once
                which, at, to, factor = m, x, y, -step
                if k % 2:
                    which, at, to, factor = members + m, y, x, step
                elif k == 0 or k == 2 * steps:
                    factor = -(half * step)
                _gradient(at, packed[which], curvature[which], features, loops, slope)
                _add_scaled(to, factor, slope)
        _put_back(x, start, unit[members - 1], q_out)
        _put_back(y, start, unit[2 * members - 1], p_out)


@compiled
def leapfrog_pulled(
    q, p, to_q, to_p, weight, bias, out, curvature, unit, dt, features, loops, steps,
    to_weight, to_bias, to_out, to_curvature, to_dt, gq, gp,
):  # fmt: skip
    """The reverse pass of :func:`leapfrog` from its final states, which undoes the steps as it goes."""
    packed = _packed(weight, bias, out)
    members, lanes = dt.size, 64 // q.itemsize
    totals = np.zeros((2 * members, weight.shape[2], (weight.shape[1] + 2) * lanes), q.dtype)
    half, one = dt.dtype.type(0.5), dt.dtype.type(1)
    for start in range(0, q.shape[0], BLOCK):
        x, y = _block(q, start, unit[members - 1]), _block(p, start, unit[2 * members - 1])
        a, b = _block(to_q, start, one / unit[members - 1]), _block(to_p, start, one / unit[2 * members - 1])
        slope, back, v = np.empty_like(x), np.empty_like(x), np.empty_like(x)
        for m in range(members - 1, -1, -1):
            if m < members - 1:
                x *= unit[m + 1] / unit[m]
                a /= unit[m + 1] / unit[m]
                y *= unit[members + m + 1] / unit[members + m]
                b /= unit[members + m + 1] / unit[members + m]
            units = unit[m] * unit[members + m]
            step = dt[m] / units
            for k in range(2 * steps, -1, -1):
                which, at, to, cotangent, grown, share = m, x, y, b, a, -one
                if k % 2:
                    which, at, to, cotangent, grown, share = members + m, y, x, a, b, one
                elif k == 0 or k == 2 * steps:
                    share = -half
                v[:] = 0
                _add_scaled(v, share * step, cotangent)
                to_curvature[which] += _gradient_pulled(
                    at, v, packed[which], curvature[which], features, loops, totals[which], slope, back
                )
                to_dt[m] += share * _dot(cotangent, slope) / units
                _add_scaled(grown, one, back)
                _add_scaled(to, -share * step, slope)
        _put_back(a, start, one / unit[0], gq)
        _put_back(b, start, one / unit[members], gp)
    for m in range(2 * members):
        _fold(totals[m], out[m], to_weight[m], to_bias[m], to_out[m])
