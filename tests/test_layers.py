# SPDX-License-Identifier: Apache-2.0
"""The layers of docs/architecture.md, and rules that no file may break, read from the sources."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STDLIB = sys.stdlib_module_names

LIGHT_WORKER = (
    *("protocol", "json_lines", "shared_arrays", "process", "machine", "log", "command"),
    *("client", "server", "parameters", "inbox", "pymeshlab_reduce", "attribute_arrays"),
    *("speed", "unwrap", "outbox", "spawn"),
)
# Row -> modules (a name stands for its submodules too). The longest name that fits decides.
ROWS = {
    0: (
        "hy3dgen",
        "hy3dgen.__init__",
        "hy3dgen.errors",
        "hy3dgen._lazy",
        *("hy3dgen.private_folders", "hy3dgen.memory", "hy3dgen.picture_limits"),
        "hy3dgen.shapegen.__init__",
        "hy3dgen.texgen.__init__",
    ),
    1: (
        *("hy3dgen.mesh", "hy3dgen.shapegen.cost_model"),
        "hy3dgen.shapegen.models.autoencoders.grid_levels",
    ),
    2: (
        "hy3dgen.worker.__init__",
        *(f"hy3dgen.worker.{name}" for name in LIGHT_WORKER),
        *("hy3dgen.install", "hy3dgen.model_defaults"),
    ),
    3: (
        *("hy3dgen.weights", "hy3dgen.mapped_weights", "hy3dgen.numpy_forward"),
        *("hy3dgen.model_folders", "hy3dgen.image_towers", "hy3dgen.compiled_code"),
        "hy3dgen.weight_uploads",
        "hy3dgen.install.hub_script",
    ),
    4: (
        *("hy3dgen.pictures", "hy3dgen.rembg", "hy3dgen.gpu", "hy3dgen.shapegen"),
        *("hy3dgen.texgen", "hy3dgen.text2image"),
    ),
    5: (
        *("hy3dgen.shapegen.pipelines", "hy3dgen.shapegen.pipeline_pool"),
        "hy3dgen.texgen.pipelines",
    ),
    6: (
        *("hy3dgen.worker.model_cache", "hy3dgen.worker.engines", "hy3dgen.worker.previews"),
        *("hy3dgen.worker.tasks", "hy3dgen.worker.stages", "hy3dgen.worker.texturing"),
        *("hy3dgen.cli", "hy3dgen.commands"),
    ),
    7: ("hy3dgen.worker.__main__", "hy3dgen.__main__"),
}
# Row -> libraries at the top of a file, libraries inside functions.
LIBRARIES = {
    0: ((), ()),
    1: (("numpy",), ("trimesh", "pymeshlab", "PIL", "xatlas")),
    2: (("numpy",), ("yaml",)),
    3: (("numpy", "yaml", "safetensors"), ("torch", "huggingface_hub")),
    4: (
        ("numpy", "torch", "triton"),
        (
            "cv2",
            "PIL",
            "skimage",
            "trimesh",
            "yaml",
            "safetensors",
            "rembg",
            "onnxruntime",
            "diffusers",
        ),
    ),
    5: (("numpy", "torch", "yaml"), ("PIL", "trimesh", "safetensors")),
    6: (("numpy",), ("torch", "yaml", "PIL")),
    7: ((), ()),
}
# Loads in Blender's Python, although it lies in shapegen.
WITHOUT_TORCH = ("hy3dgen.pictures", "hy3dgen.rembg", "hy3dgen.shapegen.postprocessors")
NUMPY_ONLY = ("hy3dgen.numpy_forward.",)  # the other libraries of its row are not for these
# Import modules whose names stand in tables of their own packages.
IMPORTS_BY_TABLE = ("hy3dgen._lazy", "hy3dgen.shapegen.settings")
EXTENSION_LIBRARIES = (
    *("bpy", "bpy_extras", "bl_ui", "mathutils", "bmesh", "gpu", "blf", "gpu_extras", "numpy"),
    "addon_utils",
)
MAKERS = ("training", "benchmarks", "trials", "build_tools", "build", "tests")

APACHE, GPL = "Apache-2.0", "GPL-3.0-or-later"
LICENCES = {  # the longest path that fits decides
    "hy3dgen": APACHE,
    "hy3dshape": APACHE,
    "training": APACHE,
    "benchmarks": APACHE,
    "trials": APACHE,
    "trials/blender": GPL,
    "tests": APACHE,
    "tests/blender": GPL,
    "tests/build_tools": GPL,
    "hunyuan3d_blender": GPL,
    "build_tools": GPL,
    "examples": GPL,
    "build.py": GPL,
}
PRODUCT = (
    *("hy3dgen", "hy3dshape", "hunyuan3d_blender"),
    *("training", "benchmarks", "trials", "build_tools", "build.py"),
)


@dataclass(frozen=True)
class Import:
    module: str
    line: int
    inside_function: bool
    for_types: bool


def sources(*tops: str, suffixes=(".py",)) -> list[Path]:
    files = []
    for top in tops:
        path = ROOT / top
        files += [path] if path.is_file() else [p for s in suffixes for p in path.rglob(f"*{s}")]
    return sorted(path for path in files if "__pycache__" not in path.parts)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def package_of(module: str) -> str:
    return module.rpartition(".")[0]


def imports(tree: ast.AST, package: str) -> Iterator[Import]:
    """Every import of a file in `package`, as absolute names; `import_module` counts too."""

    def walk(node: ast.AST, inside: bool, for_types: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            found: list[str] = []
            if isinstance(child, ast.Import):
                found = [alias.name for alias in child.names]
            elif isinstance(child, ast.ImportFrom):
                base = package.split(".")[: len(package.split(".")) - child.level + 1]
                start = ".".join([*base, child.module or ""]).strip(".") if child.level else ""
                start = start or child.module or ""
                found = [f"{start}.{alias.name}" for alias in child.names]
            elif isinstance(child, ast.Call) and _called(child) in ("import_module", "__import__"):
                first = child.args[0] if child.args else None
                found = [first.value if isinstance(first, ast.Constant) else "<computed>"]
            yield from (Import(name, child.lineno, inside, for_types) for name in found)
            is_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
            yield from walk(child, inside or isinstance(child, functions), for_types or is_types)

    yield from walk(tree, False, False)


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func).rpartition(".")[2]


@cache
def lazy_exports(package: str) -> dict[str, str]:
    """Name -> absolute module, from the table in the package's `__init__`."""
    path = ROOT.joinpath(*package.split("."), "__init__.py")
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) == "lazy_exports":
            table = ast.literal_eval(node.args[1])
            return {n: package + m if m.startswith(".") else m for n, m in table.items()}
    return {}


