"""What the package offers, and that offering it costs nothing."""

import subprocess
import sys

import pytest

import qcrs
import qcrs.provider


def test_the_public_names() -> None:
    assert sorted(qcrs.__all__) == ["Estimator", "Exchange", "QCRSProvider", "Sampler"]
    for name in qcrs.__all__:
        assert getattr(qcrs, name).__name__ == name
    assert qcrs.QCRSProvider is qcrs.provider.QCRSProvider
    with pytest.raises(AttributeError, match="nonsense"):
        qcrs.nonsense  # noqa: B018
    assert sorted(qcrs.provider.__all__) == [
        "Estimator",
        "EstimatorOptions",
        "QCRSBackend",
        "QCRSJob",
        "QCRSPrimitiveJob",
        "QCRSProvider",
        "Sampler",
        "SamplerOptions",
    ]


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, qcrs; print([m for m in ('web3', 'qiskit', 'numpy', 'typer') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
