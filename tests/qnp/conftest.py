"""Networks that several tests use."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from qcrs.qnp import CircuitSpec, ControlSpec, HardwareSpec, LinkSpec, Topology

FAST = LinkSpec("", "", kind="heralded", p=0.1, fidelity=0.98, attempt_ns=100_000, frame_delay_ns=10_000)


@pytest.fixture
def chain() -> Callable[..., Topology]:
    """A chain of n nodes with one circuit "c" from end to end."""

    def make(
        count: int = 3,
        *,
        link: LinkSpec = FAST,
        hardware: HardwareSpec | None = None,
        control: ControlSpec | None = None,
        **circuit: object,
    ) -> Topology:
        spec = CircuitSpec("c", "n0", f"n{count - 1}", **circuit)  # type: ignore[arg-type]
        return Topology.chain(
            count,
            link,
            hardware or HardwareSpec(t2_ns=1_000_000_000),
            circuits=(spec,),
            control=control or ControlSpec(),
        )

    return make
