// SPDX-License-Identifier: Apache-2.0
// Curves on a surface that a reduction keeps.
//
// An edge is on a curve where some attribute of its two faces differs at either end (the seam of a
// UV map, a hard edge of split normals), where their labels differ (materials), or where it is
// marked. Vertices on curves then move as those on borders do: along the curve where exactly two
// edges of one sort meet, not at all where curves end or cross. Two planes through each edge of a
// curve, upright on its faces, hold the curve's course. The surface stays in one piece, so nothing
// can tear.
//
// What differs at more than a third of all edges (values of flat shading, a map in which every face
// has its own place) is no curve: keeping it would mean keeping every face.
//
// Source: Hoppe, New quadric metric for simplifying meshes with appearance attributes, 1999 (seams as
// constraint planes on one shared vertex); for values between seams see correspondence.cpp.
#include "curves.h"

namespace hy3d {
namespace {

// Weight of the planes through curves against those of faces.
constexpr double CURVE_WEIGHT = 0.001;
// An attribute that jumps at more than this part of the edges is scattered.
constexpr double SCATTERED = 1.0 / 3;

class CurveFinder {
public:
    CurveFinder(Surface& surface, const hy3d_curves& request, Across& across, Progress& progress)
        : surface_(surface), request_(request), across_(across), progress_(progress) {}

    Status run(size_t face_count, uint32_t& scattered) {
        if (!surface_.curves.resize_zeroed(3 * surface_.faces.size()) ||
            !across_.resize(3 * face_count))
            return HY3D_OUT_OF_MEMORY;
        for (size_t c = 0; c < across_.size(); c++) across_[c] = -1;
        Status status = compare_faces();
        if (status != HY3D_OK) return status;
        for (uint32_t bit = 0; bit < 32; bit++)
            if (static_cast<double>(counts_[bit]) > SCATTERED * static_cast<double>(edges_))
                scattered_ |= 1u << bit;
        scattered = scattered_;
        status = classify();
        if (status == HY3D_OK) number_edges();
        return status;
    }

private:
    // ---- which edges: until `number_edges`, `surface.curves` holds bits of hy3d_curves ----

    int32_t input_corner(int32_t corner) const {
        return 3 * surface_.origin[corner / 3] + corner % 3;
    }

    // Pairs the faces at every edge that has two, facing alike, and compares them.
    Status compare_faces() {
        for (size_t at = 0; at < surface_.vertices.size(); at++) {
            const int32_t u = static_cast<int32_t>(at);
            if (!progress_.go_on(at)) return HY3D_CANCELLED;
            if (surface_.vertices[u].corner < 0) continue;
            if (!surface_.gather(u, wings_)) return HY3D_OUT_OF_MEMORY;
            const uint32_t base = surface_.stamp;  // marks above it tell wings by their `b`
            surface_.stamp += static_cast<uint32_t>(wings_.size()) + 1;
            for (size_t k = 0; k < wings_.size(); k++)
                surface_.vertices[wings_[k].b].mark = base + 1 + static_cast<uint32_t>(k);
            for (size_t k = 0; k < wings_.size(); k++) {
                const Wing& wing = wings_[k];
                const uint32_t mark = surface_.vertices[wing.a].mark;
                if (mark <= base || !is_regular(u, wing.a)) {
                    mark_single(wing.corner);
                    continue;
                }
                if (u < wing.a)
                    compare(wing.corner, Surface::preceding(wings_[mark - base - 1].corner));
            }
        }
        return HY3D_OK;
    }

    // Whether the edge has one face on either side, facing alike; `wings_` are those of u.
    bool is_regular(int32_t u, int32_t v) const {
        if (!surface_.vertices[u].irregular || !surface_.vertices[v].irregular) return true;
        int out = 0, in = 0;
        for (size_t k = 0; k < wings_.size(); k++) {
            out += wings_[k].a == v;
            in += wings_[k].b == v;
        }
        return out == 1 && in == 1;
    }

    void mark_single(int32_t corner) {
        if (request_.edges) bits_of(corner) |= request_.edges[input_corner(corner)];
    }

    // `corner` runs from u to v, `other`, in the face across, from v to u.
    void compare(int32_t corner, int32_t other) {
        const int32_t u1 = input_corner(corner), v1 = Surface::following(u1);
        const int32_t v2 = input_corner(other), u2 = Surface::following(v2);
        uint32_t bits = request_.edges ? request_.edges[u1] | request_.edges[v2] : 0u;
        const auto bit = [](int32_t item) { return 1u << (HY3D_FIRST_BIT + item % HY3D_BITS); };
        for (int32_t k = 0; k < request_.label_count; k++)
            if (request_.labels[k][u1 / 3] != request_.labels[k][v2 / 3])
                bits |= bit(request_.value_count + k);
        for (int32_t k = 0; k < request_.value_count; k++) {
            const float* values = request_.values[k];
            const size_t width = static_cast<size_t>(request_.widths[k]);
            const float tolerance = request_.tolerances[k];
            if (differ(values, width, tolerance, u1, u2) ||
                differ(values, width, tolerance, v1, v2))
                bits |= bit(k);
        }
        edges_++;
        for (uint32_t rest = bits; rest; rest &= rest - 1) counts_[__builtin_ctz(rest)]++;
        bits_of(corner) = bits_of(other) = bits;
        across_[u1] = v2;
        across_[v2] = u1;
    }

