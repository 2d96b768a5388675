"""Lie algebras of functions on a Poisson manifold."""

from hamsym.symbolic.algebra.lie_algebra import LieAlgebra as LieAlgebra
