"""The Qiskit-facing service: provider, backends, jobs and native primitives of the exchange."""

from qcrs.provider.backend import QCRSBackend
from qcrs.provider.job import QCRSJob, QCRSPrimitiveJob
from qcrs.provider.primitives import Estimator, Sampler
from qcrs.provider.service import QCRSProvider
from qcrs.provider.settings import EstimatorOptions, SamplerOptions

__all__ = [
    "Estimator",
    "EstimatorOptions",
    "QCRSBackend",
    "QCRSJob",
    "QCRSPrimitiveJob",
    "QCRSProvider",
    "Sampler",
    "SamplerOptions",
]
