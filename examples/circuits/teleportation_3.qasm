// Teleportation of a qubit with feed-forward: a dynamic circuit.
// Expect out = 0 in every shot, and the two Bell bits uniform (read as: out, then bell).
// answer: P(0 00)=0.25
// answer: P(0 01)=0.25
// answer: P(0 10)=0.25
// answer: P(0 11)=0.25
OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[2] bell;
bit[1] out;
// the state to move
ry(1.1) q[0];
rz(0.7) q[0];
// a shared pair, and a Bell measurement at the sender
h q[1];
cx q[1], q[2];
cx q[0], q[1];
h q[0];
bell[0] = measure q[0];
bell[1] = measure q[1];
// the receiver corrects
if (bell[1]) { x q[2]; }
if (bell[0]) { z q[2]; }
// and undoes the preparation, so that a perfect teleport reads 0
rz(-0.7) q[2];
ry(-1.1) q[2];
out[0] = measure q[2];
