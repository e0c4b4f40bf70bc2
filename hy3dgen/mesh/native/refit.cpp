// SPDX-License-Identifier: Apache-2.0
// Brings a reduced mesh closer to the surface it came from.
//
// Quadrics place each vertex by the planes that merged into it; the faces in between are nobody's
// business, and on curved surfaces they end up on one side of the source. Here samples of the
// source find their closest points on the reduced mesh. Then, in each round,
//   - edges are flipped where that brings the samples of their two faces closer, and
//   - a few sweeps of block Gauss-Seidel over the vertices lower the summed squared distance,
//     measured along the samples' normals.
//
// The closest face is searched from the vertex a sample's own vertex merged into, by descent over
// the faces around the closest point: no search tree. The step is kept only where it helped: a
// vertex whose samples did not come closer goes back, and so do the vertices of a face that turned.
#include "refit.h"

#include "threads.h"

namespace hy3d {
namespace {

constexpr int ROUNDS = 3;
constexpr int SWEEPS = 6;              // over the vertices, in a round
constexpr double STAY = 0.02;          // pull to the old place, relative to the normal matrix
constexpr double MIN_AGREEMENT = 0.2;  // cosine between a sample's normal and its face's
constexpr double MAX_TURN = 0.7;       // cosine a face may turn by in a round
constexpr double MAX_FOLD = 0.6;       // cosine between the faces before a flip and after
constexpr double SMOOTH = 0.9;         // length of the mean normal around a vertex that is no crease
constexpr double WORTHWHILE = 1.0;     // part of the distance that must be left at most
constexpr double FLIP_WORTHWHILE = 0.98; // the same for flips, of the squared distance
constexpr double NEAR = 3e-7;          // near enough to be the rounding of the samples
constexpr double MIN_SHAPE = 2.5e-5;   // area^2 over squared sum of squared edges, as in collapse.cpp
constexpr size_t SAMPLES_PER_FACE = 12;
constexpr size_t SAMPLES_PER_JOB = 8192;

struct Sample {
    float position[3], normal[3];
    float weight;        // source area it stands for
    float residual;      // signed distance along the normal
    float distance2;     // to the closest point
    float weights[3];    // of the face's corners at the closest point
    int32_t start;       // vertex to search from
    int32_t face;        // the closest; -1 before it is known, or if there is none
    int32_t next;        // of the same face; while edges are flipped

    Vec3 at() const { return {position[0], position[1], position[2]}; }
    Vec3 up() const { return {normal[0], normal[1], normal[2]}; }
};

class Refit {
public:
    Refit(ReducedMesh& mesh, const Source& source, int32_t threads, Progress& progress)
        : mesh_(mesh), source_(source), threads_(threads), progress_(progress) {}

    Status run() {
        const size_t vertex_count = mesh_.positions.size(), face_count = mesh_.faces.size();
        if (face_count == 0) return HY3D_OK;
        if (!normals_.resize(face_count) || !before_.resize(vertex_count) ||
            !put_back_.resize(vertex_count) || !changed_.resize_zeroed(vertex_count))
            return HY3D_OUT_OF_MEMORY;
        Status status = around_.build(vertex_count, mesh_.faces);
        if (status == HY3D_OK) status = take_samples();
        if (status != HY3D_OK) return status;
        if (!find_closest()) return HY3D_CANCELLED;
        for (int round = 0; round < ROUNDS; round++) {
            if (!flip_edges()) return HY3D_OUT_OF_MEMORY;
            status = around_.build(vertex_count, mesh_.faces);
            if (status != HY3D_OK) return status;
            if (!find_closest()) return HY3D_CANCELLED;
            status = move();
            if (status != HY3D_OK) return status;
        }
        for (size_t v = 0; v < vertex_count; v++)
            if (changed_[v]) mesh_.source[v] = -1;
        return HY3D_OK;
    }

private:
    Vec3 corner(const Face& face, int i) const { return mesh_.positions[face.v[i]]; }

    // ---- samples ----

