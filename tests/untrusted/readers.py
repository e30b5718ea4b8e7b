"""Every canonical document that a stranger may write: good ones, and who reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from eth_account import Account
from qiskit import QuantumCircuit

from qcrs.chain.bindings import Epoch, Report
from qcrs.circuits import CircuitDocument, lower
from qcrs.client.debts import Debt, EpochDocument, approval_body, read_approval
from qcrs.client.documents import (
    ExactUnit,
    FramesDocument,
    HandOver,
    JobDocument,
    Opening,
    Release,
    ResultDocument,
    ResultUnit,
    SampleUnit,
    SecretDocument,
    SecretUnit,
)
from qcrs.client.identities import OracleIdentity, read_identities, write_identities
from qcrs.client.judgement import DeviceRecord, Found
from qcrs.distributed.correction import code_document, read_code
from qcrs.distributed.seam import Seam
from qcrs.oracles import batches, certify, epochs, reports
from qcrs.together.plan import CircuitPlan, PlanDocument
from qcrs.together.rounds import EndRecord, Round
from qcrs.together.transcript import Part, Share
from qcrs.types import Json, canonical_json, cid_of, cid_to_digest, parse_canonical

NONCE = "ab" * 32
ADDRESS = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"
CID = cid_of(b"x")


@dataclass(frozen=True, slots=True)
class Document:
    """A kind of document: `read` takes bytes, `write` gives the canonical value of what was read."""

    name: str
    corpus: tuple[Json, ...]
    read: Callable[[bytes], Any]
    write: Callable[[Any], Json] | None


def dynamic() -> QuantumCircuit:
    """Measurement, reset, and control flow of every kind."""
    circuit = QuantumCircuit(3, 3)
    circuit.h(0)
    circuit.ccx(0, 1, 2)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)) as otherwise:
        circuit.x(1)
    with otherwise:
        circuit.rz(0.3, 1)
    with circuit.for_loop(range(3)):
        circuit.cx(1, 2)
    with circuit.switch(circuit.cregs[0]) as case:
        with case(0, 1):
            circuit.x(0)
        with case(case.DEFAULT):
            circuit.delay(10, 0, "ns")
    circuit.measure([0, 1, 2], [0, 1, 2])
    return circuit


@cache
def circuits() -> tuple[Json, ...]:
    """Documents of a plain and of a dynamic circuit."""
    bell = QuantumCircuit(2, 2)
    bell.h(0)
    bell.cx(0, 1)
    bell.measure([0, 1], [0, 1])
    return tuple(lower(one).document.as_json() for one in (bell, dynamic()))


def report() -> Report:
    """Of an accepted execution."""
    return Report(7, 0, 0, 1, 0, 990_000, 800_000, b"\7" * 32, 1)


def _body(data: bytes) -> Any:
    return parse_canonical(data)


def _claim() -> certify._Claim:
    return certify._Claim(9, 120, b"\1" * 256, "quick", ADDRESS, 1_900_000_000)


def _epoch() -> EpochDocument:
    """Of three debts, one of them as large as can be."""
    other, third = (Account.from_key(bytes([n]) * 32).address for n in (2, 3))
    debts = (Debt(ADDRESS, other, 5, CID), Debt(ADDRESS, third, 2**128 - 1, CID), Debt(other, third, 1, CID))
    return EpochDocument(1337, ADDRESS, 9, tuple(sorted(debts)))


def rooted(data: bytes) -> EpochDocument:
    """An epoch's document and the tree that an oracle makes of it before it signs."""
    found = EpochDocument.from_bytes(data)
    tree = found.tree()
    _ = tree.root, tree.proof(len(found.debts) - 1)
    return found


def _part(seed: int) -> Part:
    import numpy as np

    return Part(np.random.default_rng(seed).integers(0, 2, (5, 11), dtype=np.uint8))


def _plan() -> PlanDocument:
    acts = (
        ("open", 0, 0, 1),
        ("run", 0, 1),
        ("close", 0, 1),
        ("move", 1, 1, 0),
        ("turn", 0, 0),
        ("follow", 0, 1),
    )
    one = CircuitPlan((0, 1), acts, ((0, 0), (1, 1)), 2, (100, 50))  # fmt: skip
    return PlanDocument(3, (1, 4), ((7, 0, 1),), (1,), (one,))


def used_plan(data: bytes) -> PlanDocument:
    """A plan and everything that a member asks it before it accepts."""
    found = PlanDocument.from_json(_body(data))
    found.problem()
    _ = found.most_shots, found.digest
    for number, one in enumerate(found.circuits):
        _ = one.end, one.messages, one.readers, found.pairs_of(number)
    return found


