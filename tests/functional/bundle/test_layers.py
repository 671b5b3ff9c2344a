"""Layers of packages, and the user's own packages in the code, with the real uv and wheels made by hand."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from kit.bundles import BundleBench
from kit.package_index import PASSWORD, package_index
from kit.wheels import make_wheel
from skykite.errors import SkykiteError
from skykite.model.events import StepProgress

PROJECT = '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = [{}]\n'
BUILT = '[build-system]\nrequires = ["uv_build>=0.9,<1"]\nbuild-backend = "uv_build"\n'


@pytest.fixture
def bench(tmp_path: Path) -> BundleBench:
    found = BundleBench(tmp_path)
    make_wheel(found.wheels, "parcel", "1.0")
    make_wheel(found.wheels, "stamp", "1.0", requires=("ink",))
    make_wheel(found.wheels, "ink", "1.0")
    return found


def member(bench: BundleBench, folder: str, name: str, *, needs: str = "", more: str = "") -> None:
    bench.write(f"{folder}/pyproject.toml", PROJECT.format(needs).replace('"x"', f'"{name}"') + more + BUILT)
    bench.write(f"{folder}/src/{name}/__init__.py", f'NAME = "{name}"\n')


async def test_code_and_packages_are_apart_and_each_is_built_once(bench: BundleBench) -> None:
    bench.write("requirements.txt", "parcel\n")
    assert await bench.layered() == ["parcel-1.0.dist-info/METADATA", "parcel-1.0.dist-info/WHEEL", "parcel.py"]
    assert bench.events.of(StepProgress)
    layer, data = bench.layer(), bench.zip.read_bytes()
    assert zipfile.ZipFile(bench.zip).read("skykite-layer.txt") == b"parcel==1.0\n"

    code = bench.function()
    assert await bench.users_files(code) == ["functions/hello.py", "requirements.txt"]
    bench.write("functions/hello.py", "changed = True\n")
    assert bench.function().key != code.key
    assert bench.layer().key == layer.key, "an edit of the code makes another layer"
    bench.environment["UV_FIND_LINKS"] = "/nowhere"
    await bench.build(layer)
    assert bench.zip.read_bytes() == data
    assert bench.events.of(StepProgress) == []


async def test_code_is_shared_by_functions_of_other_runtimes_when_its_packages_are_not_in_it(
    bench: BundleBench,
) -> None:
    bench.write("requirements.txt", "parcel\n")
    keys = {bench.asset(runtime=runtime, layered=True).key for runtime in ("python3.12", "python3.13")}
    assert len(keys) == 1
    assert bench.layer(runtime="python3.12").key != bench.layer().key != bench.layer(architecture="x86_64").key


async def test_a_layer_changes_with_what_declares_packages_and_not_with_settings_of_tools(bench: BundleBench) -> None:
    bench.write("pyproject.toml", PROJECT.format('"parcel"') + "[tool.ruff]\nline-length = 100\n")
    await bench.lock()
    first = bench.layer().key
    bench.write("pyproject.toml", PROJECT.format('"parcel"') + "[tool.ruff]\nline-length = 120\n")
    assert bench.layer().key == first
    bench.write("pyproject.toml", PROJECT.format('"parcel", "stamp"'))
    await bench.lock()
    assert bench.layer().key != first
    assert "ink.py" in await bench.layered()


async def test_extras_and_groups_are_there_when_asked_for_and_others_never(bench: BundleBench) -> None:
    bench.write(
        "pyproject.toml",
        PROJECT.format('"parcel"') + '[project.optional-dependencies]\nmail = ["stamp"]\n'
        '[dependency-groups]\ndev = ["ink"]\nred = ["ink"]\n',
    )
    await bench.lock()
    names = {
        options: {name for name in await bench.layered(bench.layer(**dict(options))) if name.endswith(".py")}
        for options in ((), (("extras", ("mail",)),), (("groups", ("red",)),))
    }
    assert names == {
        (): {"parcel.py"},
        (("extras", ("mail",)),): {"parcel.py", "stamp.py", "ink.py"},
        (("groups", ("red",)),): {"parcel.py", "ink.py"},
    }
    with pytest.raises(SkykiteError) as raised:
        bench.layer(extras=("males",))
    assert (raised.value.code, raised.value.hint) == ("packages-unknown", "it defines `mail`")


@pytest.mark.parametrize("lock", [True, False])
async def test_what_a_function_does_without_goes_with_what_only_that_needs(bench: BundleBench, lock: bool) -> None:
    bench.write("pyproject.toml", PROJECT.format('"parcel", "stamp"'))
    if lock:
        await bench.lock()
    names = await bench.layered(bench.layer(without=("stamp",)))
    assert [name for name in names if name.endswith(".py")] == ["parcel.py"]


async def test_a_workspace_of_three_has_its_own_packages_in_the_code_and_others_in_the_layer(
    bench: BundleBench,
) -> None:
    """`orders` needs `shared`, which needs `core`; `billing`, beside them, is nobody's business."""
    bench.write("pyproject.toml", '[tool.uv.workspace]\nmembers = ["packages/*", "services/*"]\n')
    source = "[tool.uv.sources]\n{0} = {{workspace = true}}\n"
    member(bench, "packages/core", "core", needs='"ink"')
    member(bench, "packages/shared", "shared", needs='"core"', more=source.format("core"))
    member(bench, "packages/billing", "billing", needs='"stamp"')
    bench.write("services/orders/pyproject.toml", PROJECT.format('"shared", "parcel"') + source.format("shared"))
    bench.write("services/orders/main.py", "import shared, core\n")
    await bench.lock()
    code = bench.function(root="services/orders")
    names = await bench.users_files(code)
    assert {"main.py", "shared/__init__.py", "core/__init__.py"} <= set(names)
    assert not [name for name in names if "billing" in name or "parcel" in name]
    layer = bench.layer(root="services/orders")
    assert [name for name in await bench.layered(layer) if name.endswith(".py")] == ["ink.py", "parcel.py"]

    bench.write("packages/core/src/core/__init__.py", "CHANGED = True\n")
    changed = bench.function(root="services/orders")
    assert changed.key != code.key, "an edit of a shared package is not deployed"
    assert bench.layer(root="services/orders").key == layer.key
    assert (await bench.build(changed)).read("core/__init__.py") == b"CHANGED = True\n"


