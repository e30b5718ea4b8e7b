"""A job built, run on a device and judged by the function that oracles and `qcrs verify` call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from qcrs.circuits import CircuitDocument
from qcrs.client.documents import FramesDocument, ResultDocument, ResultUnit
from qcrs.client.judgement import DeviceRecord, Found, JudgeRequest, Party, run
from qcrs.client.program import Unit, build_documents, estimate_seconds
from qcrs.node.devices import open_device
from qcrs.node.runner import run_units
from qcrs.types import parse_canonical

SEED = bytes([7]) * 32


def full(qubits: int) -> tuple[tuple[int, int], ...]:
    """Every pair."""
    return tuple((a, b) for a in range(qubits) for b in range(a))


def noise_a(qubits: int) -> DeviceRecord:
    """What a certificate says of noise A."""
    return DeviceRecord(qubits, full(qubits), 1_200_000, (10_000_000,) * qubits, 10_000_000)


def noise_b(qubits: int) -> DeviceRecord:
    """What a certificate says of noise B."""
    return DeviceRecord(qubits, full(qubits), 12_000_000, (20_000_000,) * qubits, 20_000_000)


class Judged:
    """One job; `honest` runs it on a device, `noise` answers without one, `judge` judges."""

    def __init__(self, circuit: CircuitDocument, shots: int = 4000, *, physical: bool = False) -> None:
        self.circuit = circuit
        self.units = [Unit(circuit, shots)]
        self.frames, self.secret = build_documents(
            self.units, seed=SEED, job_nonce="00" * 32, physical=physical
        )

    def honest(self, spec: str, seed: int) -> ResultUnit:
        """What a device gives, with a simulator's seed that the provider chose."""
        frames: FramesDocument = replace(self.frames, simulator_seed=seed)
        (unit,) = run_units(open_device(spec), frames)
        return unit

    def noise(self, share: float = 1.0, of: ResultUnit | None = None, seed: int = 3) -> ResultUnit:
        """This share of the shots at random; the others are those of an honest result."""
        stream, rows = np.random.default_rng(seed), []
        for index, shots in enumerate(self.frames.units[0].shots):
            made = round(shots * share)
            row = Counter(stream.integers(0, 1 << self.circuit.clbits, made).tolist())
            if of is not None and made < shots:
                kept = stream.permutation([k for k, n in of.frames[index].items() for _ in range(n)])
                row.update(int(outcome) for outcome in kept[: shots - made])
            rows.append(dict(row))
        layout = (-1,) * self.circuit.clbits if of is None else of.layout
        return ResultUnit(frames=tuple(rows), layout=layout)

    def judge(
        self,
        tested: ResultUnit | None,
        device: DeviceRecord,
        peers: Sequence[tuple[ResultUnit, DeviceRecord]] = (),
        *,
        seconds: int = 0,
    ) -> Found:
        """The verdict, with peers that committed first; None for a provider that refuses."""
        parties = [
            Party(_document(unit, index + 1), known, earlier=True)
            for index, (unit, known) in enumerate(peers)
        ]
        request = JudgeRequest(
            self.secret.as_json(),
            self.frames.as_json(),
            qubits=self.circuit.qubits,
            seconds=seconds or estimate_seconds(self.units),
            tested=Party(_document(tested, 0), device),
            peers=tuple(parties),
        )
        return Found.from_json(parse_canonical(run(request.as_bytes())))


def _document(unit: ResultUnit | None, execution: int):
    units, backend = ((), {"refused": "no"}) if unit is None else ((unit,), {})
    return ResultDocument(1, execution, execution + 1, units, backend).as_json()
