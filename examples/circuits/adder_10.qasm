// Ripple-carry adder of Cuccaro et al.: 11 + 13 on 10 qubits.
// Expect 11000 (= 24) in every shot.
// answer: P(11000)=1
OPENQASM 2.0;
include "qelib1.inc";
// Cuccaro, Draper, Kutin and Petrie Moulton (2004)
gate majority c, b, a { cx a, b; cx a, c; ccx c, b, a; }
gate unmajority c, b, a { ccx c, b, a; cx a, c; cx c, b; }
qreg q[10];
creg c[5];
x q[1];
x q[3];
x q[7];
x q[2];
x q[6];
x q[8];
majority q[0],q[2],q[1];
majority q[1],q[4],q[3];
majority q[3],q[6],q[5];
majority q[5],q[8],q[7];
cx q[7],q[9];
unmajority q[5],q[8],q[7];
unmajority q[3],q[6],q[5];
unmajority q[1],q[4],q[3];
unmajority q[0],q[2],q[1];
measure q[2] -> c[0];
measure q[4] -> c[1];
measure q[6] -> c[2];
measure q[8] -> c[3];
measure q[9] -> c[4];
