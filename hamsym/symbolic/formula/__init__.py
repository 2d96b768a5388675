"""Formulas: text to expression and back, safely; what an expression may be."""
