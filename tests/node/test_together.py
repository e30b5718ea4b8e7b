"""A union as a node's device: what its child plans, runs and hands out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit

from qcrs.circuits import lower
from qcrs.client.documents import FramesDocument, ResultDocument
from qcrs.client.program import Unit, build_documents
from qcrs.distributed.noise import BellDiagonal
from qcrs.errors import BackendError, ConfigError, InputError
from qcrs.node.devices import located, metadata, open_device, union_of
from qcrs.node.together import rehearse, run, state_words
from qcrs.together.plan import PlanDocument
from qcrs.together.transcript import Share, counted, disagreements
from qcrs.types import canonical_json, parse_canonical

PAIR = Path(__file__).parents[2] / "examples" / "qnp" / "pair.yaml"
SPEC = f"together:{PAIR}?members=alice:2,bob:2:2&p2=1e-4&readout=0"
SHOTS = 200


def asked(circuit: QuantumCircuit, **more: Any) -> bytes:
    units = [Unit(lower(circuit).document, SHOTS)]
    frames, _secret = build_documents(
        units, seed=b"\x05" * 32, job_nonce="ab" * 32, physical=False, simulator_seed=7, note=""
    )
    words = {
        "spec": SPEC, "job": 9, "execution": 0, "processor": 3, "qubits": circuit.num_qubits,
        "frames": frames.as_json() if isinstance(frames, FramesDocument) else frames,
        "processors": [5, 4], "channels": [[5, 4, 11]], "absent": [],
    }  # fmt: skip
    return canonical_json(words | more)


def ghz(n: int) -> QuantumCircuit:
    circuit = QuantumCircuit(n)
    circuit.h(0)
    for qubit in range(n - 1):
        circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    return circuit


def test_a_job_is_planned_then_run_as_planned() -> None:
    circuit = ghz(4)
    rehearsed = parse_canonical(rehearse(asked(circuit)))
    plan = PlanDocument.from_json(rehearsed["plan"])
    assert len(rehearsed["sharings"]) == 1  # all frames have one structure
    assert (plan.parties, plan.channels, plan.ebits) == ((4, 5), ((11, 0, 1),), (1,))
    assert plan.problem() is None
    assert len(plan.circuits) == 10  # frames
    assert plan.pairs(11) == SHOTS
    states = {"11": state_words(BellDiagonal.werner(0.95))}
    answer = parse_canonical(run(asked(circuit, states=states, sharings=rehearsed["sharings"])))
    result = ResultDocument.from_json(answer["result"])
    found = [Share.from_json(raw) for raw in answer["shares"]]
    assert [one.processor for one in found] == list(plan.parties)
    for number, one in enumerate(plan.circuits):
        parts = [share.parts[number] for share in found]
        assert disagreements(parts, one.messages, one.readers) == 0
        # what the members measured is the result that the node commits to
        assert counted(parts, one.messages, one.readers) == result.units[0].frames[number]
        assert parts[0].rows.shape[0] == sum(one.shots)


def test_a_job_that_one_member_holds_takes_no_session() -> None:
    assert parse_canonical(rehearse(asked(ghz(2))))["plan"] is None


def test_a_member_that_is_absent_is_not_counted_on() -> None:
    with pytest.raises(BackendError, match="share entanglement"):
        rehearse(asked(ghz(4), absent=[1]))
    assert parse_canonical(rehearse(asked(ghz(4))))["plan"] is not None


def test_its_public_document_names_all_qubits() -> None:
    device = open_device(SPEC)
    document = metadata(device, name="union", hpke="", calibration_cid="")
    assert document["qubits"] == 4
    assert len(document["coupling"]) == 6
    assert {"u", "cz", "measure"} <= set(document["basis"])


@pytest.mark.parametrize(
    ("spec", "error", "words"),
    [
        (f"together:{PAIR}", BackendError, "names its members"),
        (f"together:{PAIR}?members=alice", InputError, "NAME:QUBITS"),
        (f"together:{PAIR}?members=alice:0,bob:2", InputError, "at least one qubit"),
        (f"together:{PAIR}?members=alice:2,carol:2", ConfigError, "no such node"),
        (f"together:{PAIR}?members=alice:2,relay:2", ConfigError, "joins two members"),
        (f"together:{PAIR}?members=alice:2,bob:2&qubits=3", BackendError, "unknown option"),
        (f"together:{PAIR}?members=alice:2,bob:2&p2=much", BackendError, "must be a number"),
    ],
)
def test_a_union_that_cannot_be_is_said(spec: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        union_of(spec)


def test_a_union_s_file_is_found_from_every_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PAIR.parent)
    assert located(f"together:{PAIR.name}?members=alice:2") == f"together:{PAIR}?members=alice:2"
    assert located("aer:noisy-a?qubits=5") == "aer:noisy-a?qubits=5"
