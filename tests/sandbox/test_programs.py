"""Reading programs: what is good comes through whole, what is bad is one clear line, and the caller lives."""

from __future__ import annotations

import contextlib
import io
import os
import random
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from qiskit import QuantumCircuit, QuantumRegister, qasm3, qpy
from qiskit.circuit import Parameter
from qiskit.quantum_info import Operator, Statevector
from watching import Watch

from qcrs.circuits import to_qiskit
from qcrs.errors import CircuitError, SandboxError
from qcrs.sandbox import GIB, Limits, Sandbox, program_sandbox, read_program, read_programs
from qcrs.sandbox.lex import MAX_PROGRAM_BYTES, look

EXAMPLES = Path(__file__).parents[2] / "examples" / "circuits"
BRIEF = Limits(cpu_seconds=2, wall_seconds=30)
HEAD2 = 'OPENQASM 2.0; include "qelib1.inc"; '
HEAD3 = 'OPENQASM 3.0; include "stdgates.inc"; '


@pytest.fixture(scope="module")
def reader() -> Iterator[Sandbox]:
    with program_sandbox() as sandbox:
        yield sandbox


def as_qpy(*circuits: QuantumCircuit, version: int = 18) -> bytes:
    with io.BytesIO() as file:
        qpy.dump(list(circuits), file, version=version)
        return file.getvalue()


def sample() -> QuantumCircuit:
    circuit = QuantumCircuit(4, 4, name="sample")
    circuit.h(0)
    circuit.ccx(0, 1, 2)
    circuit.rzz(0.3, 1, 3)
    circuit.swap(0, 3)
    circuit.u(0.1, 0.2, 0.3, 2)
    circuit.measure(range(4), range(4))
    return circuit


SOURCES: dict[str, bytes] = {
    "qasm2": (
        HEAD2 + "qreg q[4]; creg c[4]; gate my(a) x,y { cx x,y; rz(a/2) y; } "
        "h q[0]; my(pi/3) q[0],q[1]; if (c==1) x q[2]; u3(0.1,0.2,0.3) q[3]; barrier q; measure q -> c;"
    ).encode(),
    "qasm3": (
        HEAD3 + "qubit[3] q; bit[2] c; bit r; h q[0]; cx q[0], q[1]; c[0] = measure q[0]; "
        "if (c[0]) { x q[2]; } else { z q[1]; } for int i in [0:2] { rx(pi * i) q[1]; } r = measure q[2];"
    ).encode(),
    "qpy": as_qpy(sample()),
    "qpy 13": as_qpy(sample(), version=13),
}


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.qasm")), ids=lambda path: path.stem)
def test_every_example_is_read(reader: Sandbox, file: Path) -> None:
    (program,) = read_programs(file.read_bytes(), sandbox=reader, name=file.name, max_qubits=20)
    assert program.document.instructions
    assert program.notes == ()


@pytest.mark.parametrize("kind", sorted(SOURCES))
def test_each_format_is_read(reader: Sandbox, kind: str) -> None:
    (document,) = read_program(SOURCES[kind], sandbox=reader)
    assert document.measured_clbits()


@pytest.mark.parametrize(
    "make", [lambda c: as_qpy(c), lambda c: qasm3.dumps(c).encode()], ids=["qpy", "qasm3"]
)
def test_the_document_means_what_the_program_means(
    reader: Sandbox, make: Callable[[QuantumCircuit], bytes]
) -> None:
    circuit = sample()
    circuit.remove_final_measurements()
    (program,) = read_programs(make(circuit), sandbox=reader, measure=False)
    assert Operator(to_qiskit(program.document)).equiv(Operator(circuit))


def test_several_circuits_of_one_file_keep_their_names(reader: Sandbox) -> None:
    second = QuantumCircuit(QuantumRegister(1, "a"), name="second\n\x1b[31m")
    second.x(0)
    first, other = read_programs(as_qpy(sample(), second), sandbox=reader)
    assert (first.name, other.name) == ("sample", "")
    assert "measurement of every qubit" in other.notes[0]
    measured = to_qiskit(other.document)
    measured.remove_final_measurements()
    assert Statevector(measured).probabilities()[1] == pytest.approx(1.0)


