"""Governance by contract calls: plain words to calls, votes, execution, disputes.

from qcrs.chain import Sender, connect
from qcrs.governance import Commons, draft, execute, propose

commons = Commons(chain, addresses)
act = propose(commons, draft(commons, "set Δ to 900 qubit-seconds"), Sender(chain, member))
"""

from qcrs.governance.acts import Act, execute, is_id, matter, members, propose, queue, vote
from qcrs.governance.ballots import Ballot, ballots
from qcrs.governance.bodies import BODIES, Body, body_named
from qcrs.governance.commons import Commons
from qcrs.governance.proposals import Proposal, proposals
from qcrs.governance.rehearsal import refusal_of
from qcrs.governance.sentences import EXAMPLES, Draft, draft

__all__ = [
    "BODIES",
    "EXAMPLES",
    "Act",
    "Ballot",
    "Body",
    "Commons",
    "Draft",
    "Proposal",
    "ballots",
    "body_named",
    "draft",
    "execute",
    "is_id",
    "matter",
    "members",
    "proposals",
    "propose",
    "queue",
    "refusal_of",
    "vote",
]
