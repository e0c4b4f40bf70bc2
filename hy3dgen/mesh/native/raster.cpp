// SPDX-License-Identifier: Apache-2.0
// Which face covers each pixel, and where in it. Every step is rounded to float32 in a fixed order,
// so that all systems draw the same bits.
#include <math.h>

#include "containers.h"
#include "hy3d_texture.h"
#include "threads.h"

using namespace hy3d;

namespace {

constexpr int64_t FACE_LIMIT = 2147483647;  // a key is depth * FACE_LIMIT + face number
constexpr int64_t DEPTH_STEPS = 262144;
constexpr int64_t NOTHING = INT64_MAX;
constexpr size_t BAND = 32;  // rows a thread draws at once

struct Point {
    float x, y, z, w;
};

struct Image {
    const Point* points;
    const int32_t* faces;
    int64_t height, width;
    const float* prior;
};

float doubled_area(float ax, float ay, float bx, float by, float cx, float cy) {
    return (cx - ax) * (by - ay) - (bx - ax) * (cy - ay);
}

struct Triangle {
    Point a, b, c;
    float inverse;

    // False if there is nothing to draw.
    bool set(const Image& image, size_t face) {
        const int32_t* corners = image.faces + 3 * face;
        a = image.points[corners[0]];
        b = image.points[corners[1]];
        c = image.points[corners[2]];
        const float area = doubled_area(a.x, a.y, b.x, b.y, c.x, c.y);
        if (area == 0 || !isfinite(area)) return false;
        inverse = static_cast<float>(1.0 / static_cast<double>(area));
        return true;
    }

    // The corners' weights at the middle of a pixel; false outside. Every edge belongs to it.
    bool weights(int64_t column, int64_t row, float out[3]) const {
        const float x = static_cast<float>(column) + 0.5f, y = static_cast<float>(row) + 0.5f;
        out[1] = doubled_area(a.x, a.y, x, y, c.x, c.y) * inverse;
        out[2] = doubled_area(a.x, a.y, b.x, b.y, x, y) * inverse;
        out[0] = static_cast<float>(1.0 - static_cast<double>(out[1]) -
                                    static_cast<double>(out[2]));
        return out[0] >= 0 && out[0] <= 1 && out[1] >= 0 && out[1] <= 1 && out[2] >= 0 &&
               out[2] <= 1;
    }
};

// First and one past the last pixel that the range [low, high] can touch, within [0, size).
void pixel_range(float low, float high, int64_t size, int64_t& first, int64_t& last) {
    const float limit = static_cast<float>(size);
    first = low > 0 ? low < limit ? static_cast<int64_t>(low) : size : 0;
    // Pixels are counted while their number is less than high + 1.
    const float end = high + 1;
    last = end > 0 ? end < limit ? static_cast<int64_t>(ceilf(end)) : size : 0;
}

float smallest(float a, float b, float c) { return fminf(a, fminf(b, c)); }
float largest(float a, float b, float c) { return fmaxf(a, fmaxf(b, c)); }

struct Rows {
    int64_t first, last;
};

void draw(const Image& image, size_t face, Rows rows, int64_t* keys) {
    Triangle triangle;
    if (!triangle.set(image, face)) return;
    const Point &a = triangle.a, &b = triangle.b, &c = triangle.c;
    int64_t top, bottom, left, right;
    pixel_range(smallest(a.y, b.y, c.y), largest(a.y, b.y, c.y), image.height, top, bottom);
    pixel_range(smallest(a.x, b.x, c.x), largest(a.x, b.x, c.x), image.width, left, right);
    if (top < rows.first) top = rows.first;
    if (bottom > rows.last) bottom = rows.last;
    for (int64_t row = top; row < bottom; row++)
        for (int64_t column = left; column < right; column++) {
            float weight[3];
            if (!triangle.weights(column, row, weight)) continue;
            const float depth = weight[0] * a.z + weight[1] * b.z + weight[2] * c.z;
            if (image.prior) {
                const float prior = image.prior[row * image.width + column];
                if (depth < prior * 0.49999f + 0.5f + 0.000001f) continue;
            } else if (!(depth >= 0)) {
                continue;
            }
            if (!(depth < 1e9f)) continue;  // its key would not fit
            const int64_t steps = static_cast<int64_t>(depth * static_cast<float>(DEPTH_STEPS));
            const int64_t key = steps * FACE_LIMIT + static_cast<int64_t>(face) + 1;
            int64_t& best = keys[(row - rows.first) * image.width + column];
            if (key < best) best = key;
        }
}

void finish_pixel(const Image& image, int64_t row, int64_t column, int64_t key, int32_t* face,
                  float* weights) {
    weights[0] = weights[1] = weights[2] = 0;
    *face = 0;
    if (key == NOTHING) return;
    *face = static_cast<int32_t>(key % FACE_LIMIT);
    Triangle triangle;
    triangle.set(image, static_cast<size_t>(*face - 1));
    triangle.weights(column, row, weights);
    weights[0] /= triangle.a.w;
    weights[1] /= triangle.b.w;
    weights[2] /= triangle.c.w;
    // By the inverse: a division gives other last bits, which recorded textures show.
    const float inverse = 1.0f / (weights[0] + weights[1] + weights[2]);
    for (int i = 0; i < 3; i++) weights[i] *= inverse;
}

Point on_screen(const float* clip, int64_t height, int64_t width) {
    const float w = clip[3];
    Point point;
    point.x = (clip[0] / w * 0.5f + 0.5f) * static_cast<float>(width - 1) + 0.5f;
    point.y = (0.5f + 0.5f * clip[1] / w) * static_cast<float>(height - 1) + 0.5f;
    point.z = clip[2] / w * 0.49999f + 0.5f;
    point.w = w;
    return point;
}

}  // namespace

