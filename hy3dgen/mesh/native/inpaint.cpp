// SPDX-License-Identifier: Apache-2.0
// Filling gaps of a picture from their rims inwards, along lines of equal brightness.
//
// First a march: which pixel of the gaps is reached when. That does not look at colours. Then the
// colours, in that order. A pixel needs only what lies near it and was reached before, so strips of
// the picture are filled side by side, each waiting where it needs a neighbour's pixel; the result
// does not depend on who comes when. Sources: Sethian 1996 for the march; Bertalmio, Bertozzi and
// Sapiro 2001 for following lines. The bytes are those of OpenCV's INPAINT_NS with radius 3.
#include <math.h>

#include "containers.h"
#include "hy3d_texture.h"
#include "progress.h"
#include "threads.h"

using namespace hy3d;

namespace {

constexpr int64_t RADIUS = 3, REACH = RADIUS + 1;  // a slope needs one pixel more
constexpr int64_t STRIP = HY3D_STRIP;
constexpr int32_t MOST = 16;   // threads; more would mostly wait for each other
constexpr float FAR = 1e6f, TINY = 1e-20f, FLAT = 1e-6f;

// Four lanes: three colours and one for nothing.
typedef float Lanes __attribute__((vector_size(16)));
typedef int32_t Whole __attribute__((vector_size(16)));

// Smallest first; of equals the one that came first. Keys are a float's bits and a number.
class Queue {
public:
    [[nodiscard]] bool push(float time, uint32_t pixel) {
        const size_t end = items_.size();
        if (!items_.grow(end + 1)) return false;
        uint32_t bits;
        memcpy(&bits, &time, sizeof bits);
        const Item item{static_cast<uint64_t>(bits) << 32 | count_++, pixel};
        size_t at = end;
        for (; at > 0; at = (at - 1) / 4) {
            if (items_[(at - 1) / 4].key <= item.key) break;
            items_[at] = items_[(at - 1) / 4];
        }
        items_[at] = item;
        return true;
    }

    bool empty() const { return items_.size() == 0; }

    uint32_t pop() {
        const uint32_t first = items_[0].pixel;
        const size_t count = items_.size() - 1;
        const Item last = items_[count];
        items_.truncate(count);
        if (count == 0) return first;
        size_t at = 0;
        while (true) {
            const size_t child = 4 * at + 1;
            if (child >= count) break;
            const size_t end = child + 4 < count ? child + 4 : count;
            size_t least = child;
            for (size_t i = child + 1; i < end; i++)
                if (items_[i].key < items_[least].key) least = i;
            if (items_[least].key >= last.key) break;
            items_[at] = items_[least];
            at = least;
        }
        items_[at] = last;
        return first;
    }

private:
    struct Item {
        uint64_t key;
        uint32_t pixel;
    };
    Array<Item> items_;
    uint32_t count_ = 0;
};

// Arrays have a rim of one pixel around the picture.
struct Picture {
    int64_t height, width, stride;
    const uint32_t* ranks;  // when a pixel is reached, from 1; 0: it is no gap
    const uint8_t* given;   // H x W x 3, as it was
    Array<Lanes> colours;
    Array<uint8_t> done;
};

constexpr uint32_t WAITING = UINT32_MAX;  // the rank of a gap that was not reached yet

float meeting_time(const uint32_t* ranks, const float* times, int64_t one, int64_t other) {
    const double a = times[one], b = times[other];
    const bool has_a = ranks[one] != WAITING, has_b = ranks[other] != WAITING;
    if (has_a && has_b) {
        if (fabs(a - b) >= 1.0) return static_cast<float>(1 + (a < b ? a : b));
        return static_cast<float>((a + b + sqrt(2 - (a - b) * (a - b))) * 0.5);
    }
    return static_cast<float>(1 + (has_a ? a : has_b ? b : a < b ? a : b));
}

// Sorts the gaps' pixels, which are listed as they are reached, by strips.
int32_t sort_by_strips(const Array<uint32_t>& pixels, int64_t stride, uint32_t* order,
                       int64_t* starts) {
    const size_t strips = static_cast<size_t>((stride + STRIP - 1) / STRIP);
    Array<int64_t> next;
    if (!next.resize_zeroed(strips + 1)) return HY3D_OUT_OF_MEMORY;
    for (size_t i = 0; i < pixels.size(); i++)
        next[static_cast<size_t>(pixels[i] % stride / STRIP) + 1]++;
    for (size_t s = 0; s < strips; s++) next[s + 1] += next[s];
    for (size_t s = 0; s <= strips; s++) starts[s] = next[s];
    for (size_t i = 0; i < pixels.size(); i++)
        order[next[static_cast<size_t>(pixels[i] % stride / STRIP)]++] = pixels[i];
    return HY3D_OK;
}

// How many pixels, one after the other, have to be filled before one can be: as many as for the one
// with most of them of those that it may look at, and that one. Floats, because every processor has
// an instruction for the larger one of those; whole numbers, and exact.
class Levels {
public:
    [[nodiscard]] bool resize(int64_t height, int64_t width) {
        stride_ = width + 2 + 2 * REACH;
        return levels_.resize_zeroed(static_cast<size_t>((height + 2 + 2 * REACH) * stride_));
    }

