"""A member's agent as a process of its own, for processors whose node is not ours."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING

from qcrs.client.coordinator import Coordinator, of_participant
from qcrs.client.journal import SURVIVED, Journal
from qcrs.client.participant import Participant, patiently
from qcrs.client.quantum import equip, sign_with_identity
from qcrs.config.home import Home
from qcrs.errors import AccountError
from qcrs.together.agent import Agent

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

__all__ = ["serve_member"]


def serve_member(home: Home, account: LocalAccount, processor: int, poll: float) -> None:
    """Act until SIGTERM or SIGINT; `AccountError` where the processor is somebody else's."""
    name = f"member-{processor}"
    journal = Journal(home.path("logs", f"{name}.jsonl"), name)
    stop = threading.Event()

    def ended(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGINT, ended)
    party = patiently(lambda: Participant(home, account, name), journal, stop)
    try:
        coordinator = Coordinator(party.chain, party.network, home, of_participant(party), name=name)
        owners = (coordinator.registry.owner_of(processor), coordinator.registry.operator_of(processor))
        if account.address not in owners:
            raise AccountError(
                "the processor is not this account's",
                field="processor",
                value=processor,
                solution=f"use the key of {owners[0]}, or name one of your own: `qcrs processor list`",
            )
        equip(party)
        sign_with_identity(coordinator, party.identity, party.store)
        agent = Agent(coordinator, party.store, account, processor, say=journal.write)
        journal.write("started", processor=processor)
        while not stop.is_set():
            try:
                agent.tick()
            except SURVIVED as error:
                journal.error("tick failed", error)
            stop.wait(poll)
    finally:
        party.close()
        journal.close()
