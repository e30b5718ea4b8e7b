"""The rules of off-chain settlement: what an epoch may say, given the last one and what clients approved."""

from __future__ import annotations

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from qcrs.chain.bindings import Epoch
from qcrs.client.debts import (
    Debt,
    EpochDocument,
    Purse,
    approval_body,
    check_debts,
    epoch_digest,
    fold_debts,
    read_approval,
)
from qcrs.errors import InputError, VerificationError
from qcrs.types import canonical_json, cid_of, parse_canonical

CHAIN, PLACE = 31_337, "0x00000000000000000000000000000000000000aA"
A, B, P, Q = (Account.from_key(keccak(text=name)).address for name in "abpq")


def debt(client: str, provider: str, total: int, word: str = "") -> Debt:
    return Debt(client, provider, total, cid_of(f"{client}{provider}{total}{word}".encode()))


def rich(_: str) -> Purse:
    return Purse(10**6)


def test_an_epoch_takes_the_largest_sum_of_each_pair() -> None:
    approvals = [debt(A, P, 5), debt(A, P, 9), debt(A, Q, 3), debt(B, P, 1)]
    found = fold_debts((), approvals, rich)
    assert {d.pair: d.cumulative for d in found} == {(A, P): 9, (A, Q): 3, (B, P): 1}
    assert fold_debts(found, approvals, rich) == found
    later = fold_debts(found, [*approvals, debt(B, P, 4)], rich)
    assert {d.pair: d.cumulative for d in later} == {(A, P): 9, (A, Q): 3, (B, P): 4}
    check_debts(found, later, {*approvals, debt(B, P, 4)}, rich)


def test_who_cannot_pay_owes_what_it_owed_and_harms_nobody() -> None:
    purses = {A: Purse(10, claimed={P: 4}), B: Purse(10)}
    found = fold_debts((debt(A, P, 4),), [debt(A, P, 15), debt(B, P, 7)], purses.__getitem__)
    assert {d.pair: d.cumulative for d in found} == {(A, P): 4, (B, P): 7}
    exact = fold_debts((debt(A, P, 4),), [debt(A, P, 14)], purses.__getitem__)
    assert exact == (debt(A, P, 14),)
    leaving = fold_debts((), [debt(A, P, 1)], lambda _: Purse(10, leaving=True))
    assert leaving == ()


@pytest.mark.parametrize(
    ("proposed", "reason"),
    [
        ((debt(B, P, 2),), "dropped or lowered"),
        ((debt(A, P, 4), debt(B, P, 2)), "dropped or lowered"),
        ((debt(A, P, 6), debt(B, P, 2)), "did not approve"),
        ((debt(A, P, 5, "another mail"), debt(B, P, 2)), "did not approve"),
        ((debt(A, P, 5), debt(A, Q, 1), debt(B, P, 2)), "did not approve"),
        ((debt(A, P, 5), debt(B, P, 3)), "cannot pay"),
    ],
)
def test_an_oracle_signs_nothing_that_does_not_follow(proposed: tuple[Debt, ...], reason: str) -> None:
    previous = tuple(sorted((debt(A, P, 5), debt(B, P, 2))))
    approvals = {*previous, debt(B, P, 3)}
    purses = {A: Purse(100), B: Purse(2)}
    with pytest.raises(VerificationError, match=reason):
        check_debts(previous, tuple(sorted(proposed)), approvals, purses.__getitem__)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([A, B]), st.sampled_from([P, Q]), st.integers(1, 60)), max_size=8),
    st.lists(st.tuples(st.sampled_from([A, B]), st.sampled_from([P, Q]), st.integers(1, 60)), max_size=8),
    st.integers(0, 80),
)
def test_what_one_oracle_folds_every_other_signs(
    first: list[tuple[str, str, int]], second: list[tuple[str, str, int]], escrow: int
) -> None:
    """Whatever was approved; and nobody ever owes more than its escrow."""
    approvals = {debt(*one) for one in first}

    def purse_of(_: str) -> Purse:
        return Purse(escrow)

    previous = fold_debts((), approvals, purse_of)
    check_debts((), previous, approvals, purse_of)
    approvals |= {debt(*one) for one in second}
    following = fold_debts(previous, approvals, purse_of)
    check_debts(previous, following, approvals, purse_of)
    for client in (A, B):
        assert sum(d.cumulative for d in following if d.client == client) <= escrow


def test_a_document_reads_back_and_its_digest_is_another_encoder_s() -> None:
    debts = tuple(sorted((debt(A, P, 5), debt(B, Q, 2**128 - 1))))
    document = EpochDocument(CHAIN, PLACE, 3, debts)
    assert EpochDocument.from_bytes(document.as_bytes()) == document
    epoch = Epoch(3, 2, document.tree().root, keccak(text="document"))
    members = [("number", "uint64"), ("era", "uint32"), ("root", "bytes32"), ("results", "bytes32")]
    types = {"Epoch": [{"name": name, "type": kind} for name, kind in members]}
    domain = {
        "name": "QCRS EpochSettlement",
        "version": "1",
        "chainId": CHAIN,
        "verifyingContract": PLACE,
    }
    message = dict(zip((name for name, _ in members), epoch.to_abi(), strict=True))
    signable = encode_typed_data(domain, types, message)
    expected = keccak(b"\x19" + signable.version + signable.header + signable.body)
    assert epoch_digest(epoch, chain_id=CHAIN, settlement=PLACE) == expected


def test_malformed_documents_and_approvals_are_refused() -> None:
    good = EpochDocument(CHAIN, PLACE, 1, (debt(A, P, 5),))
    raw = parse_canonical(good.as_bytes())
    item = raw["debts"][0]
    for bad in (
        {**raw, "debts": []},
        {**raw, "debts": [item, item]},
        {**raw, "number": 0},
        {**raw, "debts": [{**item, "cumulative": "05"}]},
        {**raw, "debts": [{**item, "cumulative": "0"}]},
        {**raw, "debts": [{**item, "cumulative": str(2**128)}]},
        {**raw, "debts": [{**item, "mail": "x"}]},
        {**raw, "debts": [{**item, "client": "0x12"}]},
        {**raw, "more": 1},
    ):
        with pytest.raises(InputError):
            EpochDocument.from_bytes(canonical_json(bad))
    body, mail = approval_body(P, 7, chain_id=CHAIN, settlement=PLACE), cid_of(b"mail")
    assert read_approval(A, body, mail, chain_id=CHAIN, settlement=PLACE) == Debt(A, P, 7, mail)
    for place in ({"chain_id": 1, "settlement": PLACE}, {"chain_id": CHAIN, "settlement": A}):
        with pytest.raises(InputError, match="another contract"):
            read_approval(A, body, mail, **place)  # type: ignore[arg-type]  # both are given
    for changed in ({"cumulative": "-1"}, {"cumulative": 7}, {"provider": "me"}, {"x": 1}):
        with pytest.raises(InputError):
            read_approval(A, {**body, **changed}, mail, chain_id=CHAIN, settlement=PLACE)
