// SPDX-License-Identifier: Apache-2.0
// The surface that is being reduced: one record per vertex, faces, and the corners around each
// vertex as a linked list, so that merging two vertices needs no new memory.
#ifndef HY3D_SURFACE_H
#define HY3D_SURFACE_H

#include "geometry.h"
#include "progress.h"
#include "topology.h"

namespace hy3d {

// What a vertex may do, least free last.
enum Kind : uint8_t {
    INTERIOR = 0,  // every edge around it has two faces
    CURVE = 1,     // on a border, or where three or more sheets meet; moves along that curve only
    CORNER = 2,    // where such curves end or cross; stays where it is
};

// The average normal over some area, in 1/32000: short where the normals differ much.
struct Upwards {
    static constexpr double UNIT = 32000;
    int16_t x, y, z;

    Vec3 vector() const {
        return {static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)};
    }
    void set(Vec3 average) {
        x = static_cast<int16_t>(UNIT * average.x);
        y = static_cast<int16_t>(UNIT * average.y);
        z = static_cast<int16_t>(UNIT * average.z);
    }
};

// Two cache lines: pricing an edge reads little more than the records of its ends.
struct Vertex {
    Vec3 position;
    Quadric quadric;
    int32_t corner;       // the first of its corners, -1 if no face uses it
    int32_t merged_into;  // the vertex it went into; itself while it is there
    int32_t source;       // the input vertex at whose position it is, or -1
    uint32_t mark;        // scratch; see Surface::stamp
    uint8_t kind;         // a Kind
    uint8_t irregular;    // some edge here does not have one face on either side, facing alike
    Upwards up;           // of the part of the input that the vertex stands for
};

// One corner of a face, with the two vertices that follow it.
struct Wing {
    int32_t corner, a, b;
    int32_t face() const { return corner / 3; }
};

struct Surface {
    Array<Vertex> vertices;
    Array<Face> faces;         // v[0] < 0: the face is gone
    Array<int32_t> next;       // per corner (3 x face + 0, 1 or 2), the next of the same vertex
    uint32_t stamp = 0;        // above every mark
    Array<int32_t> place;      // per vertex as loaded, where it is now; empty unless asked for
    // Empty unless attributes are kept; see curves.h.
    Array<int32_t> origin;     // per face, the input face that it was
    Array<int32_t> curves;     // per corner, for the edge to the next one: -1, or, where the edge is
                               // on a curve, an input edge (3 x face + 0, 1 or 2) it stands for

    bool is_gone(int32_t face) const { return faces[face].v[0] < 0; }
    void remove(int32_t face) { faces[face].v[0] = -1; }

    // Whether the edge from `corner` to the next corner of its face is on a curve.
    bool on_curve(int32_t corner) const { return curves.size() && curves[corner] >= 0; }

    // Links the corners of the faces, all of which are there; `heads` gets the first of each of its
    // vertices, -1 if no face uses it.
    [[nodiscard]] Status link(Array<int32_t>& heads, Progress& progress);
    [[nodiscard]] Status link(Progress& progress);  // and tells the vertices

    // Forgets faces that are gone and vertices without corners; those that stay keep their order and
    // are linked anew. See compact.cpp.
    [[nodiscard]] Status compact(int32_t threads, Progress& progress);

    // The wings of `v` whose faces are there.
    [[nodiscard]] bool gather(int32_t v, Array<Wing>& wings) const {
        size_t count = 0;
        for (int32_t c = vertices[v].corner; c >= 0; c = next[c]) {
            const int32_t f = c / 3;
            const Face& face = faces[f];
            if (face.v[0] < 0) continue;
            const int32_t i = c - 3 * f;
            if (!wings.grow(count + 1)) return false;
            wings[count++] = {c, face.v[i == 2 ? 0 : i + 1], face.v[i == 0 ? 2 : i - 1]};
        }
        wings.truncate(count);
        return true;
    }

    static int32_t following(int32_t corner) { return corner % 3 == 2 ? corner - 2 : corner + 1; }
    static int32_t preceding(int32_t corner) { return corner % 3 == 0 ? corner + 2 : corner - 1; }

    // Where a vertex went.
    int32_t survivor(int32_t v) {
        while (vertices[v].merged_into != v) {
            const int32_t up = vertices[v].merged_into;
            v = vertices[v].merged_into = vertices[up].merged_into;
        }
        return v;
    }
};

// The unit box: results do not depend on the length unit or on where the mesh stands.
struct Box {
    Vec3 centre = {0, 0, 0};
    double scale = 1;

    Box(const float* vertices, size_t count);
    Vec3 to_unit(const float* p) const {
        return {(p[0] - centre.x) / scale, (p[1] - centre.y) / scale, (p[2] - centre.z) / scale};
    }
    Vec3 from_unit(Vec3 p) const { return scale * p + centre; }
};

// Fills `surface` from checked arrays: vertices along a space-filling curve, seams joined (vertices
// at one position, where both lie on open edges; touching closed parts have no open edges, so they
// stay apart), degenerate and repeated faces dropped, kinds set. `order` tells the input vertex of
// each vertex. Quadrics hold the planes of borders only. `origin` is filled if asked for.
[[nodiscard]] Status load_surface(const float* vertices, size_t vertex_count, const int32_t* faces,
                                  size_t face_count, const Box& box, Surface& surface,
                                  Array<int32_t>& order, int32_t threads, Progress& progress,
                                  bool with_origin = false);

}  // namespace hy3d

#endif
