"""An account's post-quantum identity against the deployed contracts: what it signs is taken, once."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from qcrs.chain.accounts import development_accounts
from qcrs.chain.bindings import (
    Attestation,
    ChannelTerms,
    ComputationAllocator,
    EntanglementCoordinator,
    ProcessorRegistry,
    ProcessorSpec,
    ResourceCredit,
)
from qcrs.chain.deploy import DeployParameters, deploy
from qcrs.chain.embedded import EmbeddedChain
from qcrs.chain.networks import Chain, of_embedded
from qcrs.chain.sender import Sender
from qcrs.client.cosigned import Shelf
from qcrs.client.history import Processor
from qcrs.client.quantum import QuantumIdentity, identity_path
from qcrs.client.sealed import Place
from qcrs.config.home import Home
from qcrs.errors import AccountError, ContractError
from qcrs.identity import LAST_LEAF, IdentitySecret
from qcrs.sealing import HpkeKey, keccak256
from qcrs.store import ContentStore
from qcrs.types import cid_to_digest

CREDIT = 10**6


class Desk:
    """A provider with credit, its identity, and the registry."""

    def __init__(self, chain: Chain, home: Home) -> None:
        self.chain, self.home = chain, home
        account = development_accounts(1)[0]
        at = deploy(chain, account, parameters=DeployParameters(supply=10**12)).addresses
        self.sender = Sender(chain, account)
        self.registry = ProcessorRegistry(chain, at["ProcessorRegistry"])
        self.coordinator = EntanglementCoordinator(chain, at["EntanglementCoordinator"])
        self.credit = credit = ResourceCredit(chain, at["ResourceCredit"])
        allocator = ComputationAllocator(chain, at["ComputationAllocator"])
        self.sender.transact(credit.approve(allocator.address, 10**12))
        self.sender.transact(allocator.deposit(account.address, 10**11))
        IdentitySecret.create(identity_path(home, "lab"), None)
        self.identity = self.open()

    def open(self) -> QuantumIdentity:
        def never() -> str:
            raise AssertionError("the file is plain")

        return QuantumIdentity.open(self.home, "lab", self.registry, self.chain.chain_id, never)

    @property
    def spec(self) -> ProcessorSpec:
        zero = "0x" + "0" * 40
        identity = self.identity.off_chain.identity
        return ProcessorSpec(5, bytes(32), bytes(32), zero, identity, 0, 50 * CREDIT)

    def register(self) -> int:
        self.sender.transact(self.identity.register(self.sender.address, "qpu", self.spec))
        return self.registry.processor_count()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with of_embedded(EmbeddedChain()) as chain:
        found = Desk(chain, Home(tmp_path))
        yield found
        found.identity.close()


def test_the_life_of_a_key(desk: Desk) -> None:
    processor = desk.register()
    assert desk.registry.key_of(processor)[1:] == (1, 1)
    with pytest.raises(ContractError, match="KeyRequired"):
        desk.sender.transact(desk.registry.unbond(processor, CREDIT))
    for times in (1, 2):  # the same amount twice: two leaves, since the first one is used up
        desk.sender.transact(desk.identity.unbond(processor, "qpu", CREDIT))
        assert desk.registry.key_of(processor)[2] == 1 + times
    call = desk.identity.rotate(processor, "qpu")
    assert call.data == desk.identity.rotate(processor, "qpu").data, "a change can be sent again"
    desk.sender.transact(call)
    assert desk.registry.key_of(processor)[1:] == (2, 0)
    desk.sender.transact(desk.identity.unbond(processor, "qpu", CREDIT))
    assert desk.registry.key_of(processor)[1:] == (2, 1)
    assert desk.registry.unbonding_of(processor)[0] == CREDIT

    # another start finds keys, trees and used leaves again
    again = desk.open()
    assert again.key("qpu", 1) == desk.identity.key("qpu", 1)
    desk.sender.transact(again.unbond(processor, "qpu", 2 * CREDIT))
    assert desk.registry.key_of(processor)[1:] == (2, 2)
    again.close()

    # a processor without a key gets one; one of another identity is told apart
    desk.sender.transact(desk.registry.register(desk.spec))
    other = desk.registry.processor_count()
    with pytest.raises(AccountError, match="no post-quantum key"):
        desk.identity.unbond(other, "qpu", CREDIT)
    with pytest.raises(AccountError, match="not one of this identity"):
        desk.identity.unbond(processor, "another", CREDIT)
    with pytest.raises(AccountError, match="belongs to a processor already"):
        desk.identity.adopt(other, "qpu")  # spent
    desk.sender.transact(desk.identity.adopt(other, "another"))
    assert desk.registry.key_of(other)[1] == 1
    with pytest.raises(AccountError, match="belongs to a processor already"):
        desk.identity.register(desk.sender.address, "another", desk.spec)


def test_an_epoch_of_a_channel_is_attested_with_the_key(desk: Desk) -> None:
    keyed = desk.register()
    desk.sender.transact(desk.registry.register(desk.spec))
    plain = desk.registry.processor_count()
    coordinator, send = desk.coordinator, desk.sender.transact
    send(desk.credit.approve(coordinator.address, 10**9))
    send(coordinator.deposit(10**9))
    terms = ChannelTerms(keyed, plain, bytes(32), 900_000, 10, desk.chain.now() + 86_400, 10**6, 100, 10**5)
    channel = 1
    send(coordinator.open_channel(terms))
    hash_ = coordinator.terms_hash(terms, desk.sender.address)
    for end in (keyed, plain):
        send(coordinator.accept_channel(channel, end, hash_))
    seen = Attestation(1, bytes(32), 200, 20_000, 10_000, 960_000, 100)
    with pytest.raises(ContractError, match="KeyRequired"):
        send(coordinator.attest(channel, keyed, seen))
    assert desk.identity.attest(coordinator, channel, plain, "none", seen) is None
    call = desk.identity.attest(coordinator, channel, keyed, "qpu", seen)
    assert call is not None
    send(call)
    assert desk.registry.key_of(keyed)[1:] == (1, 2)
    send(coordinator.attest(channel, plain, seen))
    assert coordinator.channel_of(channel).epoch == 2


def test_lost_state_can_only_rotate(desk: Desk) -> None:
    """The file of used leaves is gone: nothing is signed but the change to a fresh key."""
    processor = desk.register()
    desk.identity.close()
    identity_path(desk.home, "lab").with_suffix(".leaves.db").unlink()
    desk.identity = desk.open()
    with pytest.raises(AccountError, match="older than the chain"):
        desk.identity.unbond(processor, "qpu", CREDIT)
    call = desk.identity.rotate(processor, "qpu")
    assert LAST_LEAF.to_bytes(4, "big") in call.data
    desk.sender.transact(call)
    desk.sender.transact(desk.identity.unbond(processor, "qpu", CREDIT))
    assert desk.registry.key_of(processor)[1:] == (2, 1)


def test_a_thief_s_description_does_not_hide_the_key_s_name(desk: Desk) -> None:
    """With the account key it publishes another name; the owner still finds key, bond and successor."""
    shelf = Shelf(ContentStore("memory://names"), Place(desk.chain.chain_id, "0x" + "00" * 20))

    def published(words: bytes) -> bytes:
        return cid_to_digest(shelf.store.put(words))

    own, stolen = published(b'{"name":"qpu"}'), published(b'{"name":"stolen"}')
    number = desk.register()
    processor = Processor(number, desk.sender.address, desk.sender.address, 5, 0, stolen, CREDIT)
    for descriptions in ([own, stolen], [own, bytes(32), published(b'{"name":[]}'), stolen]):
        processor.descriptions[:] = descriptions
        assert desk.identity.name_of(shelf, processor) == "qpu"
    desk.sender.transact(desk.identity.rotate(number, desk.identity.name_of(shelf, processor)))
    assert desk.identity.name_of(shelf, processor) == "qpu"
    desk.sender.transact(desk.registry.register(desk.spec))
    keyless = Processor(number + 1, desk.sender.address, desk.sender.address, 5, 0, stolen, CREDIT)
    keyless.descriptions[:] = [own, stolen]
    assert desk.identity.name_of(shelf, keyless) == "stolen"


def test_descriptions_name_the_keys(desk: Desk) -> None:
    described = desk.identity.described({"name": "qpu", "hpke": "the account's"}, "qpu")
    assert described["quantum"]["xmss"] == desk.identity.key("qpu", 0).public.hex()
    ml_dsa, hpke = b64decode(described["quantum"]["ml_dsa"]), b64decode(described["hpke"])
    assert keccak256(ml_dsa + hpke) == desk.identity.off_chain.identity
    assert hpke == HpkeKey.from_secret(desk.identity.secret.envelope_secret).public
