"""The small exchange, and a processor without a network: runs the frames of a job and hands them back."""

import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from qcrs.client.documents import FramesDocument, ResultDocument, SecretDocument
from qcrs.client.program import Outcome, Unit, build_documents, decode_result

sys.path.append(str(Path(__file__).parents[1] / "client"))  # the harness and its parts are modules there
SEED = bytes(range(32))


@pytest.fixture(scope="session")
def harness() -> Any:
    return import_module("harness")


@pytest.fixture(scope="module")
def network(harness: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Three certified processors, two funded accounts and an empty one."""
    found = harness.Network(tmp_path_factory.mktemp("network"))
    for name, qubits in (("alice", 8), ("bob", 8), ("wide", 12)):
        found.processor(name, qubits=qubits)
    found.account("client", deposit=1_000_000 * harness.CREDIT)
    found.account("rich", deposit=1_000 * harness.CREDIT)
    found.account("poor")
    yield found
    found.close()


@pytest.fixture(scope="module")
def desk(harness: Any, network: Any) -> Any:
    return harness.Desk(network)


@pytest.fixture
def ideal(harness: Any) -> Callable[[Sequence[Unit]], list[Outcome]]:
    """Outcomes of units, through frames, masks and documents, on a noiseless simulator."""

    def run(units: Sequence[Unit]) -> list[Outcome]:
        frames, secret = build_documents(units, seed=SEED, job_nonce="cd" * 32)
        again = FramesDocument.from_json(frames.as_json())
        result = ResultDocument(1, 0, 1, harness.ideal_units(again, 5))
        parsed = ResultDocument.from_json(result.as_json())
        return decode_result(SecretDocument.from_json(secret.as_json()), parsed)

    return run
