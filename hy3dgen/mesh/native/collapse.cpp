// SPDX-License-Identifier: Apache-2.0
// Edge collapse by quadric error, in passes.
//
// Each pass prices every edge at its best position, sorts, and collapses the cheapest part in order
// of price; an edge whose surroundings changed within the pass is priced again and waits for the
// next pass if it is now above the pass's limit. No heap: sorting a pass costs less than keeping a
// million entries up to date, and the result differs from the strict order by a few percent of the
// error either way.
//
// A collapse must
//   - be allowed for the kinds of its two ends (interior, curve, corner), so borders keep their
//     course and seams between sheets stay where they are;
//   - keep the surface's topology (the link condition), so parts, holes and handles stay;
//   - turn no face far, and make no sliver worse.
//
// Sources: Garland & Heckbert, Surface simplification using quadric error metrics, 1997 (quadrics
// by area, border planes); Dey, Edelsbrunner, Guha & Nekhayev, Topology preserving edge
// contraction, 1999 (link condition).
#include "collapse.h"

namespace hy3d {
namespace {

// Pull towards the edge's middle, relative to the quadric's trace: decides along directions in
// which the surface is flat.
constexpr double RIDGE = 1e-6;
// Cost of an edge's length, relative to the trace: on exactly flat parts short edges go first.
constexpr double LENGTH_COST = 1e-7;
// Weight of the planes that stand on borders against those of faces.
constexpr double BORDER_WEIGHT = 3.0;
// At most this part of the edges is collapsed before all are priced again.
constexpr double PART_PER_PASS = 0.3;
// A pass that collapses less than this part of what it tried counts as stuck.
constexpr double STUCK_BELOW = 0.02;
// Passes over every edge before we believe that parts and holes allow no fewer faces.
constexpr int MAX_EXHAUSTED = 64;
constexpr uint32_t MAX_SHEETS = 8;

struct Limits {
    double min_cosine;  // between a face's normals before and after
    double min_shape;   // area^2 over squared sum of squared edges; 0.083 if equilateral
};
// Tried in this order: the next when the one before lets too few collapses through.
constexpr Limits USUAL = {0.2, 2.5e-5};
constexpr Limits THIN_FACES = {0.2, 1e-9};
constexpr Limits LAST_RESORT = {0.0, 1e-12};

// Twice the area vector of a triangle, and its squared length over the squared sum of its squared
// edges (times four): a measure of shape that needs no square root.
struct Shape {
    Vec3 normal;
    double area2, edges2;
    Shape(Vec3 a, Vec3 b, Vec3 c) {
        const Vec3 ab = b - a, ac = c - a;
        normal = cross(ab, ac);
        area2 = squared(normal);
        const double sum = squared(ab) + squared(ac) + squared(c - b);
        edges2 = sum * sum;
    }
};

class Collapser {
public:
    Collapser(WorkMesh& mesh, size_t target, Progress& progress)
        : mesh_(mesh), target_(target), progress_(progress) {}

    Status run() {
        alive_ = start_ = mesh_.faces.size();
        const size_t vertex_count = mesh_.positions.size();
        if (!mesh_.merged_into.resize(vertex_count) || !mesh_.source.resize(vertex_count) ||
            !mesh_.kind.resize_zeroed(vertex_count) || !quadrics_.resize_zeroed(vertex_count) ||
            !touched_.resize_zeroed(vertex_count) || !marks_.resize_zeroed(vertex_count) ||
            !dead_.resize_zeroed(mesh_.faces.size()))
            return HY3D_OUT_OF_MEMORY;
        for (size_t v = 0; v < vertex_count; v++)
            mesh_.merged_into[v] = mesh_.source[v] = static_cast<int32_t>(v);

        Status status = around_.build(vertex_count, mesh_.faces);
        if (status == HY3D_OK) status = classify_vertices();
        if (status != HY3D_OK) return status;
        sum_face_quadrics();
        int stuck = 0, exhausted = 0;
        bool last_resort = false;
        while (alive_ > target_) {
            bool all_tried = false;
            size_t tried = 0, done = 0;
            status = price_edges();
            const Limits& limits = last_resort ? LAST_RESORT : stuck ? THIN_FACES : USUAL;
            if (status == HY3D_OK) status = one_pass(limits, stuck, all_tried, tried, done);
            if (status == HY3D_OK) status = compact();
            if (status != HY3D_OK) return status;
            if (all_tried) {
                exhausted++;
                if (done == 0 && last_resort) break;
                if (done == 0) last_resort = true;
                if (exhausted == MAX_EXHAUSTED) break;
            }
            stuck = static_cast<double>(done) < STUCK_BELOW * static_cast<double>(tried)
                        ? stuck + 1
                        : 0;
        }
        return HY3D_OK;
    }

private:
    struct Edge {
        int32_t u, v;
    };

