"""Applications on delivered pairs: teleportation, keys, purification, GHZ states, barriers.

Rules and closed forms without clock, socket or random generator; `qcrs.qnp.drivers.apps` runs them.
"""
