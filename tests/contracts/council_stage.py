"""A council of seven beside the exchange: four decide; some of its decisions wait, some do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contract_stage import Contract, Done
from eth_utils.crypto import keccak
from exchange_stage import ALLOCATION, SECURITY, Oracle, Stage

DELAY_S = 2 * 86_400
NONE, OPEN, WAITING, EXECUTED, EXPIRED = range(5)


@dataclass(slots=True)
class Council:
    """The contract and the keys of its members; seat i is held by member i at first."""

    stage: Stage
    contract: Contract
    members: list[Oracle]

    def data(self, contract: Contract, function: str, *args: object) -> bytes:
        return bytes.fromhex(contract.data(function, args)[2:])

    def motion(self, target: Contract, data: bytes, salt: int = 0) -> tuple[str, bytes, bytes]:
        return target.address, data, salt.to_bytes(32, "big")

    def vote(self, member: int, target: Contract, data: bytes, salt: int = 0) -> Done:
        return self.contract.send("vote", self.motion(target, data, salt), by=self.members[member].address)

    def decide(self, target: Contract, data: bytes, votes: Sequence[int] = range(4), salt: int = 0) -> Done:
        """The last of as many votes as are named."""
        for member in votes:
            done = self.vote(member, target, data, salt)
        return done

    def execute(self, target: Contract, data: bytes, salt: int = 0, by: str = "") -> Done:
        return self.contract.send(
            "execute", self.motion(target, data, salt), by=by or self.stage.who.stranger
        )

    def ballot(self, target: Contract, data: bytes, salt: int = 0) -> bytes:
        found = self.contract.read("ballotId", self.motion(target, data, salt))
        assert isinstance(found, bytes)
        return found

    def state(self, target: Contract, data: bytes, salt: int = 0) -> int:
        return int(self.contract.read("ballotOf", self.ballot(target, data, salt))[2])


def council(stage: Stage, seats: int = 7, threshold: int = 4, delay: int = DELAY_S) -> Council:
    """Deployed, funded, with SECURITY at once and ALLOCATION after `delay`; the admin seats it."""
    members = [Oracle(one.key, one.address) for one in (Oracle.number(100 + i) for i in range(seats + 3))]
    known = stage.tester.get_accounts()
    for member in members:
        if member.address not in known:
            stage.tester.add_account(member.key.to_hex())
        stage.tester.send_transaction(
            {"from": stage.admin, "to": member.address, "value": 10**18, "gas": 21_000}
        )
    contract = stage.deploy(
        "Council", stage.manager.address, stage.admin, [m.address for m in members[:seats]], threshold
    )
    stage.manager.send("grantRole", SECURITY, contract.address, 0, by=stage.admin)
    stage.manager.send("grantRole", ALLOCATION, contract.address, delay, by=stage.admin)
    stage.manager.send("setRoleGuardian", ALLOCATION, SECURITY, by=stage.admin)
    return Council(stage, contract, members)


def vote_digest(
    stage: Stage, contract: Contract, call: tuple[str, bytes, bytes], term: int, deadline: int
) -> bytes:
    """The EIP-712 digest of a vote, written out."""
    from eth_abi.abi import encode

    kind = keccak(text="Vote(address target,bytes data,bytes32 salt,uint32 term,uint256 deadline)")
    target, data, salt = call
    words = encode(
        ["bytes32", "address", "bytes32", "bytes32", "uint32", "uint256"],
        [kind, target, keccak(data), salt, term, deadline],
    )
    return keccak(b"\x19\x01" + stage.domain(contract, "QCRS Council") + keccak(words))


def signature(member: Oracle, digest: bytes) -> bytes:
    """The 65 bytes (r, s, v) that wallets give."""
    signed = member.key.sign_msg_hash(digest)
    return bytes(signed.r.to_bytes(32, "big") + signed.s.to_bytes(32, "big") + bytes([27 + signed.v]))
