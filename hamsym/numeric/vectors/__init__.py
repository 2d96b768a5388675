"""Eight numbers at once: a type for generated kernels whose loops the compiler would not turn into SIMD by itself.

``Lanes`` are eight float64 that are added, multiplied and so on side by side; on a processor with narrower registers the
compiler takes several.  What is summed up is summed in the same order everywhere, so bits do not depend on the processor, and
no operation is reordered.  Numbers among lanes stand for eight equal ones.
"""

from hamsym.numeric.vectors.arithmetic import fma as fma
from hamsym.numeric.vectors.kinds import WIDTH as WIDTH
from hamsym.numeric.vectors.kinds import lanes as lanes
from hamsym.numeric.vectors.kinds import mask as mask
from hamsym.numeric.vectors.lifting import lifted as lifted
from hamsym.numeric.vectors.lifting import lifted_pair as lifted_pair
from hamsym.numeric.vectors.lifting import power as power
from hamsym.numeric.vectors.making import numbers as numbers
from hamsym.numeric.vectors.making import pick as pick
from hamsym.numeric.vectors.making import repeated as repeated
from hamsym.numeric.vectors.making import total as total
from hamsym.numeric.vectors.making import within as within
from hamsym.numeric.vectors.memory import get as get
from hamsym.numeric.vectors.memory import load as load
from hamsym.numeric.vectors.memory import load_apart as load_apart
from hamsym.numeric.vectors.memory import put as put
from hamsym.numeric.vectors.memory import store as store
from hamsym.numeric.vectors.memory import store_apart as store_apart
