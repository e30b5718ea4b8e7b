"""Governance by contract calls: plain words to calls, votes, execution, disputes.

from qcrs.chain import Sender, connect
from qcrs.governance import Commons, draft, execute, propose

commons = Commons(chain, addresses)
act = propose(commons, draft(commons, "set Δ to 900 qubit-seconds"), Sender(chain, member))
"""

from qcrs.governance.acts import Act, execute, members, propose, propose_all, queue, vote, vote_all
from qcrs.governance.ballots import Ballot, ballots
from qcrs.governance.bodies import BODIES, Body, body_named
from qcrs.governance.commons import Commons
from qcrs.governance.conflicts import rivals, set_back
from qcrs.governance.matters import Matter, is_id, matter
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
    "Matter",
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
    "propose_all",
    "queue",
    "refusal_of",
    "rivals",
    "set_back",
    "vote",
    "vote_all",
]
