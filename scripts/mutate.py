"""Mutants of the contracts: does any test notice when a line that protects something is gone?

`scripts/assure.py mutants` changes the contracts as tests/mutants/catalogue.yaml says, one at a time,
and runs the tests that must notice. One compiler stays warm for all of them and compiles the next change
while this one is tried; each test run is forked off a process that has loaded its libraries already. A mutant
takes 1 to 7 CPU seconds, most of them the compiler's.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from qcrs.chain.compile import (  # noqa: E402 - found through the line above
    ARTIFACTS_VARIABLE,
    Artifact,
    artifacts,
    compile_sources,
    write,
)
from qcrs.chain.solidity import SHIM, node_binary  # noqa: E402
from qcrs.config import CompilerConfig, load_config  # noqa: E402

CATALOGUE = ROOT / "tests" / "mutants" / "catalogue.yaml"
SECURITY = ROOT / "docs" / "security.md"
PAGE = ROOT / "docs" / "assurance.md"
CACHE = ROOT / ".cache" / "assure" / "mutants"
FIXTURES = {
    "tests/contracts/test_parts.py": "tests/contracts/fixtures/Parts.sol",
    "tests/contracts_coordinator/": "tests/contracts_coordinator/fixtures/Stage.sol",
}
"""Contracts of the tests' own, by where the tests are that deploy them."""
CLASSES = (
    "escrow",
    "verifier",
    "access control",
    "scheduling",
    "registry",
    "quorum",
    "coordinator",
    "governance",
    "identity",
    "settlement",
)
COMPLETE = CLASSES[:3]
"""Classes of which every mutant has to be killed."""
LEAST_SHARE = 0.95
"""Of all mutants."""
CPU_S = 60
"""Of one mutant's tests."""
WARM = (
    "pytest",
    "hypothesis",
    "eth_tester",
    "web3",
    "qcrs.chain.anvil",
    "qcrs.chain.networks",
    "qcrs.chain.tester",
    "qcrs.identity",
)
"""Loaded once, before test runs are forked off."""
BEGIN, END = "<!-- mutants -->", "<!-- /mutants -->"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: `old`, which stands exactly once in `file` below contracts/, becomes `new`."""

    id: str
    kind: str
    file: str
    old: str
    new: str
    removes: str
    tests: tuple[str, ...]
    attack: str

    def of(self, text: str) -> str:
        """The changed source."""
        if text.count(self.old) != 1:
            raise SystemExit(f"{self.id}: its snippet stands {text.count(self.old)} times in {self.file}")
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a mutant: killed | survived | no compile | out of time | broken."""

    id: str
    key: str
    state: str
    killer: str
    cpu_s: float


