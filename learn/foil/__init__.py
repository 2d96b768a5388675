"""Ways to impose a rotation on a forecast of pictures: by the energy that moves bodies, or by turning what is drawn.

What all of them share is an eye, which reads places and momenta off pictures and draws them again; what differs is the
motion in between.  The direct transform, a latent picture that is turned and then decoded, is HoloGAN's (Nguyen-Phuoc,
Li, Theis, Richardt, Yang, arXiv 1904.01326, 2019).
"""

from learn.foil.energies import WAYS as WAYS
from learn.foil.energies import energy as energy
from learn.foil.eye import Eye as Eye
from learn.foil.forecasts import EnergyForecast as EnergyForecast
from learn.foil.forecasts import TurnedPicture as TurnedPicture
from learn.foil.forecasts import TurnedPlaces as TurnedPlaces
from learn.foil.objective import FrameLoss as FrameLoss
