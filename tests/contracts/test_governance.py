"""What the bodies may, and nobody else; each parameter inside hard bounds."""

from __future__ import annotations

from typing import Any

import pytest
from contract_stage import ZERO, refuses
from exchange_stage import GUARDED, Stage

ARGS: dict[str, tuple[Any, ...]] = {
    "openFlow": (ZERO, 100, True),
    "setFlowWeight": (0, 100),
    "setFlowOwner": (0, ZERO, True),
    "setClass": (1, 10, 0),
    "setQuota": (0, 1, 10, 10),
    "setQueueing": (100, 0),
    "setTimes": (30, 60, 3600),
    "setPenalties": (100, 3),
    "setRequestBounds": (2, 5, 600),
    "setPaused": (True,),
    "setSuspended": (1, True),
    "setCertificateLife": (86_400,),
    "setLeastBond": (5,),
    "setUnbondDelay": (14 * 86_400,),
    "setClaimTolerance": (256, 100),
    "setHalfLife": (86_400,),
    "setWindows": (3600, 3600),
    "setChallengeBond": (1, 2),
    "rule": (1, 2),
    "rotate": ([], bytes(32)),
    "setTreasury": (ZERO,),
}

DOMAINS = {
    "ComputationAllocator": "allocator",
    "ProcessorRegistry": "registry",
    "ResultVerifier": "verifier",
    "OracleQuorum": "quorum",
}


@pytest.mark.parametrize("name", DOMAINS)
def test_every_guarded_function_refuses_everyone_else(stage: Stage, name: str) -> None:
    contract = getattr(stage, DOMAINS[name])
    for role, functions in GUARDED[name].items():
        for function in functions:
            others = [account for number, account in stage.who.committee.items() if number != role]
            for by in (stage.who.stranger, stage.admin, *others):
                with refuses("AccessManagedUnauthorized", caller=by):
                    contract.send(function, *ARGS[function], by=by)


def test_treasuries_are_the_administrators(stage: Stage) -> None:
    for contract in (stage.registry, stage.quorum):
        with refuses("AccessManagedUnauthorized"):
            contract.send("setTreasury", stage.who.stranger, by=stage.who.committee[1])
        contract.send("setTreasury", stage.who.stranger, by=stage.admin)
        assert contract.read("treasury") == stage.who.stranger
    with refuses("ProcessorRegistryOutOfBounds"):
        stage.registry.send("setTreasury", ZERO, by=stage.admin)
    with refuses("OracleQuorumOutOfBounds"):
        stage.quorum.send("setTreasury", ZERO, by=stage.admin)


def test_no_body_has_a_function_that_moves_balances_or_escrow(stage: Stage) -> None:
    """I9: functions that touch money are guarded by the calling contract or account, never by a role."""
    guarded = {f for roles in GUARDED["ComputationAllocator"].values() for f in roles}
    assert not guarded & {
        "withdraw",
        "deposit",
        "takeBond",
        "giveBond",
        "addBond",
        "releaseBond",
        "slashBond",
        "cancel",
        "expire",
        "expireExecution",
        "settle",
        "recordChallenge",
        "commitResult",
        "allocate",
        "submit",
        "skim",
    }