def documents() -> tuple[Document, ...]:
    """All kinds."""
    plain, dynamic_one = circuits()
    frames = (
        FramesDocument(NONCE, (SampleUnit((plain, dynamic_one), (3, 2)),), simulator_seed=7),
        FramesDocument(NONCE, (ExactUnit(plain, (("ZI", 10**9, 0), ("IX", -5, 2))),), physical=True),
    )
    secrets = (
        SecretDocument(NONCE, bytes(32), (SecretUnit(plain, 5, 2, {"even": [0]}),), note='{"a": 1}', value=9),
        SecretDocument(NONCE, b"\1" * 32, (SecretUnit(plain, 0, 0, observables=(("ZI", 10**9, 0),)),)),
    )  # fmt: skip
    results = (
        ResultDocument(9, 1, 4, (ResultUnit(({0: 3, 5: 1}, {2: 4}), (), (0, -1, 7)),), {"name": "aer"}, 12),
        ResultDocument(9, 0, 4, (ResultUnit((), (10**12, -5), ()),)),
    )
    found = Found(2, 5, 7, (1, 9), "ideal", "because", True, 12, (("ideal", 5, 1, 7, True),))
    device = DeviceRecord(4, ((0, 1), (1, 2)), 10**6, (1, 2, 3, 4), 10**7)
    rounds = EndRecord(1, (Round((0, 1), 0, 0, 1), Round((2, 1), 2, 1, 1)), ((3, 1), (4, 1)))
    share = Share(4, 0, (_part(1), _part(2)))
    signed = {**reports.report_body(report()), "signature": "11" * 64}
    other = reports.report_body(Report(8, 0, 0, 1, 0, 1, 1, b"\6" * 32, 1))
    batch = {"reports": [reports.report_body(report()), other], "signature": "22" * 64}
    proposal = (Epoch(9, 1, b"\3" * 32, cid_to_digest(CID)), CID, b"\4" * 64)
    contract = {"chain_id": 1337, "settlement": ADDRESS}
    identity = OracleIdentity(ADDRESS, b"h" * 40, b"b" * 40, ("ab", "cd"))
    keys = {"frames": b"a", "secret": b"b"}
    code = code_document(Seam(3, 2, 1e-3, 1e-2), b"s")

    def of(kind: Any, *corpus: Any) -> Document:
        values = tuple(json.loads(canonical_json(one.as_json())) for one in corpus)
        return Document(
            kind.__name__, values, lambda data: kind.from_json(_body(data)), lambda v: v.as_json()
        )

    return (
        of(CircuitDocument, *(CircuitDocument.from_json(one) for one in circuits())),
        of(FramesDocument, *frames),
        of(SecretDocument, *secrets),
        of(JobDocument, JobDocument(CID, CID, 3, ADDRESS, b"key", {ADDRESS: keys})),
        of(ResultDocument, *results),
        of(HandOver, HandOver(bytes(32), b"\2" * 32, CID, {ADDRESS: b"envelope"})),
        of(type(_release()), _release()),
        of(Opening, Opening(bytes(32), b"\3" * 32, {0: b"\4" * 32, 2: b"\5" * 32})),
        of(Found, found),
        of(DeviceRecord, device),
        of(EndRecord, rounds),
        of(Share, share),
        Document("PlanDocument", (_plan().as_json(),), used_plan, lambda plan: plan.as_json()),
        Document("identities", (parse_canonical(write_identities([identity])),), read_identities,
                 lambda v: parse_canonical(write_identities(v))),
        Document("code", (parse_canonical(code),), read_code, None),
        Document("report mail", (signed,), lambda data: reports._read(_body(data)),
                 lambda v: reports._body(*v)),
        Document("batch mail", (batch,), lambda data: batches._read(_body(data)),
                 lambda v: {"reports": [reports.report_body(one) for one in v[0]], "signature": v[1].hex()}),
        Document("certificate mail", (_claim().body(b"\3" * 64),),
                 lambda data: certify._Claim.read(_body(data)), lambda v: v[0].body(v[1])),
        Document("EpochDocument", (parse_canonical(_epoch().as_bytes()),), rooted,
                 lambda v: parse_canonical(v.as_bytes())),
        Document("epoch mail", (epochs._body(*proposal),), lambda data: epochs._read(9, _body(data)),
                 lambda v: epochs._body(*v)),
        Document("approval mail", tuple(approval_body(ADDRESS, sum_, **contract) for sum_ in (1, 2**128 - 1)),
                 lambda data: read_approval(ADDRESS, _body(data), CID, **contract),
                 lambda v: approval_body(v.provider, v.cumulative, **contract)),
    )  # fmt: skip


def _release() -> Release:
    return Release(3, b"envelope")
