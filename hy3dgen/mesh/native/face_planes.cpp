// SPDX-License-Identifier: Apache-2.0
// The planes of the faces that quadrics hold at first, with the noise taken out of their normals.
//
// A plane goes on where its face ends: the slope that noise gives to a small face becomes a wrong
// height some faces farther on, and a flat wall looks as dear as a rounded one. Marching cubes gives the
// narrow faces of smooth shapes such slopes as well. So a normal gives way to the average of those at its
// corners, unless it differs so much more from it than is usual on this mesh that there must be an edge,
// which stays as sharp as it was. What is usual is the median; where that is nothing, as on flat walls
// without noise, everything stays as it is.
//
// Source: Ohtake, Belyaev & Seidel, Mesh smoothing by adaptive and anisotropic Gaussian filter applied
// to mesh normals, 2002 (normals are averaged, but not over edges).
#include "face_planes.h"

#include "threads.h"

namespace hy3d {
namespace {

constexpr size_t PER_JOB = 16384;  // vertices or faces
constexpr size_t MOST_ASKED = 65536;  // faces that tell what is usual
// Squared angle, in radians, from which on the median counts as noise; `Upwards` rounds at 3e-5.
constexpr double LEAST_NOISE2 = 2.5e-7;

// How it is done: the average's part in the new normal; how many times the usual angle is an edge, and
// from which cosine on, whatever is usual; and which point of the face the plane goes through, by the part
// of the vertex that gets it, the rest of its two neighbours' in equal parts.
struct Filter {
    double part, edge, edge_cosine, own;
};
constexpr Filter DAMPING = {0.3, 3, 0.8, 1.0 / 3}, AVERAGING = {1, 5, 0.5, 0};

// A face's unit normal and area.
struct Plane {
    Vec3 normal;
    double area;
};

Vec3 position(const Surface& surface, int32_t v) { return surface.vertices[v].position; }

// The average normal at the corners of a face; zero where there is none.
Vec3 average_normal(const Surface& surface, const Face& face) {
    Vec3 sum = {0, 0, 0};
    for (const int32_t v : face.v) sum = sum + surface.vertices[v].up.vector();
    const double length = sqrt(squared(sum));
    return length > 0 ? (1 / length) * sum : Vec3{0, 0, 0};
}

// The median of the squared angles between the faces' normals and the averages around them; of some of
// the faces.
[[nodiscard]] bool find_usual(const Surface& surface, const Array<Plane>& planes, double& usual2) {
    Array<KeyedIndex> keyed, scratch;
    const size_t stride = planes.size() / MOST_ASKED + 1;
    for (size_t f = 0; f < planes.size(); f += stride) {
        if (!(planes[f].area > 0)) continue;
        const Vec3 between = planes[f].normal - average_normal(surface, surface.faces[f]);
        const float angle2 = static_cast<float>(squared(between));
        uint32_t bits;  // of a float that is not negative; they sort like the float
        memcpy(&bits, &angle2, sizeof(bits));
        if (!keyed.push({bits, 0})) return false;
    }
    usual2 = 0;
    if (keyed.size() == 0) return true;
    if (!radix_sort(keyed, scratch)) return false;
    float median;
    memcpy(&median, &keyed[keyed.size() / 2].key, sizeof(median));
    usual2 = static_cast<double>(median);
    return true;
}

Plane plane_of(const Surface& surface, const Face& face) {
    const Vec3 a = position(surface, face.v[0]);
    const Vec3 normal =
        cross(position(surface, face.v[1]) - a, position(surface, face.v[2]) - a);
    const double doubled = sqrt(squared(normal));
    return doubled > 1e-30 ? Plane{(1 / doubled) * normal, doubled / 2} : Plane{};
}

void set_up(Surface& surface, const Array<Plane>& planes, Vertex& vertex) {
    Vec3 normals = {0, 0, 0};
    double area = 0;
    for (int32_t c = vertex.corner; c >= 0; c = surface.next[c]) {
        const Plane& plane = planes[c / 3];
        normals = normals + plane.area * plane.normal;
        area += plane.area;
    }
    if (area > 0) vertex.up.set((1 / area) * normals);
}

// `filter` may be null: then the planes are as they were.
void add_around(const Surface& surface, const Array<Plane>& planes, const Filter* filter,
                Vertex& vertex) {
    Quadric around = {};
    for (int32_t c = vertex.corner; c >= 0; c = surface.next[c]) {
        const Plane& plane = planes[c / 3];
        Vec3 through = vertex.position;
        if (filter && vertex.kind == INTERIOR) {
            const int32_t* v = surface.faces[c / 3].v;
            const Vec3 others = position(surface, v[Surface::following(c) % 3]) +
                                position(surface, v[Surface::preceding(c) % 3]);
            through = filter->own * through + ((1 - filter->own) / 2) * others;
        }
        around.add_plane(plane.normal, through, plane.area / 3);
    }
    vertex.quadric.add(around);
}

}  // namespace

Status add_face_planes(Surface& surface, Noise noise, int32_t threads, Progress& progress) {
    Array<Plane> planes;
    if (!planes.resize(surface.faces.size())) return HY3D_OUT_OF_MEMORY;
    // Calls work(i) for i in [0, count) on all threads.
    const auto for_each = [&](size_t count, auto work) {
        for_each_range(threads, count, PER_JOB, [&](size_t begin, size_t end) {
            if (!progress.report(0)) return;
            for (size_t i = begin; i < end; i++) work(i);
        });
        return progress.report(0) ? HY3D_OK : HY3D_CANCELLED;
    };
    Status status = for_each(planes.size(), [&](size_t f) { planes[f] = plane_of(surface, surface.faces[f]); });
    if (status != HY3D_OK) return status;
    status = for_each(surface.vertices.size(),
                      [&](size_t v) { set_up(surface, planes, surface.vertices[v]); });
    if (status != HY3D_OK) return status;
    const Filter* filter = nullptr;
    if (noise != Noise::KEPT) {
        double usual2;
        if (!find_usual(surface, planes, usual2)) return HY3D_OUT_OF_MEMORY;
        if (usual2 > LEAST_NOISE2) filter = noise == Noise::DAMPED ? &DAMPING : &AVERAGING;
        if (filter) {
            double least = 1 - filter->edge * filter->edge * usual2 / 2;  // a cosine
            if (least < filter->edge_cosine) least = filter->edge_cosine;
            status = for_each(planes.size(), [&](size_t f) {
                const Face& face = surface.faces[f];
                for (const int32_t v : face.v)  // at a border the average is of one side only
                    if (surface.vertices[v].kind != INTERIOR) return;
                const Vec3 average = average_normal(surface, face);
                Vec3& own = planes[f].normal;
                if (dot(own, average) < least) return;
                const Vec3 sum = (1 - filter->part) * own + filter->part * average;
                own = (1 / sqrt(squared(sum))) * sum;
            });
            if (status != HY3D_OK) return status;
        }
    }
    return for_each(surface.vertices.size(),
                    [&](size_t v) { add_around(surface, planes, filter, surface.vertices[v]); });
}

}  // namespace hy3d
