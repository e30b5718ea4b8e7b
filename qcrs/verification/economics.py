"""Whether cheating pays: providers of every kind play thousands of jobs under the exchange's own rules.

Each job is priced at one fee; running it costs 0.7 of it. A cheat saves part of that. The execution is drawn
for an audit with the rate of `qcrs.verification.audit`, from bond, fee and the reputation that the registry's
rule gives (Beta evidence in 1/256 of an observation, decayed by half-lives, full weight for a verified
accept, a tenth for a weak one). Detected cheats are not paid; detected against two references they are
slashed. The chances of detection are inputs, measured with the judge itself (`qcrs bench economics`).

The inequality behind the rate: cheating loses iff q·d + (1 − q)·d₀ > (c + b)/(f + S + V). A bribe b beyond
that is not deterred: at the rate q the margin of one half leaves room for 0.35 fees, with certain audits
(redundancy, trust) for about the bond. `largest_bribe` says where; a job's value must stay below it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from qcrs.circuits.drbg import Drbg
from qcrs.errors import InputError
from qcrs.types import Json
from qcrs.verification.audit import (
    FRAUD,
    ONE,
    PPM,
    SIMULATED_PPM,
    audit_rate_ppm,
    reputation_at_risk_ppm,
    reputation_bound_ppm,
    slashable,
)

__all__ = [
    "STRATEGIES",
    "Economy",
    "Outcome",
    "Power",
    "Reputation",
    "Strategy",
    "Study",
    "largest_bribe",
    "margin",
    "overhead_curve",
    "play",
    "study",
]

FEE = 1_000_000
COST_PPM = 700_000
WEAK = 26
MOST = 65_535
TICK_S = 256
PROVIDERS = 2
MOST_MULTIPLE = 10
"""The largest multiple of the fee that the contract lets a fraud cost."""
MILD_MULTIPLE = 3
"""One that asks for many more audits, for comparison."""


@dataclass(frozen=True, slots=True)
class Power:
    """Chances in 10⁻⁶ that one kind of cheat is found: audited, unaudited, and, once found, slashed."""

    audited_ppm: int
    unaudited_ppm: int = 0
    slashed_ppm: int = PPM
    source: str = ""

    def text(self) -> str:
        """One line for people."""
        shares = [value / PPM for value in (self.audited_ppm, self.slashed_ppm, self.unaudited_ppm)]
        words = "found {:.3f} when audited, then slashed {:.3f}, unaudited {:.3f}".format(*shares)
        return f"{words} ({self.source or 'given'})"

    def as_json(self) -> Json:
        """For scripts."""
        return {
            "audited_ppm": self.audited_ppm,
            "unaudited_ppm": self.unaudited_ppm,
            "slashed_ppm": self.slashed_ppm,
            "source": self.source,
        }

    def __post_init__(self) -> None:
        if not all(0 <= value <= PPM for value in (self.audited_ppm, self.unaudited_ppm, self.slashed_ppm)):
            raise InputError("a chance lies between 0 and 1", field="power", value=self.audited_ppm)


@dataclass(frozen=True, slots=True)
class Economy:
    """The exchange: bond, what a fraud is slashed at most and a full reputation's value, all in fees.

    `assumed_unaudited_ppm` is the d₀ that the audit rate reckons with; `wrongly_ppm` the chance that an
    honest execution is rejected; `hours` what lies between two jobs of a provider.
    """

    bond_fees: int = 10
    fraud_multiple: int = 10
    reputation_fees: int = 5
    assumed_unaudited_ppm: int = 0
    wrongly_ppm: int = 1000
    hours: float = 4.0
    half_life_days: int = 90
    oracles: int = 4
    """All of them prove, so more is drawn than q (see `audit.drawn`); the inequality counts on q alone."""
    weak_unaudited: bool = True
    """Whether an unaudited accept is a weak one: so it is where nothing can be simulated."""

    def rate_ppm(self, reputation: Reputation) -> int:
        """q for a provider with this reputation."""
        return audit_rate_ppm(
            FEE,
            slashable(self.bond_fees * FEE, FEE, self.fraud_multiple),
            self.reputation_fees * FEE,
            reputation_at_risk_ppm(reputation.alpha, reputation.beta),
            self.assumed_unaudited_ppm,
        )

    def drawn_ppm(self, reputation: Reputation) -> int:
        """The chance of an audit when every oracle proves."""
        enough = 2 * (self.oracles - 1) // 3 + 1
        spared = float((1 - self.rate_ppm(reputation) / PPM) ** (self.oracles / enough))
        return round(PPM * (1 - spared))


@dataclass(slots=True)
class Reputation:
    """Evidence for and against in 1/256, as the registry keeps it; `alpha` and `beta` hold the prior too."""

    half_life_ticks: int
    good: int = 0
    bad: int = 0
    tick: int = 0

    @property
    def alpha(self) -> int:
        """Evidence for, the prior included."""
        return self.good + ONE

    @property
    def beta(self) -> int:
        """Evidence against, the prior included."""
        return self.bad + ONE

    @property
    def bound_ppm(self) -> int:
        """Mean less one standard deviation."""
        return reputation_bound_ppm(self.alpha, self.beta)

    def record(self, tick: int, *, good: int = 0, bad: int = 0) -> None:
        """Decay to a tick (of 256 s), then add."""
        passed, self.tick = tick - self.tick, tick
        self.good = min(MOST, _decay(self.good, passed, self.half_life_ticks) + good)
        self.bad = min(MOST, _decay(self.bad, passed, self.half_life_ticks) + bad)


def _decay(evidence: int, ticks: int, half_life: int) -> int:
    """The registry's: 2^−f on [0, 1) by 1 − 0.67157 f + 0.17157 f², in 1/65536, then whole halvings."""
    halvings, rest = divmod(ticks, half_life)
    if halvings > 16:
        return 0
    f = (rest << 16) // half_life
    factor = (1 << 16) - (44_012 * f >> 16) + (11_244 * (f * f >> 16) >> 16)
    return evidence * factor >> 16 >> halvings


