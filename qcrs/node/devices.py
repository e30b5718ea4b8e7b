"""Devices: any Qiskit `BackendV2`, opened by one line of text, and what it says of itself.

    aer:noisy-a                     noise A: two-qubit error 1e-3, readout 1 %, on a line of 20 qubits
    aer:noisy-b?qubits=8&p2=5e-3    noise B with other numbers; also coupling=line|grid|full, readout=…
    aer:ideal                       noiseless
    together:net.yaml?members=a:4,b:4   two processors that share entanglement (see `qcrs.node.together`)
    fake:FakeBrisbane               a device of qiskit-ibm-runtime, noise as it was last calibrated
    package.module:factory?key=7    whatever the factory returns

One-qubit errors are a tenth of the two-qubit ones. Errors are total Pauli error probabilities (the
probability that a gate is followed by some Pauli other than I), as in Stim's DEPOLARIZE1 and DEPOLARIZE2.

Nothing here may run in a node's own process: devices live in the limited child (`qcrs.node.runner`).
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from qiskit.circuit import Delay, IfElseOp, Measure, Parameter, Reset, SwitchCaseOp, WhileLoopOp
from qiskit.circuit.controlflow import BreakLoopOp, ContinueLoopOp, ForLoopOp
from qiskit.circuit.library import CZGate, UGate
from qiskit.providers import BackendV2
from qiskit.transpiler import InstructionProperties, Target

from qcrs.errors import BackendError, QCRSError
from qcrs.types import Json

__all__ = [
    "CONTROL_FLOW",
    "NOISE",
    "UNION_PREFIX",
    "Device",
    "Noise",
    "calibration",
    "couplings",
    "located",
    "metadata",
    "open_device",
    "union_of",
]

if TYPE_CHECKING:
    from qcrs.node.together import Union

NANO = 10**9
UNION_PREFIX = "together:"
"""Of specs that name a union of processors."""

CONTROL_FLOW: Mapping[str, type] = {
    "if_else": IfElseOp,
    "while_loop": WhileLoopOp,
    "for_loop": ForLoopOp,
    "switch_case": SwitchCaseOp,
    "break_loop": BreakLoopOp,
    "continue_loop": ContinueLoopOp,
}
"""Operations that simulated devices take besides gates, by their names in a target."""


@dataclass(frozen=True, slots=True)
class Noise:
    """A uniform noise model: total Pauli error of a two-qubit gate, flip probability of a readout."""

    p2: float
    readout: float

    def __post_init__(self) -> None:
        if not 0 <= self.p2 <= 0.5 or not 0 <= self.readout <= 0.5:
            raise BackendError(
                "an error probability lies between 0 and 0.5",
                field="noise",
                value=f"p2={self.p2}, readout={self.readout}",
                solution="give p2 and readout as fractions, as p2=1e-3&readout=0.01",
            )

    @property
    def p1(self) -> float:
        """Error of a one-qubit gate: a tenth of the two-qubit one."""
        return self.p2 / 10

    def gate(self, name: str, qubits: tuple[int, ...]) -> float:  # noqa: ARG002  (a device may tell names apart)
        """Total Pauli error of a gate on these qubits."""
        return self.p1 if len(qubits) == 1 else self.p2

    def flips(self, qubit: int) -> tuple[float, float]:  # noqa: ARG002  (the same for every qubit)
        """Probability to read 1 for 0, and 0 for 1."""
        return self.readout, self.readout


NOISE: Mapping[str, Noise] = {
    "ideal": Noise(0.0, 0.0),
    "noisy-a": Noise(1e-3, 0.01),
    "noisy-b": Noise(1e-2, 0.02),
}


@dataclass(frozen=True, slots=True)
class Device:
    """An opened device: `exact` if noiseless expectation values can be asked of it."""

    spec: str
    backend: BackendV2
    simulator: bool

    @property
    def qubits(self) -> int:
        """How many qubits it has."""
        return int(self.backend.num_qubits or 0)


def couplings(kind: str, qubits: int) -> list[tuple[int, int]]:
    """Pairs (a < b) of a line, of the squarest grid (row by row), or of all qubits."""
    if kind == "line":
        return [(q, q + 1) for q in range(qubits - 1)]
    if kind == "grid":
        width = math.isqrt(qubits - 1) + 1
        right = [(q, q + 1) for q in range(qubits - 1) if (q + 1) % width]
        return sorted(right + [(q, q + width) for q in range(qubits - width)])
    if kind == "full":
        return [(a, b) for b in range(qubits) for a in range(b)]
    raise BackendError(
        "no such coupling", field="coupling", value=kind, solution="use coupling=line, grid or full"
    )


def _target(qubits: int, pairs: Sequence[tuple[int, int]], noise: Noise) -> Target:
    """The basis {u, cz} with measurement, reset, delay and control flow."""
    target = Target(num_qubits=qubits)
    singles = [(q,) for q in range(qubits)]
    both = [pair for a, b in pairs for pair in ((a, b), (b, a))]
    angles = [Parameter(name) for name in ("theta", "phi", "lam")]
    target.add_instruction(UGate(*angles), {q: InstructionProperties(error=noise.p1) for q in singles})
    target.add_instruction(CZGate(), {p: InstructionProperties(error=noise.p2) for p in both})
    target.add_instruction(Measure(), {q: InstructionProperties(error=noise.readout) for q in singles})
    target.add_instruction(Reset(), dict.fromkeys(singles))
    target.add_instruction(Delay(Parameter("t")), dict.fromkeys(singles))
    for name, operation in CONTROL_FLOW.items():
        target.add_instruction(operation, name=name)
    return target


def _options(query: str, spec: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(query, strict_parsing=True)) if query else {}
    except ValueError as error:
        raise BackendError(
            "options of a device are written key=value&key=value",
            field="backend",
            value=spec,
            solution="as in aer:noisy-a?qubits=8&coupling=grid",
        ) from error


def _number(options: dict[str, str], key: str, default: float) -> float:
    text = options.pop(key, None)
    try:
        return default if text is None else float(text)
    except ValueError:
        raise BackendError(
            f"{key} must be a number",
            field=key,
            value=text,
            solution=f"write {key}={default:g}, for instance",
        ) from None


def _open_aer(name: str, options: dict[str, str], spec: str) -> BackendV2:
    from qcrs.node.simulator import PauliNoiseSimulator

    base = NOISE.get(name)
    if base is None:
        raise BackendError(
            "no such noise model", field="backend", value=spec, solution=f"one of {', '.join(NOISE)}"
        )
    noise = Noise(_number(options, "p2", base.p2), _number(options, "readout", base.readout))
    qubits = _number(options, "qubits", 20)
    kind = options.pop("coupling", "line")
    if options:
        raise BackendError(
            "unknown option of an aer device",
            field="backend",
            value=", ".join(options),
            solution="known: qubits, coupling, p2, readout",
        )
    if not 1 <= qubits <= 4095 or qubits != int(qubits):
        raise BackendError(
            "a device has 1 to 4095 qubits",
            field="qubits",
            value=f"{qubits:g}",
            solution="give a whole number, as qubits=20",
        )
    width = int(qubits)
    return PauliNoiseSimulator(name, _target(width, couplings(kind, width), noise), noise)


def located(spec: str) -> str:
    """The spec with the file that it may name as a whole path: children work in another folder."""
    if not spec.startswith(UNION_PREFIX):
        return spec
    place, mark, query = spec.removeprefix(UNION_PREFIX).partition("?")
    return UNION_PREFIX + str(Path(place).expanduser().resolve()) + mark + query


def union_of(spec: str) -> Union:
    """The union that a spec `together:…` names."""
    from qcrs.node.together import read_union

    place, _, query = spec.removeprefix(UNION_PREFIX).partition("?")
    options = _options(query, spec)
    found = read_union(place, options, _number)
    if options:
        raise BackendError(
            "unknown option of a union",
            field="backend",
            value=", ".join(options),
            solution="known: members, p2, readout",
        )
    return found


def _open_fake(name: str, options: dict[str, str], spec: str) -> BackendV2:
    try:
        from qiskit_ibm_runtime import fake_provider

        from qcrs.node.calibrated import CalibratedSimulator
    except ImportError as error:
        raise BackendError(
            f"this device needs {error.name}", field="backend", value=spec, solution="pip install 'qcrs[ibm]'"
        ) from error
    factory = getattr(fake_provider, name, None)
    if options or not (isinstance(factory, type) and issubclass(factory, BackendV2)):
        raise BackendError(
            "no such device in qiskit_ibm_runtime.fake_provider",
            field="backend",
            value=spec,
            solution="write fake:FakeBrisbane, without options",
        )
    return CalibratedSimulator(factory())


def _open_factory(place: str, options: dict[str, str], spec: str) -> BackendV2:
    module, _, name = place.partition(":")
    try:
        factory: Callable[..., Any] = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise BackendError(
            f"the device's factory cannot be found: {error}",
            field="backend",
            value=spec,
            solution="write MODULE:FACTORY; the module must be importable where the node runs",
        ) from error
    values: dict[str, object] = {}
    for key, text in options.items():
        try:
            values[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            values[key] = text
    try:
        backend = factory(**values)
    except QCRSError:
        raise
    except Exception as error:  # a factory is somebody else's program and raises what it likes
        raise BackendError(
            f"the device's factory failed: {type(error).__name__}: {error}",
            field="backend",
            value=spec,
            solution="give its arguments as MODULE:FACTORY?name=value&name=value, and try it in Python",
        ) from error
    if not isinstance(backend, BackendV2):
        raise BackendError(
            f"the factory returned a {type(backend).__name__}, not a BackendV2",
            field="backend",
            value=spec,
            solution="name a function that returns a qiskit.providers.BackendV2",
        )
    return backend


def open_device(spec: str) -> Device:
    """Open the device that `spec` names; `BackendError` with the remedy where it cannot."""
    place, _, query = spec.partition("?")
    kind, _, name = place.partition(":")
    options = _options(query, spec)
    if not name:
        raise BackendError(
            "a device is named KIND:NAME",
            field="backend",
            value=spec,
            solution="use aer:noisy-a, fake:FakeBrisbane, together:TOPOLOGY.yaml?members=… or MODULE:FACTORY",
        )
    if kind == "aer":
        return Device(spec, _open_aer(name, options, spec), True)
    if kind == "together":
        from qcrs.node.together import open_union

        return Device(spec, open_union(union_of(spec)), True)
    if kind == "fake":
        return Device(spec, _open_fake(name, options, spec), True)
    backend = _open_factory(place, options, spec)
    return Device(spec, backend, bool(getattr(backend, "simulator", False)))


def _pairs(target: Target) -> list[list[int]]:
    """Undirected pairs with a two-qubit gate, sorted; all pairs where the target does not restrict them.

    Pairs whose gate does not work are left out; calibrations give them an error of 1.
    """
    coupling = target.build_coupling_map()
    if coupling is None:
        return [list(pair) for pair in couplings("full", int(target.num_qubits or 0))]
    dead = {
        frozenset(qubits)
        for name in target.operation_names
        for qubits, properties in (target[name] or {}).items()
        if qubits is not None and len(qubits) == 2 and properties is not None and properties.error == 1
    }
    edges = {(min(edge), max(edge)) for edge in coupling.get_edges() if frozenset(edge) not in dead}
    return [list(edge) for edge in sorted(edges)]


def metadata(device: Device, *, name: str, hpke: str, calibration_cid: str) -> Json:
    """The processor's public document (`processor/1` of the protocol)."""
    target = device.backend.target
    basis = sorted(op for op in target.operation_names if op not in ("barrier", "id"))
    return {
        "qcrs": "processor/1",
        "name": name,
        "hpke": hpke,
        "qubits": device.qubits,
        "basis": basis,
        "coupling": _pairs(target),
        "simulator": device.simulator,
        "exact": device.simulator,
        "backend": {
            "name": str(device.backend.name),
            "version": str(device.backend.backend_version or "1"),
        },
        "calibration": calibration_cid,
    }


def calibration(device: Device) -> Json:
    """What the device claims of its errors, in units of 1e-9 and nanoseconds; -1 where it says nothing."""
    target = device.backend.target

    def nano(properties: InstructionProperties | None) -> int:
        error = None if properties is None else properties.error
        return -1 if error is None else round(error * NANO)

    pairs = []
    for name in target.operation_names:
        for qubits, properties in (target[name] or {}).items():
            if qubits is not None and len(qubits) == 2:
                pairs.append([name, qubits[0], qubits[1], nano(properties)])
    readout = target["measure"] if "measure" in target.operation_names else {}
    properties = target.qubit_properties or []
    times = [[getattr(q, "t1", None), getattr(q, "t2", None)] for q in properties]
    return {
        "qcrs": "calibration/1",
        "two_qubit_nano": sorted(pairs),
        "readout_nano": [nano(readout.get((q,))) for q in range(device.qubits)],
        "t1_t2_ns": [[-1 if t is None else round(t * NANO) for t in both] for both in times],
    }
