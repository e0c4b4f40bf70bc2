# SPDX-License-Identifier: Apache-2.0
"""Meshes of a scene that touch are reduced as one surface: no gap opens between materials."""

import numpy as np
import pytest

from hy3dgen.shapegen.postprocessors import FaceReducer

trimesh = pytest.importorskip("trimesh")


def halves(split=lambda middle: middle[:, 0] + 0.2 * np.sin(5 * middle[:, 1]) > 0):
    """A ball cut along a wavy line into two meshes."""
    ball = trimesh.creation.icosphere(5)
    right = split(ball.triangles_center)
    return [
        ball.submesh([np.flatnonzero(mask)], append=True, repair=False) for mask in (~right, right)
    ]


def places(mesh, rows) -> set[bytes]:
    return {row.tobytes() for row in np.float32(mesh.vertices[rows])}


def border(mesh) -> set[bytes]:
    edges, counts = np.unique(mesh.edges_sorted, axis=0, return_counts=True)
    return places(mesh, np.unique(edges[counts == 1]))


@pytest.mark.parametrize("method", ["fast", "quality", "preview"])
def test_no_gap_between_two_parts(method):
    reduced = FaceReducer()(trimesh.Scene(halves()), 1000, method)
    one, other = reduced.geometry.values()
    assert len(one.faces) + len(other.faces) == 1000
    assert border(one) == border(other) and len(border(one)) > 10


def test_each_part_keeps_what_is_its_own():
    left, right = halves(lambda middle: middle[:, 0] > 0)
    left.visual.vertex_colors = np.uint8(
        np.c_[128 + 100 * left.vertices, np.full(len(left.vertices), 255)]
    )
    right.visual = trimesh.visual.TextureVisuals(
        uv=0.5 + 0.4 * right.vertices[:, 1:],
        material=trimesh.visual.material.PBRMaterial(name="paint"),
    )
    right.vertex_attributes["heat"] = np.float32(right.vertices[:, 2])
    right.metadata["note"] = "mine"
    scene = trimesh.Scene({"left": left, "right": right})
    reduced = FaceReducer()(scene, 1000)
    one, other = reduced.geometry["left"], reduced.geometry["right"]
    colors = one.visual.vertex_colors[:, :3].astype(float)
    assert abs(colors - (128 + 100 * one.vertices)).max() < 6
    assert abs(other.visual.uv - (0.5 + 0.4 * other.vertices[:, 1:])).max() < 0.02
    assert abs(other.vertex_attributes["heat"] - other.vertices[:, 2]).max() < 0.03
    assert other.visual.material.name == "paint" and other.metadata["note"] == "mine"
    assert not one.vertex_attributes and one.visual.kind == "vertex"
    assert one.vertices[:, 0].max() < 0.05 and other.vertices[:, 0].min() > -0.05


def test_three_parts_meet_in_one_line():
    left, right = halves(lambda middle: middle[:, 0] > 0)
    front = right.triangles_center[:, 2] > 0
    parts = [left] + [
        right.submesh([np.flatnonzero(mask)], append=True, repair=False) for mask in (front, ~front)
    ]
    reduced = list(FaceReducer()(trimesh.Scene(parts), 900).geometry.values())
    whole = trimesh.util.concatenate(reduced)
    whole.merge_vertices(merge_tex=True, merge_norm=True)
    assert whole.is_watertight and len(whole.faces) == 900


def test_a_mesh_that_lies_on_another_is_not_lost():
    ball = trimesh.creation.icosphere(4)
    reduced = FaceReducer()(trimesh.Scene([ball, ball.copy()]), 1000)
    assert [len(mesh.faces) for mesh in reduced.geometry.values()] == [500, 500]


def test_parts_at_other_places_stay_apart():
    """The same numbers, but one of them stands elsewhere in the scene."""
    left, right = halves()
    scene = trimesh.Scene(left)
    scene.add_geometry(right, transform=trimesh.transformations.translation_matrix([5, 0, 0]))
    reduced = FaceReducer()(scene, 1000)
    faces = [len(mesh.faces) for mesh in reduced.geometry.values()]
    wanted = [1000 * len(mesh.faces) // 20480 for mesh in (left, right)]
    assert faces == wanted


def test_one_part_used_twice():
    left, right = halves()
    scene = trimesh.Scene({"left": left, "right": right})
    scene.graph.update(frame_to="again", matrix=np.eye(4), geometry="right")
    reduced = FaceReducer()(scene, 1000)
    total = len(reduced.geometry["left"].faces) + 2 * len(reduced.geometry["right"].faces)
    assert 990 <= total <= 1000
