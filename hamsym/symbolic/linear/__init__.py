"""Exact linear algebra over the rationals and over fields of parameters, for large sparse systems."""

from hamsym.symbolic.linear.parametric import Kernel as Kernel
from hamsym.symbolic.linear.parametric import kernel as kernel
from hamsym.symbolic.linear.rational import nullspace as nullspace
