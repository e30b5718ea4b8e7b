"""Queues, requests and ends of executions: what the tests of the reference model have in common."""

from __future__ import annotations

from typing import Any

from qcrs.scheduling import FairQueue, Outcome, Parameters, Request

FAR = 10_000_000
NEUTRAL = 256


def odds(_: int) -> int:
    return NEUTRAL


def queue(
    weights: tuple[int, ...] = (100, 100), sizes: tuple[int, ...] = (27, 127), **changes: Any
) -> FairQueue:
    """Flows of these weights, certified processors of these sizes; `changes` are fields of `Parameters`."""
    made = FairQueue(Parameters(**changes))
    for weight in weights:
        made.open_flow(weight)
    for number, qubits in enumerate(sizes, start=1):
        made.enroll(number, number, qubits)
        made.certify(number, 2500, FAR)
    return made


def ask(flow: int = 0, qubits: int = 10, declared: int = 100, **more: int) -> Request:
    return Request(flow, qubits, declared, more.pop("deadline", 100_000), **more)


def finish(model: FairQueue, job: int, number: int, now: int, outcome: Outcome = Outcome.ACCEPT) -> None:
    model.commit(job, number, now)
    model.judge(job, number, outcome, now, odds)
