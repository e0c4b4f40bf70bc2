// SPDX-License-Identifier: Apache-2.0
// What the samples on a face say about its corners' places, as a least squares problem.
#ifndef HY3D_SYSTEMS_H
#define HY3D_SYSTEMS_H

#include "samples.h"

namespace hy3d {

// The squared distance of a face's samples, measured along normals between theirs and the face's, is,
// but for a constant, the sum over corners i and j of d_i'block(i, j) d_j - 2 pull[i]'d_i, where d_i
// is how far corner i has moved.
struct System {
    float blocks[6][6];  // (0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (2, 0)
    float pull[3][3];

    Sym3 block(int index) const {
        const float* m = blocks[index];
        return {m[0], m[1], m[2], m[3], m[4], m[5]};
    }
    Vec3 pull_at(int corner) const {
        return {pull[corner][0], pull[corner][1], pull[corner][2]};
    }
};

// One for each face.
void sum_systems(const ReducedMesh& mesh, const Samples& samples, int32_t threads,
                 Array<System>& systems);

}  // namespace hy3d

#endif
