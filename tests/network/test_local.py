"""A local network's chain keeps its port and its state, and moves only when it is told to."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from qcrs.chain.networks import Block, connect
from qcrs.client.quantum import identity_path
from qcrs.config.home import Home
from qcrs.errors import ConfigError
from qcrs.identity import IdentitySecret
from qcrs.network.local import LocalNetwork
from qcrs.network.plan import NodePlan, Plan

pytestmark = [pytest.mark.network, pytest.mark.timeout(600)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def head(home: Home) -> Block:
    with connect(home.load().rpc) as chain:
        return chain.block()


def holds(home: Home, block: Block) -> bool:
    """Whether a block is part of the chain; some empty ones may have followed it."""
    with connect(home.load().rpc) as chain:
        return chain.block_hash(block.number) == block.hash


def test_a_chain_moves_to_another_port_with_its_state(tmp_path: Path) -> None:
    network = LocalNetwork(Home(tmp_path))
    try:
        network.start_chain()
        network.create(Plan(nodes=(NodePlan("ada", "aer:noisy-a?qubits=5", 0),), post_quantum=True))
        drawn = identity_path(network.home, "ada")
        assert drawn.stat().st_mode & 0o777 == 0o600
        assert len(IdentitySecret.load(drawn, str).envelope_secret) == 32
        assert identity_path(network.home, "client").exists() is False
        before, last = network.home.load(), head(network.home)
        other = free_port()
        with pytest.raises(ConfigError, match="port") as caught:
            network.start_chain(other)  # it runs, and others may be connected to it
        assert "qcrs down" in (caught.value.solution or "")
        network.down()
        network.start_chain()
        assert network.home.load() == before
        network.down()
        network.start_chain(other)
        assert network.home.load().rpc == f"http://127.0.0.1:{other}"
        assert holds(network.home, last)
    finally:
        network.down()
