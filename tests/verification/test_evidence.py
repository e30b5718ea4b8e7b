from __future__ import annotations

import copy
import json

import pytest

from qcrs.circuits import keccak
from qcrs.errors import InputError, VerificationError
from qcrs.types import canonical_json
from qcrs.verification import (
    AuditRecord,
    Evidence,
    Outcome,
    Test,
    Verdict,
    audit_rate_ppm,
    build_evidence,
    commitment,
    differences,
    drawn,
    parse_evidence,
    reputation_bound_ppm,
    result_root,
)
from qcrs.verification.audit import majority, reputation_at_risk_ppm, share_threshold, slashable, value_cap

VERDICT = Verdict(
    Outcome.REJECT,
    512_000,
    920_000,
    (500_000, 524_000),
    (
        Test("form", 1_000_000, 0, 1_000_000, True),
        Test("shape:ideal", 512_000, 6_000, 920_000, False),
    ),
    "V3 simulate",
    False,
    None,
    "the test shape:ideal fails",
)
EVIDENCE = Evidence(7, 1, 0, 3, 2, {"job": "bafy"}, AuditRecord("ab" * 32, 30_000, False, (0,)), VERDICT)


def test_evidence_round_trips_and_holds_only_integers() -> None:
    document = build_evidence(EVIDENCE)
    assert parse_evidence(json.loads(EVIDENCE.canonical())) == EVIDENCE
    assert canonical_json(document) == EVIDENCE.canonical()


def test_differences_name_the_first_fields() -> None:
    one = build_evidence(EVIDENCE)
    two = copy.deepcopy(one)
    assert differences(one, two) == []
    two["verdict"]["tests"][1][1] = 513_000
    two["era"] = 3
    del two["inputs"]["job"]
    found = differences(one, two)
    assert found == [
        "era: 2, 3 in the second",
        "inputs.job: only in the first",
        "verdict.tests[1][1]: 512000, 513000 in the second",
    ]
    assert len(differences(one, two, most=1)) == 1
    assert differences({"a": 1}, {"a": True})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("qcrs",), "evidence/2"),
        (("job",), "7"),
        (("inputs",), {"job": 1}),
        (("audit",), {}),
        (("audit", "drawn"), 1),
        (("audit", "references"), [True]),
        (("verdict", "outcome"), "maybe"),
        (("verdict", "score_ppm"), 1.5),
        (("verdict", "interval_ppm"), [1]),
        (("verdict", "tests"), [["form", 1, 0, 1]]),
        (("verdict", "tests"), "all"),
        (("verdict", "needed_shots"), "many"),
        (("verdict", "weak"), None),
        (("verdict", "reason"), 3),
    ],
)
def test_forged_evidence_is_refused(path: tuple[str, ...], value: object) -> None:
    document = build_evidence(EVIDENCE)
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with pytest.raises(VerificationError):
        parse_evidence(document)
    with pytest.raises(VerificationError):
        parse_evidence([])


def test_the_commitment_is_the_contracts() -> None:
    salt, root, provider = b"\1" * 32, b"\2" * 32, "0x" + "ab" * 20
    assert commitment(salt, provider, 5, root) == keccak(
        salt + bytes.fromhex("ab" * 20) + bytes(7) + b"\5" + root
    )
    for bad in (
        (b"", provider, 5, root),
        (salt, "0xzz", 5, root),
        (salt, provider, -1, root),
        (salt, provider, 5, b""),
    ):
        with pytest.raises(InputError):
            commitment(*bad)
    assert len(result_root({"qcrs": "result/1"})) == 32


def test_audit_rates_are_those_of_the_design() -> None:
    assert audit_rate_ppm(100, 500) == pytest.approx(184_210, abs=1)  # 1.5·0.7/(0.95·6)
    assert audit_rate_ppm(100, 1000, 500, 1_000_000) == pytest.approx(69_078, abs=1)  # over 16 fees at stake
    assert audit_rate_ppm(100, 0) == 1_000_000
    assert audit_rate_ppm(1, 10**30) == 30_000
    assert audit_rate_ppm(0, 0) == 30_000
    with pytest.raises(InputError):
        audit_rate_ppm(-1, 0)


