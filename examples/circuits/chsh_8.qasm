// CHSH test on four Bell pairs: each pair is measured in one of the four pairs of settings.
// Expect parities 1/√2, 1/√2, 1/√2, -1/√2, so S = 2√2 = 2.828; no local model exceeds 2.
// answer: E(IIIIIIZZ)=0.707107
// answer: E(IIIIZZII)=0.707107
// answer: E(IIZZIIII)=0.707107
// answer: E(ZZIIIIII)=-0.707107
OPENQASM 2.0;
include "qelib1.inc";
qreg q[8];
creg c[8];
h q[0];
cx q[0],q[1];
ry(-0) q[0];
ry(-0.785398163397) q[1];
h q[2];
cx q[2],q[3];
ry(-0) q[2];
ry(0.785398163397) q[3];
h q[4];
cx q[4],q[5];
ry(-1.57079632679) q[4];
ry(-0.785398163397) q[5];
h q[6];
cx q[6],q[7];
ry(-1.57079632679) q[6];
ry(0.785398163397) q[7];
measure q -> c;
