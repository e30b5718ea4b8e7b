"""`qcrs account identity|adopt|rotate|bond|unbond|withdraw-bond` against a real chain."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from shlex import split
from typing import Any

from qcrs.cli.run import _start
from qcrs.client.cosigned import committed_keys
from qcrs.client.reader import Reader


def committed(home: Path) -> bytes:
    """The ML-DSA key of processor 1 as anybody finds it: named by its identity, published in the store."""
    with closing(Reader.open(home)) as reader:
        processor = reader.history().processors[1]
        assert processor.keyed
        return committed_keys(reader, processor, processor.identity).ml_dsa


def test_registration_names_the_command_that_starts_it_for_its_owner(home: Path, qcrs: Any) -> None:
    backend = "aer:noisy-a?qubits=5"
    entered = qcrs("processor", "register", "--account", "ada", "--backend", backend, home=home)
    assert entered.code == 0, entered.err
    hint = entered.out.partition("start it with: ")[2]
    assert split(hint) == ["qcrs", "node", "run", "--account", "ada", "--backend", backend]
    assert split(_start("ada", "annex", backend))[3:7] == ["--account", "ada", "--name", "annex"]


def test_a_processor_gets_a_key_and_changes_it(home: Path, qcrs: Any) -> None:
    refused = qcrs("account", "adopt", "1", "--account", "ada", home=home)
    assert (refused.code, "`qcrs account identity ada`" in refused.err) == (2, True), refused.err
    assert "ada has no post-quantum identity" in refused.err
    bare = qcrs("processor", "show", "1", "--json", home=home).value
    assert (bare["key"], len(bare["identity"])) == (None, 66)
    made = qcrs("account", "identity", "ada", "--plain", "--json", home=home)
    assert made.code == 0, made.err
    assert made.value["file"] == str(home / "keys" / "ada.identity")
    early = qcrs("account", "rotate", "1", "--account", "ada", home=home)
    assert (early.code, "qcrs account adopt" in early.err) == (2, True), early.err
    adopted = qcrs("account", "adopt", "1", "--account", "ada", "--json", home=home)
    assert adopted.code == 0, adopted.err
    assert adopted.value["era"] == 1
    again = qcrs("account", "adopt", "1", "--account", "ada", home=home)
    assert (again.code, "`qcrs account rotate 1`" in again.err) == (2, True), again.err
    assert committed(home).hex() == made.value["ml_dsa"]
    early = qcrs("account", "unbond", "1", "100000", "--account", "ada", home=home)
    assert (early.code, "credits can be set free" in early.err) == (2, True), early.err
    freed = qcrs("account", "unbond", "1", "10", "--account", "ada", "--json", home=home)
    assert freed.code == 0, freed.err
    assert (freed.value["amount"], freed.value["replaces"]) == (10 * 10**6, 0)
    second = qcrs("account", "unbond", "1", "10", "--account", "ada", home=home)
    assert second.code == 0, second.err
    assert "this replaces 10 credits announced before" in second.out
    assert re.search(r"^10 credits .* from 20\d\d-\d\d-\d\d \d\d:\d\d UTC on", second.out), second.out
    listed = qcrs("processor", "list", home=home).out
    assert re.search(r"key$", listed.splitlines()[0].rstrip()), listed
    assert "1, 1,021 left" in listed  # adoption and two announcements took a leaf each
    shown = qcrs("processor", "show", "1", "--json", home=home).value
    assert shown["key"] | {"commitment": ""} == {
        "commitment": "", "era": 1, "leaves_left": 1_021, "leaves": 1_024,
    }  # fmt: skip
    assert "1,021 of 1,024" in qcrs("processor", "show", "1", home=home).out
    assert shown["identity"] != bare["identity"]
    assert (shown["releasing"], shown["stake"]) == (10 * 10**6, shown["bond"] - 10 * 10**6)
    added = qcrs("account", "bond", "1", "2.5", "--account", "ada", "--json", home=home)
    assert added.code == 0, added.err
    assert (added.value["bond"], added.value["least"]) == (shown["bond"] + 2_500_000, 10 * 10**6)
    assert added.value["stake"] == shown["stake"] + 2_500_000
    changed = qcrs("account", "rotate", "1", "--account", "ada", "--json", home=home)
    assert changed.code == 0, changed.err
    assert changed.value["era"] == 2
    assert committed(home).hex() == made.value["ml_dsa"]
    names = sorted(path.suffix for path in (home / "keys").glob("ada.*"))
    assert names == [".db", ".identity", ".json", ".tree", ".tree"]


def test_a_node_of_an_account_with_an_identity_registers_with_a_key(home: Path, qcrs: Any) -> None:
    assert qcrs("account", "new", "keyed", "--plain", home=home).code == 0
    assert qcrs("account", "fund", "keyed", home=home).code == 0
    assert qcrs("account", "identity", "keyed", "--plain", home=home).code == 0
    words = ("--backend", "aer:noisy-a?qubits=5", "--account", "keyed", "--json")
    entered = qcrs("processor", "register", *words, home=home)
    assert entered.code == 0, entered.err
    number = str(entered.value["processor"])
    early = qcrs("account", "adopt", number, "--account", "keyed", home=home)
    assert (early.code, "has a post-quantum key already" in early.err) == (2, True), early.err


def test_who_does_not_own_a_processor_is_told_so_before_a_leaf_is_spent(home: Path, qcrs: Any) -> None:
    for words in (("new", "eve", "--plain"), ("fund", "eve"), ("identity", "eve", "--plain")):
        assert qcrs("account", *words, home=home).code == 0
    for act in (("adopt", "1"), ("rotate", "1"), ("unbond", "1", "5"), ("bond", "1", "5")):
        refused = qcrs("account", *act, "--account", "eve", home=home)
        assert (refused.code, "does not belong to eve" in refused.err) == (2, True), refused.err
        assert "--account ada" in refused.err
    assert not (home / "keys" / "eve.leaves.db").exists()


def test_who_is_barred_is_told_that_no_bond_helps(home: Path, qcrs: Any) -> None:
    """The authority suspends at once; both states are in the log and in what commands say."""
    council = ("--account", "certification-1", "--account", "certification-2", "--json")
    voted = qcrs("gov", "propose", "suspend", "processor", "1", *council, home=home)
    assert voted.code == 0, voted.err
    added = qcrs("account", "bond", "1", "1", "--account", "ada", home=home)
    assert added.code == 0, added.err
    assert ("readmit processor 1" in added.out, "account bond" in added.out) == (True, False), added.out
    assert "readmit processor 1" in qcrs("processor", "show", "1", home=home).out
    voted = qcrs("gov", "propose", "readmit", "processor", "1", *council, home=home)
    assert voted.code == 0, voted.err
    added = qcrs("account", "bond", "1", "1", "--account", "ada", "--json", home=home).value
    assert (added["barred"], added["short"]) == (False, False)
