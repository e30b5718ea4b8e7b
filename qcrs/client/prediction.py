"""How much noise judges expect of a circuit beyond what a certificate measures, in two-qubit gates.

A certificate states an error per layered two-qubit gate, with the one-qubit gates of its layers. Judges take
a circuit's gates times that, each instruction once. What else there is, iterations of loops, one-qubit gates
beyond those of layers, delays and the waiting that they and barriers impose, is counted here by rules:

- a one-qubit gate costs a tenth of a two-qubit one: on the 39 copies of calibrated devices that
  qiskit-ibm-runtime 0.51 has with `sx`, two of these, what a general `u` takes, err 0.066 of a two-qubit gate
  in the median (0.033 to 0.143). Runs of neighbours are one gate, as transpilers merge them; as many as the
  qubit has two-qubit gates belong to these, and two more to preparation and basis of measurement.
- t of waiting costs t/T1 for decay and t/2T2 for phase flips (Krantz et al., Appl. Phys. Rev. 6, 021318
  (2019), III.B), from a qubit's first gate on: before, there is nothing to lose.
- what a loop holds counts by its iterations, measurements and resets at the worst registered readout error.

These rules are rough. So as long as they come to less than `SHARE` of all faults, or to `ALLOWED_NANO`,
nothing is added, and the prediction is what the bench of `docs/verification.md` measured. Beyond that they
are added, up to one fault a shot in all (on more, noise would pass), and `unpredicted` names what they are:
judges then reject nothing by statistics. Integers throughout.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from qcrs.circuits.document import CircuitDocument, Instruction

__all__ = ["ALLOWED_NANO", "COHERENCE_NS", "SHARE", "Prediction", "Rates", "predicted"]

NANO = 10**9
SHARE = 10
"""One in this many of all faults: within the slack of 1.1 to 1.25 that judges give error rates."""
ALLOWED_NANO = 2 * 10**7
"""Faults a shot, in 1e-9, that judges allow everybody (`Policy.damage_reject`)."""
MOST_NANO = NANO
"""Faults a shot, in 1e-9, up to which rules lower what is asked of a device."""
ONE_QUBIT = 10
"""One-qubit gates that err as much as a two-qubit one."""
FREE_GATES = 2
"""One-qubit gates of each qubit that are free: one prepares, one turns for the measurement."""
COHERENCE_NS = 20_000
"""T1 and T2 where the certificate has none: less than the median of each of those copies, 24 µs or more."""
TICK_PS = 1_000
"""Length of `dt` where nobody knows it."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Registered errors in 1e-9, the worst for readout, and T1 and T2 in ns (0: unknown)."""

    eplg_nano: int
    readout_nano: int = 0
    t1_ns: int = 0
    t2_ns: int = 0

    @property
    def gate_nano(self) -> int:
        """The error by which faults become gates: at least 1, so that they do where none is registered."""
        return max(1, self.eplg_nano)

    def waiting_nano(self, idle_ps: int) -> int:
        """Faults of this much waiting, in qubit-ps."""
        t1, t2 = self.t1_ns or COHERENCE_NS, self.t2_ns or COHERENCE_NS
        return idle_ps * NANO // (1_000 * t1) + idle_ps * NANO // (2_000 * t2)


@dataclass(frozen=True, slots=True)
class Prediction:
    """Two-qubit gates that a circuit is as noisy as; what of that no certificate predicts, if it matters."""

    gates: int
    unpredicted: tuple[str, ...] = ()


