"""Compiled loops for the CPU, and the nodes of the graph that are made of them."""
