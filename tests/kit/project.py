"""Projects on disk."""

from __future__ import annotations

from pathlib import Path

from skykite.model.project import Project, parse_project


def make_project(root: Path, *, name: str = "notes") -> Project:
    """A folder with nothing but a kite.toml."""
    root.mkdir(parents=True, exist_ok=True)
    text = f'name = "{name}"\n'
    (root / "kite.toml").write_text(text)
    return parse_project(text, root)
