"""First integrals and invariants: every conserved combination of an ansatz."""
