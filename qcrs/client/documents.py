"""The documents of one job: what a client, a node and the oracles write and read.

Forms only, no keys and no I/O: each class turns into a canonical JSON value (`as_json`) and is read
back from untrusted bytes (`from_json`), refusing whatever does not have exactly the agreed form.
Sealing is in `qcrs.client.sealed`. Circuits stay plain canonical values here, so that a process which
only passes documents on never has to load a quantum library; `qcrs.circuits` reads them.

Source: docs/protocol.md, "A job".
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from qcrs.client.fields import Reader, address_text, hex_text, read_items
from qcrs.client.mails import HandOver, Opening, Release
from qcrs.errors import InputError
from qcrs.types import ContentId, Json

__all__ = [
    "MAX_SHOTS",
    "MAX_UNITS",
    "ExactUnit",
    "FramesDocument",
    "HandOver",
    "JobDocument",
    "Opening",
    "Release",
    "ResultDocument",
    "ResultUnit",
    "SampleUnit",
    "SecretDocument",
    "SecretUnit",
]

MAX_SHOTS = 1_000_000
MAX_VALUE = 1 << 64
"""Most shots of one unit."""

MAX_UNITS = 1_000
"""Most units of one job."""

MAX_FRAMES = 10
"""Most frames of one unit."""

Mode = Literal["sample", "exact"]


@dataclass(frozen=True, slots=True)
class SampleUnit:
    """What a provider runs for one unit: its twirled circuits and the shots of each."""

    frames: tuple[Json, ...]
    shots: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.frames) <= MAX_FRAMES or len(self.frames) != len(self.shots):
            raise InputError("a unit has 1 to 10 frames with shots for each", field="frames")
        if any(not 1 <= n <= MAX_SHOTS for n in self.shots) or sum(self.shots) > MAX_SHOTS:
            raise InputError("shots of a unit are out of range", field="shots", value=list(self.shots))

    def as_json(self) -> Json:
        """The canonical value."""
        return {"frames": list(self.frames), "shots": list(self.shots)}


@dataclass(frozen=True, slots=True)
class ExactUnit:
    """A noiseless request: expectation values of Pauli terms after one circuit.

    Each observable is (label, real part, imaginary part) with the coefficient in units of 1e-9; the label
    has one letter of I, X, Y, Z a qubit, the last letter for qubit 0. A result has one value for each.
    """

    circuit: Json
    observables: tuple[tuple[str, int, int], ...]

    def __post_init__(self) -> None:
        for label, _re, _im in self.observables:
            if not label or set(label) - set("IXYZ"):
                raise InputError("an observable is a word over I, X, Y, Z", field="label", value=label)

    def as_json(self) -> Json:
        """The canonical value."""
        return {"circuit": self.circuit, "observables": [list(term) for term in self.observables]}


def _observables(raw: Json, where: str) -> tuple[tuple[str, int, int], ...]:
    terms = []
    for index, term in enumerate(read_items(raw, where, most=4096)):
        if (
            not isinstance(term, list)
            or len(term) != 3
            or not isinstance(term[0], str)
            or not all(type(part) is int for part in term[1:])
        ):
            raise InputError("an observable is [label, re_nano, im_nano]", field=f"{where}[{index}]")
        terms.append((term[0], term[1], term[2]))
    return tuple(terms)


def _given(unit: Reader, name: str, default: Json = None) -> Json:
    """A field that is left out rather than empty; the default where it is not there."""
    if not unit.has(name):
        return default
    value = unit.take(name)
    if value is None or value == []:
        raise InputError("an empty field is left out", field=name)
    return value


@dataclass(frozen=True, slots=True)
class FramesDocument:
    """What the provider receives: everything to run and nothing that undoes the twirl."""

    KIND: ClassVar[str] = "frames/1"

    job_nonce: str
    units: tuple[SampleUnit | ExactUnit, ...]
    physical: bool = False
    simulator_seed: int | None = None

    def __post_init__(self) -> None:
        hex_text(self.job_nonce, 32, "job_nonce")
        if not 1 <= len(self.units) <= MAX_UNITS:
            raise InputError("a job has 1 to 1000 units", field="units", value=len(self.units))
        if len({isinstance(unit, ExactUnit) for unit in self.units}) != 1:
            raise InputError("units of one job have one mode", field="units")

    @property
    def mode(self) -> Mode:
        """`exact` when the job asks for noiseless expectation values."""
        return "exact" if isinstance(self.units[0], ExactUnit) else "sample"

    def as_json(self) -> Json:
        """The canonical value."""
        return {
            "qcrs": self.KIND,
            "job_nonce": self.job_nonce,
            "physical": self.physical,
            "simulator_seed": self.simulator_seed,
            "mode": self.mode,
            "units": [unit.as_json() for unit in self.units],
        }

    @classmethod
    def from_json(cls, raw: Json) -> FramesDocument:
        """Read an untrusted value; `InputError` names the first field that is wrong."""
        read = Reader(raw, cls.KIND)
        mode = read.choice("mode", ("sample", "exact"))
        units: list[SampleUnit | ExactUnit] = []
        for index, item in enumerate(read.items("units", most=MAX_UNITS)):
            unit = Reader(item, None, f"units[{index}]")
            if mode == "exact":
                units.append(
                    ExactUnit(unit.table("circuit"), _observables(unit.take("observables"), "observables"))
                )
            else:
                units.append(
                    SampleUnit(
                        tuple(unit.tables("frames", most=MAX_FRAMES)),
                        tuple(unit.integers("shots", 1, MAX_SHOTS)),
                    )
                )
            unit.close()
        document = cls(
            job_nonce=read.text("job_nonce"),
            units=tuple(units),
            physical=read.flag("physical"),
            simulator_seed=read.optional_integer("simulator_seed", 0, 2**63 - 1),
        )
        read.close()
        return document


@dataclass(frozen=True, slots=True)
class SecretUnit:
    """What the oracles know of one unit: the client's own circuit, from which frames follow.

    `frames` is the number of frames (0 in exact mode, where `observables` are given). `predicate` is an
    optional circuit-independent check of each outcome, in the form that `qcrs.verification` reads.
    """

    circuit: Json
    shots: int
    frames: int
    predicate: Json = None
    observables: tuple[tuple[str, int, int], ...] = ()

    def as_json(self) -> Json:
        """The canonical value."""
        value: dict[str, Json] = {"circuit": self.circuit, "shots": self.shots, "frames": self.frames}
        if self.predicate is not None:
            value["predicate"] = self.predicate
        if self.observables:
            value["observables"] = [list(term) for term in self.observables]
        return value


@dataclass(frozen=True, slots=True)
class SecretDocument:
    """What only the oracles and the client can read while the job is open.

    `note` is the client's own text (how results map back to its program); oracles ignore it. `value` is what
    a wrong answer may be worth to somebody, in base units (0: not said); it raises the audit rate.
    """

    KIND: ClassVar[str] = "secret/1"

    job_nonce: str
    seed: bytes
    units: tuple[SecretUnit, ...]
    purpose: Literal["user", "capability"] = "user"
    physical: bool = False
    note: str = ""
    value: int = 0

    def __post_init__(self) -> None:
        hex_text(self.job_nonce, 32, "job_nonce")
        if len(self.seed) != 32:
            raise InputError("a seed has 32 bytes", field="seed", value=len(self.seed))
        if not 1 <= len(self.units) <= MAX_UNITS:
            raise InputError("a job has 1 to 1000 units", field="units", value=len(self.units))

    @property
    def mode(self) -> Mode:
        """`exact` when the job asks for noiseless expectation values."""
        return "exact" if self.units[0].frames == 0 else "sample"

    def as_json(self) -> Json:
        """The canonical value."""
        return {
            "qcrs": self.KIND,
            "job_nonce": self.job_nonce,
            "seed": self.seed.hex(),
            "purpose": self.purpose,
            "physical": self.physical,
            "note": self.note,
            "units": [unit.as_json() for unit in self.units],
            **({"value": self.value} if self.value else {}),
        }

    @classmethod
    def from_json(cls, raw: Json) -> SecretDocument:
        """Read an untrusted value; `InputError` names the first field that is wrong."""
        read = Reader(raw, cls.KIND)
        units = []
        for index, item in enumerate(read.items("units", most=MAX_UNITS)):
            unit = Reader(item, None, f"units[{index}]")
            units.append(
                SecretUnit(
                    circuit=unit.table("circuit"),
                    shots=unit.integer("shots", 0, MAX_SHOTS),
                    frames=unit.integer("frames", 0, MAX_FRAMES),
                    predicate=_given(unit, "predicate"),
                    observables=_observables(_given(unit, "observables", []), "observables"),
                )
            )
            unit.close()
        document = cls(
            job_nonce=read.text("job_nonce"),
            seed=bytes.fromhex(hex_text(read.text("seed"), 32, "seed")),
            units=tuple(units),
            purpose=read.choice("purpose", ("user", "capability")),
            physical=read.flag("physical"),
            note=read.text("note"),
            value=read.integer("value", 1, MAX_VALUE) if "value" in raw else 0,
        )
        read.close()
        return document


@dataclass(frozen=True, slots=True)
class JobDocument:
    """The public document whose content id is the job's payload on chain.

    `envelopes` maps a recipient's address to its HPKE envelopes of the keys `frames` and `secret`.
    """

    KIND: ClassVar[str] = "job/1"

    frames: ContentId
    secret: ContentId
    era: int
    client: str
    client_key: bytes
    envelopes: Mapping[str, Mapping[str, bytes]]

    def as_json(self) -> Json:
        """The canonical value."""
        return {
            "qcrs": self.KIND,
            "frames": self.frames,
            "secret": self.secret,
            "era": self.era,
            "client": self.client,
            "client_key": b64encode(self.client_key).decode(),
            "envelopes": {
                who: {name: b64encode(data).decode() for name, data in sealed.items()}
                for who, sealed in self.envelopes.items()
            },
        }

    @classmethod
    def from_json(cls, raw: Json) -> JobDocument:
        """Read an untrusted value; `InputError` names the first field that is wrong."""
        read = Reader(raw, cls.KIND)
        envelopes: dict[str, dict[str, bytes]] = {}
        for who, item in read.table("envelopes").items():
            sealed = Reader(item, None, f"envelopes.{who}")
            envelopes[address_text(who, "envelopes")] = {
                name: sealed.base64(name) for name in ("frames", "secret") if sealed.has(name)
            }
            sealed.close()
        document = cls(
            frames=read.cid("frames"),
            secret=read.cid("secret"),
            era=read.integer("era", 0, 2**64 - 1),
            client=address_text(read.text("client"), "client"),
            client_key=read.base64("client_key"),
            envelopes=envelopes,
        )
        read.close()
        return document


@dataclass(frozen=True, slots=True)
class ResultUnit:
    """Outcomes of one unit: counts of each frame, or exact values in units of 1e-12.

    `frames` holds {outcome: count} with outcomes as integers over all clbits, clbit 0 the lowest bit, as
    measured (still under the frame's mask). `layout` names the physical qubit of each clbit, -1 for none.
    """

    frames: tuple[Mapping[int, int], ...] = ()
    values_pico: tuple[int, ...] = ()
    layout: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ResultDocument:
    """What a provider commits to and hands over."""

    KIND: ClassVar[str] = "result/1"

    job: int
    execution: int
    processor: int
    units: tuple[ResultUnit, ...]
    backend: Mapping[str, Json] = field(default_factory=dict)
    seconds_ms: int = 0

    def as_json(self) -> Json:
        """The canonical value."""
        return {
            "qcrs": self.KIND,
            "job": self.job,
            "execution": self.execution,
            "processor": self.processor,
            "units": [
                {"frames": [{hex(k): n for k, n in frame.items()} for frame in unit.frames]}
                if unit.frames
                else {"values_pico": list(unit.values_pico)}
                for unit in self.units
            ],
            "layout": [list(unit.layout) for unit in self.units],
            "backend": dict(self.backend),
            "seconds_ms": self.seconds_ms,
        }

    @classmethod
    def from_json(cls, raw: Json) -> ResultDocument:
        """Read an untrusted value; `InputError` names the first field that is wrong."""
        read = Reader(raw, cls.KIND)
        rows = read.items("units", most=MAX_UNITS)
        layouts = read.items("layout", most=MAX_UNITS)
        if len(rows) != len(layouts):
            raise InputError("layout has one entry a unit", field="layout", value=len(layouts))
        units = []
        for index, (item, layout) in enumerate(zip(rows, layouts, strict=True)):
            unit = Reader(item, None, f"units[{index}]")
            qubits = tuple(Reader({"layout": layout}, None, "layout").integers("layout", -1, 2**20))
            if unit.has("values_pico"):
                values = tuple(unit.integers("values_pico", -(2**80), 2**80))
                units.append(ResultUnit(values_pico=values, layout=qubits))
            else:
                counts = [unit.counts(frame) for frame in unit.tables("frames", most=MAX_FRAMES)]
                units.append(ResultUnit(frames=tuple(counts), layout=qubits))
            unit.close()
        document = cls(
            job=read.integer("job", 0, 2**64 - 1),
            execution=read.integer("execution", 0, 255),
            processor=read.integer("processor", 0, 2**32 - 1),
            units=tuple(units),
            backend=read.table("backend"),
            seconds_ms=read.integer("seconds_ms", 0, 2**40),
        )
        read.close()
        return document
