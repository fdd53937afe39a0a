"""Run notebooks top to bottom in a fresh kernel and store their outputs.

    python tools/run_notebook.py book/vgg/architecture.ipynb
    python tools/run_notebook.py --clean book/vgg/architecture.ipynb

With --clean nothing runs: only what JupyterLab leaves behind goes (times of execution, the name of the kernel, widgets
of finished progress bars), so that a difference shows what was changed and measured.
"""

import argparse
from pathlib import Path

import nbformat

WIDGET = "application/vnd.jupyter.widget-view+json"
CELL_METADATA = ("tags", "jupyter", "mystnb")  # what the book, nbval or JupyterLab reads
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}


def shows_without_a_kernel(data: dict[str, str]) -> bool:
    """Take the live widget out of an output's data; whether something to see is left (no progress bar that is over)."""
    return data.pop(WIDGET, None) is None or "text/html" in data


def clean(notebook: nbformat.NotebookNode) -> None:
    """Leave the cells, their outputs and the metadata that somebody reads; number the code cells from 1 on."""
    notebook.metadata = KERNEL
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in notebook.cells:
        cell.metadata = {key: value for key, value in cell.metadata.items() if key in CELL_METADATA}
    for number, cell in enumerate(code, start=1):
        cell.outputs = [o for o in cell.outputs if shows_without_a_kernel(o.get("data", {}))]
        if cell.execution_count is not None:
            cell.execution_count = number
            for output in cell.outputs:
                if "execution_count" in output:
                    output["execution_count"] = number


def run(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run all cells, with `folder` as the working directory, as JupyterLab does."""
    from nbclient import NotebookClient

    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": folder}},
    )
    client.execute()


def main() -> None:
    """Run and clean the notebooks named on the command line, or clean them only."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", type=Path, nargs="+")
    parser.add_argument("--clean", action="store_true", help="run nothing")
    arguments = parser.parse_args()
    for path in arguments.notebooks:
        notebook = nbformat.read(path, as_version=4)
        if not arguments.clean:
            run(notebook, path.parent)
        clean(notebook)
        nbformat.write(notebook, path)
        print(f"{path}: {sum(cell.cell_type == 'code' for cell in notebook.cells)} code cells")


if __name__ == "__main__":
    main()
