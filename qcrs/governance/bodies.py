"""The bodies of the exchange: five councils, and the consortia with their governor.

Which body decides on a function follows from the role that the function has in the AccessManager; the table
of roles is that of deployment, so it is written once.
"""

from __future__ import annotations

from dataclasses import dataclass

from qcrs.chain.deploy import GOVERNED
from qcrs.chain.handover import BODY_GOVERNED
from qcrs.errors import InputError

__all__ = ["BODIES", "CONSORTIA", "Body", "body_named", "body_of", "guarded"]


@dataclass(frozen=True, slots=True)
class Body:
    """One body: a short name, its title, its contract, its roles, and what it decides on in words."""

    key: str
    title: str
    contract: str
    roles: tuple[str, ...]
    decides: str


CONSORTIA = "consortia"

BODIES = (
    Body(
        "allocation",
        "Quantum Resource Allocation Committee",
        "AllocationCouncil",
        ("ALLOCATION",),
        "flow weights, class rates, boost quotas, the drain threshold Δ",
    ),
    Body(
        "certification",
        "Processor Certification Authority",
        "CertificationCouncil",
        ("CERTIFICATION", "SUSPENSION"),
        "oracles, certificates, bonds, suspension of a processor",
    ),
    Body(
        "security",
        "Quantum Security Working Group",
        "SecurityCouncil",
        ("SECURITY",),
        "pause, quarantine, cancelling what waits; never funds",
    ),
    Body(
        "standards",
        "Verification Standards Board",
        "StandardsCouncil",
        ("STANDARDS",),
        "windows, trust floor, redundancy bounds, penalties, channel quality",
    ),
    Body(
        "dispute",
        "Dispute Resolution Council",
        "DisputeCouncil",
        ("DISPUTE",),
        "rulings on challenges, by commit and reveal in the court",
    ),
    Body(
        CONSORTIA,
        "Consortia",
        "ExchangeGovernor",
        ("ADMIN",),
        "seats, roles, treasury, supply, appeals",
    ),
)
"""In the order in which they are shown."""

UNGUARDED = {("AccessManager", "cancel"): "security", ("ExchangeGovernor", "cancel"): "security"}
"""Functions that know their caller by themselves."""


def body_named(name: str) -> Body:
    """A body by its short name or title; `InputError` lists them."""
    wanted = name.strip().lower()
    for body in BODIES:
        if wanted in (body.key, body.title.lower(), body.contract.lower()):
            return body
    raise InputError(
        "no such body",
        field="body",
        value=name,
        solution="name one of " + ", ".join(body.key for body in BODIES),
    )


def body_of(contract: str, function: str) -> Body:
    """The body that decides on a function; what no council has is the consortia's."""
    key = UNGUARDED.get((contract, function))
    if key is not None:
        return body_named(key)
    role = _role(contract, function)
    return next(body for body in BODIES if role in body.roles) if role else body_named(CONSORTIA)


def guarded(contract: str, function: str) -> bool:
    """Whether the AccessManager lets in who calls the function, and nobody while the contract is closed."""
    return _role(contract, function) is not None


def _role(contract: str, function: str) -> str | None:
    roles = {**GOVERNED, **BODY_GOVERNED}.get(contract, {})
    return next((role for role, functions in roles.items() if function in functions), None)
