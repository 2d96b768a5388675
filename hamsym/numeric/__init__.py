"""Ground truth: compiled integrators and samplers made from a Hamiltonian's formula."""
