"""The pages of the project lead where they say: to files, headings and paths that are there."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from tests.conventions.rules import ROOT

FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
MENTIONED = re.compile(r"`((?:deploy|docs|protos|services|tests|workflows)/[\w./-]*\w)`")
FOUND_IN = re.compile(r"`([\w./-]+\.py)`\s+`(\w+)(?:\.\w+)?`")
NAMED = re.compile(r"`([A-Z]\w+)\.(\w+)`")


def pages(root: Path) -> list[Path]:
    """Not those of the packages that are installed beside us, in folders whose names begin with a dot."""
    found = (path for path in root.rglob("*.md") if not re.search(r"/\.", f"/{path.relative_to(root)}"))
    return sorted(found)


def anchors(page: Path) -> set[str]:
    """The headings as links name them."""
    headings = HEADING.findall(FENCED.sub("", page.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def lost(root: Path, page: Path) -> Iterator[str]:
    """What a page points to and is not there."""
    text = FENCED.sub("", page.read_text("utf-8"))
    for link in LINK.findall(text):
        path, _, anchor = unquote(link).partition("#")
        target = page.parent / path if path else page
        if ":" in path:
            continue  # of another house
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield f"{page.relative_to(root)}: {link}"
    for path in MENTIONED.findall(text):
        if not (root / path).exists():
            yield f"{page.relative_to(root)}: {path}"


def misnamed(root: Path, page: Path) -> Iterator[str]:
    """What a page says is in a file, a class by the file's side and methods of it from there on, and is not there."""
    text = page.read_text("utf-8")
    files = defaultdict[str, set[Path]](set)
    for path, name in FOUND_IN.findall(text):
        files[name].add(root / path)
    sources = {name: "".join(path.read_text("utf-8") for path in sorted(paths)) for name, paths in files.items()}
    for name, source in sources.items():
        if not re.search(rf"^(?:class|def|async def) {name}\b|^{name}\b.* = ", source, re.MULTILINE):
            yield f"{page.name}: {name}"
    for name, method in NAMED.findall(text):
        if not re.search(rf"^    (?:async )?def {method}\(", sources.get(name, ""), re.MULTILINE):
            yield f"{page.name}: {name}.{method}"


def test_every_page_leads_where_it_says() -> None:
    assert len(pages(ROOT)) > 10
    assert [found for page in pages(ROOT) for found in lost(ROOT, page)] == []


def test_the_page_of_one_order_names_what_is_in_the_code() -> None:
    assert list(misnamed(ROOT, ROOT / "docs/one-order.md")) == []


def test_what_is_not_there_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# The page\n## What *is*, here\n[a](page.md) [b](#what-is-here) [c](https://else.where/x) `tests/`\n"
        "[d](gone.md) [e](page.md#gone) [f](#the-pages) `tests/gone.py`\n```\n[g](in-an-example.md)\n```\n"
    )

    assert list(lost(tmp_path, page)) == [
        "page.md: gone.md",
        "page.md: page.md#gone",
        "page.md: #the-pages",
        "page.md: tests/gone.py",
    ]


def test_a_method_that_was_renamed_is_found(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("TABLE: dict[str, str] = {}\n\n\nclass One:\n    async def goes(\n")
    page = tmp_path / "page.md"
    page.write_text("`one.py` `TABLE`, `one.py` `One.goes`, `one.py` `Two`: `One.goes`, `One.gone`, `Three.goes`\n")

    assert list(misnamed(tmp_path, page)) == ["page.md: Two", "page.md: One.gone", "page.md: Three.goes"]
