"""What each step costs: receipt gas, 21,000 included, exact; a rise of one percent fails.

`QCRS_UPDATE_GAS=1` records anew. Steps that write a word for the first time have a line of their own.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from coordinator_keys import Keyed, vector_key
from coordinator_play import Play
from coordinator_words import Correction, Request, Seen

RECORDED = Path(__file__).with_name("gas_coordinator.json")


def channel_steps(play: Play, gas: dict[str, int]) -> None:
    send, stage = play.c.send, play.stage
    gas["deposit"] = send("deposit", 1_000, by=play.client).gas
    gas["withdraw"] = send("withdraw", play.client, 1_000, by=play.client).gas
    terms = play.terms()
    opened = send("openChannel", terms.word, by=play.client)
    gas["open channel"] = opened.gas
    channel = opened.one("ChannelOpened")["channel"]
    gas["accept channel, first end"] = play.accept(channel, 1, terms).gas
    gas["accept channel, second end"] = play.accept(channel, 2, terms).gas
    gas["attest, first end, first epoch"] = play.attest(channel, 1, Seen()).gas
    gas["attest and settle, second end, first epoch"] = play.attest(channel, 2, Seen()).gas
    gas["attest, first end"] = play.attest(channel, 1, Seen(2)).gas
    gas["attest and settle, second end"] = play.attest(channel, 2, Seen(2)).gas
    gas["top up"] = send("topUp", channel, 1_000, by=play.client).gas
    record, a, b = play.paid_with_trees(channel)
    gas["dispute"] = send("dispute", channel, record.word, 7, by=play.client).gas
    gas["open leaf of 150, first end"] = play.open_leaf(channel, record, 0, a, 7).gas
    gas["open leaf of 150, second end"] = play.open_leaf(channel, record, 1, b, 7).gas
    play.attest(channel, 1, Seen(4))
    stage.wait_until(play.channel_state(channel)["pendingUntil"] + 1)
    gas["lapse"] = send("lapse", channel, by=stage.stranger).gas
    gas["retire channel"] = send("retireChannel", channel, by=play.client).gas
    stage.wait_until(play.channel_state(channel)["lockedUntil"] + 1)
    gas["close channel"] = send("closeChannel", channel, by=stage.stranger).gas


def session_steps(
    play: Play, gas: dict[str, int], parties: tuple[int, ...], channels: tuple[int, ...]
) -> None:
    send, k = play.c.send, len(parties)
    request = Request(job=100 + k, parties=parties, channels=channels, ebits=(1,) * len(channels))
    opened = send("openSession", request.word, by=play.client)
    gas[f"open session of {k}"] = opened.gas
    session = opened.one("SessionOpened")["session"]
    total = opened.gas
    for barrier, name in enumerate(("PLAN", "READY", "GO")):
        for place, party in enumerate(parties):
            used = play.arrive(session, request, party, barrier).gas
            total += used
            if place in (0, k - 1):
                gas[f"arrive at {name} of {k}, {'last' if place else 'first'}"] = used
    gas[f"whole session of {k}, one epoch"] = total
    correction = Correction().word
    first, second = (
        send("attestCorrection", session, party, correction, by=play.provider(party)).gas
        for party in parties[:2]
    )
    gas["attest correction, first party"], gas["attest correction, next party"] = first, second
    again, request = play.session(job=200 + k, parties=parties, channels=channels, ebits=request.ebits)
    play.pass_barriers(again, request, 0)
    play.arrive(again, request, parties[0], 1)
    play.stage.wait_until(play.session_state(again)["deadline"] + 1)
    gas[f"abort of {k}, one arrived"] = send("abort", again, by=play.stage.stranger).gas


def key_steps(play: Play, gas: dict[str, int]) -> None:
    """The first end of a channel that has had an epoch, with a post-quantum key."""
    keyed = Keyed(play, vector_key())
    keyed.attest(Seen(), 1)
    play.attest(keyed.channel, 2, Seen())
    gas["attest with a key, first end"] = keyed.attest(Seen(2), 2).gas


def measure(play: Play) -> dict[str, int]:
    gas: dict[str, int] = {}
    channel_steps(play, gas)
    first = play.measured()
    other, third = (play.measured(processor_a=a, processor_b=b) for a, b in ((2, 3), (1, 3)))
    warm, request = play.session(job=1, parties=(1, 2, 3), channels=(first, other, third), ebits=(1, 1, 1))
    session_steps(play, gas, (1, 2), (first,))
    session_steps(play, gas, (1, 2, 3), (first, other, third))
    key_steps(play, gas)
    play.pass_barriers(warm, request, 0)
    gas["quarantine with one session of 3"] = play.c.send("quarantine", first, by=play.stage.security).gas
    return gas


def test_no_step_got_one_percent_dearer(play: Play) -> None:
    found = measure(play)
    if os.environ.get("QCRS_UPDATE_GAS") == "1":
        RECORDED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    assert set(found) == set(recorded)
    dearer = {name: (recorded[name], gas) for name, gas in found.items() if gas >= recorded[name] * 1.01}
    assert not dearer


def test_cost_does_not_grow_with_shots_or_pairs(play: Play) -> None:
    """O(1) gas per job and epoch, never per pair or shot: only the bytes of the numbers differ."""
    channel = play.measured(deposit=5_000_000)
    few, many = (play.epoch(channel, *2 * [Seen(pairs=pairs)]).gas for pairs in (1, 100_000))
    assert abs(many - few) < 100
    gas = [
        play.c.send("openSession", Request(job=job, shots=shots, ebits=(1,)).word, by=play.client).gas
        for job, shots in ((1, 1), (2, 100_000), (3, 1))
    ]
    assert abs(gas[1] - gas[2]) < 500
