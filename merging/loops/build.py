"""C++ to a library that can be called, by whatever compiler the machine has.

Libraries are kept in the user's cache folder, under a name that stands for the source, the compiler
and the processor, and found again by other processes and later runs.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import uuid
from functools import cache
from pathlib import Path

_COMPILERS = ("g++", "c++", "clang++")
# What is added to a number keeps its order, and sums are not fused with products: a loop gives
# what its kernel gives on tensors.
_FLAGS = (
    "-std=c++17",
    "-O3",
    "-march=native",
    "-fPIC",
    "-shared",
    "-fwrapv",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=off",
    "-w",
)


class NoCompiler(Exception):
    """There is no C++ compiler, or it fails."""


def library(source: str) -> ctypes.CDLL:
    """The library of a C++ source, compiled unless that was done before. Raises NoCompiler."""
    compiler = _compiler()
    name = hashlib.sha256("\0".join([source, compiler, *_FLAGS, _processor()]).encode())
    folder = _folder()
    path = folder / f"{name.hexdigest()[:40]}.so"
    if not path.exists():
        draft = folder / f".{uuid.uuid4().hex}.so"
        command = [compiler, *_FLAGS, "-x", "c++", "-", "-o", str(draft)]
        try:
            subprocess.run(command, input=source, check=True, capture_output=True, text=True)
            draft.replace(path)
        except subprocess.CalledProcessError as error:
            raise NoCompiler(f"{compiler}: {_first_line(error.stderr)}") from error
        except OSError as error:
            raise NoCompiler(str(error)) from error
        finally:
            draft.unlink(missing_ok=True)
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise NoCompiler(str(error)) from error


def _compiler() -> str:
    named = os.environ.get("CXX")
    for one in (named,) if named else _COMPILERS:
        found = shutil.which(one)
        if found is not None:
            return found
    raise NoCompiler(f"no C++ compiler: {named or ', '.join(_COMPILERS)}")


def _folder() -> Path:
    """A folder of the user's own: what lies there is run."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(root) / "cuvee" / "loops"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise NoCompiler(f"no place for compiled loops: {error}") from error
    return folder


@cache
def _processor() -> str:
    """What code for this processor may use: loops for one must not be run by another."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "it failed")
