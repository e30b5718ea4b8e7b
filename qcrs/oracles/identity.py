"""An oracle's keys: the account, the envelope key that follows from it, the beacon key in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qcrs.client.identities import OracleIdentity
from qcrs.config.home import Home
from qcrs.sealing import BeaconKey, HpkeKey

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

__all__ = ["OracleKeys"]


@dataclass(frozen=True, slots=True)
class OracleKeys:
    """What an oracle acts with. `open` makes the beacon key `keys/<name>.beacon.pem` where there is none."""

    name: str
    account: LocalAccount
    hpke: HpkeKey
    beacon: BeaconKey

    @classmethod
    def open(cls, home: Home, name: str, account: LocalAccount) -> OracleKeys:
        """The keys of the oracle called `name` in this home."""
        beacon = BeaconKey.load_or_create(home.path("keys", f"{name}.beacon.pem"))
        return cls(name, account, HpkeKey.from_account(account), beacon)

    @property
    def identity(self) -> OracleIdentity:
        """The public half: an entry of the document that an era of `OracleQuorum` names."""
        return OracleIdentity(
            self.account.address, self.hpke.public, self.beacon.public, tuple(self.beacon.permutation_proof())
        )
