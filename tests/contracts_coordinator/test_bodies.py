"""What the governing bodies may change, and that they can move nobody's money."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from typing import Any

import pytest
from coordinator_play import DAY_S, Play
from coordinator_words import Request, Seen


@dataclass(frozen=True, slots=True)
class Parameters:
    """`Parameters`, in the order of the struct, with the values that the constructor sets."""

    max_qber: int = 110_000
    min_test_rounds: int = 100
    attest_window: int = 3_600
    dispute_window: int = DAY_S
    answer_window: int = 6 * 3_600
    grace: int = 60
    penalty_bps: int = 1_000
    max_attempts: int = 3
    paused: bool = False


BOUNDS = {
    "max_qber": ("maxQber", 10_000, 126_200),
    "min_test_rounds": ("minTestRounds", 16, 1_000_000),
    "attest_window": ("attestWindow", 300, 7 * DAY_S),
    "dispute_window": ("disputeWindow", 600, 30 * DAY_S),
    "answer_window": ("answerWindow", 600, 7 * DAY_S),
    "grace": ("grace", 5, DAY_S),
    "penalty_bps": ("penaltyBps", 100, 5_000),
    "max_attempts": ("maxAttempts", 1, 16),
}


def test_parameters_at_the_start(stage: Any) -> None:
    assert tuple(stage.coordinator.read("currentParameters").values()) == astuple(Parameters())


@pytest.mark.parametrize("field", BOUNDS)
def test_each_parameter_has_hard_bounds(stage: Any, field: str) -> None:
    c, by = stage.coordinator, stage.standards
    name, least, most = BOUNDS[field]
    for value in (least, most):
        changes: dict[str, Any] = {field: value}
        wanted = replace(Parameters(), **changes)
        done = c.send("setParameters", astuple(wanted), by=by)
        assert tuple(done.one("ParametersSet")["parameters"].values()) == astuple(wanted)
        assert tuple(c.read("currentParameters").values()) == astuple(wanted)
    for value in (least - 1, most + 1):
        changes = {field: value}
        word = astuple(replace(Parameters(), **changes))
        found = c.refuses("CoordinatorParameterOutOfBounds", "setParameters", word, by=by)
        assert found == {
            "name": name.encode().ljust(32, b"\0"),
            "value": value,
            "minimum": least,
            "maximum": most,
        }


def test_only_standards_sets_parameters(stage: Any) -> None:
    for who in (stage.client, stage.security, stage.admin):
        stage.coordinator.refuses("AccessManagedUnauthorized", "setParameters", astuple(Parameters()), by=who)


def test_only_security_pauses(stage: Any) -> None:
    for who in (stage.client, stage.standards, stage.admin):
        stage.coordinator.refuses("AccessManagedUnauthorized", "setPaused", True, by=who)


def test_a_pause_stops_new_business_alone(play: Play) -> None:
    stage = play.stage
    play.measured()
    session, request = play.session()
    assert play.c.send("setPaused", True, by=stage.security).one("PauseSet") == {"paused": True}
    play.c.refuses("CoordinatorPaused", "openChannel", play.terms().word, by=play.client)
    play.c.refuses("CoordinatorPaused", "openSession", Request(job=8).word, by=play.client)
    play.c.send("setParameters", astuple(Parameters(grace=61)), by=stage.standards)  # no way around a pause
    assert play.c.read("currentParameters")["paused"]
    play.pass_barriers(session, request, 0, 1, 2)
    play.epoch(1)
    play.c.send("withdraw", play.client, 1, by=play.client)
    play.c.send("setPaused", False, by=stage.security)
    assert play.c.refusal("openChannel", play.terms().word, by=play.client) is None


def test_running_channels_and_sessions_keep_their_penalty(play: Play) -> None:
    play.measured()
    session, request = play.session()
    play.pass_barriers(session, request, 0)
    play.attest(1, 1, Seen(epoch=2))
    play.c.send("setParameters", astuple(Parameters(penalty_bps=5_000)), by=play.stage.standards)
    play.stage.wait_until(play.channel_state(1)["pendingUntil"] + 1)
    assert play.c.send("lapse", 1, by=play.client).one("EpochLapsed")["penalty"] == 10_000
    assert play.c.send("abort", session, by=play.client).one("SessionAborted")["penalty"] == 2_000


def test_both_codes_fit_the_limits(stage: Any) -> None:
    """24,576 bytes of code each (EIP-170), 49,152 of creation code with its arguments (EIP-3860)."""
    for name in ("EntanglementCoordinator", "EntanglementChannels"):
        assert (len(stage.artifacts[name].deployed_bytecode) - 2) // 2 <= 24_576
    assert (len(stage.artifacts["EntanglementCoordinator"].bytecode) - 2) // 2 + 96 <= 49_152


def test_the_channel_code_by_itself_is_nobodys_money(play: Play) -> None:
    """A direct call finds no balance, no channel and no session."""
    stage: Any = play.stage
    channel, terms = play.propose()
    address = play.c.read("CHANNELS")
    bare = type(play.c)(stage, address, stage.artifacts["EntanglementChannels"].abi)
    digest = terms.hash(play.client)
    bare.refuses("CoordinatorWrongChannelState", "acceptChannel", channel, 1, digest, by=play.provider(1))
    bare.refuses("CoordinatorInsufficientBalance", "openChannel", terms.word, by=play.client)