def test_a_program_without_version_is_recognised(reader: Sandbox) -> None:
    (two,) = read_program(b'include "qelib1.inc"; qreg q[1]; creg c[1]; measure q -> c;', sandbox=reader)
    (three,) = read_program(b"// hello\nqubit[2] q; bit[2] c; c = measure q;", sandbox=reader)
    assert (two.qubits, three.qubits) == (1, 2)
    bom = b"\xef\xbb\xbf" + SOURCES["qasm2"]
    assert read_program(bom, sandbox=reader) == read_program(SOURCES["qasm2"], sandbox=reader)


GATE_BOMB = (
    HEAD2
    + "gate g0 a { x a; } "
    + "".join(f"gate g{n} a {{ g{n - 1} a; g{n - 1} a; }} " for n in range(1, 27))
)
PARAMETRIC = QuantumCircuit(1, 1)
PARAMETRIC.rx(Parameter("θ"), 0)
PARAMETRIC.measure(0, 0)

ATTACKS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"  \n", "is empty"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a quantum program"),
    "python": (b"import qiskit\nprint('hello')\n", "not a quantum program"),
    "prose": (b"Please include a circuit.\n", "not a quantum program"),
    "too large": (b"//" + b"x" * MAX_PROGRAM_BYTES, "larger than"),
    "qasm 1": (b"OPENQASM 1.0; qreg q[1];", "version"),
    "syntax error": (HEAD2.encode() + b"qreg q[2]; h q[0", "not valid OpenQASM 2"),
    "unknown gate": (HEAD3.encode() + b"qubit q; frobnicate q;", "not valid OpenQASM 3"),
    "too many qubits": (HEAD2.encode() + b"qreg q[31]; h q[0];", "31 qubits, more than the 30"),
    "qubits in parts": (HEAD3.encode() + b"qubit[29] a; qubit b; qubit c; h b;", "31 qubits"),
    "computed qubits": (HEAD3.encode() + b"const int n = 10 * 4; qubit[n] q;", "qubits, more|not valid"),
    "hex qubits": (HEAD3.encode() + b"qubit[0x28] q; h q[0];", "40 qubits, more than the 30"),
    "qpy qubits": (as_qpy(QuantumCircuit(31, 1)), "31 qubits"),
    "huge qreg": (HEAD2.encode() + b"qreg q[2147483647];", "2147483647 qubits"),
    "huge qubit": (HEAD3.encode() + b"qubit[2147483647] q;", "2147483647 qubits"),
    "huge hex": (HEAD3.encode() + b"qubit[0x7fffffff] q;", "2147483647 qubits"),
    "huge creg": (HEAD2.encode() + b"qreg q[1]; creg c[2147483647];", "classical bits"),
    "huge number": (HEAD2.encode() + b"qreg q[" + b"9" * 5000 + b"];", "qubits"),
    "gate bomb": (GATE_BOMB.encode() + b"qreg q[1]; g26 q[0];", "memory|too long|too large|instructions"),
    "broadcast bomb": (
        HEAD2.encode() + b"qreg q[30]; " + b"gate w a { " + b"x a; " * 5_000 + b"} " + b"w q; " * 2_000,
        "memory|too long|too large|instructions",
    ),
    "loop bomb": (
        HEAD3.encode() + b"qubit q; for int i in [0:99999] { for int j in [0:99999] { x q; } }",
        "memory|too long|too large|instructions",
    ),
    "deep brackets": (HEAD2.encode() + b"qreg q[1]; rx(" + b"(" * 100_000 + b"1", "nests brackets"),
    "deep blocks": (HEAD3.encode() + b"qubit q; bit c; " + b"if (c) { " * 2_000, "nests brackets"),
    "deep powers": (HEAD3.encode() + b"qubit q; rx(" + b"1**" * 20_000 + b"1) q;", "not valid|crash|too"),
    "free input": (HEAD3.encode() + b"input float a; qubit q; rx(a) q;", "free parameters"),
    "constant loop": (
        HEAD3.encode() + b"qubit q; bit c; while (true) { h q; }",
        "not 'const bool'\n",
    ),
    "free qpy": (as_qpy(PARAMETRIC), "free parameters"),
    "old qpy": (b"QISKIT" + bytes([12]) + as_qpy(sample())[7:], "version 12"),
    "new qpy": (b"QISKIT" + bytes([19]) + as_qpy(sample())[7:], "version 19"),
    "cut qpy": (as_qpy(sample())[:10], "cut off"),
    "half qpy": (as_qpy(sample())[:200], "not valid QPY|crash"),
    "many in qpy": (as_qpy(sample())[:10] + b"\xff" * 8 + as_qpy(sample())[18:], "holds 184467440737095"),
    "another encoding": (HEAD2.encode() + "// é".encode("latin-1"), "not text in UTF-8"),
    "wide letters": ("OPENQASM 2.0; qreg q[1];".encode("utf-16"), "not text in UTF-8"),
    "opaque": (HEAD2.encode() + b"opaque m a; qreg q[1]; m q[0];", "basis|definition"),
}  # fmt: skip


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_what_is_bad_is_one_clear_line(reader: Sandbox, attack: str) -> None:
    data, reason = ATTACKS[attack]
    with pytest.raises(CircuitError, match=reason) as caught:
        read_program(data, sandbox=reader, max_qubits=30, name="upload.qasm", limits=BRIEF)
    assert caught.value.solution
    assert caught.value.reason.isprintable()
    assert "crates/" not in caught.value.reason
    assert "━" not in caught.value.reason
    assert len(caught.value.reason) < 500
    assert "upload.qasm" in caught.value.reason or "circuit" in caught.value.reason
    assert read_program(SOURCES["qasm2"], sandbox=reader)


