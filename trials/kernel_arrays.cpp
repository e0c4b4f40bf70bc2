// SPDX-License-Identifier: Apache-2.0
// Calls the kernel's C ABI with made-up arrays, one seed a case. Built and run by kernel_arrays.py.
//
//     kernel_arrays FIRST COUNT
//
// Every buffer is exactly as long as the header asks for, so a sanitizer sees a step beyond. What
// comes back with HY3D_OK must be a mesh. Ends with 1, after a line, at the first case that is not.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vector>

#include "hy3d_mesh.h"

namespace {

class Random {
public:
    explicit Random(uint64_t seed) : state_(88172645463325252ull + seed * 7919) {
        for (int i = 0; i < 9; i++) (*this)();
    }
    uint32_t operator()() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return static_cast<uint32_t>(state_ >> 16);
    }
    int64_t below(int64_t end) { return (*this)() % end; }
    bool one_in(int64_t count) { return below(count) == 0; }

private:
    uint64_t state_;
};

enum Fault {
    NONE, NOISE, TANGLED, OUT_OF_RANGE, ANY_BITS, HUGE_OR_TINY, SOUP, FLAT, EMPTY, FAULTS
};

struct Mesh {
    std::vector<float> vertices;
    std::vector<int32_t> faces;
    int64_t vertex_count() const { return static_cast<int64_t>(vertices.size() / 3); }
    int64_t face_count() const { return static_cast<int64_t>(faces.size() / 3); }
};

// A torus with one of the faults; some with a border, some with repeated and turned faces.
Mesh make(Random& random, Fault fault) {
    Mesh mesh;
    if (fault == EMPTY) {
        mesh.vertices.resize(static_cast<size_t>(3 * random.below(4)));
        return mesh;
    }
    const int32_t side = 3 + static_cast<int32_t>(random.below(20));
    for (int32_t i = 0; i < side; i++)
        for (int32_t j = 0; j < side; j++) {
            const double u = 6.283185 * i / side, w = 6.283185 * j / side, q = 1 + 0.3 * cos(w);
            const float by = fault == NOISE ? static_cast<float>(random.below(1000)) * 3e-4f : 0;
            mesh.vertices.push_back(static_cast<float>(q * cos(u)) + by);
            mesh.vertices.push_back(static_cast<float>(q * sin(u)) - by);
            mesh.vertices.push_back(fault == FLAT ? 0 : static_cast<float>(0.3 * sin(w)) + by);
        }
    const int32_t rows = random.one_in(3) ? side - 1 : side;  // of faces; fewer leave a border
    for (int32_t i = 0; i < rows; i++)
        for (int32_t j = 0; j < side; j++) {
            const int32_t next_i = (i + 1) % side, next_j = (j + 1) % side;
            const int32_t a = i * side + j, b = next_i * side + j, c = next_i * side + next_j,
                          d = i * side + next_j;
            mesh.faces.insert(mesh.faces.end(), {a, b, c, a, c, d});
        }
    std::vector<float>& v = mesh.vertices;
    std::vector<int32_t>& f = mesh.faces;
    const auto any_of = [&](size_t size) {
        return static_cast<size_t>(random.below(static_cast<int64_t>(size)));
    };
    if (fault == TANGLED)
        for (int i = 0; i < 40; i++)
            f[any_of(f.size())] = static_cast<int32_t>(any_of(v.size() / 3));
    if (fault == OUT_OF_RANGE)
        for (int i = 0; i < 10; i++) f[any_of(f.size())] = static_cast<int32_t>(random());
    if (fault == ANY_BITS)
        for (int i = 0; i < 10; i++) {
            const uint32_t bits = random();
            memcpy(&v[any_of(v.size())], &bits, sizeof(bits));
        }
    if (fault == HUGE_OR_TINY) {
        const float scale = powf(10, static_cast<float>(random.below(60) - 30));
        for (float& x : v) x *= scale;
        for (int i = 0; i < 30; i++) {
            const size_t to = any_of(v.size() / 3), from = any_of(v.size() / 3);
            for (size_t k = 0; k < 3; k++) v[3 * to + k] = v[3 * from + k];
        }
    }
    if (fault == SOUP) {
        std::vector<float> apart;
        for (const int32_t x : f)
            for (size_t k = 0; k < 3; k++) apart.push_back(v[3 * static_cast<size_t>(x) + k]);
        v = apart;
        for (size_t i = 0; i < f.size(); i++) f[i] = static_cast<int32_t>(i);
    }
    if (random.one_in(4))
        for (int i = 0; i < 30; i++) {
            const size_t q = 3 * any_of(f.size() / 3), step = 1 + any_of(2);
            const int32_t again[3] = {f[q], f[q + step % 3], f[q + 2 * step % 3]};
            f.insert(f.end(), again, again + 3);
        }
    return mesh;
}

