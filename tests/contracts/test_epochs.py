"""One root an epoch, cumulative claims: nobody is paid twice or by another, everybody can leave."""

from __future__ import annotations

import random

import pytest
from contract_stage import refuses
from epoch_stage import EXIT_DELAY_S, Books, Epochs, leaf
from eth_utils.crypto import keccak
from exchange_stage import CREDIT, Stage

from qcrs.circuits.merkle import MerkleTree


@pytest.fixture
def epochs(stage: Stage) -> Epochs:
    return Epochs.on(stage)


@pytest.fixture
def funded(epochs: Epochs) -> Epochs:
    """Three clients with 10 credits each."""
    for client in epochs.stage.who.clients[:3]:
        epochs.contract.send("fund", client, 10 * CREDIT, by=client)
    return epochs


def test_a_provider_claims_the_difference_and_collects_it(funded: Epochs) -> None:
    who, contract = funded.stage.who, funded.contract
    client, provider = who.clients[0], who.providers[0]
    funded.post([(client, provider, 3 * CREDIT), (who.clients[1], provider, CREDIT)])
    event = funded.claim(0).one("Claimed")
    assert (event["amount"], event["claimed"]) == (3 * CREDIT, 3 * CREDIT)
    funded.post([(client, provider, 5 * CREDIT), (who.clients[1], provider, CREDIT)])
    assert funded.claim(0).one("Claimed")["amount"] == 2 * CREDIT
    assert contract.read("escrowOf", client) == (5 * CREDIT, 0)
    before = funded.stage.credit.read("balanceOf", provider)
    for index in (0, 1):
        if index:
            funded.claim(index)
    done = contract.send("collect", [client, who.clients[1], who.clients[2]], provider, by=provider)
    assert [v["amount"] for v in done.of("Collected")] == [5 * CREDIT, CREDIT]
    assert funded.stage.credit.read("balanceOf", provider) == before + 6 * CREDIT
    with refuses("EpochSettlementZeroAmount"):
        contract.send("collect", [client], provider, by=provider)
    assert contract.read("claimedOf", client, provider) == (5 * CREDIT, 5 * CREDIT)


def test_lost_repeated_and_late_claims_do_no_harm(funded: Epochs) -> None:
    client, provider = funded.stage.who.clients[0], funded.stage.who.providers[0]
    for total in (1, 2, 3):
        funded.post([(client, provider, total * CREDIT)])
    assert funded.claim(0, epoch=3).one("Claimed")["amount"] == 3 * CREDIT
    for late in (3, 2, 1):
        with refuses("EpochSettlementNothingToClaim", claimed=3 * CREDIT):
            funded.claim(0, epoch=late)
    funded.post([(client, provider, 2 * CREDIT)])  # a sum that fell moves nothing back
    with refuses("EpochSettlementNothingToClaim"):
        funded.claim(0)
    assert funded.contract.read("claimedOf", client, provider) == (3 * CREDIT, 0)


def test_a_sum_above_the_escrow_takes_what_is_there_and_no_more(funded: Epochs) -> None:
    who = funded.stage.who
    client, provider = who.clients[0], who.providers[0]
    funded.post([(client, provider, 2**128 - 1), (who.clients[1], provider, CREDIT)])
    assert funded.claim(0).one("Claimed")["amount"] == 10 * CREDIT
    with refuses("EpochSettlementNothingToClaim", escrow=0):
        funded.claim(0)
    funded.contract.send("fund", client, CREDIT, by=client)
    assert funded.claim(0).one("Claimed")["amount"] == CREDIT
    for other in who.clients[1:3]:
        assert funded.contract.read("escrowOf", other) == (10 * CREDIT, 0)


def test_only_what_is_in_the_tree_is_claimed(funded: Epochs) -> None:
    """Another's leaf, a changed sum, an inner node for a leaf, a wrong place, another epoch's proof."""
    who, contract = funded.stage.who, funded.contract
    debts = [(who.clients[i % 3], who.providers[i % 5], CREDIT + i) for i in range(5)]
    funded.post(debts)
    _, tree = funded.posted[0]
    client, provider, total = debts[1]
    proof = tree.proof(1)
    inner = keccak(leaf(debts[0]) + leaf(debts[1]))
    forged = [
        (1, client, who.providers[4], total, 1, proof),
        (1, who.clients[2], provider, total, 1, proof),
        (1, provider, client, total, 1, proof),
        (1, client, provider, total + 1, 1, proof),
        (1, client, provider, total, 0, proof),
        (1, client, provider, total, 1, proof[:-1]),
        (1, client, provider, total, 1, [*proof, bytes(32)]),
        (1, client, provider, total, 1, [inner, *proof[1:]]),
        (1, client, provider, total, 1, tree.proof(0)),
        (1, client, provider, total, 1, []),
    ]
    for arguments in forged:
        with refuses("EpochSettlementBadProof", epoch=1):
            contract.send("claim", *arguments, by=who.stranger)
    for unknown in (0, 2, 2**64 - 1):
        with refuses("EpochSettlementUnknownEpoch", epoch=unknown):
            contract.send("claim", unknown, client, provider, total, 1, proof, by=who.stranger)
    funded.post([(client, provider, 9 * CREDIT)])
    with refuses("EpochSettlementBadProof", epoch=2):
        contract.send("claim", 2, client, provider, total, 1, proof, by=who.stranger)
    assert contract.read("leafOf", *debts[1]) == leaf(debts[1])
    funded.claim(1, epoch=1)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 33])
