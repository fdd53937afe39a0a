"""Every task of the project: `python -m nox -s NAME`; `python -m nox -l` lists them."""

import json
import os
import re
import sys
import time
import tomllib
from pathlib import Path

import nox

nox.options.sessions = ["check", "book", "test"]
nox.options.reuse_existing_virtualenvs = True

ROOT = Path(__file__).parent
TORCH = ROOT / ".nox" / "torch"  # one environment for all sessions that need torch: it is large
COLAB = ("torch", "torchvision", "numpy", "matplotlib", "ipywidgets", "accelerate", "safetensors", "tqdm")  # is there
NOTEBOOKS = [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("book/**/*.ipynb")) if ".ipynb_" not in str(path)]


def torch_python(session: nox.Session) -> str:
    """The interpreter of the shared environment, made and brought up to date."""
    python = TORCH / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        session.run(sys.executable, "-m", "venv", str(TORCH), external=True)
    session.run(str(python), "-m", "pip", "install", "--quiet", "-e", ".[lab,test,dev]", external=True)
    return str(python)


def package_version() -> str:
    """The version that paperlib/version.py states."""
    text = (ROOT / "paperlib" / "version.py").read_text(encoding="utf-8")
    return re.findall(r'__version__ = "(.+)"', text)[0]


@nox.session
def book(session: nox.Session) -> None:
    """Build the book into _build/html from the stored outputs; a warning is an error."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    session.install(*project["optional-dependencies"]["book"])  # the package itself, and torch, are not needed
    session.run("jupyter-book", "build", ".", "--all", "-n", "-W", "--keep-going")


@nox.session(venv_backend="none")
def test(session: nox.Session) -> None:
    """Run all tests, every notebook included. `-- ARGS` goes to pytest in place of both runs."""
    python = torch_python(session)
    runs = [session.posargs] if session.posargs else [["-n", "2", "--dist", "worksteal"], ["--nbval", "book"]]
    for arguments in runs:
        session.run(python, "-m", "pytest", *arguments, external=True)


@nox.session(venv_backend="none")
def check(session: nox.Session) -> None:
    """Lint, formatting and types."""
    python = torch_python(session)
    session.run(python, "-m", "ruff", "check", ".", external=True)
    session.run(python, "-m", "ruff", "format", "--check", ".", external=True)
    session.run(python, "-m", "mypy", external=True)


@nox.session(venv_backend="none")
def notebooks(session: nox.Session) -> None:
    """Run notebooks top to bottom and store their outputs: all, or those named after `--`."""
    python = torch_python(session)
    for path in session.posargs or NOTEBOOKS:
        session.run(python, "tools/run_notebook.py", path, external=True)


@nox.session(venv_backend="none")
def guests(session: nox.Session) -> None:
    """Write the notebooks for Colab and Kaggle into _build/notebooks; `-- --run` runs them all there as well."""
    folder = ROOT / "_build" / "notebooks"
    session.run(sys.executable, "tools/guests.py", str(folder), external=True)
    if "--run" in session.posargs:
        session.run(torch_python(session), "-m", "pytest", "--nbval", str(folder), external=True)


@nox.session(venv_backend="none")
def lab(session: nox.Session) -> None:
    """Open the book in JupyterLab."""
    python = torch_python(session)
    session.run(python, "-m", "jupyter", "lab", "book", *session.posargs, external=True)


@nox.session(venv_backend="none")
def bench(session: nox.Session) -> None:
    """Run a benchmark: nox -s bench -- training --rounds 3. Without arguments: what there is."""
    python = torch_python(session)
    name, *arguments = session.posargs or [""]
    path = ROOT / "bench" / f"{name}.py"
    if not path.exists():
        scripts = [p.stem for p in path.parent.glob("*.py") if "def main(" in p.read_text(encoding="utf-8")]
        session.error("name one: " + ", ".join(sorted(scripts)))
    session.run(python, str(path), *arguments, external=True)


@nox.session(venv_backend="none")
def soak(session: nox.Session) -> None:
    """A tiny run killed, stopped, cut short, flipped and doubled at random, for two minutes."""
    python = torch_python(session)
    record = str(Path(session.create_tmp()) / "soak.json")
    session.run(python, "bench/soak.py", "--seconds", "120", "--out", record, *session.posargs, external=True)


@nox.session(python="3.12", reuse_venv=False)
def colab(session: nox.Session) -> None:
    """What the first cell does on Colab: install the package beside what is there, timed; then train an epoch of it."""
    session.install(*COLAB)
    place = Path(session.create_tmp())
    session.run("python", "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(place / "wheels"), str(ROOT))  # downloads
    session.chdir(place)  # where the package is not, but for the installed one
    seconds = {}
    wheels = ["--no-index", "--find-links", "wheels", "paperlib-cnn"]
    for name, command in {
        "install": ["python", "-m", "pip", "install", "--quiet", *wheels],
        "paperlib list": ["paperlib", "list"],
        "one epoch of vgg-mini": ["paperlib", "train", "vgg-mini", "--epochs", "1", "--out", "run"],
    }.items():
        start = time.perf_counter()
        session.run(*command)
        seconds[name] = round(time.perf_counter() - start, 1)
    freeze = str(session.run("python", "-m", "pip", "list", "--format", "freeze", silent=True)).split()
    versions = dict(line.split("==") for line in freeze if line.partition("==")[0] in COLAB)
    found = {"python": session.python, "there before": versions, "seconds": seconds}
    (ROOT / "bench" / "results" / "colab.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


@nox.session(venv_backend="none")
def release(session: nox.Session) -> None:
    """Build wheel and sdist into dist/, check them, and train an epoch with the wheel in an empty environment.

    `-- v0.2.0` refuses another version than that of the tag.
    """
    import shutil
    import tempfile

    version = package_version()
    if session.posargs and session.posargs != [f"v{version}"]:
        session.error(f"the tag is {session.posargs[0]}, paperlib/version.py says {version}")
    if f"## [{version}]" not in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"):
        session.error(f"CHANGELOG.md has no section for {version}")
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    with tempfile.TemporaryDirectory() as place:
        for name in ("tools", "empty"):
            session.run(sys.executable, "-m", "venv", f"{place}/{name}", external=True)
        folder = "Scripts" if os.name == "nt" else "bin"
        tools, empty = (f"{place}/{name}/{folder}/python" for name in ("tools", "empty"))
        session.run(tools, "-m", "pip", "install", "--quiet", "build", "twine", external=True)
        session.run(tools, "-m", "build", "--outdir", "dist", external=True)
        packages = sorted(str(path) for path in (ROOT / "dist").iterdir())
        session.run(tools, "-m", "twine", "check", "--strict", *packages, external=True)
        (wheel,) = (path for path in packages if path.endswith(".whl"))
        session.run(empty, "-m", "pip", "install", "--quiet", wheel, external=True)
        session.chdir(place)  # where the package is not, but for the installed one
        session.run(empty, "-m", "paperlib", "list", external=True)
        session.run(empty, "-m", "paperlib", "train", "vgg-mini", "--epochs", "1", "--out", "run", external=True)


@nox.session(python="3.11", venv_backend="venv")
def lowest(session: nox.Session) -> None:
    """Run the tests with the lowest versions that pyproject.toml allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lower = {r.split(">=")[0]: r.split(">=")[1] for r in [*project["dependencies"], *extras["test"]] if ">=" in r}
    session.install("-e", ".[test]", *(f"{name}=={version}" for name, version in lower.items()))
    session.run("python", "-m", "pytest", *(session.posargs or ["-n", "2", "--dist", "worksteal"]))


