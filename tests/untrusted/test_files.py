"""Files that people hand on: topologies, other simulators' networks, settings, plans, seats, keys.

Each mutant is a valid file or one clear error.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from mutations import bytes_mutants, campaign, json_mutants, text_mutants

from qcrs.chain.accounts import load_keystore
from qcrs.chain.deploy import Deployment
from qcrs.chain.handover import COUNCILS, Bodies
from qcrs.client.wallet import Wallet
from qcrs.config.home import Home, NetworkFile
from qcrs.config.project import load_config
from qcrs.errors import QCRSError
from qcrs.identity.secret import IdentitySecret
from qcrs.network.plan import Plan, local_plan
from qcrs.qnp.topology.importers import import_sequence, import_squidasm
from qcrs.qnp.topology.lint import lint
from qcrs.qnp.topology.reader import load_topology
from qcrs.sealing import BeaconKey

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file: its name, good ones, and who reads it."""

    name: str
    corpus: tuple[bytes, ...]
    read: Callable[[Path], Any]
    form: str
    """`json`, `yaml` or `bytes`: how it is damaged."""


SEQUENCE = {
    "templates": {
        "m": {"MemoryArray": {"fidelity": 0.9, "efficiency": 0.5, "coherence_time": 1.5, "frequency": 2e3}}
    },
    "nodes": [{"name": n, "type": "QuantumRouter", "memo_size": 4, "template": "m"} for n in "abc"],
    "qconnections": [
        {"node1": a, "node2": b, "attenuation": 2e-4, "distance": 10_000} for a, b in ("ab", "bc")
    ],
    "cconnections": [{"node1": "a", "node2": "b", "delay": 5e8}],
}  # fmt: skip
SQUIDASM = b"""\
device: &dev
  T1: 1.0e+10
  T2: 1.0e+9
  two_qubit_gate_time: 1.0e+5
  num_qubits: 3
stacks:
  - {name: alice, qdevice_typ: generic, qdevice_cfg: *dev}
  - name: bob
    qdevice_typ: nv
    qdevice_cfg:
      <<: *dev
      measure_time: 3700
links:
  - stack1: alice
    stack2: bob
    typ: heralded
    cfg: {length: 20, p_loss_length: 0.2, visibility: 0.96}
clinks:
  - {stack1: alice, stack2: bob, typ: default, cfg: {delay: 1.0e+5}}
"""
ADDRESSES = [f"0x{i:040x}" for i in range(1, 4)]


@cache
def bodies() -> bytes:
    words = dict.fromkeys((*COUNCILS, "consortia"), ADDRESSES) | {
        "quorum": 40,
        "thresholds": {"dispute": 2},
    }
    return "\n".join(f"{key}: {json.dumps(value)}" for key, value in words.items()).encode()


@cache
def keystore() -> bytes:
    from eth_keyfile import create_keyfile_json

    return json.dumps(create_keyfile_json(b"\1" * 32, b"pw", iterations=2, kdf="scrypt")).encode()


def plain(data: Any) -> bytes:
    return json.dumps(data).encode()


def home_of(path: Path) -> Home:
    """The file as a network's `network.json`."""
    path.with_name("network.json").write_bytes(path.read_bytes())
    return Home(path.parent)


def wallet_of(path: Path) -> Any:
    """The file as the key of an account; its address, and the key with a password."""
    home = Home(path.parent)
    home.keys.mkdir(exist_ok=True)
    key = home.keys / "who.json"
    key.write_bytes(path.read_bytes())
    key.chmod(0o600)
    wallet = Wallet(home)
    return wallet.load("who", password="pw"), wallet.address("who")


def private(path: Path) -> Path:
    path.chmod(0o600)
    return path


def identity_of(path: Path) -> IdentitySecret:
    return IdentitySecret.load(private(path), lambda: "pw")


@cache
def beacon() -> bytes:
    return BeaconKey.generate()._pem()


def kinds() -> dict[str, Kind]:
    plan = asdict(local_plan())
    network = asdict(NetworkFile("http://127.0.0.1:1", 1337, "store", {"Clock": ADDRESSES[0]}))
    manifest = {"chain_id": 1, "genesis": "0x", "contracts": {"Clock": {"address": ADDRESSES[0]}}}
    identity = {"qcrs": "identity/1", "secret": "ab" * 32}
    own = {"qcrs": "key/1", "address": Account.from_key(b"\1" * 32).address, "key": "0x" + "01" * 32}
    config = (ROOT / "brownie-config.yaml").read_bytes()
    nets = tuple(file.read_bytes() for file in sorted((ROOT / "examples" / "qnp").glob("*.yaml")))
    found = (
        Kind("topology", nets, lambda path: lint(load_topology(path)), "yaml"),
        Kind("sequence", (plain(SEQUENCE),), import_sequence, "json"),
        Kind("squidasm", (SQUIDASM,), import_squidasm, "yaml"),
        Kind("config", (config,), lambda path: load_config(path).network(), "yaml"),
        Kind("bodies", (bodies(),), Bodies.load, "yaml"),
        Kind("plan", (plain(plan),), Plan.load, "json"),
        Kind("network", (plain(network),), lambda path: home_of(path).load(), "json"),
        Kind("manifest", (plain(manifest),), Deployment.load, "json"),
        Kind("keystore", (keystore(),), lambda path: load_keystore(path, "pw"), "json"),
        Kind("wallet", (plain(own), keystore()), wallet_of, "json"),
        Kind("identity", (plain(identity),), identity_of, "json"),
        Kind("beacon key", (beacon(),), lambda path: BeaconKey.load_or_create(private(path)), "bytes"),
    )  # fmt: skip
    return {one.name: one for one in found}


