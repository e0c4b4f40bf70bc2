// SPDX-License-Identifier: Apache-2.0
// See systems.h.
#include "systems.h"

#include "threads.h"

namespace hy3d {
namespace {

constexpr double OWN_NORMAL = 0.5;   // part of the mesh's normal in the one that is measured along
// A sample weighs the less the farther it is, so that about the distances are lowered, not their squares;
// and a little more again far out, for the largest errors' sake. In average distances:
constexpr double LEAST = 0.3, FAR = 3.0, FAR_WEIGHT = 1.7;
constexpr size_t FACES_PER_JOB = 1024;

void sum_system(const ReducedMesh& mesh, const Samples& samples, size_t f, double typical,
                System& system) {
    Sym3 blocks[6] = {};
    Vec3 pull[3] = {};
    const Vec3 own = OWN_NORMAL * samples.normals[f];
    const int32_t* v = mesh.faces[f].v;
    const Vec3 corners[3] = {mesh.positions[v[0]], mesh.positions[v[1]], mesh.positions[v[2]]};
    for (size_t k = samples.row[f]; k < samples.row[f + 1]; k++) {
        const Sample& sample = samples.all[samples.order[k]];
        const Vec3 sum = (1 - OWN_NORMAL) * sample.up() + own;
        const Vec3 up = (1 / sqrt(squared(sum))) * sum;
        double shares[3];
        Vec3 offset = sample.at();
        for (int i = 0; i < 3; i++) {
            shares[i] = static_cast<double>(sample.weights[i]);
            offset = offset - shares[i] * corners[i];
        }
        const double residual = dot(up, offset);
        const double distance = sqrt(static_cast<double>(sample.distance2));
        const double weight_of_sample = static_cast<double>(sample.weight) *
                                        (distance > FAR * typical ? FAR_WEIGHT : 1) /
                                        (distance + LEAST * typical);
        for (int i = 0; i < 3; i++) {
            const double weight = weight_of_sample * shares[i];
            if (!(weight > 0)) continue;
            blocks[i].add_outer(up, weight * shares[i]);
            blocks[3 + i].add_outer(up, weight * shares[(i + 1) % 3]);
            pull[i] = pull[i] + (weight * residual) * up;
        }
    }
    for (int i = 0; i < 6; i++) {
        const Sym3& m = blocks[i];
        const double entries[6] = {m.xx, m.xy, m.xz, m.yy, m.yz, m.zz};
        for (int j = 0; j < 6; j++) system.blocks[i][j] = static_cast<float>(entries[j]);
    }
    for (int i = 0; i < 3; i++) {
        const double entries[3] = {pull[i].x, pull[i].y, pull[i].z};
        for (int j = 0; j < 3; j++) system.pull[i][j] = static_cast<float>(entries[j]);
    }
}

}  // namespace

void sum_systems(const ReducedMesh& mesh, const Samples& samples, int32_t threads,
                 Array<System>& systems) {
    const double average = samples.average_distance();
    const double typical = average > 0 ? average : 1;
    for_each_range(threads, mesh.faces.size(), FACES_PER_JOB, [&](size_t begin, size_t end) {
        for (size_t f = begin; f < end; f++) sum_system(mesh, samples, f, typical, systems[f]);
    });
}

}  // namespace hy3d