@pytest.mark.parametrize("line", ["-e ../shared", "../shared", "shared @ file://{project}/shared"])
async def test_a_folder_in_requirements_is_code_and_what_it_needs_is_in_the_layer(
    bench: BundleBench, line: str
) -> None:
    member(bench, "shared", "shared", needs='"stamp"')
    bench.write("service/requirements.txt", f"parcel\n{line.format(project=bench.project)}\n")
    bench.write("service/main.py", "")
    assert "shared/__init__.py" in await bench.users_files(bench.function(root="service"))
    names = await bench.layered(bench.layer(root="service"))
    assert [name for name in names if name.endswith(".py")] == ["ink.py", "parcel.py", "stamp.py"]


PATH = '[tool.uv.sources]\nink_well = {{ path = "{}" }}\n'
WORKSPACE = "[tool.uv.sources]\nink_well = { workspace = true }\n"


@pytest.mark.parametrize(
    ("listed", "needs", "more"),
    [
        ("-e ../libs/desk\n", '"ink-well"', PATH.format("../ink_well")),
        ("-e ../libs/desk\n", '"ink-well"', WORKSPACE),
        ("-e ../libs/desk\n", '"ink_well @ file://{project}/libs/ink_well"', ""),
        (None, '"ink-well"', PATH.format("../ink_well")),
    ],
    ids=["path", "workspace", "url", "pyproject"],
)
async def test_what_a_folder_without_a_lock_needs_of_other_folders_is_code_too(
    bench: BundleBench, listed: str | None, needs: str, more: str
) -> None:
    if more == WORKSPACE:
        bench.write("pyproject.toml", '[tool.uv.workspace]\nmembers = ["libs/*"]\n')
    member(bench, "libs/ink_well", "ink_well", needs='"stamp"')
    member(bench, "libs/desk", "desk", needs=needs.format(project=bench.project), more=more)
    bench.write("service/main.py", "")
    if listed is not None:
        bench.write("service/requirements.txt", listed)
    else:
        sources = '[tool.uv.sources]\ndesk = { path = "../libs/desk" }\n'
        bench.write("service/pyproject.toml", PROJECT.format('"desk"') + sources)
    code = bench.function(root="service")
    assert {"desk/__init__.py", "ink_well/__init__.py"} <= {*await bench.users_files(code)}
    names = await bench.layered(bench.layer(root="service"))
    assert [name for name in names if name.endswith(".py")] == ["ink.py", "stamp.py"]
    bench.write("libs/ink_well/src/ink_well/__init__.py", "CHANGED = True\n")
    assert bench.function(root="service").key != code.key, "an edit of a folder that another one needs is not seen"


