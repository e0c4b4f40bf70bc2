// SPDX-License-Identifier: Apache-2.0
// The C ABI's second half: pixels. Same rules as in hy3d_mesh.h; images are packed rows, row 0
// first. Indices are trusted here: the callers in Python have checked them.
#ifndef HY3D_TEXTURE_H
#define HY3D_TEXTURE_H

#include "hy3d_mesh.h"

// Draws triangles. `points` are V x 4 clip coordinates, V x 4; `prior` is null or H x W depths
// below which nothing is drawn. Writes the 1-based number of the face in front (0: none) and the
// three weights of its corners, corrected for perspective. Bands of rows go to up to `threads`
// threads.
HY3D_API int32_t hy3d_rasterize(const float* points, int64_t point_count, const int32_t* faces,
                                int64_t face_count, int64_t height, int64_t width,
                                const float* prior, int32_t threads, int32_t* out_faces,
                                float* out_weights);

// Vertex attributes V x C at each of `count` pixels of a drawn image, `background` where no face is.
HY3D_API int32_t hy3d_interpolate(const float* attributes, int64_t channels, const int32_t* faces,
                                  const int32_t* numbers, const float* weights, int64_t count,
                                  float background, int32_t threads, float* out);

// 1 where any pixel of the square of 2 * radius + 1 around it is not 0; outside counts as 0.
HY3D_API int32_t hy3d_spread(const uint8_t* image, int64_t height, int64_t width, int64_t radius,
                             uint8_t* out);

// Adds `count` values of C channels to the four texels around each place (row, column in [0, 1]),
// bilinearly. `sums` is H x W x C, `weights` H x W; both are added to.
HY3D_API int32_t hy3d_splat(const float* places, const float* values, int64_t count,
                            int64_t channels, int64_t height, int64_t width, float* sums,
                            float* weights);

// Canny's edges of an 8-bit image, 1 where there is one.
HY3D_API int32_t hy3d_edges(const uint8_t* image, int64_t height, int64_t width, int32_t low,
                            int32_t high, uint8_t* out);

// Colours vertices from their neighbours until nothing more is reached; see texgen/inpaint.py.
// `positions` V x 3, `faces` F x 3; `coloured` V and `colours` V x 3 hold what is known and take
// the result; `waiting` lists the N vertices to do, in order, with repetitions. Cancelled means
// stopped early: the outputs then hold what was done so far.
HY3D_API int32_t hy3d_fill_vertices(const float* positions, int64_t vertex_count,
                                    const int32_t* faces, int64_t face_count,
                                    const int32_t* waiting, int64_t waiting_count,
                                    hy3d_progress progress, uint8_t* coloured, float* colours);

// Columns of a picture that are filled by one thread at a time.
#define HY3D_STRIP 96

// In which order the gaps of a picture, where `gaps` H x W is not 0, are reached from around them.
// Writes `ranks` (H + 2) x (W + 2) from 1, 0 outside the gaps; the numbers of the gaps' pixels in
// that array, sorted by strips and then by rank, and where each strip of it starts and the last
// one ends: ceil((W + 2) / HY3D_STRIP) + 1 numbers. `levels` is null, or takes for each of these
// pixels, by its rank, a number from 1 that is above those of all that filling it looks at.
HY3D_API int32_t hy3d_march(const uint8_t* gaps, int64_t height, int64_t width,
                            hy3d_progress progress, uint32_t* ranks, uint32_t* order,
                            int64_t* starts, uint32_t* levels);

// Fills the gaps of the pixels, H x W x 3, in that order from what is around, like OpenCV's
// INPAINT_NS with radius 3, byte for byte. `threads` 0: as many as the machine has. Cancelled means
// that nothing was changed.
HY3D_API int32_t hy3d_inpaint(uint8_t* pixels, int64_t height, int64_t width,
                              const uint32_t* ranks, const uint32_t* order, const int64_t* starts,
                              int32_t threads, hy3d_progress progress);

#endif
