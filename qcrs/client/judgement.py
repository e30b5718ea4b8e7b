"""From a job's documents to a verdict: what oracles do once, and anyone who checks them does again.

`JudgeRequest` gathers documents and registered errors; `run` is the function that a limited child executes
on its canonical bytes (`qcrs.client.judgement:run`), `preload` what the child's parent loads beforehand.
The answer, `Found`, holds integers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from qcrs.circuits.document import CircuitDocument, Instruction
from qcrs.client.documents import ResultDocument, SecretDocument
from qcrs.client.fields import Reader
from qcrs.client.layouts import excused, layout_problem, measured_qubits
from qcrs.client.prediction import Prediction, Rates, predicted
from qcrs.client.program import least_seconds
from qcrs.client.routing import gates_on, routed_gates
from qcrs.client.voids import voided
from qcrs.errors import InputError, VerificationError
from qcrs.types import Json, canonical_json, parse_canonical

if TYPE_CHECKING:
    from qcrs.verification.freshness import Freshness, Past
    from qcrs.verification.judge import JudgeInput
    from qcrs.verification.peer import Execution
    from qcrs.verification.verdict import Test, Verdict

__all__ = ["DeviceRecord", "Found", "JudgeRequest", "Party", "preload", "run"]


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """What is registered of a processor: errors in 1e-9 from its certificate, coupling from its metadata.

    `t1_ns` and `t2_ns` are the shortest times that the certificate shows or relies on; 0 where it has none.
    """

    qubits: int
    coupling: tuple[tuple[int, int], ...] = ()
    eplg_nano: int = 0
    readout_nano: tuple[int, ...] = ()
    mean_readout_nano: int = 0
    simulator: bool = False
    t1_ns: int = 0
    t2_ns: int = 0

    def as_json(self) -> Json:
        """The canonical value."""
        return {
            "qubits": self.qubits,
            "coupling": [list(pair) for pair in self.coupling],
            "eplg_nano": self.eplg_nano,
            "readout_nano": list(self.readout_nano),
            "mean_readout_nano": self.mean_readout_nano,
            "simulator": self.simulator,
            "t1_ns": self.t1_ns,
            "t2_ns": self.t2_ns,
        }

    @property
    def rates(self) -> Rates:
        """What predictions beyond the certificate's gates are made of."""
        worst = max((self.mean_readout_nano, *self.readout_nano))
        return Rates(self.eplg_nano, worst, self.t1_ns, self.t2_ns)

    @classmethod
    def from_json(cls, raw: Json) -> DeviceRecord:
        """Read an untrusted value."""
        read = Reader(raw, None, "device")
        pairs = [
            Reader({"pair": pair}, None, f"device.coupling[{index}]").integers("pair", 0, 4094, 2)
            for index, pair in enumerate(read.items("coupling", most=100_000))
        ]
        if any(len(pair) != 2 for pair in pairs):
            raise InputError("a coupling joins two qubits", field="device.coupling")
        found = cls(
            qubits=read.integer("qubits", 1, 4095),
            coupling=tuple((a, b) for a, b in pairs),
            eplg_nano=read.integer("eplg_nano", 0, 10**9),
            readout_nano=tuple(read.integers("readout_nano", 0, 10**9)),
            mean_readout_nano=read.integer("mean_readout_nano", 0, 10**9),
            simulator=read.flag("simulator"),
            t1_ns=read.integer("t1_ns", 0, 2**32 - 1),
            t2_ns=read.integer("t2_ns", 0, 2**32 - 1),
        )
        read.close()
        return found


@dataclass(frozen=True, slots=True)
class Party:
    """One execution: result, what is registered of its processor, whether it committed before the tested."""

    result: Json
    device: DeviceRecord
    earlier: bool = False

    def as_json(self) -> Json:
        """The canonical value."""
        return {"result": self.result, "device": self.device.as_json(), "earlier": self.earlier}

    @classmethod
    def from_json(cls, raw: Json) -> Party:
        """Read an untrusted value."""
        return cls(raw["result"], DeviceRecord.from_json(raw["device"]), bool(raw["earlier"]))


