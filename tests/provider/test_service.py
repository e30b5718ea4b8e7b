"""Qiskit programs on the exchange: backends, jobs and primitives keep Qiskit's promises."""

from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import ClassicalRegister, Parameter, QuantumRegister
from qiskit.exceptions import QiskitError
from qiskit.primitives import (
    BackendEstimatorV2,
    BackendSamplerV2,
    BaseEstimatorV2,
    BaseSamplerV2,
    StatevectorEstimator,
    StatevectorSampler,
)
from qiskit.providers import BackendV2, JobStatus, JobV1
from qiskit.providers import JobError as QiskitJobError
from qiskit.providers import exceptions as qiskit_errors
from qiskit.quantum_info import SparsePauliOp, hellinger_distance

from qcrs.errors import AccountError, BackendError, InputError, JobError, JobTimeoutError
from qcrs.provider import Estimator, QCRSJob, QCRSPrimitiveJob, QCRSProvider, Sampler, SamplerOptions


@pytest.fixture
def provider(network: Any) -> QCRSProvider:
    return QCRSProvider(exchange=network.exchange("client"))


@pytest.fixture(autouse=True)
def working(desk: Any) -> Any:
    with desk.working():
        yield


def bell() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2, name="bell", metadata={"kind": "test"})
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


def sweep() -> QuantumCircuit:
    circuit = QuantumCircuit(QuantumRegister(2), ClassicalRegister(1, "left"), ClassicalRegister(1, "right"))
    circuit.ry(Parameter("a"), 0)
    circuit.cx(0, 1)
    circuit.rz(Parameter("b"), 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


# --------------------------------------------------------------------------- backends


def test_backends_are_found_by_name_number_width_and_filter(provider: QCRSProvider) -> None:
    assert [backend.name for backend in provider.backends()] == ["alice", "bob", "wide"]
    assert [backend.name for backend in provider.backends(min_num_qubits=9)] == ["wide"]
    assert [b.name for b in provider.backends(filters=lambda b: b.processor_id == 2)] == ["bob"]
    assert provider.backends(operational=False) == []
    for name in ("bob", 2, "2", "processor-2"):
        assert provider.backend(name).name == "bob"
    assert provider.backend().name == provider.backend("any").name == "exchange"
    with pytest.raises(BackendError, match="no such processor") as failure:
        provider.backend("nobody")
    assert "alice" in failure.value.solution
    assert provider.least_busy(min_num_qubits=9).name == "wide"
    with pytest.raises(BackendError, match="no certified processor"):
        provider.least_busy(min_num_qubits=99)


def test_a_target_has_certified_errors_and_serves_the_transpiler(provider: QCRSProvider) -> None:
    backend = provider.backend("alice")
    assert isinstance(backend, BackendV2)
    assert (backend.num_qubits, backend.max_circuits) == (8, None)
    assert backend.target["cz"][0, 1].error == pytest.approx(1e-4)
    assert backend.target["measure"][3,].error == pytest.approx(1e-4)
    done = transpile(bell(), backend, seed_transpiler=1)
    assert set(done.count_ops()) <= {"u", "cz", "measure"}
    anywhere = provider.backend()
    assert anywhere.num_qubits == 12
    assert anywhere.coupling_map is None
    assert set(transpile(bell(), anywhere).count_ops()) <= {"u", "cz", "measure"}
    assert anywhere.status()["operational"] is True


def test_options_are_checked_as_qiskit_checks_them(provider: QCRSProvider) -> None:
    backend = provider.backend("alice")
    assert backend.options.shots == 1024
    backend.set_options(shots=50)
    assert backend.options.shots == 50
    with pytest.raises(AttributeError):
        backend.set_options(nonsense=1)
    for bad in ({"shots": 0}, {"shots": 10**7}, {"shots": 1.5}, {"nonsense": 1}, {"priority": 9}):
        with pytest.raises(ValueError, match=r"\S") as failure:
            backend.run(bell(), **bad)
        assert isinstance(failure.value, InputError)
        assert failure.value.solution or "whole" in failure.value.reason
    for wrong in ([], ["OPENQASM 2.0;"], [None]):
        with pytest.raises(InputError, match="run takes"):
            backend.run(wrong)


# --------------------------------------------------------------------------- jobs


def test_circuits_that_measure_nothing_need_no_processor(provider: QCRSProvider) -> None:
    backend = provider.backend("bob")
    bare, unread = QuantumCircuit(2), QuantumCircuit(2, 3)
    for circuit in (bare, unread):
        circuit.h(0)
    before = len(provider.jobs(limit=None))
    job = backend.run([bare, unread], shots=20)
    job.wait_for_final_state(timeout=1)
    assert (job.status(), job.cancel(), job.queue_position(), job.usage()) == (JobStatus.DONE, False, None, 0)
    assert (job.error_message(), job.properties()) == (None, None)
    assert [row.header["name"] for row in job.result().results] == [bare.name, unread.name]
    with pytest.raises(QiskitJobError, match="nothing was measured"):
        job.certificate()
    expected = StatevectorSampler().run([unread], shots=20).result()[0].data.c
    for sampler in (BackendSamplerV2(backend=backend), Sampler(backend)):
        sampled = sampler.run([unread], shots=20)
        assert sampled.result()[0].data.c == expected
        assert sampled.done()
    assert len(provider.jobs(limit=None)) == before


def test_run_gives_counts_memory_and_a_certificate(provider: QCRSProvider) -> None:
    backend = provider.backend("bob")
    plain = QuantumCircuit(1, name="quiet")
    job = backend.run([bell(), plain, bell()], shots=300, memory=True)
    assert isinstance(job, JobV1)
    result = job.result(timeout=120)
    assert result.success
    assert result.job_id == job.job_id()
    assert result.backend_name == "bob"
    counts = result.get_counts(0)
    assert set(counts) <= {"00", "11"}
    assert sum(counts.values()) == 300
    memory = result.get_memory(2)
    assert len(memory) == 300
    assert set(memory) <= {"00", "11"}
    certificate = result.results[0].header["qcrs"]
    assert (certificate["verdict"], certificate["verified"]) == ("ACCEPT", True)
    assert certificate["score"] >= certificate["threshold"]
    assert certificate["interval"][0] <= certificate["score"] <= certificate["interval"][1]
    assert certificate["executions"][0]["processor_name"] == "bob"
    assert certificate["trail"].startswith("0x")
    assert certificate["payload"].startswith("bafkrei")
    assert result.results[0].header["metadata"] == {"kind": "test"}
    assert job.status() is JobStatus.DONE
    assert job.done()
    assert job.in_final_state()
    assert job.queue_position() is None
    assert job.error_message() is None
    assert job.usage() >= 0
    assert job.metrics()["timestamps"]["finished"]
    properties = job.properties()
    assert properties["name"] == "bob"
    assert properties["capability"]["quality"] == 3401
    assert properties["calibration"]["qcrs"] == "calibration/1"
    assert job.cancel() is False


def test_jobs_are_found_again_by_number(provider: QCRSProvider, network: Any) -> None:
    job = provider.backend("alice").run(bell(), shots=100)
    job.wait_for_final_state(timeout=60)
    other = QCRSProvider(exchange=network.exchange("client"))
    again = other.job(job.job_id())
    assert isinstance(again, QCRSJob)
    assert again.backend().name == "alice"
    assert again.result().get_counts() == job.result().get_counts()
    listed = other.jobs(limit=1)
    assert [one.job_id() for one in listed] == [job.job_id()]
    assert other.jobs(status="DONE", backend_name="alice")[0].job_id() == job.job_id()
    assert other.jobs(pending=True) == []
    foreign = QCRSProvider(exchange=network.exchange("rich"))
    with pytest.raises(JobError, match="another account"):
        foreign.job(job.job_id())


def test_waiting_reports_and_ends(provider: QCRSProvider, network: Any) -> None:
    network.processors[0].working = False
    try:
        job = provider.backend("alice").run(bell(), shots=100, deadline_seconds=400)
        assert job.status() is JobStatus.QUEUED
        assert job.queue_position() == 1
        seen: list[Any] = []
        with pytest.raises(qiskit_errors.JobTimeoutError) as failure:
            job.wait_for_final_state(timeout=0.3, wait=0.1, callback=lambda *values: seen.append(values))
        assert isinstance(failure.value, JobTimeoutError)
        assert seen[0] == (job.job_id(), JobStatus.QUEUED, job)
        with pytest.raises(QiskitJobError):
            job.result(timeout=0)
        assert job.cancel() is True
        assert job.cancelled()
        with pytest.raises(QiskitJobError, match="cancelled"):
            job.result()
    finally:
        network.processors[0].working = True


def test_with_the_node_stopped_a_job_ends_by_its_deadline_with_reason_and_remedy(
    provider: QCRSProvider, network: Any
) -> None:
    network.processors[0].working = False
    try:
        job = Sampler(mode=provider.backend("alice"), options={"deadline_seconds": 90}).run([bell()])
        network.embedded.travel(91)
        network.embedded.mine()
        with pytest.raises(JobTimeoutError, match="nobody took the job") as failure:
            job.result(timeout=60)
        assert isinstance(failure.value, QiskitError)
        assert "choose another processor" in failure.value.solution
        assert job.status() is JobStatus.ERROR
        assert "deadline" in job.error_message()
        assert job.info.executions == ()
    finally:
        network.processors[0].working = True


def test_qiskits_own_primitives_run_on_a_backend(provider: QCRSProvider) -> None:
    backend = provider.backend("alice")
    pubs = [(transpile(sweep(), backend, optimization_level=0), [[0.0, 0.1], [np.pi, 0.2]])]
    result = BackendSamplerV2(backend=backend, options={"default_shots": 200}).run(pubs).result()
    assert result[0].data.left.get_counts(0) == {"0": 200}
    assert result[0].data.right.get_counts(1) == {"1": 200}
    circuit = sweep().remove_final_measurements(inplace=False)
    done = transpile(circuit, backend)
    observable = SparsePauliOp("ZZ").apply_layout(done.layout)
    # Of 400 shots of so peaked a program two honest runs in a hundred stay undecided; 2,500 tell.
    estimator = BackendEstimatorV2(backend=backend, options={"default_precision": 0.02})
    estimate = estimator.run([(done, observable, [[0.3, 0.4]])]).result()
    assert estimate[0].data.evs == pytest.approx([1.0], abs=0.2)


# --------------------------------------------------------------------------- primitives


def test_sampler_is_one_job_and_agrees_with_the_statevector_sampler(provider: QCRSProvider) -> None:
    sampler = Sampler(mode=provider, options=SamplerOptions(default_shots=400))
    assert isinstance(sampler, BaseSamplerV2)
    before = len(provider.jobs(limit=None))
    pubs = [(sweep(), np.linspace(0, 2, 12).reshape(3, 2, 2)), bell(), (sweep(), [0.5, 0.1], 150)]
    job = sampler.run(pubs)
    assert isinstance(job, QCRSPrimitiveJob)
    ours = job.result(timeout=120)
    theirs = StatevectorSampler(seed=1).run(pubs, shots=400).result()
    assert len(provider.jobs(limit=None)) == before + 1
    for mine, yours in zip(ours, theirs, strict=True):
        assert mine.metadata == yours.metadata
        assert list(mine.data) == list(yours.data)
        for name in yours.data:
            a, b = mine.data[name], yours.data[name]
            assert (a.shape, a.num_shots, a.num_bits) == (b.shape, b.num_shots, b.num_bits)
            for index in np.ndindex(a.shape):
                assert hellinger_distance(a.get_counts(index), b.get_counts(index)) < 0.2
    certificate = ours.metadata["qcrs"]
    assert certificate["verdict"] == "ACCEPT"
    assert certificate["job"] == int(job.job_id())
    assert (job.done(), job.running(), job.cancelled(), job.in_final_state()) == (True, False, False, True)
    again = provider.job(job.job_id())
    assert isinstance(again, QCRSPrimitiveJob)
    assert np.array_equal(again.result()[0].data.left.array, ours[0].data.left.array)


def test_estimator_sampled_and_exact(provider: QCRSProvider) -> None:
    circuit = sweep().remove_final_measurements(inplace=False)
    observables = [[SparsePauliOp(["ZZ", "XI"], [1.0, 0.5])], [SparsePauliOp("IZ")]]
    pubs = [(circuit, observables, [[0.1, 0.2], [0.7, 0.3], [1.1, 0.5]])]
    exact = StatevectorEstimator().run(pubs).result()
    estimator = Estimator(mode=provider.backend("alice"), options={"default_precision": 0.05})
    assert isinstance(estimator, BaseEstimatorV2)
    sampled = estimator.run(pubs).result(timeout=120)
    assert sampled[0].data.evs.shape == exact[0].data.evs.shape == (2, 3)
    assert np.all(np.abs(sampled[0].data.evs - exact[0].data.evs) < 5 * sampled[0].data.stds + 0.01)
    assert sampled[0].metadata["shots"] == 400
    assert sampled.metadata["qcrs"]["verified"]
    noiseless = estimator.run(pubs, precision=0).result(timeout=120)
    np.testing.assert_allclose(noiseless[0].data.evs, exact[0].data.evs, atol=1e-8)
    assert noiseless.metadata["qcrs"]["decided_by"] == "V3 simulate"
    with pytest.raises(ValueError, match="either exact"):
        estimator.run([(*pubs[0], 0.0), (*pubs[0], 0.1)])


def test_many_pubs_are_one_job(provider: QCRSProvider) -> None:
    pubs = [(sweep(), [0.01 * index, 0.1], 3) for index in range(120)]
    result = Sampler(mode=provider.backend("bob")).run(pubs).result(timeout=300)
    assert len(result) == 120
    assert all(pub.data.left.num_shots == 3 for pub in result)


def test_the_same_seed_repeats_the_same_bits(provider: QCRSProvider, desk: Any) -> None:
    sampler = Sampler(mode=provider.backend("alice"), options={"seed_simulator": 5, "default_shots": 64})
    desk.seed = 0
    first = sampler.run([bell()]).result(timeout=60)
    desk.seed = 0
    second = sampler.run([bell()]).result(timeout=60)
    assert np.array_equal(first[0].data.c.array, second[0].data.c.array)


@pytest.mark.parametrize(
    ("pubs", "kind"),
    [
        ([(sweep(), [0.1])], ValueError),
        ([sweep()], ValueError),
        ([(bell(), None, -1)], ValueError),
        ([(bell(), None, 1.5)], TypeError),
        ([("not a circuit",)], TypeError),
        ([(bell(), None, 1, 2)], ValueError),
        (bell(), ValueError),
    ],
)
def test_bad_pubs_fail_as_they_do_in_qiskit(provider: QCRSProvider, pubs: Any, kind: type[Exception]) -> None:
    for sampler in (StatevectorSampler(), Sampler(mode=provider)):
        with pytest.raises(kind):
            sampler.run(pubs)


def test_bad_options_and_precisions_fail_as_they_do_in_qiskit(provider: QCRSProvider) -> None:
    with pytest.raises(TypeError):
        Sampler(mode=provider, options={"nonsense": 1})
    estimator = Estimator(mode=provider)
    circuit = QuantumCircuit(1)
    for wrong in (StatevectorEstimator(), estimator):
        with pytest.raises(ValueError, match="non-negative"):
            wrong.run([(circuit, "Z")], precision=-1)
        with pytest.raises(ValueError, match="number of qubits"):
            wrong.run([(circuit, "ZZ")])


def test_pubs_without_registers_warn_and_need_no_processor(provider: QCRSProvider) -> None:
    with pytest.warns(UserWarning, match="no output classical registers"):
        job = Sampler(mode=provider).run([QuantumCircuit(1)])
    assert list(job.result()[0].data) == []
    assert job.done()
    assert Sampler(mode=provider).run([]).result().metadata["version"] == 2


def test_redundancy_asks_distinct_providers(provider: QCRSProvider) -> None:
    job = Sampler(mode=provider, options={"redundancy": 2}).run([bell()], shots=200)
    certificate = job.result(timeout=120).metadata["qcrs"]
    accepted = [run for run in certificate["executions"] if run["state"] == "ACCEPTED"]
    assert len({run["processor"] for run in accepted}) == 2


def test_an_unfunded_account_is_told_what_to_do(network: Any) -> None:
    poor = QCRSProvider(exchange=network.exchange("poor"))
    with pytest.raises(AccountError, match="escrow is") as failure:
        poor.backend("alice").run(bell())
    assert failure.value.solution


def test_wide_circuits_are_refused_before_anything_is_paid(provider: QCRSProvider) -> None:
    wide = QuantumCircuit(13)
    wide.h(range(13))
    wide.measure_all()
    for run in (provider.backend("alice").run, provider.backend().run, Sampler(mode=provider).run):
        with pytest.raises(InputError, match="13 qubits"):
            run([wide])


def test_physical_jobs_keep_their_numbers_and_need_a_processor(provider: QCRSProvider) -> None:
    laid_out = QuantumCircuit(8, 2)
    laid_out.h(5)
    laid_out.cx(5, 2)
    laid_out.measure([5, 2], [0, 1])
    backend = provider.backend("alice")
    job = backend.run(laid_out, shots=100, physical=True)
    assert set(job.result(timeout=60).get_counts()) <= {"00", "11"}
    assert job.info.qubits == 2
    secret = provider.exchange.results.secret(provider.exchange.entry(job.job_id()))
    assert secret.physical
    assert secret.units[0].circuit["qubits"] == 8
    with pytest.raises(InputError, match="of one processor"):
        provider.backend().run(laid_out, physical=True)
    wide = QuantumCircuit(12, 1)
    wide.measure(11, 0)
    with pytest.raises(InputError, match="12 qubits"):
        backend.run(wide, physical=True)


def test_dynamic_circuits_run(provider: QCRSProvider) -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    circuit.measure(1, 1)
    counts = provider.backend("bob").run(circuit, shots=200).result(timeout=60).get_counts()
    assert set(counts) <= {"00", "11"}
    assert len(counts) == 2
