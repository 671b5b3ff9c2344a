"""Functions that are executables or container images: what is deployed, what the manifest says, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.stacks import build_source, error_text, write_project
from skykite.errors import SkykiteError

PROGRAM = """\
from skykite import Function, Stack


def main(app):
    stack = Stack(app, "NotesStack")
    {line}
"""
FILES = {
    "shell/bootstrap": "#!/bin/sh\n",
    "gogo/go.mod": "module gogo\n",
    "gogo/main.go": "package main\n",
    "mono/go.mod": "module mono\n",
    "mono/cmd/fast/main.go": "package main\n",
    "rusty/Cargo.toml": "[package]\nname = 'rusty'\n",
    "crates/Cargo.toml": "[workspace]\nmembers = ['one']\n",
    "crates/one/Cargo.toml": "[package]\nname = 'one'\n",
    "made/Makefile": "bootstrap:\n\ttrue\n",
    "image/Dockerfile": "FROM scratch\n",
    "nothing/readme.txt": "",
}


def build(root: Path, line: str, **options: object):  # type: ignore[no-untyped-def]
    write_project(root, FILES)
    return build_source(root, PROGRAM.format(line=line), **options)


def refused(root: Path, line: str) -> str:
    with pytest.raises(SkykiteError) as error:
        build(root, line)
    return error_text(error.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('"shell"', {"preset": None, "command": None, "inputs": ()}),
        ('"gogo"', {"preset": "go", "inputs": ()}),
        ('"mono/cmd/fast"', {"preset": "go", "inputs": ("mono",)}),
        ('"rusty"', {"preset": "rust", "inputs": ()}),
        ('"crates/one"', {"preset": "rust", "inputs": ("crates",)}),
        (
            '"made", build={"command": "make", "output": "out/app", "inputs": ["shell"]}',
            {"command": "make", "output": "out/app", "inputs": ("shell",)},
        ),
    ],
)
def test_how_an_executable_is_built_is_found_in_its_folder(
    tmp_path: Path, given: str, expected: dict[str, object]
) -> None:
    built = build(tmp_path, f'Function(stack, "F", {given}, runtime="provided.al2023", architecture="arm64")')
    function = built.only("AWS::Lambda::Function")
    assert (function["Runtime"], function["Handler"]) == ("provided.al2023", "bootstrap")
    (entry,) = built.manifest.functions
    assert entry.kind == "executable"
    assert entry.executable is not None
    assert {name: getattr(entry.executable, name) for name in expected} == expected
    (asset,) = built.manifest.stacks[0].assets
    assert asset.bundle is not None
    assert (asset.bundle.architecture, asset.bundle.executable) == ("arm64", entry.executable)


@pytest.mark.parametrize("mode", ["local", "live"])
def test_while_developing_an_executable_is_a_placeholder_or_the_stub(tmp_path: Path, mode: str) -> None:
    built = build(tmp_path, 'Function(stack, "F", "shell", runtime="provided.al2023")', mode=mode)
    function = built.only("AWS::Lambda::Function")
    assert function["Handler"] == ("skykite_placeholder.handler" if mode == "local" else "kite_stub/live/stub.handler")
    assert built.manifest.functions[0].live


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ('"shel", runtime="provided.al2023"', "handler-not-found", 'did you mean "shell"?'),
        ('"shell/bootstrap", runtime="provided.al2023"', "handler-not-found", 'set handler="shell"'),
        ('".", runtime="provided.al2023"', "handler-not-found", "is not a folder of the project"),
        ('"../elsewhere", runtime="provided.al2023"', "handler-not-found", "is not a folder of the project"),
        ('"nothing", runtime="provided.al2023"', "handler-not-found", "holds no `bootstrap`, no `Cargo.toml`"),
        ('"made", runtime="provided.al2023", build={"output": "x"}', "prop-missing", "has a `build` without `command`"),
        ('"made", runtime="provided.al2023", build={"command": "make", "output": "../x"}', "build-output", "not below"),
        ('"made", runtime="provided.al2023", build={"command": "make", "inputs": ["no"]}', "build-input", "`no`"),
        ('"functions/notes.get", build={"command": "make"}', "prop-contradiction", "which is for executables"),
        ('"functions/notes.get", image="image"', "prop-contradiction", "has an image and handler="),
        ('image="image", runtime="python3.13"', "prop-contradiction", "has an image and runtime"),
        ('image="nothing"', "image-missing", "holds no `Dockerfile`"),
        ('image="none"', "image-missing", "is not a folder of the project"),
        ('image={"uri": "nginx:latest"}', "image-uri", "none in ECR"),
        ('image={"directory": "image", "uri": "x"}', "prop-contradiction", "not exactly one of"),
        ('image={"directory": "image", "dockerFile": "x"}', "prop-unknown", "dockerfile"),
    ],
)
def test_what_is_wrong_is_said_where_it_is_made(tmp_path: Path, given: str, code: str, words: str) -> None:
    text = refused(tmp_path, f'Function(stack, "F", {given})')
    assert code in text
    assert words in text
    assert "stacks/app.py" in text


def test_an_image_of_a_folder_is_built_for_the_functions_architecture(tmp_path: Path) -> None:
    given = 'image={"directory": "image", "build_args": {"A": "1"}, "target": "prod"}, architecture="arm64"'
    built = build(tmp_path, f'Function(stack, "F", {given})')
    function = built.only("AWS::Lambda::Function")
    assert function["PackageType"] == "Image"
    assert "Handler" not in function
    (image,) = built.manifest.stacks[0].images
    assert image.repository == "skykite-bootstrap-images"
    assert (image.build_args, image.target, image.platform) == ({"A": "1"}, "prod", "linux/arm64")
    assert (built.directory / image.source / "Dockerfile").is_file()
    (entry,) = built.manifest.functions
    assert (entry.kind, entry.live, entry.handler, entry.code) == ("image", False, None, None)


def test_an_image_of_ecr_needs_no_docker(tmp_path: Path) -> None:
    uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/apps/heavy:1.2"
    built = build(tmp_path, f'Function(stack, "F", image="{uri}")')
    assert built.manifest.stacks[0].images == ()
    assert "apps/heavy:1.2" in str(built.only("AWS::Lambda::Function")["Code"]["ImageUri"])


def test_an_image_stays_deployed_while_others_are_live(tmp_path: Path) -> None:
    built = build(tmp_path, 'Function(stack, "F", image="image")', mode="live")
    assert built.only("AWS::Lambda::Function")["PackageType"] == "Image"
    assert not built.manifest.functions[0].live


def test_on_this_machine_an_image_is_a_function_that_says_so(tmp_path: Path) -> None:
    built = build(tmp_path, 'Function(stack, "F", image="image")', mode="local")
    assert built.only("AWS::Lambda::Function")["Handler"] == "skykite_image.handler"
    assert built.manifest.stacks[0].images == ()
    assert not built.manifest.functions[0].live
