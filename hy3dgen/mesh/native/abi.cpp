// SPDX-License-Identifier: Apache-2.0
// The functions of hy3d_mesh.h: packed float32 and int32 arrays in, the same out.
#include "hy3d_mesh.h"

#include "collapse.h"
#include "correspondence.h"
#include "curves.h"
#include "refit.h"
#include "threads.h"
#include "unfold.h"

using namespace hy3d;

namespace {

// Copies `faces` with `map` applied to their vertices.
Status load_faces(const int32_t* faces, int64_t face_count, const Array<int32_t>* map,
                  Array<Face>& out) {
    if (!out.resize(static_cast<size_t>(face_count))) return HY3D_OUT_OF_MEMORY;
    for (size_t f = 0; f < out.size(); f++)
        for (int i = 0; i < 3; i++) {
            const int32_t v = faces[3 * f + static_cast<size_t>(i)];
            out[f].v[i] = map ? (*map)[v] : v;
        }
    return HY3D_OK;
}

void store_faces(const Array<Face>& faces, int32_t* out, int64_t* out_count) {
    if (faces.size()) memcpy(out, faces.data(), faces.size() * sizeof(Face));
    *out_count = static_cast<int64_t>(faces.size());
}

// Numbers the vertices that faces use 0, 1, … in their old order and calls store(new, old).
template <typename Store>
Status store_used(Array<Face>& faces, size_t vertex_count, int32_t* out_faces,
                  int64_t* out_face_count, int64_t* out_vertex_count, Store store) {
    Array<int32_t> number;
    if (!number.resize_zeroed(vertex_count)) return HY3D_OUT_OF_MEMORY;
    for (size_t f = 0; f < faces.size(); f++)
        for (const int32_t v : faces[f].v) number[v] = 1;
    int32_t next = 0;
    for (size_t v = 0; v < vertex_count; v++)
        if (number[v]) {
            store(static_cast<size_t>(next), v);
            number[v] = next++;
        }
    for (size_t f = 0; f < faces.size(); f++)
        for (int32_t& v : faces[f].v) v = number[v];
    store_faces(faces, out_faces, out_face_count);
    *out_vertex_count = next;
    return HY3D_OK;
}

void copy_vertex(const float* from, size_t old_index, float* to, size_t new_index) {
    memcpy(to + 3 * new_index, from + 3 * old_index, 3 * sizeof(float));
}

// The vertices and faces that are left, numbered anew.
Status take_out(Surface& surface, const Array<int32_t>& order, bool with_map, ReducedMesh& mesh) {
    const size_t count = surface.vertices.size();
    Array<int32_t> number;
    if (!number.resize(count)) return HY3D_OUT_OF_MEMORY;
    int32_t next = 0;
    for (size_t v = 0; v < count; v++) number[v] = surface.vertices[v].corner >= 0 ? next++ : -1;
    const size_t kept = static_cast<size_t>(next);
    if (!mesh.positions.resize(kept) || !mesh.source.resize(kept) || !mesh.kind.resize(kept) ||
        !mesh.ups.resize(kept) ||        !mesh.faces.resize(surface.faces.size()))
        return HY3D_OUT_OF_MEMORY;
    for (size_t v = 0; v < count; v++) {
        const Vertex& vertex = surface.vertices[v];
        if (number[v] < 0) continue;
        mesh.positions[number[v]] = vertex.position;
        mesh.source[number[v]] = vertex.source;
        mesh.kind[number[v]] = vertex.kind;
        mesh.ups[number[v]] = vertex.up.vector();
    }
    for (size_t f = 0; f < mesh.faces.size(); f++)
        for (int i = 0; i < 3; i++) mesh.faces[f].v[i] = number[surface.faces[f].v[i]];
    mesh.origin.take(surface.origin);
    mesh.curves.take(surface.curves);
    if (!with_map) return HY3D_OK;
    if (!mesh.went_to.resize(order.size())) return HY3D_OUT_OF_MEMORY;
    for (size_t v = 0; v < order.size(); v++) {
        const int32_t place = surface.place[v];
        mesh.went_to[order[v]] = place < 0 ? -1 : number[surface.survivor(place)];
    }
    return HY3D_OK;
}

}  // namespace

int32_t hy3d_abi_version(void) { return HY3D_ABI_VERSION; }

