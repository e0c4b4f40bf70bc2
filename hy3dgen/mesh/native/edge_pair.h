// SPDX-License-Identifier: Apache-2.0
// An edge of a reduced mesh with the two faces beside it, and its flip.
#ifndef HY3D_EDGE_PAIR_H
#define HY3D_EDGE_PAIR_H

#include "refit.h"

namespace hy3d {

struct EdgePair {
    int32_t f, g;        // the faces at the edge from a to b
    int32_t a, b, c, d;  // c is the third vertex of f, d that of g
};

// The faces at edge i of face f, if they are two that run along it in opposite directions; not where
// the edge is on a curve.
inline bool find_pair(const ReducedMesh& mesh, const Adjacency& around, int32_t f, int i,
                      EdgePair& pair) {
    const Face& face = mesh.faces[f];
    const int32_t a = face.v[i], b = face.v[(i + 1) % 3];
    if (mesh.curves.size() && mesh.curves[3 * f + i] >= 0) return false;
    pair = {f, -1, a, b, face.v[(i + 2) % 3], -1};
    for (uint32_t k = 0; k < around.degree[a]; k++) {
        const int32_t g = around.incident[around.first[a] + k];
        if (g == f || !mesh.faces[g].has(b)) continue;
        if (pair.g >= 0) return false;
        pair.g = g;
    }
    if (pair.g < 0) return false;
    const int32_t* v = mesh.faces[pair.g].v;
    for (int j = 0; j < 3; j++)
        if (v[j] == b && v[(j + 1) % 3] == a) pair.d = v[(j + 2) % 3];
    return pair.d >= 0 && pair.d != pair.c;
}

// Whether c and d, which a flip would connect, are neighbours already.
inline bool is_taken(const ReducedMesh& mesh, const Adjacency& around, const EdgePair& pair) {
    for (uint32_t k = 0; k < around.degree[pair.c]; k++)
        if (mesh.faces[around.incident[around.first[pair.c] + k]].has(pair.d)) return true;
    return false;
}

// f = a, b, c and g = b, a, d become c, a, d and d, b, c; what they tell of their edges goes along.
inline void flip_edge(ReducedMesh& mesh, const EdgePair& pair) {
    if (mesh.curves.size()) {
        const auto edge_from = [&](int32_t face, int32_t v) {
            const int32_t* corners = mesh.faces[face].v;
            return mesh.curves[3 * face + (corners[0] == v ? 0 : corners[1] == v ? 1 : 2)];
        };
        const int32_t edges[6] = {edge_from(pair.f, pair.c), edge_from(pair.g, pair.a), -1,
                                  edge_from(pair.g, pair.d), edge_from(pair.f, pair.b), -1};
        memcpy(&mesh.curves[3 * pair.f], edges, 3 * sizeof(int32_t));
        memcpy(&mesh.curves[3 * pair.g], edges + 3, 3 * sizeof(int32_t));
    }
    mesh.faces[pair.f] = {{pair.c, pair.a, pair.d}};
    mesh.faces[pair.g] = {{pair.d, pair.b, pair.c}};
}

}  // namespace hy3d

#endif
