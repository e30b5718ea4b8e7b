// Phase estimation with five bits of a gate of phase 1/3, which no five bits can hold.
// Expect 01011 (11/32) with probability 0.6842,
// 01010 (10/32) with 0.1712.
// answer: P(01010)=0.171224
// answer: P(01011)=0.684162
// answer: P(01100)=0.042990
OPENQASM 2.0;
include "qelib1.inc";
gate exchange a, b { cx a, b; cx b, a; cx a, b; }
qreg q[6];
creg c[5];
x q[5];
h q[0];
h q[1];
h q[2];
h q[3];
h q[4];
cu1(2.09439510239) q[0],q[5];
cu1(4.18879020479) q[1],q[5];
cu1(2.09439510239) q[2],q[5];
cu1(4.18879020479) q[3],q[5];
cu1(2.09439510239) q[4],q[5];
exchange q[0],q[4];
exchange q[1],q[3];
h q[0];
cu1(-pi/2) q[0],q[1];
h q[1];
cu1(-pi/4) q[0],q[2];
cu1(-pi/2) q[1],q[2];
h q[2];
cu1(-pi/8) q[0],q[3];
cu1(-pi/4) q[1],q[3];
cu1(-pi/2) q[2],q[3];
h q[3];
cu1(-pi/16) q[0],q[4];
cu1(-pi/8) q[1],q[4];
cu1(-pi/4) q[2],q[4];
cu1(-pi/2) q[3],q[4];
h q[4];
measure q[0] -> c[0];
measure q[1] -> c[1];
measure q[2] -> c[2];
measure q[3] -> c[3];
measure q[4] -> c[4];
