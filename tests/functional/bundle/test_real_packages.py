"""Packages as people use them, from the package index: for both architectures, under the Pythons of the runtimes.

Slow: a few hundred megabytes are fetched.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from uv import find_uv_bin

from kit.bundles import Architecture, BundleBench
from kit.lambda_service import aws_runtime

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PACKAGES = {
    "pydantic": "import pydantic; print(pydantic.BaseModel.__name__)",
    "cryptography": "from cryptography.fernet import Fernet; print(len(Fernet.generate_key()))",
    "numpy": "import numpy; print(int(numpy.arange(4).sum())); import numpy.testing",
    "pandas": "import pandas; print(int(pandas.DataFrame({'a': [1, 2]})['a'].sum()))",
    "psycopg[binary]": "import psycopg; print(psycopg.pq.__impl__)",
    "orjson": "import orjson; print(orjson.dumps({'a': 1}).decode())",
    "Pillow": "from PIL import Image; print(Image.new('RGB', (2, 3)).size)",
}
SAID = ["BaseModel", "44", "6", "3", "binary", '{"a":1}', "(2, 3)"]
MACHINES = {"x86_64": ("x86_64",), "arm64": ("aarch64",)}


def real_bench(root: Path) -> BundleBench:
    """One that asks the index this machine is configured for."""
    bench = BundleBench(root)
    (root / "uv.toml").unlink()
    bench.environment = dict(os.environ)
    return bench


def python_of(runtime: str) -> str | None:
    """An interpreter of that version, if this machine has one."""
    found = subprocess.run(
        [find_uv_bin(), "python", "find", "--no-project", "--no-python-downloads", runtime.removeprefix("python")],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode == 0:
        return found.stdout.strip()
    versions = sorted(Path.home().glob(f".pyenv/versions/{runtime.removeprefix('python')}.*/bin/python"))
    return str(versions[-1]) if versions else shutil.which(runtime)


@pytest.mark.parametrize("runtime", ["python3.10", "python3.11", "python3.12", "python3.13"])
async def test_they_import_under_the_runtimes_python(tmp_path: Path, runtime: str) -> None:
    interpreter = python_of(runtime)
    if interpreter is None or sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip(f"no {runtime} for Linux on x86-64 here")
    bench = real_bench(tmp_path)
    bench.write("requirements.txt", "".join(f"{name}\n" for name in PACKAGES))
    archive = await bench.build(bench.layer(runtime=runtime, architecture="x86_64"))
    archive.extractall(tmp_path / "layer")
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'layer' / 'python')!r})\n" + "\n".join(PACKAGES.values())
    done = await asyncio.to_thread(
        subprocess.run, [interpreter, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout.split("\n")[: len(SAID)] == SAID, done.stderr


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
async def test_every_wheel_is_for_the_functions_machine(tmp_path: Path, architecture: Architecture) -> None:
    bench = real_bench(tmp_path)
    bench.write("requirements.txt", "".join(f"{name}\n" for name in PACKAGES))
    archive = await bench.build(bench.layer(architecture=architecture))
    tags = {
        line.removeprefix("Tag: ")
        for name in archive.namelist()
        if name.endswith(".dist-info/WHEEL")
        for line in archive.read(name).decode().splitlines()
        if line.startswith("Tag: ")
    }
    compiled = {tag for tag in tags if not tag.endswith("-any")}
    assert len(compiled) >= 5
    assert all(tag.endswith(MACHINES[architecture]) for tag in compiled), compiled
    assert all(tag.startswith(("cp313-", "cp3", "py3-", "pp")) for tag in compiled), compiled
    binaries = [name for name in archive.namelist() if name.endswith(".so")]
    machines = {archive.read(name)[18:20] for name in binaries}
    assert machines == {b"\x3e\x00" if architecture == "x86_64" else b"\xb7\x00"}, "ELF's machine"


async def test_awss_own_runtime_client_runs_what_is_deployed(tmp_path: Path) -> None:
    runtime = f"python3.{sys.version_info.minor}"
    bench = real_bench(tmp_path)
    bench.write("requirements.txt", "pydantic\norjson\n")
    bench.write(
        "functions/hello.py",
        "import orjson, pydantic\n\n\nclass Order(pydantic.BaseModel):\n    id: int\n\n\n"
        "def handler(event, context):\n    return orjson.loads(Order(**event).model_dump_json())\n",
    )
    layer = await bench.build(bench.layer(runtime=runtime, architecture="x86_64"))
    layer.extractall(tmp_path / "opt")
    code: zipfile.ZipFile = await bench.build(bench.asset(runtime=runtime, architecture="x86_64", layered=True))
    code.extractall(tmp_path / "task")
    environment = {"PYTHONPATH": str(tmp_path / "opt" / "python")}
    with aws_runtime(tmp_path / "task", "functions/hello.handler", environment) as service:
        kind, body = await asyncio.to_thread(service.invoke, json.dumps({"id": "7"}).encode())
    assert (kind, json.loads(body)) == ("response", {"id": 7})
