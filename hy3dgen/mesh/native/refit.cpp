// SPDX-License-Identifier: Apache-2.0
// Brings a reduced mesh closer to the surface it came from.
//
// Quadrics place each vertex by the planes that merged into it; the faces in between are nobody's
// business, and on curved surfaces they end up on one side of the source. Here samples of the
// source find their closest points on the reduced mesh. Then, in each round,
//   - edges are flipped where that brings the samples of their two faces closer,
//   - faces are moved from where they do little to where they do much (exchange.cpp), and
//   - a sweep of block Gauss-Seidel over the vertices lowers the samples' weighted squared
//     distance, measured along normals between the source's and the mesh's (systems.h). A second
//     one changes nothing that the next round does not find as well (measured).
// A step is kept only where it helped: a vertex goes back if its samples did not come closer, or if
// it left the source by more than that; so do the vertices of a face that turned, or that would face
// away from the source around. As in Levenberg's method, what went back takes shorter steps in the
// next round, and what did not, longer ones: noisy and flat places want short ones, smooth places
// long ones.
//
// Flips are judged on all threads and made on one; vertices are moved one colour after the other,
// and those of one colour share no face. So the result does not depend on the number of threads.
#include "refit.h"

#include "edge_pair.h"
#include "exchange.h"
#include "samples.h"
#include "systems.h"
#include "threads.h"

namespace hy3d {
namespace {

// Rounds: half as many as there are source faces to each that is left, within these limits; then they
// take some times as long as the collapse. Edges are exchanged in the first half: what comes new has to
// settle.
constexpr size_t MIN_ROUNDS = 6, MAX_ROUNDS = 12;
constexpr size_t FIRST_EXCHANGE = 1;
// Pull to the old place, relative to the normal matrix: at first, its limits, and what it is
// multiplied by where a step did not help and where it did.
constexpr float STAY = 0.001f, MIN_STAY = 5e-5f, MAX_STAY = 0.3f, SHORTER = 8, LONGER = 0.3f;
constexpr double BACK = 0.05;          // weight of a vertex's distance to the source, by area
constexpr double MAX_TURN = 0.7;       // cosine a face may turn by in a round
constexpr double MAX_FOLD = 0.6;       // cosine between the faces before a flip and after
constexpr double WORTHWHILE = 0.98;    // part of the squared distance that a flip must leave at most
constexpr double LEAST_FLIP = 0.4;     // average distances below which an edge stays as it is
constexpr double NEAR = 3e-7;          // near enough to be the rounding of the samples
constexpr double MIN_SHAPE = 2.5e-5;   // area^2 over squared sum of squared edges, as in collapse.cpp
constexpr size_t COLOURS = 64;
constexpr size_t FACES_PER_JOB = 1024, VERTICES_PER_JOB = 1024;

class Refit {
public:
    Refit(ReducedMesh& mesh, const Source& source, int32_t threads, Progress& progress)
        : mesh_(mesh),
          source_(source),
          threads_(threads),
          progress_(progress),
          samples_(mesh, threads, progress) {}