    // Of a pixel by its row and column in arrays with a rim of one.
    uint32_t reach(int64_t row, int64_t column) {
        float* const at = levels_.data() + (row + REACH) * stride_ + column + REACH;
        Lanes most = larger(load(at - 4), load(at + 1));  // its own row, but for itself
        for (int64_t side = -stride_; side <= stride_; side += 2 * stride_) {
            const float* const next = at + side;
            most = larger(most, larger(load(next - 4), larger(load(next), load(next + 1))));
            const float* const second = next + side;
            most = larger(most, larger(load(second - 3), load(second)));
            const float* const third = second + side;
            most = larger(most, larger(load(third - 2), load(third - 1)));
            most = larger(most, load(third + side - 1));
        }
        float level = 0;
        for (int i = 0; i < 4; i++) level = most[i] > level ? most[i] : level;
        *at = level + 1;
        return static_cast<uint32_t>(level + 1);
    }

private:
    static Lanes load(const float* from) {
        Lanes lanes;
        memcpy(&lanes, from, sizeof lanes);
        return lanes;
    }
    static Lanes larger(Lanes a, Lanes b) { return a > b ? a : b; }

    int64_t stride_ = 0;
    Array<float> levels_;
};

// A pixel's colours as one of rank `now` finds them. Only at the picture's rim are pixels looked at
// that may not have been reached by then.
template <bool AT_RIM>
Lanes load(const Picture& picture, uint32_t now, int64_t at) {
    if (AT_RIM && picture.ranks[at] >= now) {
        const int64_t row = at / picture.stride - 1, column = at % picture.stride - 1;
        const uint8_t* pixel = picture.given + 3 * (row * picture.width + column);
        return Lanes{static_cast<float>(pixel[0]), static_cast<float>(pixel[1]),
                     static_cast<float>(pixel[2]), 0};
    }
    return picture.colours[at];
}

Lanes roots(Lanes a) {
    for (int i = 0; i < 4; i++) a[i] = sqrtf(a[i]);  // compilers take the four at once
    return a;
}

Lanes size_of(Lanes a) {
    return reinterpret_cast<Lanes>(reinterpret_cast<Whole>(a) & 0x7fffffff);
}

// How much colours change around a pixel along one axis, seen by the pixel of rank `now`; `before`
// and `after` are the places beside it, the others where its colours are read: at the picture's rim
// that is one pixel further in.
template <bool AT_RIM>
Lanes slope(const Picture& picture, uint32_t now, int64_t before, int64_t after, int64_t first,
            int64_t low, int64_t high, int64_t last) {
    const bool has_before = picture.ranks[before] < now, has_after = picture.ranks[after] < now;
    if (has_after) {
        const Lanes up = size_of(load<AT_RIM>(picture, now, last) - load<AT_RIM>(picture, now, high));
        if (!has_before) return up + up;
        return up + size_of(load<AT_RIM>(picture, now, low) - load<AT_RIM>(picture, now, first));
    }
    if (!has_before) return Lanes{0, 0, 0, 0};
    const Lanes down = size_of(load<AT_RIM>(picture, now, low) - load<AT_RIM>(picture, now, first));
    return down + down;
}

struct Neighbour {
    int64_t row, column, step;
    float nearness, squared;
};

int list_neighbours(int64_t stride, Neighbour* out) {
    int count = 0;
    for (int64_t row = -RADIUS; row <= RADIUS; row++)
        for (int64_t column = -RADIUS; column <= RADIUS; column++) {
            const int64_t squared = row * row + column * column;
            if (squared == 0 || squared > RADIUS * RADIUS) continue;
            const float s = static_cast<float>(squared);
            out[count++] = {row, column, row * stride + column, 1 / (s * s + 1), s};
        }
    return count;
}

void fill_pixel(Picture& picture, const Neighbour* neighbours, int count, int64_t at) {
    const int64_t stride = picture.stride;
    const int64_t row = at / stride, column = at % stride;
    const uint32_t now = picture.ranks[at];
    Lanes sum{0, 0, 0, 0}, total{TINY, TINY, TINY, TINY};
    for (int n = 0; n < count; n++) {
        const Neighbour& to = neighbours[n];
        const int64_t y = row + to.row, x = column + to.column, p = at + to.step;
        if (y < 1 || x < 1 || y > picture.height || x > picture.width) continue;
        if (picture.ranks[p] >= now) continue;
        Lanes down, right;
        if (y > 1 && x > 1 && y < picture.height && x < picture.width) {
            down = slope<false>(picture, now, p - stride, p + stride, p - stride, p, p, p + stride);
            right = slope<false>(picture, now, p - 1, p + 1, p - 1, p, p, p + 1);
        } else {
            const int64_t top = p + (y == 1 ? stride : 0);
            const int64_t bottom = p - (y == picture.height ? stride : 0);
            const int64_t left = x == 1 ? 1 : 0, back = x == picture.width ? 1 : 0;
            down = slope<true>(picture, now, p - stride, p + stride, top + left - stride, bottom + left,
                         bottom + left, bottom + left + stride);
            right = slope<true>(picture, now, p - 1, p + 1, top + left - 1, top + left, top + left,
                          top - back + 1);
        }
        // Whole numbers up to here, and exact.
        const Lanes along = size_of(right * static_cast<float>(to.row) -
                                    down * static_cast<float>(to.column));
        const Lanes root = roots(to.squared * (down * down + right * right));
        const Whole some = along > 0;
        const Lanes share = along / root;
        // Where nothing changes there is no line to follow; the division's result is not used.
        const Lanes direction = reinterpret_cast<Lanes>(
            (some & reinterpret_cast<Whole>(share)) |
            (~some & reinterpret_cast<Whole>(Lanes{FLAT, FLAT, FLAT, FLAT})));
        const Lanes weight = to.nearness * direction;
        sum += weight * picture.colours[p];
        total += weight;
    }
    Lanes colour{0, 0, 0, 0};
    for (int c = 0; c < 3; c++) {
        const double mean = static_cast<double>(sum[c]) / static_cast<double>(total[c]);
        const long rounded = lrint(mean);
        colour[c] = static_cast<float>(rounded < 0 ? 0 : rounded > 255 ? 255 : rounded);
    }
    picture.colours[at] = colour;
}

// Whether all that a pixel near a strip's border needs from beyond it is there.
bool is_ready(Picture& picture, int64_t at, int64_t begin, int64_t end) {
    const int64_t column = at % picture.stride, row = at / picture.stride;
    if (column - REACH >= begin && column + REACH < end) return true;
    const uint32_t now = picture.ranks[at];
    const int64_t top = row > REACH ? row - REACH : 0;
    const int64_t bottom = row + REACH <= picture.height ? row + REACH : picture.height + 1;
    const int64_t left = column > REACH ? column - REACH : 0;
    const int64_t right = column + REACH <= picture.width ? column + REACH : picture.width + 1;
    for (int64_t y = top; y <= bottom; y++)
        for (int64_t x = left; x <= right; x++) {
            if (x >= begin && x < end) continue;
            const int64_t p = y * picture.stride + x;
            const uint32_t rank = picture.ranks[p];
            if (rank && rank < now && !__atomic_load_n(&picture.done[p], __ATOMIC_ACQUIRE))
                return false;
        }
    return true;
}

struct Strip {
    int64_t begin, end;  // columns of the arrays
    int64_t next, last;  // of its part of the order
    int32_t taken;
};

int32_t fill(Picture& picture, const uint32_t* order, const int64_t* starts, int32_t threads,
             Progress& progress) {
    const size_t count_of_strips = static_cast<size_t>((picture.stride + STRIP - 1) / STRIP);
    Array<Strip> strips;
    if (!strips.resize(count_of_strips)) return HY3D_OUT_OF_MEMORY;
    for (size_t s = 0; s < count_of_strips; s++) {
        const int64_t begin = static_cast<int64_t>(s) * STRIP;
        strips[s] = {begin, begin + STRIP, starts[s], starts[s + 1], 0};
    }
    Neighbour neighbours[4 * (RADIUS + 1) * (RADIUS + 1)];
    const int count = list_neighbours(picture.stride, neighbours);
    const int64_t everything = starts[count_of_strips];
    int64_t finished = 0;
    int32_t cancelled = 0;
    // Whoever has time takes a strip and goes on with it until that has to wait for another one.
    // The pixel that was reached first of all that are left never waits, so there is no standstill.
    const auto work = [&](size_t worker) {
        size_t idle = 0;
        for (size_t s = worker; __atomic_load_n(&finished, __ATOMIC_ACQUIRE) < everything; s++) {
            if (__atomic_load_n(&cancelled, __ATOMIC_RELAXED)) return;
            if (++idle > count_of_strips) yield_thread();
            Strip& strip = strips[s % count_of_strips];
            if (__atomic_exchange_n(&strip.taken, 1, __ATOMIC_ACQUIRE)) continue;
            const int64_t before = strip.next;
            while (strip.next < strip.last) {
                const int64_t at = order[strip.next];
                if (!is_ready(picture, at, strip.begin, strip.end)) break;
                fill_pixel(picture, neighbours, count, at);
                __atomic_store_n(&picture.done[at], 1, __ATOMIC_RELEASE);
                strip.next++;
                if (strip.next % 1024) continue;
                const int64_t so_far =
                    __atomic_load_n(&finished, __ATOMIC_RELAXED) + strip.next - before;
                if (!progress.report(static_cast<double>(so_far) / everything)) {
                    __atomic_store_n(&cancelled, 1, __ATOMIC_RELAXED);
                    break;
                }
            }
            if (strip.next > before) idle = 0;
            __atomic_fetch_add(&finished, strip.next - before, __ATOMIC_RELEASE);
            __atomic_store_n(&strip.taken, 0, __ATOMIC_RELEASE);
        }
    };
    for_each_job(threads, static_cast<size_t>(threads), work);
    return cancelled ? HY3D_CANCELLED : HY3D_OK;
}

}  // namespace