const char* hy3d_status_text(int32_t status) {
    switch (status) {
        case HY3D_OK: return "no error";
        case HY3D_CANCELLED: return "cancelled";
        case HY3D_OUT_OF_MEMORY: return "not enough memory for a mesh of this size";
        case HY3D_BAD_INDEX: return "a face names a vertex that does not exist";
        case HY3D_NOT_FINITE: return "a vertex has a coordinate that is not a finite number";
        case HY3D_TOO_LARGE: return "more than 500 million vertices or 200 million faces";
        case HY3D_BAD_ARGUMENT: return "a number is outside the range the kernel can work with";
    }
    return "a status this kernel does not know";
}

int32_t hy3d_weld(const float* vertices, int64_t vertex_count, const int32_t* faces,
                  int64_t face_count, double tolerance, float* out_vertices,
                  int64_t* out_vertex_count, int32_t* out_faces, int64_t* out_face_count) {
    Status status = check_arrays(vertices, vertex_count, faces, face_count);
    Array<int32_t> representative;
    Array<Face> welded;
    Progress unwatched(nullptr);
    if (status == HY3D_OK)
        status = find_equal_vertices(vertices, static_cast<size_t>(vertex_count), tolerance,
                                     nullptr, representative, unwatched);
    if (status == HY3D_OK) status = load_faces(faces, face_count, &representative, welded);
    if (status != HY3D_OK) return status;
    size_t kept = 0;
    for (size_t f = 0; f < welded.size(); f++)
        if (!welded[f].is_degenerate()) welded[kept++] = welded[f];
    welded.truncate(kept);
    return store_used(welded, static_cast<size_t>(vertex_count), out_faces, out_face_count,
                      out_vertex_count, [&](size_t to, size_t from) {
                          copy_vertex(vertices, from, out_vertices, to);
                      });
}

int32_t hy3d_drop_faces(const int32_t* faces, int64_t face_count, int64_t vertex_count,
                        int32_t* out_faces, int64_t* out_face_count) {
    Status status = check_arrays(nullptr, vertex_count, faces, face_count);
    Array<Face> kept;
    Progress unwatched(nullptr);
    if (status == HY3D_OK) status = load_faces(faces, face_count, nullptr, kept);
    if (status == HY3D_OK) status = drop_degenerate_and_repeated(kept, unwatched);
    if (status == HY3D_OK) store_faces(kept, out_faces, out_face_count);
    return status;
}

int32_t hy3d_components(const int32_t* faces, int64_t face_count, int64_t vertex_count,
                        int32_t* out_labels, int64_t* out_component_count) {
    Status status = check_arrays(nullptr, vertex_count, faces, face_count);
    Array<Face> loaded;
    if (status == HY3D_OK) status = load_faces(faces, face_count, nullptr, loaded);
    if (status == HY3D_OK)
        status = label_components(static_cast<size_t>(vertex_count), loaded, out_labels,
                                  out_component_count);
    return status;
}