@dataclass(frozen=True, slots=True)
class JudgeRequest:
    """Everything that a verdict depends on.

    `qubits` and `seconds` are the width and the time that the job pays for; `alone` says that no other
    execution can be had (a targeted job, the last execution), so a drawn one is audited by simulation;
    `capability` that certifying oracles announced the job: its circuits are scored in the certificate, and
    only the form is judged here. `past` are results of the same circuits that this one is held against
    (`qcrs.client.archive.open_past`).
    """

    secret: Json
    frames: Json
    qubits: int
    seconds: int
    tested: Party
    peers: tuple[Party, ...] = ()
    drawn: bool = False
    alone: bool = False
    capability: bool = False
    past: tuple[Json, ...] = ()

    def as_bytes(self) -> bytes:
        """Canonical bytes for the child."""
        return canonical_json(
            {
                "secret": self.secret,
                "frames": self.frames,
                "qubits": self.qubits,
                "seconds": self.seconds,
                "tested": self.tested.as_json(),
                "peers": [peer.as_json() for peer in self.peers],
                "drawn": self.drawn,
                "alone": self.alone,
                "capability": self.capability,
                "past": list(self.past),
            }
        )


@dataclass(frozen=True, slots=True)
class Found:
    """A verdict in integers; `tests` are (name, value, standard error, threshold, passed)."""

    outcome: int
    score_ppm: int
    threshold_ppm: int
    interval_ppm: tuple[int, int]
    decided_by: str
    reason: str
    weak: bool = False
    needed_shots: int | None = None
    tests: tuple[tuple[str, int, int, int, bool], ...] = field(default=())

    def as_json(self) -> Json:
        """The fields that go into evidence."""
        return {
            "outcome": self.outcome,
            "score_ppm": self.score_ppm,
            "threshold_ppm": self.threshold_ppm,
            "interval_ppm": list(self.interval_ppm),
            "decided_by": self.decided_by,
            "reason": self.reason,
            "weak": self.weak,
            "needed_shots": self.needed_shots,
            "tests": [
                {"name": name, "value_ppm": value, "se_ppm": se, "threshold_ppm": limit, "passed": passed}
                for name, value, se, limit, passed in self.tests
            ],
        }

    @classmethod
    def from_json(cls, raw: Json) -> Found:
        """The inverse of `as_json`."""
        read = Reader(raw, None)
        interval = read.integers("interval_ppm", -(2**62), 2**62)
        if len(interval) != 2:
            raise InputError("an interval has two ends", field="interval_ppm", value=interval)
        low, high = interval
        tests = []
        for item in read.tables("tests", most=100_000):
            test = Reader(item, None)
            tests.append(
                (
                    test.text("name"),
                    test.integer("value_ppm", -(2**62), 2**62),
                    test.integer("se_ppm", -(2**62), 2**62),
                    test.integer("threshold_ppm", -(2**62), 2**62),
                    test.flag("passed"),
                )
            )
            test.close()
        found = cls(
            outcome=read.integer("outcome", 1, 4),
            score_ppm=read.integer("score_ppm", -(2**62), 2**62),
            threshold_ppm=read.integer("threshold_ppm", -(2**62), 2**62),
            interval_ppm=(low, high),
            decided_by=read.text("decided_by"),
            reason=read.text("reason"),
            weak=read.flag("weak"),
            needed_shots=read.optional_integer("needed_shots", 0, 2**62),
            tests=tuple(tests),
        )
        read.close()
        return found

    @classmethod
    def plain(cls, outcome: int, by: str, reason: str, *, passed: bool, weak: bool = False) -> Found:
        """A verdict without a statistic: score 1 or 0 against a threshold of 1."""
        score = 1_000_000 if passed else 0
        test = (by, score, 0, 1_000_000, passed)
        return cls(outcome, score, 1_000_000, (score, score), by, reason, weak, None, (test,))


