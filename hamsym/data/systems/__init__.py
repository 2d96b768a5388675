"""A catalogue of textbook systems: Hamiltonian, proved integrals, parameter values and typical initial states."""

from hamsym.data.systems.collection import Systems as Systems
from hamsym.data.systems.collection import systems as systems
from hamsym.data.systems.system import System as System
