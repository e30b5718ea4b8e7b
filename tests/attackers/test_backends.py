"""Every attacker is a backend: it answers with the shots that were asked for, and does what its name says."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit

from qcrs.attackers import KINDS, attack
from qcrs.attackers.cheapened import dropped_gates, dropped_layers
from qcrs.circuits import frame, lower
from qcrs.client.documents import FramesDocument, SampleUnit
from qcrs.errors import BackendError
from qcrs.node.devices import open_device
from qcrs.node.runner import run_units

N = 4
SPEC = f"aer:noisy-a?qubits={N}&coupling=full"
OPTIONS = {"shares_sample": "&secret=s", "pools_samples": "&secret=s", "approximated": "&layers=1"}


def opened(kind: str, extra: str = "") -> object:
    """An attacker by its spec, as a node opens it."""
    text = f"qcrs.attackers:attack?kind={kind}&qubits={N}&coupling=full{OPTIONS.get(kind, '')}{extra}"
    return open_device(text)


def counts(backend, circuits, shots: int, seed: int, **more) -> list[dict[int, int]]:
    result = backend.run(list(circuits), shots=shots, seed_simulator=seed, **more).result()
    return [{int(k, 16): v for k, v in result.data(i)["counts"].items()} for i in range(len(circuits))]


def decoded(found, masks) -> np.ndarray:
    out = np.zeros(1 << N)
    for raw, mask in zip(found, masks, strict=True):
        for key, count in raw.items():
            out[key ^ mask] += count
    return out / out.sum()


def tvd(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).sum() / 2)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"aborts"}))
def test_a_node_runs_it(kind, scrambled) -> None:
    document = lower(scrambled(N, 3)).document
    frames = tuple(frame(document, b"\x05" * 32, 0, b).circuit.as_json() for b in range(4))
    asked = FramesDocument("00" * 32, (SampleUnit(frames, (50,) * 4),), simulator_seed=5)
    (unit,) = run_units(opened(kind), asked)
    assert [sum(found.values()) for found in unit.frames] == [50] * 4
    assert all(0 <= key < 1 << N for found in unit.frames for key in found)


def test_the_same_seed_gives_the_same_answer(framed, scrambled) -> None:
    compiled = framed(scrambled(N, 1), SPEC)
    for kind in ("uniform", "flipped", "matrix_product", "fabricated_frames"):
        first, again, other = (
            counts(opened(kind).backend, compiled.circuits, 100, seed) for seed in (1, 1, 2)
        )
        assert first == again != other


def test_few_shots_repeat_their_outcomes(framed, scrambled) -> None:
    compiled = framed(scrambled(N, 1), SPEC)
    few = counts(opened("few_shots", "&real=10").backend, compiled.circuits, 400, 1)
    assert np.count_nonzero(decoded(few, compiled.masks)) <= 10


def test_what_the_frames_do_not_hide_is_put_back_into_them(framed, scrambled) -> None:
    # Cheap answers come back decoded as the attacker meant them, without being told the masks.
    circuit = scrambled(N, 1)
    compiled = framed(circuit, SPEC)
    honest = decoded(counts(open_device(SPEC).backend, compiled.circuits, 2000, 1), compiled.masks)
    for kind in ("matrix_product&bond=4", "few_shots&real=20000", "pools_samples&secret=s", "approximated"):
        backend = open_device(f"qcrs.attackers:attack?kind={kind}&qubits={N}&coupling=full").backend
        found = decoded(counts(backend, compiled.circuits, 2000, 2), compiled.masks)
        assert tvd(found, honest) < 0.04, kind


def test_swapped_bits_are_swapped_in_the_decoded_answer(framed) -> None:
    circuit = QuantumCircuit(N, N)
    circuit.x(0)
    circuit.cz(0, 1)
    circuit.cz(2, 3)
    circuit.measure(range(N), range(N))
    compiled = framed(circuit, SPEC)
    backend = opened("swapped").backend
    seen = set()
    for seed in range(40):
        found = counts(backend, compiled.circuits, 20, seed, masks=compiled.masks)
        seen.add(int(decoded(found, compiled.masks).argmax()))
    assert seen == {0b0001, 0b0010, 0b0100, 0b1000}


def test_stale_outcomes_are_those_of_the_first_job(framed, scrambled) -> None:
    backend = opened("stale").backend
    old, new = framed(scrambled(N, 1), SPEC), framed(scrambled(N, 2), SPEC, seed=9)
    first = decoded(counts(backend, old.circuits, 500, 1, masks=old.masks), old.masks)
    sold = decoded(counts(backend, new.circuits, 500, 2, masks=new.masks), new.masks)
    assert tvd(first, sold) < 1e-9


def test_replays_are_raw(framed, scrambled) -> None:
    backend = opened("replays").backend
    old, new = framed(scrambled(N, 1), SPEC), framed(scrambled(N, 1), SPEC, seed=9)
    assert old.masks != new.masks
    assert counts(backend, old.circuits, 100, 1) == counts(backend, new.circuits, 100, 2)


def test_colluders_agree_without_talking(framed, scrambled) -> None:
    compiled = framed(scrambled(N, 1), SPEC)
    same = [counts(opened("shares_sample").backend, compiled.circuits, 100, seed) for seed in (1, 2)]
    assert same[0] == same[1]
    near = [
        counts(opened("shares_sample", "&jitter=0.1").backend, compiled.circuits, 100, seed)
        for seed in (1, 2)
    ]
    assert near[0] != near[1]


def test_a_selective_aborter_leaves_nothing_to_commit(framed, scrambled) -> None:
    device = opened("aborts")
    clifford = QuantumCircuit(N, N)
    clifford.h(0)
    clifford.cx(0, 1)
    clifford.measure(range(N), range(N))
    assert counts(device.backend, framed(clifford, SPEC).circuits, 10, 1)
    with pytest.raises(BackendError, match="not available"):
        counts(device.backend, framed(scrambled(N, 1), SPEC).circuits, 10, 1)


def test_the_beacon_has_nothing_that_a_provider_can_choose() -> None:
    # A12: many salts give many commitments, but the audit draw depends on the block and the oracles alone.
    from qcrs.verification.audit import drawn
    from qcrs.verification.commitment import commitment

    proofs = {0: b"a", 2: b"c", 1: b"b"}
    ground = {commitment(bytes([salt]) * 32, "0x" + "22" * 20, 7, b"\x33" * 32) for salt in range(64)}
    assert len(ground) == 64
    assert not {"commitment", "salt", "provider"} & set(drawn.__annotations__)
    blocks = [bytes([number]) * 32 for number in range(64)]
    draws = [drawn(block, proofs, 300_000, 4) for block in blocks]
    assert draws == [drawn(block, dict(reversed(proofs.items())), 300_000, 4) for block in blocks]
    assert draws != [drawn(block, {**proofs, 2: b"x"}, 300_000, 4) for block in blocks]
    assert 0 < sum(draws) < 64


def test_dropping_gates_leaves_the_others() -> None:
    circuit = QuantumCircuit(4, 4)
    for _ in range(5):
        circuit.cz(0, 1)
        circuit.cz(2, 3)
    assert dropped_layers(circuit, 1).count_ops()["cz"] == 8
    assert dropped_layers(circuit, 5).count_ops().get("cz", 0) == 0
    assert dropped_gates(circuit, 0.1).count_ops()["cz"] == 9
    assert dropped_gates(circuit, 0.5).count_ops()["cz"] == 5


def test_mistakes_in_a_spec_are_told() -> None:
    with pytest.raises(BackendError, match="no such attacker"):
        attack("nice")
    with pytest.raises(BackendError, match="colour"):
        open_device("qcrs.attackers:attack?kind=uniform&qubits=4&colour=red")
    with pytest.raises(BackendError, match="number of qubits"):
        attack("worse")
