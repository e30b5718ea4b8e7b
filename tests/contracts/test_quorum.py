"""Who may attest: eras, signatures, bonds of the oracles."""

from __future__ import annotations

import pytest
from contract_stage import ZERO, refuses
from eth_keys.datatypes import PrivateKey
from exchange_stage import ACCEPT, CERTIFICATION, CREDIT, REJECT, Oracle, Stage
from quora import SIGNERS, digest, forgeries, signed

from qcrs.client.quorum import SignedReports, signature_problems
from qcrs.errors import ContractError

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def committed(stage: Stage) -> int:
    p = stage.register()
    stage.certify(p.id)
    job = stage.submit()
    stage.allocate(p)
    stage.commit(p, job)
    return job


def test_rotation_starts_an_era_everywhere(stage: Stage) -> None:
    q = stage.quorum
    assert (q.read("era"), stage.verifier.read("era"), q.read("threshold")) == (1, 1, 5)
    assert q.read("signers") == [o.address for o in stage.oracles]
    fewer = [Oracle.number(n) for n in range(10, 14)]
    event = stage.rotate(fewer).one("EraStarted")
    assert event["era"] == 2
    assert (q.read("era"), stage.verifier.read("era"), q.read("threshold")) == (2, 2, 3)
    assert q.read("signers") == [o.address for o in fewer]
    assert q.read("signersOf", 1) == [o.address for o in stage.oracles]
    assert q.read("signersOf", 3) == []
    assert q.read("isSigner", fewer[3].address)
    assert not q.read("isSigner", stage.oracles[0].address)
    assert q.read("identities") == event["identities"]


@pytest.mark.parametrize("count", [0, 1, 3, 5, 6, 34])
def test_sets_are_3f_plus_1(stage: Stage, count: int) -> None:
    with refuses("OracleQuorumBadSize", count=count):
        stage.rotate([Oracle.number(n) for n in range(count)])


def test_largest_set_reports(stage: Stage) -> None:
    job = committed(stage)
    stage.oracles, stage.f, before = [Oracle.number(n) for n in range(31)], 10, (stage.oracles, stage.f)
    try:
        stage.rotate(stage.oracles)
        report = stage.report(job, 0, ACCEPT)
        bitmap, signatures = stage.sign(stage.report_digest(report), range(10, 31))
        stage.verifier.send("reportVerdict", report, bitmap, signatures, by=stage.who.stranger)
    finally:
        stage.oracles, stage.f = before


def test_signers_are_distinct_and_bonded(stage: Stage) -> None:
    body = stage.who.committee[CERTIFICATION]
    a = [o.address for o in stage.oracles[:4]]
    for bad in ([*a[:3], a[0]], [*a[:3], ZERO]):
        with refuses("OracleQuorumBadSigner", signer=bad[3]):
            stage.quorum.send("rotate", bad, bytes(32), by=body)
    stage.quorum.send("setLeastBond", 5, by=body)
    with refuses("OracleQuorumBondTooSmall", bond=0, least=5):
        stage.quorum.send("rotate", a, bytes(32), by=body)


def with_s(oracle: Oracle, s: int) -> tuple[bytes, bytes]:
    """A digest whose signature by the oracle has that s, and the signature: s k = digest + r d (mod n)."""
    k = 7
    point = PrivateKey(k.to_bytes(32, "big")).public_key.to_bytes()
    r, odd = int.from_bytes(point[:32], "big"), point[63] & 1
    digest = (s * k - r * int.from_bytes(oracle.key.to_bytes(), "big")) % ORDER
    return digest.to_bytes(32, "big"), r.to_bytes(32, "big") + (s | odd << 255).to_bytes(32, "big")


