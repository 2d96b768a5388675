"""A Hamiltonian: an expression on a phase space, its equations of motion and its split."""