    // ---- set-up ----

    // Kinds from the number of faces at each edge, and the planes that hold borders.
    Status classify_vertices() {
        Array<uint32_t> open_edges, sheets;
        if (!open_edges.resize_zeroed(mesh_.positions.size()) ||
            !sheets.resize_zeroed(mesh_.positions.size()))
            return HY3D_OUT_OF_MEMORY;
        Array<uint8_t>& kind = mesh_.kind;
        const Status status = for_each_edge(
            around_, mesh_.faces, seen_by_, counts_, neighbours_,
            [&](int32_t u, int32_t v, uint32_t count) -> Status {
                if (count == 2) return HY3D_OK;
                const int32_t ends[2] = {u, v};
                for (const int32_t end : ends) {
                    // A curve has exactly two open edges of one sort here; all else is a corner.
                    const bool fits = open_edges[end] == 0 || sheets[end] == count;
                    kind[end] = open_edges[end] < 2 && fits ? CURVE : CORNER;
                    open_edges[end]++;
                    sheets[end] = fits ? count : UINT32_MAX;
                }
                if (count == 1) add_border_plane(u, v);
                return HY3D_OK;
            });
        if (status != HY3D_OK) return status;
        for (size_t v = 0; v < kind.size(); v++)
            if (open_edges[v] == 1) kind[v] = CORNER;  // a curve that ends here
        return HY3D_OK;
    }

    void add_border_plane(int32_t u, int32_t v) {
        for (uint32_t k = 0; k < around_.degree[u]; k++) {
            const Face& face = mesh_.faces[around_.incident[around_.first[u] + k]];
            if (!face.has(v)) continue;
            const Vec3 a = mesh_.positions[u], along = mesh_.positions[v] - a;
            const Vec3 normal = Shape(position(face, 0), position(face, 1), position(face, 2)).normal;
            const Vec3 across = cross(along, normal);
            const double length = sqrt(squared(across));
            if (!(length > 0)) return;
            Quadric plane = {};
            plane.add_plane((1 / length) * across, a, BORDER_WEIGHT * squared(along));
            quadrics_[u].add(plane);
            quadrics_[v].add(plane);
            return;
        }
    }

    void sum_face_quadrics() {
        for (size_t f = 0; f < mesh_.faces.size(); f++) {
            const Face& face = mesh_.faces[f];
            const Vec3 normal = Shape(position(face, 0), position(face, 1), position(face, 2)).normal;
            const double doubled_area = sqrt(squared(normal));
            if (!(doubled_area > 1e-30)) continue;
            Quadric plane = {};
            plane.add_plane((1 / doubled_area) * normal, position(face, 0), doubled_area / 6);
            for (const int32_t v : face.v) quadrics_[v].add(plane);
        }
    }

    Vec3 position(const Face& face, int corner) const { return mesh_.positions[face.v[corner]]; }

    // ---- pricing ----

    // Cost of merging u and v, and where the merged vertex would stand.
    double price(int32_t u, int32_t v, Vec3& at) const {
        Quadric sum = quadrics_[u];
        sum.add(quadrics_[v]);
        const Vec3 pu = mesh_.positions[u], pv = mesh_.positions[v];
        const double length2 = squared(pu - pv), trace = sum.a.trace();
        double cost;
        if (mesh_.kind[u] != mesh_.kind[v]) {
            at = mesh_.kind[u] > mesh_.kind[v] ? pu : pv;
            cost = sum.at(at);
        } else {
            const Vec3 middle = 0.5 * (pu + pv);
            Vec3 step = sum.a.solve(-1.0 * (sum.a * middle + sum.b), RIDGE * trace + 1e-30);
            const double step2 = squared(step);
            if (step2 > 4 * length2) step = (2 * sqrt(length2 / step2)) * step;
            at = middle + step;
            cost = sum.at(at);
            // The ridge keeps the solution a little off sharp corners and edges; an end that lies
            // on them costs nothing at all.
            const double cost_u = sum.at(pu), cost_v = sum.at(pv);
            if (cost_u <= cost && cost_u <= cost_v) {
                at = pu;
                cost = cost_u;
            } else if (cost_v <= cost) {
                at = pv;
                cost = cost_v;
            }
        }
        return (cost > 0 ? cost : 0) + LENGTH_COST * trace * length2;
    }