def test_every_malformed_quorum_is_refused(stage: Stage) -> None:
    """I12: each counts once, in order, and is of the current era."""
    job = committed(stage)
    report = stage.report(job, 0, ACCEPT)
    digest = stage.report_digest(report)
    signed = [o.sign(digest) for o in stage.oracles]
    high = int.from_bytes(signed[4][32:], "big")
    s, v = high & (1 << 255) - 1, high >> 255
    malleable = signed[4][:32] + ((ORDER - s) | (1 - v) << 255).to_bytes(32, "big")
    cases = [
        (0b1111, signed[:4], "OracleQuorumNotReached"),
        (0, [], "OracleQuorumNotReached"),
        (0b11111, signed[:4], "OracleQuorumBadLength"),
        (0b11111, signed[:6], "OracleQuorumBadLength"),
        (0b11111, [*signed[:4], signed[4][:63]], "OracleQuorumBadLength"),
        (0b11111, [signed[0]] * 5, "OracleQuorumBadSignature"),
        (0b11111, [signed[1], signed[0], *signed[2:5]], "OracleQuorumBadSignature"),
        (0b111110, signed[:5], "OracleQuorumBadSignature"),
        (1 << 7 | 0b1111, signed[:5], "OracleQuorumNotReached"),
        (1 << 200 | 0b1111, signed[:5], "OracleQuorumNotReached"),
        (0b11111, [*signed[:4], malleable], "OracleQuorumBadSignature"),
        (0b11111, [*signed[:4], bytes(64)], "OracleQuorumBadSignature"),
        (0b11111, [*signed[:4], b"\xff" * 64], "OracleQuorumBadSignature"),
    ]
    for bitmap, parts, error in cases:
        with refuses(error):
            stage.verifier.send("reportVerdict", report, bitmap, b"".join(parts), by=stage.who.stranger)
    for high in (0, 1):
        known, crafted = with_s(stage.oracles[4], ORDER // 2 + high)
        signatures = b"".join(o.sign(known) for o in stage.oracles[:4]) + crafted
        if high:
            with refuses("OracleQuorumBadSignature", index=4):
                stage.quorum.read("verify", known, 1, 0b11111, signatures)
        else:
            assert stage.quorum.read("verify", known, 1, 0b11111, signatures) == 1
    for chosen in (range(7), range(2, 7), (0, 2, 3, 4, 6)):
        bitmap, signatures = stage.sign(digest, list(chosen))
        data = stage.verifier.data("reportVerdict", (report, bitmap, signatures))
        stage.probe({"from": stage.who.stranger, "to": stage.verifier.address, "data": data, "gas": 10**6})


@pytest.mark.parametrize("count", [100, pytest.param(10_000, marks=pytest.mark.slow)])
def test_clients_and_the_contract_refuse_the_same_proofs(stage: Stage, count: int) -> None:
    """Neither believes what the other does not."""
    body = stage.who.committee[CERTIFICATION]
    stage.quorum.send("rotate", SIGNERS, bytes(32), by=body)

    def taken(proof: SignedReports) -> bool:
        try:
            stage.quorum.read("verify", digest(), 2, proof.bitmap, proof.signatures)
        except ContractError as error:
            return not error.name.startswith("OracleQuorum")
        return True

    assert taken(signed(digest()))
    for forged in forgeries(count, seed=1):
        assert signature_problems(forged, digest(), SIGNERS)
        assert not taken(forged), forged


def test_reports_of_another_era_contract_or_chain_do_not_count(stage: Stage) -> None:
    job = committed(stage)
    report = stage.report(job, 0, ACCEPT)
    bitmap, signatures = stage.sign(stage.report_digest(report))
    stage.rotate(stage.oracles)
    with refuses("ResultVerifierStaleEra", era=1, current=2):
        stage.verifier.send("reportVerdict", report, bitmap, signatures, by=stage.who.stranger)
    forged = (*report[:8], 2)
    with refuses("OracleQuorumBadSignature"):
        stage.verifier.send("reportVerdict", forged, bitmap, signatures, by=stage.who.stranger)
    c = stage.certification(1, epoch=2)
    bitmap, signatures = stage.sign(stage.report_digest(forged))
    with refuses("OracleQuorumBadSignature"):
        stage.registry.send("certify", c, bitmap, signatures, by=stage.who.stranger)
    assert stage.quorum.read("verify", stage.report_digest(forged), 2, bitmap, signatures) == 2
    with refuses("OracleQuorumStaleEra", era=1, current=2):
        stage.quorum.read("verify", stage.report_digest(forged), 1, bitmap, signatures)


def test_before_the_first_era_nothing_is_attested(stage: Stage) -> None:
    with refuses("OracleQuorumStaleEra", era=0):
        stage.quorum.read("verify", bytes(32), 0, 0, b"")


def bonded(stage: Stage, amount: int) -> str:
    oracle = stage.who.clients[0]
    stage.credit.send("approve", stage.quorum.address, 10**12, by=oracle)
    stage.quorum.send("bond", amount, by=oracle)
    return oracle


def test_bond_leaves_after_its_delay(stage: Stage) -> None:
    q, oracle = stage.quorum, bonded(stage, 10 * CREDIT)
    before = stage.credit.read("balanceOf", oracle)
    for name in ("bond", "unbond"):
        with refuses("OracleQuorumZeroAmount"):
            q.send(name, 0, by=oracle)
    with refuses("OracleQuorumBondTooSmall"):
        q.send("unbond", 11 * CREDIT, by=oracle)
    q.send("unbond", 4 * CREDIT, by=oracle)
    done = q.send("unbond", CREDIT, by=oracle)
    free = done.one("OracleUnbonding")["availableAt"]
    assert q.read("unbondingOf", oracle) == (5 * CREDIT, free)
    with refuses("OracleQuorumNotAvailable", availableAt=free):
        q.send("withdrawBond", by=oracle)
    stage.wait_until(free)
    q.send("withdrawBond", by=oracle)
    assert q.read("bondOf", oracle) == 5 * CREDIT
    assert stage.credit.read("balanceOf", oracle) == before + 5 * CREDIT
    with refuses("OracleQuorumNotAvailable", availableAt=0):
        q.send("withdrawBond", by=oracle)
    with refuses("OracleQuorumZeroAmount"):
        q.send("withdrawCredits", by=oracle)


def test_signers_keep_the_least_bond(stage: Stage) -> None:
    q, body = stage.quorum, stage.who.committee[CERTIFICATION]
    oracle = bonded(stage, 10 * CREDIT)
    q.send("unbond", 5 * CREDIT, by=oracle)
    signers = [oracle, *(o.address for o in stage.oracles[:3])]
    q.send("rotate", signers, bytes(32), by=body)
    q.send("setLeastBond", 8 * CREDIT, by=body)
    with refuses("OracleQuorumStillSigner", oracle=oracle):
        q.send("unbond", CREDIT, by=oracle)
    stage.wait(14 * 86_400)
    with refuses("OracleQuorumStillSigner", oracle=oracle):
        q.send("withdrawBond", by=oracle)
    stage.quorum.send("setLeastBond", 0, by=body)
    q.send("withdrawBond", by=oracle)
    with refuses("OracleQuorumOutOfBounds"):
        q.send("setLeastBond", 1 << 81, by=body)


def equivocation(stage: Stage, job: int, n: int = 0, **second: int) -> tuple[object, ...]:
    a = stage.report(job, 0, ACCEPT)
    b = stage.report(job, second.pop("execution", 0), second.pop("outcome", REJECT), **second)
    oracle = stage.oracles[n]
    return a, oracle.sign(stage.report_digest(a)), b, oracle.sign(stage.report_digest(b))


def test_equivocation_is_slashed_once_and_rewards_the_prover(stage: Stage) -> None:
    stage.tester.add_account(stage.oracles[0].key.to_hex())
    oracle = stage.oracles[0].address
    stage.tester.send_transaction({"from": stage.admin, "to": oracle, "value": 10**18, "gas": 21_000})
    stage.credit.send("transfer", oracle, 10 * CREDIT, by=stage.admin)
    stage.credit.send("approve", stage.quorum.address, 10**12, by=oracle)
    stage.quorum.send("bond", 10 * CREDIT, by=oracle)
    job = committed(stage)
    prover = stage.who.clients[2]
    proof = equivocation(stage, job)
    done = stage.verifier.send("proveEquivocation", *proof, by=prover)
    assert done.one("EquivocationProven")["oracle"] == oracle
    assert done.one("OracleSlashed")["amount"] == 5 * CREDIT
    assert stage.quorum.read("bondOf", oracle) == 5 * CREDIT
    assert stage.quorum.read("creditsOf", prover) == CREDIT
    assert stage.quorum.read("creditsOf", stage.who.treasury) == 4 * CREDIT
    for again in (proof, equivocation(stage, job, outcome=2)):
        with refuses("ResultVerifierProofUsed"):
            stage.verifier.send("proveEquivocation", *again, by=prover)
    before = stage.credit.read("balanceOf", prover)
    stage.quorum.send("withdrawCredits", by=prover)
    assert stage.credit.read("balanceOf", prover) == before + CREDIT
    assert stage.credit.read("balanceOf", stage.quorum.address) == 9 * CREDIT
    with refuses("OracleQuorumZeroAmount"):
        stage.quorum.send("withdrawCredits", by=prover)


def test_what_is_no_equivocation(stage: Stage) -> None:
    job, by = committed(stage), stage.who.stranger
    for second in (
        {"outcome": ACCEPT},
        {"outcome": ACCEPT, "score": 5},
        {"round": 1},
        {"execution": 1},
        {"era": 9},
    ):
        with refuses("ResultVerifierNoEquivocation"):
            stage.verifier.send("proveEquivocation", *equivocation(stage, job, **second), by=by)
    a, sa, b, sb = equivocation(stage, job)
    elsewhere = stage.report(job + 1, 0, REJECT)
    with refuses("ResultVerifierNoEquivocation"):
        signed = stage.oracles[0].sign(stage.report_digest(elsewhere))
        stage.verifier.send("proveEquivocation", a, sa, elsewhere, signed, by=by)
    other = stage.oracles[1].sign(stage.report_digest(b))  # type: ignore[arg-type]
    for bad in (other, bytes(64), b"", sb[:63]):  # type: ignore[index]
        with refuses("ResultVerifierBadSignature"):
            stage.verifier.send("proveEquivocation", a, sa, b, bad, by=by)
    stage.oracles.append(Oracle.number(99))
    try:
        with refuses("ResultVerifierNotOracle", era=1):
            stage.verifier.send("proveEquivocation", *equivocation(stage, job, 7), by=by)
    finally:
        stage.oracles.pop()
