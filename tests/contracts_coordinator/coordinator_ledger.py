"""The coordinator's balances, rebuilt from its events alone."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Ledger:
    """Balances rebuilt from events alone."""

    def __init__(self, providers: dict[int, str]) -> None:
        self.providers = providers
        self.balances: Counter[str] = Counter()
        self.terms: dict[int, tuple[str, int]] = {}
        self.stakes: dict[int, int] = {}

    def take(self, events: tuple[tuple[str, dict[str, Any]], ...]) -> None:
        for name, e in events:
            if name in ("Deposited", "Credited"):
                self.balances[e["account"]] += e["amount"]
            elif name == "Withdrawn":
                self.balances[e["account"]] -= e["amount"]
            elif name == "ChannelOpened":
                self.balances[e["opener"]] -= e["terms"]["deposit"]
                self.terms[e["channel"]] = (e["opener"], e["terms"]["endBond"])
            elif name == "ChannelAccepted":
                self.balances[e["provider"]] -= self.terms[e["channel"]][1]
            elif name == "ChannelToppedUp":
                self.balances[self.terms[e["channel"]][0]] -= e["amount"]
            elif name == "DisputeOpened":
                self.balances[e["disputer"]] -= e["stake"]
            elif name == "SessionOpened":
                request = e["request"]
                self.balances[e["client"]] -= request["feePerParty"] * len(request["parties"])
                self.stakes[e["session"]] = request["partyDeposit"]
            elif name == "PartyArrived" and e["barrier"] == 0:
                self.balances[self.providers[e["processor"]]] -= self.stakes[e["session"]]