DYNAMIC = '[project]\nname = "shared"\nversion = "1"\ndynamic = ["dependencies"]\n'
NEEDED_FILE = '[tool.setuptools.dynamic]\ndependencies = { file = ["needed/all.in"] }\n'


@pytest.mark.parametrize(
    ("pyproject", "says"),
    [
        (None, "setup.py"),
        ("[tool.black]\n", "setup.cfg"),
        (DYNAMIC, "requirements.txt"),
        (DYNAMIC + NEEDED_FILE, "needed/all.in"),
    ],
)
async def test_a_folder_whose_build_finds_out_what_it_needs_has_another_layer_when_that_changes(
    bench: BundleBench, pyproject: str | None, says: str
) -> None:
    bench.write("service/requirements.txt", "-e ../shared\n")
    bench.write("service/main.py", "")
    if pyproject is not None:
        bench.write("shared/pyproject.toml", pyproject)
    bench.write(f"shared/{says}", "one")
    first = bench.layer(root="service").key
    bench.write("shared/shared/__init__.py", "")
    assert bench.layer(root="service").key == first
    bench.write(f"shared/{says}", "two")
    assert bench.layer(root="service").key != first


async def test_a_project_of_the_src_layout_is_imported_as_where_it_is_installed(bench: BundleBench) -> None:
    member(bench, ".", "shop", needs="")
    bench.write("src/shop/handlers.py", "from shop import NAME\n\n\ndef run(event, context):\n    return NAME\n")
    (await bench.build(bench.function())).extractall(bench.root / "unpacked")
    said = run_python(bench.root / "unpacked", "from src.shop.handlers import run; print(run({}, None))")
    assert said == "shop"