int32_t hy3d_rasterize(const float* points, int64_t point_count, const int32_t* faces,
                       int64_t face_count, int64_t height, int64_t width, const float* prior,
                       int32_t threads, int32_t* out_faces, float* out_weights) {
    Array<Point> screen;
    if (!screen.resize(static_cast<size_t>(point_count))) return HY3D_OUT_OF_MEMORY;
    for (size_t v = 0; v < screen.size(); v++)
        screen[v] = on_screen(points + 4 * v, height, width);
    const Image image = {screen.data(), faces, height, width, prior};

    // The faces that touch each band of rows, in order.
    const size_t bands = (static_cast<size_t>(height) + BAND - 1) / BAND;
    Array<int64_t> starts, ends;
    if (!starts.resize_zeroed(bands + 1) || !ends.resize_zeroed(bands + 1))
        return HY3D_OUT_OF_MEMORY;
    const auto bands_of = [&](size_t f, size_t& first, size_t& last) {
        const int32_t* corners = faces + 3 * f;
        const float a = screen[corners[0]].y, b = screen[corners[1]].y, c = screen[corners[2]].y;
        int64_t top, bottom;
        pixel_range(smallest(a, b, c), largest(a, b, c), height, top, bottom);
        first = static_cast<size_t>(top) / BAND;
        last = bottom > top ? (static_cast<size_t>(bottom) + BAND - 1) / BAND : first;
    };
    for (size_t f = 0; f < static_cast<size_t>(face_count); f++) {
        size_t first, last;
        bands_of(f, first, last);
        for (size_t band = first; band < last; band++) starts[band + 1]++;
    }
    for (size_t band = 0; band < bands; band++) starts[band + 1] += starts[band];
    Array<int32_t> listed;
    if (!listed.resize(static_cast<size_t>(starts[bands]))) return HY3D_OUT_OF_MEMORY;
    for (size_t band = 0; band < bands; band++) ends[band] = starts[band];
    for (size_t f = 0; f < static_cast<size_t>(face_count); f++) {
        size_t first, last;
        bands_of(f, first, last);
        for (size_t band = first; band < last; band++)
            listed[static_cast<size_t>(ends[band]++)] = static_cast<int32_t>(f);
    }

    if (threads <= 0) threads = processor_count();
    int32_t out_of_memory = 0;
    for_each_job(threads, bands, [&](size_t band) {
        const Rows rows = {static_cast<int64_t>(band * BAND),
                           band + 1 < bands ? static_cast<int64_t>((band + 1) * BAND) : height};
        Array<int64_t> keys;
        const size_t pixels = static_cast<size_t>((rows.last - rows.first) * width);
        if (!keys.resize(pixels)) {
            __atomic_store_n(&out_of_memory, 1, __ATOMIC_RELAXED);
            return;
        }
        for (size_t i = 0; i < pixels; i++) keys[i] = NOTHING;
        for (int64_t i = starts[band]; i < starts[band + 1]; i++)
            draw(image, static_cast<size_t>(listed[static_cast<size_t>(i)]), rows, keys.data());
        for (size_t i = 0; i < pixels; i++) {
            const int64_t row = rows.first + static_cast<int64_t>(i) / width;
            const int64_t column = static_cast<int64_t>(i) % width;
            const size_t at = static_cast<size_t>(row * width + column);
            finish_pixel(image, row, column, keys[i], out_faces + at, out_weights + 3 * at);
        }
    });
    return out_of_memory ? HY3D_OUT_OF_MEMORY : HY3D_OK;
}

int32_t hy3d_interpolate(const float* attributes, int64_t channels, const int32_t* faces,
                         const int32_t* numbers, const float* weights, int64_t count,
                         float background, int32_t threads, float* out) {
    if (threads <= 0) threads = processor_count();
    for_each_range(threads, static_cast<size_t>(count), 65536, [&](size_t first, size_t last) {
        for (size_t i = first; i < last; i++) {
            float* value = out + i * static_cast<size_t>(channels);
            if (numbers[i] == 0) {
                for (int64_t c = 0; c < channels; c++) value[c] = background;
                continue;
            }
            const int32_t* corners = faces + 3 * static_cast<size_t>(numbers[i] - 1);
            const float* weight = weights + 3 * i;
            for (int64_t c = 0; c < channels; c++)
                value[c] = weight[0] * attributes[corners[0] * channels + c] +
                           weight[1] * attributes[corners[1] * channels + c] +
                           weight[2] * attributes[corners[2] * channels + c];
        }
    });
    return HY3D_OK;
}
