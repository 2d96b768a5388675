"""A catalogue of textbook systems: Hamiltonian, proved integrals, parameter values and typical initial states.

What an entry claims (its integrals, how many are independent, which commute) is proved again by the tests, at its
default size and at a few others.  Other sizes list the same formulas, which ``hamsym.verify`` proves one by one.
"""

from hamsym.data.systems.collection import Systems as Systems
from hamsym.data.systems.collection import systems as systems
from hamsym.data.systems.system import System as System