    Status run() {
        const size_t vertex_count = mesh_.positions.size(), face_count = mesh_.faces.size();
        if (face_count == 0) return HY3D_OK;
        if (!before_.resize(vertex_count) || !flags_.resize(vertex_count) ||
            !changed_.resize_zeroed(vertex_count) || !error_before_.resize(vertex_count) ||
            !error_after_.resize(vertex_count) || !stay_.resize(vertex_count) ||
            !face_errors_.resize(face_count) || !squares_.resize(face_count) || !systems_.resize(face_count) ||
            !worthwhile_.resize(3 * face_count) || !turned_.resize(face_count) ||
            !colour_.resize(vertex_count) || !by_colour_.resize(vertex_count))
            return HY3D_OUT_OF_MEMORY;
        for (size_t v = 0; v < vertex_count; v++) stay_[v] = STAY;
        size_t rounds = source_.face_count / face_count / 2;
        if (rounds < MIN_ROUNDS) rounds = MIN_ROUNDS;
        if (rounds > MAX_ROUNDS) rounds = MAX_ROUNDS;
        Status status = samples_.link();
        if (status == HY3D_OK) status = samples_.take(source_);
        if (status == HY3D_OK) status = samples_.find_closest(0, nullptr);
        if (status == HY3D_OK && !samples_.sort()) return HY3D_OUT_OF_MEMORY;
        if (status == HY3D_OK && !progress_.report(0)) return HY3D_CANCELLED;
        for (size_t round = 0; round < rounds && status == HY3D_OK; round++) {
            done_ = static_cast<double>(round + 1) / static_cast<double>(rounds + 1);
            const double typical = samples_.average_distance();
            least_flip_ = LEAST_FLIP * typical > NEAR ? LEAST_FLIP * typical : NEAR;
            samples_.sum_ups();
            status = flip_edges();
            if (status == HY3D_OK && round >= FIRST_EXCHANGE && round <= rounds / 2) {
                sum_systems(mesh_, samples_, threads_, systems_);
                status = exchange_faces(mesh_, samples_, systems_, changed_, threads_, progress_,
                                        done_);
            }
            if (status == HY3D_OK) status = move();
        }
        if (status != HY3D_OK) return status;
        for (size_t v = 0; v < vertex_count; v++)
            if (changed_[v]) mesh_.source[v] = -1;
        samples_.sum_ups();
        mesh_.ups.swap(samples_.ups);
        return status;
    }

private:
    Vec3 corner(const Face& face, int i) const { return mesh_.positions[face.v[i]]; }

    // Calls visit(sample) for the samples on a face.
    template <typename Visit>
    void for_each_on(int32_t face, Visit visit) {
        const size_t end = samples_.row[static_cast<size_t>(face) + 1];
        for (size_t k = samples_.row[face]; k < end; k++) visit(samples_.all[samples_.order[k]]);
    }

    // ---- flipping edges ----

    struct Squares {
        double sum, weight;  // of a face's squared distances by the area they stand for, and of that
    };

    Status flip_edges() {
        int32_t cancelled = 0;
        worthwhile_.zero();
        for_each_range(threads_, mesh_.faces.size(), FACES_PER_JOB, [&](size_t begin, size_t end) {
            for (size_t f = begin; f < end; f++) {
                Squares squares = {0, 0};
                for_each_on(static_cast<int32_t>(f), [&](const Sample& sample) {
                    squares.sum += static_cast<double>(sample.weight * sample.distance2);
                    squares.weight += static_cast<double>(sample.weight);
                });
                squares_[f] = squares;
            }
        });
        for_each_range(threads_, mesh_.faces.size(), FACES_PER_JOB, [&](size_t begin, size_t end) {
            if (!progress_.report(done_)) __atomic_store_n(&cancelled, 1, __ATOMIC_RELAXED);
            if (__atomic_load_n(&cancelled, __ATOMIC_RELAXED)) return;
            for (size_t f = begin; f < end; f++)
                for (int i = 0; i < 3; i++) {
                    EdgePair pair;
                    worthwhile_[3 * f + static_cast<size_t>(i)] =
                        find_upward(static_cast<int32_t>(f), i, pair) && is_worthwhile(pair);
                }
        });
        if (cancelled) return HY3D_CANCELLED;
        // Those around a flipped edge wait for the next round: what was judged is no more.
        flags_.zero();
        bool any = false;
        for (size_t f = 0; f < mesh_.faces.size(); f++)
            for (int i = 0; i < 3; i++) {
                EdgePair pair;
                if (!worthwhile_[3 * f + static_cast<size_t>(i)] ||
                    !find_upward(static_cast<int32_t>(f), i, pair) || flags_[pair.a] ||
                    flags_[pair.b] || flags_[pair.c] || flags_[pair.d])
                    continue;
                flip(pair);
                any = true;
            }
        if (!any) return HY3D_OK;
        return samples_.group() ? samples_.link() : HY3D_OUT_OF_MEMORY;
    }

