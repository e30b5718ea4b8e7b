"""Sessions held against chain and store alone: what was altered, and what was lied about, is found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from together_world import World, ghz, measured, star

from qcrs.chain.bindings import SessionState
from qcrs.chain.sender import Sender
from qcrs.distributed import Effort, Network, plan
from qcrs.distributed.correction import recorded
from qcrs.distributed.seam import Seam
from qcrs.errors import ContractError
from qcrs.store import ContentStore
from qcrs.together.agent import Agent
from qcrs.together.check import check_channel, check_session
from qcrs.together.conductor import Finished
from qcrs.together.corrected import attest_memory, on_chain
from qcrs.together.plan import Planned
from qcrs.together.transcript import Share
from qcrs.types import canonical_json, cid_of, cid_to_digest, parse_canonical

QUICK = Effort(tries=4, kept=1, moves=1000)
SEAM = Seam(3, 2, 0.003, 0.02)


def ran(world: World, **fields: Any) -> tuple[Any, Finished]:
    conductor = world.conductor(star(), seed=3, **fields)
    conductor.open("ada-bea")
    made = plan(measured(ghz(4)), Network.of([2, 2]), QUICK)
    return conductor, conductor.run(7, [Planned(made, 50, (1, 2))], epochs=2, seed=1)


class _Altered(ContentStore):
    """A store that gives other bytes for one blob: what a reader sees who trusts it."""

    def __init__(self, where: str, cid: str, data: bytes) -> None:
        super().__init__(where)
        self._cid, self._data = cid, data

    def get(self, cid: str) -> bytes:
        return self._data if cid == self._cid else super().get(cid)


def test_a_session_holds_and_gives_back_its_counts(any_world: World) -> None:
    conductor, done = ran(any_world)
    book = conductor.coordinator.book()
    found = check_session(book, done.session, any_world.store)
    assert found.problems == []
    assert len(found.holds) >= 10
    assert found.pairs == done.pairs
    seen = np.packbits(done.samples[0].program, axis=1, bitorder="little")[:, 0]
    assert found.counts == ({int(k): int((seen == k).sum()) for k in np.unique(seen)},)
    assert check_channel(book, 1, any_world.store).problems == []


def test_an_altered_transcript_is_found(world: World) -> None:
    conductor, done = ran(world)
    book = conductor.coordinator.book()
    mail = conductor.mailbox.read(f"shares/{done.session}/1")[0].body["shares"]
    share = Share.from_json(parse_canonical(world.store.get(mail["2"])))
    rows = share.parts[0].rows.copy()
    rows[3, 0] ^= 1
    forged = canonical_json(replace(share, parts=(replace(share.parts[0], rows=rows),)).as_json())
    found = check_session(book, done.session, _Altered(world.network.store, mail["2"], forged))
    assert "epoch 1: processor 2 committed to another transcript" in found.problems
    assert any("frames that nobody measured" in words for words in found.problems)


class Inventing(Agent):
    """Commits to a transcript of its own making."""

    def _go(self, session: Any) -> None:
        self.coordinator.arrive(session.id, session.barrier, self.processor, b"\x07" * 32)


def test_a_member_that_commits_to_something_else_is_named(world: World) -> None:
    old = world.agents["bea"]
    world.agents["bea"] = Inventing(old.coordinator, old.store, old.account, old.processor)
    conductor, done = ran(world)
    found = check_session(conductor.coordinator.book(), done.session, world.store)
    assert [words for words in found.problems if "processor 1" in words] == []
    assert "epoch 0: processor 2 committed to another transcript" in found.problems


def test_error_correction_is_attested_by_all_and_an_altered_syndrome_leaf_is_caught(any_world: World) -> None:
    world = any_world
    conductor, done = ran(world)
    for name in ("ada", "bea"):
        agent = world.agents[name]
        record = attest_memory(agent.coordinator, world.store, done.session, agent.processor, SEAM, 2000, 5)
    book = conductor.coordinator.book()
    assert set(book.session(done.session).corrections.values()) == {record}
    found = check_session(book, done.session, world.store)
    assert found.problems == []
    assert any("decode to" in words for words in found.holds)

    syndromes = bytearray(recorded(SEAM, 2000, 5).syndromes)
    cid = cid_of(bytes(syndromes))
    syndromes[17] ^= 1
    wrong = check_session(book, done.session, _Altered(world.network.store, cid, bytes(syndromes)))
    assert any("not those under the root" in words for words in wrong.problems)

    # Another record than the first party's is refused; so is one of a stranger.
    other = recorded(SEAM, 2000, 6)
    coordinator = world.agents["ada"].coordinator
    with pytest.raises(ContractError, match="AlreadyAttestedCorrection"):
        coordinator.attest_correction(done.session, 1, on_chain(other.record))
    stranger = world.coordinator(Sender(world.chain, world.senders["cy"].account), "stranger")
    with pytest.raises(ContractError, match=r"NotAParty|NotOperator"):
        stranger.attest_correction(done.session, 3, on_chain(other.record))


def test_a_correction_that_understates_its_failures_is_found(world: World) -> None:
    conductor, done = ran(world)
    made = recorded(SEAM, 2000, 5)
    for blob in (made.code, made.syndromes):
        world.store.put(blob)
    assert made.record.failures > 0
    record = replace(on_chain(made.record), failures=0, logical_error_per_round=0)
    world.agents["ada"].coordinator.attest_correction(done.session, 1, record)
    found = check_session(conductor.coordinator.book(), done.session, world.store)
    assert any("failures, not 0" in words for words in found.problems)


def test_what_is_missing_from_the_store_is_said(world: World, tmp_path: Any) -> None:
    conductor, done = ran(world)
    found = check_session(conductor.coordinator.book(), done.session, ContentStore(tmp_path / "empty"))
    assert not found.ok
    assert conductor.coordinator.book().session(done.session).state is SessionState.DONE
    assert any(words.startswith("plan:") for words in found.problems)


def test_code_documents_are_named_by_the_record() -> None:
    made = recorded(SEAM, 100, 1)
    assert made.record.code_hash == cid_to_digest(cid_of(made.code))
