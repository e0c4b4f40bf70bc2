// SPDX-License-Identifier: Apache-2.0
// Work on texels and pixels that has to go one by one: scattering, edges, filling along a mesh.
#include <math.h>

#include "containers.h"
#include "hy3d_texture.h"
#include "progress.h"

using namespace hy3d;

int32_t hy3d_splat(const float* places, const float* values, int64_t count, int64_t channels,
                   int64_t height, int64_t width, float* sums, float* weights) {
    // Corner after corner, each for all places: sums of floats depend on their order, and
    // recorded textures show it.
    for (int corner = 0; corner < 4; corner++) {
        const bool lower = corner >= 2, righter = corner % 2 == 1;
        for (int64_t i = 0; i < count; i++) {
            const float row = places[2 * i] * static_cast<float>(height - 1);
            const float column = places[2 * i + 1] * static_cast<float>(width - 1);
            // The lower corner stays one short of the end, so that the upper one exists.
            int64_t top = row > 0 ? static_cast<int64_t>(row) : 0;
            int64_t left = column > 0 ? static_cast<int64_t>(column) : 0;
            if (top > height - 2) top = height - 2;
            if (left > width - 2) left = width - 2;
            const float down = row - static_cast<float>(top);
            const float right = column - static_cast<float>(left);
            const float part = (lower ? down : 1 - down) * (righter ? right : 1 - right);
            const int64_t texel = (top + lower) * width + left + righter;
            weights[texel] += part;
            float* sum = sums + texel * channels;
            for (int64_t c = 0; c < channels; c++) sum[c] += values[i * channels + c] * part;
        }
    }
    return HY3D_OK;
}

int32_t hy3d_spread(const uint8_t* image, int64_t height, int64_t width, int64_t radius,
                    uint8_t* out) {
    // For each column how many rows of the window are set, kept up to date from row to row.
    Array<int32_t> columns;
    if (!columns.resize_zeroed(static_cast<size_t>(width))) return HY3D_OUT_OF_MEMORY;
    for (int64_t row = 0; row < radius && row < height; row++)
        for (int64_t x = 0; x < width; x++) columns[x] += image[row * width + x] != 0;
    for (int64_t row = 0; row < height; row++) {
        const int64_t enters = row + radius, leaves = row - radius - 1;
        if (enters < height)
            for (int64_t x = 0; x < width; x++) columns[x] += image[enters * width + x] != 0;
        if (leaves >= 0)
            for (int64_t x = 0; x < width; x++) columns[x] -= image[leaves * width + x] != 0;
        int64_t inside = 0;
        for (int64_t x = 0; x < radius && x < width; x++) inside += columns[x];
        for (int64_t x = 0; x < width; x++) {
            if (x + radius < width) inside += columns[x + radius];
            if (x - radius - 1 >= 0) inside -= columns[x - radius - 1];
            out[row * width + x] = inside > 0;
        }
    }
    return HY3D_OK;
}

namespace {

// tan(22.5 degrees) in 15 bits; the slopes are compared as whole numbers.
constexpr int64_t TANGENT_22 = 13573;
enum : uint8_t { NO_EDGE = 0, WEAK = 1, EDGE = 2 };

}  // namespace

