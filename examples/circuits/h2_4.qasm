// Ground state of H2 at 0.735 Å (STO-3G, two qubits):
// cos θ |01> - sin θ |10>, θ = 0.11177,
// prepared twice: qubits 0 and 1 read in the Z basis, 2 and 3 in X; one program gives the energy
// -1.052373 + 0.397937 (E(IIIZ) - E(IIZI)) - 0.011280 E(IIZZ) + 0.180931 E(ZZII).
// Expect -1.857275 hartree (electronic), the exact ground energy.
// answer: E(IIIZ)=-0.975119
// answer: E(IIZI)=0.975119
// answer: E(IIZZ)=-1.000000
// answer: E(ZZII)=-0.221680
OPENQASM 2.0;
include "qelib1.inc";
qreg q[4];
creg c[4];
x q[0];
ry(0.11176849922) q[1];
cz q[0],q[1];
ry(-0.11176849922) q[1];
cx q[1],q[0];
x q[2];
ry(0.11176849922) q[3];
cz q[2],q[3];
ry(-0.11176849922) q[3];
cx q[3],q[2];
// the second copy is read in the X basis
h q[2];
h q[3];
measure q -> c;
