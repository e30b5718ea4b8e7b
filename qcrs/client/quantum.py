"""An account's post-quantum identity on one exchange: the calls that its processors' keys sign.

A processor's key follows from the identity's secret by the processor's name and the number of keys it has
had; the registry keeps a hash of it, the era, and the least leaf that may sign next. Every call here asks
the registry for these, makes the digest itself, and takes a leaf that has never signed.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from eth_abi.abi import encode

from qcrs.chain.abi import Call
from qcrs.chain.bindings import Attestation, ProcessorSpec, QuantumKey
from qcrs.client.cosigned import Cosign, Library, OffChainKeys, Shelf, Witness
from qcrs.config.home import Home
from qcrs.errors import AccountError
from qcrs.identity import IdentitySecret, SignerState, XmssKey, XmssSigner
from qcrs.identity.acts import ActDomain, key_words
from qcrs.sealing import HpkeKey, keccak256, public_text
from qcrs.store import ContentStore
from qcrs.types import Json, canonical_json, cid_to_digest

if TYPE_CHECKING:
    from qcrs.chain.bindings import EntanglementCoordinator, ProcessorRegistry
    from qcrs.client.coordinator import Coordinator
    from qcrs.client.exchange import Exchange
    from qcrs.client.history import Processor
    from qcrs.client.participant import Participant

__all__ = ["QuantumIdentity", "equip", "identity_of", "identity_path", "open_identity", "sign_with_identity"]


def identity_path(home: Home, account: str) -> Path:
    """Where an account's identity file lies, beside its key."""
    return home.path("keys", f"{account}.identity")


def equip(party: Participant, account: str = "") -> None:
    """Give a participant its account's identity, if there is one; may ask for its password.

    From then on its envelope key is the identity's, and what was sealed to the account's still opens.
    `account` names the key file; without it every key file of the home folder is looked at.
    """
    if party.identity is not None:
        return
    own = open_identity(party, account) if account else identity_of(party)
    if own is not None:
        party.identity, party.hpke = own, own.envelope
        party.hpke_keys = (own.envelope, *party.hpke_keys)


def identity_of(party: Participant | Exchange) -> QuantumIdentity | None:
    """The identity of whatever account in the home folder is the party's."""
    from qcrs.client.wallet import Wallet

    wallet = Wallet(party.home)
    mine = [name for name in wallet.names() if wallet.address(name) == party.address]
    return next((own for name in mine if (own := open_identity(party, name)) is not None), None)


def sign_with_identity(coordinator: Coordinator, own: QuantumIdentity | None, store: ContentStore) -> None:
    """Have attestations and mail signed by an identity's keys, where there is one."""
    if own is None:
        return
    shelf = Shelf(store, coordinator.place)

    def signs(
        contract: EntanglementCoordinator, channel: int, processor: int, seen: Attestation
    ) -> Call | None:
        known = coordinator.book().registry.processors[processor]
        return own.attest(contract, channel, processor, own.name_of(shelf, known), seen)

    coordinator.cosigns, coordinator.signs = own.cosigner, signs


def open_identity(party: Participant | Exchange, account: str) -> QuantumIdentity | None:
    """The identity of a party's account, None where it has no file; may ask for a password."""
    from qcrs.chain.accounts import password

    if not identity_path(party.home, account).exists():
        return None
    registry, chain_id = party.contracts.registry, party.chain.chain_id
    return QuantumIdentity.open(party.home, account, registry, chain_id, password)


