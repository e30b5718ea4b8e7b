"""No leaf signs twice: rules of the state, and real children killed at random moments."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from qcrs.errors import AccountError, VerificationError
from qcrs.identity.state import SignerState, XmssSigner
from qcrs.identity.xmss import LAST_LEAF, XmssKey, index_of, verify

CHILD = Path(__file__).parent / "signer_child.py"
KEY, OTHER = b"k" * 44, b"o" * 44


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


@pytest.fixture
def state(tmp_path: Path) -> SignerState:
    return SignerState(tmp_path / "keys" / "leaves.db")


def test_leaves_are_given_in_order_and_once_a_digest(state: SignerState) -> None:
    assert [state.reserve(KEY, digest(n), 0) for n in (1, 2, 3)] == [0, 1, 2]
    assert [state.reserve(KEY, digest(n), 0) for n in (3, 1, 4)] == [2, 0, 3]
    assert state.reserve(OTHER, digest(1), 0) == 0, "keys count apart"
    assert (state.used(KEY), state.used(OTHER), state.used(b"none")) == (4, 1, 0)


def test_what_the_contract_has_passed_is_not_given_again(state: SignerState) -> None:
    for n in range(5):
        state.reserve(KEY, digest(n), 0)
    assert state.reserve(KEY, digest(1), 1) == 1
    assert state.reserve(KEY, digest(1), 2) == 5, "its first leaf is below the contract's next index"
    assert state.reserve(KEY, digest(1), 2) == 5
    assert state.reserve(KEY, digest(9), 2) == 6


@pytest.mark.parametrize("least", [1, 4, 900])
def test_a_state_older_than_the_chain_signs_nothing_but_the_change(state: SignerState, least: int) -> None:
    if least > 1:
        state.reserve(KEY, digest(0), 0)
    with pytest.raises(AccountError, match="older than the chain") as found:
        state.reserve(KEY, digest(7), least)
    assert "rotate" in str(found.value)
    assert state.used(KEY) == int(least > 1)
    assert state.reserve_last(KEY, digest(8)) == LAST_LEAF


def test_the_last_leaf_is_for_one_successor(state: SignerState) -> None:
    assert state.reserve_last(KEY, digest(1)) == LAST_LEAF
    assert state.reserve_last(KEY, digest(1)) == LAST_LEAF
    with pytest.raises(AccountError, match="another key already"):
        state.reserve_last(KEY, digest(2))
    assert state.used(KEY) == 0
    assert state.reserve(KEY, digest(1), 0) == 0, "ordinary digests never get the last leaf"


def test_exhaustion_leaves_the_last_one(state: SignerState) -> None:
    rows = [(KEY, n, digest(n)) for n in range(LAST_LEAF - 2)]
    state._db.execute("BEGIN")
    state._db.executemany("INSERT INTO leaves VALUES (?, ?, ?)", rows)  # as by as many reservations
    state._db.execute("COMMIT")
    assert [state.reserve(KEY, digest(n), 0) for n in (2000, 2001)] == [LAST_LEAF - 2, LAST_LEAF - 1]
    with pytest.raises(AccountError, match="all leaves of this key are used"):
        state.reserve(KEY, digest(5000), 0)
    assert state.reserve(KEY, digest(3), 0) == 3
    assert state.reserve_last(KEY, digest(5000)) == LAST_LEAF


def test_the_file_is_private_and_survives_reopening(tmp_path: Path) -> None:
    path = tmp_path / "leaves.db"
    with SignerState(path) as first:
        first.reserve(KEY, digest(1), 0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with SignerState(path) as second:
        assert second.reserve(KEY, digest(2), 0) == 1
        # EXTRA, with the folder: a journal that came back after a power cut would undo what was reserved.
        assert second._db.execute("PRAGMA synchronous").fetchone() == (3,)
        assert second._db.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_file_that_cannot_be_written_signs_nothing(tmp_path: Path, key: XmssKey) -> None:
    path = tmp_path / "leaves.db"
    with SignerState(path) as state:
        reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        state._db = reader  # a disk that has become read-only
        reader.isolation_level = None
        with pytest.raises(AccountError, match="nothing was signed"):
            XmssSigner(key, state).sign(digest(1), 0)
    with SignerState(path) as again:
        assert again.used(key.public) == 0
    (tmp_path / "broken.db").write_bytes(b"no database at all, but long enough" * 100)
    with pytest.raises(AccountError, match="cannot be read or written"):
        SignerState(tmp_path / "broken.db")


def test_threads_share_a_file(tmp_path: Path) -> None:
    found: list[tuple[int, int]] = []

    def work(first: int) -> None:
        with SignerState(tmp_path / "leaves.db") as own:
            found.extend((own.reserve(KEY, digest(n), 0), n) for n in range(first, first + 40))

    threads = [threading.Thread(target=work, args=(40 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(leaf for leaf, _ in found) == list(range(160))


def test_a_signer_signs_and_checks_itself(tmp_path: Path, key: XmssKey) -> None:
    with SignerState(tmp_path / "leaves.db") as state:
        signer = XmssSigner(key, state)
        first, last = signer.sign(digest(1), 0), signer.sign_successor(digest(2))
        assert (index_of(first), index_of(last)) == (0, LAST_LEAF)
        assert verify(signer.public, digest(1), first)
        assert verify(signer.public, digest(2), last)
        assert signer.sign(digest(1), 0) == first
        wrong = XmssKey(key.secret, bytes(len(key.tree)))
        with pytest.raises(VerificationError, match="tree"):
            XmssSigner(wrong, state).sign(digest(3), 0)


class Campaign:
    """Rounds of signers that are killed, and all that they ever released."""

    def __init__(self, folder: Path, keys: list[XmssKey]) -> None:
        self.folder, self.keys = folder, keys
        self.trees = []
        for number, key in enumerate(keys):
            path = folder / f"{number}.tree"
            path.write_bytes(key.tree)
            self.trees.append(path)
        self.released: dict[tuple[int, int], set[tuple[str, str]]] = {}
        self.kills = self.releases = 0
        self.current = 0

    def start(self, first: int) -> subprocess.Popen[str]:
        words = [str(self.folder / "leaves.db"), str(self.trees[self.current])]
        words += [self.keys[self.current].secret.hex(), str(first)]
        return subprocess.Popen([sys.executable, str(CHILD), *words], stdout=subprocess.PIPE, text=True)

    def round(self, draw: random.Random, writers: int) -> None:
        """Two writers begin with overlapping digests, as a signer that repeats itself does, and die."""
        first = 10 * self.kills
        children = [self.start(first + 2 * n) for n in range(writers)]
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        said = []
        for child in children:
            assert child.stdout is not None
            said.append("".join(child.stdout.readline() for _ in range(draw.randrange(1, 6))))
        time.sleep(draw.uniform(0, 0.02))  # the moment of the kill, not a wait for anything
        for child in children:
            os.kill(child.pid, signal.SIGKILL)
        exhausted = False
        for child, before in zip(children, said, strict=True):
            out = before + child.communicate()[0]
            self.kills += 1
            # a line that the kill cut off was released as far as it goes: its leaf and digest come first
            for line in out.splitlines():
                exhausted |= line.startswith("exhausted")
                words = line.split()
                if len(words) == 3 and len(words[2]) == 64:
                    self.releases += 1
                    self.released.setdefault((self.current, int(words[0])), set()).add((words[1], words[2]))
        if exhausted:
            self.current += 1

    def check(self) -> None:
        database = sqlite3.connect(self.folder / "leaves.db")
        rows = database.execute("SELECT key, leaf, digest FROM leaves").fetchall()
        recorded = {(bytes(key), leaf): bytes(value).hex() for key, leaf, value in rows}
        database.close()
        for (number, leaf), signed in self.released.items():
            assert len(signed) == 1, f"leaf {leaf} of key {number} signed {len(signed)} times"
            assert recorded[self.keys[number].public, leaf] == next(iter(signed))[0]
        assert self.releases >= self.kills, "the kills came before anything was signed"


def test_killed_signers_never_use_a_leaf_twice(tmp_path: Path, key: XmssKey) -> None:
    campaign, draw = Campaign(tmp_path, [key]), random.Random(11)
    while campaign.kills < 20:
        campaign.round(draw, 2)
    campaign.check()


@pytest.mark.slow
def test_three_hundred_kills_never_use_a_leaf_twice(tmp_path: Path, key: XmssKey) -> None:
    keys = [key] + [XmssKey.generate(bytes([n]) * 52) for n in range(1, 6)]
    campaign, draw = Campaign(tmp_path, keys), random.Random(12)
    while campaign.kills < 300:
        campaign.round(draw, 2)
    campaign.check()
    assert len(campaign.released) > 300