int64_t the_case = 0;

[[noreturn]] void fail(const char* why) {
    printf("case %lld: %s\n", static_cast<long long>(the_case), why);
    exit(1);
}

void check_mesh(const float* vertices, int64_t vertex_count, const int32_t* faces,
                int64_t face_count) {
    for (int64_t i = 0; i < 3 * face_count; i++)
        if (faces[i] < 0 || faces[i] >= vertex_count) fail("a face names no vertex");
    for (int64_t i = 0; i < 3 * vertex_count; i++)
        if (!isfinite(vertices[i])) fail("a vertex is not finite");
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.empty() || memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

int32_t calls_left = -1;  // of the progress function, until it cancels; -1: never
int32_t progress(double fraction) {
    if (!(fraction >= 0 && fraction <= 1)) fail("a fraction outside 0..1");
    return calls_left >= 0 && calls_left-- == 0;
}

struct Out {
    std::vector<float> vertices;
    std::vector<int32_t> faces;
    int64_t vertex_count = 0, face_count = 0;
    explicit Out(const Mesh& mesh) : vertices(mesh.vertices.size()), faces(mesh.faces.size()) {}
    void check(const Mesh& mesh) const {
        if (vertex_count > mesh.vertex_count() || face_count > mesh.face_count())
            fail("more came out than went in");
        check_mesh(vertices.data(), vertex_count, faces.data(), face_count);
    }
};

int32_t reduce(const Mesh& mesh, Random& random) {
    const int64_t target = random.below(mesh.face_count() + 3) - 1;
    const int32_t method = static_cast<int32_t>(random.below(4));
    Out first(mesh), second(mesh);
    int32_t status[2];
    const int32_t threads[2] = {1, 2 + static_cast<int32_t>(random.below(3))};
    Out* const outs[2] = {&first, &second};
    for (int k = 0; k < 2; k++)
        status[k] = hy3d_reduce(mesh.vertices.data(), mesh.vertex_count(), mesh.faces.data(),
                                mesh.face_count(), target, method, threads[k], nullptr,
                                outs[k]->vertices.data(), &outs[k]->vertex_count,
                                outs[k]->faces.data(), &outs[k]->face_count);
    if (status[0] != status[1]) fail("the status depends on the number of threads");
    if (status[0] != HY3D_OK) return status[0];
    first.check(mesh);
    second.check(mesh);
    if (first.vertex_count != second.vertex_count || first.face_count != second.face_count ||
        first.faces != second.faces ||
        !same_bits(first.vertices, second.vertices))
        fail("the result depends on the number of threads");
    return HY3D_OK;
}

int32_t reduce_attributes(const Mesh& mesh, Random& random) {
    const size_t faces = mesh.faces.size() / 3;
    std::vector<float> values(6 * faces);
    for (size_t i = 0; i < values.size(); i++)
        values[i] = random.one_in(30) ? static_cast<float>(random.below(100)) * 0.01f
                                      : static_cast<float>(i / 2 % 3);
    std::vector<int32_t> labels(faces);
    for (size_t f = 0; f < faces; f++) labels[f] = static_cast<int32_t>(f / 20);
    std::vector<uint8_t> edges(3 * faces);
    for (size_t i = 0; i < edges.size(); i++) edges[i] = random.one_in(25) ? 1 : 0;
    const float* value_lists[1] = {values.data()};
    const int32_t* label_lists[1] = {labels.data()};
    const int32_t widths[1] = {2};
    const float tolerances[1] = {1e-5f};
    const hy3d_curves curves = {value_lists, widths, tolerances, random.one_in(2) ? 1 : 0,
                                label_lists, random.one_in(2) ? 1 : 0,
                                random.one_in(2) ? edges.data() : nullptr};
    std::vector<int32_t> corners(3 * faces), wedge_vertices(3 * faces), wedge_faces(3 * faces),
        middles(faces), lines(3 * faces);
    std::vector<float> weights(9 * faces);
    hy3d_correspondence found = {corners.data(), 0, wedge_vertices.data(), wedge_faces.data(),
                                 weights.data(), middles.data(), lines.data(), 0};
    calls_left = random.one_in(4) ? static_cast<int32_t>(random.below(3)) : -1;
    Out out(mesh);
    const int32_t status = hy3d_reduce_attributes(
        mesh.vertices.data(), mesh.vertex_count(), mesh.faces.data(), mesh.face_count(),
        1 + random.below(mesh.face_count() + 1), static_cast<int32_t>(random.below(3)),
        1 + static_cast<int32_t>(random.below(3)), progress, &curves, out.vertices.data(),
        &out.vertex_count, out.faces.data(), &out.face_count, &found);
    if (status != HY3D_OK) return status;
    out.check(mesh);
    const int32_t source_faces = static_cast<int32_t>(faces);
    for (size_t c = 0; c < static_cast<size_t>(3 * out.face_count); c++) {
        if (corners[c] < 0 || corners[c] >= found.wedge_count) fail("a corner names no wedge");
        if (wedge_vertices[static_cast<size_t>(corners[c])] != out.faces[c])
            fail("a wedge is of another vertex than its corner");
        if (lines[c] < -1 || lines[c] >= 3 * source_faces) fail("an edge stands for none");
        if (middles[c / 3] < 0 || middles[c / 3] >= source_faces) fail("a face comes from none");
    }
    for (size_t w = 0; w < static_cast<size_t>(found.wedge_count); w++) {
        if (wedge_faces[w] < 0 || wedge_faces[w] >= source_faces) fail("a wedge has no face");
        const float sum = weights[3 * w] + weights[3 * w + 1] + weights[3 * w + 2];
        if (!(sum > 0.99f && sum < 1.01f)) fail("weights do not add up to 1");
    }
    return HY3D_OK;
}

int32_t weld(const Mesh& mesh, Random& random) {
    Out out(mesh);
    const double tolerances[5] = {0, 1e-6, 0.05, -1, NAN};
    const int32_t status = hy3d_weld(mesh.vertices.data(), mesh.vertex_count(), mesh.faces.data(),
                                     mesh.face_count(), tolerances[random.below(5)],
                                     out.vertices.data(), &out.vertex_count, out.faces.data(),
                                     &out.face_count);
    if (status == HY3D_OK) out.check(mesh);
    return status;
}

int32_t drop_faces(const Mesh& mesh, Random&) {
    Out out(mesh);
    const int32_t status = hy3d_drop_faces(mesh.faces.data(), mesh.face_count(),
                                           mesh.vertex_count(), out.faces.data(), &out.face_count);
    out.vertex_count = mesh.vertex_count();
    if (status == HY3D_OK && out.face_count > mesh.face_count()) fail("more faces than went in");
    for (int64_t i = 0; status == HY3D_OK && i < 3 * out.face_count; i++)
        if (out.faces[static_cast<size_t>(i)] >= mesh.vertex_count()) fail("a vertex was made up");
    return status;
}

int32_t components(const Mesh& mesh, Random&) {
    std::vector<int32_t> labels(mesh.faces.size() / 3);
    int64_t count = 0;
    const int32_t status = hy3d_components(mesh.faces.data(), mesh.face_count(),
                                           mesh.vertex_count(), labels.data(), &count);
    for (size_t f = 0; status == HY3D_OK && f < labels.size(); f++)
        if (labels[f] < 0 || labels[f] >= count) fail("a label beyond the number of parts");
    return status;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const int64_t first = atoll(argv[1]), count = atoll(argv[2]);
    int32_t (*const calls[])(const Mesh&, Random&) = {
        reduce, reduce_attributes, reduce, reduce_attributes, weld, drop_faces, components};
    int64_t statuses[8] = {};
    for (the_case = first; the_case < first + count; the_case++) {
        Random random(static_cast<uint64_t>(the_case));
        const Mesh mesh = make(random, static_cast<Fault>(random.below(FAULTS)));
        const Mesh before = mesh;
        const int32_t status = calls[random.below(7)](mesh, random);
        if (status < 0 || status > HY3D_BAD_ARGUMENT) fail("a status that is none");
        statuses[status]++;
        if (before.faces != mesh.faces || !same_bits(before.vertices, mesh.vertices))
            fail("the input was written to");
    }
    for (int32_t status = 0; status <= HY3D_BAD_ARGUMENT; status++)
        printf("%s\t%lld\n", hy3d_status_text(status), static_cast<long long>(statuses[status]));
    return 0;
}
