// SPDX-License-Identifier: Apache-2.0
#include "surface.h"

#include "threads.h"

namespace hy3d {
namespace {

constexpr size_t PER_JOB = 16384;  // vertices

// Weight of the planes that stand on borders against those of faces, by the lengths of the border edge
// and of its face's longest: by the border edge's own alone, short notches would be closed for nothing.
constexpr double BORDER_WEIGHT = 3.0;
// Length of the sum of the directions to both neighbours from which on a border's vertex is a tip: 60 degrees.
constexpr double SHARP_TIP = 1.73;

uint32_t spread_bits(uint32_t x) {  // ten bits, two zeros between neighbours
    x = (x | (x << 16)) & 0x030000ffu;
    x = (x | (x << 8)) & 0x0300f00fu;
    x = (x | (x << 4)) & 0x030c30c3u;
    return (x | (x << 2)) & 0x09249249u;
}

// Morton, A computer oriented geodetic data base, 1966: neighbours in space, neighbours in memory.
uint32_t curve_position(Vec3 p) {
    const auto cell = [](double t) {
        const double scaled = (t + 0.5) * 1023;
        return spread_bits(scaled > 0 ? scaled < 1023 ? static_cast<uint32_t>(scaled) : 1023 : 0);
    };
    return cell(p.x) | (cell(p.y) << 1) | (cell(p.z) << 2);
}

Status sort_vertices(const float* vertices, size_t count, const Box& box, Array<int32_t>& order,
                     Array<int32_t>& rank, int32_t threads, Progress& progress) {
    Array<KeyedIndex> keyed, scratch;
    if (!keyed.resize(count) || !order.resize(count) || !rank.resize(count))
        return HY3D_OUT_OF_MEMORY;
    for_each_range(threads, count, PER_JOB, [&](size_t begin, size_t end) {
        for (size_t v = begin; v < end; v++)
            keyed[v] = {curve_position(box.to_unit(vertices + 3 * v)), static_cast<uint32_t>(v)};
    });
    if (!radix_sort(keyed, scratch)) return HY3D_OUT_OF_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (!progress.go_on(i)) return HY3D_CANCELLED;
        order[i] = static_cast<int32_t>(keyed[i].index);
        rank[keyed[i].index] = static_cast<int32_t>(i);
    }
    return HY3D_OK;
}

// The faces with their vertices' ranks, those of earlier vertices first, degenerate ones left out.
// `origin`, if given, tells which face each was.
Status sort_faces(const int32_t* faces, size_t count, const Array<int32_t>& rank,
                  Array<Face>& out, Array<int32_t>* origin, Progress& progress) {
    Array<uint32_t> begin;
    if (!begin.resize_zeroed(rank.size() + 1)) return HY3D_OUT_OF_MEMORY;
    const auto lowest = [](const Face& f) {
        const int32_t low = f.v[0] < f.v[1] ? f.v[0] : f.v[1];
        return low < f.v[2] ? low : f.v[2];
    };
    const auto ranked = [&](size_t f) {
        return Face{{rank[faces[3 * f]], rank[faces[3 * f + 1]], rank[faces[3 * f + 2]]}};
    };
    for (size_t f = 0; f < count; f++) {
        if (!progress.go_on(f)) return HY3D_CANCELLED;
        const Face face = ranked(f);
        if (!face.is_degenerate()) begin[lowest(face) + 1]++;
    }
    for (size_t v = 0; v < rank.size(); v++) begin[v + 1] += begin[v];
    if (!out.resize(begin[rank.size()])) return HY3D_OUT_OF_MEMORY;
    if (origin && !origin->resize(out.size())) return HY3D_OUT_OF_MEMORY;
    for (size_t f = 0; f < count; f++) {
        if (!progress.go_on(f)) return HY3D_CANCELLED;
        const Face face = ranked(f);
        if (face.is_degenerate()) continue;
        const size_t at = begin[lowest(face)]++;
        out[at] = face;
        if (origin) (*origin)[at] = static_cast<int32_t>(f);
    }
    return HY3D_OK;
}

// Whether the edges around a vertex are not all matched: one that leaves it and one that comes to it
// for each neighbour. `repeated` is set where two leave it for the same neighbour.
Status is_irregular(const Array<Wing>& wings, bool& irregular, bool& repeated) {
    constexpr size_t FEW = 8, SOME = 24;
    const size_t count = wings.size();
    irregular = false;
    if (count <= FEW) {  // as most are; always as many steps, so that several are taken at once
        int32_t from[FEW], to[FEW];
        for (size_t k = 0; k < FEW; k++) {
            from[k] = k < count ? wings[k].a : -1;
            to[k] = k < count ? wings[k].b : -1;
        }
        int32_t leaving = 0, coming = 0, matched = 0;  // pairs that are the same
        for (size_t k = 0; k < FEW; k++)
            for (size_t i = 0; i < FEW; i++) {
                leaving += from[i] == from[k];
                coming += to[i] == to[k];
                matched += from[i] == to[k];
            }
        const size_t padding = FEW - count;
        const int32_t wanted = static_cast<int32_t>(count + padding * padding);
        repeated |= leaving != wanted;
        irregular = leaving != wanted || coming != wanted || matched != wanted;
        return HY3D_OK;
    }
    if (count <= SOME) {
        for (size_t k = 0; k < count; k++) {
            uint32_t leaving = 0, coming = 0;
            for (size_t i = 0; i < count; i++) {
                leaving += wings[i].a == wings[k].a;
                coming += wings[i].b == wings[k].a;
            }
            irregular |= leaving != 1 || coming != 1;
            repeated |= leaving > 1;
        }
        return HY3D_OK;
    }
    Array<KeyedIndex> leaving, coming, scratch;
    if (!leaving.resize(count) || !coming.resize(count)) return HY3D_OUT_OF_MEMORY;
    for (size_t k = 0; k < count; k++) {
        leaving[k] = {static_cast<uint32_t>(wings[k].a), 0};
        coming[k] = {static_cast<uint32_t>(wings[k].b), 0};
    }
    if (!radix_sort(leaving, scratch) || !radix_sort(coming, scratch)) return HY3D_OUT_OF_MEMORY;
    for (size_t k = 0; k < count; k++) {
        const bool twice = k > 0 && leaving[k].key == leaving[k - 1].key;
        irregular |= twice || leaving[k].key != coming[k].key;
        repeated |= twice;
    }
    return HY3D_OK;
}

// Sets `irregular`; tells whether any vertex is, and whether some face may be there twice.
Status find_irregular(Surface& surface, int32_t threads, Progress& progress, bool& any,
                      bool& repeated) {
    int32_t failed = HY3D_OK, found = 0, twice = 0;
    for_each_range(threads, surface.vertices.size(), PER_JOB, [&](size_t begin, size_t end) {
        Array<Wing> wings;
        Status status = progress.report(0) ? HY3D_OK : HY3D_CANCELLED;
        bool irregular = false, doubled = false, some = false;
        for (size_t u = begin; u < end && status == HY3D_OK; u++) {
            if (!surface.gather(static_cast<int32_t>(u), wings)) status = HY3D_OUT_OF_MEMORY;
            if (status == HY3D_OK) status = is_irregular(wings, irregular, doubled);
            surface.vertices[u].irregular = irregular;
            some |= irregular;
        }
        if (some) __atomic_store_n(&found, 1, __ATOMIC_RELAXED);
        if (doubled) __atomic_store_n(&twice, 1, __ATOMIC_RELAXED);
        if (status != HY3D_OK) __atomic_store_n(&failed, status, __ATOMIC_RELAXED);
    });
    any = found;
    repeated = twice;
    return failed;
}

// Calls visit(v, faces) for every edge from the irregular vertex u to another irregular one, with
// the number of faces at it: only these can have other than two.
template <typename Visit>
[[nodiscard]] bool for_each_irregular_edge(Surface& surface, int32_t u, Array<Wing>& wings,
                                           Visit visit) {
    if (!surface.gather(u, wings)) return false;
    const size_t sides = 2 * wings.size();
    const auto end = [&](size_t side) { return side % 2 ? wings[side / 2].b : wings[side / 2].a; };
    // Marks count up from `base`; each vertex around gets at most `sides` of them.
    const uint32_t base = surface.stamp;
    surface.stamp += static_cast<uint32_t>(sides) + 1;
    for (size_t side = 0; side < sides; side++) {
        uint32_t& mark = surface.vertices[end(side)].mark;
        mark = mark > base ? mark + 1 : base + 1;
    }
    for (size_t side = 0; side < sides; side++) {
        const int32_t v = end(side);
        Vertex& vertex = surface.vertices[v];
        if (vertex.mark <= base) continue;  // told already
        const uint32_t count = vertex.mark - base;
        vertex.mark = 0;
        if (vertex.irregular) visit(v, count);
    }
    return true;
}

// Renames vertices so that those of open edges at one position become one; tells whether any were.
Status join_seams(const float* vertices, const Array<int32_t>& order, const Array<int32_t>& rank,
                  Surface& surface, Progress& progress, bool& joined) {
    Array<uint8_t> open;
    Array<int32_t> representative;
    Array<Wing> wings;
    if (!open.resize_zeroed(order.size())) return HY3D_OUT_OF_MEMORY;
    for (size_t u = 0; u < order.size(); u++) {
        if (!progress.go_on(u)) return HY3D_CANCELLED;
        if (surface.vertices[u].irregular &&
            !for_each_irregular_edge(surface, static_cast<int32_t>(u), wings,
                                     [&](int32_t, uint32_t count) {
                                         if (count != 2) open[order[u]] = 1;
                                     }))
            return HY3D_OUT_OF_MEMORY;
    }
    const Status status =
        find_equal_vertices(vertices, order.size(), 0, open.data(), representative, progress);
    if (status != HY3D_OK) return status;
    joined = false;
    for (size_t f = 0; f < surface.faces.size(); f++) {
        if (!progress.go_on(f)) return HY3D_CANCELLED;
        for (int32_t& v : surface.faces[f].v) {
            const int32_t into = rank[representative[order[v]]];
            if (into == v) continue;
            joined = true;
            surface.vertices[v].merged_into = into;
            v = into;
        }
    }
    return HY3D_OK;
}

void add_border_plane(Surface& surface, int32_t u, int32_t v, const Array<Wing>& wings) {
    for (size_t k = 0; k < wings.size(); k++) {
        if (wings[k].a != v && wings[k].b != v) continue;
        const Vec3 a = surface.vertices[u].position;
        const Vec3 along = surface.vertices[v].position - a;
        const Vec3 first = surface.vertices[wings[k].a].position - a;
        const Vec3 second = surface.vertices[wings[k].b].position - a;
        const Vec3 normal = cross(first, second);
        double longest2 = squared(second - first);
        if (squared(first) > longest2) longest2 = squared(first);
        if (squared(second) > longest2) longest2 = squared(second);
        const Vec3 across = cross(along, normal);
        const double length = sqrt(squared(across));
        if (!(length > 0)) return;
        Quadric plane = {};
        plane.add_plane((1 / length) * across, a, BORDER_WEIGHT * sqrt(squared(along) * longest2));
        surface.vertices[u].quadric.add(plane);
        surface.vertices[v].quadric.add(plane);
        return;
    }
}

// Where a border turns back sharply, its planes both stand along the spike or notch and let the tip slide;
// one across holds it. `ends` are the tip's two neighbours on the border.
void add_tip_plane(Surface& surface, int32_t tip, const int32_t ends[2]) {
    const Vec3 at = surface.vertices[tip].position;
    Vec3 sum = {0, 0, 0};
    double longest2 = 0;
    for (int i = 0; i < 2; i++) {
        const Vec3 along = surface.vertices[ends[i]].position - at;
        const double length2 = squared(along);
        if (!(length2 > 0)) return;
        if (length2 > longest2) longest2 = length2;
        sum = sum + (1 / sqrt(length2)) * along;
    }
    const double length = sqrt(squared(sum));
    if (length < SHARP_TIP) return;
    Quadric plane = {};
    plane.add_plane((1 / length) * sum, at, BORDER_WEIGHT * longest2);
    surface.vertices[tip].quadric.add(plane);
}

// Kinds from the number of faces at each edge, and the planes that hold borders.
Status classify(Surface& surface, Progress& progress) {
    Array<Wing> wings;
    for (size_t at = 0; at < surface.vertices.size(); at++) {
        const int32_t u = static_cast<int32_t>(at);
        if (!progress.go_on(at)) return HY3D_CANCELLED;
        if (!surface.vertices[u].irregular) continue;
        // A curve has exactly two edges of one sort here; all else is a corner.
        uint32_t edges = 0, sheets = 0;
        bool alike = true;
        int32_t ends[2] = {-1, -1};
        if (!for_each_irregular_edge(surface, u, wings, [&](int32_t v, uint32_t count) {
                if (count == 2) return;
                alike &= edges == 0 || sheets == count;
                sheets = count;
                if (edges < 2) ends[edges] = v;
                edges++;
                if (count == 1 && u < v) add_border_plane(surface, u, v, wings);
            }))
            return HY3D_OUT_OF_MEMORY;
        if (edges == 2 && alike && sheets == 1) add_tip_plane(surface, u, ends);
        surface.vertices[u].kind = edges == 0 ? INTERIOR : edges == 2 && alike ? CURVE : CORNER;
    }
    return HY3D_OK;
}

}  // namespace

