"""The oracles' public keys: the document whose content id an era of `OracleQuorum` names.

    {"qcrs": "identities/1", "oracles": [{"address", "hpke": b64, "beacon": b64 (DER), "roots": [hex…]}, …]}

Entries are in the order of the era's signers. Clients seal to `hpke`; whoever recomputes a beacon
checks proofs with `beacon`, whose `roots` show that its proofs are unique.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from qcrs.client.fields import Reader, address_text
from qcrs.errors import InputError, VerificationError
from qcrs.sealing import check_public_key
from qcrs.types import Json, canonical_json, parse_canonical

__all__ = ["OracleIdentity", "read_identities", "write_identities"]

KIND = "identities/1"


@dataclass(frozen=True, slots=True)
class OracleIdentity:
    """One oracle's address, HPKE public key, beacon public key (DER) and its proof of uniqueness."""

    address: str
    hpke: bytes
    beacon: bytes
    roots: tuple[str, ...]

    def as_json(self) -> Json:
        """The canonical value."""
        return {
            "address": self.address,
            "hpke": b64encode(self.hpke).decode(),
            "beacon": b64encode(self.beacon).decode(),
            "roots": list(self.roots),
        }


def write_identities(identities: Sequence[OracleIdentity]) -> bytes:
    """The document's canonical bytes."""
    return canonical_json({"qcrs": KIND, "oracles": [one.as_json() for one in identities]})


def read_identities(
    data: bytes, signers: Sequence[str] | None = None, *, check_keys: bool = False
) -> tuple[OracleIdentity, ...]:
    """Read the document; `VerificationError` unless it lists exactly `signers`, in their order.

    With `check_keys` every beacon key's proof of uniqueness is checked too (half a second for four).
    """
    read = Reader(parse_canonical(data), KIND)
    found = []
    for index, item in enumerate(read.items("oracles", most=64)):
        one = Reader(item, None, f"oracles[{index}]")
        roots = one.items("roots", most=64)
        if not all(isinstance(root, str) for root in roots):
            raise InputError("roots are hex texts", field=f"oracles[{index}].roots")
        found.append(
            OracleIdentity(
                address_text(one.text("address"), "address"),
                one.base64("hpke"),
                one.base64("beacon"),
                tuple(roots),
            )
        )
        one.close()
    read.close()
    if signers is not None and [one.address for one in found] != list(signers):
        raise VerificationError(
            "the oracles' key document does not list the era's signers",
            field="identities",
            value=[one.address for one in found],
            solution="the era has to be started with the content id of the signers' own keys",
        )
    if check_keys:
        for oracle in found:
            check_public_key(oracle.beacon, list(oracle.roots))
    return tuple(found)