    // As find_pair, once for each edge.
    bool find_upward(int32_t f, int i, EdgePair& pair) const {
        return mesh_.faces[f].v[i] < mesh_.faces[f].v[(i + 1) % 3] &&
               find_pair(mesh_, samples_.around, f, i, pair);
    }

    static double shape(Vec3 a, Vec3 b, Vec3 c) {
        const double sum = squared(b - a) + squared(c - a) + squared(c - b);
        return sum > 0 ? squared(cross(b - a, c - a)) / (sum * sum) : 0;
    }

    // The faces c, a, d and d, b, c that a flip leaves.
    struct Flipped {
        Vec3 a, b, c, d, normal1, normal2;

        Flipped(const Array<Vec3>& positions, const EdgePair& pair)
            : a(positions[pair.a]),
              b(positions[pair.b]),
              c(positions[pair.c]),
              d(positions[pair.d]) {
            normal1 = cross(a - c, d - c);
            normal2 = cross(b - d, c - d);
            const double length1 = sqrt(squared(normal1)), length2 = sqrt(squared(normal2));
            normal1 = length1 > 0 ? (1 / length1) * normal1 : Vec3{0, 0, 0};
            normal2 = length2 > 0 ? (1 / length2) * normal2 : Vec3{0, 0, 0};
        }

        // Squared distance to the closer of the two; INFINITY if both face away from the sample.
        double closest(const Sample& sample, double weights[3], bool& in_second) const {
            double best = INFINITY, other[3];
            in_second = false;
            if (dot(normal1, sample.up()) >= MIN_AGREEMENT)
                best = closest_on_triangle(sample.at(), c, a, d, weights);
            if (dot(normal2, sample.up()) >= MIN_AGREEMENT) {
                const double second = closest_on_triangle(sample.at(), d, b, c, other);
                in_second = second < best;
                if (in_second) {
                    best = second;
                    for (int i = 0; i < 3; i++) weights[i] = other[i];
                }
            }
            return best;
        }
    };

    // True if a flip is allowed and lowers the squared distance of the samples on both faces.
    bool is_worthwhile(const EdgePair& pair) {
        const int32_t faces[2] = {pair.f, pair.g};
        double now = 0, weight = 0;
        uint32_t count = 0;
        for (const int32_t face : faces) {
            now += squares_[face].sum;
            weight += squares_[face].weight;
            count += samples_.row[static_cast<size_t>(face) + 1] - samples_.row[face];
        }
        if (count < 4 || now < least_flip_ * least_flip_ * weight) return false;
        const Flipped then(mesh_.positions, pair);
        for (const int32_t face : faces)
            if (dot(then.normal1, samples_.normals[face]) < MAX_FOLD ||
                dot(then.normal2, samples_.normals[face]) < MAX_FOLD)
                return false;
        double upright = MIN_UPRIGHT;
        for (const int32_t face : faces) {
            const double before = samples_.agreement(samples_.normals[face], mesh_.faces[face]);
            if (before < upright) upright = before;
        }
        if (samples_.agreement(then.normal1, pair.c, pair.a, pair.d) < upright ||
            samples_.agreement(then.normal2, pair.d, pair.b, pair.c) < upright)
            return false;
        if (shape(then.c, then.a, then.d) < MIN_SHAPE || shape(then.d, then.b, then.c) < MIN_SHAPE)
            return false;
        if (is_taken(mesh_, samples_.around, pair)) return false;
        const double wanted = WORTHWHILE * now;
        // No point of a triangle is closer than its plane.
        const double offset1 = dot(then.normal1, then.c), offset2 = dot(then.normal2, then.d);
        double least = 0;
        for (const int32_t face : faces)
            for_each_on(face, [&](const Sample& sample) {
                const double first = dot(then.normal1, sample.at()) - offset1;
                const double second = dot(then.normal2, sample.at()) - offset2;
                const double first2 = first * first, second2 = second * second;
                least += static_cast<double>(sample.weight) * (first2 < second2 ? first2 : second2);
            });
        if (!(least < wanted)) return false;
        double sum = 0;
        for (const int32_t face : faces) {
            const size_t end = samples_.row[static_cast<size_t>(face) + 1];
            for (size_t k = samples_.row[face]; k < end; k++) {
                const Sample& sample = samples_.all[samples_.order[k]];
                double weights[3];
                bool in_second;
                sum += static_cast<double>(sample.weight) * then.closest(sample, weights, in_second);
                if (!(sum < wanted)) return false;
            }
        }
        return true;
    }

