"""Is it zero?  Certified witnesses, proofs in the tower, and the three verdicts."""
