// SPDX-License-Identifier: Apache-2.0
// Moves the vertices of a reduced mesh closer to the surface it came from.
//
// Quadrics place each vertex by the planes that merged into it; the faces in between are nobody's
// business, and on curved surfaces they end up on one side of the source. Here samples of the
// source find their closest points on the reduced mesh, and a few sweeps of block Gauss-Seidel
// lower the summed squared distance, measured along the samples' normals, over all vertices.
//
// The closest face is searched from the vertex a sample's own vertex merged into, by descent over
// the faces around the closest point: no search tree. The step is kept only where it helped: a
// vertex whose samples did not come closer goes back, and so do the vertices of a face that turned.
#include "refit.h"

namespace hy3d {
namespace {

constexpr int ROUNDS = 2;   // closest points found anew, then
constexpr int SWEEPS = 6;   // sweeps over the vertices
constexpr double STAY = 0.02;          // pull to the old place, relative to the normal matrix
constexpr double MIN_AGREEMENT = 0.2;  // cosine between a sample's normal and its face's
constexpr double MAX_TURN = 0.5;       // cosine a face may turn by
constexpr double SMOOTH = 0.9;         // length of the mean normal around a vertex that is no crease
constexpr double WORTHWHILE = 0.95;    // part of the distance that must be left at most
constexpr size_t SAMPLES_PER_FACE = 12;

struct Sample {
    Vec3 position, normal;
    double weight;       // source area it stands for
    double residual;     // signed distance along the normal
    double distance2;    // to the closest point
    int32_t start, face; // vertex to search from; closest face, -1 before it is known
    float weights[3];    // of the face's corners at the closest point
};

class Refit {
public:
    Refit(WorkMesh& mesh, const Array<Vec3>& source_positions, const Array<Face>& source_faces,
          Progress& progress)
        : mesh_(mesh), source_positions_(source_positions), source_faces_(source_faces),
          progress_(progress) {}

    Status run() {
        if (mesh_.faces.size() == 0) return HY3D_OK;
        Status status = around_.build(mesh_.positions.size(), mesh_.faces);
        if (status == HY3D_OK) status = take_samples();
        if (status != HY3D_OK) return status;
        if (!normals_.resize(mesh_.faces.size()) || !before_.resize(mesh_.positions.size()) ||
            !put_back_.resize(mesh_.positions.size()))
            return HY3D_OUT_OF_MEMORY;
        if (!find_closest(0)) return HY3D_CANCELLED;
        for (int round = 0; round < ROUNDS; round++) {
            memcpy(before_.data(), mesh_.positions.data(), before_.size() * sizeof(Vec3));
            put_back_.zero();
            Array<double> error_before, error_after;
            if (!sum_errors(error_before) || !group_samples()) return HY3D_OUT_OF_MEMORY;
            for (int sweep = 0; sweep < SWEEPS; sweep++) move_vertices();
            undo_turns();
            if (!find_closest(1 + 2 * round)) return HY3D_CANCELLED;
            if (!sum_errors(error_after)) return HY3D_OUT_OF_MEMORY;
            bool any = false;
            for (size_t v = 0; v < before_.size(); v++)
                if (error_after[v] > WORTHWHILE * error_before[v] && differs(v)) {
                    put_back(v);
                    any = true;
                }
            if (any) {
                undo_turns();
                if (!find_closest(2 + 2 * round)) return HY3D_CANCELLED;
            }
        }
        for (size_t v = 0; v < mesh_.positions.size(); v++)
            if (changed_[v]) mesh_.source[v] = -1;
        return HY3D_OK;
    }

private:
    Vec3 corner(const Face& face, int i) const { return mesh_.positions[face.v[i]]; }

    // Where a source vertex went; shortens the chain it follows.
    int32_t survivor(int32_t v) {
        Array<int32_t>& into = mesh_.merged_into;
        while (into[v] != v) v = into[v] = into[into[v]];
        return v;
    }

    // Centroids of source faces and smooth source vertices, with their normals; half the area each.
    Status take_samples() {
        const size_t vertex_count = source_positions_.size(), face_count = source_faces_.size();
        Array<Vec3> normal_sums;
        Array<double> areas;
        if (!normal_sums.resize_zeroed(vertex_count) || !areas.resize_zeroed(vertex_count))
            return HY3D_OUT_OF_MEMORY;
        size_t stride = (face_count + vertex_count) / (SAMPLES_PER_FACE * mesh_.faces.size());
        if (stride < 1) stride = 1;
        for (size_t f = 0; f < face_count; f++) {
            const Face& face = source_faces_[f];
            const Vec3 a = source_positions_[face.v[0]], b = source_positions_[face.v[1]],
                       c = source_positions_[face.v[2]];
            const Vec3 doubled = cross(b - a, c - a);
            const double length = sqrt(squared(doubled));
            if (!(length > 0)) continue;
            for (const int32_t v : face.v) {
                normal_sums[v] = normal_sums[v] + (1.0 / 6) * doubled;
                areas[v] += length / 6;
            }
            if (f % stride == 0 &&
                !add_sample((1.0 / 3) * (a + b + c), (1 / length) * doubled, length / 4, face.v[0]))
                return HY3D_OUT_OF_MEMORY;
        }
        for (size_t v = 0; v < vertex_count; v += stride) {
            const double length = sqrt(squared(normal_sums[v]));
            if (!(length > SMOOTH * areas[v]) || !(length > 0)) continue;
            if (!add_sample(source_positions_[v], (1 / length) * normal_sums[v], areas[v] / 2,
                            static_cast<int32_t>(v)))
                return HY3D_OUT_OF_MEMORY;
        }
        return changed_.resize_zeroed(mesh_.positions.size()) ? HY3D_OK : HY3D_OUT_OF_MEMORY;
    }

