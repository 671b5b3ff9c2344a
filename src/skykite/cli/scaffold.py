"""What `kite init` writes: a template with the project's name and region filled in.

In: where, which template, the environment. Out: `ProjectPlan`, then files. I/O: reads the templates, which are part of
the package; `write_project` writes the files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from skykite.errors import SkykiteError
from skykite.model.names import AppName, parse_app_name

TEMPLATES: Final = ("hello", "api", "pubsub", "orders", "streams", "uploads", "cron", "typescript")
_DIRECTORY: Final = Path(__file__).parent.parent / "templates"
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPlan:
    """`files` maps paths relative to `root` to their content."""

    root: Path
    name: AppName
    files: dict[str, str]
    next_steps: tuple[str, str]


def plan_project(base: Path, directory: str, *, template: str, environment: Mapping[str, str]) -> ProjectPlan:
    """Refuses, naming what is in the way, if a file of the template is there already."""
    root = (base / directory).resolve()
    name = _app_name(root.name)
    files = render_template(template, name=name, region=_region(environment))
    _refuse_to_overwrite(root, files)
    if root == base.resolve():
        steps = ("kite dev --local", "curl $(kite outputs ApiEndpoint)")
    else:
        steps = (f"cd {_quoted(directory)}", "kite dev --local")
    return ProjectPlan(root=root, name=name, files=files, next_steps=steps)


def render_template(template: str, *, name: AppName, region: str) -> dict[str, str]:
    """Every file of a template by its relative path, in order, with `{{ name }}` and `{{ region }}` filled in."""
    folder = _DIRECTORY / template
    return {
        file.relative_to(folder).as_posix(): _filled(file.read_text(encoding="utf-8"), name=name, region=region)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts and ".pytest_cache" not in file.parts
    }


def write_project(plan: ProjectPlan) -> None:
    """Each file is created, never opened over another."""
    written = ""
    try:
        for written, text in plan.files.items():
            file = plan.root / written
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
    except FileExistsError as error:
        raise _in_the_way([written]) from error
    except OSError as error:
        raise SkykiteError(
            "project-read-only",
            f"`{plan.root / written}` cannot be written: {error.strerror}",
            hint="make the folder writable, or choose another one",
        ) from error


def _filled(text: str, *, name: AppName, region: str) -> str:
    return text.replace("{{ name }}", name).replace("{{ region }}", region)


def _app_name(folder: str) -> AppName:
    """What people call folders, made into what CloudFormation takes."""
    cleaned = re.sub(r"[^A-Za-z0-9]+", "-", folder).strip("-")
    cleaned = re.sub(r"^[^A-Za-z]+", "", cleaned)[:64].rstrip("-")
    return parse_app_name(cleaned or folder, source="the folder's name")


def _region(environment: Mapping[str, str]) -> str:
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        value = environment.get(variable, "")
        if _REGION.fullmatch(value):
            return value
    return "us-east-1"


def _refuse_to_overwrite(root: Path, files: Mapping[str, str]) -> None:
    existing = [name for name in files if (root / name).exists() or (root / name).is_symlink()]
    blocking = {
        parent.relative_to(root).as_posix() if parent != root else root.name
        for name in files
        for parent in (root / name).parents
        if parent.is_relative_to(root) and parent.exists() and not parent.is_dir()
    }
    if existing or blocking:
        raise _in_the_way([*existing, *sorted(blocking)])


def _in_the_way(names: list[str]) -> SkykiteError:
    shown = ", ".join(f"`{name}`" for name in names[:5])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    verb = "is" if len(names) == 1 else "are"
    return SkykiteError(
        "project-exists",
        f"{shown}{more} {verb} there already, and nothing is overwritten",
        hint="choose another folder, or move what is in the way",
    )


def _quoted(directory: str) -> str:
    return f'"{directory}"' if re.search(r"\s", directory) else directory
