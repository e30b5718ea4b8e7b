"""Processors with a post-quantum key: which acts need it, what a signature is good for, and how often."""

from __future__ import annotations

from dataclasses import replace

import pytest
from contract_stage import ZERO, Done, refuses
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from exchange_stage import CREDIT, Stage
from key_owner import NEXT, SPEC, Owner, commitment, parts, spec, word

from qcrs.identity import LAST_LEAF, XmssKey


@pytest.fixture
def owner(stage: Stage, keys: tuple[XmssKey, XmssKey]) -> Owner:
    """Its processor is registered with the key."""
    found = Owner(stage, *keys, stage.who.providers[0])
    found.register()
    return found


def test_registration_with_a_key(stage: Stage, keys: tuple[XmssKey, XmssKey]) -> None:
    owner = Owner(stage, *keys, stage.who.providers[0])
    done = owner.register(leaf=3)
    assert done.names == ["ProcessorRegistered", "KeySet"]
    assert done.one("KeySet") == {"processor": 1, "key": word(owner.key, 1, 4)}
    assert owner.state() == (commitment(owner.key), 1, 4)
    assert stage.registry.read("ownerOf", 1) == owner.account
    assert stage.registry.read("bondOf", 1) == 50 * CREDIT
    stage.check_ledger([])


def test_a_copied_registration_is_refused(stage: Stage, keys: tuple[XmssKey, XmssKey]) -> None:
    """Whoever sees a registration in the pool cannot send it first: the signature names the provider."""
    owner = Owner(stage, *keys, stage.who.providers[0])
    with refuses("ProcessorRegistryBadSignature"):
        owner.register(by=stage.who.providers[1])
    with refuses("ProcessorRegistryBadLeaf", leaf=LAST_LEAF, least=0, most=LAST_LEAF - 1):
        owner.register(leaf=LAST_LEAF)
    wanted, other = spec(), spec(claim=1)
    digest = owner.domain.registration(owner.account, encode([SPEC], [wanted]), owner.key.public)
    signature = owner.key.sign(digest, 0)
    for changed, key in ((other, owner.key), (wanted, owner.successor)):
        with refuses("ProcessorRegistryBadSignature"):
            stage.registry.send("registerWithKey", changed, parts(key), signature, by=owner.account)
    nobody = owner.domain.registration(ZERO, encode([SPEC], [wanted]), owner.key.public)
    with refuses("ProcessorRegistryBadSignature"):
        stage.registry.send(
            "registerWithKey", wanted, parts(owner.key), owner.key.sign(nobody, 0), by=stage.who.providers[1]
        )
    assert stage.registry.read("processorCount") == 0
    assert stage.registry.read("keyOf", 1) == (bytes(24), 0, 0)
    stage.registry.send("registerWithKey", wanted, parts(owner.key), signature, by=owner.account)
    assert stage.registry.read("ownerOf", 1) == owner.account


def test_acts_need_the_key_once_there_is_one(owner: Owner) -> None:
    registry, account = owner.stage.registry, owner.account
    for name, args in {"unbond": (CREDIT,), "setIdentity": (bytes(32),)}.items():
        with refuses("ProcessorRegistryKeyRequired", processor=1):
            registry.send(name, 1, *args, by=account)
    with refuses("ProcessorRegistryKeyRequired", processor=1):
        registry.send("useKey", 1, b"attest".ljust(32, b"\0"), bytes(32), parts(owner.key), b"", by=account)
    done = owner.unbond(10 * CREDIT, leaf=1)
    assert done.names == ["KeyUsed", "BondReleaseStarted"]
    assert done.one("KeyUsed") == {"processor": 1, "era": 1, "leaf": 1, "consumer": registry.address}
    assert registry.read("unbondingOf", 1)[0] == 10 * CREDIT
    assert owner.state() == (commitment(owner.key), 1, 2)
    owner.stage.wait(15 * 86_400)
    registry.send("withdrawBond", 1, by=account)
    owner.stage.check_ledger([])


