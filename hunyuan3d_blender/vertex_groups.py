# SPDX-License-Identifier: GPL-3.0-or-later
"""Vertex groups with their weights, as one attribute and back, without a loop over vertices.

Blender's Python gives weights one vertex at a time only. Geometry nodes read a group as a named
attribute, and an operator turns an attribute into a group, both at once for all vertices.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import bpy
import numpy as np

from hy3dgen.mesh import Attribute

from .steps import Steps, Target

WEIGHTS = "weights of vertex groups"
_TEMPORARY = "hy3d_weights"


@dataclass(frozen=True)
class Groups:
    """The vertex groups of a mesh. A vertex with the weight 0 counts as not being in a group."""

    names: tuple[str, ...]
    locked: tuple[bool, ...]
    active: int
    weights: Attribute | None  # (V, groups) float32; None: no vertex has any

    def write(self, target: Target, weights: np.ndarray | None) -> Steps:
        """Make the groups on a mesh anew, one at a time. Comes before the attributes.

        A group and an attribute cannot have one name, so groups get theirs at the end.
        """
        with holder_of(target()) as holder:
            holder.vertex_groups.clear()
        for i, (name, locked) in enumerate(zip(self.names, self.locked, strict=True)):
            column = None if weights is None else weights[:, i]
            with holder_of(target()) as holder:
                if column is None or not column.any():
                    holder.vertex_groups.new(name=_TEMPORARY)
                else:
                    _add_group(holder, column)
                group = holder.vertex_groups[i]
                group.name, group.lock_weight = name, locked
            yield None
        if self.names:
            with holder_of(target()) as holder:
                holder.vertex_groups.active_index = self.active


def read_weights(obj: bpy.types.Object, columns: slice) -> np.ndarray:
    """(V, columns) float32, by evaluating a copy of the object in a scene of its own."""
    names = [group.name for group in obj.vertex_groups][columns]
    weights = np.zeros((len(obj.data.vertices), len(names)), np.float32)
    column = np.empty(len(weights), np.float32)
    tree = _store_as_attributes(names)
    scene = bpy.data.scenes.new(_TEMPORARY)
    # A copy, at no cost: the mesh itself would count as edited, for all objects that show it.
    copy = bpy.data.meshes.new_from_object(obj)
    try:
        with holder_of(copy) as holder:
            holder.modifiers.new(_TEMPORARY, "NODES").node_group = tree
            scene.collection.objects.link(holder)
            layer = scene.view_layers[0]
            layer.update()
            evaluated = holder.evaluated_get(layer.depsgraph).data.attributes
            for i in range(len(names)):
                evaluated[f"{_TEMPORARY}_{i}"].data.foreach_get("value", column)
                weights[:, i] = column
    finally:
        bpy.data.scenes.remove(scene)
        bpy.data.node_groups.remove(tree)
        bpy.data.meshes.remove(copy)
    return weights


@contextlib.contextmanager
def holder_of(mesh: bpy.types.Mesh) -> Iterator[bpy.types.Object]:
    """An object outside of all scenes, for what can only be done to a mesh through an object."""
    holder = bpy.data.objects.new(_TEMPORARY, mesh)
    try:
        yield holder
    finally:
        bpy.data.objects.remove(holder)


def _add_group(holder: bpy.types.Object, weights: np.ndarray) -> None:
    attributes = holder.data.attributes
    attributes.new(_TEMPORARY, "FLOAT", "POINT")
    attributes[_TEMPORARY].data.foreach_set("value", np.ascontiguousarray(weights, np.float32))
    attributes.active = attributes[_TEMPORARY]
    with bpy.context.temp_override(object=holder, active_object=holder):
        bpy.ops.geometry.attribute_convert(mode="VERTEX_GROUP")


def _store_as_attributes(names: list[str]) -> bpy.types.NodeTree:
    """Geometry nodes that store each group under the name that `read_weights` looks for."""
    tree = bpy.data.node_groups.new(_TEMPORARY, "GeometryNodeTree")
    for direction in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=direction, socket_type="NodeSocketGeometry")
    geometry = tree.nodes.new("NodeGroupInput").outputs[0]
    for i, name in enumerate(names):
        source = tree.nodes.new("GeometryNodeInputNamedAttribute")
        source.data_type = "FLOAT"
        source.inputs["Name"].default_value = name
        store = tree.nodes.new("GeometryNodeStoreNamedAttribute")
        store.data_type, store.domain = "FLOAT", "POINT"
        store.inputs["Name"].default_value = f"{_TEMPORARY}_{i}"
        tree.links.new(geometry, store.inputs["Geometry"])
        # Older Blenders have one hidden socket of this name for each type.
        value = next(s for s in source.outputs if s.enabled and s.type == "VALUE")
        tree.links.new(value, next(s for s in store.inputs if s.enabled and s.type == "VALUE"))
        geometry = store.outputs["Geometry"]
    tree.links.new(geometry, tree.nodes.new("NodeGroupOutput").inputs[0])
    return tree
