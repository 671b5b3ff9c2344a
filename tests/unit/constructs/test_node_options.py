"""What `node={…}` refuses, before esbuild would in words that name no function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from skykite.constructs.node_options import node_build
from skykite.constructs.props import PropProblem


def build(root: Path, **given: Any) -> object:
    (root / "lambda.ts").write_text("export const handler = () => 1;\n")
    return node_build(given, "lambda.ts", root / "lambda.ts", root)


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        (
            {"define": {"NAME": "two words"}},
            """was given node["define"]: NAME=`'two words'`, which is neither JSON nor a name""",
            """a string is written '"two words"'""",
        ),
        (
            {"loader": {"sql": "text"}},
            """was given node["loader"]: `'sql'`, which is no ending of a file's name""",
            """write {".sql": "text"}""",
        ),
        (
            {"loader": {".sql": "txt"}},
            """was given node["loader"][".sql"]=`'txt'`""",
            (
                "did you mean `text`? It is one of `base64`, `binary`, `copy`, `css`, `dataurl`, `default`, `empty`, "
                "`file`, `global-css`, `js`, `json`, `jsx`, `local-css`, `text`, `ts`, `tsx`"
            ),
        ),
    ],
)
def test_values_that_esbuild_would_refuse_are_told_with_what_to_write(
    tmp_path: Path, given: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(PropProblem) as raised:
        build(tmp_path, **given)
    assert (raised.value.message, raised.value.hint) == (message, hint)


@pytest.mark.parametrize("value", ["1.0", "true", '"text"', "process.env.NAME", "$name", '{"a": [1]}'])
def test_values_that_esbuild_takes_are_taken(tmp_path: Path, value: str) -> None:
    assert build(tmp_path, define={"NAME": value}, loader={".sql": "text"})
