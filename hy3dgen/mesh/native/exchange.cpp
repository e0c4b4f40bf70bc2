// SPDX-License-Identifier: Apache-2.0
// Moves faces from where they do little to where they do much.
//
// Quadrics tell what a collapse costs before anything is fitted; once vertices are fitted, some edges
// can go for almost nothing, while a vertex more would do much elsewhere. Here both are measured on
// the samples. First every edge is priced roughly: the samples keep their weights on the faces, so
// the best place of a merged or of an added vertex is a least squares problem of three unknowns. The
// best of these are measured with the true closest points. Then the cheapest collapses are
// paired with the splits that gain most, and a pair is done if it gains more than it costs. The
// vertex and the two faces that a collapse frees are those that the split needs.
//
// Source: Hoppe, DeRose, Duchamp, McDonald & Stuetzle, Mesh optimization, 1993 (collapses, splits and
// swaps judged by the distances of points).
#include "exchange.h"

#include "edge_pair.h"
#include "threads.h"

namespace hy3d {
namespace {

constexpr size_t FACES_PER_JOB = 1024, CHANGES_PER_JOB = 64;
constexpr double WORTH_SPLITTING = 1.0;  // average distances
constexpr uint32_t MAX_AROUND = 24;    // faces around a vertex that is merged
constexpr double RIDGE = 0.01;         // of the least squares problem, relative to the trace
constexpr double MIN_SHAPE = 2.5e-5;   // area^2 over squared sum of squared edges, as in collapse.cpp
constexpr double MAX_TURN = 0.5;       // cosine a face may turn by
constexpr float PAYS = 1.1f;           // what a split must gain for each unit of a collapse's cost
constexpr size_t MEASURED_PART = 16;   // one in so many faces is measured as a candidate
constexpr double FAR = 3.0;            // average distances from which on a sample counts for more
constexpr double FAR_WEIGHT = 0.5;

// What could be done with an edge; its cost is how much worse the samples around become.
struct Change {
    float cost;
    int32_t corner;  // 3 x face + 0, 1 or 2: where the edge begins
    EdgePair edge;
    Vec3 at;  // the place of the vertex that a and b become, or that comes between them
};
struct Collapse : Change {};
struct Split : Change {};

double shape(Vec3 a, Vec3 b, Vec3 c) {
    const double sum = squared(b - a) + squared(c - a) + squared(c - b);
    return sum > 0 ? squared(cross(b - a, c - a)) / (sum * sum) : 0;
}

class Exchange {
public:
    Exchange(ReducedMesh& mesh, Samples& samples, const Array<System>& systems,
             Array<uint8_t>& changed, int32_t threads, Progress& progress, double done)
        : mesh_(mesh),
          samples_(samples),
          systems_(systems),
          changed_(changed),
          threads_(threads),
          progress_(progress),
          done_(done) {}

    Status run() {
        const size_t face_count = mesh_.faces.size(), vertex_count = mesh_.positions.size();
        if (!costs_.resize(3 * face_count) || !gains_.resize(3 * face_count) ||
            !around_.resize(vertex_count) || !errors_.resize(face_count) ||
            !touched_.resize_zeroed(face_count) || !ring_.resize_zeroed(vertex_count) ||
            !merged_.resize(vertex_count))
            return HY3D_OUT_OF_MEMORY;
        typical_ = samples_.average_distance();
        for_each_range(threads_, face_count, FACES_PER_JOB, [&](size_t begin, size_t end) {
            for (size_t f = begin; f < end; f++) errors_[f] = error_of(static_cast<int32_t>(f));
        });
        for_each_range(threads_, vertex_count, FACES_PER_JOB, [&](size_t begin, size_t end) {
            for (size_t v = begin; v < end; v++) around_[v] = problem_of(static_cast<int32_t>(v));
        });
        int32_t cancelled = 0;
        const auto goes_on = [&] {
            if (!progress_.report(done_)) __atomic_store_n(&cancelled, 1, __ATOMIC_RELAXED);
            return !__atomic_load_n(&cancelled, __ATOMIC_RELAXED);
        };
        for_each_range(threads_, face_count, FACES_PER_JOB, [&](size_t begin, size_t end) {
            if (!goes_on()) return;
            for (size_t f = begin; f < end; f++)
                for (int i = 0; i < 3; i++) price(static_cast<int32_t>(f), i);
        });
        if (!goes_on()) return HY3D_CANCELLED;
        const size_t wanted = face_count / MEASURED_PART + 1;
        if (!select(costs_, wanted, collapses_) || !select(gains_, wanted, splits_))
            return HY3D_OUT_OF_MEMORY;
        const auto measure = [&](auto& changes) {
            for_each_range(threads_, changes.size(), CHANGES_PER_JOB, [&](size_t begin, size_t end) {
                if (!goes_on()) return;
                for (size_t i = begin; i < end; i++) {
                    complete(changes[i]);
                    changes[i].cost = static_cast<float>(measured(changes[i]));
                }
            });
        };
        measure(collapses_);
        measure(splits_);
        if (cancelled) return HY3D_CANCELLED;
        if (!sort(collapses_) || !sort(splits_)) return HY3D_OUT_OF_MEMORY;
        return pair_up();
    }

private:
    Vec3 corner(const Face& face, int i) const { return mesh_.positions[face.v[i]]; }

