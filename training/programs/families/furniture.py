# SPDX-License-Identifier: Apache-2.0
"""Tables, chairs, sofas, beds and lamps. Backs are at -z; units are about half a metre."""

from ..draw import DARK, WHITE, Draw
from ..shape import Shape


def _legs(d: Draw, s: Shape, width, depth, height, thick, colour, style, y=0.0) -> None:
    """Four legs under a rectangle; `style` is square, round or splayed."""
    splay = d.between(0.06, 0.16) if style == "splayed" else 0.0
    for x in (-1, 1):
        for z in (-1, 1):
            px, pz = x * (width - thick) / 2, z * (depth - thick) / 2
            if style == "square":
                s.box((thick, height, thick), (px, y + height / 2, pz), colour, 0.015)
            else:
                foot = (px + x * splay, y, pz + z * splay)
                s.rod(foot, (px, y + height, pz), thick * 0.42, thick * 0.55, colour)


def table(d: Draw, s: Shape) -> None:
    width, depth = d.between(1.3, 2.0), d.between(0.9, 1.3)
    height, thick = d.between(0.7, 1.25), d.between(0.12, 0.18)
    top = d.wood() if d.chance(0.7) else d.paint()
    leg = top if d.chance(0.5) else d.pick((d.wood(), d.metal(), WHITE))
    style = d.pick(("legs", "legs", "legs", "pedestal", "slabs"))
    is_round = style != "slabs" and d.chance(0.35)
    y = height - thick / 2
    if is_round:
        radius = d.between(0.6, 0.95)
        s.rod((0, height - thick, 0), (0, height, 0), radius, radius, top, 0.03)
        width = depth = radius * 1.35
    else:
        s.box((width, thick, depth), (0, y, 0), top, d.between(0.01, 0.05))
    under = height - 0.03  # legs end inside the top: an overlap hides the seam
    if style == "pedestal":
        r = d.between(0.1, 0.18)
        s.rod((0, 0.05, 0), (0, under, 0), r * d.between(0.8, 1.3), r, leg)
        if d.chance(0.5):
            base = d.between(0.35, 0.55)
            s.rod((0, 0, 0), (0, 0.14, 0), base, base * d.between(0.5, 0.9), leg, 0.03)
        else:
            for angle in (45, 135):
                s.box((depth * 0.95, 0.13, 0.16), (0, 0.065, 0), leg, 0.03, (0, angle, 0))
    elif style == "slabs":
        slab = d.between(0.13, 0.18)
        for x in (-1, 1):
            at = (x * (width * 0.9 - slab) / 2, under / 2, 0)
            s.box((slab, under, depth * d.between(0.8, 0.95)), at, leg, 0.02)
        if d.chance(0.6):
            s.box((width * 0.85, 0.11, depth * 0.7), (0, height * 0.35, 0), leg)
    else:
        leg_style = d.pick(("square", "round", "splayed"))
        leg_thick = d.between(0.14, 0.2)
        _legs(d, s, width * 0.96, depth * 0.96, under, leg_thick, leg, leg_style)
        if not is_round and d.chance(0.5):
            drop = d.between(0.12, 0.24)
            s.box((width * 0.88, drop, depth * 0.86), (0, height - thick - drop / 2 + 0.02, 0), leg)
        elif d.chance(0.3):
            s.box((width * 0.92, 0.1, depth * 0.92), (0, height * 0.3, 0), top)


