"""Density objects, and the functions that fit them."""
