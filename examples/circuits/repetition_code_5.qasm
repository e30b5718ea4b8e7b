// Three-qubit repetition code: an error on the middle qubit is found and corrected live.
// Expect syndrome 11 always; data 000 in 70 % and 111 in 30 % of the shots
// (read as: data, then syndrome).
// answer: P(000 11)=0.7
// answer: P(111 11)=0.3
OPENQASM 3.0;
include "stdgates.inc";
qubit[5] q;
bit[2] syndrome;
bit[3] data;
// √0.7 |000> + √0.3 |111>
ry(1.15927948073) q[0];
cx q[0], q[1];
cx q[0], q[2];
// the error
x q[1];
// the syndrome, measured while the data live
cx q[0], q[3];
cx q[1], q[3];
cx q[1], q[4];
cx q[2], q[4];
syndrome[0] = measure q[3];
syndrome[1] = measure q[4];
// the correction
if (syndrome == 1) { x q[0]; }
if (syndrome == 2) { x q[2]; }
if (syndrome == 3) { x q[1]; }
data = measure q[{0, 1, 2}];
