"""Words against calls: who proposes by contract calls writes what he likes, and a voter sees what it does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_utils.crypto import keccak
from republic import TERMS, Republic, passed, person, sender

from qcrs.chain.abi import Call
from qcrs.errors import ContractError, InputError
from qcrs.governance import Commons, Proposal, draft, matter, propose, vote
from qcrs.governance.overview import overview, view_of
from qcrs.governance.sentences import gives


def proposed(republic: Republic, words: str, *calls: Call) -> str:
    """A proposal by contract calls, its words whatever they are; its id."""
    governor = republic.governor
    operations = (
        tuple(c.to for c in calls),
        tuple(c.value for c in calls),
        tuple(c.data for c in calls),
    )
    by = sender(republic, republic.members["consortia"][0])
    by.transact(governor.propose(*operations, words))
    number = governor.hash_proposal(*operations, keccak(text=words))
    return f"{number:064x}"


def of(commons: Commons, number: str) -> Proposal:
    found = matter(commons, number)
    assert isinstance(found, Proposal)
    return found


def test_a_lie_is_told_and_gets_no_vote_by_mistake(
    embedded_republic: Republic, embedded_commons: Commons
) -> None:
    republic, commons = embedded_republic, embedded_commons
    lab = person("lab").address
    words = "set certificate life to 20 days"
    lie = proposed(republic, words, republic.credit.mint(lab, 777 * 10**6))
    (view,) = overview(commons).matters
    assert (view.id, view.words, view.faithful) == (lie, words, False)
    assert view.calls == ("ResourceCredit.mint(lab, 777000000)",)
    changes = [(c.what, c.before, c.after) for c in view.changes]
    assert ("credit of lab", "0 credits", "777 credits") in changes
    republic.later(TERMS["voting_delay_s"] + 1)
    consortia = [sender(republic, member) for member in republic.members["consortia"]]
    with pytest.raises(InputError, match="not the sentence") as caught:
        vote(commons, lie, consortia[1])
    assert "--anyway" in str(caught.value.solution)
    assert of(commons, lie).votes_for == 0
    vote(commons, lie, consortia[0], "against")
    vote(commons, lie, consortia[1], anyway=True)
    found = of(commons, lie)
    assert (found.votes_for, found.votes_against) == (1, 1)


def test_a_sentence_and_its_numbered_copy_are_true(
    embedded_republic: Republic, embedded_commons: Commons
) -> None:
    """Two copies are open only where somebody proposes past the words, by a contract call."""
    republic, commons = embedded_republic, embedded_commons
    consortia = [sender(republic, member) for member in republic.members["consortia"]]
    found = draft(commons, "mint 2 credits to lab")
    ids = [propose(commons, found, consortia[0]).id, proposed(republic, found.words + " (2)", *found.calls)]
    views = overview(commons).matters
    assert [(v.id, v.words, v.faithful) for v in views] == [
        (ids[0], "mint 2 credits to lab", True),
        (ids[1], "mint 2 credits to lab (2)", True),
    ]
    passed(republic, commons, "mint 3 credits to lab")
    assert not gives(commons, "mint 2 credits to lab" + " " * 400, of(commons, ids[0]).calls)
    over = [v for v in overview(commons, everything=True).matters if v.state == "executed"]
    assert [(v.calls, v.faithful) for v in over] == [(("ResourceCredit.mint(lab, 3000000)",), None)]


def test_calls_that_cannot_be_read_hide_nothing(
    embedded_republic: Republic, embedded_commons: Commons
) -> None:
    """Of no contract of ours, with damaged arguments, about what there is not, with ether: all are listed."""
    republic, commons = embedded_republic, embedded_commons
    lab, mint = person("lab").address, republic.credit.mint(person("lab").address, 1)
    odd = [
        Call(person("stranger").address, b"\x01\x02\x03\x04" + b"\xff" * 100),
        Call(mint.to, mint.data[:9]),
        republic.council("security").reseat((255,), (lab,), 2),
        Call(republic.deployment.addresses["ProcessorRegistry"], b""),
        Call(lab, b"", 5),
    ]
    ids = [proposed(republic, f"admit lab {i}", call) for i, call in enumerate(odd)]
    views = {view.id: view for view in overview(commons).matters}
    assert set(views) == set(ids)
    assert not any(view.faithful for view in views.values())
    said = ["; ".join(c.after for c in views[one].changes) for one in ids]
    assert said[0] == said[1] == said[3] == "cannot be read: do not vote for it"
    assert "lab" in said[4]
    assert f"0x01020304… ({len(odd[0].data)} bytes)" in views[ids[0]].calls[0]


def test_long_bytes_are_shortened(embedded_republic: Republic, embedded_commons: Commons) -> None:
    republic, commons = embedded_republic, embedded_commons
    act = propose(commons, draft(commons, "admit lab"), sender(republic, republic.members["consortia"][0]))
    found = draft(commons, f"cancel proposal {act.id[:10]}")
    assert [(c.what, c.before, c.after) for c in found.changes] == [
        (f"proposal {act.id[:8]}", "stands", "cancelled")
    ]
    assert len(commons.words_of(found.calls[0])) < 250
    with pytest.raises(ContractError):
        sender(republic, republic.members["consortia"][1]).transact(found.calls[0])
    assert view_of(commons, matter(commons, act.id)).faithful


def test_words_that_are_no_text_end_nobody_s_reading(
    embedded_republic: Republic, embedded_commons: Commons
) -> None:
    """A description is any bytes to the contract; the proposal is listed, voted on and found again."""
    republic, commons = embedded_republic, embedded_commons
    call = republic.governor.propose((person("lab").address,), (0,), (b"",), "admit l?b")
    first = sender(republic, republic.members["consortia"][0])
    first.transact(replace(call, data=bytes(call.data).replace(b"admit l?b", b"admit l\xffb")))
    (view,) = overview(commons).matters
    assert (view.words, view.faithful) == ("admit l\udcffb", False)
    first.transact(republic.governor.cancel(*of(commons, view.id).arguments))
    assert of(commons, view.id).state == "canceled"
