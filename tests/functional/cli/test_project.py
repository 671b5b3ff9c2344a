from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kit.project import make_project
from skykite.cli.project import find_project, prepare_state
from skykite.errors import SkykiteError

not_as_root = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="the superuser may write everywhere"
)


def test_a_project_is_found_from_any_folder_inside_it(tmp_path: Path) -> None:
    project = make_project(tmp_path / "notes")
    deep = project.root / "functions" / "deep"
    deep.mkdir(parents=True)
    assert find_project(deep) == find_project(project.root) == project


def test_the_nearest_kite_toml_wins(tmp_path: Path) -> None:
    make_project(tmp_path, name="outer")
    make_project(tmp_path / "inner", name="inner")
    assert find_project(tmp_path / "inner").name == "inner"


def test_without_kite_toml_the_hint_is_to_make_a_project(tmp_path: Path) -> None:
    with pytest.raises(SkykiteError) as caught:
        find_project(tmp_path)
    assert caught.value.code == "project-not-found"
    assert caught.value.message == f"neither `{tmp_path}` nor a folder above it has a kite.toml"
    assert caught.value.hint == "make a project with `kite init my-app`, or go to one"


def test_a_project_given_by_name_is_not_searched_for_above(tmp_path: Path) -> None:
    make_project(tmp_path)
    inside = tmp_path / "functions"
    inside.mkdir()
    with pytest.raises(SkykiteError) as caught:
        find_project(tmp_path, explicit=inside)
    assert caught.value.message == f"`{inside}` has no kite.toml"


def test_a_kite_toml_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "kite.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(SkykiteError) as caught:
        find_project(tmp_path)
    assert caught.value.message == f"`{tmp_path / 'kite.toml'}` is not UTF-8: invalid start byte"


def test_a_region_that_aws_does_not_have_is_named_with_the_one_that_was_meant(tmp_path: Path) -> None:
    (tmp_path / "kite.toml").write_text('name = "notes"\nregion = "eu-wst-1"\n')
    with pytest.raises(SkykiteError) as caught:
        find_project(tmp_path)
    assert (caught.value.code, caught.value.message) == (
        "region-unknown",
        "`kite.toml` line 2: AWS has no region `eu-wst-1`",
    )
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("did you mean `eu-west-1`?")


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1", "cn-north-1", "mx-central-1"])
def test_the_regions_of_every_partition_are_known(tmp_path: Path, region: str) -> None:
    (tmp_path / "kite.toml").write_text(f'name = "notes"\nregion = "{region}"\n')
    assert find_project(tmp_path).region == region


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "kite.toml").write_bytes(b'\xef\xbb\xbfname = "notes"\n')
    assert find_project(tmp_path).name == "notes"


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_state_is_ignored_by_git_whatever_the_project_ignores(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (prepare_state(project) / "stage").write_text("alice\n")
    status = subprocess.run(["git", "status", "--porcelain"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert status.stdout == "?? kite.toml\n"


def test_preparing_twice_keeps_what_is_there(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (prepare_state(project) / ".gitignore").write_text("mine\n")
    prepare_state(project)
    assert (project.state / ".gitignore").read_text() == "mine\n"


def test_a_state_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.state.write_text("a file is in the way")
    with pytest.raises(SkykiteError) as caught:
        prepare_state(project)
    assert caught.value.code == "project-read-only"
    assert caught.value.message == f"`{project.state}` cannot be written: File exists"
    assert caught.value.hint == "Skykite keeps its state in `.kite/` beside kite.toml; make that folder writable"


@not_as_root
def test_a_read_only_project_is_explained(tmp_path: Path) -> None:
    project = make_project(tmp_path / "notes")
    project.root.chmod(0o500)
    try:
        with pytest.raises(SkykiteError) as caught:
            prepare_state(project)
    finally:
        project.root.chmod(0o700)
    assert caught.value.code == "project-read-only"
