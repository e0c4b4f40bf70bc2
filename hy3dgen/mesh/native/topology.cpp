// SPDX-License-Identifier: Apache-2.0
#include "topology.h"

#include <math.h>

namespace hy3d {

Status Adjacency::build(size_t vertex_count, const Array<Face>& faces) {
    if (!first.resize(vertex_count) || !degree.resize_zeroed(vertex_count) ||
        !incident.resize(3 * faces.size()))
        return HY3D_OUT_OF_MEMORY;
    for (size_t f = 0; f < faces.size(); f++)
        for (const int32_t v : faces[f].v) degree[v]++;
    uint32_t begin = 0;
    for (size_t v = 0; v < vertex_count; v++) {
        first[v] = begin;
        begin += degree[v];
        degree[v] = 0;
    }
    for (size_t f = 0; f < faces.size(); f++)
        for (const int32_t v : faces[f].v)
            incident[first[v] + degree[v]++] = static_cast<int32_t>(f);
    return HY3D_OK;
}

Status check_arrays(const float* vertices, int64_t vertex_count, const int32_t* faces,
                    int64_t face_count) {
    if (vertex_count < 0 || face_count < 0) return HY3D_BAD_ARGUMENT;
    // Rows of faces around vertices are addressed with 32 bits and grow while edges collapse.
    if (vertex_count > 500'000'000 || face_count > 200'000'000) return HY3D_TOO_LARGE;
    for (int64_t i = 0; i < 3 * face_count; i++)
        if (faces[i] < 0 || faces[i] >= vertex_count) return HY3D_BAD_INDEX;
    if (vertices)
        for (int64_t i = 0; i < 3 * vertex_count; i++)
            if (!isfinite(vertices[i])) return HY3D_NOT_FINITE;
    return HY3D_OK;
}

namespace {

Status find_exact(const float* vertices, size_t vertex_count, const uint8_t* only,
                  Array<int32_t>& representative, Progress& progress) {
    HashSlots slots;
    if (!slots.prepare(vertex_count)) return HY3D_OUT_OF_MEMORY;
    for (size_t v = 0; v < vertex_count; v++) {
        if (!progress.go_on(v)) return HY3D_CANCELLED;
        representative[v] = static_cast<int32_t>(v);
        if (only && !only[v]) continue;
        const float* p = vertices + 3 * v;
        uint64_t hash = 0;
        for (int axis = 0; axis < 3; axis++) {
            const float value = p[axis] + 0.0f;  // -0 becomes +0
            uint32_t bits;
            memcpy(&bits, &value, sizeof(bits));
            hash = mix(hash * 31 + bits + 0x9e3779b97f4a7c15ull);
        }
        int32_t& slot = slots.find(hash, [&](int32_t other) {
            const float* q = vertices + 3 * static_cast<size_t>(other);
            return p[0] == q[0] && p[1] == q[1] && p[2] == q[2];
        });
        if (slot < 0) slot = static_cast<int32_t>(v);
        representative[v] = slot;
    }
    return HY3D_OK;
}

struct Cell {
    int64_t x, y, z;
    bool operator==(const Cell& o) const { return x == o.x && y == o.y && z == o.z; }
    uint64_t hash() const {
        uint64_t h = mix(static_cast<uint64_t>(x) + 0x9e3779b97f4a7c15ull);
        h = mix(h + static_cast<uint64_t>(y));
        return mix(h + static_cast<uint64_t>(z));
    }
};

// Greedy: a vertex joins the earliest representative within reach, or becomes one itself.
Status find_near(const float* vertices, size_t vertex_count, double tolerance, const uint8_t* only,
                 Array<int32_t>& representative, Progress& progress) {
    HashSlots slots;                // cell -> latest representative in it
    Array<int32_t> next_in_cell;    // … and the ones before
    Array<Cell> cells;
    if (!slots.prepare(vertex_count) || !next_in_cell.resize(vertex_count) ||
        !cells.resize(vertex_count))
        return HY3D_OUT_OF_MEMORY;
    for (size_t v = 0; v < vertex_count; v++) {
        if (!progress.go_on(v)) return HY3D_CANCELLED;
        representative[v] = static_cast<int32_t>(v);
        if (only && !only[v]) continue;
        const float* p = vertices + 3 * v;
        double scaled[3];
        for (int axis = 0; axis < 3; axis++) {
            scaled[axis] = floor(p[axis] / tolerance);
            if (!(fabs(scaled[axis]) < 1e15)) return HY3D_BAD_ARGUMENT;
        }
        const Cell home = {static_cast<int64_t>(scaled[0]), static_cast<int64_t>(scaled[1]),
                           static_cast<int64_t>(scaled[2])};
        int32_t best = static_cast<int32_t>(v);
        for (int64_t n = 0; n < 27; n++) {
            const Cell cell = {home.x + n % 3 - 1, home.y + n / 3 % 3 - 1, home.z + n / 9 - 1};
            const int32_t slot =
                slots.find(cell.hash(), [&](int32_t other) { return cells[other] == cell; });
            for (int32_t other = slot; other >= 0; other = next_in_cell[other]) {
                const float* q = vertices + 3 * static_cast<size_t>(other);
                const double dx = static_cast<double>(p[0]) - q[0];
                const double dy = static_cast<double>(p[1]) - q[1];
                const double dz = static_cast<double>(p[2]) - q[2];
                if (dx * dx + dy * dy + dz * dz <= tolerance * tolerance && other < best)
                    best = other;
            }
        }
        representative[v] = best;
        if (best != static_cast<int32_t>(v)) continue;
        cells[v] = home;
        int32_t& slot =
            slots.find(home.hash(), [&](int32_t other) { return cells[other] == home; });
        next_in_cell[v] = slot;
        slot = static_cast<int32_t>(v);
    }
    return HY3D_OK;
}

}  // namespace

Status find_equal_vertices(const float* vertices, size_t vertex_count, double tolerance,
                           const uint8_t* only, Array<int32_t>& representative,
                           Progress& progress) {
    if (!(tolerance >= 0) || !isfinite(tolerance)) return HY3D_BAD_ARGUMENT;
    if (!representative.resize(vertex_count)) return HY3D_OUT_OF_MEMORY;
    return tolerance > 0
               ? find_near(vertices, vertex_count, tolerance, only, representative, progress)
               : find_exact(vertices, vertex_count, only, representative, progress);
}

Status drop_degenerate_and_repeated(Array<Face>& faces, Progress& progress,
                                    Array<int32_t>* beside) {
    HashSlots slots;
    if (!slots.prepare(faces.size())) return HY3D_OUT_OF_MEMORY;
    const auto turned = [](const Face& face) {  // smallest index first, same orientation
        const int32_t* v = face.v;
        if (v[0] < v[1] && v[0] < v[2]) return face;
        if (v[1] < v[2]) return Face{{v[1], v[2], v[0]}};
        return Face{{v[2], v[0], v[1]}};
    };
    size_t kept = 0;
    for (size_t f = 0; f < faces.size(); f++) {
        if (!progress.go_on(f)) return HY3D_CANCELLED;
        const Face face = faces[f];
        if (face.is_degenerate()) continue;
        const Face key = turned(face);
        const uint64_t hash =
            mix(mix((static_cast<uint64_t>(key.v[0]) << 32) + static_cast<uint64_t>(key.v[1])) +
                static_cast<uint64_t>(key.v[2]));
        int32_t& slot = slots.find(hash, [&](int32_t other) {
            const Face o = turned(faces[other]);
            return o.v[0] == key.v[0] && o.v[1] == key.v[1] && o.v[2] == key.v[2];
        });
        if (slot >= 0) continue;
        slot = static_cast<int32_t>(kept);
        if (beside) (*beside)[kept] = (*beside)[f];
        faces[kept++] = face;
    }
    faces.truncate(kept);
    if (beside) beside->truncate(kept);
    return HY3D_OK;
}

Status label_components(size_t vertex_count, const Array<Face>& faces, int32_t* labels,
                        int64_t* component_count) {
    const size_t count = faces.size();
    Array<int32_t> parent;
    Adjacency around;
    if (!parent.resize(count)) return HY3D_OUT_OF_MEMORY;
    const Status status = around.build(vertex_count, faces);
    if (status != HY3D_OK) return status;
    for (size_t f = 0; f < count; f++) parent[f] = static_cast<int32_t>(f);
    const auto root = [&](int32_t f) {
        while (parent[f] != f) f = parent[f] = parent[parent[f]];
        return f;
    };
    // Around each vertex, join the faces that share a further vertex; the smaller root wins.
    Array<int32_t> seen_by, seen_in;
    if (!seen_by.resize(vertex_count) || !seen_in.resize(vertex_count)) return HY3D_OUT_OF_MEMORY;
    for (size_t v = 0; v < vertex_count; v++) seen_by[v] = -1;
    for (size_t u = 0; u < vertex_count; u++)
        for (uint32_t k = 0; k < around.degree[u]; k++) {
            const int32_t f = around.incident[around.first[u] + k];
            for (const int32_t v : faces[f].v) {
                if (v <= static_cast<int32_t>(u)) continue;
                if (seen_by[v] == static_cast<int32_t>(u)) {
                    const int32_t a = root(f), b = root(seen_in[v]);
                    if (a < b) parent[b] = a;
                    if (b < a) parent[a] = b;
                } else {
                    seen_by[v] = static_cast<int32_t>(u);
                    seen_in[v] = f;
                }
            }
        }
    // A root is its component's first face, so it is met before the others.
    int32_t next = 0;
    for (size_t f = 0; f < count; f++) {
        const int32_t r = root(static_cast<int32_t>(f));
        labels[f] = r == static_cast<int32_t>(f) ? next++ : labels[r];
    }
    *component_count = next;
    return HY3D_OK;
}

}  // namespace hy3d
