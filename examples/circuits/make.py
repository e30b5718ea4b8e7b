"""Writes the example programs beside this file: `python examples/circuits/make.py`.

Each program opens with what it is and the answer to expect. The answer is stated twice: in words, and as
`// answer:` lines that `tests/examples` evaluates on an ideal simulator:

- `P(01)=0.5` the probability of an outcome, written as Qiskit writes it (last classical bit first);
- `E(ZIZ)=0.25` the mean parity of the classical bits under a Z, in the same order;
- `heavy=0.84` the probability of the outcomes that are more likely than the median.

Programs are plain text with closed-form angles, so a reader can check them by hand; only the random
volume circuit needs Qiskit, to factor its random two-qubit unitaries into gates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

HERE = Path(__file__).parent

PETERSEN: tuple[tuple[int, int], ...] = (
    *((i, (i + 1) % 5) for i in range(5)),
    *((i, i + 5) for i in range(5)),
    *((5 + i, 5 + (i + 2) % 5) for i in range(5)),
)
"""Outer pentagon, spokes, inner pentagram: 10 vertices, 15 edges, girth 5, largest cut 12."""

HEAWOOD: tuple[tuple[int, int], ...] = (
    *((i, (i + 1) % 14) for i in range(14)),
    *((i, (i + 5) % 14) for i in range(0, 14, 2)),
)
"""LCF [5, -5]^7: 14 vertices, 21 edges, girth 6, bipartite, so that the largest cut is 21."""

ISING_SITES, ISING_STEPS, ISING_TIME, ISING_FIELD = 12, 8, 0.8, 1.0
"""Quench of H = -Σ Z Z - g Σ X (open chain) from all up: sites, Trotter steps, time in 1/J, g in J."""

H2_TERMS = {"II": -1.052373246, "IZ": 0.397937425, "ZI": -0.397937425, "ZZ": -0.011280104, "XX": 0.180931200}
"""Electronic Hamiltonian (hartree) of H2 at 0.735 Å, STO-3G, parity mapping with two qubits removed."""

H2_THETA = math.atan2(2 * H2_TERMS["XX"], 2 * (H2_TERMS["IZ"] - H2_TERMS["ZI"])) / 2
"""Mixing angle (radians) of |01> and |10> in the ground state, which is that of a 2 x 2 matrix."""

EXCHANGE = "gate exchange a, b { cx a, b; cx b, a; cx a, b; }"
"""Two qubits swapped; the library of OpenQASM 2 has no gate for it."""


def _f(angle: float) -> str:
    return f"{angle:.12g}"


def program(
    version: int, about: Sequence[str], answers: Sequence[str], body: Iterable[str], includes: bool = True
) -> str:
    """One file: the opening comment, the answers, then the statements."""
    header = "OPENQASM 2.0;" if version == 2 else "OPENQASM 3.0;"
    library = 'include "qelib1.inc";' if version == 2 else 'include "stdgates.inc";'
    comments = [f"// {line}" for line in about] + [f"// answer: {answer}" for answer in answers]
    return "\n".join([*comments, header, *([library] if includes else []), *body]) + "\n"


def _registers(qubits: int, clbits: int) -> list[str]:
    return [f"qreg q[{qubits}];", f"creg c[{clbits}];"]


def bell() -> str:
    """The smallest entangled state."""
    return program(
        2,
        ["Bell pair: the smallest entangled state.", "Expect 00 and 11, half of the shots each."],
        ["P(00)=0.5", "P(11)=0.5"],
        [*_registers(2, 2), "h q[0];", "cx q[0],q[1];", "measure q -> c;"],
    )


def chsh() -> str:
    """Four Bell pairs, one for each pair of settings of the CHSH inequality."""
    value = 1 / math.sqrt(2)
    body = _registers(8, 8)
    for pair, (alice, bob) in enumerate([(0.0, 0.25), (0.0, -0.25), (0.5, 0.25), (0.5, -0.25)]):
        a, b = 2 * pair, 2 * pair + 1
        body += [f"h q[{a}];", f"cx q[{a}],q[{b}];"]
        body += [f"ry({_f(-alice * math.pi)}) q[{a}];", f"ry({_f(-bob * math.pi)}) q[{b}];"]
    labels = ["".join("Z" if bit // 2 == pair else "I" for bit in reversed(range(8))) for pair in range(4)]
    signs = (1, 1, 1, -1)
    return program(
        2,
        [
            "CHSH test on four Bell pairs: each pair is measured in one of the four pairs of settings.",
            "Expect parities 1/√2, 1/√2, 1/√2, -1/√2, so S = 2√2 = 2.828; no local model exceeds 2.",
        ],
        [f"E({label})={sign * value:.6f}" for label, sign in zip(labels, signs, strict=True)],
        [*body, "measure q -> c;"],
    )


def ghz() -> str:
    """Eight qubits in a GHZ state, made in three layers."""
    body = [*_registers(8, 8), "h q[0];"]
    for span in (1, 2, 4):
        body += [f"cx q[{i}],q[{i + span}];" for i in range(span)]
    return program(
        2,
        ["GHZ state of 8 qubits, doubled up in three layers.", "Expect all zeros or all ones, half each."],
        ["P(00000000)=0.5", "P(11111111)=0.5"],
        [*body, "measure q -> c;"],
    )


def w_state() -> str:
    """One excitation shared by five qubits."""
    body = [*_registers(5, 5), "x q[0];"]
    for i in range(4):
        half = math.acos(math.sqrt(1 / (5 - i)))
        body += [f"ry({_f(half)}) q[{i + 1}];", f"cz q[{i}],q[{i + 1}];", f"ry({_f(-half)}) q[{i + 1}];"]
        body += [f"cx q[{i + 1}],q[{i}];"]
    return program(
        2,
        [
            "W state of 5 qubits: one excitation, shared evenly.",
            "Expect each string with a single 1, a fifth each.",
        ],
        [f"P({1 << i:05b})=0.2" for i in range(5)],
        [*body, "measure q -> c;"],
    )


def qft() -> str:
    """The Fourier transform of a comb."""
    body = ["qubit[6] q;", "bit[6] c;", "// the comb |5> + |13> + ... + |61>", "x q[0];", "x q[2];"]
    body += [f"h q[{i}];" for i in (3, 4, 5)]
    for target in reversed(range(6)):
        body.append(f"h q[{target}];")
        body += [f"cp(pi/{1 << (target - c)}) q[{c}], q[{target}];" for c in reversed(range(target))]
    body += [f"swap q[{i}], q[{5 - i}];" for i in range(3)]
    return program(
        3,
        [
            "Quantum Fourier transform of 6 qubits on a comb: all numbers that leave 5 when divided by 8.",
            "Expect the eight multiples of 64/8 = 8, an eighth each: the period shows, the offset does not.",
        ],
        [f"P({8 * k:06b})=0.125" for k in range(8)],
        [*body, "c = measure q;"],
    )


def grover() -> str:
    """Search among 32 entries for one."""
    marked = 0b10110
    theta = math.asin(1 / math.sqrt(32))
    body = [
        "// phase flip where a to e are all one; x, y, z are work qubits that return to zero",
        "gate flip a, b, c, d, e, x, y, z {",
        "  ccx a, b, x; ccx c, x, y; ccx d, y, z; cz e, z; ccx d, y, z; ccx c, x, y; ccx a, b, x;",
        "}",
        "qreg q[8];",
        "creg c[5];",
    ]
    body += [f"h q[{i}];" for i in range(5)]
    call = "flip q[0],q[1],q[2],q[3],q[4],q[5],q[6],q[7];"
    zeros = [f"x q[{i}];" for i in range(5) if not marked >> i & 1]
    for _ in range(4):
        body += [*zeros, call, *zeros]
        body += [f"{g} q[{i}];" for g in ("h", "x") for i in range(5)] + [call]
        body += [f"{g} q[{i}];" for g in ("x", "h") for i in range(5)]
    return program(
        2,
        [
            "Grover's search for 10110 among 32 entries, four rounds, with three work qubits.",
            f"Expect 10110 with probability sin²(9 asin(1/√32)) = {math.sin(9 * theta) ** 2:.4f}.",
        ],
        [f"P({marked:05b})={math.sin(9 * theta) ** 2:.6f}"],
        [*body, *(f"measure q[{i}] -> c[{i}];" for i in range(5))],
    )


def bernstein_vazirani() -> str:
    """A hidden string of 19 bits found with one question."""
    secret = 0b1011001110001111010
    body = [*_registers(20, 19), "x q[19];", *(f"h q[{i}];" for i in range(20))]
    body += [f"cx q[{i}],q[19];" for i in range(19) if secret >> i & 1]
    body += [f"h q[{i}];" for i in range(19)] + [f"measure q[{i}] -> c[{i}];" for i in range(19)]
    return program(
        2,
        [
            "Bernstein-Vazirani: a hidden string of 19 bits from one query, 20 qubits.",
            f"Expect {secret:019b} in every shot.",
        ],
        [f"P({secret:019b})=1"],
        body,
    )


def _qaoa(
    vertices: int, edges: Sequence[tuple[int, int]], gammas: Sequence[float], betas: Sequence[float]
) -> list[str]:
    body = [*_registers(vertices, vertices), *(f"h q[{i}];" for i in range(vertices))]
    for gamma, beta in zip(gammas, betas, strict=True):
        for a, b in edges:
            body += [f"cx q[{a}],q[{b}];", f"rz({_f(-gamma)}) q[{b}];", f"cx q[{a}],q[{b}];"]
        body += [f"rx({_f(2 * beta)}) q[{i}];" for i in range(vertices)]
    return [*body, "measure q -> c;"]


def _edge_labels(vertices: int, edges: Iterable[tuple[int, int]]) -> list[str]:
    return ["".join("Z" if v in edge else "I" for v in reversed(range(vertices))) for edge in edges]


def qaoa_petersen() -> str:
    """One layer of QAOA for the largest cut of the Petersen graph."""
    parity = -2 / (3 * math.sqrt(3))
    return program(
        2,
        [
            "QAOA, one layer, largest cut of the Petersen graph (10 vertices, 15 edges, best cut 12).",
            "Angles of Wang et al. (2018) for 3-regular graphs without triangles: tan γ = 1/√2, β = π/8.",
            "Expect every edge cut with probability 1/2 + 1/(3√3) = 0.6925:",
            f"a mean cut of {15 * (1 - parity) / 2:.3f}.",
        ],
        [f"E({label})={parity:.6f}" for label in _edge_labels(10, PETERSEN)],
        _qaoa(10, PETERSEN, [math.atan(1 / math.sqrt(2))], [math.pi / 8]),
    )


def qaoa_heawood() -> str:
    """Two layers of QAOA for the largest cut of the Heawood graph."""
    return program(
        2,
        [
            "QAOA, two layers, largest cut of the Heawood graph (14 vertices, 21 edges, best cut 21).",
            "Fixed angles for 3-regular graphs of girth 6 and more (Farhi, Goldstone and Gutmann 2014).",
            "Expect every edge cut with probability 0.7559: a mean cut of 15.87.",
        ],
        [f"E({label})=-0.5118" for label in _edge_labels(14, HEAWOOD)],
        _qaoa(14, HEAWOOD, [0.4878, 0.8979], [0.5550, 0.2923]),
    )


def h2() -> str:
    """The ground state of molecular hydrogen, prepared twice to read both measurement bases at once."""
    c, s = math.cos(H2_THETA), math.sin(H2_THETA)
    body = _registers(4, 4)
    for a, b in ((0, 1), (2, 3)):
        body += [f"x q[{a}];", f"ry({_f(H2_THETA)}) q[{b}];", f"cz q[{a}],q[{b}];"]
        body += [f"ry({_f(-H2_THETA)}) q[{b}];", f"cx q[{b}],q[{a}];"]
    body += ["// the second copy is read in the X basis", "h q[2];", "h q[3];", "measure q -> c;"]
    iz, zi, zz, xx = s * s - c * c, c * c - s * s, -1.0, -2 * s * c
    energy = (
        H2_TERMS["II"] + H2_TERMS["IZ"] * iz + H2_TERMS["ZI"] * zi + H2_TERMS["ZZ"] * zz + H2_TERMS["XX"] * xx
    )
    return program(
        2,
        [
            "Ground state of H2 at 0.735 Å (STO-3G, two qubits):",
            f"cos θ |01> - sin θ |10>, θ = {H2_THETA:.5f},",
            "prepared twice: qubits 0 and 1 read in the Z basis, 2 and 3 in X; one program gives the energy",
            "-1.052373 + 0.397937 (E(IIIZ) - E(IIZI)) - 0.011280 E(IIZZ) + 0.180931 E(ZZII).",
            f"Expect {energy:.6f} hartree (electronic), the exact ground energy.",
        ],
        [f"E(IIIZ)={iz:.6f}", f"E(IIZI)={zi:.6f}", f"E(IIZZ)={zz:.6f}", f"E(ZZII)={xx:.6f}"],
        body,
    )


def adder() -> str:
    """Cuccaro's ripple-carry adder on four-bit numbers."""
    a_value, b_value = 11, 13
    a, b, carry_in, carry_out = [1, 3, 5, 7], [2, 4, 6, 8], 0, 9
    body = [
        "// Cuccaro, Draper, Kutin and Petrie Moulton (2004)",
        "gate majority c, b, a { cx a, b; cx a, c; ccx c, b, a; }",
        "gate unmajority c, b, a { ccx c, b, a; cx a, c; cx c, b; }",
        *_registers(10, 5),
    ]
    body += [f"x q[{a[i]}];" for i in range(4) if a_value >> i & 1]
    body += [f"x q[{b[i]}];" for i in range(4) if b_value >> i & 1]
    chain = [(carry_in if i == 0 else a[i - 1], b[i], a[i]) for i in range(4)]
    body += [f"majority q[{c}],q[{y}],q[{x}];" for c, y, x in chain]
    body.append(f"cx q[{a[3]}],q[{carry_out}];")
    body += [f"unmajority q[{c}],q[{y}],q[{x}];" for c, y, x in reversed(chain)]
    body += [f"measure q[{q}] -> c[{i}];" for i, q in enumerate([*b, carry_out])]
    return program(
        2,
        [
            f"Ripple-carry adder of Cuccaro et al.: {a_value} + {b_value} on 10 qubits.",
            f"Expect {a_value + b_value:05b} (= {a_value + b_value}) in every shot.",
        ],
        [f"P({a_value + b_value:05b})=1"],
        body,
    )