def test_a_stated_value_raises_the_rate_up_to_the_cap_that_the_stake_bears() -> None:
    rates = [audit_rate_ppm(100, 1000, value=value) for value in (0, 100, 500, 939, 940, 5000)]
    assert rates == sorted(rates)
    assert rates[0] == audit_rate_ppm(100, 1000)
    cap = value_cap(100, 1000)  # 0.95·(100 + 1000) − 1.5·70
    assert cap == 940
    assert audit_rate_ppm(100, 1000, value=cap) == 1_000_000 > audit_rate_ppm(100, 1000, value=cap - 1)
    assert value_cap(100, 0) == 0
    assert [majority(redundancy) for redundancy in range(1, 6)] == [1, 2, 2, 3, 3]
    with pytest.raises(InputError):
        audit_rate_ppm(100, 1000, value=-1)


def test_better_reputations_are_audited_less() -> None:
    bounds = [reputation_bound_ppm(256 * good, 256) for good in (1, 5, 50, 500)]
    assert bounds == sorted(bounds)
    assert reputation_bound_ppm(0, 0) == 0
    assert reputation_bound_ppm(256, 256) == pytest.approx(211_325, abs=2)  # Beta(1, 1): 1/2 − √(1/12)
    rates = [audit_rate_ppm(100, 500, 500, bound) for bound in bounds]
    # Of a long record a fraud takes little, of none nothing, of a short one most.
    at_risk = [reputation_at_risk_ppm(256 * good, 256) for good in (1, 5, 50, 500)]
    assert at_risk[0] < at_risk[1] > at_risk[2] > at_risk[3]
    assert (slashable(1000, 100, 3), slashable(200, 100, 3)) == (300, 200)
    # d₀ = 0.8: with 4 fees at stake it deters alone; with 1.1 even certain audits hardly do.
    assert audit_rate_ppm(100, 300, unaudited_ppm=800_000) == 30_000
    assert audit_rate_ppm(100, 10, unaudited_ppm=800_000) == 1_000_000
    assert rates == sorted(rates, reverse=True)


def shares(count: int, trial: int) -> dict[int, bytes]:
    """Proofs of as many oracles, as good as random."""
    return {index: keccak(bytes([index]) + trial.to_bytes(4, "big")) for index in range(count)}


def test_the_chance_of_a_draw_is_the_rate_when_a_third_withholds_and_no_less_otherwise() -> None:
    block, rate, trials = b"\3" * 32, 123_000, 4000
    for oracles in (4, 7, 31):
        enough = 2 * (oracles - 1) // 3 + 1
        least, most = (
            sum(drawn(block, shares(count, trial), rate, oracles) for trial in range(trials)) / trials
            for count in (enough, oracles)
        )
        assert least == pytest.approx(0.123, abs=0.021)  # four standard deviations
        assert least < most < 1.5 * 0.123 + 0.021


def test_thresholds_are_exact_integers() -> None:
    assert share_threshold(1_000_000, 3) == 1 << 64
    assert share_threshold(0, 3) == 0
    for rate, count in ((30_000, 3), (123_456, 5), (999_999, 21)):
        exact = 1 - (1 - rate / 10**6) ** (1 / count)
        assert share_threshold(rate, count) / 2**64 == pytest.approx(exact, rel=1e-12)
    with pytest.raises(InputError):
        share_threshold(-1, 3)


def test_too_few_proofs_draw_for_certain() -> None:
    block = b"\3" * 32
    assert drawn(block, shares(2, 0), 0, 4)
    assert not drawn(block, shares(3, 0), 0, 4)
    assert drawn(block, shares(3, 0), 1_000_000, 4)
    with pytest.raises(InputError):
        drawn(b"", {}, 1, 4)