@dataclass(frozen=True, slots=True)
class Strategy:
    """A provider: what it cheats with, in which jobs, what it saves (share of the fee), bribes in fees.

    `turns` is the job from which on it cheats; `leaves` whether it registers anew after a slash.
    """

    name: str
    cheat: str = ""
    chance_ppm: int = 0
    saved_ppm: int = 0
    bribe_ppm: int = 0
    turns: int = 0
    leaves: bool = False


STRATEGIES: tuple[Strategy, ...] = (
    Strategy("honest"),
    Strategy("slacking: half of the shots are noise", "diluted", PPM, COST_PPM // 2),
    Strategy("slacking in one job of five", "diluted", 200_000, COST_PPM // 2),
    Strategy("fabricating from the first job", "noise", PPM, COST_PPM),
    Strategy("fabricating after 250 honest jobs", "noise", PPM, COST_PPM, turns=250),
    Strategy("bribed with 0.1 fees", "stale", PPM, COST_PPM, bribe_ppm=100_000),
    Strategy("newcomer again after each slash", "noise", PPM, COST_PPM, leaves=True),
    Strategy("bribed with 20 fees", "stale", PPM, COST_PPM, bribe_ppm=20 * PPM),
)
"""The last one is not deterred, and cannot be: it is there to show where the bond must cap a job's value."""


@dataclass(slots=True)
class Outcome:
    """What one strategy came to; money in 10⁻⁶ of a fee, `curve` the cumulative profit after each job."""

    strategy: Strategy
    jobs: int = 0
    cheated: int = 0
    audited: int = 0
    rejected: int = 0
    slashed: int = 0
    profit: int = 0
    bound_ppm: int = 0
    curve: list[float] = field(default_factory=list)

    @property
    def per_job(self) -> float:
        """Profit a job, in fees."""
        return self.profit / max(1, self.jobs) / PPM

    def as_json(self) -> Json:
        """For scripts."""
        return {
            "strategy": self.strategy.name,
            "jobs": self.jobs,
            "cheated": self.cheated,
            "audited": self.audited,
            "rejected": self.rejected,
            "slashed": self.slashed,
            "profit_per_job_fees": round(self.per_job, 6),
            "reputation_bound_ppm": self.bound_ppm,
        }


def play(
    strategy: Strategy,
    economy: Economy,
    powers: Mapping[str, Power],
    *,
    providers: int,
    jobs: int,
    seed: bytes,
) -> Outcome:
    """Several providers of one kind, each with its own jobs; the curve is their mean."""
    out = Outcome(strategy, curve=[0.0] * jobs)
    half_life = economy.half_life_days * 86_400 // TICK_S
    power = powers[strategy.cheat] if strategy.cheat else Power(0)
    for provider in range(providers):
        stream = Drbg(seed, b"qcrs/economics/1" + strategy.name.encode() + provider.to_bytes(4, "big"))
        dice = (stream.uniform(5 * jobs) * PPM).reshape(jobs, 5).astype(int).tolist()
        reputation, total = Reputation(half_life), 0
        for job, (cheats, draws, finds, slashes, wrongs) in enumerate(dice):
            tick = round(job * economy.hours * 3600 / TICK_S)
            reputation.record(tick)
            audited = draws < economy.drawn_ppm(reputation)
            cheated = bool(strategy.cheat) and job >= strategy.turns and cheats < strategy.chance_ppm
            found = wrongs < economy.wrongly_ppm
            if cheated:
                found = finds < (power.audited_ppm if audited else power.unaudited_ppm)
            # Fraud needs two references; nobody pays for a third execution without the first having failed.
            slashed = cheated and found and audited and slashes < power.slashed_ppm
            gain = -COST_PPM + (strategy.saved_ppm + strategy.bribe_ppm if cheated else 0)
            gain += 0 if found else PPM
            if slashed:
                gain -= slashable(economy.bond_fees * FEE, FEE, economy.fraud_multiple)
                reputation.record(tick, bad=FRAUD)
                if strategy.leaves:
                    reputation = Reputation(half_life, tick=tick)
            elif found:
                reputation.record(tick, bad=ONE)
            else:
                weak = economy.weak_unaudited and not audited
                reputation.record(tick, good=WEAK if weak else ONE)
            total += gain
            out.curve[job] += total / providers / PPM
            out.jobs, out.audited = out.jobs + 1, out.audited + audited
            out.cheated, out.rejected, out.slashed = (
                out.cheated + cheated,
                out.rejected + found,
                out.slashed + slashed,
            )
        out.profit += total
        out.bound_ppm += reputation.bound_ppm // providers
    return out


def margin(
    economy: Economy,
    power: Power,
    good: int,
    bad: int = 0,
    saved_ppm: int = COST_PPM,
    *,
    certain: bool = False,
) -> float:
    """Expected loss less the gain of one cheat, in fees, for a provider with so many observations.

    `certain`: every execution of the job is held against others.
    """
    reputation = Reputation(1, good * ONE, bad * ONE)
    q = 1.0 if certain else economy.rate_ppm(reputation) / PPM
    found = q * power.audited_ppm / PPM + (1 - q) * power.unaudited_ppm / PPM
    slashed = q * power.audited_ppm / PPM * power.slashed_ppm / PPM
    stake = slashable(economy.bond_fees * FEE, FEE, economy.fraud_multiple) / FEE
    lost = economy.reputation_fees * reputation_at_risk_ppm(reputation.alpha, reputation.beta) / PPM
    return found + slashed * (stake + lost) - saved_ppm / PPM


def largest_bribe(economy: Economy, power: Power, good: int, *, certain: bool = False) -> float:
    """The bribe, in fees, from which on a provider with so many observations gains by fabricating once."""
    return max(0.0, margin(economy, power, good, certain=certain))


def overhead_curve(economy: Economy, jobs: int = 2000) -> list[float]:
    """Audits a job, which is what verification adds in shots, along an honest provider's first jobs.

    Evidence is the expected one: full weight where audited, a tenth elsewhere.
    """
    half_life = economy.half_life_days * 86_400 // TICK_S
    reputation, out = Reputation(half_life), []
    for job in range(jobs):
        tick = round(job * economy.hours * 3600 / TICK_S)
        reputation.record(tick)
        q = economy.drawn_ppm(reputation)
        out.append(q / PPM)
        weak = WEAK if economy.weak_unaudited else ONE
        reputation.record(tick, good=(q * ONE + (PPM - q) * weak) // PPM)
    return out


RECORDS = ((0, 0), (1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (64, 0), (250, 0), (20, 8), (250, 8), (0, 8))
"""Observations for and against at which the inequality is checked."""


@dataclass(frozen=True, slots=True)
class Study:
    """Everything that was found; goals are (name, value, bound, whether it is met)."""

    GOAL: ClassVar[float] = 0.15

    economy: Economy
    powers: Mapping[str, Power]
    outcomes: tuple[Outcome, ...]
    overhead: tuple[tuple[str, Sequence[float]], ...]
    goals: tuple[tuple[str, float, str, bool], ...]
    bribes: tuple[tuple[str, float], ...]

    @property
    def met(self) -> bool:
        """Whether every goal is."""
        return all(goal[3] for goal in self.goals)

    def text(self) -> list[str]:
        """Lines for people."""
        lines = [
            f"{'✓' if ok else '✗'} {name}: {value:.3f} ({bound})" for name, value, bound, ok in self.goals
        ]
        return lines + [f"· a bribe pays from {value:.2f} fees on, {name}" for name, value in self.bribes]

    def as_json(self) -> Json:
        """For scripts."""
        return {
            "bond_fees": self.economy.bond_fees,
            "fraud_multiple": self.economy.fraud_multiple,
            "reputation_fees": self.economy.reputation_fees,
            "powers": {name: power.as_json() for name, power in self.powers.items()},
            "outcomes": [one.as_json() for one in self.outcomes],
            "overhead": {name: [round(value, 6) for value in values] for name, values in self.overhead},
            "goals": [
                {"name": name, "value": value, "bound": bound, "met": ok}
                for name, value, bound, ok in self.goals
            ],
            "bribes": dict(self.bribes),
        }


def study(
    economy: Economy,
    powers: Mapping[str, Power],
    jobs: int = 10_000,
    *,
    seed: bytes = bytes(32),
    progress: Callable[[str], None] | None = None,
) -> Study:
    """All strategies on circuits that nobody can simulate, the inequality, and the curve of the overhead."""
    outcomes = []
    each = jobs // len(STRATEGIES) // PROVIDERS
    for strategy in STRATEGIES:
        if progress is not None:
            progress(strategy.name)
        outcomes.append(play(strategy, economy, powers, providers=PROVIDERS, jobs=each, seed=seed))
    simulable = replace(economy, assumed_unaudited_ppm=SIMULATED_PPM, weak_unaudited=False)
    overhead = [
        (f"wide circuits, a fraud costs {economy.fraud_multiple} fees", overhead_curve(economy)),
        ("circuits that are simulated", overhead_curve(simulable)),
    ]
    for multiple in sorted({MILD_MULTIPLE, MOST_MULTIPLE} - {economy.fraud_multiple}):
        other = replace(economy, fraud_multiple=multiple)
        overhead.append((f"wide circuits, a fraud costs {multiple} fees", overhead_curve(other)))
    honest = outcomes[0].per_job
    rivals = [one for one in outcomes[1:] if one.strategy.bribe_ppm < PPM]
    best = max(one.per_job for one in rivals)
    fabricating = powers["noise"]
    least = min(margin(economy, fabricating, good, bad) for good, bad in RECORDS)
    at_rest = overhead[0][1][-1]
    goals = (
        ("the best cheat's fees a job", best, f"< {honest:.3f}, the honest ones", best < honest),
        ("least expected loss of a cheat in fees", least, "> 0", least > 0),
        (
            "additional shots at equilibrium, wide circuits",
            at_rest,
            f"<= {Study.GOAL}",
            at_rest <= Study.GOAL,
        ),
    )
    bribes = (
        ("of an old hand, audited at its rate", largest_bribe(economy, fabricating, 250)),
        ("of an old hand, every execution held against others", _certain(economy, fabricating, 250)),
        ("of a newcomer, every execution held against others", _certain(economy, fabricating, 0)),
    )
    return Study(economy, powers, tuple(outcomes), tuple(overhead), goals, bribes)


def _certain(economy: Economy, power: Power, good: int) -> float:
    return largest_bribe(economy, power, good, certain=True)
