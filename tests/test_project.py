"""The files around the package agree with each other."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ADDRESS = PROJECT["urls"]["Repository"]
NOTEBOOKS = sorted(path for path in (ROOT / "book").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
CONDA_NAMES = {"torch": "pytorch"}


def split(requirement: str) -> tuple[str, str]:
    found = re.match(r"([\w-]+)(.*)", requirement)
    assert found
    name, bound = found.groups()
    return CONDA_NAMES.get(name, name), bound.strip()


def test_environment_yml_gives_the_same_dependencies() -> None:
    extras = PROJECT["optional-dependencies"]
    wanted = dict(split(r) for r in [*PROJECT["dependencies"], *extras["book"], *extras["lab"], *extras["test"]])
    entries = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    (from_pip,) = (entry["pip"] for entry in entries if isinstance(entry, dict))
    assert from_pip[-1] == "-e ."  # pip takes no further option in such a line
    given = [e for e in entries if isinstance(e, str) and e != "pip"] + from_pip[:-1]
    given_dict = dict(map(split, given))
    assert given_dict.pop("python") == PROJECT["requires-python"]
    assert given_dict == wanted
    assert len(given) == len(given_dict) + 1


def test_no_upper_bound_on_what_colab_has_installed() -> None:
    for requirement in PROJECT["dependencies"]:
        assert re.fullmatch(r"[\w-]+>=[\d.]+", requirement), requirement


def test_every_asset_goes_into_the_wheel() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["paperlib"]
    packed = {path for pattern in patterns for path in (ROOT / "paperlib").glob(pattern) if path.is_file()}
    there = {path for path in (ROOT / "paperlib" / "assets").rglob("*") if path.is_file()}
    assert len(there) > 5
    assert packed == there | {ROOT / "paperlib" / "py.typed"}


def test_the_address_is_the_same_everywhere() -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    assert config["repository"]["url"] == ADDRESS
    for path in NOTEBOOKS:
        text = path.read_text(encoding="utf-8")
        assert ("raise ModuleNotFoundError(" in text) == ("/OWNER/" in ADDRESS), path  # the placeholder is nobody's yet
        assert text.count(f"git+{ADDRESS}@v") == ("/OWNER/" not in ADDRESS), path


def test_continuous_integration_runs_the_commands_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    workflows = "".join(p.read_text(encoding="utf-8") for p in (ROOT / ".github" / "workflows").glob("*.yml"))
    for command in ("python -m pip install nox", "python -m nox -s book", "python -m nox -s test"):
        assert f"\n{command}\n" in readme
        assert command in script
        assert command in workflows


def test_the_readme_works_where_it_is_read() -> None:
    """On PyPI a link into the repository must be absolute, and PowerShell 5.1 knows no `&&`."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]*)\)", readme)
    assert len(links) > 10
    for link in links:
        assert link.startswith(f"{ADDRESS}/blob/main/")
        assert (ROOT / link.removeprefix(f"{ADDRESS}/blob/main/")).exists(), link
    assert "&&" not in readme


def test_the_release_is_the_same_everywhere() -> None:
    version = re.search(r'__version__ = "(.+)"', (ROOT / "paperlib" / "version.py").read_text(encoding="utf-8"))
    assert version
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == version[1]
    dated = f"## [{version[1]}] - {citation['date-released']}"
    assert dated in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert citation["repository-code"] == ADDRESS


def test_actions_are_pinned_and_jobs_end() -> None:
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = path.read_text(encoding="utf-8")
        for action in re.findall(r"uses: (\S+)", text):
            assert re.fullmatch(r"[\w/.-]+@[0-9a-f]{40}", action), (path.name, action)
        jobs = yaml.safe_load(text)["jobs"]
        assert all(job["timeout-minutes"] <= 60 for job in jobs.values())


TEXTS = [
    path
    for pattern in ("*.md", "*.toml", "*.yml", "*.py", "book/**/*.md", "book/**/*.ipynb", "paperlib/**/*.py",
                    "tests/**/*.py", "tools/*.py", "bench/**/*.*", ".ci/*", "paperlib/assets/**/*.json")
    for path in sorted(ROOT.glob(pattern))
    if not {"_build", ".nox"} & set(path.parts)
]  # fmt: skip


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_file_holds_a_path_of_somebodys_machine(path: Path) -> None:
    folders = "|".join(["home", "root", "Users", "work", "mnt"])
    text = path.read_text(encoding="utf-8")
    assert not re.findall(rf"(?<![\w.\-/:])(?:/(?:{folders})/\S+|C:\\\\Users)", text)


@pytest.mark.parametrize(
    "path", [p for p in TEXTS if p.suffix in {".md", ".ipynb"}], ids=lambda p: p.relative_to(ROOT).as_posix()
)
def test_bold_before_a_particle_is_not_shown_as_asterisks(path: Path) -> None:
    """CommonMark does not close bold between a bracket and a letter: `**합성곱(convolution)**은` fails."""
    assert not re.findall(r"\*\*[^*\n]*[)\]」』”'\"]\*\*(?=[가-힣])", path.read_text(encoding="utf-8"))
