"""A share of the table: verdicts on attackers and honest devices, a few dozen seeded trials of each."""

from __future__ import annotations

from collections import Counter

import pytest

from qcrs.attackers import TestAware
from qcrs.attackers.bench.attacks import ATTACKS, THIRD, Setup
from qcrs.attackers.bench.baselines import Scores, rejected, scores
from qcrs.attackers.bench.cells import Cell, run_cell
from qcrs.attackers.bench.lab import Lab
from qcrs.circuits.drbg import keccak
from qcrs.node.compiling import compile_frames
from qcrs.node.devices import open_device
from qcrs.verification import Outcome
from qcrs.verification.trap import GateErrors, make_traps, score_traps

FAMILIES = ("brickwork", "ising", "random")
TRIALS = 3


def outcomes(labs, name: str, reference: str, device: str = "A") -> Counter[Outcome]:
    found: Counter[Outcome] = Counter()
    for family in FAMILIES:
        lab = labs(family, device=device)
        kept: dict = {}
        for trial in range(TRIALS):
            seed = 1000 * trial + 77
            tested = lab.execution(ATTACKS[name].run(Setup(lab, lab.device(), seed, kept)))
            if reference == "ideal":
                verdict = lab.judge(tested, simulate=True)
            elif ATTACKS[name].colludes:
                first = lab.execution(ATTACKS[name].run(Setup(lab, lab.device(), seed - 1, kept)))
                verdict = lab.judge(tested, [first], simulate=reference == "both")
            else:
                verdict = lab.judge(tested, [lab.honest(seed - 1, "A")], simulate=False)
            found[verdict.outcome] += 1
    return found


@pytest.mark.parametrize("device", ["A", "B"])
def test_honest_devices_are_accepted(labs, device) -> None:
    for family in FAMILIES:
        lab = labs(family, device=device)
        for trial in range(TRIALS):
            tested, peer = lab.honest(trial), lab.honest(trial + 500, "A")
            assert lab.judge(tested, simulate=True).outcome == Outcome.ACCEPT
            assert lab.judge(tested, [peer], simulate=False).outcome == Outcome.ACCEPT
            assert lab.judge(tested, [peer], simulate=True).outcome == Outcome.ACCEPT


@pytest.mark.parametrize("reference", ["ideal", "peer"])
@pytest.mark.parametrize(
    "name",
    ["A01", "A02", "A03/100", "A03/400", "A05/0.5", "A05r", "A06/2", "A08", "A09", "A11/30", "A11/50"],
)
def test_attackers_are_rejected(labs, name, reference) -> None:
    found = outcomes(labs, name, reference)
    assert set(found) <= {Outcome.REJECT, Outcome.FRAUD}, found


@pytest.mark.parametrize("name", ["approx/gates", "approx/0.9", "A04"])
def test_wrong_circuits_are_not_accepted_unless_they_mean_the_same(labs, name) -> None:
    for family in FAMILIES:
        lab = labs(family)
        kept: dict = {}
        for seed in (11, 13):
            counts = ATTACKS[name].run(Setup(lab, lab.device(), seed, kept))
            perfect = ATTACKS[name].run(Setup(lab, lab.device("ideal"), seed, kept), shots=10_000)
            accepted = lab.judge(lab.execution(counts), simulate=True).outcome == Outcome.ACCEPT
            assert not accepted or lab.distance(perfect) < 0.05


@pytest.mark.parametrize("name", ["A10", "A10/jitter", "A10/pool"])
def test_colluders_are_not_paid_as_independent(labs, name) -> None:
    assert set(outcomes(labs, name, "both")) == {Outcome.REJECT}


def test_an_honest_third_is_not_slashed_on_the_word_of_colluders() -> None:
    rows = run_cell(Cell("main", "random", 8, 4000, "A", 0, 4, 0, ("A10",)))["rows"]
    (third,) = (row for row in rows if row["attack"] == THIRD)
    assert len(third["outcomes"]["peer"]) == 4
    assert "F" not in third["outcomes"]["peer"]


def test_traps_alone_accept_the_attacker_that_knows_tests(labs) -> None:
    # V6 and the rival's idle qubit pass what V3 and V4 reject.
    for family in FAMILIES:
        lab = labs(family)
        device = open_device("aer:noisy-a?qubits=9&coupling=full").backend
        cheat = TestAware(device)
        traps = make_traps(lab.document, keccak(family.encode()), 12)
        counts = []
        for number, trap in enumerate(traps):
            circuits = compile_frames([trap.circuit], device.target, physical=False)
            found = cheat.run(circuits, shots=100, seed_simulator=number).result().data(0)["counts"]
            counts.append({int(key, 16): count for key, count in found.items()})
        registered, _gates = lab.registered()
        report = score_traps(traps, counts, GateErrors.registered(registered.errors))
        assert report.outcome == Outcome.ACCEPT

        beside = Lab(family, 8, 4000, "A", 0, trap=True)
        trapped = ATTACKS["A08"].run(Setup(beside, beside.device(), 5, {}))
        tested = lab.execution(ATTACKS["A08"].run(Setup(lab, lab.device(), 5, {})))
        peer = lab.honest(6)
        seen = scores(lab, tested, peer, (beside, trapped))
        assert not rejected("trap", seen)
        assert lab.judge(tested, simulate=True).outcome == Outcome.REJECT
        assert lab.judge(tested, [peer], simulate=False).outcome == Outcome.REJECT


def test_plain_checks_have_their_thresholds() -> None:
    good = Scores(tvd=0.05, chi2=-1.0, xeb=1.0, trap=0.99)
    bad = Scores(tvd=0.2, chi2=-9.0, xeb=0.3, trap=0.5)
    for check in ("trap", "tvd", "chi2", "xeb"):
        assert rejected(check, bad)
        assert not rejected(check, good)
    assert not rejected("trap", Scores(0.0, 0.0, 1.0, None))