    void flip(const EdgePair& pair) {
        const Flipped then(mesh_.positions, pair);
        flip_edge(mesh_, pair);
        samples_.normals[pair.f] = then.normal1;
        samples_.normals[pair.g] = then.normal2;
        const int32_t faces[2] = {pair.f, pair.g};
        for (const int32_t face : faces)
            for_each_on(face, [&](Sample& sample) {
                double weights[3] = {0, 0, 0};
                bool in_second;
                const double distance2 = then.closest(sample, weights, in_second);
                samples_.attach(sample, in_second ? pair.g : pair.f, weights, distance2);
            });
        flags_[pair.a] = flags_[pair.b] = flags_[pair.c] = flags_[pair.d] = 1;
    }

    // ---- moving vertices ----

    Status move() {
        memcpy(before_.data(), mesh_.positions.data(), before_.size() * sizeof(Vec3));
        sum_systems(mesh_, samples_, threads_, systems_);
        if (!progress_.report(done_)) return HY3D_CANCELLED;
        sum_errors(error_before_);
        colour_vertices();
        if (!progress_.report(done_)) return HY3D_CANCELLED;
        for (size_t colour = 0; colour <= COLOURS; colour++) {
            const size_t begin = colour_begin_[colour];
            const size_t count = colour_begin_[colour + 1] - begin;
            // The last holds what found no colour.
            for_each_range(colour == COLOURS ? 1 : threads_, count, VERTICES_PER_JOB,
                           [&](size_t from, size_t to) {
                               for (size_t i = from; i < to; i++)
                                   move_vertex(by_colour_[begin + i]);
                           });
            if (!progress_.report(done_)) return HY3D_CANCELLED;
        }
        flags_.zero();
        undo_turns();
        Status status = samples_.find_closest(done_, nullptr);
        if (status != HY3D_OK) return status;
        if (!samples_.group()) return HY3D_OUT_OF_MEMORY;
        if (!progress_.report(done_)) return HY3D_CANCELLED;
        sum_errors(error_after_);
        if (!progress_.report(done_)) return HY3D_CANCELLED;
        flags_.zero();
        bool any = false;
        for (size_t v = 0; v < before_.size(); v++) {
            if (error_after_[v] < error_before_[v]) {
                stay_[v] = LONGER * stay_[v] < MIN_STAY ? MIN_STAY : LONGER * stay_[v];
                continue;
            }
            stay_[v] = SHORTER * stay_[v] > MAX_STAY ? MAX_STAY : SHORTER * stay_[v];
            if (!differs(v)) continue;
            put_back(v);
            any = true;
        }
        if (any) {
            undo_turns();
            status = samples_.find_closest(done_, flags_.data());
            if (status != HY3D_OK) return status;
            if (!samples_.group()) return HY3D_OUT_OF_MEMORY;
        }
        for (size_t v = 0; v < before_.size(); v++) changed_[v] |= differs(v);
        return HY3D_OK;
    }

    // Per vertex, the weighted distance of the samples on the faces around it, and its own.
    void sum_errors(Array<double>& errors) {
        for_each_range(threads_, mesh_.faces.size(), FACES_PER_JOB, [&](size_t begin, size_t end) {
            for (size_t f = begin; f < end; f++) sum_face_error(static_cast<int32_t>(f));
        });
        for_each_range(threads_, errors.size(), VERTICES_PER_JOB, [&](size_t begin, size_t end) {
            for (size_t v = begin; v < end; v++) errors[v] = error_around(static_cast<int32_t>(v));
        });
    }

