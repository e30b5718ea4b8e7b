"""Posts numbered jobs through an outbox until all are final. Started, and killed, by the tests.

Arguments: URL, outbox file, probe address, selector of `submit`, number of jobs, and optionally a step at
which the process kills itself: `signed` (durable, nothing sent) or `sent` (accepted by the node, not noted),
or a number of confirmations, 1 where there is none; whoever names it has reorganised blocks looked after.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from qcrs.chain.abi import Call
from qcrs.chain.accounts import development_accounts
from qcrs.chain.networks import connect
from qcrs.chain.outbox import Outbox


def main() -> None:
    url, file, probe, selector, jobs = sys.argv[1:6]
    last = sys.argv[6] if len(sys.argv) > 6 else ""
    confirmations, step = (int(last), "") if last.isdecimal() else (1, last)
    chain = connect(url)
    send = chain.send_raw

    def send_and_die(raw: bytes) -> bytes:
        if step == "sent":
            send(raw)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")

    if step:
        chain.send_raw = send_and_die  # type: ignore[method-assign]  # the crash is what is tested
    with Outbox(Path(file), chain, development_accounts(4)[3], confirmations) as outbox:
        sys.stdout.write("open\n")
        sys.stdout.flush()
        for job in range(int(jobs)):
            data = bytes.fromhex(selector) + job.to_bytes(32, "big") + job.to_bytes(32, "big")
            outbox.post(f"job-{job}", Call(probe, data), gas=250_000)
            if confirmations > 1:
                outbox.pump()
        for job in range(int(jobs)):
            outbox.wait(f"job-{job}")


main()
