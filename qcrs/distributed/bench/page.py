"""Tables that are written into pages, between marks `<!-- name -->` and `<!-- /name -->`."""

from __future__ import annotations

from pathlib import Path

from qcrs.errors import ConfigError

__all__ = ["write_between"]


def write_between(page: Path, name: str, text: str) -> None:
    """Replaces what stands between a page's marks; `ConfigError` where it has none."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    old = page.read_text(encoding="utf-8")
    if old.count(begin) != 1 or old.count(end) != 1 or old.index(begin) > old.index(end):
        raise ConfigError(
            f"the page has no marks {begin} and {end}",
            field="page",
            value=str(page),
            solution="add them where the table belongs",
        )
    head, rest = old.split(begin)
    page.write_text(f"{head}{begin}\n{text}\n{end}{rest.split(end)[1]}", encoding="utf-8")
