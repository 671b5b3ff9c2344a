"""The rule of which files are in a function's zip, on real folders."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from skykite.errors import SkykiteError
from skykite.model.dependencies import dependency_files
from skykite.model.manifest import BundleEntry, CopiedFile
from skykite.model.naming import bundle_hash
from skykite.model.source import find_import_root, select, select_package, select_support


def write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def paths(import_root: Path, project: Path | None = None) -> list[str]:
    return [file.path for file in select(import_root, project or import_root)]


def test_code_and_data_are_in_and_tools_own_state_is_not(tmp_path: Path) -> None:
    write(tmp_path, "functions/notes.py", "functions/data/words.txt", "lib/tests/cases.py", "requirements.txt")
    write(tmp_path, ".git/HEAD", ".env", ".kite/a", "functions/__pycache__/a.pyc", "node_modules/x/y.js", "x.pyc")
    write(tmp_path, "tests/test_notes.py", "kite.toml", "cdk.context.json", "cdk.out/a", "a.egg-info/PKG-INFO")
    write(tmp_path, "env/pyvenv.cfg", "env/lib/site.py")
    assert paths(tmp_path) == [
        "functions/data/words.txt",
        "functions/notes.py",
        "lib/tests/cases.py",
        "requirements.txt",
    ]


def test_where_setuptools_makes_wheels_is_no_code_and_another_folder_of_that_name_is(tmp_path: Path) -> None:
    write(tmp_path, "shared/build/lib/shared/old.py", "shared/shared.egg-info/PKG-INFO", "shared/pyproject.toml")
    (tmp_path / "shared/build/bdist.linux-x86_64").mkdir()
    write(tmp_path, "build/make.py")
    assert paths(tmp_path) == ["build/make.py", "shared/pyproject.toml"]
    assert [file.path for file in select_package(tmp_path / "shared")] == ["pyproject.toml"]


def test_every_zip_carries_what_resource_needs() -> None:
    assert "skykite_lambda/__init__.py" in [file.path for file in select_support()]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_within_the_project_are_followed_and_circles_end(tmp_path: Path) -> None:
    write(tmp_path, "shared/words.py", "service/requirements.txt")
    (tmp_path / "service/shared").symlink_to(tmp_path / "shared")
    (tmp_path / "service/again").symlink_to(tmp_path / "service")
    assert paths(tmp_path / "service", tmp_path) == ["requirements.txt", "shared/words.py"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_out_of_the_project_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "secret.txt", "project/a.py")
    (tmp_path / "project/b.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(SkykiteError) as raised:
        select(tmp_path / "project", tmp_path / "project")
    assert raised.value.code == "source-link-outside"
    (tmp_path / "project/b.txt").unlink()
    (tmp_path / "project/b.txt").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SkykiteError) as raised:
        select(tmp_path / "project", tmp_path / "project")
    assert raised.value.code == "source-link-broken"


def test_the_hash_changes_with_content_names_dependencies_and_target_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "requirements.txt", "tests/test_a.py")

    def digest(runtime: str = "python3.13", architecture: str = "arm64") -> str:
        bundle = BundleEntry(import_root=".", runtime=runtime, architecture=architecture)
        return bundle_hash(tmp_path, bundle)

    first = digest()
    write(tmp_path, "tests/test_a.py", "tests/test_b.py")
    assert digest() == first
    seen = {first, digest(runtime="python3.12"), digest(architecture="x86_64")}
    (tmp_path / "a.py").write_text("changed")
    seen.add(digest())
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    seen.add(digest())
    (tmp_path / "requirements.txt").write_text("requests")
    seen.add(digest())
    assert len(seen) == 6


def test_bundles_of_other_files_are_others_while_these_hold_the_same(tmp_path: Path) -> None:
    write(tmp_path, "one/a.py", "two/a.py", "one.txt", "two.txt")
    for path in ("one/a.py", "two/a.py", "one.txt", "two.txt"):
        (tmp_path / path).write_text("the same")
    made = [
        BundleEntry(import_root=root, runtime="python3.13", architecture="arm64", copied=copied)
        for root in ("one", "two")
        for copied in (
            (),
            (CopiedFile(source="one.txt", to="words.txt"),),
            (CopiedFile(source="two.txt", to="words.txt"),),
        )
    ]
    assert len({bundle_hash(tmp_path, bundle) for bundle in made}) == len(made)


def test_the_import_root_is_the_nearest_folder_that_says_so(tmp_path: Path) -> None:
    root = tmp_path / "project"
    write(root, "functions/a.py", "services/orders/requirements.txt", "services/orders/deep/b.py")
    write(tmp_path, "pyproject.toml")
    assert find_import_root(root / "functions/a.py", root) == root
    assert find_import_root(root / "services/orders/deep/b.py", root) == root / "services/orders"


def test_a_workspace_members_lock_is_found_above_it(tmp_path: Path) -> None:
    write(tmp_path, "uv.lock", "pyproject.toml", "services/orders/pyproject.toml")
    assert [path.name for path in dependency_files(tmp_path / "services/orders")] == [
        "pyproject.toml",
        "uv.lock",
    ]