def chair(d: Draw, s: Shape) -> None:
    width, depth = d.between(0.75, 1.0), d.between(0.75, 0.95)
    seat, thick = d.between(0.65, 0.85), d.between(0.11, 0.18)
    back, slab = d.between(0.7, 1.1), d.between(0.12, 0.17)
    frame = d.wood() if d.chance(0.6) else d.pick((d.paint(), d.metal(), DARK, WHITE))
    cushion = d.paint() if d.chance(0.5) else frame
    s.box((width, thick, depth), (0, seat - thick / 2, 0), cushion, d.between(0.02, 0.06))
    style = d.pick(("legs", "legs", "legs", "office"))
    if style == "office":
        s.rod((0, 0.04, 0), (0, seat - 0.04, 0), 0.09, 0.08, d.metal())
        for angle in (0, 60, 120):
            s.box((width * 0.98, 0.1, 0.13), (0, 0.09, 0), DARK, 0.03, (0, angle, 0))
    else:
        leg_style = d.pick(("square", "round", "splayed"))
        _legs(d, s, width, depth, seat - 0.03, d.between(0.13, 0.17), frame, leg_style)
    lean, z = d.between(3, 12), -depth / 2 + slab / 2
    tilt = (-lean, 0, 0)
    offset = -back / 2 * lean / 57.3
    back_style = d.pick(("panel", "slats", "rails", "oval")) if style != "office" else "panel"
    if back_style == "panel":
        at = (0, seat + back / 2 - thick / 2, z + offset)
        s.box((width, back + thick / 2, slab), at, cushion, 0.05, tilt)
    elif back_style == "oval":
        s.ball(
            (width * 0.55, back * 0.52, 0.09), (0, seat + back * 0.46, z + offset), cushion, tilt
        )
    else:
        for x in (-1, 1):
            at = (x * (width / 2 - 0.06), seat + back / 2 - thick / 2, z + offset)
            s.box((0.12, back + thick / 2, slab), at, frame, 0.03, tilt)
        shift = -back * 0.88 * lean / 57.3
        s.box((width, 0.17, slab), (0, seat + back - 0.1, z + shift), frame, 0.04, tilt)
        if back_style == "rails":
            at = (0, seat + back * 0.48, z + offset)
            s.box((width * 0.9, 0.16, 0.1), at, frame, 0.03, tilt)
        else:
            for x in (-0.17, 0.17):
                at = (x * width, seat + back * 0.46, z + offset)
                s.box((0.11, back * 0.95, 0.1), at, frame, 0.02, tilt)
    if d.chance(0.3):
        y = seat + d.between(0.3, 0.4)
        for x in (-1, 1):
            px = x * (width / 2 - 0.055)
            s.box((0.11, 0.1, depth * 0.9), (px, y, -depth * 0.03), frame, 0.03)
            s.box((0.11, y - seat + 0.05, 0.11), (px, (y + seat) / 2, depth * 0.33), frame, 0.02)


def sofa(d: Draw, s: Shape) -> None:
    seats = d.pick((1, 2, 2, 3))
    width, depth = 0.75 + seats * d.between(0.42, 0.5), d.between(0.8, 1.0)
    seat, back, arm = d.between(0.3, 0.42), d.between(0.75, 1.0), d.between(0.16, 0.26)
    cloth = d.paint() if d.chance(0.6) else d.pastel()
    cushion = d.near(cloth, 0.1) if d.chance(0.7) else d.pastel()
    foot, arm_height = d.between(0.1, 0.18), seat + d.between(0.18, 0.3)
    inner = width - 2 * arm
    s.box((width, seat - foot, depth), (0, (seat + foot) / 2, 0), cloth, 0.04)
    slab = d.between(0.2, 0.28)
    s.box((width, back - foot, slab), (0, (back + foot) / 2, -depth / 2 + slab / 2), cloth, 0.07)
    rolled = d.chance(0.4)
    for x in (-1, 1):
        px = x * (width - arm) / 2
        s.box((arm, arm_height - foot, depth), (px, (arm_height + foot) / 2, 0), cloth, 0.05)
        if rolled:
            r, z = arm * 0.62, depth / 2 - 0.01
            s.rod((px, arm_height, -z), (px, arm_height, z), r, r, cloth, 0.04)
    for i in range(seats):
        w = inner / seats
        x = (i + 0.5) * w - inner / 2
        front = depth - slab
        s.box((w * 0.98, 0.3, front * 1.02), (x, seat - 0.015, slab / 2), cushion, 0.06)
        high = back - seat - 0.12
        at = (x, seat + 0.12 + high / 2, -depth / 2 + slab + 0.01)
        s.box((w * 0.95, high, 0.28), at, cushion, 0.07, (-8, 0, 0))
    for x in (-1, 1):
        for z in (-1, 1):
            px, pz = x * (width / 2 - 0.12), z * (depth / 2 - 0.12)
            s.rod((px, 0, pz), (px, foot + 0.03, pz), 0.055, 0.07, d.pick((DARK, WHITE)))
    if d.chance(0.5):
        at = (d.pick((-1, 1)) * (inner / 2 - 0.22), seat + 0.32, 0.02)
        s.box((0.36, 0.36, 0.14), at, d.paint(), 0.06, (-25, 0, d.between(-12, 12)))


