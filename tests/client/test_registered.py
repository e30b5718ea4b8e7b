"""What counts as registered of a processor: its certificate, and nothing that it says afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from judging import Judged, full
from qiskit import QuantumCircuit

from qcrs.chain.abi import Event
from qcrs.chain.bindings import Capability, ProcessorRegistry
from qcrs.circuits import lower
from qcrs.client.history import History, Logged
from qcrs.client.judgement import DeviceRecord
from qcrs.client.registered import MOST_DESCRIPTIONS, registered_device
from qcrs.client.routing import routed_gates
from qcrs.store import ContentStore
from qcrs.types import Json, canonical_json, cid_to_digest
from qcrs.verification import Outcome

LINE = [[0, 1], [1, 2], [2, 3]]
APART = [[0, 1], [2, 3]]
PROVIDER = "0x" + "11" * 20
FOUR = 4 << 160  # qubits in the dispatch word


@dataclass
class Exchange:
    """A store in memory and a history made of events."""

    store: ContentStore
    history: History = field(default_factory=History)

    def put(self, document: Json) -> bytes:
        return cid_to_digest(self.store.put(canonical_json(document)))

    def happened(self, event: Event) -> None:
        self.history.apply(Logged(event, 1, 1, 0, "0x" + "00" * 32))

    def describe(self, coupling: Json, *, simulator: bool = False) -> bytes:
        return self.put({"coupling": coupling, "simulator": simulator})

    def register(self, coupling: Json, **more: bool) -> None:
        metadata = self.describe(coupling, **more)
        self.happened(
            ProcessorRegistry.ProcessorRegistered(1, PROVIDER, bytes(32), metadata, FOUR, bytes(32), 5)
        )

    def says(self, coupling: Json, **more: bool) -> None:
        self.happened(ProcessorRegistry.MetadataSet(1, self.describe(coupling, **more)))

    def certify(self, report: Any, *, t1: int = 0, t2: int = 0) -> None:
        numbers = Capability(4, 2, 1_200_000, 100, 10_000_000, t1, t2, 4, 2000)
        self.happened(ProcessorRegistry.ProcessorCertified(1, 1, 1, 10**9, numbers, self.put(report)))

    @property
    def device(self) -> DeviceRecord:
        return registered_device(self, self.history, 1)


@pytest.fixture
def exchange(request: pytest.FixtureRequest) -> Exchange:
    return Exchange(ContentStore(f"memory://registered-{request.node.name}"))


def test_a_certificate_tells_couplings_errors_and_times(exchange: Exchange) -> None:
    exchange.register(LINE, simulator=True)
    times = [{"t1": {"at_least_ns": n}, "t2": {"at_least_ns": 2 * n}} for n in (9000, 5000)]
    report = {"coupling": LINE, "readout": {"error_nano": [1, 2, 3, -4]}, "relaxation": times}
    exchange.certify(report, t1=70_000)
    pairs = ((0, 1), (1, 2), (2, 3))
    assert exchange.device == DeviceRecord(
        4, pairs, 1_200_000, (1, 2, 3, 0), 10_000_000, simulator=True, t1_ns=70_000, t2_ns=10_000
    )


@pytest.mark.parametrize("said", [[], APART, None, "nothing"])
def test_what_is_said_after_a_certificate_takes_nothing_back(exchange: Exchange, said: Json) -> None:
    exchange.register(LINE)
    exchange.certify({"coupling": LINE})
    before = exchange.device
    exchange.says(said, simulator=True)
    assert exchange.device == before
    assert not exchange.device.simulator


def test_what_clients_could_build_on_counts_until_the_next_certificate(exchange: Exchange) -> None:
    exchange.register(LINE)
    exchange.says([[3, 0]])
    exchange.says(LINE)
    assert (0, 3) in exchange.device.coupling
    exchange.certify({"coupling": LINE})
    assert exchange.device.coupling == ((0, 1), (1, 2), (2, 3))
    exchange.says([[0, 2]])
    exchange.says([])
    assert (0, 2) in exchange.device.coupling


def test_all_pairs_are_null_in_a_report(exchange: Exchange) -> None:
    exchange.register(APART)
    exchange.certify({"coupling": None})
    assert sorted(exchange.device.coupling) == sorted((b, a) for a, b in full(4))


def test_what_no_device_has_is_left_out(exchange: Exchange) -> None:
    exchange.register([[0, 0], [0, 4], [-1, 2], [1], "ab", [True, 2], [1, 0]])
    assert exchange.device.coupling == ((0, 1),)


def test_many_changes_are_not_all_read(exchange: Exchange) -> None:
    exchange.register([[0, 2]])
    for _ in range(MOST_DESCRIPTIONS):
        exchange.says(LINE)
    assert exchange.device.coupling == ((0, 1), (1, 2), (2, 3))


def test_without_a_certificate_or_its_blobs_there_is_still_a_record(exchange: Exchange) -> None:
    missing = ProcessorRegistry.ProcessorRegistered(1, PROVIDER, bytes(32), bytes(32), FOUR, bytes(32), 5)
    exchange.happened(missing)
    assert exchange.device == DeviceRecord(4, (), 10_000_000, (), 20_000_000)
    for report in ({}, [], {"readout": 3, "relaxation": [{}], "coupling": 5}):
        exchange.certify(report)
        assert exchange.device == DeviceRecord(4, (), 1_200_000, (), 10_000_000)


def test_a_provider_is_not_paid_for_taking_its_description_back(exchange: Exchange) -> None:
    exchange.register(LINE)
    exchange.certify({"coupling": LINE, "readout": {"error_nano": [10_000_000] * 4}})
    program = QuantumCircuit(3)
    program.h(0)
    program.cx(0, 1)
    program.cx(1, 2)
    program.measure_all()
    job = Judged(lower(program).document, physical=True)
    exchange.says([], simulator=True)
    assert job.judge(job.noise(), exchange.device).outcome == Outcome.REJECT
    assert job.judge(None, exchange.device).outcome == Outcome.REJECT
    wide = Judged(lower(_wide()).document)
    assert wide.judge(None, exchange.device, seconds=60).outcome == Outcome.REJECT


def _wide() -> QuantumCircuit:
    """A circuit that a simulator may refuse for its time, and a device may not."""
    program = QuantumCircuit(20)
    for _ in range(10):
        program.ry(0.3, range(20))
        program.cz(range(0, 19, 2), range(1, 20, 2))
        program.barrier()
    program.measure_all()
    return program


def test_what_cannot_be_routed_is_not_excused_by_routing() -> None:
    circuit = QuantumCircuit(4)
    for a, b in full(4):
        circuit.cz(a, b)
        circuit.rx(0.1, [a, b])
    document = lower(circuit).document
    plain = document.count("cz")
    assert routed_gates([document], 4, [(0, 1), (2, 3)]) == (plain,)
    assert routed_gates([document], 3, [(0, 1), (1, 2)]) == (plain,)
    assert routed_gates([document], 4, [(0, 1), (1, 2), (2, 3)])[0] > plain
