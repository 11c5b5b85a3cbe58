"""Fitted estimators in files that hold no code, and what other formats get of them."""
