"""The source of kernels to LLVM's language, without numba, whose import takes longer than most simulations.

Kernels are written in the little Python that numba compiles: numbers, arrays, ``range``, branches, calls of functions of
the same text, of :mod:`hamsym.numeric.elementary` and of :mod:`math`.  Here is the translation of what occurs in them,
operation by operation with numba's meaning (Python's, with numpy's divisions), so that both make the same bits; the
optimiser is the same.  What is not known here is not guessed: :class:`UnknownSyntax` says that numba has to do it.

Types are ``"f"`` (float64), ``"i"`` (int64), ``"b"`` (bool) and :class:`ArrayType`.  A variable has one type in a function.
"""

from hamsym.numeric.lowering.kinds import ArrayType, Type, UnknownSyntax, fields_of
from hamsym.numeric.lowering.texts import Module
from hamsym.numeric.lowering.units import lowered

__all__ = ["ArrayType", "Module", "Type", "UnknownSyntax", "fields_of", "lowered"]