@pytest.mark.parametrize("password", [PASSWORD, "forgotten"])
async def test_a_package_that_uv_has_from_an_index_of_its_own_is_fetched_from_there(
    bench: BundleBench, password: str
) -> None:
    """The other index, which is asked for all that has no index of its own, has another package of that name."""
    for index, versions in (("public", ("1.0", "9.0")), ("private", ("1.0+own",))):
        for version in versions:
            make_wheel(bench.root / index / "parcel", "parcel", version)
    make_wheel(bench.root / "public" / "stamp", "stamp", "1.0")
    make_wheel(bench.root / "private" / "stamp", "stamp", "0.5")
    (bench.root / "uv.toml").write_text("")
    bench.environment |= {"UV_INDEX_PRIVATE_USERNAME": "me", "UV_INDEX_PRIVATE_PASSWORD": PASSWORD}
    del bench.environment["UV_FIND_LINKS"]
    with (
        package_index(bench.root / "public") as public,
        package_index(bench.root / "private", user="me") as private,
    ):
        bench.write(
            "pyproject.toml",
            '[tool.uv.workspace]\nmembers = ["orders"]\n[tool.uv.sources]\nparcel = {index = "private"}\n'
            f'[[tool.uv.index]]\nurl = "{public}"\ndefault = true\n'
            f'[[tool.uv.index]]\nname = "private"\nurl = "{private}"\nexplicit = true\n',
        )
        bench.write("orders/pyproject.toml", PROJECT.format('"parcel", "stamp"'))
        del bench.environment["UV_CONFIG_FILE"]
        await bench.lock("orders")
        bench.environment |= {"UV_INDEX_PRIVATE_PASSWORD": password, "UV_CACHE_DIR": str(bench.root / "other")}
        if password == PASSWORD:
            names = await bench.layered(bench.layer(root="orders"))
            assert [name.split("/")[0] for name in names if name.endswith("WHEEL")] == [
                "parcel-1.0+own.dist-info",
                "stamp-1.0.dist-info",
            ]
            return
        with pytest.raises(SkykiteError) as raised:
            await bench.build(bench.layer(root="orders"))
    assert raised.value.code == "packages-unresolved"
    assert "credentials" in (raised.value.hint or "")


@pytest.mark.parametrize("tool", ["poetry", "pdm", "pdm with variables"])
async def test_packages_from_other_sources_of_poetry_and_pdm_are_fetched_from_there(
    bench: BundleBench, tool: str
) -> None:
    make_wheel(bench.root / "private" / "parcel", "parcel", "1.0")
    make_wheel(bench.root / "private" / "stamp", "stamp", "0.5")  # of no use, and not to hide the other
    (bench.root / "uv.toml").write_text("")
    (bench.root / "public").mkdir()
    for wheel in bench.wheels.glob("*.whl"):
        if not wheel.name.startswith("parcel"):
            folder = bench.root / "public" / wheel.name.partition("-")[0]
            folder.mkdir()
            wheel.rename(folder / wheel.name)
    del bench.environment["UV_FIND_LINKS"]
    with (
        package_index(bench.root / "public") as public,
        package_index(bench.root / "private", user="me") as private,
    ):
        bench.environment |= {
            "UV_DEFAULT_INDEX": public,
        }
        if tool != "pdm with variables":
            bench.environment |= {"UV_INDEX_MY_OWN_USERNAME": "me", "UV_INDEX_MY_OWN_PASSWORD": PASSWORD}
        text = PROJECT.format('"parcel", "stamp"')
        entries = '[[package]]\nname = "stamp"\nversion = "1.0"\nfiles = []\ngroups = ["{0}"]\n'
        entries += '[[package]]\nname = "parcel"\nversion = "1.0"\nfiles = []\ngroups = ["{0}"]\n'
        if tool == "poetry":
            bench.write("pyproject.toml", text)
            source = f'[package.source]\ntype = "legacy"\nurl = "{private}"\nreference = "my own"\n'
            bench.write("poetry.lock", entries.format("main") + source)
        else:
            if tool != "pdm":
                private = private.replace("://", "://${WHO}:${WHAT}@")
                bench.environment |= {"WHO": "me", "WHAT": "open%20sesame"}
            bench.write("pyproject.toml", f'{text}\n[[tool.pdm.source]]\nname = "my own"\nurl = "{private}"\n')
            bench.write("pdm.lock", entries.format("default"))
        names = await bench.layered()
    assert [name for name in names if name.endswith(".py")] == ["parcel.py", "stamp.py"]


