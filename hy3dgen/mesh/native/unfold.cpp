// SPDX-License-Identifier: Apache-2.0
// Mends the few faces of a reduced mesh that look the wrong way.
//
// No collapse and no step of the refit may turn a face over, but noise turns needles over before, and
// what a needle stands for changes while its neighbours go. In a finished mesh a few faces lie folded
// over a neighbour, nearly always needles whose short edge has its ends the wrong way round. Flipping
// the edge of the fold mends most; else the ends of an edge change places, or a corner goes to the other
// side of the edge across from it. What leaves the faces around looking best is done.
#include "unfold.h"

#include "edge_pair.h"

namespace hy3d {
namespace {

// Each pass mends faces that do not touch; in the first nearly all are.
constexpr int PASSES = 8;
// Cosine between a face's normal and the source's at its corners, below which it counts against a change.
constexpr double ASKEW = 0.3;
// A corner crosses the edge across from it, and two change places, if they are that near, in parts of
// the edge across or of the longest one, squared: what is long moves too much.
constexpr double NEAR2 = 0.01;
// Cosines between the face beside a turned one and it, at most, and what a flip leaves, at least: so the
// surface stays where it is.
constexpr double FOLDED = -0.3, FLAT = 0.5;
// By how much of its distance it ends on the other side.
constexpr double CROSSINGS[] = {0.1, 1};

// Vertices and where they would go.
struct Moves {
    int count;
    int32_t vertices[2];
    Vec3 to[2];
};

class Unfolder {
public:
    Unfolder(ReducedMesh& mesh, double least) : mesh_(mesh), least_(least) {}

    Status run() {
        for (int pass = 0; pass < PASSES; pass++) {
            turned_.truncate(0);
            for (size_t f = 0; f < mesh_.faces.size(); f++)
                if (agreement(mesh_.faces[f]) < least_ && !turned_.push(static_cast<int32_t>(f)))
                    return HY3D_OUT_OF_MEMORY;
            if (turned_.size() == 0) return HY3D_OK;
            const Status status = around_.build(mesh_.positions.size(), mesh_.faces);
            if (status != HY3D_OK) return status;
            if (!touched_.resize_zeroed(mesh_.positions.size())) return HY3D_OUT_OF_MEMORY;
            bool any = false;
            for (size_t i = 0; i < turned_.size(); i++) any |= mend(turned_[i]);
            if (!any) return HY3D_OK;
        }
        return HY3D_OK;
    }

private:
    Vec3 at(int32_t v) const { return mesh_.positions[v]; }

    // Of a face's normal with the source's at its corners; -1 where it has none.
    double agreement(const Face& face) const {
        const int32_t* v = face.v;
        const Vec3 normal = cross(at(v[1]) - at(v[0]), at(v[2]) - at(v[0]));
        const Vec3 up = mesh_.ups[v[0]] + mesh_.ups[v[1]] + mesh_.ups[v[2]];
        const double lengths2 = squared(normal) * squared(up);
        if (lengths2 > 0) return dot(normal, up) / sqrt(lengths2);
        return squared(up) > 0 ? -1 : 1;  // where the source says nothing, any face will do
    }

    Vec3 normal_of(const Face& face) const {
        const Vec3 n = cross(at(face.v[1]) - at(face.v[0]), at(face.v[2]) - at(face.v[0]));
        const double length = sqrt(squared(n));
        return length > 0 ? (1 / length) * n : Vec3{0, 0, 0};
    }

    double fault(const Face& face) const {
        const double found = agreement(face);
        return found < ASKEW ? ASKEW - found : 0;
    }

    // Calls visit(face) for the faces around the vertices to be moved, once for each.
    template <typename Visit>
    void for_each_around(const Moves& moves, Visit visit) const {
        for (int i = 0; i < moves.count; i++) {
            const int32_t v = moves.vertices[i];
            for (uint32_t k = 0; k < around_.degree[v]; k++) {
                const Face& face = mesh_.faces[around_.incident[around_.first[v] + k]];
                if (i == 0 || !face.has(moves.vertices[0])) visit(face);
            }
        }
    }

    double faults_around(const Moves& moves) const {
        double sum = 0;
        for_each_around(moves, [&](const Face& face) { sum += fault(face); });
        return sum;
    }

    void make(Moves& moves) {
        for (int i = 0; i < moves.count; i++) {
            const Vec3 from = at(moves.vertices[i]);
            mesh_.positions[moves.vertices[i]] = moves.to[i];
            moves.to[i] = from;
        }
    }