    // Centroids of source faces and smooth source vertices, with their normals; half the area each.
    Status take_samples() {
        const size_t vertex_count = source_.vertex_count, face_count = source_.face_count;
        Array<Vec3> normal_sums;
        Array<float> areas;
        if (!normal_sums.resize_zeroed(vertex_count) || !areas.resize_zeroed(vertex_count))
            return HY3D_OUT_OF_MEMORY;
        size_t stride = (face_count + vertex_count) / (SAMPLES_PER_FACE * mesh_.faces.size());
        if (stride < 1) stride = 1;
        for (size_t f = 0; f < face_count; f++) {
            const int32_t* corners = source_.faces + 3 * f;
            const Vec3 a = source_.position(corners[0]), b = source_.position(corners[1]),
                       c = source_.position(corners[2]);
            const Vec3 doubled = cross(b - a, c - a);
            const double length = sqrt(squared(doubled));
            if (!(length > 0)) continue;
            for (int i = 0; i < 3; i++) {
                normal_sums[corners[i]] = normal_sums[corners[i]] + doubled;
                areas[corners[i]] += static_cast<float>(length);
            }
            if (f % stride == 0 &&
                !add_sample((1.0 / 3) * (a + b + c), (1 / length) * doubled, length, corners[0]))
                return HY3D_OUT_OF_MEMORY;
        }
        for (size_t v = 0; v < vertex_count; v += stride) {
            const double length = sqrt(squared(normal_sums[v]));
            if (!(length > SMOOTH * static_cast<double>(areas[v])) || !(length > 0)) continue;
            if (!add_sample(source_.position(static_cast<int32_t>(v)),
                            (1 / length) * normal_sums[v], static_cast<double>(areas[v]) / 3,
                            static_cast<int32_t>(v)))
                return HY3D_OUT_OF_MEMORY;
        }
        return HY3D_OK;
    }

    bool add_sample(Vec3 position, Vec3 normal, double weight, int32_t source_vertex) {
        if (mesh_.went_to[source_vertex] < 0) return true;
        Sample sample = {};
        const double p[3] = {position.x, position.y, position.z};
        const double n[3] = {normal.x, normal.y, normal.z};
        for (int i = 0; i < 3; i++) {
            sample.position[i] = static_cast<float>(p[i]);
            sample.normal[i] = static_cast<float>(n[i]);
        }
        sample.weight = static_cast<float>(weight);
        sample.start = mesh_.went_to[source_vertex];
        sample.face = -1;
        return samples_.push(sample);
    }

    // Closest point of the reduced mesh for every sample; false if cancelled.
    bool find_closest() {
        for (size_t f = 0; f < mesh_.faces.size(); f++) {
            const Face& face = mesh_.faces[f];
            const Vec3 n = cross(corner(face, 1) - corner(face, 0), corner(face, 2) - corner(face, 0));
            const double length = sqrt(squared(n));
            normals_[f] = length > 0 ? (1 / length) * n : Vec3{0, 0, 0};
        }
        int32_t cancelled = 0;
        const double done = searches_++ / (1.0 + 3 * ROUNDS);
        for_each_range(threads_, samples_.size(), SAMPLES_PER_JOB, [&](size_t begin, size_t end) {
            for (size_t i = begin; i < end; i++) {
                if (i % 512 == 0 && !progress_.report(done)) {
                    __atomic_store_n(&cancelled, 1, __ATOMIC_RELAXED);
                    return;
                }
                descend(samples_[i]);
            }
        });
        return cancelled == 0;
    }

