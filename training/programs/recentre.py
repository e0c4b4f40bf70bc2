# SPDX-License-Identifier: Apache-2.0
"""The pipeline's image preprocessing for whole batches on the GPU.

Does what `ImageProcessorV2` does picture by picture with OpenCV: crop to the alpha box, scale its
longer side to (1 - border_ratio) of the frame, centre on white, resize. Both resizes are separable,
so each is two small matrix products with weights made from OpenCV's formulas.
"""

import torch


def recentre_on_gpu(
    rgba: torch.Tensor, size: int = 112, border_ratio: float = 0.15
) -> torch.Tensor:
    """Network input (B, 3, size, size) float32 in [-1, 1] from square pictures (B, S, S, 4) uint8.

    A fully transparent picture gives plain white.
    """
    side = rgba.shape[1]
    assert rgba.shape[2] == side, "renderings are square"
    seen = rgba[..., 3] > 0
    rows = _paste_weights(seen.any(dim=2), seen.any(dim=1), side, border_ratio)
    pixels = rgba.permute(0, 3, 1, 2).float()
    pasted = rows[0][:, None] @ pixels @ rows[1][:, None].transpose(2, 3)  # (B, 4, S, S)
    pasted = (pasted + 0.5).floor().clamp(0, 255)
    alpha = pasted[:, 3:] / 255
    flat = (pasted[:, :3] * alpha + 255 * (1 - alpha)).clamp(0, 255).floor()
    cubic = _cubic_weights(side, size).to(flat)
    small = (cubic @ flat @ cubic.T + 0.5).floor().clamp(0, 255)
    return small / 255 * 2 - 1


def _paste_weights(
    rows_seen: torch.Tensor, columns_seen: torch.Tensor, side: int, border_ratio: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, S, S) matrices for rows and for columns: output pixel by input pixel."""
    position = torch.arange(side, device=rows_seen.device)
    starts, lengths = [], []
    for seen in (rows_seen, columns_seen):
        first = torch.where(seen, position, side).amin(dim=1)
        last = torch.where(seen, position, -1).amax(dim=1)
        starts.append(first)
        lengths.append((last - first).clamp(min=1))  # end-exclusive, as the processor crops
    target = int(side * (1 - border_ratio))
    longest = torch.maximum(*lengths).double()
    # A true division: `number / tensor` multiplies by the reciprocal and may lose a pixel below.
    scale = torch.full_like(longest, target) / longest
    results = [(length * scale).long().clamp(min=1) for length in lengths]
    ratios = [length.double() / result for length, result in zip(lengths, results, strict=True)]
    shrinks = (ratios[0] >= 1) & (ratios[1] >= 1)
    weights = []
    for start, length, result, ratio in zip(starts, lengths, results, ratios, strict=True):
        offset = (side - result) // 2
        out = position[None] - offset[:, None]  # (B, S) index in the resized crop
        inside = (out >= 0) & (out < result[:, None])
        taps = position[None] - start[:, None]  # (B, S) index in the crop
        cropped = (taps >= 0) & (taps < length[:, None])
        # Shrinking: the share of the output pixel's interval that each input pixel covers.
        begin = out[:, :, None] * ratio[:, None, None]
        end = torch.minimum(begin + ratio[:, None, None], length[:, None, None].double())
        tap = taps[:, None, :]
        area = (torch.minimum(end, tap + 1.0) - torch.maximum(begin, tap.double())).clamp(min=0)
        area = area / (end - begin).clamp(min=1e-9)
        # Enlarging, "area" means linear steps at the input pixels' borders; where a border falls
        # on an output pixel's, rounding decides as it does in OpenCV.
        enlarge = (result.double() / length)[:, None, None]
        base = torch.floor(out[:, :, None] * (1 / enlarge)).clamp(min=0)
        fraction = ((out[:, :, None] + 1) - (base + 1) * enlarge).float()
        fraction = torch.where(fraction <= 0, 0.0, fraction - fraction.floor())
        following = torch.minimum(base + 1, length[:, None, None] - 1.0)
        linear = (tap == base) * (1 - fraction) + (tap == following) * fraction
        chosen = torch.where(shrinks[:, None, None], area, linear)
        weights.append((chosen * inside[:, :, None] * cropped[:, None, :]).float())
    return weights[0], weights[1]


def _cubic_weights(source: int, target: int) -> torch.Tensor:
    """(target, source): OpenCV's INTER_CUBIC, Keys' kernel with a = -0.75, border repeated."""
    ratio, a = source / target, -0.75
    centre = (torch.arange(target, dtype=torch.float64) + 0.5) * ratio - 0.5
    base = centre.floor()
    weights = torch.zeros(target, source, dtype=torch.float64)
    for tap in range(-1, 3):
        x = (centre - (base + tap)).abs()
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
        weight = torch.where(x <= 1, near, torch.where(x < 2, far, 0.0))
        at = (base + tap).clamp(0, source - 1).long()
        weights.scatter_add_(1, at[:, None], weight[:, None])
    return weights