def ising() -> str:
    """A quench of the transverse-field Ising chain by second-order Trotter steps."""
    dt = ISING_TIME / ISING_STEPS
    body = ["qubit[12] q;", "bit[12] c;"]
    half = [f"rx({_f(-ISING_FIELD * dt)}) q[{i}];" for i in range(ISING_SITES)]
    body.append(f"for int step in [1:{ISING_STEPS}] {{")
    body += ["  " + line for line in half]
    for start in (0, 1):
        body += [f"  rzz({_f(-2 * dt)}) q[{i}], q[{i + 1}];" for i in range(start, ISING_SITES - 1, 2)]
    body += ["  " + line for line in half] + ["}", "c = measure q;"]
    gate = "gate rzz(theta) a, b { cx a, b; rz(theta) b; cx a, b; }"
    return program(
        3,
        [
            "Quench of the Ising chain in a transverse field, H = -Σ Z Z - Σ X, 12 spins, open ends,",
            "all up at first, time 0.8 in eight second-order Trotter steps.",
            "Expect a magnetisation of 0.1676 at the ends and 0.4470 in the middle",
            "(exact dynamics: 0.1633 and 0.4387).",
        ],
        ["E(IIIIIIIIIIIZ)=0.167642", "E(IIIIIIZIIIII)=0.446984"],
        [gate, *body],
    )


