// QAOA, two layers, largest cut of the Heawood graph (14 vertices, 21 edges, best cut 21).
// Fixed angles for 3-regular graphs of girth 6 and more (Farhi, Goldstone and Gutmann 2014).
// Expect every edge cut with probability 0.7559: a mean cut of 15.87.
// answer: E(IIIIIIIIIIIIZZ)=-0.5118
// answer: E(IIIIIIIIIIIZZI)=-0.5118
// answer: E(IIIIIIIIIIZZII)=-0.5118
// answer: E(IIIIIIIIIZZIII)=-0.5118
// answer: E(IIIIIIIIZZIIII)=-0.5118
// answer: E(IIIIIIIZZIIIII)=-0.5118
// answer: E(IIIIIIZZIIIIII)=-0.5118
// answer: E(IIIIIZZIIIIIII)=-0.5118
// answer: E(IIIIZZIIIIIIII)=-0.5118
// answer: E(IIIZZIIIIIIIII)=-0.5118
// answer: E(IIZZIIIIIIIIII)=-0.5118
// answer: E(IZZIIIIIIIIIII)=-0.5118
// answer: E(ZZIIIIIIIIIIII)=-0.5118
// answer: E(ZIIIIIIIIIIIIZ)=-0.5118
// answer: E(IIIIIIIIZIIIIZ)=-0.5118
// answer: E(IIIIIIZIIIIZII)=-0.5118
// answer: E(IIIIZIIIIZIIII)=-0.5118
// answer: E(IIZIIIIZIIIIII)=-0.5118
// answer: E(ZIIIIZIIIIIIII)=-0.5118
// answer: E(IIIZIIIIIIIIZI)=-0.5118
// answer: E(IZIIIIIIIIZIII)=-0.5118
OPENQASM 2.0;
include "qelib1.inc";
qreg q[14];
creg c[14];
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
h q[10];
h q[11];
h q[12];
h q[13];
cx q[0],q[1];
rz(-0.4878) q[1];
cx q[0],q[1];
cx q[1],q[2];
rz(-0.4878) q[2];
cx q[1],q[2];
cx q[2],q[3];
rz(-0.4878) q[3];
cx q[2],q[3];
cx q[3],q[4];
rz(-0.4878) q[4];
cx q[3],q[4];
cx q[4],q[5];
rz(-0.4878) q[5];
cx q[4],q[5];
cx q[5],q[6];
rz(-0.4878) q[6];
cx q[5],q[6];
cx q[6],q[7];
rz(-0.4878) q[7];
cx q[6],q[7];
cx q[7],q[8];
rz(-0.4878) q[8];
cx q[7],q[8];
cx q[8],q[9];
rz(-0.4878) q[9];
cx q[8],q[9];
cx q[9],q[10];
rz(-0.4878) q[10];
cx q[9],q[10];
cx q[10],q[11];
rz(-0.4878) q[11];
cx q[10],q[11];
cx q[11],q[12];
rz(-0.4878) q[12];
cx q[11],q[12];
cx q[12],q[13];
rz(-0.4878) q[13];
cx q[12],q[13];
cx q[13],q[0];
rz(-0.4878) q[0];
cx q[13],q[0];
cx q[0],q[5];
rz(-0.4878) q[5];
cx q[0],q[5];
cx q[2],q[7];
rz(-0.4878) q[7];
cx q[2],q[7];
cx q[4],q[9];
rz(-0.4878) q[9];
cx q[4],q[9];
cx q[6],q[11];
rz(-0.4878) q[11];
cx q[6],q[11];
cx q[8],q[13];
rz(-0.4878) q[13];
cx q[8],q[13];
cx q[10],q[1];
rz(-0.4878) q[1];
cx q[10],q[1];
cx q[12],q[3];
rz(-0.4878) q[3];
cx q[12],q[3];
rx(1.11) q[0];
rx(1.11) q[1];
rx(1.11) q[2];
rx(1.11) q[3];
rx(1.11) q[4];
rx(1.11) q[5];
rx(1.11) q[6];
rx(1.11) q[7];
rx(1.11) q[8];
rx(1.11) q[9];
rx(1.11) q[10];
rx(1.11) q[11];
rx(1.11) q[12];
rx(1.11) q[13];
cx q[0],q[1];
rz(-0.8979) q[1];
cx q[0],q[1];
cx q[1],q[2];
rz(-0.8979) q[2];
cx q[1],q[2];
cx q[2],q[3];
rz(-0.8979) q[3];
cx q[2],q[3];
cx q[3],q[4];
rz(-0.8979) q[4];
cx q[3],q[4];
cx q[4],q[5];
rz(-0.8979) q[5];
cx q[4],q[5];
cx q[5],q[6];
rz(-0.8979) q[6];
cx q[5],q[6];
cx q[6],q[7];
rz(-0.8979) q[7];
cx q[6],q[7];
cx q[7],q[8];
rz(-0.8979) q[8];
cx q[7],q[8];
cx q[8],q[9];
rz(-0.8979) q[9];
cx q[8],q[9];
cx q[9],q[10];
rz(-0.8979) q[10];
cx q[9],q[10];
cx q[10],q[11];
rz(-0.8979) q[11];
cx q[10],q[11];
cx q[11],q[12];
rz(-0.8979) q[12];
cx q[11],q[12];
cx q[12],q[13];
rz(-0.8979) q[13];
cx q[12],q[13];
cx q[13],q[0];
rz(-0.8979) q[0];
cx q[13],q[0];
cx q[0],q[5];
rz(-0.8979) q[5];
cx q[0],q[5];
cx q[2],q[7];
rz(-0.8979) q[7];
cx q[2],q[7];
cx q[4],q[9];
rz(-0.8979) q[9];
cx q[4],q[9];
cx q[6],q[11];
rz(-0.8979) q[11];
cx q[6],q[11];
cx q[8],q[13];
rz(-0.8979) q[13];
cx q[8],q[13];
cx q[10],q[1];
rz(-0.8979) q[1];
cx q[10],q[1];
cx q[12],q[3];
rz(-0.8979) q[3];
cx q[12],q[3];
rx(0.5846) q[0];
rx(0.5846) q[1];
rx(0.5846) q[2];
rx(0.5846) q[3];
rx(0.5846) q[4];
rx(0.5846) q[5];
rx(0.5846) q[6];
rx(0.5846) q[7];
rx(0.5846) q[8];
rx(0.5846) q[9];
rx(0.5846) q[10];
rx(0.5846) q[11];
rx(0.5846) q[12];
rx(0.5846) q[13];
measure q -> c;