@pytest.mark.parametrize("quote", ['"', "'"])
@pytest.mark.parametrize(
    "head", ["OPENQASM 2.0;", "OPENQASM 3.0;", "qreg q[1];", "/* a comment */ OPENQASM 3;"]
)
def test_includes_never_open_a_file(reader: Sandbox, tmp_path: Path, head: str, quote: str) -> None:
    secret = tmp_path / "secret.inc"
    secret.write_text("the_password_is_swordfish;")
    places = [str(secret), os.path.relpath(secret), "../../" * 8 + str(secret)[1:], f"file://{secret}"]
    for place in places:
        for spelling in (f"include {quote}{place}{quote};", f"include/**/{quote}{place}{quote};"):
            with pytest.raises(CircuitError) as caught:
                read_program(f"{head} {spelling} qubit q;".encode(), sandbox=reader)
            assert "swordfish" not in str(caught.value)
    with pytest.raises(CircuitError, match="not built in") as caught:
        read_program(f'OPENQASM 2.0; include "{secret}"; qreg q[1];'.encode(), sandbox=reader)
    assert str(secret) in str(caught.value)


def test_past_the_first_look_the_parser_itself_opens_no_file(reader: Sandbox, tmp_path: Path) -> None:
    """The second line of defence, without the first."""
    secret = tmp_path / "secret.inc"
    secret.write_text("the_password_is_swordfish;")
    for version in ("OpenQASM 2", "OpenQASM 3"):
        header = f'{{"format":"{version}","max_qubits":9,"measure":true,"name":"x"}}\n'
        program = f'OPENQASM {version[-1]}.0; include "{secret}"; '
        with pytest.raises(CircuitError) as caught:
            reader.call("qcrs.sandbox.parse:parse_program", (header + program).encode())
        assert "swordfish" not in str(caught.value)


def test_memory_stays_within_the_limit(reader: Sandbox) -> None:
    """Straight to the child with what the first look would refuse."""
    header = b'{"format":"OpenQASM 2","max_qubits":9,"measure":true,"name":"x"}\n'
    before = reader.run("binascii:hexlify", b"").max_rss_bytes
    program = HEAD2.encode() + b"qreg q[2147483647];"
    with pytest.raises((SandboxError, CircuitError)):
        reader.run("qcrs.sandbox.parse:parse_program", header + program)
    outcome = reader.run("qcrs.sandbox.parse:parse_program", header + SOURCES["qasm2"])
    assert outcome.max_rss_bytes - before < GIB


def test_a_machine_that_cannot_run_children_is_not_the_programs_fault() -> None:
    broken = Sandbox(preload=["no_such_module"])
    with pytest.raises(SandboxError, match="no_such_module"):
        read_program(SOURCES["qasm2"], sandbox=broken)


def test_a_long_run_of_signs_does_no_harm(reader: Sandbox) -> None:
    """The parser recurses on it; read or refused, the caller goes on."""
    program = HEAD2.encode() + b"qreg q[1]; rx(" + b"-" * 900_000 + b"1) q[0];"
    with contextlib.suppress(CircuitError):
        read_program(program, sandbox=reader)
    assert read_program(SOURCES["qasm2"], sandbox=reader)


def test_the_first_look_is_linear() -> None:
    start = time.perf_counter()
    for hostile in (
        b"/*" * 500_000,
        b'"' * 1_000_000,
        b"OPENQASM 3; " + b"(]" * 500_000,
        b"qubit[" * 170_000,
    ):
        with contextlib.suppress(CircuitError):
            look(hostile, "x", 10)
    assert time.perf_counter() - start < 20  # measured: 1.5 s; quadratic would take hours