def phase_estimation() -> str:
    """The phase 1/3, which five bits cannot hold, estimated."""
    phase = 1 / 3
    body = [EXCHANGE, *_registers(6, 5), "x q[5];", *(f"h q[{i}];" for i in range(5))]
    body += [f"cu1({_f(2 * math.pi * phase * 2**i % (2 * math.pi))}) q[{i}],q[5];" for i in range(5)]
    body += ["exchange q[0],q[4];", "exchange q[1],q[3];"]
    for target in range(5):
        body += [f"cu1(-pi/{1 << (target - c)}) q[{c}],q[{target}];" for c in range(target)]
        body.append(f"h q[{target}];")
    body += [f"measure q[{i}] -> c[{i}];" for i in range(5)]

    def probability(k: int) -> float:
        delta = phase - k / 32
        return (math.sin(32 * math.pi * delta) / (32 * math.sin(math.pi * delta))) ** 2

    return program(
        2,
        [
            "Phase estimation with five bits of a gate of phase 1/3, which no five bits can hold.",
            f"Expect 01011 (11/32) with probability {probability(11):.4f},",
            f"01010 (10/32) with {probability(10):.4f}.",
        ],
        [f"P({k:05b})={probability(k):.6f}" for k in (10, 11, 12)],
        body,
    )


