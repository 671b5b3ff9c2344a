"""An environment that is not what would be deployed, as a session tells of it. Locks are written by hand, as the tools
write them, but for where packages come from."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kit.runtime import function_config
from skykite.dev.environments import find_python
from skykite.dev.interpreter import Interpreter
from skykite.dev.packages import PackageCheck
from skykite.model.events import Event, Notice
from skykite.model.manifest import FunctionEntry, LayerEntry, Manifest, PackageOptions
from skykite.model.names import AppName, FunctionId, LogicalId, StackName, StageName
from skykite.runtime import Observed, WorkerError

VARIABLES = {"python_version": "3.12", "python_full_version": "3.12.1", "sys_platform": "linux"}
UV_LOCK = """
version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "backend"
version = "0"
source = { virtual = "." }
dependencies = [
    { name = "alpha" },
    { name = "colour", marker = "sys_platform == 'win32'" },
    { name = "shared" },
    { name = "skykite" },
]

[package.dev-dependencies]
dev = [{ name = "devtool" }]
jobs = [{ name = "jobtool" }]

[package.optional-dependencies]
web = [{ name = "webtool" }]

[package.metadata]
requires-dist = [{ name = "alpha" }, { name = "colour" }, { name = "shared" }, { name = "skykite" }]

[[package]]
name = "alpha"
version = "1.0"
dependencies = [{ name = "beta", extra = ["fast"] }]

[[package]]
name = "beta"
version = "2.0"
dependencies = [{ name = "old", marker = "python_version < '3.9'" }]

[package.optional-dependencies]
fast = [{ name = "speed" }]

[[package]]
name = "speed"
version = "3.0"

[[package]]
name = "old"
version = "1"

[[package]]
name = "colour"
version = "1"

[[package]]
name = "skykite"
version = "1"

[[package]]
name = "shared"
version = "0"
source = { editable = "../shared" }

[[package]]
name = "devtool"
version = "1"

[[package]]
name = "jobtool"
version = "5"

[[package]]
name = "webtool"
version = "6"
"""
PYPROJECT = """
[project]
name = "backend"
version = "0"
dependencies = ["alpha", "colour; sys_platform == 'win32'", "shared", "skykite"]

[project.optional-dependencies]
web = ["webtool"]