    void descend(Sample& sample) const {
        const Vec3 at = sample.at(), up = sample.up();
        double best = INFINITY, weights[3] = {0, 0, 0};
        int32_t best_face = -1;
        const auto try_face = [&](int32_t f) {
            if (dot(normals_[f], up) < MIN_AGREEMENT) return;
            const Face& face = mesh_.faces[f];
            double w[3];
            const double distance2 =
                closest_on_triangle(at, corner(face, 0), corner(face, 1), corner(face, 2), w);
            if (distance2 < best) {
                best = distance2;
                best_face = f;
                for (int i = 0; i < 3; i++) weights[i] = w[i];
            }
        };
        const auto try_around = [&](int32_t v) {
            for (uint32_t k = 0; k < around_.degree[v]; k++)
                try_face(around_.incident[around_.first[v] + k]);
        };
        if (sample.face >= 0) try_face(sample.face);
        if (best_face < 0) try_around(sample.start);
        for (int step = 0; step < 8 && best_face >= 0; step++) {
            // Inside a face no neighbour is closer; on its rim, one around that rim may be.
            const int32_t from = best_face;
            const double w[3] = {weights[0], weights[1], weights[2]};
            for (int i = 0; i < 3; i++)
                if (w[i] > 0 && (w[(i + 1) % 3] <= 0 || w[(i + 2) % 3] <= 0))
                    try_around(mesh_.faces[from].v[i]);
            if (best_face == from) break;
        }
        sample.face = best_face;
        if (best_face < 0) return;
        const Face& face = mesh_.faces[best_face];
        Vec3 offset = at;
        for (int i = 0; i < 3; i++) {
            sample.weights[i] = static_cast<float>(weights[i]);
            offset = offset - static_cast<double>(sample.weights[i]) * corner(face, i);
        }
        sample.residual = static_cast<float>(dot(up, offset));
        sample.distance2 = static_cast<float>(best);
    }

    // ---- flipping edges ----

    // One pass over the edges; those around a flipped one wait for the next round.
    bool flip_edges() {
        if (!first_.resize(mesh_.faces.size())) return false;
        for (size_t f = 0; f < first_.size(); f++) first_[f] = -1;
        for (size_t i = samples_.size(); i-- > 0;) {
            if (samples_[i].face < 0) continue;
            samples_[i].next = first_[samples_[i].face];
            first_[samples_[i].face] = static_cast<int32_t>(i);
        }
        put_back_.zero();  // here: 1 for vertices whose rows of faces are out of date
        for (size_t f = 0; f < mesh_.faces.size(); f++)
            for (int i = 0; i < 3; i++) {
                const int32_t a = mesh_.faces[f].v[i], b = mesh_.faces[f].v[(i + 1) % 3];
                if (a < b && !put_back_[a] && !put_back_[b]) flip(static_cast<int32_t>(f), i);
            }
        return true;
    }

    // The other face at the edge from a to b, which `face` has; -1 if that is not just one face,
    // running from b to a. `third` is its third vertex.
    int32_t across(int32_t face, int32_t a, int32_t b, int32_t& third) const {
        int32_t found = -1;
        for (uint32_t k = 0; k < around_.degree[a]; k++) {
            const int32_t g = around_.incident[around_.first[a] + k];
            if (g == face || !mesh_.faces[g].has(b)) continue;
            if (found >= 0) return -1;
            found = g;
        }
        if (found < 0) return -1;
        const int32_t* v = mesh_.faces[found].v;
        for (int i = 0; i < 3; i++)
            if (v[i] == b && v[(i + 1) % 3] == a) {
                third = v[(i + 2) % 3];
                return found;
            }
        return -1;
    }

    static double shape(Vec3 a, Vec3 b, Vec3 c) {
        const double sum = squared(b - a) + squared(c - a) + squared(c - b);
        return sum > 0 ? squared(cross(b - a, c - a)) / (sum * sum) : 0;
    }