def order_finding() -> str:
    """The order of 7 modulo 15: the quantum part of factoring 15."""
    body = [
        EXCHANGE,
        "// multiplication by 7 modulo 15, if c is one: a cyclic shift, then all bits flipped",
        "gate cswap3 c, a, b { cx b, a; ccx c, a, b; cx b, a; }",
        "gate times7 c, a, b, d, e {",
        "  cswap3 c, a, b; cswap3 c, b, d; cswap3 c, d, e; cx c, a; cx c, b; cx c, d; cx c, e;",
        "}",
        "gate times4 c, a, b, d, e { cswap3 c, a, d; cswap3 c, b, e; }",
        *_registers(8, 4),
        *(f"h q[{i}];" for i in range(4)),
        "x q[4];",
        "times7 q[0],q[4],q[5],q[6],q[7];",
        "times4 q[1],q[4],q[5],q[6],q[7];",
        "// 7^4 = 7^8 = 1 modulo 15: qubits 2 and 3 control nothing",
        "exchange q[0],q[3];",
        "exchange q[1],q[2];",
    ]
    for target in range(4):
        body += [f"cu1(-pi/{1 << (target - c)}) q[{c}],q[{target}];" for c in range(target)]
        body.append(f"h q[{target}];")
    body += [f"measure q[{i}] -> c[{i}];" for i in range(4)]
    return program(
        2,
        [
            "Order of 7 modulo 15, the quantum part of factoring 15 = 3 x 5.",
            "Expect 0, 4, 8 and 12 (of 16), a quarter each: the order is 4,",
            "and 7² ± 1 = 48, 50 share the factors 3 and 5 with 15.",
        ],
        [f"P({k:04b})=0.25" for k in (0, 4, 8, 12)],
        body,
    )


