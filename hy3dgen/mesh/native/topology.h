// SPDX-License-Identifier: Apache-2.0
// Faces as index triples, and what can be said of them without moving a vertex.
#ifndef HY3D_TOPOLOGY_H
#define HY3D_TOPOLOGY_H

#include "containers.h"
#include "hy3d_mesh.h"

namespace hy3d {

using Status = int32_t;

struct Face {
    int32_t v[3];

    bool has(int32_t vertex) const { return v[0] == vertex || v[1] == vertex || v[2] == vertex; }
    bool is_degenerate() const { return v[0] == v[1] || v[1] == v[2] || v[2] == v[0]; }
};

// The faces around each vertex, in rows.
struct Adjacency {
    Array<uint32_t> first;     // per vertex, where its row begins
    Array<uint32_t> degree;    // per vertex, the length of its row
    Array<int32_t> incident;   // the rows

    [[nodiscard]] Status build(size_t vertex_count, const Array<Face>& faces);
};

// Calls visit(u, v, faces) once for every edge, u < v, with the number of faces that share it, in
// an order that depends on the mesh alone. `marks` and `counts` are scratch, one per vertex.
// Stops at, and returns, the first status that is not HY3D_OK.
template <typename Visit>
[[nodiscard]] Status for_each_edge(const Adjacency& around, const Array<Face>& faces,
                                   Array<int32_t>& seen_by, Array<uint32_t>& counts,
                                   Array<int32_t>& neighbours, Visit visit) {
    const size_t vertex_count = around.degree.size();
    if (!seen_by.resize(vertex_count) || !counts.resize(vertex_count)) return HY3D_OUT_OF_MEMORY;
    for (size_t v = 0; v < vertex_count; v++) seen_by[v] = -1;
    for (size_t at = 0; at < vertex_count; at++) {
        const int32_t u = static_cast<int32_t>(at);
        neighbours.truncate(0);
        for (uint32_t k = 0; k < around.degree[at]; k++) {
            const Face& face = faces[around.incident[around.first[at] + k]];
            for (const int32_t v : face.v) {
                if (v <= u) continue;
                if (seen_by[v] == u) {
                    counts[v]++;
                    continue;
                }
                seen_by[v] = u;
                counts[v] = 1;
                if (!neighbours.push(v)) return HY3D_OUT_OF_MEMORY;
            }
        }
        for (size_t k = 0; k < neighbours.size(); k++) {
            const int32_t v = neighbours[k];
            const Status status = visit(u, v, counts[v]);
            if (status != HY3D_OK) return status;
        }
    }
    return HY3D_OK;
}

[[nodiscard]] Status check_arrays(const float* vertices, int64_t vertex_count, const int32_t* faces,
                                  int64_t face_count);

// representative[v] becomes the first vertex within `tolerance` of v (itself, if there is none
// before it). Where `only` is given, vertices with only[v] == 0 stay by themselves.
[[nodiscard]] Status find_equal_vertices(const float* vertices, size_t vertex_count,
                                         double tolerance, const uint8_t* only,
                                         Array<int32_t>& representative);

// Drops faces that use a vertex twice and repetitions of a face; keeps the order.
[[nodiscard]] Status drop_degenerate_and_repeated(Array<Face>& faces);

// one[v] = 1 for the vertices of edges that do not have exactly two faces.
[[nodiscard]] Status mark_open_vertices(size_t vertex_count, const Array<Face>& faces,
                                        Array<uint8_t>& open);

// Labels faces by component (sharing an edge connects), numbered by their first face.
[[nodiscard]] Status label_components(size_t vertex_count, const Array<Face>& faces,
                                      int32_t* labels, int64_t* component_count);

}  // namespace hy3d

#endif
