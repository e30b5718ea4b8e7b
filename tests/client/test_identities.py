"""The oracles' keys are read only when they are the era's, in order, and provably unique."""

import pytest
from eth_account import Account

from qcrs.client.identities import OracleIdentity, read_identities, write_identities
from qcrs.errors import InputError, VerificationError
from qcrs.sealing import BeaconKey, HpkeKey


def test_identities_come_back_and_are_checked() -> None:
    beacon = BeaconKey.generate()
    accounts = [Account.from_key(bytes([i]) * 32) for i in (1, 2)]
    good = [
        OracleIdentity(
            a.address, HpkeKey.from_account(a).public, beacon.public, tuple(beacon.permutation_proof())
        )
        for a in accounts
    ]
    signers = [a.address for a in accounts]
    data = write_identities(good)
    assert read_identities(data, signers, check_keys=True) == tuple(good)
    with pytest.raises(VerificationError, match="signers"):
        read_identities(data, signers[::-1])
    bad = OracleIdentity(good[0].address, good[0].hpke, good[0].beacon, good[0].roots[::-1])
    with pytest.raises(VerificationError, match="unique"):
        read_identities(write_identities([bad]), check_keys=True)
    with pytest.raises(InputError):
        read_identities(b"{}")
