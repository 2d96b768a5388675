from .checkpoint import load as load
from .constraint import BracketConstraint as BracketConstraint
from .equivariance import bracket_residual as bracket_residual
from .equivariance import density_invariance as density_invariance
from .evaluation import evaluate as evaluate
from .flow import HamiltonianFlow as HamiltonianFlow
from .training import FitResult as FitResult
from .training import fit as fit
