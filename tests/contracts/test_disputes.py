"""Verdicts that are refused, and challenges."""

from __future__ import annotations

import pytest
from contract_stage import refuses
from eth_utils.crypto import keccak
from exchange_stage import (
    ACCEPT,
    CREDIT,
    DISPUTE,
    FRAUD,
    REJECT,
    STANDARDS,
    UNDECIDED,
    Oracle,
    Processor,
    Stage,
)

FEE = 1000 * 5 * 60
OPEN, UPHELD, OVERTURNED, LAPSED = range(1, 5)


def judged(stage: Stage, outcome: int, most: int = 3) -> tuple[Processor, int]:
    p = stage.register()
    stage.certify(p.id)
    job = stage.submit(most=most)
    stage.allocate(p)
    stage.commit(p, job)
    stage.judge(job, 0, outcome)
    return p, job


def opened(stage: Stage, job: int, by: str) -> int:
    return int(
        stage.verifier.send("challenge", job, 0, keccak(text="why"), by=by).one("ChallengeOpened")[
            "challenge"
        ]
    )


def test_hashes_are_the_standards(stage: Stage) -> None:
    report = stage.report(5, 1, REJECT, score=-968_000, threshold=-1, flags=1, round=2)
    assert stage.verifier.read("reportHash", report) == stage.report_hash(report)
    assert stage.verifier.read("reportDigest", report) == stage.report_digest(report)


@pytest.mark.parametrize("outcome", [0, 5, 255])
def test_outcomes_are_four(stage: Stage, outcome: int) -> None:
    with refuses("ResultVerifierBadOutcome", outcome=outcome):
        stage.judge(1, 0, outcome)


def test_an_oracle_does_not_judge_its_own_processor(stage: Stage) -> None:
    """I8: whoever signed, the provider may not be among them; without its signature the verdict stands."""
    mine = stage.oracles[2]
    stage.tester.add_account(mine.key.to_hex())
    stage.tester.send_transaction({"from": stage.admin, "to": mine.address, "value": 10**18, "gas": 21_000})
    stage.allocator.send("deposit", mine.address, 100 * CREDIT, by=stage.who.clients[0])
    spec = (27, bytes(32), bytes(32), stage.who.operators[0], bytes(32), 0, 50 * CREDIT)
    number = stage.registry.send("register", spec, by=mine.address).one("ProcessorRegistered")["processor"]
    p = Processor(number, mine.address, stage.who.operators[0])
    stage.certify(p.id)
    job = stage.submit()
    stage.allocate(p)
    stage.commit(p, job)
    with refuses("ResultVerifierConflict", oracle=mine.address):
        stage.judge(job, 0, ACCEPT)
    report = stage.report(job, 0, ACCEPT)
    bitmap, signatures = stage.sign(stage.report_digest(report), (0, 1, 3, 4, 5))
    stage.verifier.send("reportVerdict", report, bitmap, signatures, by=stage.who.stranger)
    assert stage.job(job)["state"] == 3


def test_a_verdict_is_taken_once(stage: Stage) -> None:
    _, job = judged(stage, UNDECIDED)
    report = stage.report(job, 0, UNDECIDED)
    bitmap, signatures = stage.sign(stage.report_digest(report))
    with refuses("ComputationAllocatorBadRound", round=0, expected=1):
        stage.verifier.send("reportVerdict", report, bitmap, signatures, by=stage.who.stranger)


def test_words_with_stray_bits_are_refused(stage: Stage) -> None:
    p = stage.register()
    stage.certify(p.id)
    job = stage.submit()
    stage.allocate(p)
    stage.commit(p, job)
    report = stage.report(job, 0, ACCEPT)
    bitmap, signatures = stage.sign(stage.report_digest(report))
    data = bytearray.fromhex(stage.verifier.data("reportVerdict", (report, bitmap, signatures))[2:])
    for index in (0, 1, 2, 3, 4, 5, 8):
        dirty = bytearray(data)
        dirty[4 + 32 * index] ^= 0x40
        call = {
            "from": stage.who.stranger,
            "to": stage.verifier.address,
            "data": "0x" + dirty.hex(),
            "gas": 10**6,
        }
        with pytest.raises(Exception):  # noqa: B017, PT011 - a bare revert of the decoder or a bad signature
            stage.tester.call(call, block_number="pending")
    call["data"] = "0x" + data.hex()
    stage.probe(call)