def catalogue(path: Path = CATALOGUE) -> list[Mutant]:
    """The pinned mutants. A test is written `area/name::function`, an area's file `area/name`."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [
        Mutant(
            entry["id"],
            entry["class"],
            entry["file"],
            entry["old"],
            entry["new"],
            entry["removes"],
            tuple(_test(name) for name in entry["tests"]),
            entry.get("attack", ""),
        )
        for entry in entries
    ]


def _test(name: str) -> str:
    file, separator, function = name.partition("::")
    area, _, module = file.rpartition("/")
    return f"tests/{area or 'contracts'}/test_{module}.py{separator}{function}"


def faults(mutants: Sequence[Mutant]) -> list[str]:
    """What is wrong with the catalogue as the contracts, the tests and the security page stand."""
    page = SECURITY.read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(): line for line in page.splitlines() if line.startswith("| ")}
    found = [f"{name}: twice" for name, count in Counter(one.id for one in mutants).items() if count > 1]
    for one in mutants:
        place = ROOT / "contracts" / one.file
        count = place.read_text(encoding="utf-8").count(one.old) if place.is_file() else 0
        if count != 1:
            found.append(f"{one.id}: its snippet stands {count} times in {one.file}")
        if one.old == one.new or one.kind not in CLASSES or not one.tests or not one.removes:
            found.append(f"{one.id}: no change, an unknown class, no test or no reason")
        for test in one.tests:
            file, _, function = test.partition("::")
            text = (ROOT / file).read_text(encoding="utf-8") if (ROOT / file).is_file() else ""
            if (function and f"def {function.partition('[')[0]}(" not in text) or not text:
                found.append(f"{one.id}: no such test as {test}")
            if one.attack and f"`{test}`" not in rows.get(one.attack, ""):
                found.append(f"{one.id}: the security page does not name {test} for '{one.attack}'")
    return found


class Compiler:
    """The npm compiler, kept warm; it recompiles the contracts that one changed file is part of."""

    def __init__(self, base: Mapping[str, Artifact], config: CompilerConfig) -> None:
        self.base, self.settings = base, config.settings()
        node = node_binary()
        if node is None or not (ROOT / "node_modules" / "solc").is_dir():
            raise SystemExit("the npm compiler is missing: run `python3 scripts/up.py toolchain`")
        self.process = subprocess.Popen(
            [str(node), str(SHIM), "--serve", "--base-path", str(ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self.process.stdin is None or self.process.stdout is None:
            raise SystemExit("the compiler has no pipes")
        self.questions, self.answers = self.process.stdin, self.process.stdout

    def close(self) -> None:
        """End the compiler."""
        self.process.terminate()
        self.process.communicate()

    def ask(self, file: str, text: str) -> None:
        """Have all contracts that `file` (a source's name) is part of compiled with `text` in it."""
        touched = self._touched(file)
        outputs = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"]
        names = {one.source for one in touched.values()} | {file}
        wanted: dict[str, dict[str, list[str]]] = {}
        for name, one in touched.items():
            wanted.setdefault(one.source, {})[name] = outputs
        request = {
            "language": "Solidity",
            "sources": {name: {"content": text if name == file else _source(name)} for name in names},
            "settings": self.settings | {"outputSelection": wanted},
        }
        self.questions.write(json.dumps(request) + "\n")
        self.questions.flush()

    def answer(self, file: str) -> dict[str, Artifact] | str:
        """Artifacts that differ with what was asked for, or the compiler's words where it refuses."""
        answer: dict[str, Any] = json.loads(self.answers.readline())
        wrong = [one["message"] for one in answer.get("errors", ()) if one["severity"] == "error"]
        if wrong:
            return "; ".join(wrong)
        return {
            name: _renewed(one, answer["contracts"][one.source][name])
            for name, one in self._touched(file).items()
            if "0x" + answer["contracts"][one.source][name]["evm"]["bytecode"]["object"] != one.bytecode
        }

    def size(self, one: Mutant) -> int:
        """Characters of bytecode that have to be compiled again for a mutant."""
        return sum(len(unit.bytecode) for unit in self._touched(f"contracts/{one.file}").values())

    def _touched(self, file: str) -> dict[str, Artifact]:
        return {name: one for name, one in self.base.items() if file in one.sources and one.bytecode != "0x"}


def _source(name: str) -> str:
    return (ROOT / name.replace("@openzeppelin/", "node_modules/@openzeppelin/")).read_text(encoding="utf-8")


def _renewed(one: Artifact, unit: Mapping[str, Any]) -> Artifact:
    code = unit["evm"]
    return replace(
        one,
        abi=unit["abi"],
        bytecode="0x" + code["bytecode"]["object"],
        deployed_bytecode="0x" + code["deployedBytecode"]["object"],
    )


def unchanged(config: CompilerConfig, mutants: Iterable[Mutant]) -> Path:
    """A folder with the committed artifacts and those of the contracts that the mutants' tests bring."""
    build = ROOT / "contracts" / "build"
    tests = {test for one in mutants for test in one.tests}
    own = sorted({name for place, name in FIXTURES.items() if any(t.startswith(place) for t in tests)})
    digest = hashlib.sha256()
    for path in (*sorted(build.glob("*.json")), *(ROOT / name for name in own)):
        digest.update(path.read_bytes())
    folder = CACHE / f"base-{digest.hexdigest()[:16]}"
    if not folder.is_dir():
        found = artifacts(build) | (compile_sources(ROOT, own, config) if own else {})
        write(found, folder.with_suffix(".new"))
        folder.with_suffix(".new").rename(folder)
    return folder


@contextmanager
def mutated(base: Path, changed: Mapping[str, Artifact]) -> Iterator[Path]:
    """A folder like `base` with changed artifacts in it, for the time of the block."""
    folder = CACHE / f"try-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in base.glob("*.json"):
        if path.stem not in changed:
            os.link(path, folder / path.name)
    for name, one in changed.items():
        (folder / f"{name}.json").write_text(json.dumps(one.as_json()), encoding="utf-8")
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def attempt(folder: Path, tests: Sequence[str], limit_s: int = CPU_S) -> tuple[int, str, float]:
    """pytest's exit status (below 0: out of time), words and CPU seconds on the artifacts of a folder."""
    log = folder.with_suffix(".log")
    pid = os.fork()
    if pid == 0:
        status = 3
        try:
            status = _pytest(folder, tests, log, limit_s)
        finally:
            os._exit(status)
    _, ended, usage = os.wait4(pid, 0)
    output = log.read_text(encoding="utf-8", errors="replace")
    log.unlink()
    return os.waitstatus_to_exitcode(ended), output, usage.ru_utime + usage.ru_stime


def _pytest(folder: Path, tests: Sequence[str], log: Path, limit_s: int) -> int:
    import pytest

    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.environ[ARTIFACTS_VARIABLE] = str(folder)
    resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))
    return int(pytest.main(["-x", "-q", "--tb=line", "--assert=plain", "-p", "no:cacheprovider", *tests]))


