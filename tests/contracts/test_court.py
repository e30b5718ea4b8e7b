"""A challenge in court: commit, reveal, appeal, decision; whoever is silent, it ends, and sums are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from contract_stage import Contract, Done, refuses
from council_stage import Council, council
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from exchange_stage import ACCEPT, CREDIT, DISPUTE, REJECT, Processor, Stage

NONE, OPEN, UPHELD, OVERTURNED, LAPSED = range(5)
FEE = 1000 * 5 * 60
BOND = 2 * FEE
SPAN = 12 * 86_400


@dataclass(slots=True)
class Case:
    """An accepted execution that is challenged, and the court with five members, of whom three decide."""

    stage: Stage
    body: Council
    court: Contract
    processor: Processor
    job: int
    number: int
    opened: int

    def at(self, twelfths: float) -> None:
        self.stage.wait_until(self.opened + int(SPAN * twelfths / 12))

    def commitment(self, member: int, ruling: int, salt: int = 7) -> bytes:
        who = self.body.members[member].address
        words = (self.number, who, ruling, keccak(text="evidence"), salt.to_bytes(32, "big"))
        return keccak(encode(["uint256", "address", "uint8", "bytes32", "bytes32"], words))

    def commit(self, member: int, ruling: int) -> Done:
        by = self.body.members[member].address
        return self.court.send("commit", self.number, self.commitment(member, ruling), by=by)

    def reveal(self, member: int, ruling: int, salt: int = 7) -> Done:
        by = self.body.members[member].address
        return self.court.send(
            "reveal", self.number, ruling, keccak(text="evidence"), salt.to_bytes(32, "big"), by=by
        )

    def rule(self, rulings: dict[int, int]) -> None:
        """Members commit at once and reveal in their time."""
        for member, ruling in rulings.items():
            self.commit(member, ruling)
        self.at(2.5)
        for member, ruling in rulings.items():
            self.reveal(member, ruling)

    def appeal(self, by: str) -> Done:
        self.stage.credit.send("approve", self.court.address, 2 * BOND, by=by)
        return self.court.send("appeal", self.number, keccak(text="grounds"), by=by)

    def finalise(self) -> Done:
        return self.court.send("finalise", self.number, by=self.stage.who.stranger)

    @property
    def state(self) -> int:
        return int(self.stage.verifier.read("challengeOf", self.number)["state"])

    @property
    def challenger(self) -> str:
        return self.stage.who.clients[1]

    def money(self) -> dict[str, int]:
        """Challenger, provider and treasury: their balances in the ledger and in court."""
        names = {
            "challenger": self.challenger,
            "provider": self.processor.provider,
            "treasury": self.stage.who.treasury,
        }
        return {
            name: self.stage.balance(who) + self.court.read("creditsOf", who) for name, who in names.items()
        }

    def whole(self) -> None:
        """The court owes exactly what it holds."""
        held = self.stage.credit.read("balanceOf", self.court.address)
        who = {self.challenger, self.processor.provider, self.stage.who.treasury, self.stage.who.clients[2]}
        owed = sum(self.court.read("creditsOf", one) for one in who) + self.court.read("openBonds")
        assert held == owed
        self.stage.check_ledger([self.job])


def opened(stage: Stage, outcome: int = ACCEPT) -> Case:
    body = council(stage, seats=5, threshold=3)
    court = stage.deploy(
        "DisputeCourt",
        stage.manager.address,
        stage.credit.address,
        stage.verifier.address,
        stage.allocator.address,
        stage.registry.address,
        body.contract.address,
    )
    stage.manager.send("grantRole", DISPUTE, court.address, 0, by=stage.admin)
    p = stage.register()
    stage.certify(p.id)
    job = stage.submit()
    stage.allocate(p)
    stage.commit(p, job)
    stage.judge(job, 0, outcome)
    done = stage.verifier.send("challenge", job, 0, keccak(text="why"), by=stage.who.clients[1])
    return Case(stage, body, court, p, job, done.one("ChallengeOpened")["challenge"], done.time)


@pytest.fixture
def case(stage: Stage) -> Case:
    return opened(stage)


def test_stages_are_twelfths_of_the_ruling_window(case: Case) -> None:
    day = 86_400
    assert case.court.read("stagesOf", case.number) == {
        "commitUntil": case.opened + 2 * day,
        "revealUntil": case.opened + 3 * day,
        "appealUntil": case.opened + 4 * day,
        "decideUntil": case.opened + 11 * day,
        "deadline": case.opened + 12 * day,
    }
    assert case.court.read("appealBond", case.number) == 2 * BOND
    with refuses("DisputeCourtNotOpen"):
        case.court.read("stagesOf", case.number + 1)


@pytest.mark.parametrize("ruling", [UPHELD, OVERTURNED])
def test_the_council_rules_and_nobody_appeals(case: Case, ruling: int) -> None:
    before = case.money()
    case.rule({0: ruling, 2: ruling, 3: UPHELD + OVERTURNED - ruling, 4: ruling})
    assert case.court.read("rulingOf", case.number) == ruling
    with refuses("DisputeCourtWrongTime"):
        case.finalise()
    case.at(4)
    with refuses("DisputeCourtWrongTime"):
        case.finalise()
    case.at(4.01)
    assert case.finalise().one("CaseClosed") == {
        "challenge": case.number,
        "ruling": ruling,
        "appealed": False,
    }
    assert case.state == ruling
    after = case.money()
    gain = {name: after[name] - before[name] for name in after}
    if ruling == UPHELD:
        assert gain == {"challenger": 0, "provider": BOND // 2, "treasury": BOND // 2}
    else:
        assert gain == {"challenger": BOND + BOND // 4, "provider": 0, "treasury": BOND // 4}
        assert case.stage.registry.read("bondOf", case.processor.id) == 50 * CREDIT - BOND
    case.whole()
    with refuses("DisputeCourtNotOpen"):
        case.finalise()


def test_each_thing_has_its_time_and_its_people(case: Case) -> None:
    case.commit(0, UPHELD)
    with refuses("DisputeCourtWrongTime"):
        case.reveal(0, UPHELD)
    with refuses("DisputeCourtNotMember"):
        case.court.send("commit", case.number, bytes(32), by=case.stage.who.stranger)
    case.at(2)
    case.commit(1, UPHELD)
    case.at(2.01)
    with refuses("DisputeCourtWrongTime"):
        case.commit(2, UPHELD)
    with refuses("DisputeCourtBadReveal"):
        case.reveal(2, UPHELD)  # it committed to nothing
    with refuses("DisputeCourtBadReveal"):
        case.reveal(0, OVERTURNED)
    with refuses("DisputeCourtBadReveal"):
        case.reveal(0, UPHELD, salt=8)
    with refuses("DisputeCourtBadRuling"):
        case.reveal(0, LAPSED)
    case.reveal(0, UPHELD)
    with refuses("DisputeCourtBadReveal"):
        case.reveal(0, UPHELD)  # once
    with refuses("DisputeCourtWrongTime"):
        case.appeal(case.challenger)
    case.at(3.01)
    with refuses("DisputeCourtWrongTime"):
        case.reveal(1, UPHELD)
    with refuses("DisputeCourtNoRuling"):
        case.appeal(case.challenger)


def test_a_commitment_is_nobody_else_s(case: Case) -> None:
    """Who copies a commitment cannot reveal it: it names its member."""
    stolen = case.commitment(0, UPHELD)
    case.commit(0, UPHELD)
    case.court.send("commit", case.number, stolen, by=case.body.members[1].address)
    case.at(2.5)
    case.reveal(0, UPHELD)
    with refuses("DisputeCourtBadReveal"):
        case.reveal(1, UPHELD)


def test_a_member_changes_its_mind_before_the_reveal_only(case: Case) -> None:
    case.commit(0, UPHELD)
    case.commit(0, OVERTURNED)
    case.at(2.5)
    with refuses("DisputeCourtBadReveal"):
        case.reveal(0, UPHELD)
    case.reveal(0, OVERTURNED)


def test_a_silent_council_lets_the_challenge_lapse(case: Case) -> None:
    before = case.money()
    case.commit(0, UPHELD)
    case.at(12)
    with refuses("DisputeCourtWrongTime"):
        case.finalise()
    case.at(12.01)
    assert case.finalise().one("CaseClosed")["ruling"] == LAPSED
    assert case.state == LAPSED
    assert case.money()["challenger"] == before["challenger"] + BOND
    case.whole()


def test_the_verifier_s_own_end_leaves_nothing_in_court(case: Case) -> None:
    case.rule(dict.fromkeys(range(3), UPHELD))
    case.at(3.5)
    appellant = case.stage.who.clients[2]
    case.appeal(appellant)
    case.at(12.01)
    case.stage.verifier.send("lapse", case.number, by=case.stage.who.stranger)
    case.finalise()
    assert case.court.read("creditsOf", appellant) == 2 * BOND
    assert case.court.read("openBonds") == 0
    case.whole()


@pytest.mark.parametrize("ruling", [UPHELD, OVERTURNED])
@pytest.mark.parametrize("final", [UPHELD, OVERTURNED])
def test_an_appeal_is_decided(case: Case, ruling: int, final: int) -> None:
    """An appeal that changes the ruling gets its bond back; one that fails pays winner and treasury."""
    case.rule(dict.fromkeys(range(3), ruling))
    case.at(3.5)
    before, appellant = case.money(), case.stage.who.clients[2]
    purse = case.stage.credit.read("balanceOf", appellant)
    done = case.appeal(appellant)
    assert done.one("AppealOpened")["bond"] == 2 * BOND
    assert case.stage.credit.read("balanceOf", appellant) == purse - 2 * BOND
    with refuses("DisputeCourtAppeal"):
        case.appeal(case.challenger)
    with refuses("DisputeCourtWrongTime"):
        case.finalise()
    with refuses("AccessManagedUnauthorized"):
        case.court.send("decide", case.number, final, by=case.stage.who.committee[DISPUTE])
    case.court.send("decide", case.number, final, by=case.stage.admin)
    assert case.state == final
    after = case.money()
    gain = {name: after[name] - before[name] for name in after}
    expected = (
        {"challenger": 0, "provider": BOND // 2, "treasury": BOND // 2}
        if final == UPHELD
        else {"challenger": BOND + BOND // 4, "provider": 0, "treasury": BOND // 4}
    )
    if final == ruling:
        winner = "provider" if final == UPHELD else "challenger"
        expected[winner] += BOND
        expected["treasury"] += BOND
    else:
        case.court.send("withdraw", by=appellant)
        assert case.stage.credit.read("balanceOf", appellant) == purse
        with refuses("DisputeCourtNothing"):
            case.court.send("withdraw", by=appellant)
    assert gain == expected
    case.whole()


def test_silent_consortia_leave_the_ruling_and_return_the_bond(case: Case) -> None:
    case.rule(dict.fromkeys(range(3), OVERTURNED))
    case.at(3.5)
    provider = case.processor.provider
    case.appeal(provider)
    case.at(11)
    with refuses("DisputeCourtWrongTime"):
        case.finalise()
    case.at(11.01)
    with refuses("DisputeCourtWrongTime"):
        case.court.send("decide", case.number, UPHELD, by=case.stage.admin)
    case.finalise()
    assert case.state == OVERTURNED
    assert case.court.read("creditsOf", provider) == 2 * BOND
    case.whole()


def test_what_nobody_appealed_nobody_decides(case: Case) -> None:
    case.rule(dict.fromkeys(range(3), UPHELD))
    with refuses("DisputeCourtAppeal"):
        case.court.send("decide", case.number, OVERTURNED, by=case.stage.admin)
    with refuses("DisputeCourtBadRuling"):
        case.court.send("decide", case.number, LAPSED, by=case.stage.admin)


def test_a_council_reseated_meanwhile_counts_by_its_first_reveal(case: Case) -> None:
    for member in range(4):
        case.commit(member, UPHELD)
    case.at(2.5)
    case.reveal(0, UPHELD)
    zero = "0x" + "00" * 20
    case.body.contract.send("reseat", [3, 4], [zero, zero], 2, by=case.stage.admin)
    case.reveal(1, UPHELD)
    assert case.court.read("rulingOf", case.number) == NONE
    with refuses("DisputeCourtNotMember"):
        case.reveal(3, UPHELD)
    case.reveal(2, UPHELD)
    assert case.court.read("rulingOf", case.number) == UPHELD


def test_an_upheld_rejection_pays_the_treasury(stage: Stage) -> None:
    case = opened(stage, REJECT)
    before = case.money()
    case.rule(dict.fromkeys(range(3), UPHELD))
    case.at(3.5)
    case.appeal(stage.who.clients[2])
    case.court.send("decide", case.number, UPHELD, by=stage.admin)
    assert case.money()["treasury"] == before["treasury"] + BOND + 2 * BOND
    case.whole()


def test_a_ruling_takes_at_most_half_of_a_bond(stage: Stage) -> None:
    """The hard bound: however high the challenge's bond, half of the processor's stays."""
    stage.verifier.send("setChallengeBond", 80 * CREDIT, 2, by=stage.who.committee[4])
    case = opened(stage)
    assert stage.verifier.read("challengeOf", case.number)["bond"] == 80 * CREDIT
    case.rule(dict.fromkeys(range(3), OVERTURNED))
    case.at(4.01)
    done = case.finalise()
    assert done.one("ChallengeRuled")["slashed"] == 25 * CREDIT
    assert stage.registry.read("bondOf", case.processor.id) == 25 * CREDIT


def test_the_court_is_wired(case: Case) -> None:
    names: dict[str, Any] = {
        "CREDIT": case.stage.credit,
        "VERIFIER": case.stage.verifier,
        "ALLOCATOR": case.stage.allocator,
        "REGISTRY": case.stage.registry,
        "COUNCIL": case.body.contract,
    }
    for name, contract in names.items():
        assert case.court.read(name) == contract.address
    assert case.court.read("caseOf", case.number)["appellant"] == "0x" + "00" * 20
    case.commit(0, UPHELD)
    assert case.court.read("commitmentOf", case.number, case.body.members[0].address) != bytes(32)