class QuantumIdentity:
    """Signs for the processors of one account."""

    def __init__(
        self, secret: IdentitySecret, state: SignerState, registry: ProcessorRegistry, chain_id: int
    ) -> None:
        self.secret = secret
        self._state = state
        self._registry = registry
        self._domain = ActDomain(chain_id, registry.address)
        self._keys: dict[tuple[str, int], XmssKey] = {}
        self.ml_dsa = secret.ml_dsa
        self.envelope = HpkeKey.from_secret(secret.envelope_secret)

    @classmethod
    def open(
        cls,
        home: Home,
        account: str,
        registry: ProcessorRegistry,
        chain_id: int,
        password: Callable[[], str],
    ) -> QuantumIdentity:
        """From the account's files; `AccountError` where it has no identity."""
        path = identity_path(home, account)
        secret = IdentitySecret.load(path, password)
        return cls(secret, SignerState(path.with_suffix(".leaves.db")), registry, chain_id)

    def close(self) -> None:
        """Release the record of used leaves."""
        self._state.close()

    # ------------------------------------------------------------------ keys

    @property
    def off_chain(self) -> OffChainKeys:
        """What the `identity` of this account's processors commits to: ML-DSA key and envelope key."""
        return OffChainKeys(self.ml_dsa.public, self.envelope.public)

    def described(self, description: Json, name: str, generation: int = 0) -> Json:
        """A processor's public description with its keys."""
        public = self.key(name, generation).public
        quantum = {"ml_dsa": b64encode(self.ml_dsa.public).decode(), "xmss": public.hex()}
        return {
            **description,
            "name": name,
            "hpke": public_text(self.envelope.public),
            "quantum": quantum,
        }

    def cosigner(self, witness: Witness) -> Cosign:
        """Signs mail as a processor's identity asks; `AccountError` where that names another ML-DSA key."""
        if witness.ml_dsa != self.ml_dsa.public:
            raise AccountError(
                "the processor's ML-DSA key is not one of this identity",
                field="identity",
                value=str(self.secret.path),
                solution="use the identity file that the processor had when it committed",
            )
        return partial(self.ml_dsa.sign, witness.purpose)

    def key(self, name: str, generation: int) -> XmssKey:
        """A processor's key; the first time it takes a second or two."""
        if (name, generation) not in self._keys:
            self._keys[name, generation] = self.secret.xmss(name, generation)
        return self._keys[name, generation]

    def era(self, processor: int) -> int:
        """How many keys the processor has had, 0 where it has none."""
        return self._registry.key_of(processor)[1]

    def name_of(self, library: Library, processor: Processor) -> str:
        """The name that a processor's key follows from: one of those it was ever described with.

        Whoever has the account key can publish another name, and would else lock the owner out of bond and
        keys. The first that fits is taken. Without a key, or if it is another identity's, the name is what
        the description says.
        """
        described = [str(library.document(digest).get("name")) for digest in processor.descriptions]
        commitment, era, _least = self._registry.key_of(processor.id)
        for name in dict.fromkeys(described) if era else ():
            if keccak256(key_words(self.key(name, era - 1).public))[:24] == commitment:
                return name
        return described[-1]

    def _in_force(self, processor: int, name: str) -> tuple[XmssKey, int, int]:
        """The processor's key, its era, and the least leaf that may sign next."""
        commitment, era, least = self._registry.key_of(processor)
        if era == 0:
            raise AccountError(
                "the processor has no post-quantum key",
                field="processor",
                value=processor,
                solution="give it one with `qcrs account adopt`",
            )
        key = self.key(name, era - 1)
        if keccak256(key_words(key.public))[:24] != commitment:
            raise AccountError(
                "the processor's key is not one of this identity",
                field="processor",
                value=processor,
                solution="use the identity file and the name that it was registered with",
            )
        return key, era, least

    def _require_unused(self, key: XmssKey, name: str) -> None:
        """Two processors with one key could not both change it: its last leaf names one successor."""
        mine = keccak256(key_words(key.public))[:24]
        count = self._registry.processor_count()
        taken = any(self._registry.key_of(number)[0] == mine for number in range(1, count + 1))
        if taken or self._state.is_spent(key.public):
            raise AccountError(
                "the key of this name belongs to a processor already",
                field="name",
                value=name,
                solution="give the new processor another name",
            )

    def _sign(self, key: XmssKey, digest: bytes, least: int) -> bytes:
        return XmssSigner(key, self._state).sign(digest, least)

    # ------------------------------------------------------------------ calls

    def publish(self, party: Participant, processor: int, name: str, generation: int) -> Call | None:
        """`setMetadata` to a description with the keys of a generation; None where it is in force already.

        The store has to hold the description of new keys before they are set: whoever checks what they sign
        looks there.
        """
        described = canonical_json(self.described(party.metadata_of(processor), name, generation))
        digest = cid_to_digest(party.store.put(described))
        if digest == party.history.processors[processor].metadata:
            return None
        return self._registry.set_metadata(processor, digest)

    def commit(self, party: Participant, processor: int) -> Call | None:
        """`setIdentity` to this account's off-chain keys, before the first key; None where they are set."""
        identity = self.off_chain.identity
        if party.history.processors[processor].identity == identity:
            return None
        return self._registry.set_identity(processor, identity)

    def register(self, provider: str, name: str, spec: ProcessorSpec) -> Call:
        """`registerWithKey`, to be sent by `provider`."""
        key = self.key(name, 0)
        self._require_unused(key, name)
        digest = self._domain.registration(provider, _words(spec), key.public)
        return self._registry.register_with_key(spec, _public(key), self._sign(key, digest, 0))

    def adopt(self, processor: int, name: str) -> Call:
        """`adoptKey`: the first key of a processor that was registered without one."""
        if self.era(processor):
            raise AccountError(
                "the processor has a post-quantum key already",
                field="processor",
                value=processor,
                solution=f"change it with `qcrs account rotate {processor}`",
            )
        key = self.key(name, 0)
        self._require_unused(key, name)
        digest = self._domain.adoption(processor, key.public)
        return self._registry.adopt_key(processor, _public(key), self._sign(key, digest, 0))

    def rotate(self, processor: int, name: str) -> Call:
        """`rotateKeys` to the next key and this identity's off-chain keys, signed with the last leaf."""
        key, era, _least = self._in_force(processor, name)
        successor = self.key(name, era)
        identity = self.off_chain.identity
        digest = self._domain.rotation(processor, era, successor.public, identity)
        signature = XmssSigner(key, self._state).sign_successor(digest)
        return self._registry.rotate_keys(processor, _public(key), _public(successor), identity, signature)

    def unbond(self, processor: int, name: str, amount: int) -> Call:
        """`unbondWithKey`."""
        key, era, least = self._in_force(processor, name)
        digest = self._domain.unbonding(processor, era, amount)
        return self._registry.unbond_with_key(processor, amount, _public(key), self._sign(key, digest, least))

    def attest(
        self, coordinator: EntanglementCoordinator, channel: int, processor: int, name: str, seen: Attestation
    ) -> Call | None:
        """`attestWithKey` of an epoch of a channel; None where the processor has no key and needs none."""
        if self.era(processor) == 0:
            return None
        key, era, least = self._in_force(processor, name)
        content = keccak256(channel.to_bytes(32, "big") + _words(seen))
        digest = self._domain.digest("attest", coordinator.address, processor, era, content)
        signature = self._sign(key, digest, least)
        return coordinator.attest_with_key(channel, processor, seen, _public(key), signature)


def _words(struct: ProcessorSpec | Attestation) -> bytes:
    """A struct of fixed size as the contract hashes it: a word a field."""
    fields = struct.FIELDS
    return encode([field.kind for field in fields], [getattr(struct, field.name) for field in fields])


def _public(key: XmssKey) -> QuantumKey:
    return QuantumKey(key.public[:24], key.public[24:])
