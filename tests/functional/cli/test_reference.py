from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
WRITE = """
import sys
from pathlib import Path
import docs.generate as generate
for name, page in generate.all_pages().items():
    file = Path(sys.argv[1]) / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(page, encoding="utf-8")
"""


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    subprocess.run([sys.executable, "-c", WRITE, str(folder)], cwd=REPOSITORY, check=True)
    return folder


def pages(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*.md") if file.name != "http-api.md")  # which is written by hand
    return {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8") for file in files}


def test_the_reference_is_what_the_code_says(generated: Path) -> None:
    """Red? Run `make docs` and commit what it writes."""
    assert pages(REPOSITORY / "docs" / "reference") == pages(generated)
