"""The zip of the stub: small, the same everywhere, and complete by itself."""

from __future__ import annotations

import ast
import io
import os
import shutil
import subprocess
import sys
import tokenize
import zipfile
from pathlib import Path

import pytest

import skykite_lambda
from skykite.model.stub_package import HANDLER, SIZE_LIMIT, build_stub_package, strip

SOURCE = Path(skykite_lambda.__file__).parent


def test_it_is_small_enough_for_every_cold_start() -> None:
    assert len(build_stub_package().content) < SIZE_LIMIT


def test_it_is_the_same_to_the_byte_each_time_and_named_by_its_content() -> None:
    one, two = build_stub_package(), build_stub_package()
    assert one.content == two.content
    assert one.digest == two.digest
    assert len(one.digest) == len(one.sha256) == 64


def test_times_modes_order_and_line_ends_of_the_files_do_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = build_stub_package()
    copy = tmp_path / "skykite_lambda"
    source = SOURCE
    for file in sorted(source.rglob("*.py"), reverse=True):
        target = copy / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
        target.chmod(0o600)
        os.utime(target, (0, 0))
    (copy / "live" / "__pycache__").mkdir()
    shutil.copy(copy / "__init__.py", copy / "live" / "__pycache__" / "x.py")
    monkeypatch.setattr(skykite_lambda, "__file__", str(copy / "__init__.py"))
    assert build_stub_package() == expected


def test_a_changed_file_has_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = build_stub_package()
    copy = shutil.copytree(Path(skykite_lambda.__file__).parent, tmp_path / "skykite_lambda")
    (copy / "live" / "clock.py").write_text("# changed\n")
    monkeypatch.setattr(skykite_lambda, "__file__", str(copy / "__init__.py"))
    assert build_stub_package().digest != expected.digest


def test_the_developers_side_is_not_in_it() -> None:
    with zipfile.ZipFile(io.BytesIO(build_stub_package().content)) as archive:
        assert "kite_stub/wire/stub.py" in archive.namelist()
        assert "kite_stub/wire/dev.py" not in archive.namelist()


@pytest.mark.parametrize(
    "file", sorted(SOURCE.glob("[lw]i[vr]e/*.py")), ids=lambda file: f"{file.parent.name}/{file.name}"
)
def test_what_is_left_of_a_module_does_the_same_on_the_same_lines(file: Path) -> None:
    source = file.read_text()
    stripped = strip(source)
    tokens = tokenize.generate_tokens(io.StringIO(stripped).readline)
    assert not [token for token in tokens if token.type == tokenize.COMMENT]
    assert behaviour(stripped) == behaviour(source)


def behaviour(source: str) -> list[str]:
    """All statements with their lines, but for what documents."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value = ast.Constant("")
    return [f"{getattr(node, 'lineno', 0)} {ast.dump(node)}" for node in ast.walk(tree) if isinstance(node, ast.stmt)]


WRITTEN = '''\
"""D."""
x = """a
# b"""  # c
def f():
    "d"
    return f"#{x}"
# e
y = (
    "p"
    "q"  # r
)
'''
STRIPPED = '''\
""
x = """a
# b"""
def f():
    ""
    return f"#{x}"

y = (
    "p"
    "q"
)
'''


def test_texts_that_only_look_like_documentation_or_comments_stay() -> None:
    assert strip(WRITTEN) == STRIPPED


@pytest.mark.parametrize("imported_first", ["", "skykite_lambda"])
def test_it_runs_from_the_zip_alone_whatever_skykite_lambda_is_imported_already(
    tmp_path: Path, imported_first: str
) -> None:
    with zipfile.ZipFile(io.BytesIO(build_stub_package().content)) as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"kite_stub"}
        archive.extractall(tmp_path)
    if imported_first:
        other = tmp_path / "skykite_lambda"
        other.mkdir()
        (other / "__init__.py").write_text("")
    module, _, function = HANDLER.replace("/", ".").rpartition(".")
    program = f"""
import sys
{"import " + imported_first if imported_first else ""}
import {module}
assert callable({module}.{function})
foreign = [name for name in sys.modules if name.split(".")[0] == "skykite_lambda" and "." in name]
assert not foreign, foreign
heavy = {{"asyncio", "email", "urllib.request", "http.client", "ssl", "dataclasses", "logging"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{program}"], check=True
    )
