"""Names of real Lie algebras, given only where invariants prove the isomorphism class."""

from hamsym.symbolic.lie_names.names import name_of as name_of
