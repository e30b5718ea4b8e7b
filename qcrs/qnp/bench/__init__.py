"""Measurements: the paper's evaluation, and peers in the same run."""