def bed(d: Draw, s: Shape) -> None:
    double = d.chance(0.5)
    width, length = d.between(1.15, 1.5) if double else d.between(0.75, 0.95), d.between(1.7, 2.0)
    foot, mattress = d.between(0.14, 0.3), d.between(0.2, 0.3)
    wood = d.wood() if d.chance(0.7) else d.pick((WHITE, DARK, d.paint()))
    blanket, sheet = d.paint(), d.near(WHITE, 0.04)
    frame = d.between(0.12, 0.18)
    s.box((width, frame, length), (0, foot + frame / 2, 0), wood, 0.03)
    y = foot + frame + mattress / 2 - 0.04
    top = y + mattress / 2
    at = (0, (top + foot + 0.04) / 2, 0.01)
    s.box((width * 0.95, top - foot - 0.04, length * 0.97), at, sheet, 0.07)
    cover = d.between(0.55, 0.72) * length
    at = (0, y + 0.02, length / 2 - cover / 2)
    s.box((width * 1.0, mattress + 0.05, cover), at, blanket, 0.07)
    if d.chance(0.6):
        fold = (0, y + 0.045, length / 2 - cover)
        s.box((width * 1.0, mattress + 0.02, 0.2), fold, d.near(WHITE, 0.08), 0.07)
    head = foot + frame + mattress + d.between(0.3, 0.6)
    style = d.pick(("board", "rounded", "posts"))
    z = -length / 2
    if style == "rounded":
        s.box((width, head * 0.8, 0.13), (0, head * 0.4, z), wood, 0.03)
        r = width * 0.5
        s.ball((r, head * 0.3, 0.09), (0, head * 0.78, z), wood)
    else:
        s.box((width, head - 0.1, 0.13), (0, head / 2 + 0.05, z), wood, 0.04)
    if style == "posts":
        for x in (-1, 1):
            px = x * width / 2
            s.rod((px, 0, z), (px, head + 0.1, z), 0.08, 0.07, wood)
            s.ball(0.1, (px, head + 0.13, z), wood)
    if d.chance(0.5):
        high = foot + frame + mattress * d.between(0.5, 1.2)
        s.box((width, high, 0.12), (0, high / 2, length / 2), wood, 0.04)
    for x in (-1, 1):
        for zz in (-1, 1):
            px, pz = x * (width / 2 - 0.07), zz * (length / 2 - 0.07)
            s.box((0.13, foot + 0.04, 0.13), (px, foot / 2 + 0.02, pz), wood)
    count = 2 if double else 1
    for i in range(count):
        w = width / count
        at = ((i + 0.5) * w - width / 2, y + mattress / 2 + 0.05, z + 0.33)
        s.box((w * 0.78, 0.17, 0.36), at, d.near(WHITE, 0.05), 0.08, (14, 0, 0))


def lamp(d: Draw, s: Shape) -> None:
    style = d.pick(("table", "table", "vase", "floor", "desk"))
    base, shade = d.pick((d.metal(), d.wood(), d.paint())), d.pick((d.pastel(), d.paint(), WHITE))
    if style == "desk":
        s.rod((0, 0, 0), (0, 0.12, 0), 0.38, 0.33, base, 0.04)
        reach, high = d.between(0.25, 0.45), d.between(0.65, 0.85)
        elbow = (0, high, -reach)
        s.limb((0, 0.08, 0), elbow, 0.075, base)
        tip = (0, high + d.between(0.3, 0.5), d.between(0.15, 0.35))
        s.limb(elbow, tip, 0.075, base)
        s.ball(0.1, elbow, d.metal())
        drop = (0, tip[1] - 0.26, tip[2] + 0.3)
        s.rod(tip, drop, 0.12, d.between(0.27, 0.36), shade, 0.03)
        s.ball(0.15, drop, (1.0, 0.93, 0.65))
        return
    shade_height, wide = d.between(0.45, 0.75), d.between(0.38, 0.6)
    narrow = wide * d.between(0.45, 1.0)
    if style == "floor":
        stand = d.between(1.3, 1.6)
        s.rod((0, 0, 0), (0, 0.12, 0), d.between(0.3, 0.42), 0.28, base, 0.03)
        s.rod((0, 0.03, 0), (0, stand + 0.2, 0), 0.085, 0.08, base)
        shade_height *= 0.85
    elif style == "vase":
        stand, r = d.between(0.65, 0.95), d.between(0.24, 0.36)
        s.ball((r, stand * 0.38, r), (0, stand * 0.4, 0), base)
        s.rod((0, 0, 0), (0, stand * 0.25, 0), r * 0.8, r * 0.6, d.near(base, 0.15), 0.03)
        s.rod((0, stand * 0.5, 0), (0, stand + 0.2, 0), 0.1, 0.085, base)
    else:
        stand = d.between(0.65, 1.0)
        r = d.between(0.26, 0.4)
        if d.chance(0.5):
            s.rod((0, 0, 0), (0, d.between(0.12, 0.2), 0), r, r * 0.8, base, 0.04)
        else:
            s.box((r * 1.7, 0.15, r * 1.7), (0, 0.075, 0), base, 0.03)
        s.rod((0, 0.03, 0), (0, stand + 0.2, 0), 0.09, 0.08, base)
        for i in range(d.pick((0, 1, 2))):
            ball = d.between(0.11, 0.17)
            s.ball(ball, (0, 0.25 + i * 0.24, 0), d.near(base, 0.15))
    top = stand + shade_height
    s.rod((0, stand, 0), (0, top, 0), wide, narrow, shade, 0.03)
    if d.chance(0.4):
        trim = d.paint()
        s.rod((0, stand - 0.01, 0), (0, stand + 0.08, 0), wide + 0.02, wide + 0.01, trim)
    if d.chance(0.4):
        s.ball(0.07, (0, top + 0.04, 0), base)