    template <typename Visit>
    void for_each_on(int32_t face, Visit visit) {
        const size_t end = samples_.row[static_cast<size_t>(face) + 1];
        for (size_t k = samples_.row[face]; k < end; k++) visit(samples_.all[samples_.order[k]]);
    }

    template <typename Visit>
    void for_each_around(int32_t v, Visit visit) const {
        const Adjacency& around = samples_.around;
        for (uint32_t k = 0; k < around.degree[v]; k++) visit(around.incident[around.first[v] + k]);
    }

    // What a distance counts for: far ones more than in proportion, for the largest errors' sake.
    double badness(double distance) const {
        const double far = distance - FAR * typical_;
        return far > 0 ? distance + FAR_WEIGHT * far : distance;
    }

    struct Error {
        float sum, weight;  // of the samples' distances by the area they stand for, and of that
    };

    Error error_of(int32_t f) {
        Error error = {0, 0};
        for_each_on(f, [&](const Sample& sample) {
            error.sum += sample.weight * sqrtf(sample.distance2);
            error.weight += sample.weight;
        });
        return error;
    }

    // The least squares problem of a vertex that moves alone.
    struct Problem {
        Sym3 matrix;
        Vec3 pull;
    };

    Problem problem_of(int32_t v) const {
        Problem problem = {};
        for_each_around(v, [&](int32_t f) {
            const int i = mesh_.faces[f].v[0] == v ? 0 : mesh_.faces[f].v[1] == v ? 1 : 2;
            problem.matrix.add(systems_[f].block(i));
            problem.pull = problem.pull + systems_[f].pull_at(i);
        });
        return problem;
    }

    // Prices edge i of face f.
    void price(int32_t f, int i) {
        const size_t edge = 3 * static_cast<size_t>(f) + static_cast<size_t>(i);
        costs_[edge] = gains_[edge] = INFINITY;
        EdgePair pair;
        if (!find_upward(f, i, pair)) return;
        Split split;
        split.edge = pair;
        gains_[edge] = price_split(split);
        Collapse collapse;
        collapse.edge = pair;
        if (mesh_.kind[pair.a] == INTERIOR && mesh_.kind[pair.b] == INTERIOR)
            costs_[edge] = price_collapse(collapse);
    }

    // As find_pair, once for each edge.
    bool find_upward(int32_t f, int i, EdgePair& pair) const {
        return mesh_.faces[f].v[i] < mesh_.faces[f].v[(i + 1) % 3] &&
               find_pair(mesh_, samples_.around, f, i, pair);
    }

    void complete(Collapse& collapse) {
        find_upward(collapse.corner / 3, collapse.corner % 3, collapse.edge);
        price_collapse(collapse);
    }
    void complete(Split& split) {
        find_upward(split.corner / 3, split.corner % 3, split.edge);
        price_split(split);
    }

