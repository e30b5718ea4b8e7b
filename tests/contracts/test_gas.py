"""What each step costs: exact, in tests/gas.json, and below the limits that the design sets.

`QCRS_UPDATE_GAS=1` records the numbers anew; otherwise a rise of one per cent fails, and so does any other
difference, so that the file always says what is.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from contract_stage import spent
from council_stage import DELAY_S, council, signature, vote_digest
from epoch_stage import Epochs
from eth_utils.crypto import keccak
from exchange_stage import ACCEPT, ALLOCATION, CREDIT, Processor, Stage
from key_owner import Owner, parts

from qcrs.identity import XmssKey

FILE = Path(__file__).parents[1] / "gas.json"
LIMITS = {
    "register": 100_000,
    "register next": 85_000,
    "certify 5 of 7, first": 95_000,
    "certify 5 of 7, repeat": 78_000,
    "submit": 120_000,
    "submit to an empty flow": 120_000,
    "allocate among 16 flows": 70_000,
    "allocate among 32 flows": 80_000,
    "commit": 42_000,
    "verdict 5 of 7 and settlement": 98_000,
    "verdict 5 of 7, settlement and refund": 98_000,
    "batch of 64, each": 30_000,
    "epoch root of 256 jobs, each": 350,
    "epoch root of 256 jobs with their results, each": 1_500,
    "claim of 1,024, first": 65_000,
    "claim of 1,024, next": 48_000,
    "life cycle": 330_000,
    "register with a key": 165_000,
    "unbond with a key": 125_000,
    "attest a root with a key": 120_000,
    "rotate keys": 110_000,
    "verify a key's signature": 45_000,
    "council decision, 4 of 7, four votes and execution": 190_000,
    "council decision, 4 of 7, one transaction of four signatures": 150_000,
    "council decision that waits, 4 of 7, four votes, scheduling and execution": 290_000,
}
"""What each recorded step may cost at most, in gas of a receipt, the base fee of 21,000 included; of the
verification alone, what a contract that asks for it pays."""


def measure(stage: Stage) -> dict[str, int]:
    gas: dict[str, int] = {}
    a = stage.allocator

    def spec(index: int) -> tuple[object, ...]:
        texts = (keccak(text=name) for name in ("profile", "metadata", "identity"))
        profile, metadata, identity = texts
        return (27, profile, metadata, stage.who.operators[index], identity, 0, 50 * CREDIT)

    gas["register"] = stage.registry.send("register", spec(0), by=stage.who.providers[0]).gas
    gas["register next"] = stage.registry.send("register", spec(1), by=stage.who.providers[1]).gas
    p = stage.register(2)
    gas["certify 5 of 7, first"] = stage.certify(p.id).gas
    gas["certify 5 of 7, repeat"] = stage.certify(p.id, epoch=2).gas
    gas["batch of 64, each"] = batch(stage, p, 64)

    def fill(flows: int) -> None:
        for flow in range(flows):
            for _ in range(2):
                stage.submit(client=flow % 4, flow=flow)

    def send(flow: int) -> int:
        return a.send("submit", stage.request(flow=flow), by=stage.who.clients[0]).gas

    def life(flows: int) -> tuple[int, int, int]:
        allocated = stage.allocate(p)
        job = allocated.one("JobAllocated")["job"]
        return allocated.gas, stage.commit(p, job).gas, stage.judge(job, 0, ACCEPT).gas

    for _ in range(15):
        a.send("openFlow", stage.admin, 100, True, by=stage.who.committee[ALLOCATION])
    stage.submit()
    gas["submit"] = send(0)
    gas["submit to an empty flow"] = send(1)
    fill(16)
    life(16)
    gas["allocate among 16 flows"], gas["commit"], gas["verdict 5 of 7, settlement and refund"] = life(16)
    while (allocated := stage.allocate(p)).one("JobAllocated")["job"] >> 40 != 3:
        job = allocated.one("JobAllocated")["job"]
        stage.commit(p, job)
        stage.judge(job, 0, ACCEPT)
    single = stage.submit(flow=3, most=1)
    job = allocated.one("JobAllocated")["job"]
    while True:
        stage.commit(p, job)
        done = stage.judge(job, 0, ACCEPT)
        if job == single:
            break
        job = stage.allocate(p).one("JobAllocated")["job"]
    gas["verdict 5 of 7 and settlement"] = done.gas
    for _ in range(16):
        a.send("openFlow", stage.admin, 100, True, by=stage.who.committee[ALLOCATION])
    fill(32)
    life(32)
    gas["allocate among 32 flows"], _, _ = life(32)
    steps = ("submit", "allocate among 16 flows", "commit", "verdict 5 of 7, settlement and refund")
    gas["life cycle"] = sum(gas[step] for step in steps)
    return gas | decisions(stage)


def batch(stage: Stage, p: Processor, size: int) -> int:
    """One of many jobs of one processor that a batch settles, each with a refund; nothing of it stays."""
    with stage.undone():
        stage.allocator.send("submitMany", [stage.request()] * size, by=stage.who.clients[0])
        jobs = []
        while len(jobs) < size:
            jobs.append(stage.allocate(p).one("JobAllocated")["job"])
            stage.commit(p, jobs[-1])
        done = stage.settle([stage.report(job, 0, ACCEPT) for job in jobs])
    assert len(done.of("JobClosed")) == size
    return -(-done.gas // size)


def measure_epochs(stage: Stage) -> dict[str, int]:
    """Roots over 1,024 sums and claims of depth 10, from the second epoch on."""
    epochs, client = Epochs.on(stage), stage.who.clients[0]
    epochs.contract.send("fund", client, 10 * CREDIT, by=client)
    providers = [stage.who.providers[0], *(f"0x{n:040x}" for n in range(1, 1024))]
    results = [keccak(text=f"result {n}") for n in range(256)]

    def post(total: int, *given: bytes) -> int:
        return epochs.post([(client, provider, total) for provider in providers], given).gas

    post(1000)
    plain, first = post(2000), epochs.claim(0).gas
    full, following = post(3000, *results), epochs.claim(0).gas
    return {
        "epoch root of 256 jobs, each": -(-plain // 256),
        "epoch root of 256 jobs with their results, each": -(-full // 256),
        "claim of 1,024, first": first,
        "claim of 1,024, next": following,
    }


def decisions(stage: Stage) -> dict[str, int]:
    """One decision of a council each: at once, by signatures, and after a delay."""
    body, target = council(stage), stage.allocator
    stop, start = (body.data(target, "setPaused", flag) for flag in (True, False))
    drain = body.data(target, "setQueueing", 900, 0)
    votes = sum(body.vote(member, target, stop).gas for member in range(4))
    assert target.read("paused")
    deadline, salt = stage.now + 3600, bytes(32)
    digest = vote_digest(stage, body.contract, (target.address, start, salt), 1, deadline)
    chosen = body.members[:4]
    signed = body.contract.send(
        "voteBySig",
        body.motion(target, start),
        deadline,
        [member.address for member in chosen],
        [signature(member, digest) for member in chosen],
        by=stage.who.stranger,
    ).gas
    assert not target.read("paused")
    waited = sum(body.vote(member, target, drain).gas for member in range(4))
    stage.wait(DELAY_S)
    waited += body.execute(target, drain).gas
    assert target.read("queueing") == (900, 0)
    return {
        "council decision, 4 of 7, four votes and execution": votes,
        "council decision, 4 of 7, one transaction of four signatures": signed,
        "council decision that waits, 4 of 7, four votes, scheduling and execution": waited,
    }


def measure_keys(stage: Stage, keys: tuple[XmssKey, XmssKey]) -> dict[str, int]:
    """The acts of a processor with a post-quantum key."""
    owner, root = Owner(stage, *keys, stage.who.providers[3]), keccak(text="root")
    gas = {"register with a key": owner.register().gas}
    owner = replace(owner, processor=stage.registry.read("processorCount"))
    gas["unbond with a key"] = owner.unbond(CREDIT, leaf=1).gas
    asks = stage.who.stranger
    signature = owner.key.sign(owner.domain.digest("attest", asks, owner.processor, 1, root), 2)
    args = (owner.processor, b"attest".ljust(32, b"\0"), root, parts(owner.key), signature)
    gas["attest a root with a key"] = stage.registry.send("useKey", *args, by=asks).gas
    gas["rotate keys"] = owner.rotate().gas
    verifier = stage.deploy("XmssVerifier")
    gas["verify a key's signature"] = spent(
        verifier, "verify", owner.key.public, root, owner.key.sign(root, 3)
    )
    return gas


def test_every_step_costs_what_is_recorded_and_at_most_its_limit(
    stage: Stage, keys: tuple[XmssKey, XmssKey]
) -> None:
    gas = measure(stage) | measure_keys(stage, keys) | measure_epochs(stage)
    if os.environ.get("QCRS_UPDATE_GAS"):
        FILE.write_text(json.dumps(dict(sorted(gas.items())), indent=2) + "\n", encoding="utf-8")
    recorded = json.loads(FILE.read_text(encoding="utf-8"))
    dearer = {step: (recorded[step], now) for step, now in gas.items() if now * 100 >= recorded[step] * 101}
    assert not dearer, f"gas rose: {dearer}"
    assert gas == recorded, "gas changed: record it with QCRS_UPDATE_GAS=1"
    too_dear = {step: (now, LIMITS[step]) for step, now in gas.items() if now > LIMITS[step]}
    assert not too_dear


def test_contracts_fit_the_size_limit(stage: Stage) -> None:
    for contract in (stage.allocator, stage.registry, stage.verifier, stage.quorum, stage.credit):
        assert 0 < len(stage.tester.get_code(contract.address)) // 2 - 1 <= 24_576


def test_every_recorded_step_has_a_limit() -> None:
    assert LIMITS.keys() == json.loads(FILE.read_text(encoding="utf-8")).keys()


pytestmark = pytest.mark.timeout(600)
