"""Whether cheating pays under the exchange's own rules, and what honesty costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qcrs.errors import InputError
from qcrs.verification.economics import (
    STRATEGIES,
    Economy,
    Power,
    Reputation,
    largest_bribe,
    margin,
    overhead_curve,
    play,
    study,
)

POWERS = {name: Power(950_000, 0, 950_000) for name in ("diluted", "noise", "stale")}
SEED = bytes(31) + b"\x07"


def test_reputation_decays_and_grows_as_the_registry_s() -> None:
    reputation = Reputation(half_life_ticks=30_000)
    reputation.record(0, good=256 * 40, bad=256)
    reputation.record(30_000)
    assert (reputation.good, reputation.bad) == (256 * 20, 128)
    reputation.record(30_000 + 7_500)
    assert reputation.good == pytest.approx(256 * 20 * 2**-0.25, rel=3e-3)
    assert reputation.alpha == reputation.good + 256
    reputation.record(10**9, good=10**9)
    assert (reputation.good, reputation.bad) == (65_535, 0)


@pytest.mark.parametrize("multiple", [3, 10])
def test_honesty_earns_most_in_ten_thousand_jobs(multiple: int) -> None:
    found = study(Economy(fraud_multiple=multiple), POWERS, 10_000, seed=SEED)
    honest, *rivals = found.outcomes
    assert sum(one.jobs for one in found.outcomes) == 10_000
    assert honest.per_job == pytest.approx(0.299, abs=0.005)
    assert honest.slashed == 0
    deterred = [one for one in rivals if one.strategy.bribe_ppm < 10**6]
    assert len(deterred) == len(rivals) - 1
    for one in deterred:
        assert one.per_job < honest.per_job - 0.05, one.strategy.name
        assert one.slashed > 0
    # A bribe of twenty fees cannot be deterred: the bond must cap a job's value.
    assert rivals[-1].per_job > 10
    goals = {name: ok for name, _value, _bound, ok in found.goals}
    assert goals["the best cheat's fees a job"]
    assert goals["least expected loss of a cheat in fees"]
    assert goals["additional shots at equilibrium, wide circuits"] is (multiple == 10)
    assert found.as_json()["outcomes"][0]["strategy"] == "honest"


def test_without_audits_cheating_pays() -> None:
    """The simulation can say no: with detection at chance level fabricators earn more than the honest."""
    blind = {name: Power(20_000) for name in POWERS}
    noise = next(one for one in STRATEGIES if one.name.startswith("fabricating from"))
    won = play(noise, Economy(), blind, providers=1, jobs=500, seed=SEED).per_job
    fair = play(STRATEGIES[0], Economy(), blind, providers=1, jobs=500, seed=SEED).per_job
    assert won > fair
    assert margin(Economy(), blind["noise"], 10) < 0


def test_the_inequality_holds_for_every_record() -> None:
    for multiple in (1, 3, 10):
        for bond in (0, 1, 5, 100):
            economy = Economy(bond_fees=bond, fraud_multiple=multiple)
            for good in (0, 1, 3, 10, 30, 100, 250):
                for bad in (0, 8, 24):
                    assert margin(economy, Power(950_000), good, bad) > 0, (multiple, bond, good, bad)


def test_verification_costs_less_the_more_is_at_stake() -> None:
    wide = {multiple: overhead_curve(Economy(fraud_multiple=multiple))[-1] for multiple in (3, 7, 10)}
    assert wide[3] > wide[7] > wide[10]
    assert wide[10] <= 0.15
    simulated = replace(Economy(), assumed_unaudited_ppm=800_000, weak_unaudited=False)
    assert overhead_curve(simulated) == pytest.approx([1 - 0.97 ** (4 / 3)] * 2000, abs=1e-6)


def test_the_bond_caps_what_a_job_may_be_worth() -> None:
    power = Power(1_000_000)
    for multiple in (3, 10):
        economy = Economy(bond_fees=10, fraud_multiple=multiple)
        bribe = largest_bribe(economy, power, 250, certain=True)
        assert multiple < bribe < multiple + 1
        assert largest_bribe(economy, power, 250) < bribe
    poor = Economy(bond_fees=2, fraud_multiple=10)
    assert largest_bribe(poor, power, 0, certain=True) < 3


def test_powers_are_chances() -> None:
    with pytest.raises(InputError):
        Power(1_000_001)
