"""Handing the exchange over to its bodies: after it, the deployer can do nothing that a stranger could not.

Five councils, the consortia's seats, their governor with its timelock, the dispute court and the brake are
created beside the exchange. One transaction then gives every role to its body, the last of them, ADMIN, to
the timelock, and takes all of them from the deployer; treasuries and what credit the deployer still holds go
to the timelock before. What was handed over is read back and checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils.address import is_address

from qcrs.chain.abi import Call
from qcrs.chain.bindings import (
    AccessManager,
    ComputationAllocator,
    EntanglementCoordinator,
    OracleQuorum,
    ProcessorRegistry,
    ResourceCredit,
)
from qcrs.chain.compile import Artifact, artifacts
from qcrs.chain.deploy import ROLES, Deployer, Deployment, function_selectors
from qcrs.chain.networks import Chain
from qcrs.chain.sender import deployment_call
from qcrs.config.yamlfile import read_yaml
from qcrs.errors import ChainError, ConfigError

__all__ = [
    "BODY_CONTRACTS",
    "BODY_GOVERNED",
    "COUNCILS",
    "Bodies",
    "bodies_for",
    "development_bodies",
    "hand_over",
]

COUNCILS = ("allocation", "certification", "security", "standards", "dispute")
"""The five bodies; the council of `allocation` is the contract `AllocationCouncil` of a deployment."""

BODY_CONTRACTS = {
    **{f"{name.capitalize()}Council": "Council" for name in COUNCILS},
    "ConsortiumSeats": "ConsortiumSeats",
    "ExchangeTimelock": "ExchangeTimelock",
    "ExchangeGovernor": "ExchangeGovernor",
    "DisputeCourt": "DisputeCourt",
    "Brake": "Brake",
}
"""Contracts of the hand-over in the order of creation, and the artifact of each."""

BODY_GOVERNED: dict[str, dict[str, tuple[str, ...]]] = {
    "ConsortiumSeats": {"ADMIN": ("admit", "expel")},
    "DisputeCourt": {"ADMIN": ("decide",)},
    "Brake": {"SECURITY": ("setClosed",)},
}
"""Which role each governed function of the bodies' own contracts belongs to."""

WAITING = {
    "ALLOCATION": "AllocationCouncil",
    "CERTIFICATION": "CertificationCouncil",
    "STANDARDS": "StandardsCouncil",
}
"""Roles whose decisions wait, and who holds them."""

AT_ONCE = {"SECURITY": "SecurityCouncil", "SUSPENSION": "CertificationCouncil", "DISPUTE": "DisputeCourt"}
"""Roles that act at once: pause, suspension, and rulings, which had their own stages before."""

DAY_S = 86_400
DEVELOPMENT_SEATS = 18
"""Accounts that sit in the bodies of a development chain."""


