"""The content store: blobs under their hashes, and signed mail in append-only topics."""

from qcrs.store.content import MAX_BLOB_BYTES, ContentStore
from qcrs.store.mail import MAX_MAIL_BYTES, Mail, Mailbox, MailReader, check_topic, mail_hash

__all__ = [
    "MAX_BLOB_BYTES",
    "MAX_MAIL_BYTES",
    "ContentStore",
    "Mail",
    "MailReader",
    "Mailbox",
    "check_topic",
    "mail_hash",
]
