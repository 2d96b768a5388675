"""Gauss collocation for any Hamiltonian: trajectories side by side that iterate together."""

from hamsym.numeric.implicit.iteration import LANES as LANES
from hamsym.numeric.implicit.kernels import ImplicitKernels as ImplicitKernels
from hamsym.numeric.implicit.kernels import gauss_source as gauss_source
from hamsym.numeric.implicit.kernels import implicit_kernels as implicit_kernels