def fate(one: Mutant, key: str, base: Path, changed: Mapping[str, Artifact] | str) -> Fate:
    """Try one mutant, of which these artifacts differ."""
    if isinstance(changed, str):
        return Fate(one.id, key, "no compile", changed, 0.0)
    if not changed:
        return Fate(one.id, key, "survived", "the same bytecode", 0.0)
    with mutated(base, changed) as folder:
        code, output, cpu_s = attempt(folder, one.tests)
    state = {0: "survived", 1: "killed"}.get(code, "out of time" if code < 0 else "broken")
    found = re.search(r"^(?:FAILED|ERROR) (tests/\S+::\w+)", output, re.MULTILINE)
    killer = found[1] if found else "" if state == "survived" else output[-300:]
    return Fate(one.id, key, state, killer, round(cpu_s, 1))


def key_of(one: Mutant) -> str:
    """What a fate rests on: the changed source and the tests that were asked."""
    text = one.of(_source(f"contracts/{one.file}")) + "\n".join(one.tests)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def control(mutants: Iterable[Mutant], base: Path) -> None:
    """That all the tests pass on unchanged contracts: only then does a failure tell anything."""
    tests = sorted({test for one in mutants for test in one.tests})
    files = {test for test in tests if "::" not in test}
    chosen = [test for test in tests if test in files or test.partition("::")[0] not in files]
    code, output, _ = attempt(base, chosen, CPU_S * len(chosen))
    if code:
        raise SystemExit(f"on unchanged contracts these tests do not pass:\n{output[-3000:]}")


