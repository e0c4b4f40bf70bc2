# SPDX-License-Identifier: Apache-2.0
"""Cars, planes, rockets, boats and steam engines. Noses point to +z (rockets up)."""

import math

from ..draw import DARK, GLASS, WHITE, Draw
from ..shape import SUBTRACT, Shape

LIGHT = (1.0, 0.93, 0.6)
X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def _wheel(s: Shape, x, y, z, radius, width, rim) -> None:
    """Tyre along x with a lighter rim that stands out a little on the far side from the body."""
    side = 1 if x > 0 else -1
    s.rod((x - width / 2, y, z), (x + width / 2, y, z), radius, radius, DARK, 0.03)
    s.rod((x, y, z), (x + side * (width / 2 + 0.02), y, z), radius * 0.55, radius * 0.5, rim)


def car(d: Draw, s: Shape) -> None:
    style = d.pick(("sedan", "hatch", "van", "pickup", "sedan"))
    length, width = d.between(1.7, 2.1), d.between(0.8, 0.95)
    wheel, clear = d.between(0.19, 0.26), d.between(0.12, 0.18)
    paint, rim = d.paint() if d.chance(0.85) else d.pick((WHITE, DARK)), d.metal()
    body = d.between(0.28, 0.36)
    floor, belt = clear, clear + body
    s.box((width, body, length), (0, floor + body / 2, 0), paint, d.between(0.05, 0.12))
    cabin_height = d.between(0.28, 0.38) * (1.25 if style == "van" else 1.0)
    # The side profile is extruded across the car: local +x of the prism points to -z.
    bottom, top, centre, shear = {
        "sedan": (length * 0.56, length * 0.3, -0.08 * length, 0.0),
        "hatch": (length * 0.66, length * 0.42, -0.15 * length, 0.1),
        "van": (length * 0.86, length * 0.68, -0.055 * length, 0.12),
        "pickup": (length * 0.36, length * 0.24, 0.06 * length, 0.05),
    }[style]
    y = belt + cabin_height / 2 - 0.03
    cabin = (0, y, centre)
    s.prism(bottom, top, cabin_height, width * 0.86, cabin, GLASS, shear * 2, 0.03, rot=(0, 90, 0))
    roof = (0, belt + cabin_height - 0.03, centre - shear)
    s.box((width * 0.86, 0.09, top * 1.02), roof, paint, 0.04)
    for z in (-1, 1):  # pillars between the windows
        foot, head = centre + shear + z * (bottom / 2 - 0.03), centre - shear + z * (top / 2 - 0.03)
        tilt = math.degrees(math.atan2(head - foot, cabin_height))
        at = (0, y, (foot + head) / 2)
        if style != "pickup" or z > 0:
            continue
        s.box((width * 0.87, cabin_height, 0.09), at, paint, 0.02, (tilt, 0, 0))
    s.box((width * 0.88, cabin_height, 0.09), (0, y, centre), paint, 0.02)
    core = body + cabin_height - 0.08  # fills the seam between body and cabin
    s.box((width * 0.7, core, top * 0.9), (0, floor + 0.04 + core / 2, centre - shear / 2), paint)
    if style == "pickup":
        bed_length = length * 0.34
        at = (0, belt, -length / 2 + bed_length / 2 + 0.1)
        s.box((width * 0.74, 0.3, bed_length), at, d.near(DARK, 0.02), 0.02, op=SUBTRACT)
    for x in (-1, 1):
        for z in (0.31, -0.31):
            _wheel(s, x * (width / 2 - 0.04), wheel, z * length, wheel, 0.17, rim)
        lamp = (x * width * 0.33, floor + body * 0.62, length / 2 - 0.015)
        s.ball((0.09, 0.07, 0.05), lamp, LIGHT)
    s.box((width * 0.96, 0.1, 0.1), (0, floor + 0.07, length / 2), d.near(rim, 0.1), 0.03)
    s.box((width * 0.34, 0.1, 0.08), (0, floor + body * 0.6, length / 2 - 0.02), DARK)
    if d.chance(0.2):
        s.box((0.3, 0.1, 0.16), (0, belt + cabin_height + 0.04, centre - shear), d.paint(), 0.03)