// Source: Canny 1986. Sobel slopes of 3 x 3 pixels with the border repeated, magnitude |dx| + |dy|;
// a pixel stays if it is the largest across the edge (of equals, the first), and if it is above
// `high` or joined to one that is by pixels above `low`.
int32_t hy3d_edges(const uint8_t* image, int64_t height, int64_t width, int32_t low, int32_t high,
                   uint8_t* out) {
    const int64_t stride = width + 2;  // one row and column of zeros around
    Array<int16_t> across, along;
    Array<int32_t> magnitudes;
    Array<int64_t> stack;
    const size_t padded = static_cast<size_t>(stride * (height + 2));
    if (!across.resize(static_cast<size_t>(width * height)) || !along.resize(across.size()) ||
        !magnitudes.resize_zeroed(padded))
        return HY3D_OUT_OF_MEMORY;
    for (int64_t row = 0; row < height; row++) {
        const uint8_t* here = image + row * width;
        const uint8_t* above = row > 0 ? here - width : here;
        const uint8_t* below = row + 1 < height ? here + width : here;
        for (int64_t x = 0; x < width; x++) {
            const int64_t l = x > 0 ? x - 1 : 0, r = x + 1 < width ? x + 1 : x;
            const int dx = above[r] - above[l] + 2 * (here[r] - here[l]) + below[r] - below[l];
            const int dy = below[l] + 2 * below[x] + below[r] - above[l] - 2 * above[x] - above[r];
            across[row * width + x] = static_cast<int16_t>(dx);
            along[row * width + x] = static_cast<int16_t>(dy);
            magnitudes[(row + 1) * stride + x + 1] = abs(dx) + abs(dy);
        }
    }
    for (int64_t row = 0; row < height; row++)
        for (int64_t x = 0; x < width; x++) {
            const int64_t at = row * width + x;
            const int32_t* m = magnitudes.data() + (row + 1) * stride + x + 1;
            out[at] = NO_EDGE;
            if (*m <= low) continue;
            const int64_t dx = abs(across[at]), dy = static_cast<int64_t>(abs(along[at])) << 15;
            const int64_t lower = dx * TANGENT_22, upper = lower + (dx << 16);
            bool largest;
            if (dy < lower) {
                largest = *m > m[-1] && *m >= m[1];
            } else if (dy > upper) {
                largest = *m > m[-stride] && *m >= m[stride];
            } else {
                const int64_t side = (across[at] ^ along[at]) < 0 ? -1 : 1;
                largest = *m > m[-stride - side] && *m > m[stride + side];
            }
            if (!largest) continue;
            out[at] = WEAK;
            if (*m > high) {
                out[at] = EDGE;
                if (!stack.push(at)) return HY3D_OUT_OF_MEMORY;
            }
        }
    while (stack.size()) {
        const int64_t at = stack[stack.size() - 1];
        stack.truncate(stack.size() - 1);
        const int64_t row = at / width, x = at % width;
        for (int64_t r = row > 0 ? row - 1 : 0; r <= row + 1 && r < height; r++)
            for (int64_t c = x > 0 ? x - 1 : 0; c <= x + 1 && c < width; c++)
                if (out[r * width + c] == WEAK) {
                    out[r * width + c] = EDGE;
                    if (!stack.push(r * width + c)) return HY3D_OUT_OF_MEMORY;
                }
    }
    for (int64_t i = 0; i < width * height; i++) out[i] = out[i] == EDGE;
    return HY3D_OK;
}

int32_t hy3d_fill_vertices(const float* positions, int64_t vertex_count, const int32_t* faces,
                           int64_t face_count, const int32_t* waiting, int64_t waiting_count,
                           hy3d_progress callback, uint8_t* coloured, float* colours) {
    // From each vertex to the next one of each of its faces, in the faces' order.
    Array<int64_t> starts, ends;
    Array<int32_t> targets;
    const size_t count = static_cast<size_t>(vertex_count);
    if (!starts.resize_zeroed(count + 1) || !ends.resize(count + 1) ||
        !targets.resize(static_cast<size_t>(3 * face_count)))
        return HY3D_OUT_OF_MEMORY;
    for (int64_t i = 0; i < 3 * face_count; i++) starts[faces[i] + 1]++;
    for (size_t v = 0; v < count; v++) starts[v + 1] += starts[v];
    for (size_t v = 0; v < count; v++) ends[v] = starts[v];
    for (int64_t i = 0; i < 3 * face_count; i++)
        targets[ends[faces[i]]++] = faces[i % 3 == 2 ? i - 2 : i + 1];

    Progress progress(callback);
    int64_t left_before = 0;
    for (int patience = 2; patience > 0;) {
        int64_t left = 0;
        for (int64_t i = 0; i < waiting_count; i++) {
            if (i % 4096 == 0 && !progress.report(0)) return HY3D_CANCELLED;
            const int32_t v = waiting[i];
            const float* here = positions + 3 * v;
            float sum[3] = {0, 0, 0}, total = 0;
            for (int64_t e = starts[v]; e < starts[v + 1]; e++) {
                const int32_t other = targets[e];
                if (!coloured[other]) continue;
                const float* there = positions + 3 * other;
                const float x = here[0] - there[0], y = here[1] - there[1], z = here[2] - there[2];
                const float distance = fmaxf(sqrtf(x * x + y * y + z * z), 1e-4f);
                const float weight = 1.0f / (distance * distance);
                for (int c = 0; c < 3; c++) sum[c] += colours[3 * other + c] * weight;
                total += weight;
            }
            if (total > 0) {
                for (int c = 0; c < 3; c++) colours[3 * v + c] = sum[c] / total;
                coloured[v] = 1;
            } else {
                left++;
            }
        }
        patience += left == left_before ? -1 : 1;
        left_before = left;
    }
    return HY3D_OK;
}
