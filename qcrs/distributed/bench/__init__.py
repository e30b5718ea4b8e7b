"""Figures of computing together, each with its peers or its model in the same run."""