BOUNDS: list[tuple[str, str, int, tuple[Any, ...], tuple[Any, ...]]] = [
    ("allocator", "setFlowWeight", 1, (0, 9), (0, 10)),
    ("allocator", "setFlowWeight", 1, (0, 100_001), (0, 100_000)),
    ("allocator", "openFlow", 1, (ZERO, 9, True), (ZERO, 10, True)),
    ("allocator", "setClass", 1, (3, 1, 0), (2, 1, 0)),
    ("allocator", "setClass", 1, (0, 0, 0), (0, 1, 0)),
    ("allocator", "setClass", 1, (0, 1, 1), (0, 2**32 - 1, 0)),
    ("allocator", "setClass", 1, (1, 1, 1001), (1, 1, 1000)),
    ("allocator", "setQuota", 1, (0, 0, 1, 1), (0, 1, 1, 1)),
    ("allocator", "setQuota", 1, (0, 3, 1, 1), (0, 2, 1, 1)),
    ("allocator", "setQuota", 1, (0, 1, 2**36 + 1, 1), (0, 1, 2**36, 1)),
    ("allocator", "setQuota", 1, (0, 1, 1, 2**36 + 1), (0, 1, 1, 2**36)),
    ("allocator", "setQueueing", 1, (2**36 + 1, 0), (2**36, 0)),
    ("allocator", "setQueueing", 1, (0, 2**36 + 1), (0, 2**36)),
    ("allocator", "setTimes", 4, (0, 0, 60), (1, 0, 60)),
    ("allocator", "setTimes", 4, (3601, 0, 60), (3600, 86_400, 60)),
    ("allocator", "setTimes", 4, (30, 86_401, 60), (30, 86_400, 60)),
    ("allocator", "setTimes", 4, (30, 60, 59), (30, 60, 60)),
    ("allocator", "setPenalties", 4, (501, 1), (500, 1)),
    ("allocator", "setPenalties", 4, (0, 0), (0, 1)),
    ("allocator", "setPenalties", 4, (0, 11), (0, 10)),
    ("allocator", "setRequestBounds", 4, (1, 1, 60), (2, 1, 60)),
    ("allocator", "setRequestBounds", 4, (101, 1, 60), (100, 5, 60)),
    ("allocator", "setRequestBounds", 4, (2, 0, 60), (2, 1, 60)),
    ("allocator", "setRequestBounds", 4, (2, 6, 60), (2, 5, 60)),
    ("allocator", "setRequestBounds", 4, (2, 1, 59), (2, 1, 60)),
    ("allocator", "setRequestBounds", 4, (2, 1, 259_201), (2, 1, 259_200)),
    ("registry", "setCertificateLife", 2, (3599,), (3600,)),
    ("registry", "setCertificateLife", 2, (365 * 86_400 + 1,), (365 * 86_400,)),
    ("registry", "setLeastBond", 2, (0,), (1,)),
    ("registry", "setLeastBond", 2, (2**40,), (2**40 - 1,)),
    ("registry", "setHalfLife", 4, (86_399,), (86_400,)),
    ("registry", "setHalfLife", 4, (730 * 86_400 + 1,), (730 * 86_400,)),
    ("registry", "setUnbondDelay", 2, (90 * 86_400 + 1,), (90 * 86_400,)),
    ("registry", "setClaimTolerance", 2, (63, 0), (64, 0)),
    ("registry", "setClaimTolerance", 2, (4096, 0), (4095, 0)),
    ("registry", "setClaimTolerance", 2, (64, 501), (64, 500)),
    ("verifier", "setWindows", 4, (59, 60), (60, 60)),
    ("verifier", "setWindows", 4, (60, 1_814_401), (604_800, 60)),
    ("verifier", "setWindows", 4, (604_801, 60), (60, 604_800)),
    ("verifier", "setChallengeBond", 4, (0, 2), (1, 2)),
    ("verifier", "setChallengeBond", 4, (1, 1), (1, 2)),
    ("verifier", "setChallengeBond", 4, (1, 11), (2**80, 10)),
    ("verifier", "setChallengeBond", 4, (2**80 + 1, 2), (1, 10)),
]


@pytest.mark.parametrize(("domain", "name", "role", "bad", "good"), BOUNDS)
def test_bounds(
    stage: Stage, domain: str, name: str, role: int, bad: tuple[Any, ...], good: tuple[Any, ...]
) -> None:
    contract, by = getattr(stage, domain), stage.who.committee[role]
    prefix = {
        "allocator": "ComputationAllocator",
        "registry": "ProcessorRegistry",
        "verifier": "ResultVerifier",
    }
    with refuses(prefix[domain] + "OutOfBounds"):
        contract.send(name, *bad, by=by)
    contract.send(name, *good, by=by)


def test_parameters_read_back(stage: Stage) -> None:
    a, body = stage.allocator, stage.who.committee
    a.send("setQueueing", 12_345, 678, by=body[1])
    for number, rate, boost in ((0, 11, 0), (1, 22, 333), (2, 44, 555)):
        a.send("setClass", number, rate, boost, by=body[1])
    a.send("setTimes", 31, 61, 3601, by=body[4])
    a.send("setPenalties", 123, 7, by=body[4])
    a.send("setRequestBounds", 3, 4, 7200, by=body[4])
    a.send("setFlowWeight", 0, 77, by=body[1])
    assert a.read("queueing") == (12_345, 678)
    assert [a.read("classOf", number) for number in range(3)] == [(11, 0), (22, 333), (44, 555)]
    assert a.read("times") == (31, 61, 3601)
    assert a.read("penalties") == (123, 7)
    assert a.read("requestBounds") == (3, 4, 7200)
    assert a.read("flow", 0)[1:3] == (77, True)
    assert (a.read("paused"), a.read("flowCount"), a.read("virtualTime")) == (False, 1, 0)
    assert a.read("halfLife") == 90 * 86_400
    with refuses("ComputationAllocatorOutOfBounds"):
        a.send("setQueueing", 1109, 0, by=body[1])
    names = [
        (name, v) for name, v, _ in stage.history if name in ("ParameterSet", "ClassSet", "FlowWeightSet")
    ]
    assert len(names) == 2 + 3 + 3 + 2 + 3 + 1


def test_contracts_know_each_other(stage: Stage) -> None:
    a = stage.allocator
    assert (a.read("CREDIT"), a.read("REGISTRY"), a.read("VERIFIER"), a.read("UNIT")) == (
        stage.credit.address,
        stage.registry.address,
        stage.verifier.address,
        1,
    )
    for contract, names in (
        (stage.registry, {"ALLOCATOR": a, "QUORUM": stage.quorum, "VERIFIER": stage.verifier}),
        (stage.verifier, {"ALLOCATOR": a, "QUORUM": stage.quorum, "REGISTRY": stage.registry}),
        (stage.quorum, {"VERIFIER": stage.verifier, "CREDIT": stage.credit}),
    ):
        for name, other in names.items():
            assert contract.read(name) == other.address
