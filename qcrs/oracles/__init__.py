"""Oracles: they release keys, draw audits, judge results together, certify processors, keep house."""