def row_of(module: str) -> int | None:
    package, _, name = module.rpartition(".")
    module = lazy_exports(package).get(name, module)
    fits = [
        (len(name), row)
        for row, names in ROWS.items()
        for name in names
        if module == name or (name != "hy3dgen" and module.startswith(f"{name}."))
    ]
    return max(fits)[1] if fits else None


def wrong_imports(source: str, module: str) -> list[str]:
    """What `source`, being hy3dgen's file `module`, may not import."""
    row = row_of(module)
    if row is None:
        return [f"{module} is in no row of the table"]
    at_top, inside = LIBRARIES[row]
    package = package_of(module)
    wrong = []
    for found in imports(ast.parse(source), package):
        top = found.module.split(".")[0]
        if top == "hy3dgen":
            imported = row_of(found.module)
            allowed = imported is not None and imported <= row
        elif top == "<computed>":
            allowed = module in IMPORTS_BY_TABLE
        else:
            allowed = top in STDLIB or top in at_top or found.for_types
            allowed |= found.inside_function and top in inside
            if module in WITHOUT_TORCH and top == "torch":
                allowed = False
            if module.startswith(NUMPY_ONLY):
                allowed = top in STDLIB or top == "numpy"
        if not allowed:
            where = "inside a function" if found.inside_function else "at the top"
            wrong.append(f"{module}:{found.line} (row {row}) imports {found.module} {where}")
    return wrong


# --- layers ---------------------------------------------------------------------------------------


