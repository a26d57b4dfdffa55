"""What is kept on disk: the `.aeanom` model file.

`write_model_file`, `read_model_file` and `read_manifest` are in `model_file.py`; the checks of the
container are in `header.py`; `replace_file`, in `atomic.py`, writes any file whole or not at all.
It imports NumPy and `aeanom.errors` only.
"""

from aeanom.storage.atomic import replace_file
from aeanom.storage.model_file import (
    FORMAT_VERSION,
    TensorSpecs,
    read_manifest,
    read_model_file,
    write_model_file,
)

__all__ = [
    "FORMAT_VERSION",
    "TensorSpecs",
    "read_manifest",
    "read_model_file",
    "replace_file",
    "write_model_file",
]