def test_upheld_acceptance_pays_the_provider_half(stage: Stage) -> None:
    p, job = judged(stage, ACCEPT)
    challenger = stage.who.clients[1]
    before, provider = stage.balance(challenger), stage.balance(p.provider)
    assert stage.verifier.read("challengeBond", job) == 2 * FEE
    number = opened(stage, job, challenger)
    assert stage.balance(challenger) == before - 2 * FEE
    assert stage.verifier.read("openBonds") == 2 * FEE
    assert stage.verifier.read("challengeAt", job, 0) == number
    stage.check_ledger([job])
    stage.verifier.send("rule", number, UPHELD, by=stage.who.committee[DISPUTE])
    assert stage.balance(p.provider) == provider + FEE
    assert stage.balance(stage.who.treasury) == FEE
    assert stage.verifier.read("challengeOf", number)["state"] == UPHELD
    assert stage.job(job)["state"] == 3
    stage.check_ledger([job])


def test_overturned_acceptance_costs_the_provider(stage: Stage) -> None:
    p, job = judged(stage, ACCEPT)
    challenger = stage.who.clients[1]
    before, bond = stage.balance(challenger), stage.registry.read("bondOf", p.id)
    client = stage.balance(stage.who.clients[0])
    number = opened(stage, job, challenger)
    done = stage.verifier.send("rule", number, OVERTURNED, by=stage.who.committee[DISPUTE])
    assert done.one("ChallengeRuled") == {"challenge": number, "ruling": OVERTURNED, "slashed": 2 * FEE}
    assert stage.balance(stage.who.clients[0]) == client + FEE  # what it paid for the fraud
    assert stage.balance(challenger) == before + FEE // 2
    assert stage.balance(stage.who.treasury) == FEE // 2
    assert stage.registry.read("bondOf", p.id) == bond - 2 * FEE
    assert stage.registry.read("reputation", p.id) == (512, 256 + 8 * 256)
    assert stage.allocator.read("execution", job, 0)["state"] == 6
    assert stage.job(job)["state"] == 3  # settled stays settled
    stage.check_ledger([job])


@pytest.mark.parametrize("multiple", [2, 3, 10])
def test_a_cheat_and_the_accomplice_that_challenges_it_first_lose_together(
    stage: Stage, multiple: int
) -> None:
    """One challenge stands for an execution: who challenges itself before others do gains nothing by it."""
    stage.verifier.send("setChallengeBond", 1, multiple, by=stage.who.committee[STANDARDS])
    p, accomplice = stage.register(), stage.who.providers[3]

    def together() -> int:
        bond = int(stage.registry.read("bondOf", p.id))
        return bond + stage.balance(p.provider) + stage.balance(accomplice)

    stage.certify(p.id)
    before, job = together(), stage.submit()
    stage.allocate(p)
    stage.commit(p, job)
    stage.judge(job, 0, ACCEPT)
    assert together() == before + FEE
    number = opened(stage, job, accomplice)
    with refuses("ResultVerifierAlreadyChallenged"):
        opened(stage, job, stage.who.clients[0])
    stage.verifier.send("rule", number, OVERTURNED, by=stage.who.committee[DISPUTE])
    assert together() == before - (multiple - 1) * FEE // 2
    stage.check_ledger([job])