def test_hy3dgen_imports_only_from_rows_above():
    files = sources("hy3dgen")
    assert len(files) > 20
    wrong = [
        line
        for path in files
        for line in wrong_imports(path.read_text(encoding="utf-8"), module_name(path))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("hy3dgen.errors", "import numpy"),
        ("hy3dgen.mesh.reduce", "import trimesh"),
        ("hy3dgen.mesh.reduce", "import bpy"),
        ("hy3dgen.mesh.reduce", "from ..shapegen import pipelines"),
        ("hy3dgen.mesh.reduce", "def f():\n    from ..worker import client"),
        ("hy3dgen.worker.server", "import torch"),
        ("hy3dgen.worker.server", "def f():\n    import torch"),
        ("hy3dgen.worker.server", "from hy3dgen.worker.tasks import ping"),
        ("hy3dgen.worker.server", "from importlib import import_module\nimport_module('torch')"),
        ("hy3dgen.worker.server", "import importlib\nimportlib.import_module(name)"),
        ("hy3dgen.weights", "import torch"),
        ("hy3dgen.shapegen.models.dinov2", "from hy3dgen.shapegen.pipelines import X"),
        ("hy3dgen.shapegen.models.dinov2", "from ..pipelines import export_to_trimesh"),
        ("hy3dgen.mesh.reduce", "from ..worker import WorkerClient"),
        ("hy3dgen.shapegen.postprocessors", "import torch"),
        ("hy3dgen.shapegen.schedulers", "from training import run"),
        ("hy3dgen.numpy_forward.layers", "def f():\n    import yaml"),
        ("hy3dgen.numpy_forward.layers", "from ..pictures import load_picture"),
        ("hy3dgen.nowhere", ""),
    ],
)
def test_the_check_finds(module, source):
    assert len(wrong_imports(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("hy3dgen.mesh.convert", "def f():\n    import trimesh"),
        ("hy3dgen.mesh.reduce", "import numpy\nfrom ..errors import InputError\nfrom . import x"),
        ("hy3dgen.worker.tasks", "def f():\n    import torch\n    from hy3dgen import pictures"),
        ("hy3dgen.worker.__main__", "from hy3dgen.worker import tasks"),
        ("hy3dgen.worker.server", "from hy3dgen.mesh import reduce_faces"),
        ("hy3dgen.pictures", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n import PIL"),
    ],
)
def test_the_check_allows(module, source):
    assert wrong_imports(source, module) == []


def test_no_cycles_between_modules():
    files = {module_name(path): path for path in sources("hy3dgen")}
    known = {name.removesuffix(".__init__"): name for name in files}
    graph: dict[str, set[str]] = {}
    for name, path in files.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found = [i.module for i in imports(tree, package_of(name)) if not i.inside_function]
        targets = {known.get(module) or known.get(package_of(module)) for module in found}
        graph[name] = {target for target in targets if target} - {name}

    finished: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in finished:
            for target in sorted(graph[name]):
                visit(target, (*path, name))
            finished.add(name)

    for name in graph:
        visit(name, ())


def test_the_extension_needs_bpy_numpy_and_light_parts_of_hy3dgen():
    wrong = []
    for path in sources("hunyuan3d_blender"):
        module = module_name(path)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for found in imports(tree, package_of(module)):
            top = found.module.split(".")[0]
            row = row_of(found.module) if top == "hy3dgen" else None
            light = row is not None and row <= 2
            own = top == "hunyuan3d_blender"
            if not (top in STDLIB or top in EXTENSION_LIBRARIES or light or own):
                wrong.append(f"{module}:{found.line} imports {found.module}")
    assert wrong == []


def test_the_product_imports_nothing_of_its_makers():
    wrong = []
    for path in sources("hy3dgen", "hunyuan3d_blender"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for found in imports(tree, package_of(module_name(path))):
            if found.module.split(".")[0] in MAKERS:
                wrong.append(f"{path.relative_to(ROOT)}:{found.line} imports {found.module}")
    assert wrong == []


def test_client_and_tasks_load_nothing_heavy():
    code = (
        "import sys, hy3dgen.shapegen, hy3dgen.worker.client, hy3dgen.worker.tasks;"
        "hy3dgen.worker.tasks.available(); print(*sys.modules)"
    )
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    heavy = {"torch", "cv2", "PIL", "skimage", "scipy", "trimesh", "yaml", "safetensors", "bpy"}
    assert heavy & set(loaded.split()) == set()


# --- rules for every file -------------------------------------------------------------------------


def licence_of(path: Path) -> str:
    relative = path.relative_to(ROOT).as_posix()
    fits = [top for top in LICENCES if relative == top or relative.startswith(f"{top}/")]
    return LICENCES[max(fits, key=len)]


def test_every_file_names_its_licence_first():
    wrong = []
    for path in sources(*LICENCES, suffixes=(".py", ".cpp", ".h", ".hpp")):
        lines = path.read_text(encoding="utf-8").splitlines() or [""]
        first = lines[1] if lines[0].startswith("#!") and len(lines) > 1 else lines[0]
        if first.lstrip("#/ ") != f"SPDX-License-Identifier: {licence_of(path)}":
            wrong.append(f"{path.relative_to(ROOT)} must start with {licence_of(path)}")
    assert wrong == []


def forbidden(source: str) -> list[str]:
    """Dangerous calls and imports in `source`."""
    tree = ast.parse(source)
    found = [f"line {i.line}: {i.module}" for i in imports(tree, "") if _is_forbidden(i.module)]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name.startswith("pickle."):
            found.append(f"line {node.lineno}: {name}")
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        bad = (
            (name == "torch.load" and options.get("weights_only") != "True")
            or options.get("shell", "False") != "False"
            or options.get("allow_pickle", "False") != "False"
            or name in ("eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load")
            or name in ("subprocess.getoutput", "subprocess.getstatusoutput")
        )
        if bad:
            found.append(f"line {node.lineno}: {ast.unparse(node)[:80]}")
    return found


def _is_forbidden(module: str) -> bool:
    # `import pickle` alone is for `except pickle.UnpicklingError`; calls are looked for as well.
    top = module.split(".")[0]
    return (top == "pickle" and module not in ("pickle", "pickle.UnpicklingError")) or (
        top in ("cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "diso")
    )


def test_no_pickle_no_shell_no_eval():
    found = {
        path.relative_to(ROOT).as_posix(): lines
        for path in sources(*PRODUCT)
        if (lines := forbidden(path.read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle\npickle.loads(data)",
        "import diso",
        "def f():\n    from pickle import loads",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "subprocess.run(command, shell=True)",
        "subprocess.run(command, shell=flag)",
        "np.load(path, allow_pickle=True)",
        "os.system('ls')",
        "eval(text)",
        "yaml.load(text, Loader)",
    ],
)
def test_the_scan_finds(source):
    assert len(forbidden(source)) == 1


def test_the_scan_allows_the_safe_forms():
    assert forbidden("torch.load(p, weights_only=True); subprocess.run([a]); model.eval()") == []
