"""Hamiltonian Neural Networks: a learned energy whose Hamiltonian vector field is held against measured derivatives.

Source: Greydanus, Dzamba, Yosinski, *Hamiltonian Neural Networks*, arXiv 1906.01563 (2019).
"""

from learn.hnn.field import FieldNetwork as FieldNetwork
from learn.hnn.model import HNN as HNN
from learn.hnn.objectives import DerivativeLoss as DerivativeLoss
from learn.hnn.objectives import StepLoss as StepLoss
from learn.hnn.pixels import PixelHNN as PixelHNN
