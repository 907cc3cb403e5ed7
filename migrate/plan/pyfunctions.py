"""Which Python function does `python: module:function` name?

Only modules in the plan's folder and installed packages are imported; neither the working
directory nor the standard library is searched, so that a plan can't name `os:system`. The plan's
author is trusted with what the function does; it takes and gives one Arrow array (or a pandas
Series) of as many values as it was given.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

_FORM = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$")


def load_function(spec: str, folder: Path) -> Callable[[Any], Any]:
    """Import the function.

    Args:
        spec: `module:function`; dots lead into folders.
        folder: the plan's.

    Raises:
        ValueError: it has another form, isn't there, can't be imported, or isn't callable.
    """
    if not _FORM.match(spec):
        raise ValueError("it doesn't have the form `module:function`")
    name, _, attribute = spec.partition(":")
    try:
        module = _import(name, folder)
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"`{name}` can't be imported: {type(error).__name__}: {error}") from error
    function = getattr(module, attribute, None)
    if function is None:
        raise ValueError(f"`{name}` has no `{attribute}`")
    if not callable(function):
        raise ValueError(f"`{attribute}` of `{name}` isn't a function")  # noqa: TRY004 - one error for the caller
    return function  # type: ignore[no-any-return]


def _import(name: str, folder: Path) -> Any:
    beside = folder / (name.replace(".", "/") + ".py")
    if beside.is_file():
        unique = f"_plan_{abs(hash(str(beside.resolve())))}_{name.replace('.', '_')}"
        spec = importlib.util.spec_from_file_location(unique, beside)
        if spec is None or spec.loader is None:
            raise ValueError(f"`{beside.name}` can't be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules[unique] = module
        spec.loader.exec_module(module)
        return module
    places = [Path(sysconfig.get_path(each)).resolve() for each in ("purelib", "platlib")]
    found = importlib.util.find_spec(name.partition(".")[0])
    origin = Path(found.origin).resolve() if found and found.origin and found.has_location else None
    if origin is None or not any(origin.is_relative_to(place) for place in places):
        raise ValueError(f"there is no `{beside.name}` beside the plan and no installed package `{name}`")
    return importlib.import_module(name)