[dependency-groups]
dev = ["devtool"]
jobs = ["jobtool"]
"""


@dataclass
class Told:
    """An EventSink that can be waited for."""

    notices: list[Notice] = field(default_factory=list)
    all: list[Notice] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def emit(self, event: Event) -> None:
        assert isinstance(event, Notice)
        self.notices.append(event)
        self.all.append(event)
        self._news.set()

    async def wait(self, name: str) -> Notice:
        """The next one of that name; those before are forgotten."""
        async with asyncio.timeout(10):
            while True:
                while self.notices:
                    if (notice := self.notices.pop(0)).notice == name:
                        return notice
                self._news.clear()
                await self._news.wait()


@dataclass
class Project:
    root: Path
    told: Told = field(default_factory=Told)

    @property
    def site(self) -> Path:
        return self.root / ".venv" / "lib" / "python3.12" / "site-packages"

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def install(self, name: str, version: str, *modules: str, requires: tuple[str, ...] = ()) -> None:
        for other in self.site.glob(f"{name}-*.dist-info"):
            for file in other.iterdir():
                file.unlink()
            other.rmdir()
        info = self.site / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        lines = "".join(f"Requires-Dist: {one}\n" for one in requires)
        (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{lines}\ntext\n")
        (info / "RECORD").write_text("".join(f"{one},sha256=x,1\n" for one in modules) + f"{info.name}/RECORD,,\n")

    def function(
        self, id: str = "Api/Get", *, root: str = ".", layers: bool = False, options: PackageOptions | None = None
    ) -> FunctionEntry:
        return FunctionEntry(
            id=FunctionId(id),
            stack=StackName("s"),
            logical_id=LogicalId(id.replace("/", "")),
            runtime="python3.12",
            memory_mb=128,
            timeout_s=3,
            architecture="arm64",
            live=True,
            handler="functions/get.handler",
            import_root=root,
            layers=(LayerEntry(name="arn:aws:lambda:eu-west-1:1:layer:tools:1"),) if layers else (),
            packages=options or PackageOptions(),
        )

    @asynccontextmanager
    async def checked(self, *functions: FunctionEntry) -> AsyncIterator[PackageCheck]:
        """A check that runs, of these functions or one."""
        check = PackageCheck(
            project_root=self.root,
            found=find_python(self.root, {"HOME": str(self.root)}),
            given=None,
            environment={"HOME": str(self.root)},
            events=self.told,
        )
        check.learn(Interpreter(runtime="python3.12", folders=(str(self.site),), variables=VARIABLES))
        running = asyncio.create_task(check.run())
        check.expect(
            Manifest(
                version=1,
                app=AppName("notes"),
                stage=StageName("alice"),
                region="eu-west-1",
                mode="local",
                stacks=(),
                functions=functions or (self.function(),),
            )
        )
        try:
            yield check
        finally:
            running.cancel()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    made.site.mkdir(parents=True)
    (made.root / ".git").mkdir()
    (made.root / ".venv" / "bin").mkdir()
    (made.root / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return made


def load(check: PackageCheck, project: Project, file: Path, *modules: str, function: str = "Api/Get") -> None:
    """What a worker reports that has loaded the file and these installed modules."""
    config = function_config(project.root, "functions/get.handler", id=FunctionId(function))
    check.observed(config, Observed(files=[(str(file), None, None)], modules=list(modules)))


@pytest.mark.parametrize("folder", [".", "backend"])
async def test_what_differs_is_told_until_it_is_installed_and_again_when_it_comes_back(
    project: Project, folder: str
) -> None:
    (project.root.parent / "shared").mkdir()
    (project.root / "shared").mkdir()
    project.write(f"{folder}/uv.lock", UV_LOCK)
    project.write(f"{folder}/pyproject.toml", PYPROJECT)
    project.install("alpha", "1.0.0")
    project.install("beta", "1.9")
    project.install("shared", "7")
    async with project.checked(project.function(root=folder)) as check:
        notice = await project.told.wait("packages-differ")
        lock = "uv.lock" if folder == "." else "backend/uv.lock"
        assert notice.message == (
            f"`.venv` is not what `{lock}` would deploy: `beta` is 1.9 instead of 2.0 and `speed` is not installed"
        )
        assert notice.hint == ("run `uv sync`" if folder == "." else "run `cd backend && uv sync`")
        project.install("beta", "2.0")
        project.install("speed", "3.0")
        check.changed()
        await project.told.wait("packages-agree")
        project.write(f"{folder}/uv.lock", UV_LOCK.replace('version = "3.0"', 'version = "3.1"'))
        check.changed()
        assert "`speed` is 3.0 instead of 3.1" in (await project.told.wait("packages-differ")).message
        check.changed()
        project.write(f"{folder}/uv.lock", UV_LOCK)
        await project.told.wait("packages-agree")


async def test_what_goes_on_differing_is_told_once(project: Project) -> None:
    project.write("requirements.txt", "alpha==1\n")
    project.install("tool", "1", "tool/__init__.py")
    file = project.write("functions/get.py", "import tool\n")
    async with project.checked() as check:
        await project.told.wait("packages-differ")
        load(check, project, file, "tool")
        await project.told.wait("package-undeployed")
        project.write("functions/get.py", "import tool\n\n")
        project.install("alpha", "1")
        check.changed()
        await project.told.wait("packages-agree")
    assert [one.notice for one in project.told.all] == ["packages-differ", "package-undeployed", "packages-agree"]


async def test_extras_and_groups_that_functions_get_are_compared_too(project: Project) -> None:
    (project.root.parent / "shared").mkdir()
    project.write("uv.lock", UV_LOCK)
    project.write("pyproject.toml", PYPROJECT)
    for name, version in (("alpha", "1.0"), ("beta", "2.0"), ("speed", "3.0"), ("shared", "0")):
        project.install(name, version)
    options = PackageOptions(extras=("web",), groups=("jobs",))
    async with project.checked(project.function(options=options)):
        notice = await project.told.wait("packages-differ")
    assert "`jobtool` is not installed and `webtool` is not installed" in notice.message
    assert notice.hint == "run `uv sync --extra web --group jobs`"


POETRY = """
[[package]]
name = "alpha"
version = "1.0"
optional = false
groups = ["main"]
files = []

[[package]]
name = "beta"
version = "2.0"
groups = ["dev"]
files = []