NAMES = ("bodies", "beacon key", "config", "identity", "keystore", "manifest", "network", "plan", "sequence",
         "squidasm", "topology", "wallet")  # fmt: skip


def attack(kind: Kind, folder: Path, count: int, seed: int) -> tuple[int, int]:
    """Mutants of a kind, each written to a file and read."""
    path = folder / "upload"
    most = count - count // 4
    if kind.form == "json":
        values = json_mutants([json.loads(one) for one in kind.corpus], most, seed)
        shaped = (json.dumps(one).encode(errors="surrogatepass") for one in values)
    elif kind.form == "yaml":
        shaped = text_mutants([one.decode() for one in kind.corpus], most, seed)
    else:
        shaped = bytes_mutants(kind.corpus, most, seed)

    def read(data: bytes) -> Any:
        path.write_bytes(data)
        return kind.read(path)

    first = campaign(shaped, read)
    second = campaign(bytes_mutants(kind.corpus, count // 4, seed + 1), read)
    assert first.odd + second.odd == []
    return first.accepted + second.accepted, first.refused + second.refused


def test_the_list_is_whole() -> None:
    assert sorted(kinds()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_corpus_is_read(name: str, tmp_path: Path) -> None:
    kind = kinds()[name]
    for data in kind.corpus:
        (tmp_path / "upload").write_bytes(data)
        assert kind.read(tmp_path / "upload") is not None


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_are_valid_or_one_clear_error(name: str, tmp_path: Path) -> None:
    _accepted, refused = attack(kinds()[name], tmp_path, 32, seed=1)
    assert refused > 10


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_thousands_of_damaged_files(name: str, tmp_path: Path) -> None:
    _accepted, refused = attack(kinds()[name], tmp_path, 10_000 if name != "topology" else 3_000, seed=2)
    assert refused > 500


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in pairwise("abcdefghij")
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{b}: &{b} {{<<: [*{a}, *{a}]}}\n" for a, b in pairwise("abcdefghijklmnopqrstuvw")
)
PAIR = b"version: 1\nnodes: [a, b]\n"
WORSE: dict[str, tuple[str, bytes]] = {
    "a default that is a table": ("config", b"networks: {default: {a: b}, development: {}}\n"),
    "a network that is nothing": ("config", b"networks: {development: }\n"),
    "a billion laughs as seats": ("bodies", BOMB.encode() + b"consortia: *j\n"),
    "a billion laughs as a name": ("squidasm", BOMB.encode() + b"stacks: [{name: *j}]\nlinks: []\n"),
    "merges that double": ("squidasm", MERGES.encode() + b"stacks: [*w]\nlinks: []\n"),
    "a value inside itself": ("squidasm", b"stacks: &a [*a]\nlinks: *a\n"),
    "a tag that runs a command": ("squidasm", b"stacks: !!python/object/apply:os.system [id]\nlinks: []\n"),
    "a tag in a topology": ("topology", b"version: 1\nnodes: !!python/name:os.system\nlinks: []\n"),
    "a key of 9,000 letters": (
        "topology",
        b"version: 1\nnodes: [{name: a, " + b"k" * 9_000 + b"}, b]\nlinks: []\n",
    ),
    "no stacks": ("squidasm", b"links: []\n"),
    "no nodes at all": ("sequence", b'{"nodes": [], "qconnections": []}'),
    "names twice": ("sequence", b'{"nodes": [], "nodes": [], "qconnections": []}'),
    "brackets without end": ("sequence", b"[" * 100_000),
    "a length without end": ("topology", PAIR + b"links: [{ends: [a, b], length: 1e999km}]\n"),
    "a kind of hardware that is a list": ("topology", PAIR + b"defaults: {hardware: [x]}\nlinks: []\n"),
    "a key that asks for 128 GiB": ("keystore", keystore().replace(b'"n": 2,', b'"n": 1073741824,')),
    "a key that asks for a year": ("keystore", keystore().replace(b'"p": 1', b'"p": 100000000')),
    "a key of two gigabytes": ("keystore", keystore().replace(b'"dklen": 32', b'"dklen": 2147483647')),
    "brackets for a plan": ("plan", b"[" * 100_000),
    "brackets for a network": ("network", b"[" * 100_000),
    "brackets for a key": ("wallet", b"[" * 100_000),
    "brackets for an identity": ("identity", b'{"qcrs":' * 100_000),
    "a manifest that is a list": ("manifest", b'{"contracts": []}'),
    "a plan of text": ("plan", plain(json.loads(plain(asdict(local_plan()))) | {"oracles": "four"})),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(WORSE))
def test_what_broke_readers_once_is_one_error(case: str, tmp_path: Path) -> None:
    name, data = WORSE[case]
    (tmp_path / "upload").write_bytes(data)
    start = time.process_time()
    with pytest.raises(QCRSError) as caught:
        kinds()[name].read(tmp_path / "upload")
    assert caught.value.solution
    assert len(str(caught.value)) < 5_000
    assert time.process_time() - start < 5