    // The new vertex moves from the place on the edge where most of the error is; a sample moves along
    // by its share, the hat function of that vertex.
    float price_split(Split& split) {
        const EdgePair& edge = split.edge;
        const Error& at_f = errors_[edge.f];
        const Error& at_g = errors_[edge.g];
        const double sum = static_cast<double>(at_f.sum + at_g.sum);
        if (!(sum > WORTH_SPLITTING * typical_ * static_cast<double>(at_f.weight + at_g.weight)))
            return INFINITY;
        const Vec3 a = mesh_.positions[edge.a], b = mesh_.positions[edge.b];
        const double length2 = squared(b - a);
        if (!(length2 > 0)) return INFINITY;
        double place = 0;
        const int32_t faces[2] = {edge.f, edge.g};
        for (const int32_t f : faces)
            for_each_on(f, [&](const Sample& sample) {
                place += static_cast<double>(sample.weight * sqrtf(sample.distance2)) *
                         dot(b - a, sample.at() - a);
            });
        double t = place / (sum * length2);
        t = t < 0.25 ? 0.25 : t > 0.75 ? 0.75 : t;
        const Vec3 middle = a + t * (b - a);
        Sym3 matrix = {};
        Vec3 pull = {0, 0, 0};
        const auto share = [&](const Sample& sample, int32_t f) {
            double near_a = 0, near_b = 0;
            for (int i = 0; i < 3; i++) {
                const double w = static_cast<double>(sample.weights[i]);
                if (mesh_.faces[f].v[i] == edge.a) near_a = w;
                if (mesh_.faces[f].v[i] == edge.b) near_b = w;
            }
            const double from_a = near_b / t, from_b = near_a / (1 - t);
            return from_a < from_b ? from_a : from_b;
        };
        for (const int32_t f : faces)
            for_each_on(f, [&](const Sample& sample) {
                const double h = share(sample, f), w = static_cast<double>(sample.weight) * h;
                if (!(w > 0)) return;
                matrix.add_outer(sample.up(), w * h);
                pull = pull + (w * residual(sample, f)) * sample.up();
            });
        const Vec3 step = matrix.solve(pull, RIDGE * matrix.trace() + 1e-30);
        double gain = 0;
        for (const int32_t f : faces)
            for_each_on(f, [&](const Sample& sample) {
                const double before = residual(sample, f);
                const double after = before - share(sample, f) * dot(sample.up(), step);
                gain += static_cast<double>(sample.weight) *
                        (badness(fabs(before)) - badness(fabs(after)));
            });
        split.at = middle + step;
        return gain > 0 ? -static_cast<float>(gain) : INFINITY;
    }

    // How far a sample lies above the point of its face that is closest to it.
    double residual(const Sample& sample, int32_t f) const {
        Vec3 offset = sample.at();
        for (int i = 0; i < 3; i++)
            offset = offset -
                     static_cast<double>(sample.weights[i]) * corner(mesh_.faces[f], i);
        return dot(sample.up(), offset);
    }

    // Whether u and v, between the faces to c and d, may become one.
    bool keeps_topology(int32_t u, int32_t v, int32_t c, int32_t d) const {
        const Adjacency& around = samples_.around;
        if (around.degree[u] > MAX_AROUND || around.degree[v] > MAX_AROUND ||
            around.degree[c] < 4 || around.degree[d] < 4)
            return false;
        int common = 0;
        for_each_around(u, [&](int32_t f) {
            for (const int32_t w : mesh_.faces[f].v)
                if (w != u && w != v && w != c && w != d)
                    for_each_around(v, [&](int32_t g) { common += mesh_.faces[g].has(w); });
        });
        return common == 0;
    }

    // By squared distances, and without looking at a sample.
    float price_collapse(Collapse& collapse) {
        const EdgePair& edge = collapse.edge;
        if (!keeps_topology(edge.a, edge.b, edge.c, edge.d)) return INFINITY;
        const Problem& u = around_[edge.a];
        const Problem& v = around_[edge.b];
        Sym3 both = {};
        const int32_t faces[2] = {edge.f, edge.g};
        for (const int32_t f : faces) {
            const int32_t* corners = mesh_.faces[f].v;
            for (int i = 0; i < 3; i++)
                if (corners[i] != edge.a && corners[i] != edge.b)
                    both.add(systems_[f].block(3 + (i + 1) % 3));
        }
        const Vec3 half = 0.5 * (mesh_.positions[edge.b] - mesh_.positions[edge.a]);
        const Vec3 of_u = u.matrix * half, of_v = v.matrix * half, of_both = both * half;
        Sym3 matrix = u.matrix;
        matrix.add(v.matrix);
        matrix.add(both);
        matrix.add(both);
        const Vec3 pull = u.pull + v.pull - (of_u - of_v);
        const Vec3 step = matrix.solve(pull, RIDGE * matrix.trace() + 1e-30);
        collapse.at = mesh_.positions[edge.a] + half + step;
        const double middle = dot(half, of_u + of_v - 2 * of_both) - 2 * dot(half, u.pull - v.pull);
        return static_cast<float>(middle + dot(step, matrix * step) - 2 * dot(step, pull));
    }

