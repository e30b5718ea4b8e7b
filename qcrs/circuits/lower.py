"""Lowering: any Qiskit circuit becomes a circuit document in the basis {u, cz}.

The transpiler unrolls and merges runs of one-qubit gates (level 1, seeded, no coupling map, so
qubit numbers stay); boxes are opened and loops unrolled first. What a document cannot hold – free
parameters, classical variables, opaque gates – is refused with the remedy.
"""

from __future__ import annotations

from dataclasses import dataclass

from qiskit import transpile
from qiskit.circuit import (
    BoxOp,
    BreakLoopOp,
    CircuitInstruction,
    ContinueLoopOp,
    ControlFlowOp,
    Delay,
    ForLoopOp,
    IfElseOp,
    Measure,
    Parameter,
    QuantumCircuit,
    Reset,
    SwitchCaseOp,
    WhileLoopOp,
)
from qiskit.circuit.library import CZGate, UGate
from qiskit.exceptions import QiskitError
from qiskit.transpiler import Target

from qcrs.circuits.convert import from_qiskit
from qcrs.circuits.document import MAX_INSTRUCTIONS, CircuitDocument
from qcrs.errors import CircuitError

__all__ = ["Lowered", "lower"]

_SEED = 1
"""The transpiler's seed; any fixed number does."""


@dataclass(frozen=True, slots=True)
class Lowered:
    """A lowered circuit and what had to be added to it, in words for the user."""

    document: CircuitDocument
    notes: tuple[str, ...] = ()


def _basis(qubits: int) -> Target:
    """{u, cz} with measurement, reset, delay and control flow, on fully connected qubits."""
    target = Target(num_qubits=qubits)
    target.add_instruction(UGate(Parameter("θ"), Parameter("φ"), Parameter("λ")))
    target.add_instruction(CZGate())
    target.add_instruction(Measure())
    target.add_instruction(Reset())
    target.add_instruction(Delay(Parameter("t")))
    for kind, name in (
        (IfElseOp, "if_else"),
        (WhileLoopOp, "while_loop"),
        (ForLoopOp, "for_loop"),
        (SwitchCaseOp, "switch_case"),
        (BreakLoopOp, "break_loop"),
        (ContinueLoopOp, "continue_loop"),
    ):
        target.add_instruction(kind, name=name)
    return target


def _jumps(circuit: QuantumCircuit) -> bool:
    """Whether a break or continue in this body leaves the loop that owns it."""
    for item in circuit.data:
        op = item.operation
        if isinstance(op, (BreakLoopOp, ContinueLoopOp)):
            return True
        if isinstance(op, (IfElseOp, SwitchCaseOp)) and any(_jumps(block) for block in op.blocks):
            return True
    return False


class _Flattener:
    """Opens boxes and unrolls loops, within a budget of instructions."""

    def __init__(self) -> None:
        self._left = MAX_INSTRUCTIONS

    def flat(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """The same circuit without boxes and without loops that can be unrolled."""
        if not any(isinstance(item.operation, ControlFlowOp) for item in circuit.data):
            self._spend(len(circuit.data))
            return circuit
        out = circuit.copy_empty_like()
        for item in circuit.data:
            op = item.operation
            self._spend(1)
            if isinstance(op, BoxOp):
                self._inline(out, self.flat(op.body), item)
            elif isinstance(op, ForLoopOp):
                self._loop(out, op, item)
            elif isinstance(op, ControlFlowOp) and op.blocks:
                blocks = [self.flat(block) for block in op.blocks]
                out.append(op.replace_blocks(blocks), item.qubits, item.clbits)
            else:
                out.append(item)
        return out

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise CircuitError(
                f"the circuit unrolls to more than {MAX_INSTRUCTIONS} instructions",
                field="circuit",
                solution="shorten its loops",
            )

    @staticmethod
    def _inline(out: QuantumCircuit, body: QuantumCircuit, item: CircuitInstruction) -> None:
        out.compose(body, item.qubits, item.clbits, inplace=True)

    def _loop(self, out: QuantumCircuit, op: ForLoopOp, item: CircuitInstruction) -> None:
        indices, parameter, body = op.params
        uses = parameter is not None and parameter in body.parameters
        if _jumps(body):
            if uses:
                raise CircuitError(
                    "a for loop that uses its variable cannot break or continue",
                    field="circuit",
                    value=str(parameter),
                    solution="replace break and continue by conditions, or do not use the variable",
                )
            out.append(ForLoopOp(tuple(indices), None, self.flat(body)), item.qubits, item.clbits)
            return
        for index in indices:
            bound = body.assign_parameters({parameter: index}) if uses else body
            self._inline(out, self.flat(bound), item)


def _has_measurement(circuit: QuantumCircuit) -> bool:
    return any(
        isinstance(item.operation, Measure)
        or (
            isinstance(item.operation, ControlFlowOp)
            and any(_has_measurement(block) for block in item.operation.blocks)
        )
        for item in circuit.data
    )


def lower(circuit: QuantumCircuit, *, measure: bool = True) -> Lowered:
    """Bring any Qiskit circuit into the document's basis, equal to it up to a global phase.

    A circuit without any measurement gets one of every qubit into a register `meas`, and a note,
    unless `measure` is false (expectation values need none). `CircuitError` says what cannot be
    lowered: free parameters, classical variables, gates without a definition.
    """
    if not isinstance(circuit, QuantumCircuit):
        raise CircuitError("not a circuit", field="circuit", value=type(circuit).__name__)
    if circuit.num_qubits == 0:
        raise CircuitError("the circuit has no qubits", field="circuit", solution="add at least one qubit")
    if circuit.num_vars or circuit.num_stretches:
        raise CircuitError(
            "classical variables are not supported",
            field="circuit",
            value=circuit.num_vars,
            solution="use classical registers and measured bits instead",
        )
    if circuit.parameters:
        raise CircuitError(
            "the circuit has free parameters",
            field="parameters",
            value=", ".join(sorted(parameter.name for parameter in circuit.parameters)[:20]),
            solution="bind them: circuit.assign_parameters(values), or pass values with the circuit",
        )
    try:
        flat = _Flattener().flat(circuit)
        basic = transpile(
            flat,
            target=_basis(circuit.num_qubits),
            optimization_level=1,
            seed_transpiler=_SEED,
            num_processes=1,
        )
    except QiskitError as error:
        raise CircuitError(
            f"the circuit cannot be brought into the basis u, cz: {error.message.splitlines()[0]}",
            field="circuit",
            value=circuit.name,
            solution="every gate needs a definition in standard gates or a matrix",
        ) from error
    notes: tuple[str, ...] = ()
    if measure and not _has_measurement(basic):
        basic.measure_all()
        notes = ("the circuit measures nothing: a measurement of every qubit was added, into register meas",)
    return Lowered(from_qiskit(basic), notes)
