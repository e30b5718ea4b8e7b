"""Documents open for whom they were sealed, in the context they were sealed for, and nowhere else."""

import pytest
from eth_account import Account

from qcrs.client.documents import (
    FramesDocument,
    JobDocument,
    ResultDocument,
    ResultUnit,
    SampleUnit,
    SecretDocument,
    SecretUnit,
)
from qcrs.client.sealed import (
    Place,
    commitment_of,
    open_frames,
    open_handed_over,
    open_job_key,
    open_release,
    open_result,
    open_secret,
    parse_job_document,
    seal_job,
    seal_release,
    seal_result,
)
from qcrs.errors import VerificationError
from qcrs.sealing import HpkeKey, keccak256
from qcrs.types import cid_of, cid_to_digest

PLACE = Place(1337, "0x" + "11" * 20)
CLIENT = Account.from_key(b"\1" * 32)
ORACLE = Account.from_key(b"\2" * 32)
PROVIDER = Account.from_key(b"\3" * 32)
CIRCUIT = {"qubits": 1, "clbits": 1, "registers": [["c", 0, 1]], "instructions": [["measure", [0], [0], []]]}
FRAMES = FramesDocument("ab" * 32, (SampleUnit((CIRCUIT,), (3,)),))
SECRET = SecretDocument("ab" * 32, b"\7" * 32, (SecretUnit(CIRCUIT, 3, 1),))


@pytest.fixture(scope="module")
def job() -> tuple[JobDocument, bytes, bytes]:
    sealed = seal_job(
        FRAMES,
        SECRET,
        place=PLACE,
        client=CLIENT,
        oracles={ORACLE.address: HpkeKey.from_account(ORACLE).public},
        era=1,
    )
    assert sealed.payload == cid_to_digest(cid_of(sealed.job))
    return parse_job_document(sealed.job), sealed.frames, sealed.secret


@pytest.mark.parametrize("who", [CLIENT, ORACLE])
def test_oracle_and_client_open_both_documents(job: tuple[JobDocument, bytes, bytes], who: object) -> None:
    document, frames, secret = job
    keys = [
        open_job_key(
            document,
            name,
            place=PLACE,
            client=CLIENT.address,
            recipient=who.address,  # type: ignore[attr-defined]  # parametrized by pytest
            key=HpkeKey.from_account(who),  # type: ignore[arg-type]  # parametrized by pytest
        )
        for name in ("frames", "secret")
    ]
    assert open_frames(frames, keys[0]) == FRAMES
    assert open_secret(secret, keys[1]) == SECRET
    with pytest.raises(VerificationError):
        open_secret(secret, keys[0])


@pytest.mark.parametrize(
    "changed",
    [
        {"client": PROVIDER.address},
        {"place": Place(1, PLACE.allocator)},
        {"place": Place(1337, "0x" + "22" * 20)},
        {"key": HpkeKey.from_account(PROVIDER)},
        {"recipient": PROVIDER.address},
    ],
)
def test_a_copied_submission_opens_for_no_other_client_chain_or_recipient(
    job: tuple[JobDocument, bytes, bytes], changed: dict[str, object]
) -> None:
    context = {
        "place": PLACE,
        "client": CLIENT.address,
        "recipient": ORACLE.address,
        "key": HpkeKey.from_account(ORACLE),
    }
    with pytest.raises(VerificationError):
        open_job_key(job[0], "frames", **{**context, **changed})  # type: ignore[arg-type]  # by name


def test_release_is_for_one_execution_of_one_job() -> None:
    key = HpkeKey.from_account(PROVIDER)
    release = seal_release(
        b"\5" * 32,
        place=PLACE,
        job=9,
        execution=1,
        processor=4,
        provider=PROVIDER.address,
        public=key.public,
        era=1,
    )
    good = {"place": PLACE, "job": 9, "execution": 1, "provider": PROVIDER.address, "key": key, "era": 1}
    assert open_release(release, **good) == b"\5" * 32  # type: ignore[arg-type]  # by name
    for change in ({"job": 8}, {"execution": 0}, {"era": 2}, {"provider": CLIENT.address}):
        with pytest.raises(VerificationError):
            open_release(release, **{**good, **change})  # type: ignore[arg-type]  # by name


def test_a_result_is_bound_to_its_commitment() -> None:
    result = ResultDocument(9, 0, 4, (ResultUnit(({0: 3},), (), (5,)),), {"name": "aer"}, 7)
    sealed = seal_result(result)
    salt = b"\6" * 32
    key = HpkeKey.from_account(CLIENT)
    mail = sealed.hand_over(salt, {CLIENT.address: key.public}, place=PLACE, job=9, execution=0, era=1)
    opened = open_handed_over(mail, place=PLACE, job=9, execution=0, recipient=CLIENT.address, key=key, era=1)
    assert open_result(sealed.blob, opened, root=mail.root) == result
    with pytest.raises(VerificationError, match="committed"):
        open_result(sealed.blob, opened, root=bytes(32))
    packed = salt + bytes.fromhex(PROVIDER.address[2:]) + (9).to_bytes(8, "big") + sealed.root
    assert commitment_of(salt, PROVIDER.address, 9, sealed.root) == keccak256(packed)
