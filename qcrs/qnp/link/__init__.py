"""Link layer: CREATE, OK-K, OK-M, ERR, and one continuous stream of pairs for each link label."""

from qcrs.qnp.link.messages import Ack, Create, Err, ErrCode, LinkMessage, OkKeep, OkMeasure, decode, encode
from qcrs.qnp.link.stream import LinkLayer, Stream

__all__ = [
    "Ack",
    "Create",
    "Err",
    "ErrCode",
    "LinkLayer",
    "LinkMessage",
    "OkKeep",
    "OkMeasure",
    "Stream",
    "decode",
    "encode",
]
