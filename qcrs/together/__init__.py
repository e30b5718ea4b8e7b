"""Channels, sessions and the processor that several processors make together.

`rounds` and `transcript` are what ends and members attest; `supply` gets pairs and test rounds from a QNP
run; `agent` acts for a member, `conductor` for the client; `virtual` is the `BackendV2` over all of it.
"""
