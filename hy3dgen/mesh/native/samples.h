// SPDX-License-Identifier: Apache-2.0
// Points of the source surface and their closest points on the reduced mesh.
#ifndef HY3D_SAMPLES_H
#define HY3D_SAMPLES_H

#include "refit.h"

namespace hy3d {

struct Sample {
    float position[3], normal[3];
    float weight;      // source area it stands for
    float distance2;   // to the closest point, squared
    float weights[3];  // of the face's corners at the closest point
    int32_t start;     // vertex to search from
    int32_t face;      // the closest; -1 before it is known, or if there is none

    Vec3 at() const { return {position[0], position[1], position[2]}; }
    Vec3 up() const { return {normal[0], normal[1], normal[2]}; }
};

class Samples {
public:
    Samples(ReducedMesh& mesh, int32_t threads, Progress& progress)
        : mesh_(mesh), threads_(threads), progress_(progress) {}

    // Centroids of the source's faces and its vertices, with their normals; five sevenths and
    // two of the area.
    [[nodiscard]] Status take(const Source& source);

    // After a change of the mesh's faces: who is around each vertex.
    [[nodiscard]] Status link() { return around.build(mesh_.positions.size(), mesh_.faces); }

    // Closest points; of all samples, or of those on faces with a vertex for which moved[v] is not 0.
    [[nodiscard]] Status find_closest(double done, const uint8_t* moved);

    // Sorts by closest face: those of face f are order[row[f]], …, order[row[f + 1] - 1].
    [[nodiscard]] bool group();

    // The same, and puts them into that order in memory: few leave their face from round to round.
    [[nodiscard]] bool sort();

    // Of the samples that have a face, by the area they stand for.
    double average_distance() const;

    // Fills `ups`.
    void sum_ups();

    // Cosine between a normal and the source's around these vertices.
    double agreement(Vec3 normal, int32_t a, int32_t b, int32_t c) const {
        const Vec3 up = ups[a] + ups[b] + ups[c];
        const double lengths2 = squared(normal) * squared(up);
        return lengths2 > 0 ? dot(normal, up) / sqrt(lengths2) : 1;
    }
    double agreement(Vec3 normal, const Face& face) const {
        return agreement(normal, face.v[0], face.v[1], face.v[2]);
    }

    // Enters the closest point on `face`.
    static void attach(Sample& sample, int32_t face, const double weights[3], double distance2);

    Array<Sample> all;
    Array<uint32_t> row, order;
    Array<Vec3> normals;  // of the mesh's faces
    Array<Vec3> ups;      // per vertex, the sum of the normals of the samples on the faces around
    Adjacency around;

private:
    [[nodiscard]] bool add(Vec3 position, Vec3 normal, double weight, int32_t source_vertex);
    void descend(Sample& sample) const;
    void descend_from(int32_t face);
    Vec3 corner(const Face& face, int i) const { return mesh_.positions[face.v[i]]; }

    ReducedMesh& mesh_;
    // Where a part of the samples begins; there are always as many, so that sums do not depend on threads.
    static constexpr size_t PARTS = 8;
    size_t begin_of(size_t part) const { return all.size() * part / PARTS; }

    Array<Vec3> face_ups_;
    Array<uint32_t> places_;
    const int32_t threads_;
    Progress& progress_;
};

// Cosine between a face's normal and the source's around it: below this, no change may lower it.
constexpr double MIN_UPRIGHT = 0.45;

// Cosine between a sample's normal and that of a face it may lie on, at least.
constexpr double MIN_AGREEMENT = 0.2;

}  // namespace hy3d

#endif
