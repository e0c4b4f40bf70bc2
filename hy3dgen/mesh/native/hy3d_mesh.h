// SPDX-License-Identifier: Apache-2.0
// The C ABI of the mesh kernel: everything Python sees of it.
//
// All functions are re-entrant: no globals, no allocation that outlives the call. Vertices are
// V x 3 float32, faces F x 3 int32, both packed. The caller allocates the outputs, as large as the
// inputs; the counts written back say how much of them is used. Inputs are never written to.
// Every function returns a status; hy3d_status_text() puts it into words.
#ifndef HY3D_MESH_H
#define HY3D_MESH_H

#include <stdint.h>

#if defined(_WIN32)
#define HY3D_API extern "C" __declspec(dllexport)
#else
#define HY3D_API extern "C" __attribute__((visibility("default")))
#endif

// Raised whenever a signature or the meaning of a number below changes; the loader compares it.
#define HY3D_ABI_VERSION 8

// Statuses.
enum : int32_t {
    HY3D_OK = 0,
    HY3D_CANCELLED = 1,
    HY3D_OUT_OF_MEMORY = 2,
    HY3D_BAD_INDEX = 3,
    HY3D_NOT_FINITE = 4,
    HY3D_TOO_LARGE = 5,
    HY3D_BAD_ARGUMENT = 6,
};

// Methods of hy3d_reduce.
enum : int32_t { HY3D_FAST = 0, HY3D_QUALITY = 1, HY3D_PREVIEW = 2 };

// What a reduction has to keep apart, for the F faces that come in. An edge is told by the corner
// that it leaves from: 3 x face + 0, 1 or 2. Pointers may be null where there is nothing.
// Bits of what an edge parts: the lowest eight are those of `edges`, then one for each of `values`
// and of `labels`; the 22nd of these shares the first one's bit.
enum : int32_t { HY3D_FIRST_BIT = 8, HY3D_BITS = 21 };
struct hy3d_curves {
    const float* const* values;  // `value_count` arrays, 3F x widths[k]: one row per corner
    const int32_t* widths;
    const float* tolerances;     // smaller differences between two faces are none
    int32_t value_count;
    const int32_t* const* labels;  // `label_count` arrays, F: different faces are kept apart
    int32_t label_count;
    const uint8_t* edges;        // 3F: edges that are not zero are kept; what differs, apart
};

// Where the F' faces that come out take their values; arrays as long as for the input.
struct hy3d_correspondence {
    int32_t* corners;         // 3F': which wedge a corner is of: one side of the curves at a vertex
    int64_t wedge_count;
    int32_t* wedge_vertices;  // per wedge, the vertex that it is a part of
    int32_t* wedge_faces;     // per wedge, the face of the input with the value …
    float* wedge_weights;     // … and the weights of its three corners
    int32_t* faces;           // F': the face of the input nearest to the middle
    int32_t* edges;           // 3F': an input edge that this one stands for; -1 if on no curve
    uint32_t scattered;       // bits of what jumps nearly everywhere and was not kept apart
};

// Called at most 50 times a second on the calling thread; returning non-zero cancels.
typedef int32_t (*hy3d_progress)(double fraction);

HY3D_API int32_t hy3d_abi_version(void);
HY3D_API const char* hy3d_status_text(int32_t status);

// Merges vertices closer than `tolerance` (0: only equal positions) into the first of them, drops
// vertices no face uses, and drops faces that use a vertex twice.
HY3D_API int32_t hy3d_weld(const float* vertices, int64_t vertex_count, const int32_t* faces,
                           int64_t face_count, double tolerance, float* out_vertices,
                           int64_t* out_vertex_count, int32_t* out_faces, int64_t* out_face_count);

// Drops faces that use a vertex twice and repetitions of a face (same corners, same orientation).
HY3D_API int32_t hy3d_drop_faces(const int32_t* faces, int64_t face_count, int64_t vertex_count,
                                 int32_t* out_faces, int64_t* out_face_count);

// Labels faces 0, 1, … by the component they are in; two faces that share an edge are in the same.
HY3D_API int32_t hy3d_components(const int32_t* faces, int64_t face_count, int64_t vertex_count,
                                 int32_t* out_labels, int64_t* out_component_count);

// Reduces to at most `target` faces if the shape's parts and holes allow it, on up to `threads`
// threads (0: as many as the machine runs at once); the result does not depend on their number.
HY3D_API int32_t hy3d_reduce(const float* vertices, int64_t vertex_count, const int32_t* faces,
                             int64_t face_count, int64_t target, int32_t method,
                             int32_t threads, hy3d_progress progress, float* out_vertices,
                             int64_t* out_vertex_count, int32_t* out_faces,
                             int64_t* out_face_count);

// The same, with curves kept and told where values come from.
HY3D_API int32_t hy3d_reduce_attributes(const float* vertices, int64_t vertex_count,
                                        const int32_t* faces, int64_t face_count, int64_t target,
                                        int32_t method, int32_t threads, hy3d_progress progress,
                                        const hy3d_curves* curves, float* out_vertices,
                                        int64_t* out_vertex_count, int32_t* out_faces,
                                        int64_t* out_face_count, hy3d_correspondence* out);

#endif