async def test_namespace_packages_of_several_distributions_are_one(bench: BundleBench) -> None:
    make_wheel(bench.wheels, "acme_a", "1.0", files={"acme/a.py": "A = 1\n"})
    make_wheel(bench.wheels, "acme_b", "1.0", files={"acme/b.py": "B = 2\n"})
    bench.write("requirements.txt", "acme_a\nacme_b\n")
    archive = await bench.build(bench.layer())
    archive.extractall(bench.root / "unpacked")
    assert run_python(bench.root / "unpacked" / "python", "import acme.a, acme.b; print(acme.a.A + acme.b.B)") == "3"


async def test_test_suites_of_packages_stay_out_unless_something_imports_them(bench: BundleBench) -> None:
    make_wheel(
        bench.wheels,
        "big",
        "1.0",
        files={"big/__init__.py": "", "big/testing.py": "", "big/tests/test_a.py": "", "big/deep/tests/data.bin": ""},
    )
    make_wheel(
        bench.wheels,
        "odd",
        "1.0",
        files={"odd/__init__.py": "from odd.tests import helper\n", "odd/tests/helper.py": ""},
    )
    bench.write("requirements.txt", "big\nodd\n")
    names = [name for name in await bench.layered() if "dist-info" not in name]
    assert names == ["big/__init__.py", "big/testing.py", "odd/__init__.py", "odd/tests/helper.py"]


async def test_a_pylock_is_read_but_for_what_is_a_folder(bench: BundleBench) -> None:
    member(bench, "shared", "shared")
    bench.write(
        "pylock.toml",
        'lock-version = "1.0"\ncreated-by = "by hand"\n'
        '[[packages]]\nname = "parcel"\nversion = "1.0"\n'
        f'[[packages.wheels]]\nname = "parcel-1.0-py3-none-any.whl"\npath = "../wheels/parcel-1.0-py3-none-any.whl"\n'
        f'hashes = {{sha256 = "{digest_of(bench.wheels / "parcel-1.0-py3-none-any.whl")}"}}\n'
        '[[packages]]\nname = "shared"\n[packages.directory]\npath = "./shared"\n',
    )
    assert "shared/__init__.py" in await bench.users_files(bench.function())
    assert [name for name in await bench.layered() if name.endswith(".py")] == ["parcel.py"]


@pytest.mark.parametrize("version", ["2.1", "2.0"])
async def test_poetrys_lock_is_followed_for_the_functions_machine_alone(bench: BundleBench, version: str) -> None:
    """Both as Poetry 2 writes it, with groups and markers, and as it was before."""
    make_wheel(bench.wheels, "winonly", "1.0", tag="py3-none-win_amd64")
    make_wheel(bench.wheels, "pytest_like", "1.0")
    bench.write(
        "pyproject.toml",
        '[tool.poetry]\nname = "x"\nversion = "1"\n[tool.poetry.dependencies]\npython = "^3.9"\nstamp = "*"\n'
        'parcel = {version = "*", optional = true}\n[tool.poetry.extras]\nmail = ["parcel"]\n'
        '[tool.poetry.group.dev.dependencies]\npytest_like = "*"\n',
    )

    def locked(name: str, groups: str, more: str = "", marker: str = "", optional: str = "false") -> str:
        told = f'groups = ["{groups}"]\n' + (f"markers = '{marker}'\n" if marker else "") if version == "2.1" else ""
        return f'[[package]]\nname = "{name}"\nversion = "1.0"\noptional = {optional}\n{told}files = []\n{more}\n'

    win = "sys_platform == 'win32'"
    bench.write(
        "poetry.lock",
        locked("stamp", "main", f'[package.dependencies]\nink = "*"\nwinonly = {{version = "*", markers = "{win}"}}')
        + locked("ink", "main")
        + locked("winonly", "main", marker=win.replace("'", '"'))
        + locked("parcel", "main", marker='extra == "mail"', optional="true")
        + locked("pytest-like", "dev")
        + f'[extras]\nmail = ["parcel"]\n[metadata]\nlock-version = "{version}"\n',
    )
    assert [name for name in await bench.layered() if name.endswith(".py")] == ["ink.py", "stamp.py"]
    with_mail = await bench.layered(bench.layer(extras=("mail",)))
    assert [name for name in with_mail if name.endswith(".py")] == ["ink.py", "parcel.py", "stamp.py"]