def predicted(circuit: CircuitDocument, routed: int, rates: Rates) -> Prediction:
    """The prediction for a circuit that takes `routed` two-qubit gates, each counted once."""
    walk = _Walk(circuit.qubits)
    walk.block(circuit.instructions, 1)
    cz, ended = circuit.count("cz"), circuit.count("measure") + circuit.count("reset")
    again = max(0, walk.gates.total() // 2 - cz)
    loops = -(-routed * again // cz) * rates.eplg_nano if cz else 0
    loops += max(0, walk.ended - ended) * rates.readout_nano
    chains = sum(max(0, n - walk.gates[qubit] - FREE_GATES) for qubit, n in walk.runs.items())
    parts = {
        "loops": loops,
        "one-qubit gates": chains * rates.eplg_nano // ONE_QUBIT,
        "delays": rates.waiting_nano(walk.idle_ps),
    }
    wrong = max(0, ended - len(circuit.measured_clbits()) + len(circuit.read_clbits()))
    known, more = routed * rates.eplg_nano + wrong * rates.readout_nano, sum(parts.values())
    matters = more > ALLOWED_NANO and more * SHARE > known + more
    if not matters and not walk.unknown:
        return Prediction(routed)
    counted = min(more, max(0, MOST_NANO - known))
    names = {name for name, nano in parts.items() if nano and matters} | walk.unknown
    return Prediction(routed - (-counted // rates.gate_nano), tuple(sorted(names)))


@dataclass(slots=True)
class _Walk:
    """Counts what happens to each qubit, and how long it waits: gates take no time, delays do."""

    qubits: int
    gates: Counter[int] = field(default_factory=Counter)
    """Two-qubit gates of each qubit."""
    runs: Counter[int] = field(default_factory=Counter)
    """Runs of one-qubit gates of each qubit."""
    ended: int = 0
    """Measurements and resets."""
    idle_ps: int = 0
    unknown: set[str] = field(default_factory=set)
    _clock: Counter[int] = field(default_factory=Counter)
    _started: set[int] = field(default_factory=set)
    _in_run: set[int] = field(default_factory=set)

    def block(self, block: Sequence[Instruction], times: int) -> None:
        """Instructions that happen this many times; `idle_ps` and clocks go on by one."""
        for item in block:
            if item.name == "u":
                self._one(item.qubits[0], times)
                continue
            self._in_run.difference_update(item.qubits)
            if item.name == "cz":
                self._meet(item.qubits)
                self._started.update(item.qubits)
                for qubit in item.qubits:
                    self.gates[qubit] += times
            elif item.name == "barrier":
                self._meet(item.qubits)
            elif item.name == "delay":
                self._delay(item)
            elif item.name in ("measure", "reset"):
                self.ended += times
                if item.name == "reset":
                    self._started.discard(item.qubits[0])
            elif item.name in ("break_loop", "continue_loop"):
                self.unknown.add("loops of unknown length")
            else:
                self._control(item, times)

    def _one(self, qubit: int, times: int) -> None:
        self._started.add(qubit)
        if qubit not in self._in_run:
            self._in_run.add(qubit)
            self.runs[qubit] += times

    def _meet(self, qubits: Sequence[int]) -> None:
        """Whoever is early waits for the last one."""
        last = max((self._clock[qubit] for qubit in qubits), default=0)
        for qubit in qubits:
            if qubit in self._started:
                self.idle_ps += last - self._clock[qubit]
            self._clock[qubit] = last

    def _delay(self, item: Instruction) -> None:
        (qubit,), (length,) = item.qubits, item.params
        if item.control is not None and item.control.unit == "dt" and length:
            self.unknown.add("delays in units of dt")
            length *= TICK_PS
        self._clock[qubit] += length
        if qubit in self._started:
            self.idle_ps += length

    def _control(self, item: Instruction, times: int) -> None:
        """Control flow: loops by their iterations, of branches the one with the most waiting."""
        if item.control is None:
            return
        repeats = len(item.control.values) if item.name == "for_loop" else 1
        if item.name == "while_loop":
            self.unknown.add("loops of unknown length")
        self._meet(item.qubits)
        self._started.update(item.qubits)
        entered = max((self._clock[qubit] for qubit in item.qubits), default=0)
        idle, waits, lasts = self.idle_ps, [0], [0]
        for block in item.control.blocks:
            self.idle_ps = idle
            for qubit in item.qubits:
                self._clock[qubit] = entered
            self.block(block, times * repeats)
            self._meet(item.qubits)
            self._in_run.difference_update(item.qubits)
            waits.append(self.idle_ps - idle)
            lasts.append(max((self._clock[qubit] for qubit in item.qubits), default=0) - entered)
        self.idle_ps = idle + max(waits) * repeats
        for qubit in item.qubits:
            self._clock[qubit] = entered + max(lasts) * repeats