int32_t hy3d_march(const uint8_t* gaps, int64_t height, int64_t width, hy3d_progress callback,
                   uint32_t* ranks, uint32_t* order, int64_t* starts, uint32_t* levels) {
    Progress progress(callback);
    const int64_t stride = width + 2;
    const size_t size = static_cast<size_t>((height + 2) * stride);
    Array<float> times;
    Array<uint32_t> pixels;
    Levels reached;
    if (!times.resize(size)) return HY3D_OUT_OF_MEMORY;
    if (levels && !reached.resize(height, width)) return HY3D_OUT_OF_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < size; i++) {
        times[i] = FAR;
        ranks[i] = 0;
    }
    for (int64_t row = 0; row < height; row++)
        for (int64_t x = 0; x < width; x++)
            if (gaps[row * width + x]) {
                ranks[(row + 1) * stride + x + 1] = WAITING;
                count++;
            }
    if (!pixels.resize(count)) return HY3D_OUT_OF_MEMORY;
    const int64_t around[4] = {-stride, -1, stride, 1};
    Queue queue;
    for (int64_t row = 1; row <= height; row++)
        for (int64_t x = 1; x <= width; x++) {
            const int64_t at = row * stride + x;
            if (ranks[at] == WAITING) continue;
            bool rim = false;
            for (const int64_t step : around) rim |= ranks[at + step] == WAITING;
            if (!rim) continue;
            times[at] = 0;
            if (!queue.push(0, static_cast<uint32_t>(at))) return HY3D_OUT_OF_MEMORY;
        }
    uint32_t rank = 0;
    while (!queue.empty()) {
        const int64_t from = queue.pop();
        for (const int64_t step : around) {
            const int64_t at = from + step;
            if (ranks[at] != WAITING) continue;
            float time = FAR;
            for (int64_t down = -stride; down <= stride; down += 2 * stride)
                for (int64_t right = -1; right <= 1; right += 2) {
                    const float met = meeting_time(ranks, times.data(), at + down, at + right);
                    if (met < time) time = met;
                }
            times[at] = time;
            if (levels) levels[rank] = reached.reach(at / stride, at % stride);
            pixels[rank] = static_cast<uint32_t>(at);
            ranks[at] = ++rank;
            if (!queue.push(time, static_cast<uint32_t>(at))) return HY3D_OUT_OF_MEMORY;
            if (rank % 4096 == 0 && !progress.report(static_cast<double>(rank) / count))
                return HY3D_CANCELLED;
        }
    }
    pixels.truncate(rank);  // a picture that is all gap has no rim
    return sort_by_strips(pixels, stride, order, starts);
}

