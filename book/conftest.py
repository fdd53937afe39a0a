"""`pytest --nbval book`: the notebooks draw into themselves, whatever backend the shell asks for."""

import os

os.environ.pop("MPLBACKEND", None)  # else the kernels inherit it, and the stored pictures are missing