def test_every_leaf_of_a_tree_can_be_claimed(funded: Epochs, count: int) -> None:
    client = funded.stage.who.clients[0]
    providers = ["0x" + f"{n + 1:040x}" for n in range(count)]
    funded.post([(client, provider, 7 + n) for n, provider in enumerate(providers)])
    for n in {0, count // 2, count - 1}:
        assert funded.claim(n).one("Claimed")["amount"] == 7 + n


def test_a_root_is_posted_once_by_a_quorum_of_the_era(funded: Epochs) -> None:
    stage, contract = funded.stage, funded.contract
    epoch = funded.epoch(keccak(text="root"))
    assert contract.read("epochDigest", epoch) == funded.digest(epoch)
    with refuses("OracleQuorumNotReached"):
        funded.send(epoch, who=range(4))
    signed = stage.sign(funded.digest(epoch))
    for forged in ((1, *epoch[1:2], bytes(32), epoch[3]), (*epoch[:3], bytes(32))):
        with refuses("OracleQuorumBadSignature"):
            contract.send("commitEpoch", forged, [], *signed, by=stage.who.stranger)
    funded.send(epoch)
    with refuses("EpochSettlementBadNumber", number=1, expected=2):
        funded.send(epoch)
    for number in (3, 2**64 - 1):
        with refuses("EpochSettlementBadNumber", expected=2):
            funded.send(funded.epoch(keccak(text="other"), number=number))
    second = funded.epoch(keccak(text="second"))
    stage.rotate(stage.oracles)
    with refuses("OracleQuorumStaleEra", era=1, current=2):
        funded.send(second)
    funded.send(funded.epoch(keccak(text="second")))
    assert contract.read("epochCount") == 2
    assert contract.read("rootOf", 2) == keccak(text="second")


def test_signatures_for_another_contract_do_not_count(funded: Epochs) -> None:
    other = Epochs.on(funded.stage)
    epoch = funded.epoch(keccak(text="root"))
    signed = funded.stage.sign(other.digest(epoch))
    with refuses("OracleQuorumBadSignature"):
        funded.contract.send("commitEpoch", epoch, [], *signed, by=funded.stage.who.stranger)


def test_results_are_those_that_were_signed(funded: Epochs) -> None:
    results = [keccak(text=f"result {n}") for n in range(3)]
    epoch = funded.epoch(keccak(text="root"), results)
    signed = funded.stage.sign(funded.digest(epoch))
    for forged in (results[:2], results[::-1], [*results, bytes(32)]):
        with refuses("EpochSettlementBadResults", expected=epoch[3]):
            funded.contract.send("commitEpoch", epoch, forged, *signed, by=funded.stage.who.stranger)
    done = funded.send(epoch, results)
    assert done.one("EpochCommitted")["results"] == keccak(b"".join(results))


def test_with_silent_oracles_a_client_leaves_with_its_escrow(funded: Epochs) -> None:
    """Nobody else acts: announcement, delay, and all that was not claimed is back."""
    stage, contract = funded.stage, funded.contract
    client = stage.who.clients[0]
    with refuses("EpochSettlementNotAvailable", availableAt=0):
        contract.send("exit", by=client)
    free = contract.send("startExit", by=client).one("ExitStarted")["availableAt"]
    assert free == stage.time + EXIT_DELAY_S == contract.read("escrowOf", client)[1]
    stage.wait_until(free - 1)
    with refuses("EpochSettlementNotAvailable", availableAt=free):
        contract.send("exit", by=client)
    stage.wait_until(free)
    before = stage.credit.read("balanceOf", client)
    assert contract.send("exit", by=client).one("Exited")["amount"] == 10 * CREDIT
    assert stage.credit.read("balanceOf", client) == before + 10 * CREDIT
    with refuses("EpochSettlementNotAvailable", availableAt=0):
        contract.send("exit", by=client)
    contract.send("startExit", by=client)
    stage.wait(EXIT_DELAY_S)
    assert contract.send("exit", by=client).one("Exited")["amount"] == 0


def test_who_leaves_still_pays_what_was_signed_before_it_is_gone(funded: Epochs) -> None:
    stage, client = funded.stage, funded.stage.who.clients[0]
    funded.contract.send("startExit", by=client)
    funded.post([(client, stage.who.providers[0], 4 * CREDIT)])
    funded.claim(0)
    stage.wait(EXIT_DELAY_S)
    assert funded.contract.send("exit", by=client).one("Exited")["amount"] == 6 * CREDIT
    funded.post([(client, stage.who.providers[0], 5 * CREDIT)])
    with refuses("EpochSettlementNothingToClaim", escrow=0):
        funded.claim(0)


def test_nothing_is_funded_with_nothing(epochs: Epochs) -> None:
    client = epochs.stage.who.clients[0]
    with refuses("EpochSettlementZeroAmount"):
        epochs.contract.send("fund", client, 0, by=client)
    with refuses("ERC20InsufficientBalance", sender=client):
        epochs.contract.send("fund", client, 2**200, by=client)


@pytest.mark.parametrize("seed", range(2))
def test_the_contract_follows_the_books(epochs: Epochs, seed: int) -> None:
    """Random funds, epochs, claims of any epoch, collections and exits: each account to the unit."""
    stage, contract, rng, books = epochs.stage, epochs.contract, random.Random(seed), Books()
    clients, providers = stage.who.clients[:3], stage.who.providers[:3]
    owed = {(c, p): 0 for c in clients for p in providers}

    def fund() -> None:
        client, amount = rng.choice(clients), rng.randint(1, 1000)
        contract.send("fund", client, amount, by=rng.choice(clients))
        books.escrows[client] += amount

    def post() -> None:
        for pair in owed:
            owed[pair] += rng.choice((0, 0, rng.randint(1, 300)))
        epochs.post([(*pair, total) for pair, total in owed.items()])

    def claim() -> None:
        if not epochs.posted:
            return
        number, index = rng.randint(1, len(epochs.posted)), rng.randrange(len(owed))
        due = books.claim(epochs.posted[number - 1][0][index])
        if due:
            assert epochs.claim(index, number).one("Claimed")["amount"] == due
        else:
            with refuses("EpochSettlementNothingToClaim"):
                epochs.claim(index, number)

    def collect() -> None:
        provider = rng.choice(providers)
        due = sum(books.claimed[c, provider] - books.collected[c, provider] for c in clients)
        if not due:
            with refuses("EpochSettlementZeroAmount"):
                contract.send("collect", clients, provider, by=provider)
            return
        done = contract.send("collect", clients, provider, by=provider)
        assert sum(v["amount"] for v in done.of("Collected")) == due
        for client in clients:
            books.collected[client, provider] = books.claimed[client, provider]

    def leave() -> None:
        client = rng.choice(clients)
        if client not in books.leaving:
            done = contract.send("startExit", by=client)
            books.leaving[client] = done.one("ExitStarted")["availableAt"]
        elif stage.now < books.leaving[client]:
            with refuses("EpochSettlementNotAvailable"):
                contract.send("exit", by=client)
            stage.wait(86_400)
        else:
            assert contract.send("exit", by=client).one("Exited")["amount"] == books.escrows.pop(client, 0)
            del books.leaving[client]

    acts = [fund, fund, post, claim, claim, claim, collect, leave]
    for _ in range(60):
        rng.choice(acts)()
        assert stage.credit.read("balanceOf", contract.address) == books.held
    for client in clients:
        assert contract.read("escrowOf", client) == (books.escrows[client], books.leaving.get(client, 0))
        for provider in providers:
            found = contract.read("claimedOf", client, provider)
            assert found == (books.claimed[client, provider], books.collected[client, provider])


def test_a_tree_of_another_shape_leads_elsewhere(funded: Epochs) -> None:
    """Missing leaves are zero words on the right, as in every tree of the exchange."""
    client, provider = funded.stage.who.clients[0], funded.stage.who.providers[0]
    debts = [(client, provider, n + 1) for n in range(3)]
    funded.post(debts)
    padded = MerkleTree([*(leaf(debt) for debt in debts), bytes(32)])
    assert padded.root == funded.posted[0][1].root
    assert funded.claim(2).one("Claimed")["amount"] == 3
