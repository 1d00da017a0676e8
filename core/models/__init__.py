"""Immutable values that everything else passes around; units stand in their names."""
