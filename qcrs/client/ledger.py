"""An account and its money: the key that signs, the ledger's balance, and sending exactly once."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from eth_utils.address import is_address, to_checksum_address

from qcrs.client.keys import sign_permit
from qcrs.client.reader import Reader
from qcrs.client.wallet import Wallet
from qcrs.config.home import Home, NetworkFile
from qcrs.errors import AccountError, ChainError, InputError
from qcrs.store import ContentStore
from qcrs.types import credits_text

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from qcrs.chain.abi import Call
    from qcrs.chain.networks import Chain, Receipt
    from qcrs.chain.outbox import Outbox

__all__ = ["Ledger"]

_OUTBOX_S = 30.0
"""How long a change waits for another process that uses the same account."""


class Ledger(Reader):
    """A reader that also holds a key: deposits, withdrawals and the outbox. Thread-safe."""

    def __init__(
        self,
        chain: Chain,
        network: NetworkFile,
        store: ContentStore,
        home: Home,
        account: LocalAccount | str | None = None,
    ) -> None:
        super().__init__(chain, network, store, home)
        self._account = account
        self._sending = threading.RLock()

    @property
    def account(self) -> LocalAccount:
        """The account that signs; loaded when first needed."""
        with self._sending:
            if self._account is None or isinstance(self._account, str):
                wallet = Wallet(self.home)
                self._account = wallet.load(wallet.choose(self._account))
            return self._account

    @property
    def address(self) -> str:
        """The account's address; needs no password."""
        if self._account is None or isinstance(self._account, str):
            wallet = Wallet(self.home)
            return wallet.address(wallet.choose(self._account))
        return str(self._account.address)

    def balance(self, address: str | None = None) -> int:
        """Free balance in the exchange's ledger, in base units."""
        return self.contracts.allocator.balance_of(address or self.address)

    def credit(self, address: str | None = None) -> int:
        """Credit tokens outside the ledger, in base units."""
        return self.contracts.credit.balance_of(address or self.address)

    def deposit(self, amount: int) -> Receipt:
        """Move credit tokens into the ledger, in one transaction with a signed permit."""
        held = self.credit()
        if amount <= 0 or amount > held:
            raise AccountError(
                f"{credits_text(held)} credits can be deposited at most",
                field="amount",
                value=credits_text(amount),
                solution="give a positive amount, or have credit transferred to the account first",
            )
        credit, allocator = self.contracts.credit, self.contracts.allocator
        deadline = self.chain.now() + 3600
        v, r, s = sign_permit(
            self.account,
            domain=credit.domain_separator(),
            spender=allocator.address,
            value=amount,
            nonce=credit.nonces(self.address),
            deadline=deadline,
        )
        return self._post(
            f"deposit/{secrets.token_hex(8)}", allocator.deposit_with_permit(amount, deadline, v, r, s)
        )

    def withdraw(self, amount: int | None = None, *, to: str | None = None) -> Receipt:
        """Pay out of the ledger; everything without an amount."""
        if to is not None and not (is_address(to) and int(to, 16)):
            raise InputError(
                "not an address that can receive credit",
                field="to",
                value=to,
                solution="give the receiver's address, 0x and 40 hex digits; without one the account is paid",
            )
        free = self.balance()
        wanted = free if amount is None else amount
        if wanted <= 0 or wanted > free:
            raise AccountError(
                f"{credits_text(free)} credits can be withdrawn at most",
                field="amount",
                value=credits_text(wanted),
                solution="wait until running jobs have closed, or give a smaller amount",
            )
        call = self.contracts.allocator.withdraw(to_checksum_address(to or self.address), wanted)
        return self._post(f"withdraw/{secrets.token_hex(8)}", call)

    @contextmanager
    def _outbox(self) -> Iterator[Outbox]:
        from qcrs.chain.outbox import Outbox

        path = self.home.path("client", "outbox", f"{self.address.lower()}.sqlite")
        until = time.monotonic() + _OUTBOX_S
        with self._sending:
            while True:
                try:
                    outbox = Outbox(path, self.chain, self.account, self.network.confirmations)
                    break
                except ChainError as error:
                    if "another process" not in error.reason or time.monotonic() > until:
                        raise
            with outbox:
                yield outbox

    def _post(self, key: str, call: Call) -> Receipt:
        """Send a call exactly once under its key and wait for its block."""
        with self._outbox() as outbox:
            known = outbox.entry(key)
            if known is not None and known.state == "failed":
                outbox.forget(key)
            outbox.post(key, call)
            return outbox.wait(key)

    def post(self, key: str, call: Call) -> Receipt:
        """The same for modules that build on this account."""
        return self._post(key, call)

    def has_account(self) -> bool:
        """Whether an account is named, be it there or not, or can be chosen without asking."""
        if self._account is not None:
            return True
        try:
            return bool(self.address)
        except AccountError:
            return False
