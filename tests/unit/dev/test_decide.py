from pathlib import Path

from skykite.dev.decide import Decision, Interests, decide, relative

ROOT = Path("/project")
STACK, HANDLER, SHARED, DOTENV = (ROOT / p for p in ("stacks/app.py", "functions/a.py", "shared.py", ".env"))
INTERESTS = Interests(infrastructure=frozenset({STACK, SHARED, DOTENV}), code=frozenset({HANDLER, SHARED}))


def test_a_stack_file_runs_the_stacks_again_and_leaves_functions_alone() -> None:
    assert decide({STACK}, INTERESTS) == Decision(infrastructure=frozenset({STACK}))


def test_a_handler_restarts_functions_and_not_the_stacks() -> None:
    assert decide({HANDLER}, INTERESTS) == Decision(code=frozenset({HANDLER}))


def test_a_module_used_by_stacks_and_functions_concerns_both() -> None:
    assert decide({SHARED}, INTERESTS) == Decision(infrastructure=frozenset({SHARED}), code=frozenset({SHARED}))


def test_a_new_python_file_is_offered_to_the_runtime() -> None:
    new = ROOT / "functions/b.py"
    assert decide({new}, INTERESTS) == Decision(code=frozenset({new}))


def test_a_file_nobody_reads_concerns_nobody() -> None:
    assert not decide({ROOT / "notes.txt"}, INTERESTS)


def test_the_watched_directories_are_those_of_the_files_that_were_read() -> None:
    assert INTERESTS.directories == {ROOT / "stacks", ROOT / "functions", ROOT}


def test_paths_are_told_relative_to_the_project_and_sorted() -> None:
    assert relative([STACK, HANDLER, Path("/elsewhere/x.py")], ROOT) == (
        "/elsewhere/x.py",
        "functions/a.py",
        "stacks/app.py",
    )


def test_what_is_installed_or_listed_is_no_saved_code() -> None:
    interests = Interests(
        infrastructure=frozenset(),
        code=frozenset(),
        packages=frozenset({Path("/p/uv.lock"), Path("/p/.venv")}),
        installed=frozenset({Path("/p/.venv/site-packages")}),
    )
    assert {Path("/p"), Path("/p/.venv/site-packages")} <= interests.directories
    for path in ("/p/uv.lock", "/p/.venv", "/p/.venv/site-packages/six.py", "/p/.venv/site-packages/a-1.dist-info"):
        assert decide({Path(path)}, interests) == Decision(packages=True)
    assert decide({Path("/p/other.txt")}, interests) == Decision()
