"""Prove symmetries of Hamiltonians, simulate them at the speed of C, learn flows that keep them.

The public names are listed in ``__init__.pyi``; each is loaded from its module on first use.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