[[package]]
name = "gamma"
version = "3.0"
groups = ["main", "dev"]
markers = {main = "python_version < '3.9'", dev = "python_version >= '3.9'"}
files = []
"""
PDM = """
[[package]]
name = "alpha"
version = "1.0"
groups = ["default"]

[[package]]
name = "beta"
version = "2.0"
groups = ["dev"]

[[package]]
name = "gamma"
version = "3.0"
groups = ["default"]
marker = "python_version < '3.9'"
"""
PYLOCK = """
lock-version = "1.0"

[[packages]]
name = "alpha"
version = "1.0"

[[packages]]
name = "gamma"
version = "3.0"
marker = "python_version < '3.9'"
"""
REQUIREMENTS = """
alpha == 1.0  # pinned
gamma==3.0; python_version < '3.9'
"""


@pytest.mark.parametrize(
    ("name", "text", "remedy"),
    [
        ("poetry.lock", POETRY, "poetry install"),
        ("pdm.lock", PDM, "pdm install"),
        ("pylock.toml", PYLOCK, "uv pip install -r pylock.toml"),
        ("requirements.txt", REQUIREMENTS, "pip install -r requirements.txt"),
    ],
)
async def test_every_kind_of_lock_is_compared_as_far_as_it_concerns_this_python(
    project: Project, name: str, text: str, remedy: str
) -> None:
    project.write(name, text)
    if name in ("poetry.lock", "pdm.lock"):
        project.write("pyproject.toml", '[project]\nname = "x"\nversion = "0"\ndependencies = ["alpha"]\n')
    project.install("alpha", "0.9")
    async with project.checked():
        notice = await project.told.wait("packages-differ")
    assert notice.message == f"`.venv` is not what `{name}` would deploy: `alpha` is 0.9 instead of 1.0"
    assert notice.hint == f"run `{remedy}`"


async def test_import_roots_have_locks_of_their_own(project: Project) -> None:
    for folder in ("a", "b"):
        project.write(f"{folder}/requirements.txt", f"only-{folder}==1\n")
    async with project.checked(project.function("A", root="a"), project.function("B", root="b")):
        first, second = await project.told.wait("packages-differ"), await project.told.wait("packages-differ")
    assert "`a/requirements.txt` would deploy: `only-a` is not installed" in first.message
    assert "`b/requirements.txt` would deploy: `only-b` is not installed" in second.message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[[package]\n", "lock-invalid"),
        ('[[package]]\nname = "x"\nsource = 1\n', "lock-invalid"),
        ('[[package]]\nname = "other"\nsource = { virtual = "elsewhere" }\n', "lock-outdated"),
    ],
)
async def test_a_lock_that_is_of_no_use_is_told_and_ends_nothing(project: Project, text: str, code: str) -> None:
    project.write("pyproject.toml", PYPROJECT)
    project.write("uv.lock", text)
    (project.root.parent / "shared").mkdir()
    async with project.checked() as check:
        assert "uv.lock" in (await project.told.wait(code)).message
        project.write("uv.lock", UV_LOCK)
        check.changed()
        await project.told.wait("packages-differ")


async def test_a_package_for_development_that_a_function_imports_is_pointed_out(project: Project) -> None:
    (project.root.parent / "shared").mkdir()
    project.write("uv.lock", UV_LOCK)
    project.write("pyproject.toml", PYPROJECT)
    for name, version in (("alpha", "1.0"), ("beta", "2.0"), ("speed", "3.0"), ("shared", "0")):
        project.install(name, version, f"{name}/__init__.py")
    project.install("devtool", "1", "dev_tool/__init__.py", "dev_tool/part.py")
    project.install("boto3", "1", "boto3/__init__.py")
    project.write("functions/own.py", "")
    code = "import boto3, json, alpha\nfrom functions import own\nfrom dev_tool import part\n"
    file = project.write("functions/get.py", code)
    async with project.checked() as check:
        load(check, project, file, "boto3", "alpha", "dev_tool.part", "json")
        notice = await project.told.wait("package-undeployed")
        assert notice.message == (
            "`devtool` works here and would be missing on AWS: `functions/get.py:3` imports `dev_tool`, and `uv.lock` "
            "does not deploy it"
        )
        assert notice.hint == "`uv add devtool`"
        assert project.told.notices == []


async def test_what_an_unpinned_package_needs_is_deployed_with_it(project: Project) -> None:
    project.write("requirements.txt", "alpha>=1\n")
    project.install("alpha", "1.0", "alpha/__init__.py", requires=("beta>=2", "gamma; python_version < '3.9'"))
    project.install("beta", "2.0", "beta/__init__.py")
    project.install("gamma", "2.0", "gamma/__init__.py")
    file = project.write("functions/get.py", "import alpha\nimport beta\nimport gamma\n")
    async with project.checked() as check:
        load(check, project, file, "alpha", "beta", "gamma")
        notice = await project.told.wait("package-undeployed")
        assert notice.message.startswith("`gamma` works here")
        assert notice.hint == "add it to `requirements.txt`"
        assert project.told.notices == []


async def test_packages_that_share_a_namespace_are_told_apart(project: Project) -> None:
    project.write("requirements.txt", "google-cloud-storage==1\n")
    project.install("google_cloud_storage", "1", "google/cloud/storage/__init__.py")
    project.install("google_cloud_bigquery", "1", "google/cloud/bigquery/__init__.py")
    file = project.write("functions/get.py", "from google.cloud import storage\nfrom google.cloud import bigquery\n")
    async with project.checked() as check:
        load(check, project, file, "google.cloud.storage", "google.cloud.bigquery")
        notice = await project.told.wait("package-undeployed")
        assert "`google-cloud-bigquery`" in notice.message
        assert "`functions/get.py:2`" in notice.message
        assert project.told.notices == []


async def test_a_layer_of_the_users_may_bring_packages(project: Project) -> None:
    project.install("powertools", "1", "powertools/__init__.py")
    file = project.write("functions/get.py", "import powertools\n")
    layered, bare = project.function("Layered", layers=True), project.function("Bare")
    async with project.checked(layered, bare) as check:
        load(check, project, file, "powertools", function="Layered")
        project.install("other", "1", "other/__init__.py")
        second = project.write("functions/other.py", "import other\n")
        load(check, project, second, "other", function="Bare")
        notice = await project.told.wait("package-undeployed")
        assert notice.message.endswith("`functions/other.py:1` imports `other`, and nothing lists it for functions")
        assert project.told.notices == []


@pytest.mark.parametrize(
    ("module", "hint"),
    [
        ("alpha.part", "`alpha` is in `uv.lock` but not installed in `.venv`: run `uv sync`"),
        (
            "yaml",
            (
                "`pyyaml` is neither installed in `.venv` nor in `uv.lock`, so that it would fail on AWS, too: "
                "`uv add pyyaml`"
            ),
        ),
        ("functions", None),
        ("helpers.inner", None),
    ],
)
async def test_a_module_that_is_not_found_is_explained(project: Project, module: str, hint: str | None) -> None:
    (project.root.parent / "shared").mkdir()
    project.write("uv.lock", UV_LOCK)
    project.write("pyproject.toml", PYPROJECT)
    project.write("helpers/__init__.py", "")
    config = function_config(project.root, "functions/get.handler", id=FunctionId("Api/Get"))
    async with project.checked() as check:
        text = f"Unable to import module 'functions/get': No module named '{module}'"
        assert check.explain(config, WorkerError(type="Runtime.ImportModuleError", message=text)) == hint
        late = WorkerError(type="ModuleNotFoundError", message=f"No module named '{module}'")
        assert check.explain(config, late) == hint
        assert check.explain(config, WorkerError(type="ValueError", message=text)) is None


async def test_an_environment_that_is_made_while_functions_run_on_another_is_told(project: Project) -> None:
    (project.root / ".venv" / "bin" / "python").unlink()
    async with project.checked() as check:
        assert project.root / ".venv" in check.files
        (project.root / ".venv" / "bin" / "python").symlink_to(sys.executable)
        check.changed()
        notice = await project.told.wait("environment-changed")
    assert notice.message == (
        f"functions still run on `{sys.executable}`; the project now has another: `.venv` of the project"
    )


async def test_what_lists_and_what_has_the_packages_is_watched(project: Project) -> None:
    lock = project.write("uv.lock", UV_LOCK)
    pyproject = project.write("pyproject.toml", PYPROJECT)
    async with project.checked() as check:
        assert {lock, pyproject} <= check.files
        assert check.folders == {project.site}