async def test_pdms_lock_is_followed(bench: BundleBench) -> None:
    bench.write("pyproject.toml", PROJECT.format('"stamp"'))
    bench.write(
        "pdm.lock",
        '[metadata]\ngroups = ["default", "test"]\nlock_version = "4.5.0"\n'
        '[[package]]\nname = "stamp"\nversion = "1.0"\ngroups = ["default"]\nfiles = []\n'
        '[[package]]\nname = "ink"\nversion = "1.0"\ngroups = ["default"]\nmarker = "python_version >= \'3.9\'"\n'
        '[[package]]\nname = "parcel"\nversion = "1.0"\ngroups = ["test"]\n',
    )
    assert [name for name in await bench.layered() if name.endswith(".py")] == ["ink.py", "stamp.py"]


@pytest.mark.parametrize("name", ["uv.lock", "pylock.toml", "poetry.lock", "pdm.lock"])
async def test_a_broken_lock_is_named_with_its_line(bench: BundleBench, name: str) -> None:
    bench.write("pyproject.toml", PROJECT.format('"parcel"'))
    bench.write(name, "version = 1\n[[package]\n")
    with pytest.raises(SkykiteError) as raised:
        bench.layer()
    assert raised.value.code == "lock-invalid"
    assert f"{name}` is not valid TOML" in raised.value.message
    assert "line 2" in raised.value.message
    assert (raised.value.hint or "").startswith("run `")


async def test_a_lock_that_is_older_than_its_project_says_what_is_missing_and_the_remedy(bench: BundleBench) -> None:
    bench.write("pyproject.toml", PROJECT.format('"parcel"'))
    await bench.lock()
    bench.write("pyproject.toml", PROJECT.format('"stamp"'))
    with pytest.raises(SkykiteError) as raised:
        bench.layer()
    assert (raised.value.code, raised.value.hint) == ("lock-outdated", "run `uv lock`")
    assert raised.value.message.endswith("`stamp` is not in it, `parcel` is no longer asked for")


async def test_a_package_of_ones_own_that_asks_for_more_makes_the_workspaces_lock_old(bench: BundleBench) -> None:
    bench.write("pyproject.toml", '[tool.uv.workspace]\nmembers = ["core", "orders"]\n')
    member(bench, "core", "core", needs='"ink"')
    bench.write("orders/pyproject.toml", PROJECT.format('"core"') + "[tool.uv.sources]\ncore = {workspace = true}\n")
    await bench.lock()
    assert bench.layer(root="orders")
    member(bench, "core", "core", needs='"ink>=2", "stamp"')
    with pytest.raises(SkykiteError) as raised:
        bench.layer(root="orders")
    assert raised.value.code == "lock-outdated"
    assert raised.value.message == (
        f"`{bench.project / 'uv.lock'}` is older than `{bench.project / 'core' / 'pyproject.toml'}`: "
        "`stamp` is not in it, `ink` is 1.0 in it, and `>=2` is asked for"
    )


async def test_requirements_that_contradict_each_other_are_told_from_ones_that_are_not_there(
    bench: BundleBench,
) -> None:
    make_wheel(bench.wheels, "parcel", "2.0")
    make_wheel(bench.wheels, "needy", "1.0", requires=("parcel<2",))
    bench.write("requirements.txt", "needy\nparcel>=2\n")
    with pytest.raises(SkykiteError) as raised:
        await bench.build(bench.layer())
    assert raised.value.code == "packages-conflict"
    assert "needy" in (raised.value.context or "")


