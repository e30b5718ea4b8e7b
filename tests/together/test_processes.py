"""Members as processes of their own: one is killed with SIGKILL while its session runs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from together_world import World, ghz, measured, star

from qcrs.chain.bindings import AbortCode, SessionState
from qcrs.chain.embedded import EmbeddedChain
from qcrs.client.wallet import Wallet
from qcrs.hub.rpc import RpcServer
from qcrs.together.check import check_channel, check_session
from qcrs.together.joint import MemberNoise
from qcrs.together.stage import SessionStage, union
from qcrs.together.virtual import Member

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
MEMBERS = ("ada", "bea", "cy")


@contextmanager
def members(world: World, url: str) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """`qcrs session serve` for each member, over the chain's URL."""
    world.home.save(replace(world.network, rpc=url))
    wallet = Wallet(world.home)
    running = {}
    try:
        for name in MEMBERS:
            wallet.create(name, account=world.senders[name].account)
            words = ["session", "serve", "--processor", str(world.processors[name]), "--account", name]
            words += ["--home", str(world.root), "--poll", "0.05"]
            running[name] = subprocess.Popen([sys.executable, "-m", "qcrs", *words], cwd=ROOT)
        yield running
    finally:
        for process in running.values():
            process.kill()
            process.wait()


def killing(
    world: World, running: dict[str, subprocess.Popen[bytes]], book: Callable[[], object]
) -> Callable[[], None]:
    """Waits; kills bea once she holds her pairs, and lets the deadline come once ada has gone on alone."""

    def between() -> None:
        time.sleep(0.05)
        for session in book().sessions.values():  # type: ignore[attr-defined] # a `Book`
            ready = (1, world.processors["bea"]) in session.arrivals
            if session.running and ready and running["bea"].poll() is None:
                running["bea"].kill()
                running["bea"].wait()
            alone = (2, world.processors["ada"]) in session.arrivals
            if session.state is SessionState.GO and alone and running["bea"].poll() is not None:
                late = session.deadline - world.chain.now() + 1
                if late > 0 and world.processors["bea"] in session.request.parties:
                    world.travel(late)

    return between


def test_a_killed_member_is_named_paid_back_and_replaced(
    world: World, laid_out: tuple[EmbeddedChain, dict[str, str], bytes]
) -> None:
    with RpcServer(laid_out[0]) as server, members(world, server.url) as running:
        conductor = world.conductor(star(nodes=MEMBERS), seed=2)
        book = conductor.coordinator.book
        conductor.between = lambda: time.sleep(0.05)
        noise = MemberNoise(1e-4, 1e-3, 0.0)
        parties = [Member(name, 2, 2, noise) for name in MEMBERS]
        backend = union(conductor, parties, lambda: 77)
        before = world.money()
        conductor.between = killing(world, running, book)
        counts = backend.run(measured(ghz(4)), shots=80, seed_simulator=3).result().get_counts()

        lost, done = book().sessions[1], book().sessions[2]
        bea = world.processors["bea"]
        assert (lost.state, lost.code, lost.blamed) == (SessionState.ABORTED, AbortCode.PEER_SILENT, (bea,))
        assert (done.state, done.request.job, done.request.attempt) == (SessionState.DONE, 77, 1)
        assert bea not in done.request.parties
        assert sum(counts.values()) == 80
        assert counts.get("0000", 0) + counts.get("1111", 0) > 60
        assert isinstance(backend.stage, SessionStage)
        assert [one.session for one in backend.stage.finished] == [2]

        # Deposits and fees: hers less the penalty, everybody else's whole; what was paid is paid for pairs.
        after = world.money()
        offer, penalty = conductor.offer, lost.penalty
        paid = {
            number: {
                processor: settled.record.paid_a if end == 0 else settled.record.paid_b
                for end, processor in enumerate(channel.ends)
                for settled in (channel.settled[max(channel.settled)],)
                if max(channel.settled) > 1
            }
            for number, channel in book().channels.items()
        }
        earned = {name: sum(one.get(world.processors[name], 0) for one in paid.values()) for name in MEMBERS}
        portion = penalty // 2
        expected = {name: before[name] + earned[name] for name in before if name in MEMBERS}
        expected["bea"] -= penalty
        expected["ada"] += portion  # she had waited
        for name in done.request.parties:
            expected[MEMBERS[name - 1]] += offer.fee_per_party
        assert {name: after[name] for name in MEMBERS} == expected
        assert after["client"] == before["client"] + penalty - portion - 2 * offer.fee_per_party
        assert sum(after.values()) == sum(before.values()) + sum(earned.values())

        assert check_session(book(), 2, world.store).problems == []
        for number in done.request.channels:
            assert check_channel(book(), number, world.store).problems == []
