"""The oracle's process: one loop over new events, everything else by the state of each job.

It can be killed at any moment. What it must not forget (outcomes signed, transactions sent) is on disk
before it leaves; all else follows from chain and mail again.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from qcrs.client.history import Logged
from qcrs.client.journal import SURVIVED, Journal
from qcrs.client.participant import Participant, patiently
from qcrs.config.home import Home
from qcrs.oracles.case import Case, Desk, OracleSettings
from qcrs.oracles.certify import Certifier
from qcrs.oracles.epochs import Epochs
from qcrs.oracles.housekeeping import Housekeeping
from qcrs.oracles.identity import OracleKeys
from qcrs.oracles.judging import Bench, bench_sandbox
from qcrs.oracles.ledger import Ledger

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from qcrs.chain.networks import Chain
    from qcrs.sandbox import Sandbox

__all__ = ["Oracle", "run_oracle"]


class Oracle:
    """An oracle with everything it owns. `serve` blocks; `stop` may be called from anywhere."""

    def __init__(
        self,
        home: Home,
        name: str,
        account: LocalAccount,
        settings: OracleSettings | None = None,
        *,
        chain: Chain | None = None,
        sandbox: Sandbox | None = None,
        tell: Callable[[str], None] = lambda _words: None,
    ) -> None:
        """`chain` and `sandbox` are given where they are shared within one process; `tell` shows a line to
        whoever started it."""
        self.settings = settings or OracleSettings()
        self.journal = Journal(home.path("logs", f"{name}.jsonl"), name)
        self._own_sandbox = sandbox is None
        self.sandbox = bench_sandbox() if sandbox is None else sandbox
        self.sandbox.start()
        self.keys = OracleKeys.open(home, name, account)
        self._stop = threading.Event()
        self.party = patiently(
            lambda: Participant(home, account, name, chain=chain), self.journal, self._stop
        )
        self.ledger = Ledger(home.path("state", f"{name}.oracle.db"))
        self.bench = Bench(self.sandbox, self.journal.write)
        self.certifier = patiently(
            lambda: Certifier(
                self.party, self.keys, self.ledger, self.sandbox, self.settings.suite, self.journal
            ),
            self.journal,
            self._stop,
        )
        self._desk = Desk(
            self.party,
            self.keys,
            self.ledger,
            self.bench,
            self.settings,
            self.journal.write,
            self.certifier.announced,
        )
        self._epochs = patiently(
            lambda: Epochs(self.party, self.settings.epochs, self.settings.waits, self.journal.write),
            self.journal,
            self._stop,
        )
        self._house = patiently(lambda: Housekeeping(self.party), self.journal, self._stop)
        self._cases: dict[int, Case] = {}
        self._named: bool | None = None
        self._tell = tell

    def stop(self) -> None:
        """Ask `serve` to end."""
        self._stop.set()

    def serve(self) -> None:
        """Work until stopped. Errors of network, chain and others' documents are logged and survived."""
        self.journal.write("started", account=self.party.address)
        while not self._stop.is_set():
            try:
                self.tick()
            except SURVIVED as error:
                self.journal.error("tick failed", error)
                self._stop.wait(1.0)
            self._stop.wait(self.settings.poll)
        self.journal.write("stopped")

    def tick(self) -> None:
        """One look at the chain, and every step that can be taken."""
        self._notice(self.party.refresh())
        if any(not entry.done for entry in self.party.outbox.entries()[-16:]):
            self._guarded("transactions", self.party.outbox.pump)
        signers = self._signers()
        self._say_whether_named(named=self.party.address in signers)
        if self.party.address not in signers:
            return
        self._guarded("batches", self._batch)
        for case in list(self._cases.values()):
            self._guarded(f"job {case.number}", case.advance)
            if self._guarded(f"closing {case.number}", case.close):
                del self._cases[case.number]
        jobs = [case.job for case in self._cases.values()]
        self._guarded("housekeeping", partial(self._house.tick, jobs, signers.index(self.party.address)))
        self._guarded("certifying", self.certifier.tick)
        self._guarded("epochs", self._epochs.tick)
        self.bench.forget()

    def _batch(self) -> None:
        self._desk.batches.tick([one for case in self._cases.values() for one in case.rounds()])

    def _say_whether_named(self, *, named: bool) -> None:
        """Once at the start, and whenever an era begins or ends that names this account."""
        if named == self._named:
            return
        waited, self._named = self._named is False, named
        if named:
            if waited:
                self.journal.write("named", era=self.party.era)
                self._tell(f"era {self.party.era} names this account: it works now")
            return
        reason = f"no era names {self.party.address} (era {self.party.era}): it waits for one that does"
        solution = (
            "give the Certification Authority what `qcrs oracle identity` prints; "
            "it starts an era with the document of all oracles' keys"
        )
        self.journal.write("waits", reason=reason, solution=solution)
        self._tell(f"{reason}\n  → {solution}")

    def _signers(self) -> list[str]:
        era = self.party.era
        return [oracle.address for oracle in self.party.oracles(era)] if era else []

    def _guarded(self, what: str, action: Callable[[], object]) -> object:
        try:
            return action()
        except SURVIVED as error:
            self.journal.error(f"{what} failed", error)
            return None

    def _notice(self, events: Iterable[Logged]) -> None:
        """Take up every job that moved and is not closed for good."""
        for number in {getattr(logged.event, "job", None) for logged in events}:
            job = None if number is None else self.party.history.jobs.get(number)
            if job is None or job.id in self._cases:
                continue
            if not job.final or not self.ledger.is_done(f"opening/{job.id}"):
                self._cases[job.id] = Case(self._desk, job)

    def close(self) -> None:
        """End children, release files."""
        self.bench.close()
        self.certifier.close()
        self._epochs.close()
        if self._own_sandbox:
            self.sandbox.close()
        self.ledger.close()
        self.party.close()
        self.journal.close()


def run_oracle(
    home: Home,
    name: str,
    account: LocalAccount,
    settings: OracleSettings,
    tell: Callable[[str], None] = lambda _words: None,
) -> None:
    """Serve until a signal ends it; `tell` shows a line to whoever started it."""
    oracle = Oracle(home, name, account, settings, tell=tell)

    def ended(_number: int, _frame: FrameType | None) -> None:
        oracle.stop()

    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGINT, ended)
    try:
        oracle.serve()
    finally:
        oracle.close()
