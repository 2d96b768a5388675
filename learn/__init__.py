"""Learned Hamiltonian flows: densities that move by leapfrog and keep a known symmetry.

The public names are listed in ``__init__.pyi``; torch is loaded with the first of them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
