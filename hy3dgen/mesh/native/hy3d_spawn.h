// SPDX-License-Identifier: Apache-2.0
// Starting a program that must not outlive us. Nothing to do with meshes; it is here because this is
// the one library that is compiled, and what it does cannot be done from Python: between fork and
// exec only system calls may run.
#ifndef HY3D_SPAWN_H
#define HY3D_SPAWN_H

#include "hy3d_mesh.h"

// Linux: starts `program` (a path) in a process group of its own. Before it runs, the system is
// told to kill it (SIGKILL) when the calling *thread* ends, which also frees one that a signal
// holds. It gets `streams` (three descriptors) as input, output and errors and no other descriptor,
// default signals, and starts in `folder` unless that is null. Both lists end with a null.
// Returns the process's id; on failure, and on other systems, minus an errno.
HY3D_API int32_t hy3d_spawn(const char* program, const char* const* arguments,
                            const char* const* environment, const char* folder,
                            const int32_t* streams);

#endif
