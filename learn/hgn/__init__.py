"""Hamiltonian generative networks: an energy learned from films, on a latent phase space that the pictures are drawn from.

Source: Toth, Rezende, Jaegle, Racanière, Botev, Higgins, *Hamiltonian Generative Networks*, arXiv 1909.13789.
"""

from learn.hgn.model import HGN as HGN
from learn.hgn.objective import VideoELBO as VideoELBO
