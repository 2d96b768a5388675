"""Hamiltonian graph networks and their controls, on particles that are bound by springs."""

from learn.hogn.controls import OGN as OGN
from learn.hogn.controls import DeltaGN as DeltaGN
from learn.hogn.data import Springs as Springs
from learn.hogn.data import spring_energy as spring_energy
from learn.hogn.data import spring_hamiltonian as spring_hamiltonian
from learn.hogn.data import springs as springs
from learn.hogn.energy import HOGN as HOGN
from learn.hogn.graphs import Graphs as Graphs
from learn.hogn.objective import NextState as NextState
