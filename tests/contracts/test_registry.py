"""Who computes: registration, certificates, bonds, reputation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from contract_stage import ZERO, Done, refuses
from eth_utils.crypto import keccak
from exchange_model import decayed, log2_odds
from exchange_stage import (
    ACCEPT,
    CERTIFICATION,
    CREDIT,
    DISPUTE,
    FRAUD,
    REJECT,
    STANDARDS,
    UNDECIDED,
    Processor,
    Stage,
)

from qcrs.chain.compile import Artifact

PROFILE, META, IDENTITY = (keccak(text=name) for name in ("profile", "meta", "identity"))


def spec(**changes: Any) -> tuple[Any, ...]:
    fields = {
        "qubits": 27,
        "profile": PROFILE,
        "metadata": META,
        "operator": ZERO,
        "identity": IDENTITY,
        "claim": 0,
        "bond": 50 * CREDIT,
    }
    return tuple((fields | changes).values())


def test_registration_bonds_from_the_balance(stage: Stage) -> None:
    provider = stage.who.providers[0]
    before = stage.balance(provider)
    done = stage.registry.send("register", spec(claim=1234), by=provider)
    assert done.one("ProcessorRegistered") == {
        "processor": 1,
        "provider": provider,
        "profile": PROFILE,
        "metadata": META,
        "dispatch": int(provider, 16) | 27 << 160 | 27 << 172 | 1234 << 184,
        "identity": IDENTITY,
        "bond": 50 * CREDIT,
    }
    assert stage.balance(provider) == before - 50 * CREDIT
    view = stage.registry.read("processor", 1)
    expected = {
        "provider": provider,
        "operator": provider,
        "qubits": 27,
        "freeQubits": 27,
        "quality": 1234,
        "certifiedUntil": 0,
        "suspended": False,
        "retired": False,
        "bond": 50 * CREDIT,
        "alpha": 256,
        "beta": 256,
        "epoch": 0,
    }
    assert {key: view[key] for key in expected} == expected
    assert (stage.registry.read("ownerOf", 1), stage.registry.read("operatorOf", 1)) == (provider, provider)
    assert stage.registry.read("processorCount") == 1
    stage.check_ledger([])


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"qubits": 0}, "ProcessorRegistryBadSpec"),
        ({"qubits": 4096}, "ProcessorRegistryBadSpec"),
        ({"claim": 4096}, "ProcessorRegistryBadSpec"),
        ({"bond": 0}, "ProcessorRegistryBadBond"),
        ({"bond": 2**40}, "ProcessorRegistryBadBond"),
        ({"bond": 2 * 10**11}, "ComputationAllocatorInsufficientBalance"),
    ],
)
def test_bad_registrations_are_refused(stage: Stage, changes: dict[str, Any], error: str) -> None:
    with refuses(error):
        stage.registry.send("register", spec(**changes), by=stage.who.providers[0])
    assert stage.registry.read("processorCount") == 0


@pytest.mark.parametrize(("word", "bit"), [(0, 16), (0, 255), (3, 160), (3, 255), (5, 16), (5, 255)])
def test_words_of_a_registration_with_stray_bits_are_refused(stage: Stage, word: int, bit: int) -> None:
    """Qubits, operator and claim are read as whole words."""
    data = bytearray.fromhex(stage.registry.data("register", (spec(),))[2:])
    data[4 + 32 * word + 31 - bit // 8] |= 1 << bit % 8
    call = {"from": stage.who.providers[0], "to": stage.registry.address, "data": "0x" + data.hex()}
    with refuses("ProcessorRegistryBadSpec"):
        stage.probe(call | {"gas": 10**6})


def test_bonds_are_whole_units(artifacts: Mapping[str, Artifact]) -> None:
    stage = Stage(artifacts, oracles=4, unit=1000)
    provider = stage.who.providers[0]
    for bond in (1, 999, 1001, 5500):
        with refuses("ProcessorRegistryBadBond", bond=bond, least=1000, most=(2**40 - 1) * 1000):
            stage.registry.send("register", spec(bond=bond), by=provider)
    stage.registry.send("register", spec(bond=6000), by=provider)
    for more in (1, 1500, 2**40 * 1000):
        with refuses("ProcessorRegistryBadBond", bond=more, least=1000, most=(2**40 - 1) * 1000):
            stage.registry.send("addBond", 1, more, by=provider)
    assert stage.registry.read("bondOf", 1) == 6000
    stage.check_ledger([])


def test_unknown_processors_are_named(stage: Stage) -> None:
    with refuses("ProcessorRegistryUnknown", processor=3):
        stage.registry.read("processor", 3)
    assert stage.registry.read("ownerOf", 3) == ZERO
    assert stage.registry.read("operatorOf", 3) == ZERO
    calls: dict[str, tuple[Any, ...]] = {
        "setOperator": (3, ZERO),
        "setMetadata": (3, META),
        "setIdentity": (3, META),
        "addBond": (3, 1),
        "unbond": (3, 1),
        "withdrawBond": (3,),
        "retire": (3,),
    }
    for name, args in calls.items():
        with refuses("ProcessorRegistryUnknown", processor=3):
            stage.registry.send(name, *args, by=stage.who.stranger)
    stage.register()
    for name, args in calls.items():
        with refuses("ProcessorRegistryNotProvider", processor=1, caller=stage.who.stranger):
            stage.registry.send(name, 1, *args[1:], by=stage.who.stranger)


def test_provider_changes_keys_and_description(stage: Stage) -> None:
    p = stage.register()
    r, stranger = stage.registry, stage.who.stranger
    assert r.send("setOperator", p.id, stranger, by=p.provider).one("OperatorSet")["operator"] == stranger
    assert r.read("operatorOf", p.id) == stranger
    r.send("setOperator", p.id, ZERO, by=p.provider)
    assert r.read("operatorOf", p.id) == p.provider
    assert r.send("setMetadata", p.id, IDENTITY, by=p.provider).names == ["MetadataSet"]
    assert r.send("setIdentity", p.id, META, by=p.provider).names == ["IdentitySet"]


def test_certificate_takes_effect_and_is_replaced(stage: Stage) -> None:
    p = stage.register()
    done = stage.certify(p.id, quality=2551, epoch=3, life=1000)
    event = done.one("ProcessorCertified")
    assert (event["epoch"], event["era"], event["capability"]["quality"]) == (3, 1, 2551)
    view = stage.registry.read("processor", p.id)
    assert view["capability"] == event["capability"]
    assert (view["quality"], view["certifiedUntil"], view["epoch"]) == (2551, event["validUntil"], 3)
    for epoch in (3, 2, 0):
        with refuses("ProcessorRegistryStaleEpoch", epoch=epoch, last=3):
            stage.certify(p.id, epoch=epoch)
    stage.certify(p.id, epoch=4, quality=7)
    assert stage.registry.read("processor", p.id)["quality"] == 7


def test_impossible_certificates_are_refused(stage: Stage) -> None:
    p = stage.register()
    for life in (0, -5, 31 * 86_400):
        with refuses("ProcessorRegistryBadValidity"):
            stage.certify(p.id, life=life)
    with refuses("ProcessorRegistryUnknown", processor=2):
        stage.certify(2)
    for quality in (0, 4096):
        with refuses("ProcessorRegistryBadCapability", quality=quality):
            stage.certify(p.id, quality=quality)
    with refuses("ProcessorRegistryBadCapability", widthTested=28):
        stage.certify(p.id, width=28)


def test_certificates_need_the_quorum(stage: Stage) -> None:
    p = stage.register()
    c = stage.certification(p.id)
    assert stage.registry.read("certificationDigest", c) == stage.certification_digest(c)
    bitmap, signatures = stage.sign(stage.certification_digest(c), range(4))
    with refuses("OracleQuorumNotReached", signatures=4, threshold=5):
        stage.registry.send("certify", c, bitmap, signatures, by=stage.who.stranger)
    bitmap, signatures = stage.sign(stage.certification_digest(c))
    other = (*c[:2], 9, *c[3:])
    with refuses("OracleQuorumBadSignature", index=0):
        stage.registry.send("certify", other, bitmap, signatures, by=stage.who.stranger)
    stage.rotate(stage.oracles)
    with refuses("OracleQuorumStaleEra", era=1, current=2):
        stage.registry.send("certify", c, bitmap, signatures, by=stage.who.stranger)


def test_an_oracle_is_no_operator(stage: Stage) -> None:
    """I8: neither by registration (no certificate), nor later."""
    oracle = stage.oracles[6].address
    by = stage.who.providers[0]
    p = stage.registry.send("register", spec(operator=oracle), by=by).one("ProcessorRegistered")["processor"]
    with refuses("ProcessorRegistryConflict", processor=p, oracle=oracle):
        stage.certify(p)
    stage.registry.send("setOperator", p, ZERO, by=by)
    stage.certify(p)
    with refuses("ProcessorRegistryConflict", processor=p, oracle=oracle):
        stage.registry.send("setOperator", p, oracle, by=by)


def test_a_refuted_claim_costs_bond_once(stage: Stage) -> None:
    p = stage.register(claim=2257)
    done = stage.certify(p.id, quality=2000)
    assert done.one("ClaimRefuted") == {
        "processor": p.id,
        "claimed": 2257,
        "measured": 2000,
        "slashed": 5 * CREDIT,
    }
    assert stage.balance(stage.who.treasury) == 5 * CREDIT
    assert stage.registry.read("bondOf", p.id) == 45 * CREDIT
    assert not stage.certify(p.id, quality=100, epoch=2).of("ClaimRefuted")
    q = stage.register(1, claim=2256)
    assert not stage.certify(q.id, quality=2000).of("ClaimRefuted")
    stage.check_ledger([])


def test_bond_grows_and_leaves_after_the_delay(stage: Stage) -> None:
    p, r = stage.register(), stage.registry
    before = stage.balance(p.provider)
    r.send("addBond", p.id, 10 * CREDIT, by=p.provider)
    assert (r.read("bondOf", p.id), stage.balance(p.provider)) == (60 * CREDIT, before - 10 * CREDIT)
    with refuses("ProcessorRegistryBadBond"):
        r.send("addBond", p.id, 2**40 - 1, by=p.provider)
    with refuses("ProcessorRegistryNotAvailable", availableAt=0):
        r.send("withdrawBond", p.id, by=p.provider)
    for amount in (0, 60 * CREDIT, 61 * CREDIT):
        with refuses("ProcessorRegistryBadBond"):
            r.send("unbond", p.id, amount, by=p.provider)
    done = r.send("unbond", p.id, 20 * CREDIT, by=p.provider)
    free = done.one("BondReleaseStarted")["availableAt"]
    assert r.read("unbondingOf", p.id) == (20 * CREDIT, free)
    assert free == done.time + 14 * 86_400
    stage.wait_until(free - 1)
    with refuses("ProcessorRegistryNotAvailable", availableAt=free):
        r.send("withdrawBond", p.id, by=p.provider)
    stage.wait_until(free)
    r.send("withdrawBond", p.id, by=p.provider)
    assert (r.read("bondOf", p.id), stage.balance(p.provider)) == (40 * CREDIT, before + 10 * CREDIT)
    assert r.read("unbondingOf", p.id) == (0, 0)
    stage.check_ledger([])


def test_a_bond_on_its_way_out_can_be_slashed(stage: Stage) -> None:
    """I11: slash <= bond, and what was started to be freed shrinks with it."""
    p, r = stage.register(bond=1000), stage.registry
    stage.certify(p.id)
    r.send("unbond", p.id, 999, by=p.provider)
    job = stage.submit(most=1)
    stage.allocate(p)
    stage.wait(100)
    stage.allocator.send("expireExecution", job, 0, by=stage.who.stranger)
    assert r.read("bondOf", p.id) == 0
    stage.wait(14 * 86_400)
    with refuses("ProcessorRegistryBadBond"):
        r.send("withdrawBond", p.id, by=p.provider)
    q = stage.register(1, bond=100_000)
    stage.certify(q.id)
    r.send("unbond", q.id, 99_999, by=q.provider)
    other = stage.submit(most=1)
    stage.allocate(q)
    r.send("retire", q.id, by=q.provider)
    stage.wait(100)
    taken = stage.allocator.send("expireExecution", other, 0, by=stage.who.stranger).one("Slashed")["amount"]
    before = stage.balance(q.provider)
    stage.wait(14 * 86_400)
    r.send("withdrawBond", q.id, by=q.provider)
    assert taken > 1
    assert (r.read("bondOf", q.id), stage.balance(q.provider)) == (0, before + 100_000 - taken)
    stage.check_ledger([job, other])


def late(stage: Stage, p: Processor) -> Done:
    """An execution that misses its deadline, ended by a stranger."""
    job = stage.submit(most=1)
    stage.allocate(p)
    stage.wait(100)
    return stage.allocator.send("expireExecution", job, 0, by=stage.who.stranger)


def told(done: Done) -> tuple[bool, bool]:
    """What the log says stops a processor: the authority, and too little at stake."""
    event = done.one("SuspensionSet")
    return event["barred"], event["short"]


def test_with_less_than_the_least_bond_at_stake_there_is_no_new_work(stage: Stage) -> None:
    """The slash that leaves less stops; a top-up to exactly the least bond readmits."""
    r = stage.registry
    r.send("setLeastBond", 10 * CREDIT, by=stage.who.committee[CERTIFICATION])
    p = stage.register(bond=10 * CREDIT + 1)
    stage.certify(p.id)
    done = late(stage, p)
    taken = done.one("Slashed")["amount"]
    assert taken > 1
    assert done.one("SuspensionSet") == {"processor": p.id, "barred": False, "short": True}
    assert r.read("processor", p.id)["suspended"]
    stage.submit(most=1)
    with refuses("ComputationAllocatorNothingEligible", reason=6):
        stage.allocate(p)
    with refuses("ComputationAllocatorBadTarget"):
        stage.submit(target=p.id, most=1)
    assert not r.send("addBond", p.id, taken - 2, by=p.provider).of("SuspensionSet")
    with refuses("ComputationAllocatorNothingEligible", reason=6):
        stage.allocate(p)
    assert told(r.send("addBond", p.id, 1, by=p.provider)) == (False, False)
    assert r.read("bondOf", p.id) == 10 * CREDIT
    stage.allocate(p)


def test_what_is_on_its_way_out_is_no_stake(stage: Stage) -> None:
    """A slash reaches it, but it keeps nobody at work; who asks for less of it is at work again."""
    r, fee = stage.registry, 300 * 1000
    r.send("setLeastBond", 10 * fee, by=stage.who.committee[CERTIFICATION])
    p = stage.register(bond=50 * CREDIT)
    stage.certify(p.id)
    r.send("unbond", p.id, 50 * CREDIT - 10 * fee, by=p.provider)
    assert not r.read("processor", p.id)["suspended"], "the least bond is there"
    done = late(stage, p)
    taken = done.one("Slashed")["amount"]
    assert told(done) == (False, True), "40 credits more do not count"
    assert r.read("bondOf", p.id) == 50 * CREDIT - taken
    assert told(r.send("unbond", p.id, 50 * CREDIT - 10 * fee - taken, by=p.provider)) == (False, False)
    stage.wait(14 * 86_400)
    stage.certify(p.id, epoch=2)
    job = stage.submit(most=1)
    stage.allocate(p)
    stage.commit(p, job)
    r.send("withdrawBond", p.id, by=p.provider)  # kept ready, and taken between commitment and verdict
    assert (
        stage.judge(job, 0, FRAUD).one("Slashed")["amount"]
        == 10 * fee
        == stage.job(job)["feePerExecution"] * 10
    )
    assert r.read("processor", p.id)["suspended"]
    stage.check_ledger([job])


def test_a_top_up_lifts_no_suspension_and_the_authority_readmits_nobody_without_a_bond(stage: Stage) -> None:
    r, body = stage.registry, stage.who.committee[CERTIFICATION]
    r.send("setLeastBond", 10 * CREDIT, by=body)
    p = stage.register(bond=10 * CREDIT)
    stage.certify(p.id)
    late(stage, p)
    assert told(r.send("setSuspended", p.id, False, by=body)) == (False, True)
    assert r.read("processor", p.id)["suspended"]
    assert told(r.send("setSuspended", p.id, True, by=body)) == (True, True)
    assert told(r.send("addBond", p.id, 10 * CREDIT, by=p.provider)) == (True, False)
    stage.submit(most=1)
    with refuses("ComputationAllocatorNothingEligible", reason=6):
        stage.allocate(p)
    r.send("unbond", p.id, CREDIT, by=p.provider)
    stage.wait(14 * 86_400)
    stage.certify(p.id, epoch=2)
    r.send("withdrawBond", p.id, by=p.provider)
    assert r.read("processor", p.id)["suspended"], "a release does not forget it either"
    assert told(r.send("setSuspended", p.id, False, by=body)) == (False, False)
    stage.submit(most=1)
    stage.allocate(p)


def test_a_processor_that_left_stays_away_when_it_is_slashed(stage: Stage) -> None:
    r = stage.registry
    p = stage.register(bond=10)
    stage.certify(p.id)
    job = stage.submit(most=1)
    stage.allocate(p)
    r.send("retire", p.id, by=p.provider)
    stage.wait(100)
    stage.allocator.send("expireExecution", job, 0, by=stage.who.stranger)
    r.send("addBond", p.id, 10, by=p.provider)
    view = r.read("processor", p.id)
    assert (view["retired"], view["suspended"]) == (True, False)
    with refuses("ComputationAllocatorNothingEligible", reason=6):
        stage.allocate(p)


def test_retired_and_idle_takes_everything(stage: Stage) -> None:
    p, r = stage.register(), stage.registry
    stage.certify(p.id)
    job = stage.submit(most=1)
    stage.allocate(p)
    r.send("retire", p.id, by=p.provider)
    with refuses("ProcessorRegistryRetired"):
        r.send("retire", p.id, by=p.provider)
    with refuses("ProcessorRegistryBusy", processor=p.id):
        r.send("unbond", p.id, 50 * CREDIT, by=p.provider)
    stage.commit(p, job)
    stage.judge(job, 0, ACCEPT)
    r.send("unbond", p.id, 50 * CREDIT, by=p.provider)
    with refuses("ComputationAllocatorNothingEligible", reason=6):
        stage.allocate(p)
    stage.wait(14 * 86_400)
    r.send("withdrawBond", p.id, by=p.provider)
    assert r.read("bondOf", p.id) == 0
    assert r.read("processor", p.id)["retired"]


def test_suspension_is_the_authoritys_and_outlives_nothing_else(stage: Stage) -> None:
    p, body = stage.register(), stage.who.committee[CERTIFICATION]
    with refuses("ProcessorRegistryUnknown"):
        stage.registry.send("setSuspended", 9, True, by=body)
    stage.registry.send("setSuspended", p.id, True, by=body)
    with refuses("ComputationAllocatorBadTarget"):
        stage.submit(target=p.id, most=1)
    stage.registry.send("retire", p.id, by=p.provider)
    assert stage.registry.read("processor", p.id)["suspended"]
    stage.registry.send("setSuspended", p.id, False, by=body)
    view = stage.registry.read("processor", p.id)
    assert (view["suspended"], view["retired"]) == (False, True)


def test_reputation_decays_by_its_half_life(stage: Stage) -> None:
    p = stage.register()
    stage.certify(p.id)
    half = 86_400
    stage.registry.send("setHalfLife", half, by=stage.who.committee[STANDARDS])
    assert stage.registry.read("halfLife") == half >> 8 << 8
    evidence, tick = (0, 0), 0
    for outcome in (ACCEPT, ACCEPT, REJECT, ACCEPT):
        job = stage.submit(most=1, trust=2)
        stage.allocate(p)
        stage.commit(p, job)
        done = stage.judge(job, 0, outcome)
        now = done.time >> 8
        a, b = decayed(evidence, now - tick, half >> 8)
        evidence, tick = ((a + 256, b) if outcome == ACCEPT else (a, b + 256)), now
        assert stage.registry.read("reputation", p.id) == (evidence[0] + 256, evidence[1] + 256)
        stage.wait(70_000)
    stage.wait(100 * half)
    assert stage.registry.read("reputation", p.id) == (256, 256)
    assert stage.registry.read("log2Odds", p.id) == 0


def test_reputation_saturates(stage: Stage) -> None:
    """I10: it stays in range; log2-odds are those of the formula."""
    p = stage.register()
    stage.certify(p.id)
    for _ in range(40):
        job = stage.submit(most=1, qubits=1, seconds=1)
        stage.allocate(p)
        stage.commit(p, job)
        stage.judge(job, 0, 4)
    alpha, beta = stage.registry.read("reputation", p.id)
    assert (alpha, beta) == (256, 65_535 + 256)
    assert stage.registry.read("log2Odds", p.id) == log2_odds(0, 65_535)


def test_unbonding_outlasts_every_window(stage: Stage) -> None:
    certification, standards = stage.who.committee[CERTIFICATION], stage.who.committee[STANDARDS]
    windows = 86_400 + 12 * 86_400 + 2 * 3600
    with refuses("ProcessorRegistryOutOfBounds", value=windows, least=windows + 1):
        stage.registry.send("setUnbondDelay", windows, by=certification)
    stage.registry.send("setUnbondDelay", windows + 1, by=certification)
    with refuses("ResultVerifierOutOfBounds"):
        stage.verifier.send("setWindows", 86_401, 12 * 86_400, by=standards)
    with refuses("ComputationAllocatorOutOfBounds"):
        stage.allocator.send("setTimes", 30, 60, 3601, by=standards)
    stage.verifier.send("setWindows", 86_400 - 2, 12 * 86_400, by=standards)
    stage.allocator.send("setTimes", 30, 60, 3601, by=standards)


def test_a_bond_stays_until_the_ruling_on_a_second_look(stage: Stage) -> None:
    """The shortest delay that fits, and everybody as late as may be: two looks, a challenge, its ruling."""
    certification, verifier = stage.who.committee[CERTIFICATION], stage.verifier
    delay = 86_400 + 12 * 86_400 + 2 * 3600 + 1
    stage.registry.send("setUnbondDelay", delay, by=certification)
    p = stage.register()
    stage.certify(p.id)
    job = stage.submit(1, most=1)
    stage.allocate(p)
    stage.registry.send("retire", p.id, by=p.provider)
    committed = stage.commit(p, job).time
    release = stage.registry.send("unbond", p.id, 50 * CREDIT, by=p.provider)
    stage.wait_until(committed + 3600)
    stage.judge(job, 0, UNDECIDED)
    stage.wait_until(committed + 2 * 3600)
    stage.judge(job, 0, ACCEPT, round=1)
    stage.wait_until(committed + 2 * 3600 + 86_400)
    opened = verifier.send("challenge", job, 0, keccak(text="why"), by=stage.who.clients[2]).one(
        "ChallengeOpened"
    )
    assert opened["rulingDeadline"] < release.one("BondReleaseStarted")["availableAt"]
    stage.wait_until(opened["rulingDeadline"])
    with refuses("ProcessorRegistryNotAvailable"):
        stage.registry.send("withdrawBond", p.id, by=p.provider)
    done = verifier.send("rule", opened["challenge"], 3, by=stage.who.committee[DISPUTE])
    assert done.one("ChallengeRuled")["slashed"] == 2 * 300_000
    stage.check_ledger([job])


def test_parameters_are_kept(stage: Stage) -> None:
    certification = stage.who.committee[CERTIFICATION]
    stage.registry.send("setCertificateLife", 7200, by=certification)
    stage.registry.send("setLeastBond", 77 * CREDIT, by=certification)
    stage.registry.send("setClaimTolerance", 64, 500, by=certification)
    stage.registry.send("setTreasury", stage.who.stranger, by=stage.admin)
    r = stage.registry
    assert (r.read("certificateLife"), r.read("leastBond"), r.read("treasury")) == (
        7200,
        77 * CREDIT,
        stage.who.stranger,
    )
    assert r.read("claimTolerance") == (64, 500)
    with refuses("ProcessorRegistryBadBond"):
        stage.register()
    p: Processor = stage.register(bond=77 * CREDIT)
    with refuses("ProcessorRegistryBadValidity"):
        stage.certify(p.id, life=7300)
    stage.rotate(stage.oracles)
    assert r.read("certificateLife") == 7200
    stage.certify(p.id, life=7100)