    // Keys sort like the values; infinite ones are left out.
    [[nodiscard]] static bool push_key(Array<KeyedIndex>& keyed, float value, size_t index) {
        if (!(value < INFINITY)) return true;
        uint32_t bits;  // that sort like the number
        memcpy(&bits, &value, sizeof(bits));
        bits = bits >> 31 ? ~bits : bits | 0x80000000u;
        return keyed.push({bits, static_cast<uint32_t>(index)});
    }

    // The corners of the `wanted` smallest prices.
    template <typename What>
    [[nodiscard]] static bool select(const Array<float>& prices, size_t wanted,
                                     Array<What>& changes) {
        Array<KeyedIndex> keyed, scratch;
        for (size_t i = 0; i < prices.size(); i++)
            if (!push_key(keyed, prices[i], i)) return false;
        if (!radix_sort(keyed, scratch) ||
            !changes.resize(keyed.size() < wanted ? keyed.size() : wanted))
            return false;
        for (size_t i = 0; i < changes.size(); i++)
            changes[i].corner = static_cast<int32_t>(keyed[i].index);
        return true;
    }

    template <typename What>
    [[nodiscard]] static bool sort(Array<What>& changes) {
        Array<KeyedIndex> keyed, scratch;
        Array<What> sorted;
        for (size_t i = 0; i < changes.size(); i++)
            if (!push_key(keyed, changes[i].cost, i)) return false;
        if (!radix_sort(keyed, scratch) || !sorted.resize(keyed.size())) return false;
        for (size_t i = 0; i < keyed.size(); i++) sorted[i] = changes[keyed[i].index];
        changes.swap(sorted);
        return true;
    }

    // ---- with the true closest points ----

    // The triangles around a new vertex.
    struct Fan {
        Vec3 at;
        int32_t faces[2 * MAX_AROUND];
        Vec3 a[2 * MAX_AROUND], b[2 * MAX_AROUND], normal[2 * MAX_AROUND];
        int count = 0;

        bool add(int32_t face, Vec3 from, Vec3 to) {
            Vec3 n = cross(from - at, to - at);
            const double length = sqrt(squared(n));
            if (!(length > 0) || shape(at, from, to) < MIN_SHAPE) return false;
            faces[count] = face;
            a[count] = from;
            b[count] = to;
            normal[count++] = (1 / length) * n;
            return true;
        }

        // Squared distance to the closest that does not face away; INFINITY if all do.
        double closest(const Sample& sample, double weights[3], int& which) const {
            double best = INFINITY;
            for (int k = 0; k < count; k++) {
                if (dot(normal[k], sample.up()) < MIN_AGREEMENT) continue;
                double w[3];
                const double found = closest_on_triangle(sample.at(), at, a[k], b[k], w);
                if (!(found < best)) continue;
                best = found;
                which = k;
                for (int i = 0; i < 3; i++) weights[i] = w[i];
            }
            return best;
        }
    };

    // Whether face f would, with this normal and these corners, face away from the source around.
    bool falls_over(Vec3 normal, int32_t a, int32_t b, int32_t c, int32_t f) const {
        const double now = samples_.agreement(normal, a, b, c);
        return now < MIN_UPRIGHT && now < samples_.agreement(samples_.normals[f], mesh_.faces[f]);
    }

    // The faces around u and v without those that have both, with `at` for either.
    bool fan_of(const Collapse& collapse, Fan& fan) const {
        fan.at = collapse.at;
        const int32_t ends[2] = {collapse.edge.a, collapse.edge.b};
        bool good = true;
        for (const int32_t end : ends)
            for_each_around(end, [&](int32_t f) {
                const Face& face = mesh_.faces[f];
                if (face.has(end == collapse.edge.a ? collapse.edge.b : collapse.edge.a)) return;
                const int i = face.v[0] == end ? 0 : face.v[1] == end ? 1 : 2;
                const int32_t a = face.v[(i + 1) % 3], b = face.v[(i + 2) % 3];
                good = good && fan.add(f, mesh_.positions[a], mesh_.positions[b]) &&
                       dot(fan.normal[fan.count - 1], samples_.normals[f]) >= MAX_TURN &&
                       !falls_over(fan.normal[fan.count - 1], end, a, b, f);
            });
        return good;
    }

