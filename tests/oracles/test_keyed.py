"""Processors with a post-quantum key among nodes and oracles: the account key alone hands nothing over."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest

from qcrs.chain.bindings import ExecutionState, JobState
from qcrs.chain.sender import Sender
from qcrs.client.cosigned import Witness, cosign_purpose, witness_of
from qcrs.client.history import Execution, Job
from qcrs.client.program import Unit
from qcrs.client.quantum import identity_path
from qcrs.client.sealed import release_topic, result_topic
from qcrs.client.verify import VerifyReport, verify_job
from qcrs.client.views import JobOptions
from qcrs.client.wallet import Wallet
from qcrs.errors import AccountError, VerificationError
from qcrs.identity import IdentitySecret, MlDsaKey
from qcrs.node.daemon import Node
from qcrs.node.ledger import RunRecord
from qcrs.sealing import HpkeKey, public_text
from qcrs.types import canonical_json, cid_to_digest

Stage = Any
GOOD = "aer:noisy-a?qubits=4"
NAME = "keyed"


@pytest.fixture
def keyed(stage: Stage) -> Stage:
    """The exchange with one processor that has a key."""
    if NAME not in stage.nodes:
        account = stage.account(NAME)
        Wallet(stage.home).create(NAME, account=account)
        IdentitySecret.create(identity_path(stage.home, NAME), None)
        stage.node(NAME, GOOD)
    stage.present.add(NAME)
    assert stage.exchange.history().processors[stage.number_of(NAME)].keyed
    return stage


def settled(stage: Stage, program: Unit) -> Job:
    """A job of the keyed processor, over and opened to everybody."""
    target = stage.number_of(NAME)
    options = JobOptions(target=target, max_executions=1, declared_seconds=100, deadline_seconds=3000)
    number = stage.exchange.submit([program], options)
    stage.until(lambda: stage.job(number).final, f"job {number} ends")
    stage.until(lambda: all(one.ledger.is_done(f"opening/{number}") for one in stage.oracles.values()))
    found: Job = stage.job(number)
    return found


def checked(stage: Stage, job: Job) -> VerifyReport:
    """Anyone's report of a job; the oracles' parent of judging children serves."""
    report = verify_job(stage.exchange, job.id, sandbox=stage.bench)
    assert report.ok, report.differences
    return report


def redescribed(stage: Stage, hpke: HpkeKey, name: str = NAME) -> None:
    """The account key alone publishes a description with other keys, and perhaps another name."""
    number, registry = stage.number_of(NAME), stage.exchange.contracts.registry
    own = stage.exchange.document(stage.exchange.history().processors[number].metadata)
    described = canonical_json({**own, "name": name, "hpke": public_text(hpke.public), "quantum": {}})
    digest = cid_to_digest(stage.exchange.store.put(described))
    Sender(stage.chain, stage.keys[NAME]).transact(registry.set_metadata(number, digest))


def test_a_result_with_both_signatures_is_accepted_and_verified(keyed: Stage, program: Unit) -> None:
    """Whatever a thief has put into the description: programs are sealed to the identity's key."""
    thief = HpkeKey.from_secret(bytes(32))
    redescribed(keyed, thief)
    job = settled(keyed, program)
    assert (job.state, job.executions[0].state) == (JobState.SETTLED, ExecutionState.ACCEPTED)
    topic = result_topic(job.id, 0)
    (mail,) = keyed.exchange.mailbox.read(topic)
    witness = witness_of(keyed.exchange, keyed.exchange.history(), job.executions[0])
    assert witness.ml_dsa
    assert witness.accepts(topic, mail)
    assert any("every key" in check.name for check in checked(keyed, job).checks)
    assert sum(keyed.exchange.result(job.id).outcomes[0].counts.values()) == 2000

    info = keyed.exchange.place.info("release/0", job.id, keyed.keys[NAME].address, 1)
    identity = keyed.nodes[NAME].party.identity
    assert identity is not None
    releases = keyed.exchange.mailbox.read(release_topic(job.id, 0))
    assert len(releases) >= 3
    for release in releases:
        envelope = b64decode(release.body["envelope"])
        assert len(identity.envelope.open(envelope, info)) == 32
        for useless in (thief, HpkeKey.from_account(keyed.keys[NAME])):
            with pytest.raises(VerificationError):
                useless.open(envelope, info)