def preload() -> None:
    """Load what judging needs, in the process whose children judge.

    Nothing is simulated here: Aer would start a thread, and a process with threads cannot be forked.
    """
    import qiskit_aer  # noqa: F401

    import qcrs.circuits.convert
    import qcrs.verification.freshness
    import qcrs.verification.judge  # noqa: F401

    # Three qubits on a line with a gate between the outer two: the transpiler loads its plugins now.
    probe = CircuitDocument(
        3, 0, (), (Instruction("cz", (0, 1)), Instruction("cz", (0, 2)), Instruction("cz", (1, 2)))
    )
    routed_gates([probe], 3, [(0, 1), (1, 2)])


def run(payload: bytes) -> bytes:
    """The verdict on the canonical bytes of a `JudgeRequest`, as those of a `Found`."""
    return canonical_json(_judged(parse_canonical(payload)).as_json())


def _judged(asked: Json) -> Found:
    from qcrs.verification.judge import JudgeInput, JudgeUnit, judge
    from qcrs.verification.verdict import Outcome

    try:
        secret = SecretDocument.from_json(asked["secret"])
    except InputError as error:
        reason = f"the client's documents cannot be read: {error.reason}"
        return Found.plain(Outcome.ACCEPT, "client void", reason, passed=True, weak=True)
    device = DeviceRecord.from_json(asked["tested"]["device"])
    void = voided(asked["frames"], secret, asked["qubits"], device.qubits, device.coupling)
    if void is not None:
        return Found.plain(Outcome.ACCEPT, "client void", void, passed=True, weak=True)
    units = tuple(
        JudgeUnit(CircuitDocument.from_json(unit.circuit), unit.shots, unit.predicate, unit.observables)
        for unit in secret.units
    )
    circuits = [unit.circuit for unit in units]
    seeded = asked["frames"]["simulator_seed"] is not None
    tested = Party.from_json(asked["tested"])
    result = ResultDocument.from_json(tested.result)
    if "refused" in result.backend or len(result.units) != len(units):
        work = ((unit.circuit, max(1, unit.shots)) for unit in units)
        least = least_seconds(work, simulator=tested.device.simulator)
        if least > asked["seconds"]:
            reason = f"the job allows {asked['seconds']} s for what may take {4 * least} s"
            return Found.plain(Outcome.ACCEPT, "client void", reason, passed=True, weak=True)
        reason = f"nothing was run: {result.backend.get('refused', 'units are missing')}"
        return Found.plain(Outcome.REJECT, "V0 form", reason[:500], passed=False)
    if asked["capability"]:
        return _form_only(secret, circuits, result)
    problem = _layout_problem(tested, result, circuits)
    if problem is not None:
        return Found.plain(Outcome.REJECT, "V0 form", problem, passed=False)
    parties = [Party.from_json(raw) for raw in asked["peers"]]
    # Who names qubits that cannot be is no reference either.
    parties = [
        peer
        for peer in parties
        if _layout_problem(peer, ResultDocument.from_json(peer.result), circuits) is None
    ]
    names = ["tested", *(f"execution {peer.result['execution']}" for peer in parties)]
    executions: list[Execution] = []
    unpredicted: set[str] = set()
    for party, name in zip([tested, *parties], names, strict=True):
        execution, beyond = _execution(party, circuits, secret, name, seeded)
        executions.append(execution)
        unpredicted.update(beyond)
    evidence = JudgeInput(
        units=units,
        seed=secret.seed,
        tested=executions[0],
        peers=tuple(executions[1:]),
        exact=secret.mode == "exact",
        drawn=asked["drawn"],
        targeted=asked["alone"],
    )
    if evidence.exact:
        return _found(judge(evidence))
    return _sampled(evidence, [_past(raw) for raw in asked["past"]], sorted(unpredicted))