def _seats(name: str, value: Any) -> tuple[str, ...]:
    """A list of texts; what they are is checked by `Bodies`."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"the seats of {name} are no list of addresses in quotes")
    return tuple(value)


_MONTH_S = 30 * DAY_S
_BOUNDS = {
    "council_delay_s": (0, _MONTH_S),
    "timelock_delay_s": (1, _MONTH_S),
    "voting_delay_s": (1, _MONTH_S),
    "voting_period_s": (2, _MONTH_S),
    "quorum": (20, 100),
    "super_quorum": (60, 100),
}
"""What the governor and its timelock take, so that a hand-over does not end half-way."""


def _within(name: str, value: object, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise ConfigError(
            f"{name} is no whole number from {least} to {most}",
            field=name,
            value=str(value)[:80],
            solution=f"write one from {least} to {most} (docs/governance.md)",
        )


@dataclass(frozen=True, slots=True)
class Bodies:
    """Who sits where, and how long decisions wait (seconds) and how many consortia they need (hundredths).

    `thresholds` are majorities where none is given.
    """

    councils: Mapping[str, tuple[str, ...]]
    consortia: tuple[str, ...]
    thresholds: Mapping[str, int] = field(default_factory=dict)
    council_delay_s: int = 2 * DAY_S
    timelock_delay_s: int = 2 * DAY_S
    voting_delay_s: int = DAY_S // 4
    voting_period_s: int = 4 * DAY_S
    late_extension_s: int = DAY_S // 2
    quorum: int = 40
    super_quorum: int = 66  # rounded up, as the quorum: two of three, four of six

    def __post_init__(self) -> None:
        if set(self.councils) != set(COUNCILS):
            raise ConfigError(
                "the bodies are five",
                field="councils",
                value=", ".join(self.councils),
                solution=f"name the seats of {', '.join(COUNCILS)}",
            )
        for name, seats in (*self.councils.items(), ("consortia", self.consortia)):
            if len(set(seats)) != len(seats) or not 3 <= len(seats) <= (64 if name == "consortia" else 32):
                raise ConfigError(
                    f"{name} has {len(set(seats))} seats",
                    field=name,
                    value=len(seats),
                    solution="give at least three different addresses, at most 32 (consortia: 64)",
                )
            for seat in seats:
                if not is_address(seat):
                    raise ConfigError(
                        f"a seat of {name} is no address",
                        field=name,
                        value=seat,
                        solution="write 0x and 40 hex digits",
                    )
        bounds = _BOUNDS | {"late_extension_s": (0, self.voting_period_s)}
        for term in fields(self)[3:]:
            _within(term.name, getattr(self, term.name), *bounds[term.name])
        if not isinstance(self.thresholds, Mapping) or set(self.thresholds) - set(COUNCILS):
            raise ConfigError(
                "thresholds are votes by council",
                field="thresholds",
                value=str(self.thresholds)[:80],
                solution=f"write a number under names of {', '.join(COUNCILS)}",
            )
        for name, votes in self.thresholds.items():
            count = len(self.councils[name])
            _within(f"thresholds.{name}", votes, count // 2 + 1, count)

    def threshold(self, council: str) -> int:
        """Votes that decide in a council."""
        return self.thresholds.get(council, len(self.councils[council]) // 2 + 1)

    @classmethod
    def load(cls, path: Path) -> Bodies:
        """From YAML: lists of addresses under each body's name and `consortia`, other fields by name."""
        known = {one.name for one in fields(cls)} - {"councils"}
        raw = cls._read(path)
        try:
            unknown = [key for key in raw if key not in known and key not in COUNCILS]
            if unknown:
                raise ValueError(f"unknown key {str(unknown[0])[:80]}")
            missing = [name for name in (*COUNCILS, "consortia") if name not in raw]
            if missing:
                raise ConfigError(
                    f"{path} names no seats of {', '.join(missing)}",
                    field=missing[0],
                    solution=f"write a list of at least three addresses in quotes under {missing[0]}: "
                    "(docs/governance.md)",
                )
            councils = {name: _seats(name, raw.pop(name)) for name in COUNCILS}
            consortia = _seats("consortia", raw.pop("consortia"))
            return cls(councils=councils, consortia=consortia, **raw)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            if isinstance(error, ConfigError):
                raise
            raise cls._unreadable(path, error) from error

    @classmethod
    def _read(cls, path: Path) -> dict[str, Any]:
        try:
            return read_yaml(path)
        except ConfigError as error:
            raise cls._unreadable(path, error.reason) from error

    @staticmethod
    def _unreadable(path: Path, reason: object) -> ConfigError:
        return ConfigError(
            f"the bodies cannot be read: {reason}",
            field="file",
            value=str(path),
            solution=f"a YAML file with lists of addresses: {', '.join((*COUNCILS, 'consortia'))}",
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values, for the manifest."""
        return asdict(self)


def development_bodies(addresses: tuple[str, ...], **terms: Any) -> Bodies:
    """Bodies of a development chain: three seats a council and three consortia from 18 addresses."""
    thirds = [tuple(addresses[i : i + 3]) for i in range(0, 18, 3)]
    return Bodies(dict(zip(COUNCILS, thirds, strict=False)), thirds[5], **terms)


def bodies_for(chain: Chain, path: Path | None) -> Bodies:
    """The bodies in a file; without one, those of a development chain, whose keys everybody knows."""
    if path is not None:
        return Bodies.load(path)
    if not chain.network.development:
        raise ConfigError(
            "a live network needs bodies to be handed to",
            field="bodies",
            solution="list their seats in a YAML file (docs/governance.md) and name it with --bodies",
        )
    from qcrs.chain.accounts import development_accounts

    return development_bodies(tuple(one.address for one in development_accounts(DEVELOPMENT_SEATS + 1)[1:]))


def hand_over(
    chain: Chain,
    account: LocalAccount,
    deployment: Deployment,
    bodies: Bodies,
    *,
    say: Callable[[str], None] | None = None,
    found: Mapping[str, Artifact] | None = None,
) -> Deployment:
    """Create the bodies and give them everything; the deployment with their contracts in it."""
    return _HandOver(chain, account, deployment, bodies, say or (lambda _: None), found or artifacts()).run()


class _HandOver(Deployer):
    """The steps in order."""

    def __init__(
        self,
        chain: Chain,
        account: LocalAccount,
        deployment: Deployment,
        bodies: Bodies,
        say: Callable[[str], None],
        found: Mapping[str, Artifact],
    ) -> None:
        super().__init__(chain, account, say, found)
        self.deployment = deployment
        self.bodies = bodies
        self.manager = AccessManager(chain, deployment.addresses["AccessManager"])

    def run(self) -> Deployment:
        computed = self.computed(BODY_CONTRACTS)
        at = {**self.deployment.addresses, **computed}
        arguments = self._arguments(at)
        for name, artifact in BODY_CONTRACTS.items():
            self.create(name, deployment_call(self.artifacts[artifact], arguments[name]), computed[name])
        for call in self._possessions(at):
            self.transact(call)
        self.transact(self.manager.multicall(tuple(call.data for call in self._roles(at))))
        self._check(at)
        manifest = dict(self.deployment.manifest)
        entries = {name: self.entry(name, BODY_CONTRACTS[name], computed[name]) for name in computed}
        manifest["contracts"] = {**manifest["contracts"], **entries}
        manifest |= {"bodies": self.bodies.as_json(), "roles": ROLES}
        return replace(self.deployment, addresses=at, manifest=manifest)

    def _arguments(self, at: Mapping[str, str]) -> dict[str, tuple[Any, ...]]:
        manager, terms = at["AccessManager"], self.bodies
        return {
            **{
                f"{name.capitalize()}Council": (
                    manager,
                    at["ExchangeTimelock"],
                    list(terms.councils[name]),
                    terms.threshold(name),
                )
                for name in COUNCILS
            },
            "ConsortiumSeats": (manager, list(terms.consortia)),
            # Whoever proposes may also cancel; the zero address as executor is everybody.
            "ExchangeTimelock": (terms.timelock_delay_s, [at["ExchangeGovernor"]], ["0x" + "00" * 20]),
            "ExchangeGovernor": (
                at["ConsortiumSeats"],
                at["ExchangeTimelock"],
                at["SecurityCouncil"],
                (
                    terms.voting_delay_s,
                    terms.voting_period_s,
                    terms.late_extension_s,
                    terms.quorum,
                    terms.super_quorum,
                ),
            ),
            "DisputeCourt": (
                manager,
                at["ResourceCredit"],
                at["ResultVerifier"],
                at["ComputationAllocator"],
                at["ProcessorRegistry"],
                at["DisputeCouncil"],
            ),
            "Brake": (manager,),
        }

    def _possessions(self, at: Mapping[str, str]) -> list[Call]:
        """Treasuries, and what credit the deployer holds anywhere, to the timelock."""
        deployer, timelock = self.sender.address, at["ExchangeTimelock"]
        quorum = OracleQuorum(self.chain, at["OracleQuorum"])
        calls = [
            ProcessorRegistry(self.chain, at["ProcessorRegistry"]).set_treasury(timelock),
            quorum.set_treasury(timelock),
        ]
        for ledger in (
            ComputationAllocator(self.chain, at["ComputationAllocator"]),
            EntanglementCoordinator(self.chain, at["EntanglementCoordinator"]),
        ):
            if amount := ledger.balance_of(deployer):
                calls.append(ledger.withdraw(timelock, amount))
        credit = ResourceCredit(self.chain, at["ResourceCredit"])
        if amount := credit.balance_of(deployer):
            calls.append(credit.transfer(timelock, amount))
        return calls

    def _roles(self, at: Mapping[str, str]) -> list[Call]:
        """Every role to its body, and none to the deployer; its own ADMIN role goes last."""
        manager, deployer = self.manager, self.sender.address
        calls = [
            manager.set_target_function_role(
                at[name], tuple(function_selectors(self.artifacts[artifact], functions)), ROLES[role]
            )
            for name, artifact in BODY_CONTRACTS.items()
            for role, functions in BODY_GOVERNED.get(artifact, {}).items()
        ]
        calls += [
            manager.grant_role(ROLES[r], at[h], self.bodies.council_delay_s) for r, h in WAITING.items()
        ]
        calls += [manager.grant_role(ROLES[role], at[holder], 0) for role, holder in AT_ONCE.items()]
        calls += [manager.grant_role(ROLES["ADMIN"], at[name], 0) for name in ("ExchangeTimelock", "Brake")]
        calls += [manager.set_role_guardian(ROLES[role], ROLES["SECURITY"]) for role in WAITING]
        calls += [manager.revoke_role(number, deployer) for number in sorted(ROLES.values(), reverse=True)]
        return calls

    def _check(self, at: Mapping[str, str]) -> None:
        """That every role is where it belongs, and nothing is left with the deployer."""
        expected = WAITING | AT_ONCE | {"ADMIN": "ExchangeTimelock"}
        for role, number in ROLES.items():
            kept, _ = self.manager.has_role(number, self.sender.address)
            held, delay = self.manager.has_role(number, at[expected[role]])
            if kept or not held or (role in WAITING and delay != self.bodies.council_delay_s):
                raise ChainError(
                    f"the role {role} was not handed over", field="role", value=role, solution="deploy anew"
                )
