// SPDX-License-Identifier: Apache-2.0
// Forgetting the faces and vertices that are gone, in place.
#include "surface.h"
#include "threads.h"

namespace hy3d {
namespace {

constexpr size_t BLOCK = 16384;

// The numbers that vertices get, counted block by block on all threads.
class Numbering {
public:
    [[nodiscard]] bool count(const Array<Vertex>& vertices, int32_t threads) {
        if (!within_.resize(vertices.size()) ||
            !first_.resize_zeroed((vertices.size() + BLOCK - 1) / BLOCK + 1))
            return false;
        for_each_range(threads, vertices.size(), BLOCK, [&](size_t begin, size_t end) {
            int32_t next = 0;
            for (size_t v = begin; v < end; v++) {
                const bool stays = vertices[v].corner >= 0;
                within_[v] = stays ? next++ : -1;
            }
            first_[begin / BLOCK + 1] = next;
        });
        for (size_t block = 1; block < first_.size(); block++) first_[block] += first_[block - 1];
        return true;
    }

    size_t total() const { return static_cast<size_t>(first_[first_.size() - 1]); }
    bool keeps(size_t v) const { return within_[v] >= 0; }
    int32_t operator[](int32_t v) const {
        return within_[v] + first_[static_cast<size_t>(v) / BLOCK];
    }

    // Each block moves what it keeps to its own beginning; then the blocks close up.
    template <typename Change>
    void move(Array<Vertex>& vertices, int32_t threads, Change change) const {
        for_each_range(threads, vertices.size(), BLOCK, [&](size_t begin, size_t end) {
            for (size_t v = begin; v < end; v++) {
                if (!keeps(v)) continue;
                Vertex& to = vertices[begin + static_cast<size_t>(within_[v])];
                to = vertices[v];
                change(to, (*this)[static_cast<int32_t>(v)]);
            }
        });
        for (size_t block = 1; block + 1 < first_.size(); block++) {
            const size_t to = static_cast<size_t>(first_[block]);
            const size_t kept = static_cast<size_t>(first_[block + 1]) - to;
            if (kept) memmove(&vertices[to], &vertices[block * BLOCK], kept * sizeof(Vertex));
        }
        vertices.truncate(total());
    }

private:
    Array<int32_t> within_;  // within its block; -1: gone
    Array<int32_t> first_;   // of each block
};

// Forgets the faces that are gone and names the vertices of the others anew: each block of them on its
// own, then the blocks close up.
[[nodiscard]] bool close_faces_up(Surface& surface, const Numbering& number, int32_t threads) {
    Array<Face>& faces = surface.faces;
    Array<int32_t>&origin = surface.origin, &curves = surface.curves;
    Array<size_t> kept;  // per block
    if (!kept.resize((faces.size() + BLOCK - 1) / BLOCK)) return false;
    const auto move_labels = [&](size_t to, size_t from, size_t count) {
        if (origin.size()) memmove(&origin[to], &origin[from], count * sizeof(int32_t));
        if (curves.size()) memmove(&curves[3 * to], &curves[3 * from], 3 * count * sizeof(int32_t));
    };
    for_each_range(threads, faces.size(), BLOCK, [&](size_t begin, size_t end) {
        size_t to = begin;
        for (size_t f = begin; f < end; f++) {
            const Face face = faces[f];
            if (face.v[0] < 0) continue;
            move_labels(to, f, 1);
            faces[to++] = {{number[face.v[0]], number[face.v[1]], number[face.v[2]]}};
        }
        kept[begin / BLOCK] = to - begin;
    });
    size_t total = 0;
    for (size_t block = 0; block < kept.size(); block++) {
        if (kept[block] == 0) continue;
        memmove(&faces[total], &faces[block * BLOCK], kept[block] * sizeof(Face));
        move_labels(total, block * BLOCK, kept[block]);
        total += kept[block];
    }
    faces.truncate(total);
    surface.next.truncate(3 * total);
    if (origin.size()) origin.truncate(total);
    if (curves.size()) curves.truncate(3 * total);
    return true;
}

}  // namespace

Status Surface::compact(int32_t threads, Progress& progress) {
    Numbering number;
    Array<int32_t> heads;
    if (!number.count(vertices, threads) || !heads.resize(number.total())) return HY3D_OUT_OF_MEMORY;
    for (size_t v = 0; v < place.size(); v++) {
        if (!progress.go_on(v)) return HY3D_CANCELLED;
        if (place[v] < 0) continue;
        const int32_t at = survivor(place[v]);
        place[v] = number.keeps(static_cast<size_t>(at)) ? number[at] : -1;
    }
    if (!close_faces_up(*this, number, threads)) return HY3D_OUT_OF_MEMORY;
    const Status status = link(heads, progress);
    if (status != HY3D_OK) return status;
    number.move(vertices, threads, [&](Vertex& vertex, int32_t name) {
        vertex.corner = heads[name];
        vertex.merged_into = name;
    });
    return progress.report(progress.fraction()) ? HY3D_OK : HY3D_CANCELLED;
}

}  // namespace hy3d
