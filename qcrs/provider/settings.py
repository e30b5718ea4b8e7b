"""Options of backends and primitives: Qiskit's own, and what the exchange adds to them.

One table says what every option means and how it reaches the job; backends check values as Qiskit's
`Options` do, primitives as dataclasses do (an unknown name is a `TypeError`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qiskit.providers import Options

from qcrs.client.documents import MAX_SHOTS, MAX_VALUE
from qcrs.client.views import JobOptions
from qcrs.errors import InputError

__all__ = [
    "EstimatorOptions",
    "ExchangeOptions",
    "SamplerOptions",
    "backend_options",
    "merged",
    "to_job_options",
]


@dataclass(slots=True)
class ExchangeOptions:
    """What a job may ask of the exchange. None means: estimated from the circuits.

    `redundancy` accepted executions by distinct providers out of at most `max_executions`; `trust`: the
    odds that their reputations must reach; `value`: what a wrong answer may be worth to somebody, in base
    units (more audits and executions); `quality`: least certified quality; `priority`: class 0, 1 or 2;
    `flow`: the consortium's share that is charged; `declared_seconds`: time limit of one execution;
    `deadline_seconds`: when everything unsettled comes back; `physical`: qubit numbers are the
    processor's own, so layout and routing stay as they are; `seed_simulator`: repeat the same random
    numbers on simulators.
    """

    redundancy: int = 1
    max_executions: int | None = None
    trust: int = 2
    value: int = 0
    quality: int = 0
    priority: int = 0
    flow: int = 0
    declared_seconds: int | None = None
    deadline_seconds: int | None = None
    physical: bool = False
    seed_simulator: int | None = None


@dataclass(slots=True)
class SamplerOptions(ExchangeOptions):
    """Options of `Sampler`; `default_shots` as in `BackendSamplerV2`."""

    default_shots: int = 1024


@dataclass(slots=True)
class EstimatorOptions(ExchangeOptions):
    """Options of `Estimator`; `default_precision` as in `BackendEstimatorV2` (1/64: 4096 shots)."""

    default_precision: float = 0.015625


_FIELDS = tuple(ExchangeOptions.__dataclass_fields__)


def backend_options() -> Options:
    """Default run options of a backend, with validators."""
    defaults = ExchangeOptions()
    options = Options(shots=1024, memory=False, **{name: getattr(defaults, name) for name in _FIELDS})
    options.set_validator("shots", (1, MAX_SHOTS))
    options.set_validator("memory", bool)
    options.set_validator("redundancy", (1, 5))
    options.set_validator("trust", (2, 255))
    options.set_validator("value", (0, MAX_VALUE))
    options.set_validator("quality", (0, 4095))
    options.set_validator("priority", (0, 2))
    options.set_validator("physical", bool)
    return options


def merged(defaults: Options, given: dict[str, Any]) -> Options:
    """Defaults with the given values; `InputError` (a `ValueError`) for an unknown name or a bad value."""
    unknown = sorted(name for name, value in given.items() if name not in defaults and value is not None)
    if unknown:
        raise InputError(
            "no such option of this backend",
            field="option",
            value=", ".join(unknown),
            solution=f"known are {', '.join(sorted(defaults))}",
        )
    options = backend_options()
    values = {**dict(defaults), **{name: value for name, value in given.items() if name in defaults}}
    if type(values["shots"]) is not int and not hasattr(values["shots"], "__index__"):
        raise InputError("shots is a whole number", field="shots", value=values["shots"])
    try:
        options.update_options(**values)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"an option has a value out of range: {error}",
            field="options",
            solution=f"shots are 1 to {MAX_SHOTS:,}; see the options' descriptions in ExchangeOptions",
        ) from error
    return options


def to_job_options(options: ExchangeOptions | Options, target: int) -> JobOptions:
    """The job options of an exchange for a processor, 0 for any."""
    return JobOptions(
        target=target,
        flow=options.flow,
        quality=options.quality,
        class_=options.priority,
        redundancy=options.redundancy,
        max_executions=options.max_executions,
        trust=options.trust,
        value=options.value,
        declared_seconds=options.declared_seconds,
        deadline_seconds=options.deadline_seconds,
        physical=bool(options.physical),
        simulator_seed=options.seed_simulator,
    )
