"""What a build says about itself, and which paths it may name."""

from __future__ import annotations

import json

import pytest

from skykite.errors import SkykiteError
from skykite.model.build import BuildRecord, BuiltFile, Commit, decode_build, encode_build, stays_inside
from skykite.model.names import AppName, StageName

RECORD = BuildRecord(
    format=1,
    skykite="0.1.0",
    app=AppName("notes"),
    stage=StageName("prod"),
    region="eu-west-1",
    account="123456789012",
    commit=Commit(id="e0a912c", modified=True),
    files={"assembly/a.json": BuiltFile(sha256="0" * 64, size=3)},
)


def changed(**fields: object) -> bytes:
    return json.dumps(json.loads(encode_build(RECORD)) | fields).encode()


def code_of(data: bytes) -> str:
    with pytest.raises(SkykiteError) as caught:
        decode_build(data, source="dist/build.json")
    assert caught.value.hint
    return caught.value.code


def test_what_was_written_is_read() -> None:
    assert decode_build(encode_build(RECORD), source="build.json") == RECORD


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../secret",
        "assembly/../../secret",
        "assembly/./a",
        "assembly//a",
        "assembly/",
        "..",
        "assembly\\..\\..\\secret",
        "C:/secret",
        "c:secret",
        "a\0b",
    ],
)
def test_a_path_that_leads_out_of_the_build_is_refused(path: str) -> None:
    assert not stays_inside(path)
    assert code_of(changed(files={path: {"sha256": "0" * 64, "size": 1}})) == "build-invalid"


def test_a_path_inside_is_taken_whatever_it_is_called() -> None:
    assert stays_inside("assembly/asset..x/ünï code.json")


def test_another_format_says_which_skykite_reads_it_even_if_nothing_else_is_known_of_it() -> None:
    with pytest.raises(SkykiteError) as caught:
        decode_build(b'{"format": 9, "skykite": "4.2.0", "files": []}', source="dist/build.json")
    assert caught.value.code == "build-version"
    assert caught.value.message == (
        "`dist/build.json` has format 9, made by Skykite 4.2.0; this Skykite reads format 1"
    )
    assert "skykite==4.2.0" in str(caught.value.hint)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"format": 1, "skykite": "0.1.0"}', b'{"format": "1"}'])
def test_what_is_no_build_json_is_said_to_be_none(data: bytes) -> None:
    assert code_of(data) == "build-invalid"


@pytest.mark.parametrize(("field", "value"), [("stage", "../../x"), ("stage", "/tmp"), ("app", "a/../b")])
def test_a_name_that_would_be_a_path_is_refused(field: str, value: str) -> None:
    assert code_of(changed(**{field: value})) in ("stage-invalid", "app-name-invalid")
