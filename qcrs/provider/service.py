"""The provider: finds backends and jobs of one exchange, as other Qiskit providers do."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qcrs.client.exchange import Exchange
from qcrs.client.views import JobInfo, ProcessorInfo, Status
from qcrs.config.home import Home
from qcrs.errors import BackendError, JobError
from qcrs.provider.backend import ANY, QCRSBackend
from qcrs.provider.job import QCRSJob, QCRSPrimitiveJob

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

__all__ = ["QCRSProvider"]


class QCRSProvider:
    """Backends and jobs of the exchange that a home folder names.

    `home` is the folder (`$QCRS_HOME`, else `.qcrs`), `account` a key or the name of one in it.
    """

    def __init__(
        self,
        home: Home | str | os.PathLike[str] | None = None,
        account: LocalAccount | str | None = None,
        *,
        exchange: Exchange | None = None,
    ) -> None:
        self.exchange = exchange or Exchange.connect(home, account=account)

    def __repr__(self) -> str:
        return f"QCRSProvider({str(self.exchange.home.root)!r})"

    # ----------------------------------------------------------------- backends

    def backends(
        self,
        name: str | None = None,
        *,
        min_num_qubits: int | None = None,
        operational: bool | None = True,
        certified: bool | None = None,
        filters: Callable[[QCRSBackend], bool] | None = None,
    ) -> list[QCRSBackend]:
        """Processors as backends, in the order they registered (the exchange is `backend("exchange")`)."""
        found = []
        for one in self.exchange.processors():
            if name is not None and not _named(one, name):
                continue
            if min_num_qubits is not None and one.qubits < min_num_qubits:
                continue
            if operational is not None and one.operational is not operational:
                continue
            if certified is not None and one.certified is not certified:
                continue
            backend = QCRSBackend(self.exchange, one)
            if filters is None or filters(backend):
                found.append(backend)
        return found

    def backend(self, name: str | int = ANY) -> QCRSBackend:
        """A processor's backend by name, number or `processor-<number>`; "exchange" (or "any") for all."""
        if name in (ANY, "any"):
            return QCRSBackend(self.exchange, None)
        found = self.backends(str(name), operational=None)
        if len(found) == 1:
            return found[0]
        known = ", ".join(one.name for one in self.exchange.processors()) or "none yet"
        numbers = ", ".join(str(backend.processor_id) for backend in found)
        raise BackendError(
            "several processors have this name" if found else "no such processor",
            field="name",
            value=name,
            solution=f"use one of their numbers: {numbers}" if found else f"known are: {known}; or {ANY}",
        )

    def least_busy(
        self,
        min_num_qubits: int | None = None,
        *,
        filters: Callable[[QCRSBackend], bool] | None = None,
    ) -> QCRSBackend:
        """The certified processor with the fewest waiting jobs; among equals the one of highest quality."""
        ready = self.backends(min_num_qubits=min_num_qubits, certified=True, filters=filters)
        if not ready:
            raise BackendError(
                "no certified processor fits",
                field="min_num_qubits",
                value=min_num_qubits,
                solution="look at `qcrs processor list`: nodes may still be certified, or be too small",
            )

        def load(backend: QCRSBackend) -> tuple[float, int, int]:
            one = backend.processor
            assert one is not None  # noqa: S101  (backends() lists processors only)
            return (one.direct_queue + 1 - one.free_qubits / one.qubits, -one.quality, one.id)

        return min(ready, key=load)

    # ----------------------------------------------------------------- jobs

    def job(self, job_id: str | int) -> QCRSJob | QCRSPrimitiveJob:
        """A job by its number, also after a restart and on another machine with the same key."""
        info = self.exchange.job(job_id, gas=False)
        return self._handle(info)

    def jobs(
        self,
        limit: int | None = 10,
        skip: int = 0,
        *,
        pending: bool | None = None,
        status: Status | str | None = None,
        created_after: int | None = None,
        backend_name: str | None = None,
    ) -> list[QCRSJob | QCRSPrimitiveJob]:
        """This account's jobs, newest first."""
        word = Status(status) if isinstance(status, str) else status
        found = [
            info
            for info in self.exchange.jobs(client=self.exchange.address, pending=pending)
            if (word is None or info.status is word)
            and (created_after is None or info.submitted_at > created_after)
            and (backend_name is None or self._ran_on(info, backend_name))
        ]
        end = None if limit is None else skip + limit
        return [self._handle(info) for info in found[skip:end]]

    def _ran_on(self, info: JobInfo, name: str) -> bool:
        if any(name in (run.processor_name, str(run.processor)) for run in info.executions):
            return True
        if not info.target:
            return name in (ANY, "any")
        return _named(self.exchange.processor(info.target), name)

    def _handle(self, info: JobInfo) -> QCRSJob | QCRSPrimitiveJob:
        kind = self._kind(info)
        if kind in ("sampler", "estimator"):
            return QCRSPrimitiveJob(self.exchange, info.id)
        backend = QCRSBackend(self.exchange, self.exchange.processor(info.target) if info.target else None)
        return QCRSJob(self.exchange, info.id, backend)

    def _kind(self, info: JobInfo) -> Any:
        """What the job was submitted as; only its own client can tell."""
        import json

        if info.client.lower() != self.exchange.address.lower():
            raise JobError(
                "the job belongs to another account",
                field="job",
                value=info.id,
                solution="choose the account that submitted it; anyone can check it with `qcrs verify`",
            )
        note = self.exchange.results.secret(self.exchange.entry(info.id)).note
        try:
            found = json.loads(note)
        except ValueError:
            return None
        return found.get("kind") if isinstance(found, dict) else None


def _named(processor: ProcessorInfo, name: str) -> bool:
    return name in (processor.name, str(processor.id), f"processor-{processor.id}")
