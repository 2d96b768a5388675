from . import errors as errors
from .data.systems import systems as systems
from .data.targets import targets as targets
from .numeric.methods import methods as methods
from .numeric.sampling import sample_boltzmann as sample_boltzmann
from .numeric.simulate import simulate as simulate
from .numeric.trajectories import Trajectories as Trajectories
from .symbolic.bracket import is_zero as is_zero
from .symbolic.bracket import poisson_bracket as poisson_bracket
from .symbolic.bracket import verify as verify
from .symbolic.hamiltonian import Hamiltonian as Hamiltonian
from .symbolic.lie_poisson import LiePoissonSpace as LiePoissonSpace
from .symbolic.space import PhaseSpace as PhaseSpace
from .symbolic.symmetry import Generator as Generator
from .symbolic.symmetry import angular_momentum as angular_momentum
from .symbolic.symmetry import translation as translation
from .symbolic.verdict import Proved as Proved
from .symbolic.verdict import Refuted as Refuted
from .symbolic.verdict import Undecided as Undecided
from .symbolic.verdict import Verdict as Verdict

__version__: str
