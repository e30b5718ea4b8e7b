"""An end whose processor has a post-quantum key attests with it, and only with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from coordinator_keys import ATTESTATION, Keyed, vector_key
from coordinator_play import Play
from coordinator_words import Seen
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from qcrs.identity import LAST_LEAF, XmssKey


@pytest.fixture(scope="module")
def key() -> XmssKey:
    return vector_key()


@pytest.fixture
def keyed(play: Play, key: XmssKey) -> Keyed:
    return Keyed(play, key)


def test_an_epoch_is_attested_with_the_key(keyed: Keyed) -> None:
    play, seen = keyed.play, Seen()
    play.c.refuses("ProcessorRegistryKeyRequired", "attest", 1, 1, seen.word, by=play.provider(1))
    done = keyed.attest(seen, 1)
    assert [name for name, _ in done.events] == ["EpochAttested", "KeyUsed"]
    assert done.one("KeyUsed") == {"processor": 1, "era": 1, "leaf": 1, "consumer": play.c.address}
    assert play.attest(keyed.channel, 2, seen).one("EpochSettled")["record"]["epoch"] == 1
    seen = Seen(2)
    keyed.refused("ProcessorRegistryBadLeaf", seen, keyed.signature(seen, 1))
    keyed.attest(seen, 5)  # leaves may be left out


def test_a_signature_is_good_for_one_attestation(keyed: Keyed) -> None:
    seen = Seen()
    others = {
        "figures": keyed.signature(replace(seen, pairs=seen.pairs + 1), 1),
        "channel": keyed.signature(seen, 1, channel=2),
        "purpose": keyed.signature(seen, 1, purpose="unbond"),
        "contract": keyed.signature(seen, 1, consumer=keyed.play.stage.registry.address),
        "processor": keyed.signature(seen, 1, subject=2),
        "era": keyed.signature(seen, 1, era=2),
    }
    for signature in others.values():
        keyed.refused("ProcessorRegistryBadSignature", seen, signature)
    for leaf in (0, LAST_LEAF):
        keyed.refused("ProcessorRegistryBadLeaf", seen, keyed.signature(seen, leaf))
    keyed.refused("ProcessorRegistryKeyRequired", seen, b"")
    assert keyed.play.channel_state(keyed.channel)["pendingEnd"] == 0
    keyed.attest(seen, 1)


def test_others_cannot_use_it(keyed: Keyed) -> None:
    """Neither a stranger who saw the transaction, nor an end without a key that pretends to have one."""
    play, seen = keyed.play, Seen()
    args = keyed.args(seen, keyed.signature(seen, 1))
    play.c.refuses("CoordinatorNotOperator", "attestWithKey", *args, by=play.stage.stranger)
    other = (keyed.channel, 2, *args[2:])
    play.c.refuses("ProcessorRegistryWrongKey", "attestWithKey", *other, by=play.provider(2))
    content = keccak(encode(["uint32", ATTESTATION], [keyed.channel, seen.word]))
    used = (1, b"attest".ljust(32, b"\0"), content, *args[3:])
    play.stage.registry.refuses(
        "ProcessorRegistryBadSignature", "useKey", *used, by=play.stage.stranger
    )  # only the coordinator can use up what names it
    assert play.c.send("attestWithKey", *args, by=play.stage.operator).of("EpochAttested"), "the operator may"
