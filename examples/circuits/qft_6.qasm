// Quantum Fourier transform of 6 qubits on a comb: all numbers that leave 5 when divided by 8.
// Expect the eight multiples of 64/8 = 8, an eighth each: the period shows, the offset does not.
// answer: P(000000)=0.125
// answer: P(001000)=0.125
// answer: P(010000)=0.125
// answer: P(011000)=0.125
// answer: P(100000)=0.125
// answer: P(101000)=0.125
// answer: P(110000)=0.125
// answer: P(111000)=0.125
OPENQASM 3.0;
include "stdgates.inc";
qubit[6] q;
bit[6] c;
// the comb |5> + |13> + ... + |61>
x q[0];
x q[2];
h q[3];
h q[4];
h q[5];
h q[5];
cp(pi/2) q[4], q[5];
cp(pi/4) q[3], q[5];
cp(pi/8) q[2], q[5];
cp(pi/16) q[1], q[5];
cp(pi/32) q[0], q[5];
h q[4];
cp(pi/2) q[3], q[4];
cp(pi/4) q[2], q[4];
cp(pi/8) q[1], q[4];
cp(pi/16) q[0], q[4];
h q[3];
cp(pi/2) q[2], q[3];
cp(pi/4) q[1], q[3];
cp(pi/8) q[0], q[3];
h q[2];
cp(pi/2) q[1], q[2];
cp(pi/4) q[0], q[2];
h q[1];
cp(pi/2) q[0], q[1];
h q[0];
swap q[0], q[5];
swap q[1], q[4];
swap q[2], q[3];
c = measure q;
