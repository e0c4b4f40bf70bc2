# SPDX-License-Identifier: Apache-2.0
"""Reads and writes mesh files through trimesh. A file is written aside and then renamed.

So a reader never sees half a file, and a failed or killed write leaves the old file as it was.
"""

import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidMeshError, InvalidSettingError, MissingDependencyError
from ..private_folders import private_folder
from .file_pictures import bounded_pictures
from .gltf_bounds import check_gltf

if TYPE_CHECKING:
    import trimesh

FORMATS = (".glb", ".obj", ".ply", ".stl")


def load_mesh(path: str | os.PathLike) -> "trimesh.Trimesh | trimesh.Scene":
    """What is in a mesh file (GLB, OBJ, PLY, STL, …), with colours and textures.

    Nothing is merged or repaired on the way, so that broken coordinates are noticed instead of
    becoming holes.
    """
    path = Path(path)
    if not os.path.isfile(path):
        raise InvalidMeshError(f"There is no mesh file {path}; is the path complete?")
    try:
        import trimesh
    except ImportError as error:
        raise MissingDependencyError(
            "trimesh is not installed; install it with `pip install trimesh`."
        ) from error
    check_gltf(path)
    try:
        with bounded_pictures(path):
            loaded = trimesh.load(path, process=False)
    except InvalidMeshError:
        raise
    except Exception as error:  # trimesh's readers raise whatever their format's parser raises
        raise InvalidMeshError(
            f"The mesh file {path} could not be read ({type(error).__name__}: {error}); "
            "give a GLB, OBJ, PLY or STL file."
        ) from error
    parts = loaded.geometry.values() if isinstance(loaded, trimesh.Scene) else (loaded,)
    meshes = [part for part in parts if isinstance(part, trimesh.Trimesh)]
    if not meshes:
        raise InvalidMeshError(
            f"The mesh file {path} has no triangle mesh in it; was the right file given?"
        )
    for mesh in meshes:  # trimesh itself stumbles over them later, on the way to colours
        low, high = mesh.faces.min(initial=0), mesh.faces.max(initial=-1)
        if low < 0 or high >= len(mesh.vertices):
            raise InvalidMeshError(
                f"The mesh file {path} has a face with vertex {high if low >= 0 else low}, but "
                f"there are {len(mesh.vertices)} vertices; export it again."
            )
    return loaded


def as_one_mesh(loaded: "trimesh.Trimesh | trimesh.Scene") -> "trimesh.Trimesh":
    """The meshes of a scene joined where they stand, with their visuals; a mesh as it is."""
    import trimesh

    if isinstance(loaded, trimesh.Trimesh):
        return loaded
    parts = [part for part in loaded.dump() if isinstance(part, trimesh.Trimesh)]
    if not parts:
        raise InvalidMeshError("The scene has no triangle mesh in it; was the right file read?")
    return parts[0] if len(parts) == 1 else trimesh.util.concatenate(parts)


def save_mesh(mesh: "trimesh.Trimesh | trimesh.Scene", path: str | os.PathLike) -> None:
    """Write `mesh` to `path`; the ending, one of FORMATS, chooses the format.

    OBJ brings a material file and pictures along, beside it. A scene becomes one mesh in PLY and
    STL; STL keeps nothing but triangles. An existing file is replaced and keeps its permissions.
    """
    path = Path(path)
    suffix = check_format(path)
    if not os.path.isdir(path.parent):
        raise InvalidSettingError(f"There is no folder {path.parent} to write into; make it first.")
    files = _encoded(mesh, path, suffix)
    try:
        with private_folder(path.parent) as folder:
            written = [
                (folder.write(content, ".part"), path.with_name(name))
                for name, content in files.items()
            ]
            for aside, target in written:
                with contextlib.suppress(OSError):  # a file system without permissions
                    os.chmod(aside, _mode_for(target))
                os.replace(aside, target)
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        reason = getattr(error, "strerror", None) or error
        raise InvalidSettingError(
            f"{path} cannot be written ({reason}); choose another place, or make room there."
        ) from error


def check_format(path: Path) -> str:
    """The file's ending in lower case, if it can be written."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise InvalidSettingError(
            f"{path.name} ends in {suffix or 'nothing'}, but one of {', '.join(FORMATS)} is wanted."
        )
    return suffix


def _encoded(mesh: Any, path: Path, suffix: str) -> dict[str, bytes]:
    """File name -> content; the file itself comes last, when all it refers to is there."""
    from trimesh import exchange

    if suffix == ".glb":
        return {path.name: _with_named_materials(mesh).export(file_type="glb")}
    if suffix == ".obj":
        material = _plain_name(path.stem)
        text, beside = exchange.obj.export_obj(
            mesh, return_texture=True, mtl_name=f"{material}.mtl"
        )
        return {
            **{name: _bytes(content) for name, content in beside.items()},
            path.name: _bytes(text),
        }
    joined = as_one_mesh(mesh)
    return {path.name: _bytes(joined.export(file_type=suffix.removeprefix(".")))}


def _with_named_materials(mesh: Any) -> Any:
    """`mesh` with materials as GLB has them; trimesh converts them too, but drops their names."""
    from trimesh.visual.material import SimpleMaterial

    if hasattr(mesh, "geometry"):
        scene = mesh.copy()
        for name, part in mesh.geometry.items():
            scene.geometry[name] = _with_named_materials(part)
        return scene
    material = getattr(getattr(mesh, "visual", None), "material", None)
    if not isinstance(material, SimpleMaterial):
        return mesh
    copied = mesh.copy(include_cache=True)  # normals that came with it are in the cache
    copied.visual.material = material.to_pbr()
    copied.visual.material.name = material.name
    return copied


def _plain_name(stem: str) -> str:
    """A name that OBJ's lines can hold: a space would end it."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in stem)


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _mode_for(target: Path) -> int:
    """The permissions of the file that is replaced, else those of any new file."""
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except OSError:
        mask = os.umask(0o077)  # there is no way to only look at it
        os.umask(mask)
        return 0o666 & ~mask