    struct FaceError {
        double sum;           // of the samples' distances by the area they stand for
        double doubled_area;
        float distance2[3];   // from the corners to the nearest of the samples
        uint32_t nearest[3];
    };

    void sum_face_error(int32_t f) {
        const Face& face = mesh_.faces[f];
        const Vec3 corners[3] = {corner(face, 0), corner(face, 1), corner(face, 2)};
        FaceError error = {0, 0, {INFINITY, INFINITY, INFINITY}, {0, 0, 0}};
        error.doubled_area =
            sqrt(squared(cross(corners[1] - corners[0], corners[2] - corners[0])));
        for_each_on(f, [&](const Sample& sample) {
            const double distance = sqrt(static_cast<double>(sample.distance2)) - NEAR;
            if (distance > 0) error.sum += static_cast<double>(sample.weight) * distance;
            for (int i = 0; i < 3; i++) {
                const float distance2 = static_cast<float>(squared(corners[i] - sample.at()));
                if (!(distance2 < error.distance2[i])) continue;
                error.distance2[i] = distance2;
                error.nearest[i] = static_cast<uint32_t>(&sample - samples_.all.data());
            }
        });
        face_errors_[f] = error;
    }

    double error_around(int32_t v) const {
        const Adjacency& around = samples_.around;
        double sum = 0, doubled_area = 0;
        float distance2 = INFINITY;
        uint32_t nearest = 0;
        for (uint32_t k = 0; k < around.degree[v]; k++) {
            const int32_t f = around.incident[around.first[v] + k];
            const FaceError& error = face_errors_[f];
            const int i = corner_of(f, v);
            sum += error.sum;
            doubled_area += error.doubled_area;
            if (!(error.distance2[i] < distance2)) continue;
            distance2 = error.distance2[i];
            nearest = error.nearest[i];
        }
        if (distance2 == INFINITY) return INFINITY;  // nothing says where the surface is
        // Above the plane of the nearest sample, or beyond its neighbours.
        const Sample& sample = samples_.all[nearest];
        const double above = fabs(dot(sample.up(), mesh_.positions[v] - sample.at()));
        const double beyond = sqrt(static_cast<double>(distance2)) -
                              sqrt(static_cast<double>(sample.weight));
        const double distance = (above > beyond ? above : beyond) - NEAR;
        return distance > 0 ? sum + BACK * doubled_area * distance : sum;
    }

    int corner_of(int32_t f, int32_t v) const {
        const int32_t* corners = mesh_.faces[f].v;
        return corners[0] == v ? 0 : corners[1] == v ? 1 : 2;
    }

    // Gives the vertices that may move the lowest colour that no neighbour has.
    void colour_vertices() {
        constexpr uint8_t NONE = 255;
        memset(colour_.data(), NONE, colour_.size());
        uint32_t count[COLOURS + 1] = {};
        const Adjacency& around = samples_.around;
        for (size_t v = 0; v < colour_.size(); v++) {
            if (mesh_.kind[v] != INTERIOR) continue;
            uint64_t taken = 0;
            for (uint32_t k = 0; k < around.degree[v]; k++)
                for (const int32_t w : mesh_.faces[around.incident[around.first[v] + k]].v)
                    if (colour_[w] < COLOURS) taken |= 1ull << colour_[w];
            uint8_t colour = 0;
            while (colour < COLOURS && taken >> colour & 1) colour++;
            colour_[v] = colour;
            count[colour]++;
        }
        uint32_t begin = 0;
        for (size_t colour = 0; colour <= COLOURS; colour++) {
            colour_begin_[colour] = begin;
            begin += count[colour];
            count[colour] = colour_begin_[colour];
        }
        colour_begin_[COLOURS + 1] = begin;
        for (size_t v = 0; v < colour_.size(); v++)
            if (colour_[v] != NONE) by_colour_[count[colour_[v]]++] = static_cast<int32_t>(v);
    }

