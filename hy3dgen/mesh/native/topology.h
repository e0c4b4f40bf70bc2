// SPDX-License-Identifier: Apache-2.0
// Faces as index triples, and what can be said of them without moving a vertex.
#ifndef HY3D_TOPOLOGY_H
#define HY3D_TOPOLOGY_H

#include "containers.h"
#include "hy3d_mesh.h"
#include "progress.h"

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

[[nodiscard]] Status check_arrays(const float* vertices, int64_t vertex_count, const int32_t* faces,
                                  int64_t face_count);

// representative[v] becomes the first vertex within `tolerance` of v (itself, if there is none
// before it). Where `only` is given, vertices with only[v] == 0 stay by themselves.
[[nodiscard]] Status find_equal_vertices(const float* vertices, size_t vertex_count,
                                         double tolerance, const uint8_t* only,
                                         Array<int32_t>& representative, Progress& progress);

// Drops faces that use a vertex twice and repetitions of a face; keeps the order. `beside`, if given,
// has an entry for each face, which goes with it.
[[nodiscard]] Status drop_degenerate_and_repeated(Array<Face>& faces, Progress& progress,
                                                  Array<int32_t>* beside = nullptr);

// Labels faces by component (sharing an edge connects), numbered by their first face.
[[nodiscard]] Status label_components(size_t vertex_count, const Array<Face>& faces,
                                      int32_t* labels, int64_t* component_count);

}  // namespace hy3d

#endif