namespace {

void store_correspondence(const Correspondence& found, const ReducedMesh& mesh,
                          hy3d_correspondence* out) {
    for (size_t c = 0; c < found.corners.size(); c++) out->corners[c] = found.corners[c];
    for (size_t w = 0; w < found.wedges.size(); w++) {
        const Wedge& wedge = found.wedges[w];
        out->wedge_vertices[w] = wedge.vertex;
        out->wedge_faces[w] = wedge.face;
        for (size_t i = 0; i < 3; i++) out->wedge_weights[3 * w + i] = wedge.weights[i];
    }
    out->wedge_count = static_cast<int64_t>(found.wedges.size());
    for (size_t f = 0; f < found.faces.size(); f++) out->faces[f] = found.faces[f];
    for (size_t c = 0; c < mesh.curves.size(); c++) out->edges[c] = mesh.curves[c];
}

// `curves` and `out` are both there, or neither.
Status reduce(const float* vertices, int64_t vertex_count, const int32_t* faces,
              int64_t face_count, int64_t target, int32_t method, int32_t threads,
              hy3d_progress callback, const hy3d_curves* curves, float* out_vertices,
              int64_t* out_vertex_count, int32_t* out_faces, int64_t* out_face_count,
              hy3d_correspondence* out) {
    Status status = check_arrays(vertices, vertex_count, faces, face_count);
    if (status != HY3D_OK) return status;
    if (target < 1 || method < HY3D_FAST || method > HY3D_PREVIEW || threads < 0)
        return HY3D_BAD_ARGUMENT;
    if (threads == 0) threads = processor_count();
    const size_t count = static_cast<size_t>(vertex_count);
    Progress progress(callback);
    if (!progress.report(0)) return HY3D_CANCELLED;

    const Box box(vertices, count);
    const Source source = {vertices, count, faces, static_cast<size_t>(face_count), box};
    ReducedMesh mesh;
    Across across;
    {
        Surface surface;
        Array<int32_t> order;
        status = load_surface(vertices, count, faces, static_cast<size_t>(face_count), box, surface,
                              order, threads, progress, curves != nullptr);
        if (status == HY3D_OK && curves)
            status = find_curves(surface, *curves, source.face_count, across, progress,
                                 out->scattered);
        if (status != HY3D_OK) return status;
        if (method == HY3D_QUALITY) {
            if (!surface.place.resize(count)) return HY3D_OUT_OF_MEMORY;
            for (size_t v = 0; v < count; v++) surface.place[v] = static_cast<int32_t>(v);
        }
        progress.stage(0, method == HY3D_QUALITY ? 0.4 : 1);
        status = collapse_edges(surface, static_cast<size_t>(target),
                                method == HY3D_PREVIEW   ? Pace::HASTY
                                : method == HY3D_QUALITY ? Pace::BEFORE_REFIT
                                                         : Pace::CAREFUL,
                                threads,
                                progress);
        if (status == HY3D_OK) status = take_out(surface, order, method == HY3D_QUALITY, mesh);
        if (status != HY3D_OK) return status;
    }
    if (method != HY3D_PREVIEW) {
        status = unfold(mesh, MAY_BE_TURNED);
        if (status != HY3D_OK) return status;
    }
    if (method == HY3D_QUALITY) {
        progress.stage(0.4, 1);
        status = refit(mesh, source, threads, progress);
        if (status == HY3D_OK) status = unfold(mesh, TURNED_BY_REFIT);
        if (status != HY3D_OK) return status;
    }
    if (out) {
        Correspondence found;
        status = find_correspondence(mesh, source, across, threads, progress, found);
        if (status != HY3D_OK) return status;
        store_correspondence(found, mesh, out);
    }
    for (size_t v = 0; v < mesh.positions.size(); v++) {
        if (mesh.source[v] >= 0) {
            copy_vertex(vertices, static_cast<size_t>(mesh.source[v]), out_vertices, v);
            continue;
        }
        const Vec3 p = box.from_unit(mesh.positions[v]);
        out_vertices[3 * v] = static_cast<float>(p.x);
        out_vertices[3 * v + 1] = static_cast<float>(p.y);
        out_vertices[3 * v + 2] = static_cast<float>(p.z);
    }
    *out_vertex_count = static_cast<int64_t>(mesh.positions.size());
    store_faces(mesh.faces, out_faces, out_face_count);
    return HY3D_OK;
}

}  // namespace

int32_t hy3d_reduce(const float* vertices, int64_t vertex_count, const int32_t* faces,
                    int64_t face_count, int64_t target, int32_t method, int32_t threads,
                    hy3d_progress progress, float* out_vertices, int64_t* out_vertex_count,
                    int32_t* out_faces, int64_t* out_face_count) {
    return reduce(vertices, vertex_count, faces, face_count, target, method, threads, progress,
                  nullptr, out_vertices, out_vertex_count, out_faces, out_face_count, nullptr);
}

int32_t hy3d_reduce_attributes(const float* vertices, int64_t vertex_count, const int32_t* faces,
                               int64_t face_count, int64_t target, int32_t method, int32_t threads,
                               hy3d_progress progress, const hy3d_curves* curves,
                               float* out_vertices, int64_t* out_vertex_count, int32_t* out_faces,
                               int64_t* out_face_count, hy3d_correspondence* out) {
    if (!curves || !out) return HY3D_BAD_ARGUMENT;
    return reduce(vertices, vertex_count, faces, face_count, target, method, threads, progress,
                  curves, out_vertices, out_vertex_count, out_faces, out_face_count, out);
}
