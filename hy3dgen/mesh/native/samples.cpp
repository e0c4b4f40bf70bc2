// SPDX-License-Identifier: Apache-2.0
// See samples.h. The closest face is searched from the vertex a sample's own vertex merged into, by
// descent over the faces around the closest point: no search tree.
#include "samples.h"

#include "threads.h"

namespace hy3d {
namespace {

constexpr size_t SAMPLES_PER_FACE = 40;
// What a face's corners weigh beside its middle: at a third, squares of what is linear over the face
// are integrated exactly. Much more fits the corners' noise (5 % more mean error at 1); a little more
// helps the largest errors.
constexpr double AT_CORNERS = 0.4;
constexpr size_t SAMPLES_PER_JOB = 4096, FACES_PER_JOB = 16384, FACES_PER_DESCENT = 512;
constexpr size_t PER_REPORT = 65536;  // faces or vertices between two looks at the progress

}  // namespace

Status Samples::take(const Source& source) {
    const size_t vertex_count = source.vertex_count, face_count = source.face_count;
    Array<Vec3> normal_sums;
    Array<float> areas;
    if (!normals.resize(mesh_.faces.size()) || !face_ups_.resize(mesh_.faces.size()) ||
        !ups.resize(mesh_.positions.size()) || !normal_sums.resize_zeroed(vertex_count) ||
        !areas.resize_zeroed(vertex_count))
        return HY3D_OUT_OF_MEMORY;
    size_t stride = (face_count + vertex_count) / (SAMPLES_PER_FACE * mesh_.faces.size());
    if (stride < 1) stride = 1;
    if (!all.resize((face_count + vertex_count) / stride + 2)) return HY3D_OUT_OF_MEMORY;
    all.truncate(0);
    for (size_t f = 0; f < face_count; f++) {
        if (f % PER_REPORT == 0 && !progress_.report(0)) return HY3D_CANCELLED;
        const int32_t* corners = source.faces + 3 * f;
        const Vec3 a = source.position(corners[0]), b = source.position(corners[1]),
                   c = source.position(corners[2]);
        const Vec3 doubled = cross(b - a, c - a);
        const double length = sqrt(squared(doubled));
        if (!(length > 0)) continue;
        for (int i = 0; i < 3; i++) {
            normal_sums[corners[i]] = normal_sums[corners[i]] + doubled;
            areas[corners[i]] += static_cast<float>(length);
        }
        if (f % stride == 0 &&
            !add((1.0 / 3) * (a + b + c), (1 / length) * doubled, length, corners[0]))
            return HY3D_OUT_OF_MEMORY;
    }
    for (size_t v = 0; v < vertex_count; v += stride) {
        if (v % PER_REPORT < stride && !progress_.report(0)) return HY3D_CANCELLED;
        const double length = sqrt(squared(normal_sums[v]));
        if (!(length > 0)) continue;
        if (!add(source.position(static_cast<int32_t>(v)), (1 / length) * normal_sums[v],
                 AT_CORNERS * static_cast<double>(areas[v]) / 3, static_cast<int32_t>(v)))
            return HY3D_OUT_OF_MEMORY;
    }
    return HY3D_OK;
}

bool Samples::add(Vec3 position, Vec3 normal, double weight, int32_t source_vertex) {
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
    return all.push(sample);
}

Status Samples::find_closest(double done, const uint8_t* moved) {
    for_each_range(threads_, mesh_.faces.size(), FACES_PER_JOB, [&](size_t begin, size_t end) {
        for (size_t f = begin; f < end; f++) {
            const Face& face = mesh_.faces[f];
            const Vec3 n =
                cross(corner(face, 1) - corner(face, 0), corner(face, 2) - corner(face, 0));
            const double length = sqrt(squared(n));
            normals[f] = length > 0 ? (1 / length) * n : Vec3{0, 0, 0};
        }
    });
    int32_t cancelled = 0;
    const auto go_on = [&] {
        if (!progress_.report(done)) __atomic_store_n(&cancelled, 1, __ATOMIC_RELAXED);
        return !__atomic_load_n(&cancelled, __ATOMIC_RELAXED);
    };
    if (row.size() == 0 || row[mesh_.faces.size()] < all.size())  // those without a face
        for_each_range(threads_, all.size(), SAMPLES_PER_JOB, [&](size_t begin, size_t end) {
            if (!go_on()) return;
            for (size_t i = begin; i < end; i++)
                if (all[i].face < 0) descend(all[i]);
        });
    if (row.size())
        for_each_range(threads_, mesh_.faces.size(), FACES_PER_DESCENT, [&](size_t begin,
                                                                            size_t end) {
            if (!go_on()) return;
            for (size_t f = begin; f < end; f++) {
                const int32_t* v = mesh_.faces[f].v;
                if (!moved || moved[v[0]] || moved[v[1]] || moved[v[2]])
                    descend_from(static_cast<int32_t>(f));
            }
        });
    return cancelled ? HY3D_CANCELLED : HY3D_OK;
}

// As descend for each sample on a face; most are still inside, which is quickly seen.
void Samples::descend_from(int32_t f) {
    const Vec3 a = corner(mesh_.faces[f], 0), normal = normals[f];
    const Vec3 ab = corner(mesh_.faces[f], 1) - a, ac = corner(mesh_.faces[f], 2) - a;
    const double ab2 = squared(ab), ac2 = squared(ac), abac = dot(ab, ac);
    const double area2 = ab2 * ac2 - abac * abac;
    const double inverse = area2 > 0 ? 1 / area2 : 0;
    for (size_t k = row[f]; k < row[static_cast<size_t>(f) + 1]; k++) {
        Sample& sample = all[order[k]];
        const Vec3 ap = sample.at() - a;
        const double along = dot(ab, ap), across = dot(ac, ap);
        const double v = (ac2 * along - abac * across) * inverse;
        const double w = (ab2 * across - abac * along) * inverse;
        if (v > 0 && w > 0 && v + w < 1 && dot(normal, sample.up()) >= MIN_AGREEMENT) {
            const double height = dot(normal, ap), weights[3] = {1 - v - w, v, w};
            attach(sample, f, weights, height * height);
        } else {
            descend(sample);
        }
    }
}

void Samples::sum_ups() {
    for_each_range(threads_, mesh_.faces.size(), FACES_PER_DESCENT, [&](size_t begin, size_t end) {
        for (size_t f = begin; f < end; f++) {
            Vec3 sum = {0, 0, 0};
            for (size_t k = row[f]; k < row[f + 1]; k++) {
                const Sample& sample = all[order[k]];
                sum = sum + static_cast<double>(sample.weight) * sample.up();
            }
            face_ups_[f] = sum;
        }
    });
    for_each_range(threads_, ups.size(), FACES_PER_DESCENT, [&](size_t begin, size_t end) {
        for (size_t v = begin; v < end; v++) {
            Vec3 sum = {0, 0, 0};
            for (uint32_t k = 0; k < around.degree[v]; k++)
                sum = sum + face_ups_[around.incident[around.first[v] + k]];
            ups[v] = sum;
        }
    });
}

double Samples::average_distance() const {
    struct Sum {
        double distance = 0, weight = 0;
    } sums[PARTS];
    for_each_job(threads_, PARTS, [&](size_t part) {
        Sum sum;
        for (size_t i = begin_of(part); i < begin_of(part + 1); i++) {
            if (all[i].face < 0) continue;
            sum.distance += static_cast<double>(all[i].weight * sqrtf(all[i].distance2));
            sum.weight += static_cast<double>(all[i].weight);
        }
        sums[part] = sum;
    });
    Sum total;
    for (const Sum& sum : sums) {
        total.distance += sum.distance;
        total.weight += sum.weight;
    }
    return total.weight > 0 ? total.distance / total.weight : 0;
}

void Samples::descend(Sample& sample) const {
    const Vec3 at = sample.at(), up = sample.up();
    double best = INFINITY, weights[3] = {0, 0, 0};
    int32_t best_face = -1;
    const auto try_face = [&](int32_t f) {
        if (dot(normals[f], up) < MIN_AGREEMENT) return;
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
        for (uint32_t k = 0; k < around.degree[v]; k++)
            try_face(around.incident[around.first[v] + k]);
    };
    if (sample.face >= 0) try_face(sample.face);
    if (best_face < 0) try_around(sample.start);
    for (int step = 0; step < 8 && best_face >= 0; step++) {
        // Inside a face no neighbour is closer; on an edge, the one beyond it may be; at a corner, any
        // around it.
        const int32_t from = best_face;
        const int32_t* corners = mesh_.faces[from].v;
        const bool on[3] = {weights[0] > 0, weights[1] > 0, weights[2] > 0};
        const int count = on[0] + on[1] + on[2];
        if (count == 3) break;
        const int32_t first = on[0] ? corners[0] : on[1] ? corners[1] : corners[2];
        if (count == 1) {
            try_around(first);
        } else {
            const int32_t second = on[2] ? corners[2] : corners[1];
            for (uint32_t k = 0; k < around.degree[first]; k++) {
                const int32_t f = around.incident[around.first[first] + k];
                if (f != from && mesh_.faces[f].has(second)) try_face(f);
            }
        }
        if (best_face == from) break;
    }
    sample.face = best_face;
    if (best_face >= 0) attach(sample, best_face, weights, best);
}

void Samples::attach(Sample& sample, int32_t face, const double weights[3],
                     double distance2) {
    sample.face = face;
    for (int i = 0; i < 3; i++) sample.weights[i] = static_cast<float>(weights[i]);
    sample.distance2 = static_cast<float>(distance2);
}

bool Samples::group() {
    const size_t face_count = mesh_.faces.size();
    // A counting sort whose parts count, and then place, by themselves.
    if (!row.resize(face_count + 1) || !order.resize(all.size()) ||
        !places_.resize_zeroed(PARTS * face_count))
        return false;
    for_each_job(threads_, PARTS, [&](size_t part) {
        uint32_t* const counts = places_.data() + part * face_count;
        for (size_t i = begin_of(part); i < begin_of(part + 1); i++)
            if (all[i].face >= 0) counts[all[i].face]++;
    });
    uint32_t next = 0;
    for (size_t f = 0; f < face_count; f++) {
        row[f] = next;
        for (size_t part = 0; part < PARTS; part++) {
            uint32_t& place = places_[part * face_count + f];
            const uint32_t count = place;
            place = next;
            next += count;
        }
    }
    row[face_count] = next;
    for_each_job(threads_, PARTS, [&](size_t part) {
        uint32_t* const places = places_.data() + part * face_count;
        for (size_t i = begin_of(part); i < begin_of(part + 1); i++)
            if (all[i].face >= 0) order[places[all[i].face]++] = static_cast<uint32_t>(i);
    });
    return true;
}

bool Samples::sort() {
    if (!group()) return false;
    Array<Sample> sorted;
    const size_t count = row[mesh_.faces.size()];  // those that found a face
    if (!sorted.resize(count)) return false;
    for (size_t i = 0; i < count; i++) sorted[i] = all[order[i]];
    all.swap(sorted);
    for (size_t i = 0; i < count; i++) order[i] = static_cast<uint32_t>(i);
    return true;
}

}  // namespace hy3d
