"""Run a notebook top to bottom in a fresh kernel and store its outputs.

python tools/run_notebook.py book/vgg/architecture.ipynb
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

WIDGET = "application/vnd.jupyter.widget-view+json"
KEPT = ("tags", "jupyter", "mystnb", "editable")  # metadata that the book or JupyterLab reads


def shows_without_a_kernel(data: dict[str, str]) -> bool:
    """Take the live widget out of an output's data; whether something to see is left (no progress bar that is over)."""
    return data.pop(WIDGET, None) is None or "text/html" in data


def main(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": path.parent}},
    )
    client.execute()
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python", "pygments_lexer": "ipython3"},
    }
    for cell in notebook.cells:
        cell.metadata = {key: value for key, value in cell.metadata.items() if key in KEPT}
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if shows_without_a_kernel(o.get("data", {}))]
    nbformat.write(notebook, path)
    print(f"{path}: {sum(cell.cell_type == 'code' for cell in notebook.cells)} code cells run")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        main(Path(name))
