"""Bodies of the protocol's mails: hand-over of a result, release of a key, opening of a closed job.

Mail is untrusted: each form is read as strictly as a document.

Source: docs/protocol.md, "A job".
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass

from qcrs.client.fields import Reader, address_text, hex_text
from qcrs.errors import InputError
from qcrs.types import ContentId, Json

__all__ = ["HandOver", "Opening", "Release"]

_EXECUTION = re.compile(r"0|[1-9][0-9]{0,2}")


@dataclass(frozen=True, slots=True)
class HandOver:
    """Body of the mail in `result/<job>/<execution>`: opens the commitment and names the result."""

    salt: bytes
    root: bytes
    result: ContentId
    envelopes: Mapping[str, bytes]

    def as_json(self) -> Json:
        """The canonical value."""
        return {
            "salt": self.salt.hex(),
            "root": self.root.hex(),
            "result": self.result,
            "envelopes": {who: b64encode(data).decode() for who, data in self.envelopes.items()},
        }

    @classmethod
    def from_json(cls, raw: Json) -> HandOver:
        """Read an untrusted value; `InputError` names the first field that is wrong."""
        read = Reader(raw, None)
        envelopes = Reader(read.table("envelopes"), None, "envelopes")
        body = cls(
            salt=bytes.fromhex(hex_text(read.text("salt"), 32, "salt")),
            root=bytes.fromhex(hex_text(read.text("root"), 32, "root")),
            result=read.cid("result"),
            envelopes={address_text(who, "envelopes"): envelopes.base64(who) for who in envelopes.names()},
        )
        read.close()
        return body


@dataclass(frozen=True, slots=True)
class Release:
    """Body of the mail in `release/<job>/<execution>`: the frames key, sealed to the processor."""

    processor: int
    envelope: bytes

    def as_json(self) -> Json:
        """The canonical value."""
        return {"processor": self.processor, "envelope": b64encode(self.envelope).decode()}

    @classmethod
    def from_json(cls, raw: Json) -> Release:
        """Read an untrusted value; `InputError` names the first field that is wrong."""
        read = Reader(raw, None)
        body = cls(processor=read.integer("processor", 0, 2**32 - 1), envelope=read.base64("envelope"))
        read.close()
        return body


@dataclass(frozen=True, slots=True)
class Opening:
    """Body of the mail in `opening/<job>`: the content keys, so that anyone can check the job.

    `results` maps an execution's index to its result key. Keys have 32 bytes.
    """

    frames: bytes
    secret: bytes
    results: Mapping[int, bytes]

    def as_json(self) -> Json:
        """The canonical value."""
        return {
            "frames": self.frames.hex(),
            "secret": self.secret.hex(),
            "results": {str(execution): key.hex() for execution, key in self.results.items()},
        }

    @classmethod
    def from_json(cls, raw: Json) -> Opening:
        """Read an untrusted value; `InputError` names the first field that is wrong."""
        read = Reader(raw, None)
        results: dict[int, bytes] = {}
        for name, key in read.table("results").items():
            if not _EXECUTION.fullmatch(name) or int(name) > 255 or not isinstance(key, str):
                raise InputError("results are keyed by execution", field="results", value=name)
            results[int(name)] = bytes.fromhex(hex_text(key, 32, f"results.{name}"))
        body = cls(
            frames=bytes.fromhex(hex_text(read.text("frames"), 32, "frames")),
            secret=bytes.fromhex(hex_text(read.text("secret"), 32, "secret")),
            results=results,
        )
        read.close()
        return body