    // Flips the edge i of face f if that is allowed and worthwhile.
    void flip(int32_t f, int i) {
        const int32_t a = mesh_.faces[f].v[i], b = mesh_.faces[f].v[(i + 1) % 3],
                      c = mesh_.faces[f].v[(i + 2) % 3];
        int32_t d = -1;
        const int32_t g = across(f, a, b, d);
        if (g < 0 || d == c || put_back_[c] || put_back_[d]) return;
        const int32_t pair[2] = {f, g};
        double now = 0, weight = 0;
        int count = 0;
        for (const int32_t face : pair)
            for (int32_t s = first_[face]; s >= 0; s = samples_[s].next) {
                now += static_cast<double>(samples_[s].weight * samples_[s].distance2);
                weight += static_cast<double>(samples_[s].weight);
                count++;
            }
        if (count < 4 || now < NEAR * NEAR * weight) return;
        const Vec3 pa = mesh_.positions[a], pb = mesh_.positions[b], pc = mesh_.positions[c],
                   pd = mesh_.positions[d];
        // The new faces: c, a, d and d, b, c.
        const Vec3 first = cross(pa - pc, pd - pc), second = cross(pb - pd, pc - pd);
        const double length1 = sqrt(squared(first)), length2 = sqrt(squared(second));
        if (!(length1 > 0) || !(length2 > 0)) return;
        const Vec3 n1 = (1 / length1) * first, n2 = (1 / length2) * second;
        for (const int32_t face : pair)
            if (dot(n1, normals_[face]) < MAX_FOLD || dot(n2, normals_[face]) < MAX_FOLD)
                return;
        const double shape1 = shape(pc, pa, pd), shape2 = shape(pd, pb, pc);
        if (shape1 < MIN_SHAPE || shape2 < MIN_SHAPE) return;
        for (uint32_t k = 0; k < around_.degree[c]; k++)
            if (mesh_.faces[around_.incident[around_.first[c] + k]].has(d)) return;

        const auto closest = [&](const Sample& sample, bool& in_second) {
            double w[3], best = INFINITY;
            if (dot(n1, sample.up()) >= MIN_AGREEMENT)
                best = closest_on_triangle(sample.at(), pc, pa, pd, w);
            in_second = false;
            if (dot(n2, sample.up()) >= MIN_AGREEMENT) {
                const double other = closest_on_triangle(sample.at(), pd, pb, pc, w);
                in_second = other < best;
                if (in_second) best = other;
            }
            return best;
        };
        double then = 0;
        bool in_second;
        const double wanted = FLIP_WORTHWHILE * now;
        for (const int32_t face : pair)
            for (int32_t s = first_[face]; s >= 0; s = samples_[s].next) {
                then += static_cast<double>(samples_[s].weight) * closest(samples_[s], in_second);
                if (!(then < wanted)) return;
            }

        int32_t lists[2] = {-1, -1};
        for (const int32_t face : pair)
            for (int32_t s = first_[face]; s >= 0;) {
                Sample& sample = samples_[s];
                const int32_t following = sample.next;
                sample.distance2 = static_cast<float>(closest(sample, in_second));
                sample.face = in_second ? g : f;
                sample.next = lists[in_second];
                lists[in_second] = s;
                s = following;
            }
        first_[f] = lists[0];
        first_[g] = lists[1];
        mesh_.faces[f] = {{c, a, d}};
        mesh_.faces[g] = {{d, b, c}};
        normals_[f] = n1;
        normals_[g] = n2;
        put_back_[a] = put_back_[b] = put_back_[c] = put_back_[d] = 1;
    }

    // ---- moving vertices ----

    Status move() {
        Array<double> error_before, error_after;
        memcpy(before_.data(), mesh_.positions.data(), before_.size() * sizeof(Vec3));
        put_back_.zero();
        if (!sum_errors(error_before) || !group_samples()) return HY3D_OUT_OF_MEMORY;
        for (int sweep = 0; sweep < SWEEPS; sweep++) move_vertices();
        undo_turns();
        if (!find_closest()) return HY3D_CANCELLED;
        if (!sum_errors(error_after)) return HY3D_OUT_OF_MEMORY;
        bool any = false;
        for (size_t v = 0; v < before_.size(); v++)
            if (!(error_after[v] < WORTHWHILE * error_before[v]) && differs(v)) {
                put_back(v);
                any = true;
            }
        if (any) {
            undo_turns();
            if (!find_closest()) return HY3D_CANCELLED;
        }
        for (size_t v = 0; v < before_.size(); v++) changed_[v] |= differs(v);
        return HY3D_OK;
    }

    // Per vertex, the weighted distance of the samples on the faces around it.
    bool sum_errors(Array<double>& errors) const {
        if (!errors.resize_zeroed(mesh_.positions.size())) return false;
        for (size_t i = 0; i < samples_.size(); i++) {
            const Sample& sample = samples_[i];
            if (sample.face < 0) continue;
            const double distance = sqrt(static_cast<double>(sample.distance2)) - NEAR;
            if (distance < 0) continue;
            const double error = static_cast<double>(sample.weight) * distance;
            for (const int32_t v : mesh_.faces[sample.face].v) errors[v] += error;
        }
        return true;
    }