def plane(d: Draw, s: Shape) -> None:
    style = d.pick(("airliner", "propeller", "jet", "biplane", "airliner"))
    half, r = d.between(0.82, 0.98), d.between(0.19, 0.25)
    if style in ("propeller", "biplane"):
        half, r = half * 0.82, r * 1.05
    body, trim = (d.near(WHITE), d.paint()) if style == "airliner" else (d.paint(), d.paint())
    tail_lift = d.between(0.0, 0.06)
    if style == "airliner":
        s.limb((0, 0, -half * 0.5), (0, 0, half - r), r, body)
        s.rod((0, 0, -half * 0.5), (0, tail_lift, -half), r, r * 0.45, body, 0.05)
    elif style == "jet":
        s.rod((0, 0, -half), (0, 0, half * 0.35), r, r, body, 0.03)
        s.rod((0, 0, half * 0.33), (0, 0, half), r, 0.04, body, 0.03)
        s.rod((0, 0, -half - 0.06), (0, 0, -half + 0.1), r * 0.8, r * 0.8, DARK)
    else:
        s.rod((0, tail_lift, -half), (0, 0, half * 0.3), r * 0.45, r, body, 0.04)
        s.rod((0, 0, half * 0.28), (0, 0, half * 0.8), r, r * 0.85, body, 0.05)
    s.limb((0, 0, 0), (0, 0, half * 0.5), r * 0.55, body)  # fills the seam before the nose
    cockpit = (0, r * 0.7, half * d.between(0.2, 0.35))
    if style == "airliner":
        cockpit = (0, r * 0.42, half - r * 0.75)
    s.ball((r * 0.62, r * 0.5, r * 1.1), cockpit, GLASS)
    span, root = d.between(0.75, 0.95), d.between(0.42, 0.56)
    tip, sweep, place = root * d.between(0.35, 0.6), -d.between(0.25, 0.5), 0.06
    if style == "jet":
        span, root, tip, sweep, place = span * 0.75, 0.85, 0.2, -0.5, -0.2
    if style in ("propeller", "biplane"):
        tip, sweep, place = root * d.between(0.7, 1.0), -d.between(0.0, 0.08), 0.12
    heights = (-r * 0.75, r * 1.5) if style == "biplane" else (d.between(-0.6, 0.1) * r,)
    if style == "propeller" and d.chance(0.4):
        heights = (r * 0.95,)
    for y in heights:
        for x in (-1.0, 1.0):
            at = (0, y, place * half)
            s.panel(root, tip, span, 0.15, at, Z, (x, 0.0, 0.0), trim, sweep, 0.03)
    tail = d.between(0.3, 0.4)
    for x in (-1.0, 1.0):
        at = (0, tail_lift, -half + 0.17)
        s.panel(0.32, 0.2, tail, 0.13, at, Z, (x, 0.0, 0.0), trim, -0.1, 0.03)
    s.panel(0.38, 0.22, tail + 0.14, 0.13, (0, tail_lift, -half + 0.2), Z, Y, trim, -0.14, 0.03)
    if style == "airliner":
        engine, out = r * d.between(0.45, 0.55), span * d.between(0.34, 0.42)
        for x in (-1, 1):
            z = place * half + sweep * 0.35
            y = heights[0] - engine * 0.8
            s.rod((x * out, y, z - 0.1), (x * out, y, z + 0.3), engine, engine, d.metal(), 0.03)
    elif style == "biplane":
        for x in (-1, 1):
            px = x * span * 0.62
            s.box((0.09, r * 2.25, 0.12), (px, r * 0.37, place * half), body)
    if style in ("propeller", "biplane"):
        z = half * 0.8
        s.rod((0, 0, z - 0.02), (0, 0, z + 0.13), r * 0.4, 0.05, DARK, 0.03)
        angle = d.between(-40, 40)
        s.box((0.75, 0.12, 0.08), (0, 0, z + 0.04), DARK, 0.03, (0, 0, angle))
        for x in (-1, 1):
            s.limb((0, -r * 0.5, half * 0.3), (x * 0.24, -r * 1.9, half * 0.35), 0.045, DARK)
            wheel = (x * 0.24, -r * 1.9)
            s.rod(
                (wheel[0] - 0.05, wheel[1], half * 0.35),
                (wheel[0] + 0.05, wheel[1], half * 0.35),
                0.12,
                0.12,
                DARK,
            )