def _sampled(evidence: JudgeInput, past: Sequence[Past], unpredicted: Sequence[str]) -> Found:
    """The verdict on counts: with the references that are witnesses, and against the past.

    Where the noise is not predicted nobody looks for pools: these are told by what the noise leaves.
    """
    from qcrs.circuits.frames import shots_per_frame
    from qcrs.verification.form import form_problem
    from qcrs.verification.freshness import freshness
    from qcrs.verification.judge import judge
    from qcrs.verification.simulate import active_qubits, ideal
    from qcrs.verification.verdict import Policy

    units, policy = evidence.units, Policy()
    shots = [shots_per_frame(unit.shots, len(units)) for unit in units]
    bits = [unit.circuit.measured_clbits() for unit in units]
    # Peers of the wrong form are no references.
    peers = [peer for peer in evidence.peers if form_problem(peer.counts, shots, bits) is None]
    if form_problem(evidence.tested.counts, shots, bits) is not None:
        return _found(judge(evidence, policy))
    limit = policy.simulate_drawn_qubits if evidence.drawn else policy.simulate_qubits
    known = {}
    for number, unit in enumerate(units):
        if max(len(active_qubits(unit.circuit)), len(bits[number])) <= limit:
            with suppress(VerificationError):  # endless loops and too many amplitudes: peers remain
                known[number] = ideal(unit.circuit, seed=evidence.seed)
    pools = {} if unpredicted else known
    fresh = freshness(units, evidence.seed, evidence.tested, peers, past, pools, policy)
    witnesses = tuple(peers[i] for i in fresh.kept)
    found = _found(judge(replace(evidence, peers=witnesses, ideals=known), policy))
    if unpredicted:
        found = _lenient(found, unpredicted)
    return _with_freshness(found, fresh)


def _lenient(found: Found, unpredicted: Sequence[str]) -> Found:
    """What is left of a verdict whose noise no certificate predicts: statistics neither condemn nor reject.

    Form, contradicting frames and what V10 finds (copies among it) stay. The magnitude is none that the
    ledger over jobs (V8) could count, and is not called so.
    """
    from qcrs.verification.eprocess import IDEAL
    from qcrs.verification.verdict import Outcome

    tests = tuple((f"unpredicted {row[0]}" if row[0] == IDEAL else row[0], *row[1:]) for row in found.tests)
    found = replace(found, tests=tests)
    if found.outcome not in (Outcome.REJECT, Outcome.FRAUD) or found.decided_by in ("V0 form", "V2 frame"):
        return found
    reason = f"the certificate does not predict the noise of {' and '.join(unpredicted)}: {found.reason}"
    return replace(found, outcome=int(Outcome.UNDECIDED), reason=reason, needed_shots=None)


def _with_freshness(found: Found, fresh: Freshness) -> Found:
    """A result that was not measured for this job is rejected, if nothing else rejects it."""
    from qcrs.verification.verdict import Outcome

    tests = (*found.tests, *(_row(test) for test in fresh.tests))
    if fresh.failed is None or found.outcome in (Outcome.REJECT, Outcome.FRAUD):
        return replace(found, tests=tests)
    score, threshold = fresh.failed.value_ppm, fresh.failed.threshold_ppm
    return Found(
        int(Outcome.REJECT), score, threshold, (score, score), "V10 freshness", fresh.fault, tests=tests
    )


def _row(test: Test) -> tuple[str, int, int, int, bool]:
    return test.name, test.value_ppm, test.se_ppm, test.threshold_ppm, test.passed