def mutants(count: int, seed: int, secret: Path) -> Iterator[bytes]:
    """Seeded damage to good programs: bytes changed, runs deleted, repeated, or swapped in from another.

    Some try to include the file `secret`.
    """
    includes = [f"{word} {quote}{secret}{quote};".encode() for word in ("include", "INCLUDE", "defcalgrammar")
                for quote in "\"'"]  # fmt: skip
    draw = random.Random(seed)
    pool = [*SOURCES.values(), *(file.read_bytes() for file in sorted(EXAMPLES.glob("*.qasm")))]
    for _ in range(count):
        data = bytearray(draw.choice(pool))
        for _change in range(draw.choice((1, 1, 2, 4, 16))):
            place, length = draw.randrange(len(data)), draw.choice((1, 1, 2, 8, 64))
            action = draw.randrange(5)
            if action == 0:
                data[place] = draw.randrange(256)
            elif action == 1:
                del data[place : place + length]
            elif action == 2:
                data[place:place] = data[place : place + length] * draw.choice((1, 2, 50))
            elif action == 3:
                other = draw.choice(pool)
                start = draw.randrange(len(other))
                data[place : place + length] = other[start : start + length]
            else:
                data[place : place + 1] = draw.choice(
                    (b"9999999", b"((((", b"{{", b"\xff\xff\xff\xff", b"**", b"\0", *includes)
                )
            data = data or bytearray(b"x")
        yield bytes(data)


class Measured:
    """A sandbox that remembers the most memory that an answering call had."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.most_bytes = 0

    def call(self, function: str, payload: bytes, limits: Limits | None = None) -> bytes:
        outcome = self._sandbox.run(function, payload, limits)
        self.most_bytes = max(self.most_bytes, outcome.max_rss_bytes)
        return outcome.data


def campaign(reader: Sandbox, count: int, seed: int, folder: Path) -> dict[str, int]:
    """Read mutants; each is a list of documents or a `CircuitError`, and the next good one is read.

    What is read is read the same again. The caller stays small, no call outgrows its limit, and nobody opens
    the file that some of them name.
    """
    secret = folder / "secret.inc"
    secret.write_text("the_password_is_swordfish;")
    watch, measured = Watch(folder), Measured(reader)
    plain = reader.run("binascii:hexlify", b"").max_rss_bytes
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen = {"read": 0, "refused": 0}
    unclear = []
    for data in mutants(count, seed, secret):
        try:
            found = read_program(data, sandbox=measured, max_qubits=64)  # type: ignore[arg-type]  # it measures
            seen["read"] += 1
            if seen["read"] <= count // 20:
                assert read_program(data, sandbox=reader, max_qubits=64) == found
        except CircuitError as error:
            seen["refused"] += 1
            told = "swordfish" in str(error)
            if told or not error.solution or "\n" in error.reason or len(error.reason) > 500:
                unclear.append(error)
    assert unclear == []
    assert not watch.opened()
    watch.close()
    assert measured.most_bytes - plain < GIB
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < GIB // 4
    assert read_program(SOURCES["qpy"], sandbox=reader)
    return seen


def test_200_damaged_uploads(reader: Sandbox, tmp_path: Path) -> None:
    zygote = reader.zygote_pid()
    seen = campaign(reader, 200, 1, tmp_path)
    assert seen["read"] > 10
    assert seen["refused"] > 50
    assert reader.zygote_pid() == zygote


@pytest.mark.slow
def test_10_000_damaged_uploads(reader: Sandbox, tmp_path: Path) -> None:
    zygote = reader.zygote_pid()
    seen = campaign(reader, 10_000, 2, tmp_path)
    assert seen["read"] > 500
    assert seen["refused"] > 2_500
    assert reader.zygote_pid() == zygote


def test_larger_limits_can_be_given(reader: Sandbox) -> None:
    program = (
        HEAD2 + "qreg q[20]; creg c[20]; " + "cx q[0],q[1]; h q[1]; " * 500 + "measure q -> c;"
    ).encode()
    with pytest.raises(CircuitError, match="too long"):
        read_program(program, sandbox=reader, limits=Limits(wall_seconds=0.001))
    assert read_program(program, sandbox=reader, limits=Limits(cpu_seconds=30, wall_seconds=60))
