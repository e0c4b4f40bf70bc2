// SPDX-License-Identifier: Apache-2.0
// Lists of the corners around each vertex (collapse.Surface.of).
#include "vectors.cuh"

KERNEL count_corners(int count, const int* faces, int* valences) {
    FOR_EACH(i, count) atomicAdd(&valences[faces[i]], 1);
}

KERNEL fill_corners(int count, const int* faces, int* cursors, int* corners) {
    FOR_EACH(i, count) corners[atomicAdd(&cursors[faces[i]], 1)] = i;
}

// The order in which they were filled in is any; afterwards it is not.
KERNEL sort_corners(int count, const int* starts, const int* valences, int* corners) {
    FOR_EACH(v, count) {
        int* list = corners + starts[v];
        int n = valences[v];
        for (int gap = n > 48 ? n / 2 : 1; gap > 0; gap = gap > 1 ? gap / 2 : 0)
            for (int i = gap; i < n; ++i) {
                int item = list[i], j = i;
                for (; j >= gap && list[j - gap] > item; j -= gap) list[j] = list[j - gap];
                list[j] = item;
            }
    }
}
