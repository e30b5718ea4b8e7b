"""Backends: one for each processor of the exchange, and one for "any processor that fits".

`run` puts all circuits of one call into one job on chain. A job of a processor's backend is targeted at
it: with its node stopped it ends by its deadline with a clear error and never runs anywhere else. The
exchange's own backend lets the fair queue choose.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from qiskit.circuit import QuantumCircuit
from qiskit.providers import BackendV2, Options
from qiskit.result import Result
from qiskit.transpiler import Target

from qcrs.client.views import ProcessorInfo
from qcrs.errors import InputError
from qcrs.provider.job import QCRSJob
from qcrs.provider.plans import Plan
from qcrs.provider.runs import plan_run, read_run
from qcrs.provider.settings import backend_options, merged, to_job_options
from qcrs.provider.target import any_target, processor_target

if TYPE_CHECKING:
    from qcrs.client.exchange import Exchange

__all__ = ["ANY", "QCRSBackend"]

ANY = "exchange"
"""Name of the backend whose jobs may run on any certified processor."""


class QCRSBackend(BackendV2):  # type: ignore[misc]  # qiskit ships no types
    """A processor of the exchange, or all of them (`processor` None).

    The layout of a transpiled circuit is kept only with `physical=True`; otherwise the node places it, and
    qubits that nothing touches are neither asked nor paid for.
    """

    def __init__(self, exchange: Exchange, processor: ProcessorInfo | None) -> None:
        self.exchange = exchange
        self.processor = processor
        metadata = processor.metadata if processor is not None else {}
        version = str((metadata.get("backend") or {}).get("version", "1")) if processor is not None else "1"
        super().__init__(
            name=processor.name if processor is not None else ANY,
            description=f"processor {processor.id} of provider {processor.provider}"
            if processor is not None
            else "any certified processor of the exchange",
            backend_version=version,
        )
        self._target: Target | None = None

    def __repr__(self) -> str:
        return f"<QCRSBackend({self.name!r})>"

    @classmethod
    def _default_options(cls) -> Options:
        return backend_options()

    @property
    def processor_id(self) -> int:
        """The processor's number on chain; 0 for any."""
        return 0 if self.processor is None else self.processor.id

    @property
    def target(self) -> Target:
        """Gates, coupling and errors: certified where a certificate is live, else as claimed."""
        if self._target is None:
            self._target = self._make_target()
        return self._target

    def _make_target(self) -> Target:
        one = self.processor
        if one is None:
            widths = [p.qubits for p in self.exchange.processors() if p.operational and p.certified]
            return any_target(max(widths, default=1))
        return processor_target(
            one.metadata,
            qubits=one.qubits,
            calibration=self.exchange.linked(one.metadata.get("calibration")),
            capability=one.capability if one.certified else None,
            report=self.exchange.linked(one.report) if one.certified else None,
        )

    @property
    def max_circuits(self) -> None:
        """No limit of its own: all circuits of a call are one job."""
        return

    def status(self) -> dict[str, Any]:
        """Whether it takes jobs now, and how many wait for it."""
        if self.processor is None:
            ready = [p for p in self.exchange.processors() if p.operational and p.certified]
            return {
                "backend_name": self.name,
                "operational": bool(ready),
                "pending_jobs": len([1 for job in self.exchange.jobs(pending=True) if not job.target]),
            }
        one = self.exchange.processor(self.processor.id)
        return {
            "backend_name": self.name,
            "operational": one.operational,
            "certified": one.certified,
            "pending_jobs": one.direct_queue,
            "free_qubits": one.free_qubits,
        }

    def _unmeasured(self, plan: Plan) -> Result:
        """The result of circuits that measure nothing, which needs no processor."""
        return read_run(
            plan.note,
            [],
            backend_name=self.name,
            backend_version=self.backend_version,
            job_id="0",
            date=datetime.now(UTC),
            certificate={},
        )

    def run(self, run_input: QuantumCircuit | Sequence[QuantumCircuit], **options: Any) -> QCRSJob:
        """Submit circuits as one job; options as in `ExchangeOptions`, with `shots` and `memory`.

        Raises `InputError` for what cannot be run and `AccountError` when the escrow is not covered, before
        anything is stored or paid.
        """
        circuits = [run_input] if isinstance(run_input, QuantumCircuit) else list(run_input)
        if not circuits or not all(isinstance(circuit, QuantumCircuit) for circuit in circuits):
            raise InputError(
                "run takes a circuit or a list of circuits",
                field="run_input",
                value=[type(circuit).__name__ for circuit in circuits][:5],
                solution="pass QuantumCircuit objects",
            )
        chosen = merged(self.options, options)
        plan = plan_run(
            circuits, int(chosen.shots), memory=bool(chosen.memory), physical=bool(chosen.physical)
        )
        if not plan.units:  # nothing is measured
            return QCRSJob(self.exchange, 0, self, finished=self._unmeasured(plan))
        number = self.exchange.submit(
            plan.units, to_job_options(chosen, self.processor_id), note=json.dumps(plan.note)
        )
        return QCRSJob(self.exchange, number, self)
