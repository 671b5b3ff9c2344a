from __future__ import annotations

from pathlib import Path

from skykite.cloud.registry import uv_environment


def _configured(tmp_path: Path, text: str) -> dict[str, str]:
    file = tmp_path / "pip.conf"
    file.write_text(text)
    return {"PIP_CONFIG_FILE": str(file), "PATH": "/bin"}


def test_pips_mirror_is_used_by_uv(tmp_path: Path) -> None:
    environment = _configured(tmp_path, "[global]\nindex-url = http://mirror.example/simple\n")

    assert uv_environment(environment)["UV_DEFAULT_INDEX"] == "http://mirror.example/simple"


def test_all_of_pips_indexes_are_searched_alike(tmp_path: Path) -> None:
    environment = _configured(tmp_path, "[global]\nextra-index-url =\n  http://a.example\n  http://b.example\n")

    translated = uv_environment(environment)

    assert translated["UV_INDEX"] == "http://a.example http://b.example"
    assert translated["UV_INDEX_STRATEGY"] == "unsafe-best-match"


def test_pips_variables_win_over_its_files(tmp_path: Path) -> None:
    environment = _configured(tmp_path, "[global]\nindex-url = http://file.example\n")

    translated = uv_environment({**environment, "PIP_INDEX_URL": "http://variable.example"})

    assert translated["UV_DEFAULT_INDEX"] == "http://variable.example"


def test_what_is_set_for_uv_wins_over_pip(tmp_path: Path) -> None:
    environment = _configured(tmp_path, "[global]\nindex-url = http://pip.example\n")

    translated = uv_environment({**environment, "UV_INDEX_URL": "http://uv.example"})

    assert "UV_DEFAULT_INDEX" not in translated
    assert translated["UV_INDEX_URL"] == "http://uv.example"


def test_a_broken_file_of_pip_is_no_obstacle(tmp_path: Path) -> None:
    environment = _configured(tmp_path, "this is not a section")

    assert uv_environment(environment)["PATH"] == "/bin"


def test_the_projects_virtual_environment_does_not_leak_into_uv() -> None:
    assert "VIRTUAL_ENV" not in uv_environment({"VIRTUAL_ENV": "/somewhere", "PIP_CONFIG_FILE": "/dev/null"})
