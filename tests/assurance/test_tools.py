"""The long ones: symbolic proofs, static analysis, and defects that the random acts must find."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]

DEFECTS = {
    "a withdrawal leaves the balance": (
        "allocation/Ledger.sol",
        "debtor.balance = available - amount;",
        "debtor.balance = available;",
        "I1",
    ),
    "jobs expire before their deadline": (
        "allocation/AllocatorDesk.sol",
        "if (block.timestamp <= last) revert",
        "if (block.timestamp == 0) revert",
        "I13",
    ),
    "an ended execution keeps its qubits": (
        "allocation/AllocatorDesk.sol",
        "_dispatch[processor] = d.withFree(d.freeOf() + k.p.qubitsOf());",
        "_dispatch[processor] = d;",
        "I3",
    ),
    "a job closes with all of its escrow": (
        "allocation/JobBook.sol",
        "refund = fee * (k.p.mostOf() - k.p.paidOf());",
        "refund = fee * k.p.mostOf();",
        "I1",
    ),
    "one signature less than the quorum will do": (
        "libraries/Quorum.sol",
        "if (given < threshold || bitmap >> count != 0)",
        "if (given + 1 < threshold || bitmap >> count != 0)",
        "I12",
    ),
    "an oracle judges its own execution": (
        "ResultVerifier.sol",
        "if (found) revert ResultVerifierConflict(provider);",
        "",
        "I8",
    ),
    "a claim is paid again": (
        "EpochSettlement.sol",
        "p.claimed = claimed + due;",
        "p.claimed = claimed;",
        "I1",
    ),
    "anyone rules": (
        "ResultVerifier.sol",
        "function rule(uint256 id, ChallengeState ruling) external restricted {",
        "function rule(uint256 id, ChallengeState ruling) external {",
        "access control",
    ),
    "a stranger proposes": (
        "governance/ExchangeGovernor.sol",
        "return 1;",
        "return 0;",
        "a stranger proposed",
    ),
    "a ruling takes the whole bond": (
        "ResultVerifier.sol",
        "uint256 private constant MOST_SLASH_PERMILLE = 500;",
        "uint256 private constant MOST_SLASH_PERMILLE = 1000;",
        "I11",
    ),
}
"""By what is wrong: file, text, what takes its place, and what the violation must name."""


def long(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that takes minutes."""
    return pytest.mark.slow(pytest.mark.timeout(3000)(test))


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_changes_one_place(defect: str) -> None:
    file, text, _, _ = DEFECTS[defect]
    assert (ROOT / "contracts" / file).read_text(encoding="utf-8").count(text) == 1


@long
def test_every_proof_holds_and_every_canary_fails(assure: ModuleType) -> None:
    done, found = assure.proofs()
    assert done.code == 0, done.output[-4000:]
    canaries = [one for one in found if one.name.startswith("check_canary_")]
    assert len(canaries) >= 4
    assert len(found) - len(canaries) >= 12
    assert all(one.right for one in found)


@long
def test_static_analysis_finds_nothing_without_a_reason(assure: ModuleType) -> None:
    done, fresh, stale = assure.slither()
    assert (done.code, fresh, stale) == (0, [], [])


@long
@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_found_by_random_acts(defect: str, assure: ModuleType, tmp_path: Path) -> None:
    file, text, other, named = DEFECTS[defect]
    sources = tmp_path / "contracts"
    shutil.copytree(ROOT / "contracts", sources, ignore=shutil.ignore_patterns("build"))
    place = sources / file
    place.write_text(place.read_text(encoding="utf-8").replace(text, other), encoding="utf-8")
    done, _ = assure.invariants(sources)  # as many acts as every change gets
    assert done.code == 1
    assert named in done.output, done.output[-2000:]
