"""What the package offers is what its readers may rely on: a change here is a change for them."""

from __future__ import annotations

import qcrs.store


def test_exports() -> None:
    assert sorted(qcrs.store.__all__) == [
        "ContentStore",
        "MAX_BLOB_BYTES",
        "MAX_MAIL_BYTES",
        "Mail",
        "MailReader",
        "Mailbox",
        "check_topic",
        "mail_hash",
    ]
    assert all(hasattr(qcrs.store, name) for name in qcrs.store.__all__)
