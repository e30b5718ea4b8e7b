"""Drivers: what carries out the protocol's actions, in one loop or over TCP."""