Status Surface::link(Array<int32_t>& heads, Progress& progress) {
    if (!next.resize(3 * faces.size())) return HY3D_OUT_OF_MEMORY;
    if (heads.size()) memset(heads.data(), 0xff, heads.size() * sizeof(int32_t));
    for (size_t f = faces.size(); f-- > 0;) {
        if (!progress.go_on(f)) return HY3D_CANCELLED;
        for (size_t i = 3; i-- > 0;) {
            int32_t& head = heads[faces[f].v[i]];
            next[3 * f + i] = head;
            head = static_cast<int32_t>(3 * f + i);
        }
    }
    return HY3D_OK;
}

Status Surface::link(Progress& progress) {
    Array<int32_t> heads;
    if (!heads.resize(vertices.size())) return HY3D_OUT_OF_MEMORY;
    const Status status = link(heads, progress);
    for (size_t v = 0; v < vertices.size() && status == HY3D_OK; v++) vertices[v].corner = heads[v];
    return status;
}

Box::Box(const float* vertices, size_t count) {
    if (count == 0) return;
    double low[3], high[3];
    for (size_t i = 0; i < 3; i++) {
        float least = vertices[i], most = vertices[i];
        for (size_t v = 1; v < count; v++) {
            const float value = vertices[3 * v + i];
            least = value < least ? value : least;
            most = value > most ? value : most;
        }
        low[i] = least;
        high[i] = most;
    }
    double extent = 0;
    for (int i = 0; i < 3; i++)
        if (high[i] - low[i] > extent) extent = high[i] - low[i];
    if (extent > 0) scale = extent;
    centre = {(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, (low[2] + high[2]) / 2};
}

Status load_surface(const float* vertices, size_t vertex_count, const int32_t* faces,
                    size_t face_count, const Box& box, Surface& surface, Array<int32_t>& order,
                    int32_t threads, Progress& progress, bool with_origin) {
    Array<int32_t>* origin = with_origin ? &surface.origin : nullptr;
    Array<int32_t> rank;
    Status status = sort_vertices(vertices, vertex_count, box, order, rank, threads, progress);
    if (status == HY3D_OK)
        status = sort_faces(faces, face_count, rank, surface.faces, origin, progress);
    if (status != HY3D_OK) return status;
    Array<int32_t> heads;
    if (!surface.vertices.resize(vertex_count) || !heads.resize(vertex_count))
        return HY3D_OUT_OF_MEMORY;
    status = surface.link(heads, progress);
    if (status != HY3D_OK) return status;
    for_each_range(threads, vertex_count, PER_JOB, [&](size_t begin, size_t end) {
        if (!progress.report(0)) return;
        memset(&surface.vertices[begin], 0, (end - begin) * sizeof(Vertex));
        for (size_t v = begin; v < end; v++) {
            Vertex& vertex = surface.vertices[v];
            vertex.position = box.to_unit(vertices + 3 * static_cast<size_t>(order[v]));
            vertex.corner = heads[v];
            vertex.merged_into = static_cast<int32_t>(v);
            vertex.source = order[v];
        }
    });
    if (!progress.report(0)) return HY3D_CANCELLED;
    bool irregular = false, repeated = false, joined = false;
    status = find_irregular(surface, threads, progress, irregular, repeated);
    if (status != HY3D_OK || !irregular) return status;
    if (repeated) {
        status = drop_degenerate_and_repeated(surface.faces, progress, origin);
        if (status == HY3D_OK) status = surface.link(progress);
        if (status == HY3D_OK) status = find_irregular(surface, threads, progress, irregular, repeated);
        if (status != HY3D_OK) return status;
    }
    status = join_seams(vertices, order, rank, surface, progress, joined);
    if (status != HY3D_OK) return status;
    if (joined) {
        status = drop_degenerate_and_repeated(surface.faces, progress, origin);
        if (status == HY3D_OK) status = surface.link(progress);
        if (status == HY3D_OK) status = find_irregular(surface, threads, progress, irregular, repeated);
        if (status != HY3D_OK) return status;
    }
    return classify(surface, progress);
}

}  // namespace hy3d