class Thief(Node):
    """Has the account key, which it computed, and no identity: it signs what it can."""

    def prepare(self) -> Any:
        worker = super().prepare()
        honest, foreign = worker._hand_over, MlDsaKey(bytes(32))
        purpose = cosign_purpose(self.party.place, worker.processor)
        tries: list[Callable[[bytes], bytes] | None] = [
            None,
            lambda digest: foreign.sign(purpose, digest),
            lambda _digest: bytes(3309),
        ]

        def hand_over(job: Job, execution: Execution, record: RunRecord) -> None:
            for cosign in tries:
                worker._cosigner = lambda _run, made=cosign: made
                honest(job, execution, record)

        pytest.MonkeyPatch().setattr(worker, "_hand_over", hand_over)  # the worker ends with its stage
        return worker


def test_a_thief_of_the_account_key_cannot_hand_over(keyed: Stage, program: Unit) -> None:
    """It ran the job honestly, and is not paid for it: the mail is in the store, and nobody's."""
    keyed.drop(NAME)
    identity = identity_path(keyed.home, NAME)
    aside = identity.with_suffix(".aside")
    identity.rename(aside)
    try:
        thief = keyed.node(NAME, GOOD, Thief)
        # Without the identity's envelope key it cannot even read the program, so it is given that.
        envelope = IdentitySecret.load(aside, str).envelope_secret
        thief.party.hpke_keys += (HpkeKey.from_secret(envelope),)
        job = settled(keyed, program)
    finally:
        aside.rename(identity)
        keyed.drop(NAME)
        keyed.node(NAME)
    assert (job.state, job.executions[0].state) == (JobState.FAILED, ExecutionState.REJECTED)
    assert (job.paid, job.refunded) == (0, job.fee)
    assert len(keyed.exchange.mailbox.read(result_topic(job.id, 0))) == 3
    assert keyed.exchange.job(job.id).executions[0].verdicts[0].decided_by == "withheld"
    checked(keyed, job)


def test_a_node_without_its_identity_says_so_and_hands_over_once_it_has_it(
    keyed: Stage, program: Unit
) -> None:
    node, said = keyed.nodes[NAME], "a result cannot be signed"
    worker, identity = node.worker, node.party.identity
    assert worker is not None
    node.party.identity = None
    options = JobOptions(
        target=worker.processor, max_executions=1, declared_seconds=100, deadline_seconds=3000
    )
    number = keyed.exchange.submit([program], options)
    keyed.until(lambda: node.ledger.find(number, 0), "the job is run")
    oracles = dict(keyed.oracles)
    keyed.oracles.clear()  # they look away, or the clock decides whether they reject it before the end
    try:
        keyed.until(lambda: keyed.said(f"node-{NAME}", said), "the node says what it lacks")
        worker.tick()
        assert keyed.said(f"node-{NAME}", said) == 1, "once is enough"
        record = node.ledger.find(number, 0)
        assert record is not None
        assert not record.handed
        node.party.identity = identity
        worker.tick()
        record = node.ledger.find(number, 0)
        assert record is not None
        assert record.handed
    finally:
        node.party.identity = identity
        keyed.oracles.update(oracles)


def test_a_node_knows_its_processor_under_whatever_name(keyed: Stage) -> None:
    number = keyed.number_of(NAME)
    redescribed(keyed, HpkeKey.from_secret(bytes(32)), name="stolen")
    keyed.drop(NAME)
    keyed.node(NAME)
    assert keyed.number_of(NAME) == number


def test_a_cosigner_signs_for_its_own_key_alone(keyed: Stage) -> None:
    identity = keyed.nodes[NAME].party.identity
    assert identity is not None
    with pytest.raises(AccountError, match="not one of this identity"):
        identity.cosigner(Witness(MlDsaKey(bytes(32)).public, "mail"))