    static bool differ(const float* values, size_t width, float tolerance, int32_t a, int32_t b) {
        const float* first = values + width * static_cast<size_t>(a);
        const float* second = values + width * static_cast<size_t>(b);
        for (size_t i = 0; i < width; i++) {
            const float by = first[i] - second[i];
            if (by > tolerance || by < -tolerance) return true;
        }
        return false;
    }

    uint32_t& bits_of(int32_t corner) {
        return reinterpret_cast<uint32_t&>(surface_.curves[corner]);
    }
    uint32_t kept_bits(int32_t corner) { return bits_of(corner) & ~scattered_; }

    // ---- what follows for the vertices ----

    Status classify() {
        for (size_t at = 0; at < surface_.vertices.size(); at++) {
            const int32_t u = static_cast<int32_t>(at);
            bool touched = false;
            for (int32_t c = surface_.vertices[u].corner; c >= 0 && !touched; c = surface_.next[c])
                touched = kept_bits(c) || kept_bits(Surface::preceding(c));
            if (!progress_.go_on(at)) return HY3D_CANCELLED;
            if (!touched) continue;
            if (!surface_.gather(u, wings_)) return HY3D_OUT_OF_MEMORY;
            uint32_t edges = 0, sort = 0;
            bool alike = true;
            const auto add = [&](uint32_t found) {
                alike &= edges == 0 || found == sort;
                sort = found;
                edges++;
            };
            const uint32_t seen = ++surface_.stamp;
            const auto look_at = [&](int32_t v, int32_t corner) {
                if (surface_.vertices[v].mark == seen) return;
                surface_.vertices[v].mark = seen;
                uint32_t sheets = 2;
                if (surface_.vertices[u].irregular && surface_.vertices[v].irregular) {
                    sheets = 0;
                    for (size_t k = 0; k < wings_.size(); k++)
                        sheets += wings_[k].a == v || wings_[k].b == v;
                }
                const uint32_t bits = kept_bits(corner);
                // No bit of a curve lies as high as these: eight sheets and more are one sort.
                if (bits || sheets != 2) add(bits ^ (sheets < 8 ? sheets << 29 : 0));
            };
            for (size_t k = 0; k < wings_.size(); k++) {
                const int32_t corner = wings_[k].corner;
                look_at(wings_[k].a, corner);
                look_at(wings_[k].b, Surface::preceding(corner));
                if (kept_bits(corner) && across_[input_corner(corner)] >= 0)
                    add_planes(u, wings_[k], wings_[k].a);
                if (kept_bits(Surface::preceding(corner)) &&
                    across_[input_corner(Surface::preceding(corner))] >= 0)
                    add_planes(u, wings_[k], wings_[k].b);
            }
            surface_.vertices[u].kind = edges == 2 && alike ? CURVE : CORNER;
        }
        return HY3D_OK;
    }

    // To u, the plane through the edge from u to v, upright on the wing's face.
    void add_planes(int32_t u, const Wing& wing, int32_t v) {
        const Vec3 from = surface_.vertices[u].position;
        const Vec3 along = surface_.vertices[v].position - from;
        const Vec3 normal = cross(surface_.vertices[wing.a].position - from,
                                  surface_.vertices[wing.b].position - from);
        const Vec3 upright = cross(along, normal);
        const double length = sqrt(squared(upright));
        if (!(length > 0)) return;
        surface_.vertices[u].quadric.add_plane((1 / length) * upright, from,
                                               CURVE_WEIGHT * squared(along));
    }

    void number_edges() {
        for (size_t c = 0; c < surface_.curves.size(); c++) {
            const int32_t corner = static_cast<int32_t>(c);
            const int32_t input = input_corner(corner);
            if (!kept_bits(corner)) {
                surface_.curves[c] = -1;
                continue;
            }
            surface_.curves[c] = input;
            across_[input] = -1;
        }
    }

    Surface& surface_;
    const hy3d_curves& request_;
    Across& across_;
    Progress& progress_;
    Array<Wing> wings_;
    uint64_t counts_[32] = {};
    uint64_t edges_ = 0;
    uint32_t scattered_ = 0;
};

}  // namespace

Status find_curves(Surface& surface, const hy3d_curves& request, size_t face_count, Across& across,
                   Progress& progress, uint32_t& scattered) {
    return CurveFinder(surface, request, across, progress).run(face_count, scattered);
}

}  // namespace hy3d
