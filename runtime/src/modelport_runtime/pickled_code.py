"""Whether a pickle brings code of its own: byte code of one Python can crash another, before or long after it is loaded.

cloudpickle writes functions and the methods of classes by value where it cannot import them by name. Nothing is executed here.
"""

import bz2
import gzip
import lzma
import pickletools
from typing import BinaryIO, Callable, Dict, Optional, cast

from modelport_runtime.errors import ModelNotLoadable
from modelport_runtime.model import Model

_OPENERS: Dict[Optional[str], Callable[..., object]] = {
    None: open,
    "lzma": lzma.open,
    "bzip2": bz2.open,
    "gzip": gzip.open,
}


def holds_code(file: BinaryIO) -> bool:
    """Whether the pickle in ``file`` makes code objects, as every function does that cloudpickle wrote by value.

    cloudpickle of any version makes them by calling its ``_builtin_type`` with "CodeType": both are looked for, wherever they
    stand (with protocol 4 and later the parts of a name are strings, which later uses fetch from the memo).
    """
    of_cloudpickle = makes_types = names_code = False
    try:
        for opcode, argument, _ in pickletools.genops(file):
            if not isinstance(argument, str) or opcode.name in ("INT", "LONG", "FLOAT"):
                continue
            for part in argument.split(" ", 1) if opcode.name in ("GLOBAL", "INST") else (argument,):
                # Others carry cloudpickle under their own name: joblib.externals.cloudpickle.cloudpickle
                of_cloudpickle = of_cloudpickle or "cloudpickle" in part
                makes_types = makes_types or part == "_builtin_type"
                names_code = names_code or part == "CodeType"
            if of_cloudpickle and makes_types and names_code:
                return True
    except (ValueError, EOFError, OSError, lzma.LZMAError):
        return False  # this is no pickle: what loads it says so better
    return False


def open_python_model(model: Model) -> Optional[BinaryIO]:
    """The pickle of a ``PythonModel``, whatever its compression; None where the model has none."""
    name = model.pyfunc.get("python_model")
    compression = model.pyfunc.get("python_model_compression")
    if name is None:
        return None
    if compression not in _OPENERS:
        raise ModelNotLoadable(f"the Python model is compressed by '{compression}', which is not known")
    return cast(BinaryIO, _OPENERS[compression](model.file(name), "rb"))
