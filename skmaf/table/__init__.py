"""The user's table as a matrix of numbers, and back."""