def teleportation() -> str:
    """One qubit moved by two classical bits, with feed-forward."""
    theta, phi = 1.1, 0.7
    body = [
        "qubit[3] q;",
        "bit[2] bell;",
        "bit[1] out;",
        "// the state to move",
        f"ry({theta}) q[0];",
        f"rz({phi}) q[0];",
        "// a shared pair, and a Bell measurement at the sender",
        "h q[1];",
        "cx q[1], q[2];",
        "cx q[0], q[1];",
        "h q[0];",
        "bell[0] = measure q[0];",
        "bell[1] = measure q[1];",
        "// the receiver corrects",
        "if (bell[1]) { x q[2]; }",
        "if (bell[0]) { z q[2]; }",
        "// and undoes the preparation, so that a perfect teleport reads 0",
        f"rz(-{phi}) q[2];",
        f"ry(-{theta}) q[2];",
        "out[0] = measure q[2];",
    ]
    return program(
        3,
        [
            "Teleportation of a qubit with feed-forward: a dynamic circuit.",
            "Expect out = 0 in every shot, and the two Bell bits uniform (read as: out, then bell).",
        ],
        [f"P(0 {k:02b})=0.25" for k in range(4)],
        body,
    )


def repetition_code() -> str:
    """One round of the three-qubit repetition code with live correction."""
    theta = 2 * math.asin(math.sqrt(0.3))
    body = [
        "qubit[5] q;",
        "bit[2] syndrome;",
        "bit[3] data;",
        "// √0.7 |000> + √0.3 |111>",
        f"ry({_f(theta)}) q[0];",
        "cx q[0], q[1];",
        "cx q[0], q[2];",
        "// the error",
        "x q[1];",
        "// the syndrome, measured while the data live",
        "cx q[0], q[3];",
        "cx q[1], q[3];",
        "cx q[1], q[4];",
        "cx q[2], q[4];",
        "syndrome[0] = measure q[3];",
        "syndrome[1] = measure q[4];",
        "// the correction",
        "if (syndrome == 1) { x q[0]; }",
        "if (syndrome == 2) { x q[2]; }",
        "if (syndrome == 3) { x q[1]; }",
        "data = measure q[{0, 1, 2}];",
    ]
    return program(
        3,
        [
            "Three-qubit repetition code: an error on the middle qubit is found and corrected live.",
            "Expect syndrome 11 always; data 000 in 70 % and 111 in 30 % of the shots",
            "(read as: data, then syndrome).",
        ],
        ["P(000 11)=0.7", "P(111 11)=0.3"],
        body,
    )