async def test_an_index_that_nobody_answers_leaves_nothing_half_made(bench: BundleBench) -> None:
    bench.write("requirements.txt", "parcel\nmissing\n")
    (bench.root / "uv.toml").write_text('[[index]]\nurl = "http://127.0.0.1:9/simple"\ndefault = true\n')
    bench.environment["UV_HTTP_RETRIES"] = "0"
    with pytest.raises(SkykiteError) as raised:
        await bench.build(bench.layer())
    assert raised.value.code == "registry-unreachable"
    assert not list((bench.root / "cache").rglob("*parcel*"))
    assert not list((bench.root / "cache" / "packages").iterdir())


async def test_a_package_with_compiled_parts_of_the_users_is_refused(bench: BundleBench) -> None:
    bench.write(
        "native/pyproject.toml",
        '[project]\nname = "native"\nversion = "1"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    )
    bench.write("native/backend.py", BACKEND)
    bench.write("requirements.txt", "./native\n")
    with pytest.raises(SkykiteError) as raised:
        await bench.build(bench.function())
    assert raised.value.code == "wheel-missing"
    assert "`native` of this project has compiled parts" in raised.value.message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_file_that_cannot_be_read_is_named(bench: BundleBench) -> None:
    bench.write("secret.txt", "x")
    (bench.project / "secret.txt").chmod(0)
    with pytest.raises(SkykiteError) as raised:
        bench.asset()
    assert raised.value.code == "source-unreadable"


async def test_a_project_in_the_home_directory_is_refused_before_all_of_it_is_read(
    bench: BundleBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(bench.project))
    monkeypatch.setenv("USERPROFILE", str(bench.project))
    with pytest.raises(SkykiteError) as raised:
        bench.asset()
    assert raised.value.code == "import-root-too-wide"


async def test_bytecode_is_for_the_runtime_and_the_same_wherever_it_is_made(bench: BundleBench) -> None:
    bench.write("requirements.txt", "parcel\n")
    runtime = f"python3.{sys.version_info.minor}"
    layer = bench.layer(runtime=runtime, bytecode=True)
    names = await bench.layered(layer)
    assert f"__pycache__/parcel.cpython-3{sys.version_info.minor}.pyc" in names
    first = bench.zip.read_bytes()
    other = BundleBench(bench.root / "elsewhere")
    other.environment["UV_FIND_LINKS"] = str(bench.wheels)
    other.write("requirements.txt", "parcel\n")
    await other.build(other.layer(runtime=runtime, bytecode=True))
    assert other.zip.read_bytes() == first

    bench.environment.update(PATH="/nowhere", UV_PYTHON_INSTALL_DIR="/nowhere", UV_PYTHON_PREFERENCE="only-managed")
    with pytest.raises(SkykiteError) as raised:
        await bench.build(bench.layer(runtime="python3.14", bytecode=True))
    assert raised.value.code == "bytecode-python-missing"


async def test_what_is_excluded_stays_out_and_changes_nothing(bench: BundleBench) -> None:
    for path in ("data/a.csv", "data/b.txt", "notebooks/deep/x.ipynb", "functions/y.csv"):
        bench.write(path, "1")
    exclude = ("*.csv", "notebooks")
    asset = bench.asset(exclude=exclude)
    assert await bench.users_files(asset) == ["data/b.txt", "functions/hello.py"]
    bench.write("data/a.csv", "2")
    assert bench.asset(exclude=exclude).key == asset.key


def run_python(folder: Path, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def digest_of(file: Path) -> str:
    import hashlib

    return hashlib.sha256(file.read_bytes()).hexdigest()


BACKEND = """\
import zipfile


def build_wheel(directory, settings=None, metadata=None):
    name = "native-1-py3-none-any.whl"
    with zipfile.ZipFile(f"{directory}/{name}", "w") as wheel:
        wheel.writestr("native.py", "")
        wheel.writestr("native-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: native\\nVersion: 1\\n")
        wheel.writestr("native-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\nTag: py3-none-any\\n")
        wheel.writestr("native-1.dist-info/RECORD", "")
    return name
"""
