// QAOA, one layer, largest cut of the Petersen graph (10 vertices, 15 edges, best cut 12).
// Angles of Wang et al. (2018) for 3-regular graphs without triangles: tan γ = 1/√2, β = π/8.
// Expect every edge cut with probability 1/2 + 1/(3√3) = 0.6925:
// a mean cut of 10.387.
// answer: E(IIIIIIIIZZ)=-0.384900
// answer: E(IIIIIIIZZI)=-0.384900
// answer: E(IIIIIIZZII)=-0.384900
// answer: E(IIIIIZZIII)=-0.384900
// answer: E(IIIIIZIIIZ)=-0.384900
// answer: E(IIIIZIIIIZ)=-0.384900
// answer: E(IIIZIIIIZI)=-0.384900
// answer: E(IIZIIIIZII)=-0.384900
// answer: E(IZIIIIZIII)=-0.384900
// answer: E(ZIIIIZIIII)=-0.384900
// answer: E(IIZIZIIIII)=-0.384900
// answer: E(IZIZIIIIII)=-0.384900
// answer: E(ZIZIIIIIII)=-0.384900
// answer: E(IZIIZIIIII)=-0.384900
// answer: E(ZIIZIIIIII)=-0.384900
OPENQASM 2.0;
include "qelib1.inc";
qreg q[10];
creg c[10];
h q[0];
h q[1];
h q[2];
h q[3];
h q[4];
h q[5];
h q[6];
h q[7];
h q[8];
h q[9];
cx q[0],q[1];
rz(-0.61547970867) q[1];
cx q[0],q[1];
cx q[1],q[2];
rz(-0.61547970867) q[2];
cx q[1],q[2];
cx q[2],q[3];
rz(-0.61547970867) q[3];
cx q[2],q[3];
cx q[3],q[4];
rz(-0.61547970867) q[4];
cx q[3],q[4];
cx q[4],q[0];
rz(-0.61547970867) q[0];
cx q[4],q[0];
cx q[0],q[5];
rz(-0.61547970867) q[5];
cx q[0],q[5];
cx q[1],q[6];
rz(-0.61547970867) q[6];
cx q[1],q[6];
cx q[2],q[7];
rz(-0.61547970867) q[7];
cx q[2],q[7];
cx q[3],q[8];
rz(-0.61547970867) q[8];
cx q[3],q[8];
cx q[4],q[9];
rz(-0.61547970867) q[9];
cx q[4],q[9];
cx q[5],q[7];
rz(-0.61547970867) q[7];
cx q[5],q[7];
cx q[6],q[8];
rz(-0.61547970867) q[8];
cx q[6],q[8];
cx q[7],q[9];
rz(-0.61547970867) q[9];
cx q[7],q[9];
cx q[8],q[5];
rz(-0.61547970867) q[5];
cx q[8],q[5];
cx q[9],q[6];
rz(-0.61547970867) q[6];
cx q[9],q[6];
rx(0.785398163397) q[0];
rx(0.785398163397) q[1];
rx(0.785398163397) q[2];
rx(0.785398163397) q[3];
rx(0.785398163397) q[4];
rx(0.785398163397) q[5];
rx(0.785398163397) q[6];
rx(0.785398163397) q[7];
rx(0.785398163397) q[8];
rx(0.785398163397) q[9];
measure q -> c;
