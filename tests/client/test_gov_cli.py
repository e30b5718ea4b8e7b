"""`qcrs gov` and `qcrs dispute` on a served chain after its hand-over: effects, and what goes wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from eth_account import Account
from eth_utils.crypto import keccak

from qcrs.chain.abi import Call
from qcrs.chain.bindings import ExchangeGovernor, ResourceCredit
from qcrs.chain.handover import COUNCILS, Bodies, hand_over
from qcrs.chain.networks import Chain
from qcrs.chain.sender import Sender
from qcrs.cli import main
from qcrs.cli.network import tell_halts
from qcrs.client.wallet import Wallet
from qcrs.governance.disputes import seal_ruling
from qcrs.governance.quantities import shown as amount_text
from qcrs.hub.rpc import RpcServer
from qcrs.types import credits_text

CREDIT = 10**6
BELL = """OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; bit[2] c; h q[0]; cx q[0], q[1]; c = measure q;"""
TERMS = {
    "council_delay_s": 600,
    "timelock_delay_s": 900,
    "voting_delay_s": 60,
    "voting_period_s": 1200,
    "late_extension_s": 300,
}


class Output:
    """What one command printed and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def value(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


Command = Callable[..., Output]


class City:
    """The small exchange with one job that was judged, then handed over to bodies whose keys are here."""

    def __init__(self, network: Any, desk: Any) -> None:
        self.network, self.desk = network, desk
        wallet = Wallet(network.home)
        self.seats = {body: [f"{body}-{i}" for i in range(3)] for body in (*COUNCILS, "consortia")}
        for name in (*(one for group in self.seats.values() for one in group), "lab", "visitor"):
            account = Account.from_key(keccak(text=name))
            wallet.create(name, account=account)
            network.deployer.transact(Call(account.address, b"", 10**18, "transfer"), gas=21_000)
        at = {name: wallet.address(name) for name in wallet.names()}
        councils = {body: tuple(at[name] for name in self.seats[body]) for body in COUNCILS}
        bodies = Bodies(councils, tuple(at[name] for name in self.seats["consortia"]), **TERMS)
        client = at["client"]
        network.endow(client, deposit=10_000 * CREDIT, credit=10_000 * CREDIT)
        self.deployment = hand_over(network.chain, network.deployer.account, network.deployment, bodies)

    def later(self, seconds: int) -> None:
        self.network.chain.request("evm_increaseTime", seconds)
        self.network.chain.request("evm_mine")


@pytest.fixture(scope="module")
def city(harness: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    network = harness.Network(tmp_path_factory.mktemp("city"))
    network.processor("alice")
    network.account("client", deposit=1_000_000 * CREDIT, credit=1_000 * CREDIT)
    city = City(network, harness.Desk(network))
    with RpcServer(network.embedded) as server:
        network.home.save(replace(network.settings, rpc=server.url, contracts=city.deployment.addresses))
        city.later(2)
        yield city
    network.close()


@pytest.fixture
def qcrs(city: City, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.delenv("QCRS_HOME", raising=False)
    monkeypatch.delenv("QCRS_ACCOUNT", raising=False)

    def run(*words: str, by: tuple[str, ...] = (), as_json: bool = True) -> Output:
        who = [word for name in by for word in ("--account", name)]
        form = ["--json"] if as_json else []
        where = ["--home", str(city.network.home.root)]
        monkeypatch.setattr(sys, "argv", ["qcrs", *words, *who, *form, *where])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        captured = capsys.readouterr()
        return Output(code, captured.out, captured.err)

    return run


def refused(output: Output, code: int, *words: str) -> None:
    """One JSON error with a remedy and this exit code."""
    assert output.code == code, output.err + output.out
    assert "Traceback" not in output.err
    told = output.err + output.out
    assert json.loads(output.out)["solution"], told
    for word in words:
        assert word in told


Range = tuple[int, int]


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[Range]:
    """First and last block of every query for logs that a command sends."""
    found: list[Range] = []
    ask = Chain.request

    def request(chain: Chain, method: str, *params: Any) -> Any:
        if method == "eth_getLogs":
            found.append((int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)))
        return ask(chain, method, *params)

    monkeypatch.setattr(Chain, "request", request)
    return found


def test_a_challenge_from_its_evidence_to_its_end(
    qcrs: Command, city: City, tmp_path: Path, scanned: list[Range]
) -> None:
    program = tmp_path / "bell.qasm"
    program.write_text(BELL)
    assert qcrs("submit", str(program), "--shots", "200", "--no-wait", by=("client",)).code == 0
    while city.desk.step():
        pass
    assert "no challenge is open" in qcrs("dispute", "list", as_json=False).out
    job = str(qcrs("job", "list").value[0]["job"])
    refused(qcrs("dispute", "evidence", job, "--execution", "9"), 5, "no verdict on this execution")
    told = qcrs("dispute", "evidence", job, as_json=False).out
    assert "the evidence speaks for upholding" in told
    refused(qcrs("dispute", "open", job, by=("client",)), 2, "would lose its bond", "--anyway")
    assert qcrs("dispute", "list").value == []
    opened = qcrs("dispute", "open", job, "--anyway", by=("client",)).value
    begin = city.network.chain.height
    assert (opened["recorded"], opened["recomputed"], opened["ruling"]) == ("accept", "accept", "upheld")
    twice = qcrs("dispute", "open", job, "--anyway", by=("client",))
    refused(twice, 4, "AlreadyChallenged")
    assert "judging" not in twice.err  # told before anything was judged
    assert opened["challenge"] == 1
    assert opened["bond"] > 0
    (listed,) = qcrs("dispute", "list").value
    assert (listed["state"], listed["stage"], listed["bond"]) == ("open", "commit", opened["bond"])
    assert (listed["grounds"], listed["appeal_grounds"]) == (opened["grounds"], None)
    city.later(1)  # members commit from the second after it was opened
    _commits(qcrs, tmp_path)
    city.later(listed["until"] - city.network.chain.now() + 1)
    # A refused commitment leaves the salt of the one that stands; so does a damaged file beside it.
    folder = city.network.home.root / "disputes"
    member = Wallet(city.network.home).address("dispute-0")
    seal_ruling(folder, 1, member, "overturned", opened["cid"])
    mine = sorted(folder.glob(f"1-{member.lower()}-*.json"))
    assert len(mine) == 2
    mine[0].with_name(f"{mine[0].name[:-21]}0000.json").write_text("{")
    refused(qcrs("dispute", "reveal", "1", by=("dispute-2",)), 2, "no commitment of this account")
    for name in ("dispute-0", "dispute-1"):
        shown = qcrs("dispute", "reveal", "1", by=(name,)).value
    assert shown["upheld"] == 2
    refused(qcrs("dispute", "appeal", "1", by=("client",)), 2, "appeal begins in")
    (listed,) = qcrs("dispute", "list").value
    city.later(listed["until"] - city.network.chain.now() + 1)
    (listed,) = qcrs("dispute", "list").value
    assert (listed["stage"], listed["ruling"]) == ("appeal", "upheld")
    grounds = tmp_path / "grounds.txt"
    grounds.write_text("the judge's clock was wrong\x1b[2J\n3 committed, 0 revealed")
    refused(qcrs("gov", "appeal", "1", "--grounds", str(tmp_path / "none"), by=("client",)), 2, "grounds")
    before = city.network.chain.height
    poor = qcrs("dispute", "appeal", "1", "--grounds", str(grounds), by=("visitor",))
    bond = credits_text(2 * opened["bond"])
    refused(poor, 2, f"{bond} credits from outside", f"qcrs account withdraw {bond} --account visitor")
    assert city.network.chain.height == before  # nothing was approved for an appeal that cannot be
    appealed = qcrs("dispute", "appeal", "1", "--grounds", str(grounds), by=("client",)).value
    assert appealed["appellant"] == "client"
    assert appealed["stage"] == "decision"
    refused(qcrs("gov", "appeal", "1", by=("client",)), 2, "client has appealed already")
    scanned.clear()
    _shows(qcrs, opened, appealed)
    assert begin > 20  # blocks that nobody has to look at
    assert set(scanned) == {(begin, city.network.chain.height)}
    appeals_end = city.network.chain.height
    city.later(appealed["until"] - city.network.chain.now() + 1)
    ended = qcrs("dispute", "finalise", "1", by=("visitor",)).value
    assert ended["state"] == "upheld"
    scanned.clear()
    assert len(qcrs("dispute", "show", "1").value["revealed"]) == 2
    assert set(scanned) == {(begin, appeals_end)}  # what came after the last appeal could come is left out
    refused(qcrs("dispute", "finalise", "1", by=("visitor",)), 2, "the challenge is over: upheld")
    assert qcrs("dispute", "list").value == []
    assert [one["state"] for one in qcrs("dispute", "list", "--all").value] == ["upheld"]
    assert qcrs("dispute", "withdraw", by=("client",)).value["amount"] == appealed["appeal_bond"]


def _commits(qcrs: Command, folder: Path) -> None:
    """Two members commit; who cannot is told before anything is judged."""
    early = [
        (qcrs("dispute", "reveal", "1", by=("dispute-0",)), "reveal begins in"),
        (qcrs("dispute", "finalise", "1", by=("visitor",)), "finalise begins in"),
        (qcrs("gov", "appeal", "1", by=("client",)), "appeal begins in"),
        (qcrs("dispute", "commit", "1", by=("visitor",)), "only a member"),
        (qcrs("dispute", "commit", "1", "--ruling", "maybe", by=("dispute-0",)), "upheld or overturned"),
    ]
    for output, words in early:
        refused(output, 2, words)
        assert "judging" not in output.err
    told = qcrs("dispute", "commit", "1", by=("dispute-0",), as_json=False).out
    for words in ("committed to UPHELD on challenge 1", "speaks for upholding: b", "reveal begins in"):
        assert words in told
    mine = folder / "mine.txt"
    mine.write_text("I looked at its device")
    own = ("--grounds", str(mine))
    refused(qcrs("dispute", "commit", "1", *own, by=("dispute-1",)), 2, "say no ruling", "--ruling")
    committed = qcrs("dispute", "commit", "1", *own, "--ruling", "upheld", by=("dispute-1",)).value
    assert committed["ruling"] == "upheld"
    assert committed["reveal_ends"] > committed["reveal_begins"]


def _shows(qcrs: Command, opened: dict[str, Any], appealed: dict[str, Any]) -> None:
    """Everybody's words can be read, and none of them moves a cursor or looks like the tool's own."""
    (listed,) = qcrs("dispute", "list").value
    case = qcrs("dispute", "show", "1").value
    assert case["grounds"]["cid"] == listed["grounds"] == opened["cid"]
    assert json.loads(case["grounds"]["text"])["ruling"] == "upheld"
    assert case["appeal"]["cid"] == listed["appeal_grounds"] == appealed["appeal_grounds"]
    assert case["committed"] == 2
    assert [one["member"] for one in case["revealed"]] == ["dispute-0", "dispute-1"]
    assert case["revealed"][1]["evidence"]["text"] == "I looked at its device"
    human = qcrs("dispute", "show", "1", as_json=False).out
    assert "\x1b" not in human
    for words in (
        "2 committed, 2 revealed; the council: upheld",
        "  │ job 1, execution 0: recorded accept, recomputed accept; it speaks for: upheld",
        "  │ I looked at its device",
        "  │ the judge's clock was wrong\\x1b[2J",
        "  │ 3 committed, 0 revealed",
        "reveal: ended",
        "decision: now, for another",
    ):
        assert words in human, human


def test_the_treasury_collects_what_a_failed_appeal_brings(qcrs: Command, city: City, tmp_path: Path) -> None:
    """The consortia uphold: half of the challenge's bond and half of the appeal's are the treasury's."""
    program = tmp_path / "bell.qasm"
    program.write_text(BELL)
    held = city.network.contracts.allocator.balance_of
    before = held(city.deployment.addresses["ExchangeTimelock"])  # of the challenge that failed before
    city.network.certify(1, 8, epoch=2)  # the first has expired
    job = qcrs("submit", str(program), "--shots", "200", "--no-wait", by=("client",)).value["job"]
    while city.desk.step():
        pass
    opened = qcrs("dispute", "open", str(job), "--anyway", by=("client",)).value
    number = str(opened["challenge"])
    city.later(1)  # members commit from the second after it was opened

    def listed() -> Any:
        return next(one for one in qcrs("dispute", "list").value if str(one["challenge"]) == number)

    for word in ("commit", "reveal"):
        for member in ("dispute-0", "dispute-1"):
            acted = qcrs("dispute", word, number, by=(member,))
            assert acted.code == 0, acted.err
        city.later(listed()["until"] - city.network.chain.now() + 1)
    appealed = qcrs("dispute", "appeal", number, by=("client",)).value
    every = tuple(city.seats["consortia"])
    ruling = ("propose", "uphold", "challenge", number)
    assert qcrs("gov", *ruling, by=every).value["state"] == "pending"
    city.later(TERMS["voting_delay_s"] + 1)
    passed = qcrs("gov", *ruling, by=every).value
    assert passed["state"] == "succeeded"
    assert qcrs("gov", "queue", passed["id"], by=("visitor",)).value["state"] == "queued"
    city.later(TERMS["timelock_delay_s"] + 1)
    assert qcrs("gov", "execute", passed["id"], by=("visitor",)).value["state"] == "executed"
    found = qcrs("gov", "show", "collect", "the", "treasury").value

    def words(amount: int) -> str:
        return amount_text(amount, "credits")

    halves = before + opened["bond"] // 2, appealed["appeal_bond"] // 2
    ledger, court, credit = ((one["what"], one["before"], one["after"]) for one in found["changes"])
    assert ledger == ("the treasury's in the allocator's ledger", words(halves[0]), "0 credits")
    assert court == ("the treasury's at the court", words(halves[1]), "0 credits")
    assert credit == ("credit of ExchangeTimelock", "0 credits", words(sum(halves)))
    assert found["refused"] is None
    assert found["words"] == f"collect the treasury: {words(halves[0])} of the ledger, the court's"


@pytest.mark.parametrize("word", ["commit", "reveal", "finalise", "show", "appeal"])
def test_a_challenge_that_there_is_not(qcrs: Command, word: str) -> None:
    by = () if word == "show" else ("dispute-0",)
    refused(qcrs("dispute", word, "7", by=by), 2, "no such challenge", "qcrs dispute list")


def test_no_challenge_to_appeal_and_no_job_to_dispute(qcrs: Command) -> None:
    refused(qcrs("gov", "appeal", "7", by=("client",)), 2, "no such challenge")
    refused(qcrs("dispute", "evidence", "99"), 5, "no such job")
    refused(qcrs("dispute", "withdraw", by=("visitor",)), 4, "nothing")


def test_a_council_decides_on_a_value(qcrs: Command, city: City) -> None:
    sentence = ("set", "Δ", "to", "900", "qubit-seconds")
    shown = qcrs("gov", "show", *sentence).value
    assert shown["body"] == "allocation"
    assert shown["changes"] == [
        {"what": "drain threshold", "before": "2,000 qubit-seconds", "after": "900 qubit-seconds"}
    ]
    human = qcrs("gov", "show", *sentence, as_json=False).out
    assert "2,000 qubit-seconds" in human
    assert "→" in human
    assert "ComputationAllocator.setQueueing(900, 0)" in human
    refused(qcrs("gov", "propose", *sentence), 2, "no account is chosen", "allocation-1")
    refused(qcrs("gov", "propose", *sentence, by=("visitor",)), 2, "only a member")
    first = qcrs("gov", "propose", *sentence, by=("allocation-0",)).value
    assert (first["kind"], first["state"]) == ("ballot", "open")
    other = ("show", "set", "banked", "credit", "to", "9")
    assert qcrs("gov", *other).value["rivals"] == [first["id"]]
    assert f"ballot {first['id'][:8]} is open and sets the same" in qcrs("gov", *other, as_json=False).out
    (listed,) = qcrs("gov", "list").value
    assert (listed["id"], listed["votes"], listed["needed"]) == (first["id"], 1, 2)
    refused(qcrs("gov", "vote", first["id"], by=("allocation-0",)), 4)
    refused(qcrs("gov", "execute", first["id"], by=("visitor",)), 4)
    second = qcrs("gov", "vote", first["id"][:8], by=("allocation-1",)).value
    assert second["state"] == "waiting"
    early = qcrs("gov", "execute", first["id"], by=("visitor",))
    refused(early, 4)
    city.later(TERMS["council_delay_s"] + 1)
    done = qcrs("gov", "execute", first["id"], by=("visitor",))
    assert done.value["state"] == "executed"
    assert "2,000 qubit-seconds" in done.err, "what it changes is told before"
    assert qcrs("gov", "show", *sentence).value["changes"] == []
    assert "changes nothing" in qcrs("gov", "show", *sentence, as_json=False).out
    refused(qcrs("gov", "execute", first["id"], by=("visitor",)), 2, "executed already")
    over = qcrs("gov", "show", first["id"], as_json=False).out
    assert "executed: 2 of 2" in over
    assert "changes nothing" not in over
    assert " in " not in qcrs("gov", "list", "--all", as_json=False).out
    assert first["id"] in [one["id"] for one in qcrs("gov", "list", "--all").value]
    assert qcrs("gov", "list").value == []


def test_a_vote_is_seen_at_once_where_a_chain_asks_for_confirmations(qcrs: Command, city: City) -> None:
    """Six blocks are not waited for before one's own ballot is found, and nobody opens it twice."""
    home = city.network.home
    settings = home.load()
    home.save(replace(settings, confirmations=6))
    sentence = ("set", "banked", "credit", "to", "7")
    try:
        first = qcrs("gov", "propose", *sentence, by=("allocation-0",)).value
        refused(qcrs("gov", "propose", *sentence, by=("allocation-0",)), 4, "CouncilAlreadyVoted")
        assert [one["id"] for one in qcrs("gov", "list").value] == [first["id"]]
        assert qcrs("gov", "vote", first["id"], by=("allocation-1",)).value["state"] == "waiting"
        city.later(TERMS["council_delay_s"] + 1)
        assert qcrs("gov", "execute", first["id"], by=("visitor",)).value["state"] == "executed"
    finally:
        home.save(settings)


def test_the_consortia_seat_and_unseat(qcrs: Command, city: City) -> None:
    for words, holds in ((("elect", "lab", "dispute"), True), (("remove", "lab", "dispute"), False)):
        act = qcrs("gov", *words, by=("consortia-0",)).value
        assert act["state"] == "pending"
        refused(qcrs("gov", "vote", act["id"], by=("consortia-0",)), 2, "has not begun", "begins in")
        city.later(TERMS["voting_delay_s"] + 1)
        refused(qcrs("gov", "queue", act["id"], by=("visitor",)), 4)
        refused(qcrs("gov", "vote", act["id"], by=("visitor",)), 2, "only a member")
        refused(
            qcrs("gov", "vote", act["id"], "--against", "--abstain", by=("consortia-2",)), 2, "one of them"
        )
        qcrs("gov", "vote", act["id"], "--against", by=("consortia-2",))
        told = qcrs("gov", "show", act["id"], as_json=False).out
        assert "active: 0 for, 1 against, 0 abstain; quorum 2, proposed by consortia-0" in told
        assert "vote ends in " in told
        done = qcrs("gov", "vote", act["id"], by=("consortia-0", "consortia-1")).value
        assert done["state"] == "succeeded"
        assert len(done["acts"]) == 2
        assert qcrs("gov", "queue", act["id"], by=("visitor",)).value["state"] == "queued"
        refused(qcrs("gov", "execute", act["id"], by=("visitor",)), 4)
        city.later(TERMS["timelock_delay_s"] + 1)
        assert qcrs("gov", "execute", act["id"], by=("visitor",)).value["state"] == "executed"
        seats = [one["holder"] for one in qcrs("gov", "seats").value if one["body"] == "dispute"]
        assert ("lab" in seats) is holds


def test_a_proposal_that_lies_is_told(qcrs: Command, city: City) -> None:
    """Its words move no cursor and make no row of their own, and no vote is given to them by mistake."""
    wallet, at = Wallet(city.network.home), city.deployment.addresses
    chain = city.network.chain
    mint = ResourceCredit(chain, at["ResourceCredit"]).mint(wallet.address("lab"), 777 * CREDIT)
    words = "set certificate life to 20 days\x1b[8m\n1a2b3c4d  proposal"
    governor = ExchangeGovernor(chain, at["ExchangeGovernor"])
    proposal = governor.propose((mint.to,), (0,), (mint.data,), words)
    Sender(chain, wallet.load("consortia-0")).transact(proposal)
    (listed,) = qcrs("gov", "list").value
    assert (listed["words"], listed["faithful"]) == (words, False)
    human = qcrs("gov", "list", as_json=False).out
    assert "\x1b" not in human
    assert [line[:8] for line in human.splitlines()].count(listed["id"][:8]) == 1
    assert len(human.splitlines()) == 5
    assert "0 for, 0 against, 0 abstain; quorum 2" in human
    assert "vote begins in " in human
    assert "≠ ResourceCredit.mint(lab, 777000000) “set certificate life" in human
    assert "judge by what they change" in human
    city.later(TERMS["voting_delay_s"] + 1)
    refused(qcrs("gov", "vote", listed["id"][:8], by=("consortia-1",)), 2, "not the sentence", "gov show")
    told = qcrs("gov", "vote", listed["id"][:8], "--anyway", by=("consortia-1",))
    assert told.value["state"] == "active"
    assert "credit of lab" in told.err
    assert "777 credits" in told.err
    assert told.err.index("777 credits") < told.err.index("✓ consortia-1")
    against = qcrs("gov", "vote", listed["id"], "--against", by=("consortia-0", "consortia-2"))
    assert against.code == 0, against.err
    city.later(TERMS["voting_period_s"] + TERMS["late_extension_s"])
    human = qcrs("gov", "list", "--all", as_json=False).out
    assert "≠" not in human
    assert max(map(len, human.splitlines())) <= 100
    assert qcrs("gov", "list").value == []


def test_the_security_group_stops_and_goes_on(
    qcrs: Command, city: City, capsys: pytest.CaptureFixture[str]
) -> None:
    both = ("security-0", "security-1")
    assert qcrs("gov", "pause", by=both).value["state"] == "executed"
    allocator = city.network.contracts.allocator
    assert allocator.paused()
    assert qcrs("gov", "resume", by=both).value["state"] == "executed"
    assert not allocator.paused()
    every = (*both, "security-2")
    done = qcrs("gov", "pause", by=every)
    assert (done.value["state"], len(done.value["acts"])) == ("executed", 2)
    assert qcrs("gov", "list").value == [], "the third opens no ballot of its own"
    assert "✗ new jobs are paused" in qcrs("gov", "bodies", as_json=False).out
    capsys.readouterr()
    tell_halts(city.network.home)  # as `qcrs status` does where every process runs
    assert "✗ new jobs are paused" in capsys.readouterr().err
    human = qcrs("gov", "resume", by=every, as_json=False).out
    assert "without a vote of security-2" in human
    assert not allocator.paused()
    refused(qcrs("gov", "pause", "the-moon", by=both), 2)


def test_several_consortia_are_told_when_they_vote(
    qcrs: Command, city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proposal is made, its id is told, and the votes wait for their time."""
    three = ("consortia-0", "consortia-1", "consortia-2")
    refused(qcrs("gov", "propose", "admit", "lab", by=(*three, "visitor")), 2, "only a member")
    assert qcrs("gov", "list").value == [], "nothing is sent where one of them may not vote"
    made = qcrs("gov", "propose", "admit", "lab", by=three, as_json=False)
    assert made.code == 0, made.err
    (listed,) = qcrs("gov", "list").value
    assert listed["state"] == "pending"
    assert f"then: qcrs gov vote {listed['id'][:8]}" in made.out
    refused(
        qcrs("gov", "propose", "admit", "lab", by=("consortia-1",)), 2, listed["id"][:8], "vote begins in"
    )
    city.later(TERMS["voting_delay_s"] + 1)
    monkeypatch.setenv("QCRS_ACCOUNT", "consortia-1")
    assert qcrs("gov", "propose", "admit", "lab").value["acts"][0]["state"] == "active"
    (listed,) = qcrs("gov", "list").value
    assert (listed["votes"], listed["against"], listed["needed"]) == (1, 0, 2)
    monkeypatch.delenv("QCRS_ACCOUNT")
    qcrs("gov", "vote", listed["id"], "--against", by=("consortia-0", "consortia-2"))
    city.later(TERMS["voting_period_s"] + TERMS["late_extension_s"])
    told = qcrs("gov", "show", listed["id"], as_json=False).out
    assert "defeated: 1 for, 2 against, 0 abstain; quorum 2" in told
    assert "it is over and changed nothing" in told


def test_bodies_are_told_and_drawn(qcrs: Command, tmp_path: Path) -> None:
    bodies = {one["key"]: one for one in qcrs("gov", "bodies").value}
    assert set(bodies) == {*COUNCILS, "consortia"}
    human = qcrs("gov", "bodies", as_json=False).out
    assert "2 of 3" in human
    assert max(map(len, human.splitlines())) <= 100
    assert "Quantum Security Working Group" in human
    out = tmp_path / "new" / "bodies.svg"
    assert qcrs("gov", "picture", "--out", str(out)).value == {"picture": str(out)}
    root = ElementTree.parse(out).getroot()
    assert root.tag.endswith("svg")
    assert "Dispute" in "".join(root.itertext())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("propose", "hello"), "none that is understood"),
        (("propose", "set", "the", "moon", "to", "9"), "no such parameter"),
        (("propose", "set", "Δ", "to", "many"), "is not a value"),
        (("elect", "lab", "lunar"), "no such body"),
        (("elect", "nobody-known", "dispute"), "nobody has this name"),
        (("vote", "ffff"), "no such"),
        (("show", "ffff"), "no such"),
        (("show", "anything"), "none that is understood"),
        (("execute", "ffff"), "no such"),
        (("queue", "ffff"), "no such"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_not_understood_is_told(qcrs: Command, words: tuple[str, ...], reason: str) -> None:
    by = () if words[0] == "show" else ("consortia-0",)
    refused(qcrs("gov", *words, by=by), 2, reason)
