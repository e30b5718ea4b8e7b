"""Which keys have to sign a processor's mail: from its events and what it has published, at a time."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from qcrs.chain.abi import Event
from qcrs.chain.bindings import ComputationAllocator, JobRequest, ProcessorRegistry
from qcrs.client.cosigned import (
    OffChainKeys,
    Shelf,
    Witness,
    committed_keys,
    cosign_purpose,
    cosigner,
    handed_over,
    witness_of,
)
from qcrs.client.documents import HandOver
from qcrs.client.history import Execution, History, Logged
from qcrs.client.sealed import Place, commitment_of, result_topic
from qcrs.errors import AccountError, StoreError
from qcrs.identity import MlDsaKey
from qcrs.sealing import HpkeKey, keccak256, public_text
from qcrs.store import ContentStore
from qcrs.types import canonical_json, cid_of, cid_to_digest

PROVIDER: LocalAccount = Account.from_key("0x" + "11" * 32)
PLACE = Place(1337, "0x" + "ab" * 20)
REQUEST = JobRequest(
    flow=0,
    target=2,
    qubits=2,
    quality=0,
    class_=0,
    redundancy=1,
    max_executions=2,
    trust=0,
    declared_seconds=60,
    deadline=3600,
    payload=bytes(32),
)
ROOT = bytes([9]) * 32
SALT = bytes([8]) * 32


class Library(Shelf):
    """A store in memory and the exchange's place."""

    def publish(self, keys: OffChainKeys, name: str = "qpu") -> bytes:
        """A description with these keys; its digest."""
        described: dict[str, Any] = {"name": name, "hpke": public_text(keys.hpke)}
        if keys.ml_dsa:
            described["quantum"] = {"ml_dsa": b64encode(keys.ml_dsa).decode()}
        return cid_to_digest(self.store.put(canonical_json(described)))


def keys(number: int, *, ml_dsa: bool = True) -> OffChainKeys:
    public = MlDsaKey(bytes([number]) * 32).public if ml_dsa else b""
    return OffChainKeys(public, HpkeKey.from_secret(bytes([number]) * 32).public)


@pytest.fixture
def library(request: pytest.FixtureRequest) -> Library:
    return Library(ContentStore(f"memory://cosigned-{request.node.name}"), PLACE)


class Chain:
    """Events in order."""

    def __init__(self) -> None:
        self.history = History()
        self.jobs = 0

    def __call__(self, event: Event) -> None:
        self.history.apply(Logged(event, 1, 1, 0, "0x" + "00" * 32))

    def register(self, identity: bytes, metadata: bytes) -> None:
        dispatch = int(PROVIDER.address, 16)
        self(
            ProcessorRegistry.ProcessorRegistered(
                1, PROVIDER.address, bytes(32), metadata, dispatch, identity, 5
            )
        )

    def committed(self) -> Execution:
        """A job of its own whose result is committed now."""
        self.jobs += 1
        number = self.jobs
        client = "0x" + "cd" * 20
        self(ComputationAllocator.JobSubmitted(number, client, 5, 1, False, REQUEST))
        self(ComputationAllocator.JobAllocated(number, 1, 0, 0, 0))
        commitment = commitment_of(SALT, PROVIDER.address, number, ROOT)
        self(ComputationAllocator.ResultCommitted(number, 1, 0, commitment))
        return self.history.jobs[number].executions[0]


@pytest.fixture
def chain() -> Chain:
    return Chain()


def test_the_keys_in_force_at_the_commitment_count(library: Library, chain: Chain) -> None:
    first, second, plain = keys(1), keys(2), keys(3, ml_dsa=False)
    chain.register(plain.identity, library.publish(plain))
    before = chain.committed()
    chain(ProcessorRegistry.MetadataSet(1, library.publish(first)))
    chain(ProcessorRegistry.IdentitySet(1, first.identity))
    unkeyed = chain.committed()  # an identity that the account key can change binds nobody
    chain(ProcessorRegistry.KeySet(1, 1 << 32))
    keyed = chain.committed()
    chain(ProcessorRegistry.MetadataSet(1, library.publish(second)))
    chain(ProcessorRegistry.KeySet(1, 2 << 32))
    chain(ProcessorRegistry.IdentitySet(1, second.identity))
    after = chain.committed()
    asked = [witness_of(library, chain.history, run).ml_dsa for run in (before, unkeyed, keyed, after)]
    assert asked == [b"", b"", first.ml_dsa, second.ml_dsa]


def test_what_a_thief_publishes_hides_nothing(library: Library, chain: Chain) -> None:
    """He has the account key: he can change the description, and the identity not any more."""
    own, thief = keys(1), keys(2)
    chain.register(own.identity, library.publish(own))
    chain(ProcessorRegistry.KeySet(1, 1 << 32))
    for described in (thief, keys(2, ml_dsa=False), OffChainKeys(b"", own.hpke)):
        chain(ProcessorRegistry.MetadataSet(1, library.publish(described)))
    chain(ProcessorRegistry.MetadataSet(1, bytes(32)))  # in nobody's store
    chain(ProcessorRegistry.MetadataSet(1, cid_to_digest(library.store.put(b'{"hpke":7,"quantum":[]}'))))
    processor = chain.history.processors[1]
    assert committed_keys(library, processor, processor.identity) == own
    assert witness_of(library, chain.history, chain.committed()).ml_dsa == own.ml_dsa