def rocket(d: Draw, s: Shape) -> None:
    r, height = d.between(0.24, 0.36), d.between(1.0, 1.35)
    body, trim = d.pick((WHITE, d.metal(), d.paint())), d.paint()
    style, nose = d.pick(("straight", "bulged", "stepped")), d.between(0.35, 0.6)
    floor = 0.22
    if style == "bulged":
        s.ball((r * 1.15, height * 0.72, r * 1.15), (0, floor + height * 0.55, 0), body)
        s.rod((0, floor, 0), (0, floor + height * 0.45, 0), r * 0.75, r * 1.05, body, k=0.1)
        top = floor + height * 1.12
        s.rod((0, top - 0.16, 0), (0, top + nose * 0.6, 0), r * 0.62, 0.03, trim, 0.02)
    else:
        upper = r * (0.75 if style == "stepped" else 1.0)
        s.rod((0, floor, 0), (0, floor + height, 0), r, upper, body)
        if style == "stepped":
            s.rod((0, floor, 0), (0, floor + height * 0.45, 0), r, r, d.near(body, 0.08))
        top = floor + height
        if d.chance(0.5):
            s.rod((0, top - 0.02, 0), (0, top + nose, 0), upper, 0.04, trim, 0.03)
            s.limb((0, floor + 0.2, 0), (0, top + nose * 0.3, 0), upper * 0.45, body)
        else:
            s.ball((upper, nose, upper), (0, top - 0.01, 0), trim)
    s.rod((0, 0, 0), (0, floor + 0.2, 0), r * 0.8, r * 0.5, d.near(DARK, 0.05), 0.02)
    count, start = d.pick((3, 4, 4)), d.pick((0, 45))
    span, root, drop = d.between(0.25, 0.45), d.between(0.4, 0.65), d.between(0.0, 0.35)
    for i in range(count):
        angle = math.radians(start + 90 + 360 * i / count)
        out = (math.cos(angle), 0.0, math.sin(angle))
        inside = 0.6 * r
        at = (out[0] * inside, floor + root / 2 + 0.02, out[2] * inside)
        reach = span + r * 0.4
        tip = root * d.between(0.45, 0.5)
        s.panel(root, tip, reach, 0.14, at, Y, out, trim, -drop, 0.03)
    widest = r * (1.15 if style == "bulged" else 1.0)
    for i in range(d.pick((1, 1, 2))):
        y = floor + height * (0.72 - 0.27 * i)
        z = widest * (0.97 if style != "stepped" else 0.86)
        s.rod((0, y, 0), (0, y, z + 0.03), r * 0.48, r * 0.46, d.near(trim, 0.12))
        s.rod((0, y, 0), (0, y, z + 0.05), r * 0.33, r * 0.33, GLASS)
    if style == "straight" and d.chance(0.6):
        y = floor + height * d.between(0.2, 0.35)
        s.rod((0, y, 0), (0, y + 0.1, 0), r + 0.02, r + 0.02, trim)
    if style == "stepped" and d.chance(0.5):
        for x in (-1, 1):
            px, high = x * (r + 0.1), height * d.between(0.5, 0.6)
            s.rod((px, 0.1, 0), (px, floor + high, 0), 0.13, 0.13, body)
            s.rod((px, floor + high - 0.02, 0), (px, floor + high + 0.22, 0), 0.13, 0.03, trim)


def boat(d: Draw, s: Shape) -> None:
    style = d.pick(("sail", "sail", "tug", "row", "steamer"))
    half, beam = d.between(0.82, 0.95), d.between(0.36, 0.46)
    draught = d.between(0.34, 0.44)
    hull, deck = d.paint() if d.chance(0.7) else d.wood(), d.wood()
    # The lower half of an ellipsoid; cabin, mast or rower stand higher than its upper half did.
    s.ball((beam, draught, half), (0, 0, 0), hull)
    s.box((1.2, draught, 2.2), (0, draught / 2, 0), deck, 0.0, op=SUBTRACT)
    if style in ("sail", "row") and d.chance(0.5):
        inner = (beam - 0.1, draught - 0.1, half - 0.14)
        s.ball(inner, (0, 0.03, 0), deck, op=SUBTRACT)
        for z in (-0.3, 0.3):
            s.box((beam * 1.75, 0.1, 0.2), (0, -0.06, z * half), deck)
    if style == "sail":
        high, z = d.between(1.2, 1.5), d.between(0.0, 0.15)
        s.rod((0, -draught + 0.08, z), (0, high, z), 0.08, 0.065, d.wood())
        cloth = d.pick((WHITE, d.pastel(), d.paint()))
        foot = d.between(0.55, 0.72)
        back = (0.0, 0.0, -1.0)
        at = (0, 0.16, z - foot / 2)
        s.panel(foot, 0.08, high - 0.2, 0.14, at, back, Y, cloth, -foot / 2 + 0.02, 0.03)
        if d.chance(0.7):
            jib = min(half * 0.85 - z, d.between(0.45, 0.65))
            at = (0, 0.12, z + jib / 2)
            s.panel(jib, 0.08, high * 0.8, 0.14, at, Z, Y, d.near(cloth), -jib / 2 + 0.02, 0.03)
        if d.chance(0.5):
            s.box((0.09, 0.13, 0.26), (0, high - 0.02, z - 0.12), d.paint())
    elif style == "row":
        for x in (-1, 1):
            end = (x * (beam + 0.36), d.between(-0.2, -0.1), 0.0)
            s.limb((x * (beam - 0.25), 0.02, 0), end, 0.06, d.wood())
            s.ball((0.16, 0.075, 0.12), end, deck, (0, 0, -x * 25))
        skin, shirt = (0.93, 0.74, 0.6), d.paint()
        s.limb((0, -0.12, -0.1), (0, draught * 0.75, -0.1), 0.15, shirt)
        s.ball(0.15, (0, draught + 0.2, -0.1), skin)
        for x in (-1, 1):
            s.limb((x * 0.14, draught * 0.6, -0.1), (x * (beam - 0.2), 0.03, 0.02), 0.06, shirt)
    else:
        wall = d.near(WHITE, 0.05)
        wide, long = beam * d.between(1.1, 1.3), half * d.between(0.55, 0.8)
        first = d.between(0.28, 0.36)
        s.box((wide, first + 0.1, long), (0, first / 2 - 0.05, -0.08), wall, 0.03)
        s.box((wide * 1.1, 0.09, long * 1.08), (0, first + 0.02, -0.08), d.near(hull, 0.1), 0.03)
        y, z = first * 0.55, long / 2 - 0.08
        for x in (-0.27, 0.27):
            s.box((wide * 0.3, 0.14, 0.08), (x * wide, y, z), GLASS)
        for x in (-1, 1):
            for pz in (-0.3, 0.3):
                at = (x * wide / 2, y, -0.08 + pz * long)
                s.rod((at[0] - x * 0.07, y, at[2]), (at[0] + x * 0.02, y, at[2]), 0.08, 0.08, GLASS)
        funnels = 1 if style == "tug" else d.pick((1, 2))
        for i in range(funnels):
            fz, fh = -0.1 - 0.3 * i if funnels == 2 else -0.15, first + d.between(0.4, 0.5)
            fz += 0.12 if funnels == 2 else 0.0
            s.rod((0, first, fz), (0, fh, fz), 0.13, 0.11, d.near(hull, 0.06))
            s.rod((0, fh - 0.12, fz), (0, fh + 0.02, fz), 0.13, 0.13, DARK)
        if style == "tug":
            s.ring(beam * 0.4, 0.06, (0, -0.02, half * 0.58), DARK)