    // To the minimum over the samples around, the other vertices held.
    void move_vertex(int32_t v) {
        const Adjacency& around = samples_.around;
        Sym3 matrix = {};
        Vec3 pull = {0, 0, 0};
        for (uint32_t k = 0; k < around.degree[v]; k++) {
            const int32_t f = around.incident[around.first[v] + k];
            const int32_t* corners = mesh_.faces[f].v;
            const System& system = systems_[f];
            const int i = corner_of(f, v);
            const int32_t after = corners[(i + 1) % 3], before = corners[(i + 2) % 3];
            matrix.add(system.block(i));
            pull = pull + Vec3{system.pull[i][0], system.pull[i][1], system.pull[i][2]} -
                   system.block(3 + i) * moved(after) -
                   system.block(3 + (i + 2) % 3) * moved(before);
        }
        const double ridge = static_cast<double>(stay_[v]) * matrix.trace();
        if (ridge > 0) mesh_.positions[v] = before_[v] + matrix.solve(pull, ridge);
    }

    Vec3 moved(int32_t v) const { return mesh_.positions[v] - before_[v]; }

    bool differs(size_t v) const { return squared(mesh_.positions[v] - before_[v]) > 0; }

    void put_back(size_t v) {
        mesh_.positions[v] = before_[v];
        flags_[v] = 1;
    }

    bool falls_over(const Face& face, Vec3 old_normal, Vec3 normal) const {
        const double now = samples_.agreement(normal, face);
        return now < MIN_UPRIGHT && now < samples_.agreement(old_normal, face);
    }

    bool turned(const Face& face) const {
        const int32_t* v = face.v;
        const Vec3 old_normal = cross(before_[v[1]] - before_[v[0]], before_[v[2]] - before_[v[0]]);
        const Vec3 normal =
            cross(corner(face, 1) - corner(face, 0), corner(face, 2) - corner(face, 0));
        const double turn = dot(old_normal, normal);
        return !(turn > 0 &&
                 turn * turn >= MAX_TURN * MAX_TURN * squared(old_normal) * squared(normal)) ||
               falls_over(face, old_normal, normal);
    }

    // Puts vertices back until no face has turned; ends, as each goes back once.
    void undo_turns() {
        for (bool again = true; again;) {
            again = false;
            for_each_range(threads_, mesh_.faces.size(), FACES_PER_JOB,
                           [&](size_t begin, size_t end) {
                               for (size_t f = begin; f < end; f++)
                                   turned_[f] = turned(mesh_.faces[f]);
                           });
            for (size_t f = 0; f < mesh_.faces.size(); f++) {
                if (!turned_[f]) continue;
                for (const int32_t v : mesh_.faces[f].v)
                    if (!flags_[v]) {
                        put_back(v);
                        again = true;
                    }
            }
        }
    }

    ReducedMesh& mesh_;
    const Source& source_;
    const int32_t threads_;
    Progress& progress_;
    Samples samples_;
    Array<Vec3> before_;
    Array<System> systems_;  // per face
    Array<FaceError> face_errors_;
    Array<Squares> squares_;  // per face
    Array<double> error_before_, error_after_;
    Array<float> stay_;
    // Per vertex: its faces were flipped, or it was put back. Per face corner: flip the edge there.
    Array<uint8_t> flags_, changed_, worthwhile_, colour_;
    Array<uint8_t> turned_;  // per face
    Array<int32_t> by_colour_;
    uint32_t colour_begin_[COLOURS + 2] = {};
    double done_ = 0;
    double least_flip_ = NEAR;  // distance below which nothing is flipped
};

}  // namespace

Status refit(ReducedMesh& mesh, const Source& source, int32_t threads, Progress& progress) {
    return Refit(mesh, source, threads, progress).run();
}

}  // namespace hy3d
