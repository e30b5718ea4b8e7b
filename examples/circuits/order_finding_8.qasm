// Order of 7 modulo 15, the quantum part of factoring 15 = 3 x 5.
// Expect 0, 4, 8 and 12 (of 16), a quarter each: the order is 4,
// and 7² ± 1 = 48, 50 share the factors 3 and 5 with 15.
// answer: P(0000)=0.25
// answer: P(0100)=0.25
// answer: P(1000)=0.25
// answer: P(1100)=0.25
OPENQASM 2.0;
include "qelib1.inc";
gate exchange a, b { cx a, b; cx b, a; cx a, b; }
// multiplication by 7 modulo 15, if c is one: a cyclic shift, then all bits flipped
gate cswap3 c, a, b { cx b, a; ccx c, a, b; cx b, a; }
gate times7 c, a, b, d, e {
  cswap3 c, a, b; cswap3 c, b, d; cswap3 c, d, e; cx c, a; cx c, b; cx c, d; cx c, e;
}
gate times4 c, a, b, d, e { cswap3 c, a, d; cswap3 c, b, e; }
qreg q[8];
creg c[4];
h q[0];
h q[1];
h q[2];
h q[3];
x q[4];
times7 q[0],q[4],q[5],q[6],q[7];
times4 q[1],q[4],q[5],q[6],q[7];
// 7^4 = 7^8 = 1 modulo 15: qubits 2 and 3 control nothing
exchange q[0],q[3];
exchange q[1],q[2];
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
measure q[0] -> c[0];
measure q[1] -> c[1];
measure q[2] -> c[2];
measure q[3] -> c[3];