def test_the_same_bytes_cut_elsewhere_are_no_keys(library: Library, chain: Chain) -> None:
    """An identity hashes its keys side by side: as one envelope key they would ask for no signature."""
    own = keys(1)
    both = own.ml_dsa + own.hpke
    chain.register(own.identity, library.publish(own))
    chain(ProcessorRegistry.KeySet(1, 1 << 32))
    for cut in (0, 1, len(own.ml_dsa) - 1, len(own.ml_dsa) + 1, len(own.hpke), len(both)):
        moved = OffChainKeys(both[:cut], both[cut:])
        assert moved.identity == own.identity
        chain(ProcessorRegistry.MetadataSet(1, library.publish(moved)))
        processor = chain.history.processors[1]
        assert committed_keys(library, processor, processor.identity) == own


def test_a_key_beside_an_identity_without_ml_dsa_asks_for_no_signature(
    library: Library, chain: Chain
) -> None:
    plain = keys(1, ml_dsa=False)
    chain.register(plain.identity, library.publish(plain))
    chain(ProcessorRegistry.KeySet(1, 1 << 32))
    # A description with an ML-DSA key of somebody's does not make it the processor's.
    chain(ProcessorRegistry.MetadataSet(1, library.publish(OffChainKeys(keys(2).ml_dsa, plain.hpke))))
    assert witness_of(library, chain.history, chain.committed()).ml_dsa == b""


def test_keys_that_nobody_can_find_are_one_clear_error(library: Library, chain: Chain) -> None:
    chain.register(keccak256(b"?"), library.publish(keys(1)))
    chain(ProcessorRegistry.KeySet(1, 1 << 32))
    run = chain.committed()
    with pytest.raises(StoreError, match="processor 1"):
        handed_over(library, chain.history, chain.history.jobs[1], run)


def hand_over(
    library: Library, number: int, key: MlDsaKey | None, purpose: str, sender: LocalAccount = PROVIDER
) -> str:
    """Mail that opens the commitment of a job, and its content id."""
    body = HandOver(SALT, ROOT, cid_of(str(number).encode()), {}).as_json()
    cosign = None if key is None else lambda digest: key.sign(purpose, digest)
    return library.mailbox.post(result_topic(number, 0), body, sender, cosign)


def test_a_hand_over_counts_with_the_right_signature_alone(library: Library, chain: Chain) -> None:
    own, other = MlDsaKey(bytes([1]) * 32), MlDsaKey(bytes([2]) * 32)
    chain.register(keys(1).identity, library.publish(keys(1)))
    chain(ProcessorRegistry.KeySet(1, 1 << 32))
    run = chain.committed()
    job = chain.history.jobs[1]
    purpose = cosign_purpose(PLACE, 1)
    hand_over(library, 1, None, purpose)
    hand_over(library, 1, other, purpose)
    for elsewhere in (
        cosign_purpose(Place(1338, PLACE.allocator), 1),
        cosign_purpose(Place(1337, "0x" + "ac" * 20), 1),
        cosign_purpose(PLACE, 2),
        "mail",
    ):
        hand_over(library, 1, own, elsewhere)
    assert handed_over(library, chain.history, job, run) == []
    hand_over(library, 1, own, purpose)
    (found,) = handed_over(library, chain.history, job, run)
    assert (found.salt, found.root) == (SALT, ROOT)
    # The second signature is of this mail: on that of another job it is none.
    again = chain.committed()
    (mail,) = (
        mail
        for mail in library.mailbox.read(result_topic(1, 0))
        if witness_of(library, chain.history, run).accepts(result_topic(1, 0), mail)
    )
    body = HandOver(SALT, ROOT, cid_of(b"1"), {}).as_json()
    library.mailbox.post(result_topic(2, 0), body, PROVIDER, lambda _digest: mail.cosignature)
    assert handed_over(library, chain.history, chain.history.jobs[2], again) == []


def test_mail_of_a_processor_without_a_key_needs_no_second_signature(library: Library, chain: Chain) -> None:
    chain.register(keys(1).identity, library.publish(keys(1)))
    run = chain.committed()
    hand_over(library, 1, None, "")
    assert len(handed_over(library, chain.history, chain.history.jobs[1], run)) == 1


def test_mail_counts_of_the_provider_and_of_any_operator_that_it_had(library: Library, chain: Chain) -> None:
    """Salt and root are public once they are mailed: who repeats them has shown nothing."""
    first, second, stranger = (Account.from_key("0x" + digit * 64) for digit in "345")
    chain.register(keys(1).identity, library.publish(keys(1)))
    run = chain.committed()
    job = chain.history.jobs[1]
    chain(ProcessorRegistry.OperatorSet(1, first.address))
    chain(ProcessorRegistry.OperatorSet(1, second.address))
    hand_over(library, 1, None, "", stranger)
    assert handed_over(library, chain.history, job, run) == []
    for count, sender in enumerate((first, second, PROVIDER), 1):
        hand_over(library, 1, None, "", sender)
        assert len(handed_over(library, chain.history, job, run)) == count


def test_who_lacks_the_identity_is_told_so() -> None:
    assert cosigner(Witness(b"", "mail"), None) is None
    with pytest.raises(AccountError, match="no identity to sign"):
        cosigner(Witness(b"key", "mail"), None)