def train(d: Draw, s: Shape) -> None:
    r, length = d.between(0.25, 0.31), d.between(0.85, 1.1)
    paint, trim, metal = d.paint(), d.paint(), d.metal()
    wheel, width = d.between(0.18, 0.22), 2 * r * d.between(1.1, 1.25)
    floor = wheel * 1.15
    cab = d.between(0.45, 0.6)
    total = length + cab
    back, front = -total / 2, total / 2
    s.box((width * 0.9, 0.16, total), (0, floor + 0.05, 0), DARK, 0.03)
    axis = floor + 0.1 + r
    s.rod((0, axis, back + cab * 0.4), (0, axis, front - 0.03), r, r, paint, 0.03)
    s.rod((0, axis, front - 0.1), (0, axis, front), r * 1.05, r * 1.0, DARK, 0.03)
    s.rod((0, axis, front - 0.05), (0, axis, front + 0.05), r * 0.4, r * 0.35, metal)
    band = back + cab + length * d.between(0.3, 0.45)
    s.rod((0, axis, band - 0.05), (0, axis, band + 0.05), r + 0.02, r + 0.02, trim)
    cab_top = axis + r + d.between(0.22, 0.36)
    cab_height = cab_top - floor
    s.box((width, cab_height, cab), (0, floor + cab_height / 2, back + cab / 2), paint, 0.03)
    s.box((width * 1.15, 0.1, cab * 1.2), (0, cab_top, back + cab / 2), trim, 0.04)
    y = cab_top - 0.22
    for x in (-1, 1):
        s.box((0.08, 0.2, cab * 0.5), (x * (width / 2 - 0.02), y, back + cab / 2), GLASS)
    for x in (-0.27, 0.27):
        s.box((width * 0.28, 0.15, 0.08), (x * width, y, back + cab - 0.02), GLASS)
    stack, flare = d.between(0.3, 0.42), d.between(0.1, 0.2)
    z = front - 0.24
    s.rod((0, axis + r - 0.05, z), (0, axis + r + stack, z), 0.09, flare, DARK)
    if d.chance(0.5):
        top = axis + r + stack
        s.rod((0, top - 0.04, z), (0, top + 0.06, z), flare + 0.03, flare + 0.03, trim)
    s.ball((0.13, 0.17, 0.13), (0, axis + r, back + cab + length * 0.4), metal)
    for x in (-1, 1):
        for i in range(3):
            pz = back + cab * 0.5 + i * (total - cab * 0.5 - 0.3) / 2
            big = wheel * (1.0 if i else 1.25)
            px = x * (width / 2 - 0.06)
            s.rod((px - 0.06, big, pz), (px + 0.06, big, pz), big, big, trim if i else DARK, 0.02)
    s.prism(
        width * 0.95,
        width * 0.5,
        0.22,
        0.3,
        (0, floor - 0.06, front + 0.06),
        metal,
        rot=(-25, 0, 0),
    )
    s.ball(0.1, (0, axis + r * 0.85, front - 0.04), LIGHT)