    bool fan_of(const Split& split, Fan& fan) const {
        fan.at = split.at;
        const Vec3 a = mesh_.positions[split.edge.a], b = mesh_.positions[split.edge.b],
                   c = mesh_.positions[split.edge.c], d = mesh_.positions[split.edge.d];
        if (!fan.add(split.edge.f, c, a) || !fan.add(-1, b, c) || !fan.add(split.edge.g, a, d) ||
            !fan.add(-1, d, b))
            return false;
        for (int k = 0; k < 4; k++)
            if (dot(fan.normal[k], samples_.normals[k < 2 ? split.edge.f : split.edge.g]) <
                MAX_TURN)
                return false;
        const EdgePair& edge = split.edge;
        return !falls_over(fan.normal[0], edge.a, edge.b, edge.c, edge.f) &&
               !falls_over(fan.normal[1], edge.a, edge.b, edge.c, edge.f) &&
               !falls_over(fan.normal[2], edge.a, edge.b, edge.d, edge.g) &&
               !falls_over(fan.normal[3], edge.a, edge.b, edge.d, edge.g);
    }

    template <typename Visit>
    void for_each_face(const Collapse& collapse, Visit visit) const {
        for_each_around(collapse.edge.a, visit);
        for_each_around(collapse.edge.b, [&](int32_t f) {
            if (!mesh_.faces[f].has(collapse.edge.a)) visit(f);
        });
    }

    template <typename Visit>
    void for_each_face(const Split& split, Visit visit) const {
        visit(split.edge.f);
        visit(split.edge.g);
    }

    // How much worse the samples around become; INFINITY where it may not be done.
    template <typename What>
    double measured(const What& change) {
        Fan fan;
        if (!fan_of(change, fan)) return INFINITY;
        double sum = 0;
        for_each_face(change, [&](int32_t f) {
            for_each_on(f, [&](const Sample& sample) {
                double weights[3];
                int which;
                const double distance2 = fan.closest(sample, weights, which);
                sum += static_cast<double>(sample.weight) *
                       (badness(sqrt(distance2)) -
                        badness(sqrt(static_cast<double>(sample.distance2))));
            });
        });
        return sum;
    }

    // ---- doing it ----

    // Cheapest collapse with best split; each changes faces that no other has touched.
    Status pair_up() {
        for (size_t v = 0; v < merged_.size(); v++) merged_[v] = static_cast<int32_t>(v);
        size_t s = 0;
        for (size_t c = 0; c < collapses_.size(); c++) {
            const Collapse& collapse = collapses_[c];
            if (!is_free(collapse)) continue;
            touch(collapse);
            while (s < splits_.size() && !is_free(splits_[s])) s++;
            if (s == splits_.size() || !(-splits_[s].cost > PAYS * collapse.cost)) break;
            touch(splits_[s]);
            int32_t freed[2];
            make(collapse, freed);
            make(splits_[s++], collapse.edge.b, freed);
        }
        for (size_t i = 0; i < samples_.all.size(); i++)
            samples_.all[i].start = merged_[samples_.all[i].start];
        if (!samples_.group()) return HY3D_OUT_OF_MEMORY;
        return samples_.link();
    }

    // Collapses also keep off each other's rings: what is around must be as it was judged.
    bool is_free(const Collapse& collapse) const {
        bool free = true;
        for_each_face(collapse, [&](int32_t f) {
            free = free && !touched_[f];
            for (const int32_t v : mesh_.faces[f].v) free = free && !ring_[v];
        });
        return free;
    }
    bool is_free(const Split& split) const {
        return !touched_[split.edge.f] && !touched_[split.edge.g];
    }

    void touch(const Collapse& collapse) {
        for_each_face(collapse, [&](int32_t f) {
            touched_[f] = 1;
            for (const int32_t v : mesh_.faces[f].v) ring_[v] = 1;
        });
    }
    void touch(const Split& split) { touched_[split.edge.f] = touched_[split.edge.g] = 1; }

    template <typename What>
    void attach(const What& change, const Fan& fan) {
        for_each_face(change, [&](int32_t f) {
            for_each_on(f, [&](Sample& sample) {
                double weights[3] = {1, 0, 0};
                int which = 0;
                const double distance2 = fan.closest(sample, weights, which);
                samples_.attach(sample, fan.faces[which], weights, distance2);
            });
        });
        for (int k = 0; k < fan.count; k++) samples_.normals[fan.faces[k]] = fan.normal[k];
    }

