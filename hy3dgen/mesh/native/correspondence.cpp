// SPDX-License-Identifier: Apache-2.0
// Where on the source the corners and faces of a reduced mesh take their values.
//
// A face that is left over lies on the same side of every curve as the source face that it was. The
// corners around a vertex that no curve parts are one wedge; from the source faces of a wedge's own
// faces the search walks to the point closest to the vertex, over edges that are not on curves. So
// all three corners of a face get values from one chart of the source, and no search tree is needed.
#include "correspondence.h"

#include "threads.h"

namespace hy3d {
namespace {

constexpr int MAX_STEPS = 256;   // of a walk; each comes closer
constexpr int MAX_FAN = 1024;    // faces looked at around a source vertex, for each direction
constexpr double ON_RIM = 1e-9;  // a weight so small is none: closest points on rims are rounded
constexpr size_t PER_JOB = 1024;

// A walk over the source's faces towards the point closest to `goal`.
class Walk {
public:
    Walk(const Source& source, const Across& across, Vec3 goal)
        : source_(source), across_(across), goal_(goal) {}

    // False if it has no closer point than what was tried before.
    bool try_face(int32_t f) {
        const int32_t* v = source_.faces + 3 * static_cast<size_t>(f);
        double w[3];
        const double distance2 = closest_on_triangle(goal_, source_.position(v[0]),
                                                     source_.position(v[1]), source_.position(v[2]), w);
        if (!(distance2 < best)) {
            if (face < 0) face = f;  // without area it has no closest point, but its values
            return false;
        }
        best = distance2;
        face = f;
        for (int i = 0; i < 3; i++) weights[i] = w[i];
        return true;
    }

    void run() {
        for (int step = 0; step < MAX_STEPS && face >= 0; step++) {
            // Inside a face no neighbour is closer; on its rim, one around that rim may be.
            const int32_t from = face;
            const double w[3] = {weights[0], weights[1], weights[2]};
            for (int i = 0; i < 3; i++)
                if (w[i] > ON_RIM && (w[(i + 1) % 3] <= ON_RIM || w[(i + 2) % 3] <= ON_RIM))
                    try_fan(3 * from + i);
            if (face == from) break;
        }
    }

    double best = INFINITY;
    int32_t face = -1;
    double weights[3] = {1, 0, 0};

private:
    // The faces around the corner's vertex, either way until a curve or a border.
    void try_fan(int32_t corner) {
        int32_t c = corner;
        for (int k = 0; k < MAX_FAN; k++) {
            c = across_[Surface::preceding(c)];
            if (c < 0 || c == corner) break;
            try_face(c / 3);
        }
        if (c == corner) return;
        c = corner;
        for (int k = 0; k < MAX_FAN; k++) {
            c = across_[c];
            if (c < 0) break;
            c = Surface::following(c);
            if (c == corner) break;
            try_face(c / 3);
        }
    }

    const Source& source_;
    const Across& across_;
    const Vec3 goal_;
};

class Finder {
public:
    Finder(const ReducedMesh& mesh, const Source& source, const Across& across, int32_t threads,
           Progress& progress, Correspondence& found)
        : mesh_(mesh),
          source_(source),
          across_(across),
          threads_(threads),
          progress_(progress),
          found_(found) {}

    Status run() {
        const size_t vertex_count = mesh_.positions.size(), face_count = mesh_.faces.size();
        if (!found_.corners.resize(3 * face_count) || !found_.faces.resize(face_count))
            return HY3D_OUT_OF_MEMORY;
        Status status = around_.build(vertex_count, mesh_.faces);
        for (size_t v = 0; v < vertex_count && status == HY3D_OK; v++)
            status = progress_.go_on(v) ? part_corners(static_cast<int32_t>(v)) : HY3D_CANCELLED;
        if (status != HY3D_OK) return status;
        for_each_range(threads_, found_.wedges.size(), PER_JOB, [&](size_t begin, size_t end) {
            if (!progress_.report(1)) return;
            for (size_t w = begin; w < end; w++) place_wedge(static_cast<int32_t>(w));
        });
        if (!progress_.report(1)) return HY3D_CANCELLED;
        for_each_range(threads_, face_count, PER_JOB, [&](size_t begin, size_t end) {
            if (!progress_.report(1)) return;
            for (size_t f = begin; f < end; f++) place_face(f);
        });
        return progress_.report(1) ? HY3D_OK : HY3D_CANCELLED;
    }

private:
    int32_t corner_at(int32_t face, int32_t v) const {
        const int32_t* corners = mesh_.faces[face].v;
        return 3 * face + (corners[0] == v ? 0 : corners[1] == v ? 1 : 2);
    }
    int32_t vertex_at(int32_t corner) const { return mesh_.faces[corner / 3].v[corner % 3]; }

