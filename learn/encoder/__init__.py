"""The encoder f(p|q): a Gaussian over the momentum that the data do not show."""

from .equivariant import MAX_STRETCHES as MAX_STRETCHES
from .equivariant import EquivariantEncoder as EquivariantEncoder
from .frame import FrameEncoder as FrameEncoder
from .gaussian import GaussianEncoder as GaussianEncoder
from .law import Encoder as Encoder
from .law import encoder_given as encoder_given
from .moments import LOG_SD_LIMIT as LOG_SD_LIMIT
from .moments import Moments as Moments
from .moments import distribution as distribution
from .network import InnerNetwork as InnerNetwork
from .pairwise import PairEncoder as PairEncoder
from .wide import WideEncoder as WideEncoder
