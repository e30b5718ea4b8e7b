"""The trail of a job, recomputed from the log alone."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from exchange_stage import ACCEPT, DISPUTE, FRAUD, REJECT, STANDARDS, UNDECIDED, Stage

REQUEST = "(uint16,uint32,uint16,uint16,uint8,uint8,uint8,uint8,uint32,uint40,bytes32)"


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def step(trail: bytes, kind: int, execution: int, time: int, data: bytes) -> bytes:
    return keccak(trail + word(kind << 248 | execution << 240 | time) + data)


def trails(stage: Stage) -> dict[int, bytes]:
    """Every job's trail as the interface describes it, from the events in their order."""
    found: dict[int, bytes] = {}
    count: dict[int, int] = {}
    challenges: dict[int, tuple[int, int]] = {}
    for name, v, time in stage.history:
        job: int = v.get("job", 0)
        if name == "JobSubmitted":
            values = [v["client"], v["feePerExecution"], v["tag"], v["boosted"], tuple(v["request"].values())]
            data = encode(["address", "uint256", "uint40", "bool", REQUEST], values)
            found[job] = step(word(job), 1, 0, time, keccak(data))
            count[job] = 0
        elif name == "JobAllocated":
            found[job] = step(found[job], 2, v["execution"], time, word(v["processor"]))
            count[job] += 1
        elif name == "ResultCommitted":
            found[job] = step(found[job], 3, v["execution"], time, v["commitment"])
        elif name == "VerdictReported":
            names = ("job", "execution", "round", "outcome", "flags", "score", "threshold", "evidence", "era")
            data = stage.report_hash(tuple(v[key] for key in names))
            found[job] = step(found[job], 4, v["execution"], time, data)
        elif name == "JobRequeued":
            assert v["executions"] == count[job]
            found[job] = step(found[job], 5, v["executions"], time, bytes(32))
        elif name == "ExecutionEnded":
            found[job] = step(found[job], 6, v["execution"], time, word(v["penalty"]))
        elif name == "JobClosed":
            found[job] = step(found[job], 7, count[job], time, word(v["state"] << 248 | v["refund"]))
        elif name == "ChallengeOpened":
            challenges[v["challenge"]] = (job, v["execution"])
            found[job] = step(found[job], 8, v["execution"], time, word(v["challenge"]))
        elif name == "ChallengeRuled":
            job, execution = challenges[v["challenge"]]
            found[job] = step(found[job], 9, execution, time, word(v["challenge"] << 8 | v["ruling"]))
    return found


def check(stage: Stage) -> None:
    found = trails(stage)
    assert found
    for job, trail in found.items():
        assert stage.allocator.read("trail", job) == trail, job
        assert stage.verifier.read("trail", job) == trail


def test_trail_of_an_eventful_life(stage: Stage) -> None:
    """Every kind of step occurs, and the log tells each."""
    first, second, third = (stage.register(i) for i in range(3))
    for p in (first, second, third):
        stage.certify(p.id)
    job = stage.submit(redundancy=2, most=5)
    stage.allocate(first)
    stage.allocate(second)
    check(stage)
    stage.commit(first, job, 0)
    stage.wait(200)
    stage.allocator.send("expireExecution", job, 1, by=stage.who.stranger)
    stage.judge(job, 0, UNDECIDED)
    stage.allocate(third)
    stage.commit(third, job, 2)
    stage.judge(job, 2, REJECT, flags=1, score=-17)
    stage.judge(job, 2, FRAUD, round=1)
    stage.judge(job, 0, ACCEPT, round=1)
    check(stage)
    challenge = stage.verifier.send("challenge", job, 0, keccak(text="why"), by=stage.who.clients[1])
    number = challenge.one("ChallengeOpened")["challenge"]
    stage.verifier.send("rule", number, 3, by=stage.who.committee[DISPUTE])
    check(stage)
    other = stage.submit()
    stage.allocator.send("cancel", other, by=stage.who.clients[0])
    stage.wait(2 * 86_400)
    stage.allocator.send("expire", job, by=stage.who.stranger)
    check(stage)
    kinds = {name for name, _, _ in stage.history}
    assert kinds >= {
        "JobSubmitted",
        "JobAllocated",
        "ResultCommitted",
        "VerdictReported",
        "JobRequeued",
        "ExecutionEnded",
        "JobClosed",
        "ChallengeOpened",
        "ChallengeRuled",
    }
    stage.check_ledger([job, other])


def test_trail_binds_boosted_jobs_and_direct_jobs(stage: Stage) -> None:
    p = stage.register()
    body = stage.who.committee
    stage.allocator.send("setQuota", 0, 1, 10**6, 0, by=body[1])
    stage.submit(**{"class": 1})
    stage.submit(target=p.id, most=1)
    stage.allocate(p)
    check(stage)


def test_lapsed_challenge_is_a_step(stage: Stage) -> None:
    p = stage.register()
    stage.certify(p.id)
    stage.verifier.send("setWindows", 3600, 60, by=stage.who.committee[STANDARDS])
    job = stage.submit()
    stage.allocate(p)
    stage.commit(p, job)
    stage.judge(job, 0, ACCEPT)
    opened: Any = stage.verifier.send("challenge", job, 0, bytes(32), by=stage.who.clients[1])
    stage.wait(100)
    stage.verifier.send("lapse", opened.one("ChallengeOpened")["challenge"], by=stage.who.stranger)
    check(stage)
    stage.check_ledger([job])
