"""What a contract would say to a decision now, before anybody votes for it.

A contract lets a body's call in only once the AccessManager runs it. The rehearsal asks the node to execute
the call with a manager in that place that lets everybody in (a state override of `eth_call`): whatever is
refused then is refused for what it is, a value outside its bounds or a flow that does not exist.
"""

from __future__ import annotations

from qcrs.errors import ChainError, ContractError
from qcrs.governance.bodies import CONSORTIA
from qcrs.governance.commons import Commons
from qcrs.governance.sentences import Draft

__all__ = ["refusal_of"]

LETS_IN = "0x600160005260406000f3"
"""Runs as `return (true, 0)`: the answer of `canCall` for whom no delay holds back."""


def refusal_of(commons: Commons, draft: Draft) -> ContractError | None:
    """The error with which the call would end were it made now; None where it would pass.

    Also None where nobody can tell: of several calls that build on each other, and on nodes without state
    overrides. What is refused now may pass once the delay is over, and the reverse.
    """
    if len(draft.calls) != 1:
        return None
    manager = commons.contracts["AccessManager"]
    caller = "ExchangeTimelock" if draft.body.key == CONSORTIA else draft.body.contract
    sender = commons.contracts[caller]
    try:
        commons.chain.call_raw(draft.calls[0], sender=sender, codes={manager: LETS_IN})
    except ContractError as refusal:
        # A node that passes over the override without a word meets the manager itself.
        return None if refusal.name.startswith("AccessManage") else refusal
    except ChainError:
        return None
    return None
