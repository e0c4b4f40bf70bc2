// SPDX-License-Identifier: Apache-2.0
// A growable array, a radix sort and a hash without the C++ runtime: a failed allocation is a
// `false`, never an exception. Elements must be plain data.
#ifndef HY3D_CONTAINERS_H
#define HY3D_CONTAINERS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace hy3d {

// Room for a large array. On Linux in pages of 2 MB, where the system gives them to those who ask:
// what is read at random misses the table of pages less, and first touches cost less.
inline void* allocate(size_t bytes) {
#if defined(__linux__)
    constexpr size_t PAGE = size_t(2) << 20;
    void* room = nullptr;
    if (bytes >= 2 * PAGE) {
        if (posix_memalign(&room, PAGE, bytes) != 0) return nullptr;
        madvise(room, bytes, MADV_HUGEPAGE);
        return room;
    }
#endif
    return malloc(bytes);
}

template <typename T>
class Array {
public:
    Array() = default;
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;
    ~Array() { free(data_); }

    // New elements are left as they are in memory.
    [[nodiscard]] bool resize(size_t size) {
        if (!reserve(size)) return false;
        size_ = size;
        return true;
    }

    // Like resize, but at least doubles the room, for arrays that grow in small steps.
    [[nodiscard]] bool grow(size_t size) {
        if (size > capacity_ && !reserve(size > 2 * capacity_ ? size : 2 * capacity_)) return false;
        size_ = size;
        return true;
    }

    [[nodiscard]] bool resize_zeroed(size_t size) {
        if (!resize(size)) return false;
        if (size) memset(data_, 0, size * sizeof(T));
        return true;
    }

    void truncate(size_t size) { size_ = size; }
    void take(Array& other) {  // its elements; it is left empty
        free(data_);
        data_ = other.data_;
        size_ = other.size_;
        capacity_ = other.capacity_;
        other.data_ = nullptr;
        other.size_ = other.capacity_ = 0;
    }
    void zero() {
        if (size_) memset(data_, 0, size_ * sizeof(T));
    }

    void swap(Array& other) {
        T* const data = data_;
        const size_t size = size_, capacity = capacity_;
        data_ = other.data_;
        size_ = other.size_;
        capacity_ = other.capacity_;
        other.data_ = data;
        other.size_ = size;
        other.capacity_ = capacity;
    }

    [[nodiscard]] bool push(const T& value) {
        const T copy = value;  // `value` may live in this array
        if (!grow(size_ + 1)) return false;
        data_[size_ - 1] = copy;
        return true;
    }

    T& operator[](size_t i) { return data_[i]; }
    const T& operator[](size_t i) const { return data_[i]; }
    size_t size() const { return size_; }
    const T* begin() const { return data_; }
    const T* end() const { return data_ + size_; }
    T* data() { return data_; }
    const T* data() const { return data_; }

private:
    [[nodiscard]] bool reserve(size_t size) {
        if (size <= capacity_) return true;
        if (size > SIZE_MAX / sizeof(T)) return false;
        const size_t bytes = size * sizeof(T);
        T* moved = static_cast<T*>(data_ ? realloc(data_, bytes) : allocate(bytes));
        if (!moved) return false;
        data_ = moved;
        capacity_ = size;
        return true;
    }

    T* data_ = nullptr;
    size_t size_ = 0;
    size_t capacity_ = 0;
};

inline uint64_t mix(uint64_t x) {  // finaliser with good avalanche; constants of splitmix64
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9ull;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

// Open addressing over indices into the caller's data; -1 marks a free slot.
class HashSlots {
public:
    [[nodiscard]] bool prepare(size_t entries) {
        size_t size = 16;
        while (size < entries * 2) size *= 2;
        if (!slots_.resize(size)) return false;
        memset(slots_.data(), 0xff, size * sizeof(int32_t));
        mask_ = size - 1;
        return true;
    }

    // The slot holding an entry for which `same(entry)` is true, or the free slot to put one in.
    template <typename Same>
    int32_t& find(uint64_t hash, Same same) {
        size_t i = hash & mask_;
        while (slots_[i] >= 0 && !same(slots_[i])) i = (i + 1) & mask_;
        return slots_[i];
    }

private:
    Array<int32_t> slots_;
    size_t mask_ = 0;
};

struct KeyedIndex {
    uint32_t key;
    uint32_t index;
};

// Ascending and stable, so equal keys keep their order on every platform.
[[nodiscard]] inline bool radix_sort(Array<KeyedIndex>& items, Array<KeyedIndex>& scratch) {
    const size_t count = items.size();
    if (!scratch.resize(count)) return false;
    KeyedIndex* from = items.data();
    KeyedIndex* to = scratch.data();
    uint32_t histogram[2048];
    for (int shift = 0; shift < 33; shift += 11) {
        memset(histogram, 0, sizeof(histogram));
        for (size_t i = 0; i < count; i++) histogram[(from[i].key >> shift) & 2047]++;
        uint32_t sum = 0;
        for (uint32_t& h : histogram) {
            const uint32_t here = h;
            h = sum;
            sum += here;
        }
        for (size_t i = 0; i < count; i++) to[histogram[(from[i].key >> shift) & 2047]++] = from[i];
        KeyedIndex* swapped = from;
        from = to;
        to = swapped;
    }
    // Three passes: the result lies in the scratch.
    if (count) memcpy(items.data(), scratch.data(), count * sizeof(KeyedIndex));
    return true;
}

}  // namespace hy3d

#endif
