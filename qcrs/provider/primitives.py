"""Native primitives: `Sampler` and `Estimator` over one processor or the whole exchange.

All pubs and bindings of one `run` are one job on chain: one escrow, one commitment, one verdict. Shapes,
broadcasting, defaults and the kinds of errors are those of Qiskit's `BackendSamplerV2` and
`BackendEstimatorV2`; `precision=0` asks simulator nodes for exact values.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from qiskit.primitives.base import BaseEstimatorV2, BaseSamplerV2
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.sampler_pub import SamplerPub

from qcrs.provider.backend import ANY, QCRSBackend
from qcrs.provider.job import QCRSPrimitiveJob
from qcrs.provider.plans import Plan, plan_estimator, plan_sampler, read_estimator, read_sampler
from qcrs.provider.service import QCRSProvider
from qcrs.provider.settings import EstimatorOptions, ExchangeOptions, SamplerOptions, to_job_options

if TYPE_CHECKING:
    from qiskit.primitives import EstimatorPubLike, SamplerPubLike

    from qcrs.client.exchange import Exchange

    Mode = QCRSBackend | QCRSProvider | Exchange | str | None

__all__ = ["Estimator", "Sampler"]

OptionsT = TypeVar("OptionsT", bound=ExchangeOptions)


def _backend(mode: Mode) -> QCRSBackend:
    """The backend that a mode names; nothing means any processor of the exchange in the home folder."""
    if isinstance(mode, QCRSBackend):
        return mode
    if isinstance(mode, QCRSProvider):
        return mode.backend(ANY)
    if isinstance(mode, str):
        return QCRSProvider().backend(mode)
    if mode is None:
        return QCRSProvider().backend(ANY)
    return QCRSBackend(mode, None)


def _options(kind: type[OptionsT], given: OptionsT | Mapping[str, Any] | None) -> OptionsT:
    """Options from a mapping (an unknown name is a `TypeError`, as in Qiskit) or as they are."""
    if given is None:
        return kind()
    return kind(**given) if isinstance(given, Mapping) else given


class _Primitive:
    """What both primitives share: the backend, and submitting a plan as one job."""

    _mode: QCRSBackend

    @property
    def backend(self) -> QCRSBackend:
        """The backend that jobs go to."""
        return self._mode

    mode = backend

    def _submit(self, plan: Plan, options: ExchangeOptions) -> QCRSPrimitiveJob:
        exchange = self._mode.exchange
        if not plan.units:
            read = read_sampler if plan.note["kind"] == "sampler" else read_estimator
            return QCRSPrimitiveJob(exchange, 0, finished=read(plan.note, [], {}))
        chosen = to_job_options(options, self._mode.processor_id)
        return QCRSPrimitiveJob(exchange, exchange.submit(plan.units, chosen, note=json.dumps(plan.note)))


class Sampler(_Primitive, BaseSamplerV2):  # type: ignore[misc]  # qiskit ships no types
    """Samples circuits on the exchange; a drop-in for Qiskit's `BaseSamplerV2`.

    `mode` is a backend, its name, a provider, an exchange, or nothing for any processor of the exchange in
    the home folder.
    """

    def __init__(
        self, mode: Mode = None, *, options: SamplerOptions | Mapping[str, Any] | None = None
    ) -> None:
        self._mode = _backend(mode)
        self.options = _options(SamplerOptions, options)

    def run(self, pubs: Iterable[SamplerPubLike], *, shots: int | None = None) -> QCRSPrimitiveJob:
        """Run pubs (circuit, parameter values, shots) as one job."""
        default = self.options.default_shots if shots is None else shots
        coerced = [SamplerPub.coerce(pub, default) for pub in pubs]
        for index, pub in enumerate(coerced):
            if not pub.circuit.cregs:
                warnings.warn(
                    f"The {index}-th pub's circuit has no output classical registers and so the result "
                    "will be empty. Did you mean to add measurement instructions?",
                    UserWarning,
                    stacklevel=2,
                )
        return self._submit(plan_sampler(coerced, physical=self.options.physical), self.options)


class Estimator(_Primitive, BaseEstimatorV2):  # type: ignore[misc]  # qiskit ships no types
    """Estimates expectation values on the exchange; a drop-in for Qiskit's `BaseEstimatorV2`.

    A precision ε becomes ⌈1/ε²⌉ shots for each group of qubit-wise commuting terms; 0 asks a simulator for
    exact values (one call is either exact or sampled).
    """

    def __init__(
        self, mode: Mode = None, *, options: EstimatorOptions | Mapping[str, Any] | None = None
    ) -> None:
        self._mode = _backend(mode)
        self.options = _options(EstimatorOptions, options)

    def run(self, pubs: Iterable[EstimatorPubLike], *, precision: float | None = None) -> QCRSPrimitiveJob:
        """Run pubs (circuit, observables, parameter values, precision) as one job."""
        default = self.options.default_precision if precision is None else precision
        coerced = [EstimatorPub.coerce(pub, default) for pub in pubs]
        exact = [not pub.precision for pub in coerced]
        if any(exact) and not all(exact):
            raise ValueError(
                "One call is either exact (precision 0) or sampled; run the pubs of precision 0 on their own."
            )
        plan = plan_estimator(coerced, exact=bool(exact) and exact[0], physical=self.options.physical)
        return self._submit(plan, self.options)