    bool add_sample(Vec3 position, Vec3 normal, double weight, int32_t source_vertex) {
        Sample sample = {};
        sample.position = position;
        sample.normal = normal;
        sample.weight = weight;
        sample.start = survivor(source_vertex);
        sample.face = -1;
        return samples_.push(sample);
    }

    // Closest point of the reduced mesh for every sample; false if cancelled. `search` counts the
    // searches, of which there are at most two a round and one before.
    bool find_closest(int search) {
        for (size_t f = 0; f < mesh_.faces.size(); f++) {
            const Face& face = mesh_.faces[f];
            const Vec3 n = cross(corner(face, 1) - corner(face, 0), corner(face, 2) - corner(face, 0));
            const double length = sqrt(squared(n));
            normals_[f] = length > 0 ? (1 / length) * n : Vec3{0, 0, 0};
        }
        for (size_t i = 0; i < samples_.size(); i++) {
            if (i % 512 == 0 &&
                !progress_.report((search + static_cast<double>(i) /
                                                static_cast<double>(samples_.size())) /
                                  (1 + 2 * ROUNDS)))
                return false;
            descend(samples_[i]);
        }
        return true;
    }

    void descend(Sample& sample) const {
        double best = INFINITY, weights[3] = {0, 0, 0};
        int32_t best_face = -1;
        const auto try_face = [&](int32_t f) {
            if (dot(normals_[f], sample.normal) < MIN_AGREEMENT) return;
            const Face& face = mesh_.faces[f];
            double w[3];
            const double distance2 = closest_on_triangle(sample.position, corner(face, 0),
                                                         corner(face, 1), corner(face, 2), w);
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
        Vec3 offset = sample.position;
        for (int i = 0; i < 3; i++) {
            sample.weights[i] = static_cast<float>(weights[i]);
            offset = offset - static_cast<double>(sample.weights[i]) * corner(face, i);
        }
        sample.residual = dot(sample.normal, offset);
        sample.distance2 = best;
    }

    // Per vertex, the weighted squared distance of the samples on the faces around it.
    bool sum_errors(Array<double>& errors) const {
        if (!errors.resize_zeroed(mesh_.positions.size())) return false;
        for (size_t i = 0; i < samples_.size(); i++) {
            const Sample& sample = samples_[i];
            if (sample.face < 0) continue;
            for (const int32_t v : mesh_.faces[sample.face].v)
                errors[v] += sample.weight * sqrt(sample.distance2);
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
                const double w = sample.weights[members_[k].corner];
                matrix.add_outer(sample.normal, sample.weight * w * w);
                gradient = gradient + (sample.weight * w * sample.residual) * sample.normal;
            }
            const double ridge = STAY * matrix.trace();
            if (!(ridge > 0)) continue;
            gradient = gradient - ridge * (mesh_.positions[v] - before_[v]);
            const Vec3 step = matrix.solve(gradient, ridge);
            mesh_.positions[v] = mesh_.positions[v] + step;
            for (uint32_t k = row_[v]; k < row_[v + 1]; k++) {
                Sample& sample = samples_[members_[k].sample];
                sample.residual -= sample.weights[members_[k].corner] * dot(sample.normal, step);
            }
        }
        for (size_t v = 0; v < before_.size(); v++) changed_[v] |= differs(v);
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

    WorkMesh& mesh_;
    const Array<Vec3>& source_positions_;
    const Array<Face>& source_faces_;
    Progress& progress_;
    Adjacency around_;
    Array<Sample> samples_;
    Array<Vec3> normals_, before_;
    Array<uint8_t> put_back_, changed_;
    Array<uint32_t> row_;
    Array<Member> members_;
};

}  // namespace

Status refit_vertices(WorkMesh& mesh, const Array<Vec3>& source_positions,
                      const Array<Face>& source_faces, Progress& progress) {
    return Refit(mesh, source_positions, source_faces, progress).run();
}

}  // namespace hy3d
