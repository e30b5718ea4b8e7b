"""What oracles sign, read back from transactions, against eth-account's own EIP-712 encoder."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from qcrs.chain.bindings import Report, ResultVerifier
from qcrs.client.quorum import (
    SignedReports,
    batch_digest,
    read_report_call,
    report_digest,
    signature_problems,
)
from qcrs.oracles.signing import bitmap_of, sign_digest

CHAIN, VERIFIER = 31_337, "0x00000000000000000000000000000000000000aA"
FIELDS = (
    ("job", "uint64"), ("execution", "uint8"), ("round", "uint8"), ("outcome", "uint8"), ("flags", "uint8"),
    ("score", "int64"), ("threshold", "int64"), ("evidence", "bytes32"), ("era", "uint32"),
)  # fmt: skip
DOMAIN = {
    "name": "QCRS ResultVerifier",
    "version": "1",
    "chainId": CHAIN,
    "verifyingContract": VERIFIER,
}
ORACLES = [Account.from_key(keccak(text=f"signer {n}")) for n in range(4)]
REPORTS = tuple(
    Report(job, 0, 1, 1, 0, -5 * job, 800_000, keccak(text=f"evidence {job}"), 3) for job in (7, 9, 2**40 + 1)
)


def typed(kind: str, message: dict[str, Any]) -> bytes:
    """The digest as eth-account makes it."""
    members = [{"name": name, "type": of} for name, of in FIELDS]
    types = {"Report": members, "Batch": [{"name": "reports", "type": "Report[]"}]}
    chosen = types if kind == "Batch" else {"Report": members}
    signable = encode_typed_data(DOMAIN, chosen, message)
    return bytes(keccak(b"\x19" + signable.version + signable.header + signable.body))


def named(report: Report) -> dict[str, Any]:
    return dict(zip((name for name, _ in FIELDS), report.to_abi(), strict=True))


def fields(reports: tuple[Report, ...]) -> list[Any]:
    return [report.to_abi() for report in reports]


def sent(reports: tuple[Report, ...], signers: tuple[int, ...] = (0, 1, 3)) -> bytes:
    """The input of a transaction that brings a batch."""
    digest = batch_digest(fields(reports), chain_id=CHAIN, verifier=VERIFIER)
    bitmap, signatures = bitmap_of({n: sign_digest(ORACLES[n], digest) for n in signers})
    verifier = ResultVerifier(cast("Any", None), VERIFIER)
    return verifier.settle_batch(reports, bitmap, signatures).data


def problems(found: SignedReports) -> list[str]:
    digest = found.digest(chain_id=CHAIN, verifier=VERIFIER)
    return signature_problems(found, digest, [oracle.address for oracle in ORACLES])


def test_digests_are_those_of_another_encoder() -> None:
    one = report_digest(REPORTS[0].to_abi(), chain_id=CHAIN, verifier=VERIFIER)
    assert one == typed("Report", named(REPORTS[0]))
    for reports in (REPORTS, REPORTS[:1], REPORTS[::-1]):
        message = {"reports": [named(report) for report in reports]}
        digest = batch_digest(fields(reports), chain_id=CHAIN, verifier=VERIFIER)
        assert digest == typed("Batch", message) != one


def test_a_batch_is_read_back_from_its_transaction() -> None:
    found = read_report_call(sent(REPORTS))
    assert found is not None
    assert found.batch
    assert found.bitmap == 0b1011
    assert list(found.reports) == fields(REPORTS)
    assert problems(found) == []


def test_a_batch_that_lacks_signatures_or_was_changed_shows_it() -> None:
    few = read_report_call(sent(REPORTS, (0, 1)))
    assert few is not None
    assert problems(few) == ["2 signatures, 3 are needed"]
    found = read_report_call(sent(REPORTS))
    assert found is not None
    for forged in (
        replace(found, reports=found.reports[::-1]),
        replace(found, reports=found.reports[:2]),
        replace(found, batch=False),
        replace(found, bitmap=0b0111),
    ):
        assert problems(forged)


@pytest.mark.parametrize("data", [b"", b"\x00" * 200, sent(REPORTS)[:200], sent(REPORTS)[:4]])
def test_other_calls_bring_no_reports(data: bytes) -> None:
    assert read_report_call(data) is None
