// GHZ state of 8 qubits, doubled up in three layers.
// Expect all zeros or all ones, half each.
// answer: P(00000000)=0.5
// answer: P(11111111)=0.5
OPENQASM 2.0;
include "qelib1.inc";
qreg q[8];
creg c[8];
h q[0];
cx q[0],q[1];
cx q[0],q[2];
cx q[1],q[3];
cx q[0],q[4];
cx q[1],q[5];
cx q[2],q[6];
cx q[3],q[7];
measure q -> c;