    Status price_edges() {
        edges_.truncate(0);
        order_.truncate(0);
        return for_each_edge(
            around_, mesh_.faces, seen_by_, counts_, neighbours_,
            [&](int32_t u, int32_t v, uint32_t count) -> Status {
                if (edges_.size() % 65536 == 0 && !progress_.report(share_done()))
                    return HY3D_CANCELLED;
                const bool both_held = mesh_.kind[u] != INTERIOR && mesh_.kind[v] != INTERIOR;
                if (both_held && (count == 2 || mesh_.kind[u] + mesh_.kind[v] == 2 * CORNER))
                    return HY3D_OK;
                Vec3 at;
                const float cost = static_cast<float>(price(u, v, at));
                uint32_t key;  // bits of a float that is not negative sort like the float
                memcpy(&key, &cost, sizeof(key));
                if (!order_.push({key, static_cast<uint32_t>(edges_.size())}) ||
                    !edges_.push({u, v}))
                    return HY3D_OUT_OF_MEMORY;
                return HY3D_OK;
            });
    }

    // ---- collapsing ----

    Status one_pass(const Limits& limits, int stuck, bool& all_tried, size_t& tried, size_t& done) {
        if (!radix_sort(order_, scratch_)) return HY3D_OUT_OF_MEMORY;
        const size_t needed = (alive_ - target_ + 1) / 2;
        size_t candidates = needed + needed / 4 + 8;
        const size_t most = static_cast<size_t>(PART_PER_PASS * static_cast<double>(order_.size()));
        if (candidates > most) candidates = most > 1 ? most : 1;
        if (stuck > 1) candidates = stuck < 9 ? candidates << (stuck - 1) : order_.size();
        all_tried = candidates >= order_.size();
        if (all_tried) candidates = order_.size();
        tried = candidates;
        float limit = INFINITY;
        if (!all_tried) memcpy(&limit, &order_[candidates].key, sizeof(limit));

        touched_.zero();
        marks_.zero();
        stamp_ = 0;
        for (size_t i = 0; i < candidates && alive_ > target_; i++) {
            if (i % 256 == 0 && !progress_.report(share_done())) return HY3D_CANCELLED;
            const Edge edge = edges_[order_[i].index];
            const int32_t u = edge.u, v = edge.v;
            if (mesh_.merged_into[u] != u || mesh_.merged_into[v] != v) continue;
            if (mesh_.kind[u] + mesh_.kind[v] == 2 * CORNER) continue;
            Vec3 at;
            const double cost = price(u, v, at);
            // Both ends live, so it is an edge still; its price may have changed.
            if ((touched_[u] || touched_[v]) && cost > limit) continue;
            if (!keeps_topology(u, v)) continue;
            if (spoils_faces(u, v, at, limits) || spoils_faces(v, u, at, limits)) continue;
            if (!merge(u, v, at)) return HY3D_OUT_OF_MEMORY;
            done++;
        }
        return HY3D_OK;
    }

    uint32_t faces_at_edge(int32_t a, int32_t b) const {
        uint32_t count = 0;
        for (uint32_t k = 0; k < around_.degree[a]; k++) {
            const int32_t f = around_.incident[around_.first[a] + k];
            count += !dead_[f] && mesh_.faces[f].has(b);
        }
        return count;
    }

    // True if merging u and v leaves a surface of the same topology, and an allowed pair of kinds.
    bool keeps_topology(int32_t u, int32_t v) {
        const uint32_t near_u = ++stamp_, opposite = ++stamp_;
        int32_t opposites[MAX_SHEETS];
        uint32_t sheets = 0;
        for (uint32_t k = 0; k < around_.degree[u]; k++) {
            const int32_t f = around_.incident[around_.first[u] + k];
            if (dead_[f]) continue;
            const Face& face = mesh_.faces[f];
            for (const int32_t w : face.v)
                if (marks_[w] != opposite) marks_[w] = near_u;
            if (!face.has(v)) continue;
            if (sheets == MAX_SHEETS) return false;
            for (const int32_t w : face.v) {
                if (w == u || w == v) continue;
                if (marks_[w] == opposite) return false;  // the same face twice
                marks_[w] = opposite;
                opposites[sheets++] = w;
            }
        }
        if (sheets == 0) return false;
        const bool both_held = mesh_.kind[u] != INTERIOR && mesh_.kind[v] != INTERIOR;
        if (both_held && sheets == 2) return false;
        marks_[u] = marks_[v] = 0;

        // Link condition: whatever is a neighbour of both must span a face with both.
        bool cap_v = false, cap_u = false;
        for (uint32_t k = 0; k < around_.degree[v]; k++) {
            const int32_t f = around_.incident[around_.first[v] + k];
            if (dead_[f]) continue;
            int corners = 0;
            for (const int32_t w : mesh_.faces[f].v) {
                if (marks_[w] == near_u) return false;
                corners += marks_[w] == opposite;
            }
            cap_v |= corners == 2;
        }
        if (cap_v) {
            // Faces of u and of v over the same two opposites would fall together: a tetrahedron.
            for (uint32_t k = 0; k < around_.degree[u] && !cap_u; k++) {
                const int32_t f = around_.incident[around_.first[u] + k];
                if (dead_[f]) continue;
                int corners = 0;
                for (const int32_t w : mesh_.faces[f].v) corners += marks_[w] == opposite;
                cap_u = corners == 2;
            }
            if (cap_u) return false;
        }
        if (both_held)
            for (uint32_t i = 0; i < sheets; i++)
                if (mesh_.kind[opposites[i]] != INTERIOR && faces_at_edge(u, opposites[i]) != 2 &&
                    faces_at_edge(v, opposites[i]) != 2)
                    return false;  // two curves, or both ends of an ear, would fall together
        return true;
    }

