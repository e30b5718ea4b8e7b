"""The life of a job, from money to payment."""

from __future__ import annotations

from exchange_stage import ACCEPT, Stage


def test_accepted_execution_is_paid_and_the_rest_refunded(stage: Stage) -> None:
    client, provider = stage.who.clients[0], stage.who.providers[0]
    p = stage.register()
    stage.certify(p.id)
    before = stage.balance(client), stage.balance(provider)
    job = stage.submit(most=3)
    fee = 1000 * 5 * 60
    assert stage.balance(client) == before[0] - 3 * fee
    assert stage.job(job)["escrow"] == 3 * fee
    allocated = stage.allocate(p).one("JobAllocated")
    assert (allocated["job"], allocated["processor"], allocated["execution"]) == (job, p.id, 0)
    assert stage.allocator.read("dispatch", p.id)[2] == 22
    stage.commit(p, job)
    assert stage.allocator.read("dispatch", p.id)[2] == 27
    done = stage.judge(job, 0, ACCEPT)
    assert done.names == ["VerdictReported", "JobClosed"]
    assert stage.job(job)["state"] == 3
    assert stage.balance(client) == before[0] - fee
    assert stage.balance(provider) == before[1] + fee
    stage.check_ledger([job])