def test_of_a_small_bond_the_client_is_served_first(stage: Stage) -> None:
    p = stage.register(bond=FEE)
    stage.certify(p.id)
    job = stage.submit()
    stage.allocate(p)
    stage.commit(p, job)
    stage.judge(job, 0, ACCEPT)
    challenger, client = stage.balance(stage.who.clients[1]), stage.balance(stage.who.clients[0])
    number = opened(stage, job, stage.who.clients[1])
    done = stage.verifier.send("rule", number, OVERTURNED, by=stage.who.committee[DISPUTE])
    assert [e["amount"] for e in done.of("Slashed")] == [FEE * 3 // 8, FEE // 16, FEE // 16]
    assert stage.balance(stage.who.clients[0]) == client + FEE * 3 // 8
    assert stage.balance(stage.who.clients[1]) == challenger + FEE // 16
    stage.check_ledger([job])


@pytest.mark.parametrize(
    ("seconds", "back", "reward"),
    [
        (60, FEE, FEE // 2),  # twice the fee is taken
        (700, 3_500_000, 750_000),  # five credits are half of the bond
        (1000, 3_750_000, 625_000),  # and the fee
        (4000, 3_750_000, 625_000),
    ],
)
def test_who_proves_a_fraud_gains_by_it_though_its_client_is_the_cheat(
    stage: Stage, seconds: int, back: int, reward: int
) -> None:
    """However small the bond beside the fee: the client has three quarters of what is taken at most."""
    p = stage.register(bond=10 * CREDIT)
    stage.certify(p.id)
    client, stranger = stage.who.clients[0], stage.who.clients[2]
    job = stage.submit(0, most=1, seconds=seconds)
    stage.allocate(p)
    stage.commit(p, job)
    stage.judge(job, 0, ACCEPT)

    def cheats() -> int:
        return stage.balance(client) + stage.balance(p.provider) + int(stage.registry.read("bondOf", p.id))

    mine, theirs, before = stage.balance(stranger), cheats(), stage.balance(client)
    number = opened(stage, job, stranger)
    stage.verifier.send("rule", number, OVERTURNED, by=stage.who.committee[DISPUTE])
    assert stage.balance(client) == before + back
    assert stage.balance(stranger) == mine + reward
    assert stage.balance(stage.who.treasury) == reward
    assert cheats() == theirs - 2 * reward
    stage.check_ledger([job])


def test_overturning_in_an_open_job_asks_for_another_execution(stage: Stage) -> None:
    ps = [stage.register(i) for i in range(3)]
    for p in ps:
        stage.certify(p.id)
    job = stage.submit(redundancy=2, most=3)
    for index in range(2):
        stage.allocate(ps[index])
        stage.commit(ps[index], job, index)
    stage.judge(job, 0, ACCEPT)
    number = opened(stage, job, stage.who.clients[1])
    stage.verifier.send("rule", number, OVERTURNED, by=stage.who.committee[DISPUTE])
    assert stage.job(job)["state"] == 1
    assert stage.job(job)["escrow"] == 2 * FEE
    assert stage.allocate(ps[2]).one("JobAllocated")["execution"] == 2
    stage.commit(ps[2], job, 2)
    stage.judge(job, 1, ACCEPT)
    done = stage.judge(job, 2, ACCEPT)
    assert done.one("JobClosed")["refund"] == 0
    stage.check_ledger([job])


def test_an_overturned_execution_gives_back_the_rest_of_its_time(stage: Stage) -> None:
    _, job = judged(stage, ACCEPT)
    before = stage.allocator.read("flow", 0)[3]
    assert 0 < before < 192
    challenge = opened(stage, job, stage.who.clients[0])
    stage.verifier.send("rule", challenge, OVERTURNED, by=stage.who.committee[DISPUTE])
    assert stage.allocator.read("flow", 0)[3] <= 1  # each part is rounded down


@pytest.mark.parametrize("outcome", [REJECT, FRAUD])
def test_overturned_rejection_mends_the_reputation(stage: Stage, outcome: int) -> None:
    p, job = judged(stage, outcome, most=1)
    number = opened(stage, job, p.provider)
    beta = stage.registry.read("reputation", p.id)[1]
    balance = stage.balance(p.provider)
    stage.verifier.send("rule", number, OVERTURNED, by=stage.who.committee[DISPUTE])
    assert stage.balance(p.provider) == balance + 2 * FEE
    assert stage.registry.read("reputation", p.id) == (512, beta)
    assert stage.allocator.read("execution", job, 0)["state"] == (5 if outcome == REJECT else 6)
    stage.check_ledger([job])


def test_upheld_rejection_forfeits_to_the_treasury(stage: Stage) -> None:
    p, job = judged(stage, REJECT)
    number = opened(stage, job, p.provider)
    stage.verifier.send("rule", number, UPHELD, by=stage.who.committee[DISPUTE])
    assert stage.balance(stage.who.treasury) == 2 * FEE
    stage.check_ledger([job])


def test_unruled_challenge_lapses_and_returns_the_bond(stage: Stage) -> None:
    _, job = judged(stage, ACCEPT)
    challenger = stage.who.clients[1]
    before = stage.balance(challenger)
    number = opened(stage, job, challenger)
    deadline = stage.verifier.read("challengeOf", number)["rulingDeadline"]
    assert deadline == stage.time + 12 * 86_400
    stage.wait_until(deadline)
    with refuses("ResultVerifierRulingWindow", challenge=number):
        stage.verifier.send("lapse", number, by=stage.who.stranger)
    stage.wait_until(deadline + 1)
    with refuses("ResultVerifierRulingWindow", challenge=number):
        stage.verifier.send("rule", number, UPHELD, by=stage.who.committee[DISPUTE])
    stage.verifier.send("lapse", number, by=stage.who.stranger)
    assert stage.balance(challenger) == before
    for name, args in (("lapse", (number,)), ("rule", (number, UPHELD))):
        with refuses("ResultVerifierNotOpen", challenge=number):
            stage.verifier.send(name, *args, by=stage.who.committee[DISPUTE])
    stage.check_ledger([job])


def test_what_cannot_be_challenged(stage: Stage) -> None:
    p, job = judged(stage, UNDECIDED)
    client = stage.who.clients[1]
    with refuses("ResultVerifierNotChallengeable", job=job, execution=0):
        opened(stage, job, client)
    stage.judge(job, 0, ACCEPT, round=1)
    stage.wait(86_401)
    with refuses("ResultVerifierNotChallengeable"):
        opened(stage, job, client)
    other = stage.submit()
    stage.allocate(p)
    stage.commit(p, other)
    stage.judge(other, 0, ACCEPT)
    number = opened(stage, other, client)
    with refuses("ResultVerifierAlreadyChallenged", challenge=number):
        opened(stage, other, client)
    for ruling in (0, OPEN, LAPSED):
        with refuses("ResultVerifierBadRuling", ruling=ruling):
            stage.verifier.send("rule", number, ruling, by=stage.who.committee[DISPUTE])
    missed = stage.submit(most=1)
    stage.allocate(p)
    stage.wait(100)
    stage.allocator.send("expireExecution", missed, 0, by=client)
    with refuses("ResultVerifierNotChallengeable", job=missed):
        opened(stage, missed, client)
    poor = stage.who.stranger
    third = stage.submit()
    stage.allocate(p)
    stage.commit(p, third)
    stage.judge(third, 0, ACCEPT)
    with refuses("ComputationAllocatorInsufficientBalance", account=poor):
        opened(stage, third, poor)


def test_board_sets_windows_and_bond(stage: Stage) -> None:
    body = stage.who.committee[STANDARDS]
    stage.verifier.send("setChallengeBond", 10 * CREDIT, 2, by=body)
    stage.verifier.send("setWindows", 100, 200, by=body)
    _, job = judged(stage, ACCEPT)
    until = stage.time + 100
    assert stage.verifier.read("challengeBond", job) == 10 * CREDIT
    assert stage.verifier.read("windows") == (100, 200)
    _, last = judged(stage, ACCEPT)
    stage.wait_until(until + 1)
    with refuses("ResultVerifierNotChallengeable"):
        opened(stage, job, stage.who.clients[1])
    stage.wait_until(int(stage.allocator.read("execution", last, 0)["since"]) + 100)
    assert opened(stage, last, stage.who.clients[1]) == 1


def test_a_rotation_does_not_save_an_equivocator(stage: Stage) -> None:
    _, job = judged(stage, ACCEPT)
    a, b = stage.report(job, 0, ACCEPT), stage.report(job, 0, FRAUD)
    liar = stage.oracles[6]
    signed = [liar.sign(stage.report_digest(r)) for r in (a, b)]
    stage.rotate([Oracle.number(n) for n in range(20, 24)])
    done = stage.verifier.send("proveEquivocation", a, signed[0], b, signed[1], by=stage.who.stranger)
    assert done.one("EquivocationProven")["era"] == 1
