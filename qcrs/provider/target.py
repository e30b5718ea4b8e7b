"""A processor's public description as Qiskit's `Target`.

Gates, coupling and claimed errors come from the processor's metadata and its calibration document; where a
certificate is live, what the oracles measured takes the place of what the provider claims, since a
transpiler should choose qubits by errors that somebody checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qiskit.circuit import (
    Delay,
    ForLoopOp,
    IfElseOp,
    Instruction,
    Measure,
    Parameter,
    Reset,
    SwitchCaseOp,
    WhileLoopOp,
)
from qiskit.circuit.controlflow import BreakLoopOp, ContinueLoopOp
from qiskit.circuit.library import CZGate, UGate
from qiskit.circuit.library.standard_gates import get_standard_gate_name_mapping
from qiskit.providers import QubitProperties
from qiskit.transpiler import InstructionProperties, Target

from qcrs.chain.bindings import Capability

__all__ = ["any_target", "processor_target"]

NANO = 1e-9
_CONTROL: Mapping[str, type[Instruction]] = {
    "if_else": IfElseOp,
    "while_loop": WhileLoopOp,
    "for_loop": ForLoopOp,
    "switch_case": SwitchCaseOp,
    "break_loop": BreakLoopOp,
    "continue_loop": ContinueLoopOp,
}


def _with_control(target: Target, names: Sequence[str]) -> Target:
    for name in names:
        target.add_instruction(_CONTROL[name], name=name)
    return target


def any_target(qubits: int) -> Target:
    """{u, cz} on all pairs of as many qubits as the widest processor has: whatever fits will be placed."""
    target = Target("any processor of the exchange", num_qubits=qubits)
    target.add_instruction(UGate(Parameter("theta"), Parameter("phi"), Parameter("lam")))
    target.add_instruction(CZGate())
    target.add_instruction(Measure())
    target.add_instruction(Reset())
    target.add_instruction(Delay(Parameter("t")))
    return _with_control(target, list(_CONTROL))


def _known(value: Any) -> float | None:
    """A claimed error, None where the provider says nothing (-1)."""
    return value * NANO if type(value) is int and value >= 0 else None


def _qubit_properties(calibration: Mapping[str, Any], qubits: int) -> list[QubitProperties] | None:
    times = calibration.get("t1_t2_ns")
    if not isinstance(times, list) or len(times) != qubits:
        return None
    return [QubitProperties(t1=_known(t1), t2=_known(t2)) for t1, t2 in times]


def _readout(
    calibration: Mapping[str, Any], capability: Capability | None, report: Mapping[str, Any], qubits: int
) -> list[float | None]:
    """Readout error of each qubit: as certified, else the certified mean, else as claimed."""
    measured = (report.get("readout") or {}).get("error_nano")
    if isinstance(measured, list) and len(measured) == qubits:
        return [_known(value) for value in measured]
    if capability is not None:
        return [capability.readout_error * NANO] * qubits
    claimed = calibration.get("readout_nano")
    if isinstance(claimed, list) and len(claimed) == qubits:
        return [_known(value) for value in claimed]
    return [None] * qubits


def processor_target(
    metadata: Mapping[str, Any],
    *,
    qubits: int,
    calibration: Mapping[str, Any] | None = None,
    capability: Capability | None = None,
    report: Mapping[str, Any] | None = None,
) -> Target:
    """The target of one processor; unknown gate names of its metadata are left out."""
    claims = calibration or {}
    target = Target(
        str(metadata.get("name", "")), num_qubits=qubits, qubit_properties=_qubit_properties(claims, qubits)
    )
    pairs = [
        both
        for a, b in metadata.get("coupling", [])
        if 0 <= a < qubits and 0 <= b < qubits and a != b
        for both in ((a, b), (b, a))
    ]
    claimed = {
        (name, a, b): _known(error) for name, a, b, error in claims.get("two_qubit_nano", []) if error >= 0
    }
    certified = capability.error_per_layered_gate * NANO if capability is not None else None
    readout = _readout(claims, capability, report or {}, qubits)
    gates = get_standard_gate_name_mapping()
    basis = [str(name) for name in metadata.get("basis", [])]
    for name in basis:
        gate = gates.get(name)
        if name in _CONTROL or gate is None or name in ("measure", "reset", "delay"):
            continue
        if gate.num_qubits == 1:
            target.add_instruction(gate, dict.fromkeys((qubit,) for qubit in range(qubits)))
        elif gate.num_qubits == 2:
            target.add_instruction(
                gate,
                {
                    pair: InstructionProperties(
                        error=certified if certified is not None else claimed.get((name, *pair))
                    )
                    for pair in pairs
                },
            )
    target.add_instruction(
        Measure(), {(qubit,): InstructionProperties(error=readout[qubit]) for qubit in range(qubits)}
    )
    if "reset" in basis:
        target.add_instruction(Reset(), dict.fromkeys((qubit,) for qubit in range(qubits)))
    target.add_instruction(Delay(Parameter("t")), dict.fromkeys((qubit,) for qubit in range(qubits)))
    return _with_control(target, [name for name in _CONTROL if name in basis])
