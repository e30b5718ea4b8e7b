// Quench of the Ising chain in a transverse field, H = -Σ Z Z - Σ X, 12 spins, open ends,
// all up at first, time 0.8 in eight second-order Trotter steps.
// Expect a magnetisation of 0.1676 at the ends and 0.4470 in the middle
// (exact dynamics: 0.1633 and 0.4387).
// answer: E(IIIIIIIIIIIZ)=0.167642
// answer: E(IIIIIIZIIIII)=0.446984
OPENQASM 3.0;
include "stdgates.inc";
gate rzz(theta) a, b { cx a, b; rz(theta) b; cx a, b; }
qubit[12] q;
bit[12] c;
for int step in [1:8] {
  rx(-0.1) q[0];
  rx(-0.1) q[1];
  rx(-0.1) q[2];
  rx(-0.1) q[3];
  rx(-0.1) q[4];
  rx(-0.1) q[5];
  rx(-0.1) q[6];
  rx(-0.1) q[7];
  rx(-0.1) q[8];
  rx(-0.1) q[9];
  rx(-0.1) q[10];
  rx(-0.1) q[11];
  rzz(-0.2) q[0], q[1];
  rzz(-0.2) q[2], q[3];
  rzz(-0.2) q[4], q[5];
  rzz(-0.2) q[6], q[7];
  rzz(-0.2) q[8], q[9];
  rzz(-0.2) q[10], q[11];
  rzz(-0.2) q[1], q[2];
  rzz(-0.2) q[3], q[4];
  rzz(-0.2) q[5], q[6];
  rzz(-0.2) q[7], q[8];
  rzz(-0.2) q[9], q[10];
  rx(-0.1) q[0];
  rx(-0.1) q[1];
  rx(-0.1) q[2];
  rx(-0.1) q[3];
  rx(-0.1) q[4];
  rx(-0.1) q[5];
  rx(-0.1) q[6];
  rx(-0.1) q[7];
  rx(-0.1) q[8];
  rx(-0.1) q[9];
  rx(-0.1) q[10];
  rx(-0.1) q[11];
}
c = measure q;
