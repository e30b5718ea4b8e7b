// W state of 5 qubits: one excitation, shared evenly.
// Expect each string with a single 1, a fifth each.
// answer: P(00001)=0.2
// answer: P(00010)=0.2
// answer: P(00100)=0.2
// answer: P(01000)=0.2
// answer: P(10000)=0.2
OPENQASM 2.0;
include "qelib1.inc";
qreg q[5];
creg c[5];
x q[0];
ry(1.10714871779) q[1];
cz q[0],q[1];
ry(-1.10714871779) q[1];
cx q[1],q[0];
ry(1.0471975512) q[2];
cz q[1],q[2];
ry(-1.0471975512) q[2];
cx q[2],q[1];
ry(0.955316618125) q[3];
cz q[2],q[3];
ry(-0.955316618125) q[3];
cx q[3],q[2];
ry(0.785398163397) q[4];
cz q[3],q[4];
ry(-0.785398163397) q[4];
cx q[4],q[3];
measure q -> c;