def test_only_the_provider_acts_whatever_is_signed(owner: Owner) -> None:
    stranger = owner.stage.who.stranger
    for name, args in {
        "unbondWithKey": (CREDIT, parts(owner.key), bytes(1424)),
        "adoptKey": (parts(owner.key), bytes(1424)),
        "rotateKeys": (parts(owner.key), parts(owner.successor), NEXT, bytes(1424)),
    }.items():
        with refuses("ProcessorRegistryNotProvider", processor=1, caller=stranger):
            owner.stage.registry.send(name, 1, *args, by=stranger)


def test_indices_strictly_increase(owner: Owner) -> None:
    """I7: a used leaf, one below it and the last one are refused; a gap is not."""
    amount = CREDIT
    owner.unbond(amount, leaf=5)
    for leaf in (0, 4, 5):
        with refuses("ProcessorRegistryBadLeaf", leaf=leaf, least=6, most=LAST_LEAF - 1):
            owner.unbond(amount, leaf=leaf)
    with refuses("ProcessorRegistryBadLeaf", leaf=LAST_LEAF, least=6, most=LAST_LEAF - 1):
        owner.unbond(amount, leaf=LAST_LEAF)
    owner.unbond(amount, leaf=LAST_LEAF - 1)
    assert owner.state()[1:] == (1, LAST_LEAF)
    for leaf in (LAST_LEAF - 1, LAST_LEAF):
        with refuses("ProcessorRegistryBadLeaf", leaf=leaf, least=LAST_LEAF, most=LAST_LEAF - 1):
            owner.unbond(amount, leaf=leaf)
    owner.rotate()
    assert owner.state() == (commitment(owner.successor), 2, 0)


def test_a_signature_is_good_for_one_purpose_chain_contract_processor_and_era(owner: Owner) -> None:
    amount, d = CREDIT, owner.domain
    registry, consumer = owner.stage.registry.address, owner.stage.allocator.address
    word = amount.to_bytes(32, "big")
    others = {
        "purpose": d.digest("rotate", registry, 1, 1, word),
        "chain": replace(d, chain_id=d.chain_id + 1).unbonding(1, 1, amount),
        "registry": replace(d, registry=consumer).unbonding(1, 1, amount),
        "consumer": d.digest("unbond", consumer, 1, 1, word),
        "processor": d.unbonding(2, 1, amount),
        "era": d.unbonding(1, 2, amount),
        "amount": d.unbonding(1, 1, amount + 1),
        "plain": word,
    }
    for digest in others.values():
        with refuses("ProcessorRegistryBadSignature"):
            owner.unbond(amount, leaf=1, digest=digest)
    assert len({*others.values(), d.unbonding(1, 1, amount)}) == len(others) + 1
    assert owner.state()[2] == 1, "refused signatures use nothing up"
    owner.unbond(amount, leaf=1)


def test_changed_signatures_and_foreign_keys_are_refused(owner: Owner) -> None:
    digest = owner.domain.unbonding(1, 1, CREDIT)
    signature = owner.key.sign(digest, 1)
    for at in (4, 8, 32, 700, 1184, 1423):
        changed = bytearray(signature)
        changed[at] ^= 1
        with refuses("ProcessorRegistryBadSignature"):
            owner.send_unbond(CREDIT, bytes(changed))
    for wrong in (b"", signature[:-1], signature + b"\0"):
        with refuses("ProcessorRegistryBadLeaf"):
            owner.send_unbond(CREDIT, wrong)
    foreign = replace(owner, key=owner.successor)
    with refuses("ProcessorRegistryWrongKey", processor=1, era=1):
        foreign.unbond(CREDIT, leaf=1)
    keyless = replace(owner, processor=2)
    owner.stage.register(0)
    with refuses("ProcessorRegistryWrongKey", processor=2, era=0):
        keyless.unbond(CREDIT, leaf=1)
    with refuses("ProcessorRegistryWrongKey", processor=2, era=0):
        keyless.rotate()


