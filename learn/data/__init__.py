"""Data sets of trajectories as torch sees them."""
