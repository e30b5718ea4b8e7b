"""The audit draw is neither predicted nor ground: withheld proofs, a colluding minority, a block producer."""

from __future__ import annotations

from itertools import combinations
from math import sqrt
from typing import Any

import pytest
from qiskit import QuantumCircuit

from qcrs.chain.bindings import JobState
from qcrs.circuits import lower
from qcrs.circuits.drbg import keccak
from qcrs.client.program import Unit
from qcrs.client.verify import verify_job
from qcrs.client.views import JobOptions
from qcrs.oracles.judging import CaseJudging
from qcrs.sealing import BeaconKey, beacon_message, verify_proof
from qcrs.verification.audit import drawn

GOOD = "aer:noisy-a?qubits=4"
Q = 0.1
RATE_PPM = 100_000
TRIALS = 2000
ALLOWED = 4 * sqrt(Q * (1 - Q) / TRIALS)
VERIFIER = "0x" + "11" * 20


def proof(oracle: int, block_hash: bytes) -> bytes:
    """As unpredictable as a signature, and as unique."""
    return keccak(b"secret" + bytes([oracle]) + block_hash)


def block(trial: int, candidate: int = 0) -> bytes:
    return keccak(trial.to_bytes(4, "big") + candidate.to_bytes(4, "big"))


@pytest.mark.parametrize("faulty", [1, 2])
def test_a_minority_that_withholds_cannot_make_audits_rarer(faulty: int) -> None:
    """They see all proofs of the others, and choose which of their own to show."""
    oracles = 3 * faulty + 1
    evaded = 0
    for trial in range(TRIALS):
        hash_ = block(trial)
        proofs = {oracle: proof(oracle, hash_) for oracle in range(oracles)}
        choices = (
            {key: value for key, value in proofs.items() if key not in hidden}
            for count in range(faulty + 1)
            for hidden in combinations(range(faulty), count)
        )
        evaded += any(not drawn(hash_, shown, RATE_PPM, oracles) for shown in choices)
    assert evaded / TRIALS <= 1 - Q + ALLOWED


def test_one_block_producer_with_a_colluding_minority_gains_nothing() -> None:
    """It tries 64 blocks, knows its accomplice's proof on each, and publishes the one that suits best."""
    drawn_count = 0
    for trial in range(TRIALS):
        candidates = [block(trial, candidate) for candidate in range(64)]
        # What it can compute: its own share. The others' proofs exist only once the block does.
        own = [int.from_bytes(keccak(hash_ + proof(0, hash_))[:8], "big") for hash_ in candidates]
        chosen = candidates[own.index(max(own))]
        drawn_count += drawn(chosen, {oracle: proof(oracle, chosen) for oracle in range(1, 4)}, RATE_PPM, 4)
    assert drawn_count / TRIALS >= Q - ALLOWED


def test_more_than_a_minority_silent_means_an_audit() -> None:
    hash_ = block(0)
    assert all(
        drawn(hash_, {oracle: proof(oracle, hash_) for oracle in shown}, 0, 4)
        for shown in combinations(range(4), 2)
    )


def test_a_proof_is_of_one_block_one_job_and_one_key() -> None:
    """Nothing that is known before the block, and nothing that can be chosen after it."""
    keys = [BeaconKey.generate() for _ in range(2)]
    public = [key.public for key in keys]

    def message(hash_: bytes, job: int = 5, execution: int = 0) -> bytes:
        return beacon_message(chain_id=1, verifier=VERIFIER, job=job, execution=execution, block_hash=hash_)

    right = message(block(1))
    made = keys[0].prove(right)
    assert made == keys[0].prove(right)
    assert verify_proof(public[0], right, made)
    for other in (message(block(2)), message(block(1), job=6), message(block(1), execution=1)):
        assert not verify_proof(public[0], other, made)
    assert not verify_proof(public[1], right, made)
    for place in (0, 100, len(made) - 1):
        changed = bytearray(made)
        changed[place] ^= 1
        assert not verify_proof(public[0], right, bytes(changed))


@pytest.fixture
def unit() -> Unit:
    """A GHZ state, whose honest result leaves no test undecided."""
    circuit = QuantumCircuit(4, 4)
    circuit.h(0)
    for q in range(3):
        circuit.cx(q, q + 1)
    circuit.measure(range(4), range(4))
    return Unit(lower(circuit).document, 4000)


def test_evidence_that_leaves_out_a_proof_is_signed_by_nobody_else(
    stage: Any, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An oracle judges without the proof of another, as if it had not come; three sign with it."""
    stage.certify(good=GOOD)
    forger = stage.oracles["oracle-2"]
    judge = CaseJudging._on

    def without(self: CaseJudging, proofs: Any, *rest: Any) -> Any:
        if self.party is forger.party:
            proofs = {index: value for index, value in proofs.items() if index != 0}
        return judge(self, proofs, *rest)

    monkeypatch.setattr(CaseJudging, "_on", without)
    options = JobOptions(
        declared_seconds=100, deadline_seconds=3000, target=stage.number_of("good"), max_executions=1
    )
    for _ in range(2):  # at one of two jobs in a row the forger is not the last in line
        number = stage.exchange.submit([unit], options)
        stage.until(lambda number=number: stage.job(number).final, "the job ends")
        job = stage.job(number)
        assert job.state == JobState.SETTLED
        verdict = job.executions[0].verdicts[0]
        assert "0" in stage.exchange.document(verdict.evidence)["beacon"]["proofs"]
        assert verdict.signers == 0b1011
    stage.until(lambda: all(o.ledger.is_done(f"opening/{number}") for o in stage.oracles.values()))
    assert verify_job(stage.exchange, number).ok
