# SPDX-License-Identifier: Apache-2.0
"""Endless procedural shapes as signed-distance programs, and what training needs of them.

A program is a list of at most 24 primitives. It knows nothing about networks; it only makes data.
Everything is deterministic from (seed, index). Functions take tensors on any device and stay
there: on CUDA the fused Triton kernels run, elsewhere the plain torch reference.

::

    programs.py   numpy only: cheap to import in worker processes
        MAX_PRIMITIVES = 24
        FAMILIES: tuple[str, ...]               # index = family id
        make_program(seed, index, family=None) -> Program
        make_programs(seed, indices, families=None, processes=1) -> Programs
            # numpy arrays with a leading axis; processes > 1 spreads the work (they import the
            # calling script again, so keep that light and behind `if __name__ == "__main__"`)

    batch.py
        ProgramBatch (frozen dataclass of tensors)
            types (B,P) int32, ops (B,P) int32, params (B,P,6), rotations (B,P,3,3),
            translations (B,P,3), smooth (B,P), colours (B,P,3), counts (B,) int32,
            family (B,) int32, extents (B,3)    # half sizes of the surface's box, centred at 0
        ProgramBatch.from_programs(programs: Program | Programs, device="cpu")
        ProgramBatch.make(seed, indices, families=None, device="cpu")
        batch[index_or_slice_or_LongTensor] -> ProgramBatch;  batch.to(device);  len(batch)
        batch.save(path) / ProgramBatch.load(path, device="cpu")          # .npz

    sdf.py
        evaluate(batch, points (B,N,3)) -> (B,N)                    # negative inside
        evaluate_ids(batch, points) -> (distances (B,N), closest (B,N) int32)
        gradients(batch, points, step=1e-3) -> (distances (B,N), gradients (B,N,3))
        grid(batch, resolution=64, bound=1.01) -> (B,R,R,R)         # [x, y, z], ends included

    render.py
        random_cameras(seed, indices, batch) -> Cameras             # indices: ints, one per shape
        random_lights(seed, indices, device="cpu") -> Lights
        front_cameras(batch, yaw=30.0, pitch=20.0, fov=35.0) -> Cameras   # degrees, for looking
        studio_lights(count, device="cpu") -> Lights
        render(batch, cameras, lights, size=128) -> (B,H,W,4) uint8 # straight alpha, 2x2 samples
        for several views of one shape: render(batch[[0, 0, 0]], ...) with differing indices

    recentre.py
        recentre_on_gpu(rgba (B,H,W,4) uint8, size=112, border_ratio=0.15)
            -> (B,3,size,size) float32 in [-1, 1]                   # as ImageProcessorV2 does it

    sampling.py
        surface_points(batch, n, generator) -> (points (B,n,3), normals (B,n,3))
        supervision(batch, n, generator, surface=None) -> (points (B,n,3), distances (B,n))
            # half near the surface (sigma 0.01, 0.03, 0.1), half uniform in [-1.01, 1.01]^3;
            # surface: points of an earlier surface_points call, to save making new ones
        # generator: torch.Generator on the batch's device

`shape.py` is the builder, `families/` the writers, `trace.py` and `*_triton.py` the two engines of
`sdf` and `render`, `contact_sheet.py` the way to look at it all.

Shapes stand y up and look along +z; the surface's box is centred and its longest side is 1.9.
"""
