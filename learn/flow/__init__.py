"""The Hamiltonian flow: potentials, leapfrog, the canonical map, and the densities on (q, p) and on q."""