def known(path: Path) -> dict[str, Fate]:
    """Fates on record, the last of each mutant."""
    if not path.is_file():
        return {}
    rows = [Fate(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row.id: row for row in rows}


def forget(path: Path, ids: Iterable[str]) -> None:
    """Take fates off the record, and leave what it says of others."""
    gone = set(ids)
    rows = [json.dumps(asdict(one)) + "\n" for one in known(path).values() if one.id not in gone]
    fresh = path.with_suffix(".new")
    fresh.write_text("".join(rows), encoding="utf-8")
    fresh.replace(path)


def _compiled(
    mutants: Sequence[Mutant], compiler: Compiler
) -> Iterator[tuple[Mutant, dict[str, Artifact] | str]]:
    """Each mutant with its artifacts; the next one is compiled while the caller tries this one."""
    files = [f"contracts/{one.file}" for one in mutants]
    for place, one in enumerate(mutants):
        if place == 0:
            compiler.ask(files[0], one.of(_source(files[0])))
        changed = compiler.answer(files[place])
        if place + 1 < len(mutants):
            after = mutants[place + 1]
            compiler.ask(files[place + 1], after.of(_source(files[place + 1])))
        yield one, changed


def campaign(mutants: Sequence[Mutant], results: Path, *, resume: bool, checked: bool = True) -> list[Fate]:
    """Try mutants one after another; each fate is on record before the next is tried."""
    config = load_config(ROOT / "brownie-config.yaml").compiler
    base = unchanged(config, mutants)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a process with threads is not to be forked
    for name in WARM:
        importlib.import_module(name)
    results.parent.mkdir(parents=True, exist_ok=True)
    keys = {one.id: key_of(one) for one in mutants}
    old = known(results) if resume else {}
    # Who was not killed is tried again: a test may have been written for it.
    done = [
        old[one.id]
        for one in mutants
        if one.id in old and old[one.id].key == keys[one.id] and old[one.id].state == "killed"
    ]
    left = [one for one in mutants if one.id not in {fate.id for fate in done}]
    if left and checked:
        control(left, base)
    compiler = Compiler(artifacts(base), config)
    # A campaign that is broken off has tried what matters most, and of that what compiles fastest.
    left.sort(key=lambda one: (not one.attack, one.kind not in COMPLETE, compiler.size(one)))
    forget(results, {one.id for one in left})
    try:
        with results.open("a", encoding="utf-8") as file:
            for place, (one, changed) in enumerate(_compiled(left, compiler), 1):
                found = fate(one, keys[one.id], base, changed)
                file.write(json.dumps(asdict(found)) + "\n")
                file.flush()
                done.append(found)
                line = f"{place}/{len(left)} {found.state:10} {one.id} ({found.cpu_s} CPU s) {found.killer}"
                print(line, file=sys.stderr, flush=True)
    finally:
        compiler.close()
    return done


def table(mutants: Sequence[Mutant], fates: Mapping[str, Fate]) -> str:
    """Markdown: killed of those tried, by class, and who survived."""
    rows = ["| class | pinned | tried | killed | not killed |", "|---|---:|---:|---:|---|"]
    for kind in (*CLASSES, "all"):
        own = [one for one in mutants if kind in (one.kind, "all")]
        tried = [fates[one.id] for one in own if one.id in fates]
        alive = [f"{fate.id} ({fate.state})" for fate in tried if fate.state != "killed"]
        names = ", ".join(alive) if kind != "all" else str(len(alive))
        rows.append(f"| {kind} | {len(own)} | {len(tried)} | {len(tried) - len(alive)} | {names or '–'} |")
    return "\n".join(rows)


def enough(mutants: Sequence[Mutant], fates: Mapping[str, Fate]) -> bool:
    """Whether every tried mutant of the complete classes and 95 % of all tried were killed."""
    tried = [(one, fates[one.id].state == "killed") for one in mutants if one.id in fates]
    strict = all(killed for one, killed in tried if one.kind in COMPLETE)
    return strict and sum(killed for _, killed in tried) >= LEAST_SHARE * len(tried)


def page(mutants: Sequence[Mutant], fates: Mapping[str, Fate]) -> None:
    """Put the table between its marks in docs/assurance.md."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not end:
        raise SystemExit(f"{PAGE.name} has no place for the table: {BEGIN} … {END}")
    PAGE.write_text(f"{head}{BEGIN}\n{table(mutants, fates)}\n{END}{tail}", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """The command; exit status 1 where too few mutants are killed."""
    parser = argparse.ArgumentParser(
        prog="assure.py mutants", description="Do the tests notice changed contracts?"
    )
    parser.add_argument("--only", action="append", default=[], help="a class or an id; may be repeated")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="leave out whom the record says to be killed; else all that is chosen is tried anew",
    )
    parser.add_argument("--results", type=Path, default=CACHE / "results.jsonl", help="the record")
    parser.add_argument(
        "--unchecked", action="store_true", help="do not run the tests on unchanged contracts first"
    )
    parser.add_argument(
        "--page", action="store_true", help="write the record's table into docs/assurance.md; run nothing"
    )
    parser.add_argument("--json", action="store_true", help="print the fates")
    options = parser.parse_args(arguments)
    pinned = catalogue()
    wrong = faults(pinned)
    if wrong:
        raise SystemExit("\n".join(wrong))
    chosen = [one for one in pinned if not options.only or {one.id, one.kind} & set(options.only)]
    if not chosen:
        raise SystemExit(f"no mutant is called {', '.join(options.only)}")
    if options.page:
        old, keys = known(options.results), {one.id: key_of(one) for one in pinned}
        page(pinned, {name: one for name, one in old.items() if keys.get(name) == one.key})
        return 0
    os.chdir(ROOT)
    done = campaign(chosen, options.results, resume=options.resume, checked=not options.unchecked)
    fates = {one.id: one for one in done}
    print(json.dumps([asdict(one) for one in done], indent=1) if options.json else table(chosen, fates))
    return 0 if enough(chosen, fates) else 1


if __name__ == "__main__":
    sys.exit(main())
