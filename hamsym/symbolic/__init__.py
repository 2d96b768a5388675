"""Formulas, brackets and proofs: sympy expressions in, certified verdicts out."""
