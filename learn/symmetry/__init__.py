"""Symmetries of learned models: generators on tensors, constraint, invariants, measures and proofs."""
