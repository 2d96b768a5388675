"""Generators of symmetries, their finite action, and the standard ones."""