    // The samples that each vertex has a part in, in rows.
    bool group_samples() {
        const size_t vertex_count = mesh_.positions.size();
        if (!row_.resize_zeroed(vertex_count + 1)) return false;
        for (size_t i = 0; i < samples_.size(); i++)
            if (samples_[i].face >= 0)
                for (const int32_t v : mesh_.faces[samples_[i].face].v) row_[v + 1]++;
        for (size_t v = 0; v < vertex_count; v++) row_[v + 1] += row_[v];
        if (!members_.resize(row_[vertex_count])) return false;
        for (size_t i = samples_.size(); i-- > 0;)
            if (samples_[i].face >= 0)
                for (int c = 0; c < 3; c++)
                    members_[--row_[mesh_.faces[samples_[i].face].v[c] + 1]] = {
                        static_cast<uint32_t>(i), static_cast<uint32_t>(c)};
        // Each entry was taken down to its row's beginning, one place late.
        for (size_t v = 0; v < vertex_count; v++) row_[v] = row_[v + 1];
        row_[vertex_count] = static_cast<uint32_t>(members_.size());
        return true;
    }

    // One sweep: each vertex to the minimum over its samples, the others held.
    void move_vertices() {
        for (size_t v = 0; v < mesh_.positions.size(); v++) {
            if (row_[v] == row_[v + 1] || mesh_.kind[v] != INTERIOR) continue;
            Sym3 matrix = {};
            Vec3 gradient = {0, 0, 0};
            for (uint32_t k = row_[v]; k < row_[v + 1]; k++) {
                const Sample& sample = samples_[members_[k].sample];
                const double w = static_cast<double>(sample.weights[members_[k].corner]);
                const double weight = static_cast<double>(sample.weight) * w;
                matrix.add_outer(sample.up(), weight * w);
                gradient = gradient + (weight * static_cast<double>(sample.residual)) * sample.up();
            }
            const double ridge = STAY * matrix.trace();
            if (!(ridge > 0)) continue;
            gradient = gradient - ridge * (mesh_.positions[v] - before_[v]);
            const Vec3 step = matrix.solve(gradient, ridge);
            mesh_.positions[v] = mesh_.positions[v] + step;
            for (uint32_t k = row_[v]; k < row_[v + 1]; k++) {
                Sample& sample = samples_[members_[k].sample];
                sample.residual -= sample.weights[members_[k].corner] *
                                   static_cast<float>(dot(sample.up(), step));
            }
        }
    }

    bool differs(size_t v) const { return squared(mesh_.positions[v] - before_[v]) > 0; }

    void put_back(size_t v) {
        mesh_.positions[v] = before_[v];
        put_back_[v] = 1;
    }

    // Puts vertices back until no face has turned; ends, as each goes back once.
    void undo_turns() {
        for (bool again = true; again;) {
            again = false;
            for (const Face* face = mesh_.faces.data();
                 face != mesh_.faces.data() + mesh_.faces.size(); face++) {
                const int32_t* v = face->v;
                const Vec3 old_normal =
                    cross(before_[v[1]] - before_[v[0]], before_[v[2]] - before_[v[0]]);
                const Vec3 normal =
                    cross(corner(*face, 1) - corner(*face, 0), corner(*face, 2) - corner(*face, 0));
                const double turn = dot(old_normal, normal);
                if (turn > 0 &&
                    turn * turn >= MAX_TURN * MAX_TURN * squared(old_normal) * squared(normal))
                    continue;
                for (int i = 0; i < 3; i++)
                    if (!put_back_[v[i]]) {
                        put_back(v[i]);
                        again = true;
                    }
            }
        }
    }

    struct Member {
        uint32_t sample, corner;
    };

    ReducedMesh& mesh_;
    const Source& source_;
    const int32_t threads_;
    Progress& progress_;
    Adjacency around_;
    Array<Sample> samples_;
    Array<Vec3> normals_, before_;
    Array<uint8_t> put_back_, changed_;
    Array<uint32_t> row_;
    Array<Member> members_;
    Array<int32_t> first_;
    int searches_ = 0;
};

}  // namespace

Status refit(ReducedMesh& mesh, const Source& source, int32_t threads, Progress& progress) {
    return Refit(mesh, source, threads, progress).run();
}

}  // namespace hy3d
