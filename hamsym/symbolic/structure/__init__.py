"""Lie algebras given by structure constants: exact linear algebra over Q or a field of parameters."""

from hamsym.symbolic.structure.casimirs import casimirs as casimirs
from hamsym.symbolic.structure.constants import Structure as Structure
from hamsym.symbolic.structure.elimination import Echelon as Echelon
from hamsym.symbolic.structure.elimination import Vector as Vector
from hamsym.symbolic.structure.ideals import cartan_subalgebra as cartan_subalgebra
from hamsym.symbolic.structure.ideals import levi_subalgebra as levi_subalgebra
from hamsym.symbolic.structure.ideals import nilradical as nilradical
from hamsym.symbolic.structure.ideals import radical as radical
from hamsym.symbolic.structure.quadratic import killing_form as killing_form
from hamsym.symbolic.structure.quadratic import signature as signature
from hamsym.symbolic.structure.summands import direct_sum as direct_sum