    // Numbers the wedges of v: its corners, joined across every edge that is on no curve.
    Status part_corners(int32_t v) {
        const uint32_t first = around_.first[v], degree = around_.degree[v];
        const size_t base = found_.wedges.size();
        if (degree == 0) return HY3D_OK;
        if (!group_.resize(degree)) return HY3D_OUT_OF_MEMORY;
        for (uint32_t k = 0; k < degree; k++) group_[k] = k;
        const auto root = [&](uint32_t k) {
            while (group_[k] != k) k = group_[k] = group_[group_[k]];
            return k;
        };
        for (uint32_t k = 0; k < degree; k++) {
            const int32_t out = corner_at(around_.incident[first + k], v);
            if (mesh_.curves[out] >= 0) continue;
            const int32_t a = vertex_at(Surface::following(out));
            for (uint32_t other = 0; other < degree; other++) {
                const int32_t in = Surface::preceding(corner_at(around_.incident[first + other], v));
                if (vertex_at(in) != a || mesh_.curves[in] >= 0) continue;
                const uint32_t x = root(k), y = root(other);
                group_[x > y ? x : y] = x > y ? y : x;
            }
        }
        for (uint32_t k = 0; k < degree; k++) {
            const int32_t corner = corner_at(around_.incident[first + k], v);
            const uint32_t r = root(k);
            if (r == k) {
                found_.corners[corner] = static_cast<int32_t>(found_.wedges.size());
                if (!found_.wedges.push({v, -1, {1, 0, 0}})) return HY3D_OUT_OF_MEMORY;
            } else {  // roots come first
                found_.corners[corner] =
                    found_.corners[corner_at(around_.incident[first + r], v)];
            }
        }
        return found_.wedges.size() > base ? HY3D_OK : HY3D_BAD_ARGUMENT;
    }

    void place_wedge(int32_t w) {
        Wedge& wedge = found_.wedges[w];
        const int32_t v = wedge.vertex;
        Walk walk(source_, across_, mesh_.positions[v]);
        for (uint32_t k = 0; k < around_.degree[v]; k++) {
            const int32_t f = around_.incident[around_.first[v] + k];
            if (found_.corners[corner_at(f, v)] == w) walk.try_face(mesh_.origin[f]);
        }
        walk.run();
        wedge.face = walk.face;
        double sum = 0;  // rounding can leave a weight a little below zero
        for (double& weight : walk.weights) sum += weight = weight > 0 ? weight : 0;
        for (int i = 0; i < 3; i++) wedge.weights[i] = static_cast<float>(walk.weights[i] / sum);
    }

    void place_face(size_t f) {
        const Face& face = mesh_.faces[f];
        const Vec3 middle = (1.0 / 3) * (mesh_.positions[face.v[0]] + mesh_.positions[face.v[1]] +
                                         mesh_.positions[face.v[2]]);
        Walk walk(source_, across_, middle);
        walk.try_face(mesh_.origin[f]);
        for (size_t i = 0; i < 3; i++) walk.try_face(found_.wedges[found_.corners[3 * f + i]].face);
        walk.run();
        found_.faces[f] = walk.face;
    }

    const ReducedMesh& mesh_;
    const Source& source_;
    const Across& across_;
    const int32_t threads_;
    Progress& progress_;
    Correspondence& found_;
    Adjacency around_;
    Array<uint32_t> group_;
};

}  // namespace

Status find_correspondence(const ReducedMesh& mesh, const Source& source, const Across& across,
                           int32_t threads, Progress& progress, Correspondence& found) {
    return Finder(mesh, source, across, threads, progress, found).run();
}

}  // namespace hy3d
