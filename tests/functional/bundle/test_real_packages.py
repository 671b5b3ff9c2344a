"""Packages as people use them, from the package index: for every Python runtime and both architectures.

What is built is compared with what PyPA's `packaging` says that such a machine accepts, and with the symbols that the
binaries need; and imported, where there is an interpreter of that version. Slow: hundreds of megabytes are fetched.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.tags import Tag, compatible_tags, cpython_tags, parse_tag
from uv import find_uv_bin

from kit.bundles import Architecture, BundleBench
from kit.lambda_service import aws_runtime
from skykite.model.runtimes import PYTHON_RUNTIMES

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
ELF_MACHINES = {"x86_64": b"\x3e\x00", "arm64": b"\xb7\x00"}
AMAZON_LINUX_2 = ("python3.9", "python3.10", "python3.11")


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


def glibc_of(runtime: str) -> int:
    """Minor version; https://docs.aws.amazon.com/linux/al2023/ug/compare-with-al2.html"""
    return 26 if runtime in AMAZON_LINUX_2 else 34


def accepted_tags(runtime: str, architecture: Architecture) -> set[Tag]:
    """All that such a machine's own installer would take."""
    python = (3, int(runtime.removeprefix("python3.")))
    machine = "x86_64" if architecture == "x86_64" else "aarch64"
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(5, glibc_of(runtime) + 1)]
    platforms += [f"{alias}_{machine}" for alias in ("manylinux1", "manylinux2010", "manylinux2014", "linux")]
    abi = f"cp{python[0]}{python[1]}"
    return {*cpython_tags(python, [abi], platforms), *compatible_tags(python, abi, platforms)}


def tags_by_package(archive: zipfile.ZipFile) -> dict[str, set[Tag]]:
    return {
        name.split("/")[1].partition("-")[0]: {
            tag for said in re.findall(r"(?m)^Tag: (\S+)", archive.read(name).decode()) for tag in parse_tag(said)
        }
        for name in archive.namelist()
        if name.endswith(".dist-info/WHEEL")
    }


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
@pytest.mark.parametrize("runtime", PYTHON_RUNTIMES)
async def test_every_wheel_is_one_that_the_runtime_would_choose(
    tmp_path: Path, runtime: str, architecture: Architecture
) -> None:
    bench = real_bench(tmp_path)
    bench.write("requirements.txt", "".join(f"{name}\n" for name in PACKAGES))
    archive = await bench.build(bench.layer(runtime=runtime, architecture=architecture))

    tags = tags_by_package(archive)
    accepted = accepted_tags(runtime, architecture)
    assert {name: sorted(map(str, said)) for name, said in tags.items() if not said & accepted} == {}
    compiled = {name.lower() for name, said in tags.items() if not any(tag.platform == "any" for tag in said)}
    assert {"pydantic_core", "cryptography", "numpy", "pandas", "psycopg_binary", "orjson", "pillow"} <= compiled

    binaries = {name: archive.read(name) for name in archive.namelist() if re.search(r"\.so(\.|$)", name)}
    machines = {name for name, data in binaries.items() if data[18:20] != ELF_MACHINES[architecture]}
    assert machines == set(), "ELF's machine"
    needed = {name: max(map(int, re.findall(rb"GLIBC_2\.(\d+)", data)), default=0) for name, data in binaries.items()}
    assert {name: minor for name, minor in needed.items() if minor > glibc_of(runtime)} == {}, "glibc's symbols"
    extensions = {found[1] for name in binaries if (found := re.search(r"\.cpython-3(\d+)-", name))}
    assert extensions == {runtime.removeprefix("python3.")}


@pytest.mark.parametrize("runtime", PYTHON_RUNTIMES)
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


async def test_a_package_of_ones_own_is_made_by_setuptools_as_often_as_it_is_edited(tmp_path: Path) -> None:
    """It makes folders beside the source: they are no part of it, and what they hold of before is in no wheel."""
    bench = real_bench(tmp_path)
    bench.write("shared/pyproject.toml", '[project]\nname = "shared"\nversion = "1"\n')
    bench.write("services/requirements.txt", "../shared\n")
    bench.write("services/a.py", "import shared\n")
    for edition in ("first", "second"):
        bench.write("shared/shared/__init__.py", f"EDITION = {edition!r}\n")
        archive = await bench.build(bench.function(root="services"))
        assert edition.encode() in archive.read("shared/__init__.py")
        assert sorted(path.name for path in (bench.project / "shared").iterdir()) == ["pyproject.toml", "shared"]
    bench.write("shared/build/bdist.linux-x86_64/mine", "")
    bench.write("shared/shared/more.py", "")
    await bench.build(bench.function(root="services"))
    assert (bench.project / "shared" / "build" / "lib").is_dir(), "what was there before is gone"


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
