"""Bodies in space: which of them are alike, energies of their pairs, and proofs about those."""

from .bodies import Particles as Particles
from .pairs import PairPotential as PairPotential
