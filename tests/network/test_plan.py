"""A network's plan is kept with it, and a broken one is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from qcrs.cli.network import up
from qcrs.config.home import Home
from qcrs.errors import ConfigError
from qcrs.network.local import LocalNetwork
from qcrs.network.plan import Plan, demo_plan, local_plan


@pytest.mark.parametrize(
    "plan",
    [local_plan(), demo_plan(), replace(local_plan(), post_quantum=True)],
    ids=["local", "demo", "keyed"],
)
def test_a_plan_comes_back_as_it_was_saved(tmp_path: Path, plan: Plan) -> None:
    network = LocalNetwork(Home(tmp_path))
    assert network.plan() is None
    plan.save(network.plan_file)
    assert network.plan() == plan
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "{}", '{"nodes": 3, "clients": []}', '{"nodes": [{"name": "x"}], "clients": []}'],
)
def test_what_is_not_a_plan_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="plan cannot be read") as caught:
        Plan.load(path)
    assert caught.value.value == str(path)
    assert caught.value.solution


def test_a_network_without_identities_is_not_said_to_have_them(tmp_path: Path) -> None:
    local_plan().save(tmp_path / "plan.json")
    with pytest.raises(ConfigError, match="without post-quantum identities") as caught:
        up(post_quantum=True, home=tmp_path)
    assert "qcrs account adopt" in (caught.value.solution or "")
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    local_plan().save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"nods": []}))
    with pytest.raises(ConfigError, match="unknown key nods"):
        Plan.load(path)