def _found(verdict: Verdict) -> Found:
    return Found(
        outcome=int(verdict.outcome),
        score_ppm=verdict.score_ppm,
        threshold_ppm=verdict.threshold_ppm,
        interval_ppm=verdict.interval_ppm,
        decided_by=verdict.decided_by,
        reason=verdict.reason,
        weak=verdict.weak,
        needed_shots=verdict.needed_shots,
        tests=tuple(_row(test) for test in verdict.tests),
    )


def _past(raw: Json) -> Past:
    from qcrs.verification.freshness import Past, PastUnit

    units = []
    for item in raw["units"]:
        frames = tuple({int(outcome, 16): n for outcome, n in frame.items()} for frame in item["frames"])
        units.append(PastUnit(item["unit"], bytes.fromhex(item["seed"]), item["number"], frames))
    return Past(raw["name"], tuple(units), raw["deterministic"])


def _form_only(secret: SecretDocument, circuits: Sequence[CircuitDocument], result: ResultDocument) -> Found:
    from qcrs.circuits.frames import shots_per_frame
    from qcrs.verification.form import form_problem
    from qcrs.verification.verdict import Outcome

    problem = form_problem(
        [unit.frames for unit in result.units],
        [shots_per_frame(unit.shots, len(secret.units)) for unit in secret.units],
        [circuit.measured_clbits() for circuit in circuits],
    )
    if problem is not None:
        return Found.plain(Outcome.REJECT, "V0 form", problem, passed=False)
    reason = "a certification job: its circuits are scored in the certificate"
    return Found.plain(Outcome.ACCEPT, "V0 form", reason, passed=True)


def _layout_problem(party: Party, result: ResultDocument, circuits: Sequence[CircuitDocument]) -> str | None:
    """What is wrong with a layout of a result, None where nothing is."""
    for unit, circuit in zip(result.units, circuits, strict=False):
        problem = layout_problem(circuit, unit.layout, party.device.qubits)
        if problem is not None:
            return problem
    return None


def _execution(
    party: Party, circuits: Sequence[CircuitDocument], secret: SecretDocument, name: str, seeded: bool
) -> tuple[Execution, tuple[str, ...]]:
    """An execution as judges read it, and what of its noise no certificate predicts."""
    from qcrs.verification.peer import DeviceErrors, Execution

    result, device = ResultDocument.from_json(party.result), party.device
    layout, readout = [], device.readout_nano
    for unit, circuit in zip(result.units, circuits, strict=True):
        places = measured_qubits(circuit) if secret.physical else dict(enumerate(unit.layout))
        layout.append(tuple(places.get(bit, -1) for bit in circuit.measured_clbits()))
    if not secret.physical:
        width = max(circuit.qubits for circuit in circuits)
        readout = excused(readout, device.mean_readout_nano, device.coupling, width)
    device = replace(device, readout_nano=readout)
    expected = _predictions(circuits, secret, device)
    beyond = tuple(sorted({words for one in expected for words in one.unpredicted}))
    error = device.rates.gate_nano if beyond else device.eplg_nano
    execution = Execution(
        counts=tuple(tuple(frame for frame in unit.frames) for unit in result.units),
        values_pico=tuple(unit.values_pico for unit in result.units),
        errors=DeviceErrors(error, readout, device.mean_readout_nano),
        layout=tuple(layout),
        cz_counts=tuple(one.gates for one in expected) if expected else None,
        name=name,
        deterministic=seeded and device.simulator,
        committed_first=party.earlier,
    )
    return execution, beyond


def _predictions(
    circuits: Sequence[CircuitDocument], secret: SecretDocument, device: DeviceRecord
) -> list[Prediction]:
    """What is expected of each circuit on this device; nothing of exact values, which have no noise."""
    if secret.mode == "exact":
        return []
    gates = (
        tuple(circuit.count("cz") for circuit in circuits)
        if secret.physical
        else gates_on(circuits, device.qubits, device.coupling, device.readout_nano)
    )
    rates = device.rates
    return [predicted(circuit, count, rates) for circuit, count in zip(circuits, gates, strict=True)]