    // True if moving u to `at` turns a face that stays too far, or flattens it.
    bool spoils_faces(int32_t u, int32_t v, Vec3 at, const Limits& limits) const {
        const Vec3 from = mesh_.positions[u];
        for (uint32_t k = 0; k < around_.degree[u]; k++) {
            const int32_t f = around_.incident[around_.first[u] + k];
            if (dead_[f]) continue;
            const Face& face = mesh_.faces[f];
            if (face.has(v)) continue;
            const int corner = face.v[0] == u ? 0 : face.v[1] == u ? 1 : 2;
            const Vec3 b = position(face, (corner + 1) % 3), c = position(face, (corner + 2) % 3);
            const Shape before(from, b, c), after(at, b, c);
            if (!(after.area2 > 0)) return true;
            if (after.area2 < limits.min_shape * after.edges2 &&
                after.area2 * before.edges2 < before.area2 * after.edges2)
                return true;
            if (before.area2 < 1e-12 * before.edges2) continue;  // its normal means nothing
            const double turn = dot(before.normal, after.normal);
            if (turn <= 0 || turn * turn < limits.min_cosine * limits.min_cosine * before.area2 *
                                               after.area2)
                return true;
        }
        return false;
    }

    // Merges v into u at `at`; their faces form a new row at the end of the incidence list.
    bool merge(int32_t u, int32_t v, Vec3 at) {
        Array<int32_t>& incident = around_.incident;
        const size_t begin = incident.size();
        if (!incident.grow(begin + around_.degree[u] + around_.degree[v])) return false;
        size_t end = begin;
        for (uint32_t k = 0; k < around_.degree[u]; k++) {
            const int32_t f = incident[around_.first[u] + k];
            if (dead_[f]) continue;
            if (mesh_.faces[f].has(v)) {
                dead_[f] = 1;
                alive_--;
            } else {
                incident[end++] = f;
            }
        }
        for (uint32_t k = 0; k < around_.degree[v]; k++) {
            const int32_t f = incident[around_.first[v] + k];
            if (dead_[f]) continue;
            for (int32_t& w : mesh_.faces[f].v)
                if (w == v) w = u;
            incident[end++] = f;
        }
        incident.truncate(end);
        around_.first[u] = static_cast<uint32_t>(begin);
        around_.degree[u] = static_cast<uint32_t>(end - begin);
        around_.degree[v] = 0;

        const Vec3 pu = mesh_.positions[u], pv = mesh_.positions[v];
        const bool stays = at.x == pu.x && at.y == pu.y && at.z == pu.z;
        const bool takes = at.x == pv.x && at.y == pv.y && at.z == pv.z;
        if (!stays) mesh_.source[u] = takes ? mesh_.source[v] : -1;
        mesh_.positions[u] = at;
        quadrics_[u].add(quadrics_[v]);
        if (mesh_.kind[v] > mesh_.kind[u]) mesh_.kind[u] = mesh_.kind[v];
        mesh_.merged_into[v] = u;
        touched_[u] = 1;
        return true;
    }

    double share_done() const {
        return static_cast<double>(start_ - alive_) / static_cast<double>(start_ - target_);
    }

    // Forgets the dead faces and gives every vertex a fresh row.
    Status compact() {
        size_t kept = 0;
        for (size_t f = 0; f < mesh_.faces.size(); f++)
            if (!dead_[f]) mesh_.faces[kept++] = mesh_.faces[f];
        mesh_.faces.truncate(kept);
        dead_.truncate(kept);
        dead_.zero();
        return around_.build(mesh_.positions.size(), mesh_.faces);
    }

    WorkMesh& mesh_;
    const size_t target_;
    Progress& progress_;
    size_t alive_ = 0, start_ = 0;
    Adjacency around_;
    Array<Quadric> quadrics_;
    Array<uint8_t> dead_, touched_;
    Array<uint32_t> marks_, counts_;
    Array<int32_t> seen_by_, neighbours_;
    Array<Edge> edges_;
    Array<KeyedIndex> order_, scratch_;
    uint32_t stamp_ = 0;
};

}  // namespace

Status collapse_edges(WorkMesh& mesh, size_t target, Progress& progress) {
    return Collapser(mesh, target, progress).run();
}

}  // namespace hy3d
