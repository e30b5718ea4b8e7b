"""A signer that its test kills: signs digest after digest and says each release on its standard output.

`signer_child.py STATE TREE SECRET FIRST`: digests are keccak of a running number from FIRST on. A line is
written only after `sign` has returned, flushed at once, as `leaf digest signature-hash`.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from qcrs.errors import AccountError
from qcrs.identity.state import SignerState, XmssSigner
from qcrs.identity.xmss import XmssKey, index_of


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    state, tree, secret, number = sys.argv[1], Path(sys.argv[2]), bytes.fromhex(sys.argv[3]), int(sys.argv[4])
    signer = XmssSigner(XmssKey(secret, tree.read_bytes()), SignerState(Path(state)))
    say("ready")
    while True:
        digest = hashlib.sha256(str(number).encode()).digest()
        try:
            signature = signer.sign(digest, 0)
        except AccountError:
            say("exhausted")
            return
        say(f"{index_of(signature)} {digest.hex()} {hashlib.sha256(signature).hexdigest()}")
        number += 1


if __name__ == "__main__":
    main()
