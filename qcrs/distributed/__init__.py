"""One quantum computation on several processors that share entanglement.

`plan` decides who holds which qubit when and runs which gate, so that few entangled pairs are needed;
`joint_circuit` emits it as a dynamic Qiskit circuit.
"""

from qcrs.distributed.emit import joint_circuit
from qcrs.distributed.network import Network
from qcrs.distributed.plan import Effort, Plan, plan

__all__ = ["Effort", "Network", "Plan", "joint_circuit", "plan"]
