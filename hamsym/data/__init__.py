"""Known systems and known densities, as Hamiltonians with their integrals."""