    // Merges v into u; the two faces of both are free then.
    void make(const Collapse& collapse, int32_t freed[2]) {
        Fan fan;
        fan_of(collapse, fan);
        attach(collapse, fan);
        int count = 0;
        for_each_around(collapse.edge.b, [&](int32_t f) {
            if (mesh_.faces[f].has(collapse.edge.a)) freed[count++] = f;
        });
        const Adjacency& around = samples_.around;
        for (uint32_t k = 0; k < around.degree[collapse.edge.b]; k++) {
            Face& face = mesh_.faces[around.incident[around.first[collapse.edge.b] + k]];
            if (face.has(collapse.edge.a)) continue;
            for (int32_t& v : face.v)
                if (v == collapse.edge.b) v = collapse.edge.a;
        }
        // The corners of a changed face begin with the vertex that moved, as the fan's do.
        for (int k = 0; k < fan.count; k++) rotate(fan.faces[k], collapse.edge.a);
        mesh_.positions[collapse.edge.a] = collapse.at;
        changed_[collapse.edge.a] = 1;
        merged_[collapse.edge.b] = collapse.edge.a;
        samples_.ups[collapse.edge.a] =
            samples_.ups[collapse.edge.a] + samples_.ups[collapse.edge.b];
    }

    void rotate(int32_t f, int32_t first) {
        Face& face = mesh_.faces[f];
        const int i = face.v[0] == first ? 0 : face.v[1] == first ? 1 : 2;
        const Face old = face;
        int32_t edges[3] = {-1, -1, -1};
        if (mesh_.curves.size()) memcpy(edges, &mesh_.curves[3 * f], sizeof(edges));
        for (int j = 0; j < 3; j++) {
            face.v[j] = old.v[(i + j) % 3];
            if (mesh_.curves.size()) mesh_.curves[3 * f + j] = edges[(i + j) % 3];
        }
    }

    // Puts vertex m onto the edge from a to b, with two faces that are free.
    void make(const Split& split, int32_t m, const int32_t freed[2]) {
        Fan fan;
        fan_of(split, fan);
        fan.faces[1] = freed[0];
        fan.faces[3] = freed[1];
        const auto edge_from = [&](int32_t f, int32_t v) {
            const int32_t* corners = mesh_.faces[f].v;
            return mesh_.curves[3 * f + (corners[0] == v ? 0 : corners[1] == v ? 1 : 2)];
        };
        int32_t across[4] = {-1, -1, -1, -1};  // the four edges that stay: ca, bc, ad, db
        if (mesh_.curves.size()) {
            across[0] = edge_from(split.edge.f, split.edge.c);
            across[1] = edge_from(split.edge.f, split.edge.b);
            across[2] = edge_from(split.edge.g, split.edge.a);
            across[3] = edge_from(split.edge.g, split.edge.d);
        }
        attach(split, fan);
        const int32_t ends[4][2] = {{split.edge.c, split.edge.a},
                                    {split.edge.b, split.edge.c},
                                    {split.edge.a, split.edge.d},
                                    {split.edge.d, split.edge.b}};
        for (int k = 0; k < 4; k++) {
            const int32_t f = fan.faces[k];
            mesh_.faces[f] = {{m, ends[k][0], ends[k][1]}};
            if (mesh_.origin.size())
                mesh_.origin[f] = mesh_.origin[k < 2 ? split.edge.f : split.edge.g];
            if (mesh_.curves.size()) {
                mesh_.curves[3 * f] = mesh_.curves[3 * f + 2] = -1;
                mesh_.curves[3 * f + 1] = across[k];
            }
        }
        mesh_.positions[m] = split.at;
        samples_.ups[m] = samples_.ups[split.edge.a] + samples_.ups[split.edge.b];
        mesh_.kind[m] = INTERIOR;
        changed_[m] = 1;
    }

    ReducedMesh& mesh_;
    Samples& samples_;
    const Array<System>& systems_;
    Array<uint8_t>& changed_;
    const int32_t threads_;
    Progress& progress_;
    const double done_;
    double typical_ = 0;
    Array<float> costs_, gains_;  // per face corner, for the edge from there
    Array<Problem> around_;       // per vertex
    Array<Error> errors_;         // per face
    Array<Collapse> collapses_;
    Array<Split> splits_;
    Array<uint8_t> touched_, ring_;  // per face and per vertex
    Array<int32_t> merged_;          // per vertex, the one that it went into
};

}  // namespace

Status exchange_faces(ReducedMesh& mesh, Samples& samples, const Array<System>& systems,
                      Array<uint8_t>& changed, int32_t threads, Progress& progress, double done) {
    return Exchange(mesh, samples, systems, changed, threads, progress, done).run();
}

}  // namespace hy3d