@nox.session
def links(session: nox.Session) -> None:
    """Ask every address that the book names whether it answers. Needs the internet."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    session.install(*project["optional-dependencies"]["book"])
    session.run("jupyter-book", "build", ".", "--all", "--builder", "linkcheck")


@nox.session
def browser(session: nox.Session) -> None:
    """Open every built page in Chromium, 1280 and 390 px wide, light and dark. Needs `nox -s book` first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    session.install(*project["optional-dependencies"]["browser"])
    tests = ["tests/test_pages.py", "tests/test_explorers.py"]
    session.run("python", "-m", "pytest", "--noconftest", *tests, *session.posargs)  # conftest has torch


MISSING = (
    '    raise ModuleNotFoundError("paperlib이 없다. 저장소를 받은 폴더에서 python -m pip install -e . 를 실행한다")'
)
INSTALL = '    %pip install -q "paperlib-cnn @ git+{address}@v{version}"'


@nox.session(venv_backend="none")
def address(session: nox.Session) -> None:
    """Set the repository's public address everywhere: nox -s address -- https://github.com/NAME/REPOSITORY

    Until then the first cell of a notebook installs nothing: the account of the placeholder could be anybody's.
    """
    new = " ".join(session.posargs)
    if not re.fullmatch(r"https://[\w.-]+/[\w.-]+/[\w.-]+", new):
        session.error(f"give an address after --, like https://github.com/NAME/REPOSITORY, not {new!r}")
    old = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
    tracked = session.run("git", "ls-files", silent=True, external=True)
    for name in str(tracked).splitlines():
        path = ROOT / name
        if path.suffix in {".cff", ".toml", ".yml", ".ipynb", ".md"}:
            text = path.read_text(encoding="utf-8")
            changed = text.replace(old, new)
            if path.suffix == ".ipynb":
                install = INSTALL.format(address=new, version=package_version())
                before, after = (json.dumps(line, ensure_ascii=False)[1:-1] for line in (MISSING, install))
                changed = changed.replace(before, after)
            if changed != text:
                path.write_text(changed, encoding="utf-8")
                session.log(f"{name}: {old} -> {new}")
