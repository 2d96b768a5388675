"""Disentangled representations: the group-theoretic definition as four tests that give numbers.

Source: Higgins, Amos, Pfau, Racanière, Matthey, Rezende, Lerchner, *Towards a Definition of Disentangled
Representations*, arXiv 1812.02230 (2018).
"""

from learn.disentanglement.group import Element as Element
from learn.disentanglement.group import Factor as Factor
from learn.disentanglement.group import ProductGroup as ProductGroup
from learn.disentanglement.measures import measure as measure
from learn.disentanglement.report import DisentanglementReport as DisentanglementReport
from learn.disentanglement.report import Score as Score
from learn.disentanglement.representation import BaseStates as BaseStates
from learn.disentanglement.representation import adapted_frame as adapted_frame
from learn.disentanglement.vae import VAE as VAE
from learn.disentanglement.vae import EvidenceBound as EvidenceBound
