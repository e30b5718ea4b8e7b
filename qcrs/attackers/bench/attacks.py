"""The rows of the table: each attacker as it is set up for one trial, and against whom it is judged.

Where the true masks help an attacker it is told them (A02, A04): worse than any client would be advised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from qcrs.attackers import (
    Approximated,
    Attacker,
    Diluted,
    FabricatedFrames,
    FewShots,
    Flipped,
    Forced,
    MatrixProduct,
    PoolsSamples,
    Replays,
    SharesSample,
    Stale,
    Swapped,
    TestAware,
    Uniform,
    Worse,
)
from qcrs.attackers.bench.devices import ExactDevice
from qcrs.attackers.bench.lab import Frames, Lab

__all__ = ["ATTACKS", "HONEST", "SIMPLE", "THIRD", "Attack", "Setup"]

HONEST = "honest"
THIRD = "honest third of two colluders"


@dataclass(slots=True)
class Setup:
    """What one trial has: the job, the device under the attacker, the trial's seed, and what was kept."""

    lab: Lab
    device: ExactDevice
    seed: int
    kept: dict[str, Attacker]
    """Attackers without a memory, made once a job."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One row. `make` sets the attacker up; `first` gives the attacker that its peer is, for colluders."""

    name: str
    label: str
    make: Callable[[Setup], Attacker]
    leak: bool = False
    chooses: bool = False
    """It picks qubits anew in each trial, so that its ideal distance differs from trial to trial."""
    colludes: bool = False
    """Its peer is another of its kind, which committed first."""
    any_width: bool = True

    def run(self, setup: Setup, shots: int = 0) -> Frames:
        """Raw counts of the frames; `shots` of each frame, else those of the job."""
        attacker = self.make(setup)
        return setup.lab.run(attacker, setup.seed, shots=shots, leak=self.leak)


def _once(name: str, make: Callable[[ExactDevice], Attacker]) -> Callable[[Setup], Attacker]:
    """An attacker without memory: made once for each device and kept."""

    def made(setup: Setup) -> Attacker:
        key = f"{name}/{id(setup.device)}"
        if key not in setup.kept:
            setup.kept[key] = make(setup.device)
        return setup.kept[key]

    return made


def _stale(setup: Setup) -> Attacker:
    attacker = Stale(setup.device)
    before = setup.lab.before
    before.run(attacker, setup.seed + 1, leak=True)
    return attacker


def _replays(setup: Setup) -> Attacker:
    attacker = Replays(setup.device)
    setup.lab.run(attacker, setup.seed + 1, frames_of=b"\x01" * 32)
    return attacker


def _worse(setup: Setup) -> Attacker:
    lab = setup.lab
    actual = setup.device
    if setup.device is lab.device():
        actual = lab.device(f"{lab.device_name} x10")
    return Worse(setup.device, actual)


def _matrix_product(bond: int) -> Callable[[ExactDevice], Attacker]:
    return lambda device: MatrixProduct(device, bond)


def _rows() -> list[Attack]:
    rows = [
        Attack("A01", "uniform noise", _once("A01", Uniform)),
        Attack("A02", "stale counts of another job", _stale, leak=True),
        Attack("A03/100", "100 shots sold as all", _once("A03/100", lambda d: FewShots(d, 100))),
        Attack("A03/400", "400 shots sold as all", _once("A03/400", lambda d: FewShots(d, 400))),
        Attack("A04", "two qubits swapped", _once("A04", Swapped), leak=True, chooses=True),
    ]
    for chance in (0.2, 0.3, 0.5):
        name = f"A05/{chance}"
        make = _once(name, partial(Flipped, chance=chance))
        rows.append(Attack(name, f"an answer bit flipped with {chance}", make, chooses=True))
    rows.append(Attack("A05r", "a raw bit forced half the time", _once("A05r", Forced), chooses=True))
    for bond in (2, 4):
        name = f"A06/{bond}"
        rows.append(Attack(name, f"matrix-product state χ = {bond}", _once(name, _matrix_product(bond))))
    rows += [
        Attack("A07", "device ten times worse than registered", _worse),
        Attack("A08", "honest on tests, noise else", _once("A08", TestAware)),
        Attack("A09", "copies revealed raw counts", _replays),
        Attack(
            "A10",
            "colluders share one sample",
            lambda s: SharesSample(s.device, str(s.seed // 2)),
            colludes=True,
        ),
        Attack(
            "A10/jitter",
            "the same, 10 % of shots fresh",
            lambda s: SharesSample(s.device, str(s.seed // 2), 0.1),
            colludes=True,
        ),
        Attack(
            "A10/pool",
            "colluders draw from S/2 shots",
            lambda s: PoolsSamples(s.device, str(s.seed // 2), 0.5),
            colludes=True,
        ),
        Attack("A11/30", "30 % of the frames made up", _once("A11/30", lambda d: FabricatedFrames(d, 0.3))),
        Attack("A11/50", "50 % of the frames made up", _once("A11/50", lambda d: FabricatedFrames(d, 0.5))),
        Attack("dilute/10", "10 % of shots noise", _once("dilute/10", lambda d: Diluted(d, 0.1))),
        Attack("dilute/50", "50 % of shots noise", _once("dilute/50", lambda d: Diluted(d, 0.5))),
        Attack(
            "approx/layer",
            "last two-qubit layer dropped",
            _once("approx/layer", lambda d: Approximated(d, layers=1)),
            any_width=False,
        ),
        Attack(
            "approx/gates",
            "10 % of two-qubit gates dropped",
            _once("approx/gates", lambda d: Approximated(d, gates=0.1)),
            any_width=False,
        ),
        Attack(
            "approx/0.99",
            "compiled with approximation degree 0.99",
            _once("approx/0.99", lambda d: Approximated(d, degree=0.99)),
            any_width=False,
        ),
        Attack(
            "approx/0.9",
            "compiled with approximation degree 0.9",
            _once("approx/0.9", lambda d: Approximated(d, degree=0.9)),
            any_width=False,
        ),
    ]
    return rows


ATTACKS: Mapping[str, Attack] = {attack.name: attack for attack in _rows()}
SIMPLE = tuple(name for name, attack in ATTACKS.items() if attack.any_width)
"""Attacks that are run at every width and on every device of ours."""