    // How much less is at fault; negative where a vertex may not move.
    double gain_of(Moves& moves) {
        bool free = true;
        for (int i = 0; i < moves.count; i++)
            free = free && mesh_.kind[moves.vertices[i]] == INTERIOR;
        for_each_around(moves, [&](const Face& face) {
            for (const int32_t v : face.v) free = free && !touched_[v];
        });
        if (!free) return -1;
        const double before = faults_around(moves);
        make(moves);
        const double after = faults_around(moves);
        make(moves);  // back
        return before - after;
    }

    // Of a flip; g is the face that stays as it is.
    double gain_of(const EdgePair& pair) const {
        const Face first = {{pair.c, pair.a, pair.d}}, second = {{pair.d, pair.b, pair.c}};
        const Vec3 beside = normal_of(mesh_.faces[pair.g]);
        if (dot(beside, normal_of(mesh_.faces[pair.f])) > FOLDED ||
            dot(beside, normal_of(first)) < FLAT || dot(beside, normal_of(second)) < FLAT)
            return -1;
        if (touched_[pair.a] || touched_[pair.b] || touched_[pair.c] || touched_[pair.d] ||
            is_taken(mesh_, around_, pair))
            return -1;
        return fault(mesh_.faces[pair.f]) + fault(mesh_.faces[pair.g]) -
               fault(first) - fault(second);
    }

    double longest2(const Face& face) const {
        double longest = 0;
        for (int i = 0; i < 3; i++) {
            const double length2 = squared(at(face.v[i]) - at(face.v[(i + 1) % 3]));
            if (length2 > longest) longest = length2;
        }
        return longest;
    }

    // Corner i of a face goes to the other side of the edge across from it, `part` of its distance
    // farther than onto the edge; false if it is not near.
    bool find_crossing(const Face& face, int i, double part, Moves& moves) const {
        const Vec3 from = at(face.v[(i + 1) % 3]), along = at(face.v[(i + 2) % 3]) - from;
        const Vec3 offset = at(face.v[i]) - from;
        const double length2 = squared(along);
        if (!(length2 > 0)) return false;
        const Vec3 height = offset - (dot(offset, along) / length2) * along;
        if (squared(height) > NEAR2 * length2) return false;
        moves = {1, {face.v[i], -1}, {at(face.v[i]) - (1 + part) * height, {}}};
        return true;
    }

    bool mend(int32_t f) {
        const Face face = mesh_.faces[f];
        double best = 1e-6;
        EdgePair flip = {};
        Moves moves = {};
        bool is_flip = false, found = false;
        const auto try_moves = [&](Moves tried) {
            const double gain = gain_of(tried);
            if (!(gain > best)) return;
            best = gain;
            moves = tried;
            found = true;
            is_flip = false;
        };
        for (int i = 0; i < 3; i++) {
            const int32_t a = face.v[i], b = face.v[(i + 1) % 3];
            EdgePair pair;
            if (find_pair(mesh_, around_, f, i, pair)) {
                const double gain = gain_of(pair);
                if (gain > best) {
                    best = gain;
                    flip = pair;
                    found = is_flip = true;
                }
            }
            if (squared(at(b) - at(a)) < NEAR2 * longest2(face))
                try_moves({2, {a, b}, {at(b), at(a)}});
            Moves crossing;
            for (const double part : CROSSINGS)
                if (find_crossing(face, i, part, crossing)) try_moves(crossing);
        }
        if (!found) return false;
        if (is_flip) {
            flip_edge(mesh_, flip);
            touched_[flip.a] = touched_[flip.b] = touched_[flip.c] = touched_[flip.d] = 1;
            return true;
        }
        make(moves);
        for (int i = 0; i < moves.count; i++) mesh_.source[moves.vertices[i]] = -1;
        for_each_around(moves, [&](const Face& changed) {
            for (const int32_t v : changed.v) touched_[v] = 1;
        });
        return true;
    }

    ReducedMesh& mesh_;
    double least_;
    Adjacency around_;
    Array<int32_t> turned_;   // faces
    Array<uint8_t> touched_;  // per vertex: a face there was changed in this pass
};

}  // namespace

Status unfold(ReducedMesh& mesh, double least) { return Unfolder(mesh, least).run(); }

}  // namespace hy3d
