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
for name, page in generate.PAGES.items():
    (Path(sys.argv[1]) / name).write_text(page(), encoding="utf-8")
"""


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    subprocess.run([sys.executable, "-c", WRITE, str(folder)], cwd=REPOSITORY, check=True)
    return folder


@pytest.mark.parametrize("name", ["cli.md", "events.md", "errors.md", "bridge-protocol.md"])
def test_the_reference_is_what_the_code_says(generated: Path, name: str) -> None:
    """Red? Run `make docs` and commit what it writes."""
    assert (REPOSITORY / "docs" / "reference" / name).read_text(encoding="utf-8") == (generated / name).read_text(
        encoding="utf-8"
    )