PROGRAMS: dict[str, Callable[[], str]] = {
    "adder_10": adder,
    "bell_2": bell,
    "bernstein_vazirani_20": bernstein_vazirani,
    "chsh_8": chsh,
    "ghz_8": ghz,
    "grover_8": grover,
    "h2_4": h2,
    "ising_12": ising,
    "order_finding_8": order_finding,
    "phase_estimation_6": phase_estimation,
    "qaoa_heawood_14": qaoa_heawood,
    "qaoa_petersen_10": qaoa_petersen,
    "qft_6": qft,
    "repetition_code_5": repetition_code,
    "teleportation_3": teleportation,
    "w_state_5": w_state,
}
"""File name (name and qubits) to its text."""


def quantum_volume(width: int = 6, seed: int = 2019) -> str:
    """A random volume circuit (Cross et al. 2019): `width` layers of random pairs under Haar-random SU(4)."""
    import numpy as np
    from qiskit import QuantumCircuit, qasm2, transpile
    from qiskit.circuit.library import quantum_volume as model
    from qiskit.quantum_info import Statevector

    circuit = transpile(
        model(width, seed=seed).decompose(), basis_gates=["u3", "cz"], optimization_level=1, seed_transpiler=0
    )
    p = Statevector(circuit).probabilities()
    heavy = float(p[p > np.median(p)].sum())
    measured = QuantumCircuit(width, width)
    measured.compose(circuit, inplace=True)
    measured.measure(range(width), range(width))
    body = qasm2.dumps(measured).splitlines()[2:]
    return program(
        2,
        [
            f"Random quantum-volume circuit, {width} qubits and layers (Cross et al. 2019), seed {seed}.",
            f"Expect the {2 ** (width - 1)} heavy outcomes in {heavy:.4f} of the shots;",
            "a device passes above 2/3.",
        ],
        [f"heavy={heavy:.6f}"],
        body,
    )


def main() -> None:
    """Write every program beside this script."""
    for name, make in PROGRAMS.items():
        (HERE / f"{name}.qasm").write_text(make(), encoding="utf-8")
    (HERE / "quantum_volume_6.qasm").write_text(quantum_volume(), encoding="utf-8")


if __name__ == "__main__":
    main()
