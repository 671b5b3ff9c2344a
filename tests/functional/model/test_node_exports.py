"""What a file for Node exports, and in which form, told without running it."""

from __future__ import annotations

from pathlib import Path

import pytest

from skykite.model.node_exports import module_format, read_exports

MARKED = 'Object.defineProperty(exports, "__esModule", { value: true });\n'
FORMS = {
    "export const handler = () => 1;": ("esm", True),
    "const f = () => 1;\nexport { f as handler };": ("esm", True),
    'export * from "./other";': ("esm", True),
    "export const other = 1;": ("esm", False),
    "// module.exports was here\nexport const handler = () => 1;": ("esm", True),
    "exports.handler = () => 1;": ("cjs", True),
    "exports.other = 1;": ("cjs", False),
    "module.exports = { handler: () => 1 };": ("cjs", True),
    f"{MARKED}exports.handler = void 0;": ("cjs", True),
    f"{MARKED}exports.other = void 0;": ("cjs", False),
    f'{MARKED}__exportStar(require("./other"), exports);': ("cjs", True),
    "Object.assign(exports, { handler: () => 1 });": ("cjs", True),
    'Object.defineProperty(exports, "handler", { get: () => 1 });': ("cjs", True),
    "export = { handler: () => 1 };": ("cjs", True),
}


@pytest.mark.parametrize(("text", "form", "handler"), [(text, *told) for text, told in FORMS.items()], ids=FORMS)
def test_every_way_to_export_is_told_for_what_it_is(tmp_path: Path, text: str, form: str, handler: bool) -> None:
    file = tmp_path / "lambda.ts"
    file.write_text(text)
    assert (module_format(file), read_exports(text).may_export("handler")) == (form, handler)
