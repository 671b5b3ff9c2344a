"""Every link in the written pages leads somewhere: to a file of the repository, and to a heading of it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

REPOSITORY = Path(__file__).parents[3]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^(```|~~~).*?^\1\s*$|`[^`\n]*`", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
FENCED = re.compile(r"^(```|~~~).*?^\1\s*$", re.DOTALL | re.MULTILINE)


def pages() -> list[Path]:
    folders = ("docs", "benchmarks", "examples", "src")
    found = [file for folder in folders for file in (REPOSITORY / folder).rglob("*.md")]
    return sorted(file for file in [*REPOSITORY.glob("*.md"), *found] if ".venv" not in file.parts)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        number = 0
        while (name := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(name)
    return found


def broken(page: Path) -> list[str]:
    found = []
    for link in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            found.append(f"{page.relative_to(REPOSITORY)}: {link}")
    return found


def test_a_link_leads_to_a_file_and_a_heading_that_are_there() -> None:
    assert [link for page in pages() for link in broken(page)] == []


def test_every_page_of_the_documentation_can_be_reached_from_its_index() -> None:
    docs = REPOSITORY / "docs"
    reached: set[Path] = set()
    pending = [docs / "README.md"]
    while pending:
        page = pending.pop()
        if page in reached or page.suffix != ".md" or docs not in page.parents:
            continue
        reached.add(page)
        links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not re.match(r"[a-z]+:|#", link)]
        pending += [(page.parent / unquote(link).partition("#")[0]).resolve() for link in links]
    assert set(docs.rglob("*.md")) - reached == set()
