"""Kernels in which sums stay loops: large systems compile at once, and run at the speed of hand-written code."""

from hamsym.numeric.loops.choice import is_long as is_long
from hamsym.numeric.loops.choice import runs_in_loops as runs_in_loops
from hamsym.numeric.loops.kernels import loop_arguments as loop_arguments
from hamsym.numeric.loops.kernels import loop_kind as loop_kind
from hamsym.numeric.loops.kernels import loop_source as loop_source
from hamsym.numeric.loops.kernels import room_of as room_of
from hamsym.numeric.loops.sampling import LaneByLane as LaneByLane
from hamsym.numeric.loops.sampling import sampling_loops as sampling_loops
from hamsym.numeric.loops.values import slope_loops as slope_loops
from hamsym.numeric.loops.values import value_loops as value_loops