int32_t hy3d_inpaint(uint8_t* pixels, int64_t height, int64_t width, const uint32_t* ranks,
                     const uint32_t* order, const int64_t* starts, int32_t threads,
                     hy3d_progress callback) {
    const int64_t stride = width + 2;
    const size_t size = static_cast<size_t>((height + 2) * stride);
    Picture picture{height, width, stride, ranks, pixels, {}, {}};
    Progress progress(callback);
    if (threads < 1) threads = processor_count();
    if (threads > MOST) threads = MOST;
    if (!picture.colours.resize(size) || !picture.done.resize_zeroed(size))
        return HY3D_OUT_OF_MEMORY;
    for_each_range(threads, static_cast<size_t>(height), 64, [&](size_t begin, size_t end) {
        for (size_t row = begin; row < end; row++) {
            const uint8_t* pixel = pixels + 3 * row * static_cast<size_t>(width);
            Lanes* colour = picture.colours.data() + (row + 1) * static_cast<size_t>(stride) + 1;
            for (int64_t x = 0; x < width; x++, pixel += 3)
                colour[x] = Lanes{static_cast<float>(pixel[0]), static_cast<float>(pixel[1]),
                                  static_cast<float>(pixel[2]), 0};
        }
    });
    const int32_t filled = fill(picture, order, starts, threads, progress);
    if (filled != HY3D_OK) return filled;
    for_each_range(threads, static_cast<size_t>(height), 64, [&](size_t begin, size_t end) {
        for (size_t row = begin; row < end; row++)
            for (int64_t x = 0; x < width; x++) {
                const size_t at = (row + 1) * static_cast<size_t>(stride) + static_cast<size_t>(x) + 1;
                if (!ranks[at]) continue;
                uint8_t* pixel = pixels + 3 * (row * static_cast<size_t>(width) + static_cast<size_t>(x));
                for (int c = 0; c < 3; c++) pixel[c] = static_cast<uint8_t>(picture.colours[at][c]);
            }
    });
    return HY3D_OK;
}