def test_rotation_is_the_last_leafs_and_ends_the_old_key(owner: Owner) -> None:
    for leaf in (0, 1, LAST_LEAF - 1):
        with refuses("ProcessorRegistryBadLeaf", leaf=leaf, least=LAST_LEAF, most=LAST_LEAF):
            owner.rotate(leaf)
    done = owner.rotate()
    assert done.names == ["KeyUsed", "KeySet", "IdentitySet"]
    assert done.one("IdentitySet") == {"processor": 1, "identity": NEXT}
    assert done.one("KeyUsed")["leaf"] == LAST_LEAF
    assert done.one("KeySet")["key"] == word(owner.successor, 2, 0)
    with refuses("ProcessorRegistryWrongKey", processor=1, era=2):
        owner.unbond(CREDIT, leaf=7)
    after = replace(owner, key=owner.successor, successor=owner.key, era=2)
    with refuses("ProcessorRegistryBadSignature"):
        replace(after, era=1).unbond(CREDIT, leaf=0)
    after.unbond(CREDIT, leaf=0)
    old = owner.domain.unbonding(1, 1, 2 * CREDIT), owner.domain.rotation(1, 1, owner.successor.public, NEXT)
    after.rotate()  # back to the first key: its old signatures stay dead, since the era is another
    for digest, leaf in zip(old, (9, LAST_LEAF), strict=True):
        with refuses("ProcessorRegistryBadSignature"):
            replace(owner, era=3).unbond(2 * CREDIT, leaf=min(leaf, LAST_LEAF - 1), digest=digest)
    with refuses("ProcessorRegistryBadSignature"):
        owner.rotate()
    replace(owner, era=3).unbond(CREDIT, leaf=9)


def test_a_key_is_adopted_once(stage: Stage, keys: tuple[XmssKey, XmssKey]) -> None:
    p = stage.register(1)
    owner = Owner(stage, *keys, p.provider, p.id)

    def adopt(key: XmssKey, digest: bytes, leaf: int = 0) -> Done:
        return stage.registry.send("adoptKey", p.id, parts(key), key.sign(digest, leaf), by=p.provider)

    digest = owner.domain.adoption(p.id, owner.key.public)
    stage.registry.send("unbond", p.id, CREDIT, by=p.provider)
    with refuses("ProcessorRegistryBadSignature"):
        adopt(owner.successor, digest)
    with refuses("ProcessorRegistryBadSignature"):
        adopt(owner.key, owner.domain.adoption(p.id + 1, owner.key.public))
    with refuses("ProcessorRegistryBadLeaf"):
        adopt(owner.key, digest, LAST_LEAF)
    assert adopt(owner.key, digest).names == ["KeySet"]
    with refuses("ProcessorRegistryKeyExists", processor=p.id):
        adopt(owner.key, digest, 1)
    with refuses("ProcessorRegistryKeyRequired", processor=p.id):
        stage.registry.send("unbond", p.id, CREDIT, by=p.provider)
    owner.unbond(CREDIT, leaf=1)


def test_other_contracts_use_up_leaves_that_name_them(owner: Owner) -> None:
    """Anyone may call; a signature is only good for the caller that it names."""
    stage, purpose, content = owner.stage, "attest", keccak(text="root")
    one, other = stage.who.stranger, stage.who.clients[0]
    signature = owner.key.sign(owner.domain.digest(purpose, one, 1, 1, content), 1)
    args = (1, purpose.encode().ljust(32, b"\0"), content, parts(owner.key), signature)
    with refuses("ProcessorRegistryBadSignature"):
        stage.registry.send("useKey", *args, by=other)
    done = stage.registry.send("useKey", *args, by=one)
    assert done.one("KeyUsed") == {"processor": 1, "era": 1, "leaf": 1, "consumer": one}
    with refuses("ProcessorRegistryBadLeaf", leaf=1, least=2, most=LAST_LEAF - 1):
        stage.registry.send("useKey", *args, by=one)
    p = stage.register(1)
    assert stage.registry.send("useKey", p.id, *args[1:4], b"", by=other).names == []
