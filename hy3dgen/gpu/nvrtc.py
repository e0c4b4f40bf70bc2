# SPDX-License-Identifier: Apache-2.0
"""CUDA kernels compiled when they are first needed, by the compiler library that torch brings.

NVRTC comes with every CUDA build of torch, for Linux and for Windows, so nothing is installed and
no C compiler is asked for. What is compiled is kept for the next process (`hy3dgen.compiled_code`).
Sources: `cuda/*.cu`.
"""

import ctypes
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..compiled_code import kept, key_of

SOURCES = Path(__file__).parent / "cuda"
_THREADS, _BLOCKS_A_PROCESSOR = 128, 32
_SHARED_UNASKED, _LARGEST_SHARED = 48 << 10, 8  # bytes; the driver's number of that attribute


class KernelsUnavailableError(RuntimeError):
    """There is no compiler library, or it or the driver refused something. Not a user's concern."""


class CudaKernels:
    """Kernels on one device.

    Parameters
    ----------
    sources : names of files in `cuda`, without their ending; together they are one program
    device : a CUDA device
    options : of the compiler, besides
    own : also instructions that no other kind of GPU has, which older compilers do not know

    Raises
    ------
    KernelsUnavailableError
        The compiler or the driver cannot be used, with what it said.
    """

    def __init__(
        self,
        sources: Sequence[str],
        device: torch.device,
        options: Sequence[str] = (),
        own: bool = False,
    ) -> None:
        self.device = device
        self.processors = torch.cuda.get_device_properties(device).multi_processor_count
        self.driver = _load("the CUDA driver", ["nvcuda.dll", "libcuda.so.1"])
        self._module = ctypes.c_void_p()
        self._functions: dict[str, ctypes.c_void_p] = {}
        with torch.cuda.device(device):
            torch.cuda.current_stream().synchronize()  # makes the context of this thread
            major, minor = torch.cuda.get_device_capability(device)
            compiler = Compiler(sources, f"sm_{major}{minor}{'a' if own else ''}", options)
            code = kept(compiler.key(), compiler.compiled, lambda code: not self._load_module(code))
            if not self._module:
                self.check(self._load_module(code), "the kernels")

    def _load_module(self, code: bytes) -> int:
        """What the driver says to machine code, nothing but 0 being good."""
        return self.driver.cuModuleLoadData(ctypes.byref(self._module), code)

    def launch(self, name: str, count: int, *arguments: Any) -> None:
        """Run a kernel in the current stream; `count` threads are enough for it.

        Tensors are passed as pointers and must be contiguous; whole numbers as int, other numbers
        as float; ctypes values as they are. A kernel's own first argument is among them.
        """
        if count:
            blocks = min(-(-count // _THREADS), self.processors * _BLOCKS_A_PROCESSOR)
            self.launch_blocks(name, blocks, _THREADS, 0, *arguments)

    def launch_blocks(
        self, name: str, blocks: int, threads: int, shared: int, *arguments: Any
    ) -> None:
        """The same with so many blocks and threads, and bytes of shared memory for each block."""
        function = self._functions.get(name) or self._function(name, shared)
        values = as_values(arguments)
        pointers = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
        stream = ctypes.c_void_p(torch.cuda.current_stream(self.device).cuda_stream)
        failed = self.driver.cuLaunchKernel(
            function, blocks, 1, 1, threads, 1, 1, shared, stream, pointers, None
        )
        if failed:
            self.check(failed, name)

    def _function(self, name: str, shared: int) -> ctypes.c_void_p:
        function = ctypes.c_void_p()
        self.check(
            self.driver.cuModuleGetFunction(ctypes.byref(function), self._module, name.encode()),
            name,
        )
        if shared > _SHARED_UNASKED:
            self.check(self.driver.cuFuncSetAttribute(function, _LARGEST_SHARED, shared), name)
        self._functions[name] = function
        return function

    def check(self, code: int, what: str) -> None:
        """Raise `KernelsUnavailableError` unless an answer of the driver is a good one."""
        if code:
            text = ctypes.c_char_p()
            self.driver.cuGetErrorString(code, ctypes.byref(text))
            said = (text.value or b"unknown").decode()
            raise KernelsUnavailableError(f"the CUDA driver refused {what} ({said})")


def as_values(arguments: tuple[Any, ...]) -> list[Any]:
    """Arguments of a kernel as ctypes values."""
    values: list[Any] = []
    for argument in arguments:
        if isinstance(argument, Tensor):
            values.append(ctypes.c_void_p(argument.data_ptr()))
        elif isinstance(argument, int):
            values.append(ctypes.c_int(argument))
        elif isinstance(argument, float):
            values.append(ctypes.c_float(argument))
        else:
            values.append(argument)
    return values


class Compiler:
    """Compiles source files for a kind of GPU.

    Parameters
    ----------
    sources : names of files in `cuda`, without their ending; together they are one program
    kind : of GPU, as NVRTC calls it
    options : others, besides
    """

    def __init__(self, sources: Sequence[str], kind: str, options: Sequence[str] = ()) -> None:
        self._names, self._kind = sources, kind
        self._library = _load("the compiler library NVRTC", list(_compilers()))
        self._source = b"\n".join((SOURCES / f"{name}.cu").read_bytes() for name in sources)
        self._headers = {path.name: path.read_bytes() for path in sorted(SOURCES.glob("*.cuh"))}
        self._options = [f"--gpu-architecture={kind}", "--std=c++17", *options]

    def key(self) -> str:
        """All that the machine code depends on, in one name."""
        version = ctypes.c_int(), ctypes.c_int()
        self._library.nvrtcVersion(*map(ctypes.byref, version))
        parts = ["NVRTC", *(str(part.value) for part in version), *self._options]
        return key_of(*parts, self._source, *self._headers, *self._headers.values())

    def compiled(self) -> bytes:
        """The machine code."""
        library, headers = self._library, self._headers
        program = ctypes.c_void_p()
        library.nvrtcCreateProgram(
            ctypes.byref(program), self._source, b"kernels.cu", len(headers),
            _texts(headers.values()), _texts(name.encode() for name in headers),
        )  # fmt: skip
        try:
            options = _texts(option.encode() for option in self._options)
            failed = library.nvrtcCompileProgram(program, len(self._options), options)
            size = ctypes.c_size_t()
            if failed:
                library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
                log = ctypes.create_string_buffer(size.value)
                library.nvrtcGetProgramLog(program, log)
                raise KernelsUnavailableError(
                    f"NVRTC could not compile {', '.join(self._names)} for {self._kind}: "
                    f"{log.value.decode(errors='replace')}"
                )
            library.nvrtcGetCUBINSize(program, ctypes.byref(size))
            code = ctypes.create_string_buffer(size.value)
            library.nvrtcGetCUBIN(program, code)
            return code.raw
        finally:
            library.nvrtcDestroyProgram(ctypes.byref(program))


def _texts(texts: Iterable[bytes]) -> Any:
    """C strings as an array."""
    found = list(texts)
    return (ctypes.c_char_p * len(found))(*found)


def _compilers() -> Iterator[str]:
    """Where NVRTC may lie: beside torch, or in the packages that it depends on."""
    folders = [Path(torch.__file__).parent / "lib"]
    spec = importlib.util.find_spec("nvidia")
    for place in (spec.submodule_search_locations or []) if spec else []:
        folders += [folder for name in ("lib", "bin") for folder in Path(place).glob(f"*/{name}")]
    pattern = "nvrtc64_*.dll" if sys.platform == "win32" else "libnvrtc.so*"
    for folder in folders:
        # The alternative build of the same library is named ...alt....
        yield from (str(path) for path in sorted(folder.glob(pattern)) if "alt" not in path.name)
    yield "nvrtc64.dll" if sys.platform == "win32" else "libnvrtc.so"


def _load(what: str, names: list[str]) -> Any:
    said: object = "no file of that name"
    for name in names:
        if name.endswith(".dll") != (sys.platform == "win32"):
            continue
        try:
            return ctypes.CDLL(name)
        except OSError as error:
            said = error
    raise KernelsUnavailableError(f"{what} cannot be loaded ({said})")
