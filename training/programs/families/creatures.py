# SPDX-License-Identifier: Apache-2.0
"""Animals, robots, snowmen, trees and mushrooms. Faces look along +z."""

import math

from ..draw import DARK, GREENS, WHITE, Draw
from ..shape import SUBTRACT, Shape

FURS = (
    (0.62, 0.42, 0.25),
    (0.82, 0.66, 0.45),
    (0.36, 0.26, 0.2),
    (0.9, 0.87, 0.82),
    (0.55, 0.55, 0.58),
    (0.86, 0.55, 0.25),
)


def animal(d: Draw, s: Shape) -> None:
    kind = d.pick(("dog", "cat", "horse", "cow", "pig", "giraffe", "elephant", "sheep"))
    leg, neck, body, girth, head = {
        "dog": (0.42, 0.2, 0.42, 0.24, 0.2),
        "cat": (0.34, 0.12, 0.42, 0.22, 0.21),
        "horse": (0.66, 0.45, 0.48, 0.27, 0.19),
        "cow": (0.46, 0.12, 0.55, 0.34, 0.22),
        "pig": (0.24, 0.04, 0.48, 0.34, 0.24),
        "giraffe": (0.72, 0.95, 0.38, 0.25, 0.17),
        "elephant": (0.45, 0.05, 0.52, 0.42, 0.3),
        "sheep": (0.36, 0.1, 0.42, 0.38, 0.19),
    }[kind]
    leg, neck = leg * d.between(0.85, 1.15), neck * d.between(0.85, 1.2)
    body, girth = body * d.between(0.9, 1.12), girth * d.between(0.88, 1.12)
    fur = {
        "elephant": (0.56, 0.57, 0.62),
        "giraffe": (0.9, 0.7, 0.32),
        "sheep": (0.94, 0.92, 0.88),
        "pig": (0.95, 0.68, 0.68),
    }.get(kind) or d.pick(FURS)
    fur = d.near(fur, 0.05)
    skin = d.near((0.25, 0.22, 0.22), 0.04) if kind == "sheep" else fur
    thick = {"elephant": 0.15, "cow": 0.1, "pig": 0.1}.get(kind, 0.085) * d.between(0.95, 1.2)
    y = leg + girth * 0.75
    s.ball((girth, girth * 0.95, body + girth * 0.55), (0, y, 0), fur)
    reach = body * 0.72
    for x in (-1, 1):
        for z in (-1, 1):
            hip = (x * girth * 0.55, y - girth * 0.3, z * reach)
            foot = (x * girth * 0.58, 0, z * reach + 0.02)
            s.rod(foot, hip, thick, thick * 1.15, skin, 0.03, k=0.06)
    rise = math.radians(d.between(25, 50) if kind not in ("giraffe", "horse") else 62)
    base = (0, y + girth * 0.4, body * 0.8)
    far = neck + head * 0.9
    face = (0, base[1] + far * math.sin(rise), base[2] + far * math.cos(rise))
    s.limb(base, face, max(head * 0.6, 0.1), skin if kind == "sheep" else fur, k=0.08)
    s.ball((head * 0.92, head * 0.95, head * 1.05), face, skin, k=0.04)
    nose = (0, face[1] - head * 0.3, face[2] + head * 1.0)
    if kind == "elephant":
        tip = (0, max(face[1] - head * 2.3, 0.1), face[2] + head * 1.3)
        s.limb((0, face[1] - head * 0.3, face[2] + head * 0.7), tip, 0.1, fur, k=0.05)
        for x in (-1, 1):
            ear = (x * head * 1.15, face[1] + 0.03, face[2] - head * 0.25)
            s.ball((head * 0.75, head * 0.95, 0.075), ear, d.near(fur), (0, -x * 25, 0))
            s.limb(
                (x * head * 0.5, face[1] - head * 0.6, face[2] + head * 0.7),
                (x * head * 0.55, face[1] - head * 0.85, face[2] + head * 1.6),
                0.05,
                WHITE,
            )
    else:
        long = {"horse": 0.75, "giraffe": 0.6, "cow": 0.5, "dog": 0.5}.get(kind, 0.28) * head
        muzzle = d.near(fur, 0.12) if kind != "sheep" else skin
        end = (0, nose[1] - long * 0.3, nose[2] - head * 0.25 + long)
        wide = head * (0.6 if kind in ("cow", "pig") else 0.48)
        s.limb((0, face[1] - head * 0.2, face[2] + head * 0.4), end, max(wide, 0.07), muzzle)
        s.ball(0.055, (0, end[1] + wide * 0.4, end[2] + wide * 0.8), DARK)
        for x in (-1, 1):
            root = (x * head * 0.6, face[1] + head * 0.6, face[2] - head * 0.1)
            if kind == "cat" or kind == "pig":
                tip = (root[0] * 1.15, root[1] + head * 0.65, root[2])
                s.rod(root, tip, 0.085, 0.04, skin, 0.03)
            elif kind == "dog":
                flop = (x * head * 1.0, face[1] - head * 0.05, face[2])
                s.ball((0.06, head * 0.6, head * 0.38), flop, d.near(fur, 0.15), (0, 0, x * 14))
            elif kind in ("cow", "sheep"):
                side = (x * head * 1.35, face[1] + head * 0.35, face[2] - head * 0.1)
                s.limb((x * head * 0.7, face[1] + head * 0.3, root[2]), side, 0.065, skin)
            else:
                tip = (root[0] * 1.1, root[1] + head * 0.75, root[2] - 0.02)
                s.rod(root, tip, 0.07, 0.04, skin, 0.03)
    for x in (-1, 1):
        eye = (x * head * 0.52, face[1] + head * 0.32, face[2] + head * 0.72)
        s.ball(0.045, eye, DARK)
    stern = -(body + girth * 0.45)
    if kind in ("dog", "cat"):
        up = d.between(0.15, 0.5)
        s.limb(
            (0, y + girth * 0.2, stern + 0.1), (0, y + girth * 0.3 + up, stern - 0.12), 0.055, fur
        )
    elif kind in ("pig", "sheep"):
        s.ball(0.09, (0, y + 0.06, stern - 0.02), fur)
    else:
        end = (0, y - girth * d.between(0.5, 1.0), stern - 0.12)
        s.limb((0, y + girth * 0.3, stern + 0.08), end, 0.055, d.near(fur, 0.15))
    if kind in ("cow", "horse", "dog") and d.chance(0.5):
        x = d.pick((-1, 1))
        spot = (x * girth * 0.5, y + girth * 0.25, d.between(-0.4, 0.3) * body)
        s.ball((girth * 0.55, girth * 0.72, girth * 0.7), spot, d.pick((WHITE, DARK)))


def robot(d: Draw, s: Shape) -> None:
    metal, trim = d.pick((d.metal(), d.paint(), d.pastel())), d.paint()
    width, depth, chest = d.between(0.55, 0.8), d.between(0.36, 0.5), d.between(0.55, 0.75)
    leg, stance = d.between(0.35, 0.55), width * d.between(0.25, 0.3)
    limb = d.between(0.08, 0.12)
    hip = leg + 0.08
    if d.chance(0.2):  # tracks instead of legs
        for x in (-1, 1):
            s.box((0.24, 0.32, depth * 1.7), (x * width * 0.42, 0.16, 0), DARK, 0.14)
            s.box((0.27, 0.12, depth * 1.2), (x * width * 0.42, 0.16, 0), trim, 0.05)
        hip = 0.3
        s.box((width * 0.7, 0.2, depth * 0.7), (0, hip - 0.06, 0), metal)
    else:
        for x in (-1, 1):
            s.rod((x * stance, 0.08, 0), (x * stance, hip + 0.22, 0), limb, limb, d.near(metal))
            s.box((0.26, 0.15, depth * 0.95), (x * stance, 0.075, 0.06), trim, 0.04)
    top = hip + chest
    if d.chance(0.7):
        s.box((width, chest, depth), (0, hip + chest / 2, 0), metal, d.between(0.03, 0.09))
    else:
        s.rod((0, hip, 0), (0, top, 0), width * 0.42, width * 0.52, metal, 0.06)
        depth = width * 0.9
    panel = (0, hip + chest * 0.55, depth / 2 - 0.02)
    s.box((width * 0.55, chest * 0.45, 0.08), panel, d.near(trim, 0.1))
    for i in range(d.pick((1, 2, 3))):
        at = ((i - 1) * width * 0.16, hip + chest * 0.6, depth / 2 + 0.015)
        s.ball(0.05, at, d.paint())
    head_width, head = d.between(0.42, 0.6), d.between(0.36, 0.48)
    s.rod((0, top - 0.3, 0), (0, top + 0.3, 0), 0.13, 0.13, DARK)
    y = top + 0.07 + head / 2
    if d.chance(0.65):
        s.box((head_width, head, head_width * 0.85), (0, y, 0), metal, d.between(0.03, 0.1))
        front = head_width * 0.425
    else:
        s.ball((head_width * 0.5, head * 0.55, head_width * 0.5), (0, y, 0), metal)
        front = head_width * 0.45
    glow = d.pick(((1.0, 0.9, 0.3), (0.3, 0.9, 1.0), (1.0, 0.35, 0.3)))
    if d.chance(0.7):
        for x in (-1, 1):
            eye = (x * head_width * 0.23, y + 0.04)
            s.rod((*eye, front - 0.12), (*eye, front + 0.03), 0.08, 0.07, glow)
    else:
        s.box((head_width * 0.7, 0.12, 0.1), (0, y + 0.04, front - 0.02), glow, 0.03)
    s.box((head_width * 0.4, 0.08, 0.08), (0, y - head * 0.3, front - 0.03), DARK)
    if d.chance(0.6):
        up = y + head / 2
        s.rod((0, up - 0.05, 0), (0, up + 0.17, 0), 0.045, 0.045, DARK)
        s.ball(0.08, (0, up + 0.2, 0), glow)
    else:
        for x in (-1, 1):
            ear = head_width / 2
            s.rod((x * (ear - 0.04), y, 0), (x * (ear + 0.08), y, 0), 0.1, 0.07, trim)
    swing, reach = d.between(0.05, 0.25), d.between(0.3, 0.45)
    for x in (-1, 1):
        shoulder = (x * (width / 2 + 0.04), top - 0.14, 0)
        hand = (x * (width / 2 + 0.1 + swing), top - 0.2 - reach, d.between(0.0, 0.2))
        s.ball(0.13, shoulder, trim)
        s.limb(shoulder, hand, limb * 0.9, d.near(metal))
        s.ball(0.12, hand, trim)


def snowman(d: Draw, s: Shape) -> None:
    snow = d.near((0.93, 0.95, 0.97), 0.03)
    low = d.between(0.42, 0.54)
    middle, head = low * d.between(0.7, 0.82), low * d.between(0.5, 0.62)
    y1 = low * 0.88
    y2 = y1 + (low + middle) * 0.74
    y3 = y2 + (middle + head) * 0.78
    s.ball((low, low * 0.9, low), (0, y1, 0), snow)
    s.ball(middle, (0, y2, 0), snow, k=0.04)
    s.ball(head, (0, y3, 0), snow, k=0.03)
    s.rod(
        (0, y3, head * 0.8),
        (0, y3 - 0.02, head + d.between(0.18, 0.32)),
        0.08,
        0.03,
        (0.95, 0.5, 0.13),
    )
    for x in (-1, 1):
        s.ball(0.052, (x * head * 0.36, y3 + head * 0.3, head * 0.88), DARK)
    for i in range(3):
        tilt = math.radians(32 - 28 * i)
        s.ball(0.055, (0, y2 + middle * math.sin(tilt), middle * math.cos(tilt)), DARK)
    wood, lift = (0.42, 0.28, 0.17), d.between(0.05, 0.4)
    for x in (-1, 1):
        hand = (x * (middle + d.between(0.35, 0.5)), y2 + lift, 0.1)
        s.limb((x * middle * 0.8, y2 + 0.05, 0), hand, 0.06, wood)
        if d.chance(0.4):
            s.ball(0.1, hand, d.paint())
    scarf = d.paint()
    if d.chance(0.75):
        y = (y2 + middle * 0.72 + y3 - head * 0.72) / 2
        s.ring(head * 0.72, 0.09, (0, y, 0), scarf)
        s.box((0.16, 0.36, 0.1), (head * 0.42, y - 0.17, middle * 0.78), scarf, 0.03, (-10, 0, 8))
    hat = d.pick(("top", "top", "bobble", "bucket"))
    top, cloth = y3 + head * 0.68, d.pick((DARK, d.paint()))
    if hat == "top":
        crown = d.between(0.26, 0.42)
        s.rod((0, top, 0), (0, top + 0.09, 0), head * 1.05, head * 1.05, cloth)
        s.rod((0, top, 0), (0, top + crown, 0), head * 0.66, head * 0.7, cloth)
        s.rod((0, top + 0.07, 0), (0, top + 0.16, 0), head * 0.7, head * 0.7, scarf)
    elif hat == "bobble":
        s.ball((head * 0.93, head * 0.8, head * 0.93), (0, y3 + head * 0.42, -0.02), cloth)
        s.ball(0.11, (0, y3 + head * 1.25, -0.02), WHITE)
    else:
        s.rod((0, top - 0.03, 0), (0, top + 0.34, 0), head * 0.78, head * 0.5, cloth)


def tree(d: Draw, s: Shape) -> None:
    style = d.pick(("fir", "fir", "round", "cloud", "cloud", "poplar"))
    leaf, bark = d.near(d.pick(GREENS), 0.05), d.near((0.44, 0.3, 0.19), 0.05)
    trunk, r = d.between(0.35, 0.6), d.between(0.11, 0.17)
    if d.chance(0.2):
        pot = d.between(0.26, 0.34)
        s.rod(
            (0, 0, 0), (0, 0.34, 0), pot * 0.75, pot, d.pick(((0.75, 0.4, 0.26), d.paint())), 0.03
        )
        trunk += 0.3
    if style == "fir":
        s.rod((0, 0, 0), (0, trunk + 0.7, 0), r * 1.15, r, bark)
        tiers, wide = d.pick((2, 3, 3, 4)), d.between(0.48, 0.7)
        y, height = trunk * 0.75, d.between(1.3, 1.6)
        step = height / (tiers + 0.6)
        for i in range(tiers):
            t = i / tiers
            low = wide * (1 - 0.75 * t)
            tip = 0.03 if i == tiers - 1 else low * 0.3
            shade = d.near(leaf, 0.04)
            s.rod((0, y, 0), (0, y + step * 1.55, 0), low, tip, shade, 0.03)
            y += step
        if d.chance(0.25):
            s.ball(0.1, (0, y + step * 0.6, 0), (1.0, 0.83, 0.25))
    elif style == "poplar":
        wide, height = d.between(0.3, 0.42), d.between(0.7, 0.85)
        s.rod((0, 0, 0), (0, trunk + 0.3, 0), r * 1.2, r, bark)
        s.ball((wide, height, wide), (0, trunk + height * 0.85, 0), leaf)
    elif style == "round":
        crown = d.between(0.48, 0.65)
        squash = d.between(0.85, 1.15)
        y = trunk + crown * squash * 0.8
        s.rod((0, 0, 0), (0, y, 0), r * 1.3, r, bark)
        s.ball((crown, crown * squash, crown), (0, y, 0), leaf)
        if d.chance(0.5):
            fruit = d.pick(((0.85, 0.2, 0.18), (0.95, 0.65, 0.2), (0.95, 0.75, 0.8)))
            for i in range(6):
                a, h = math.radians(90 + (i - 2.5) * 40), (-0.25, 0.35, 0.05)[i % 3]
                ring = crown * math.sqrt(1 - h * h)
                at = (ring * math.cos(a), y + h * crown * squash, ring * math.sin(a))
                s.ball(0.085, at, fruit)
    else:
        y = trunk + 0.35
        s.rod((0, 0, 0), (0, y, 0), r * 1.35, r, bark)
        s.ball(d.between(0.4, 0.5), (0, y + 0.12, 0), leaf)
        count, start = d.pick((3, 4, 5)), d.between(0, 360)
        for i in range(count):
            a = math.radians(start + 360 * i / count)
            lump, out = d.between(0.28, 0.4), d.between(0.26, 0.38)
            at = (out * math.cos(a), y + d.between(-0.05, 0.2), out * math.sin(a))
            s.ball(lump, at, d.near(leaf, 0.05), k=0.05)
        s.ball(d.between(0.28, 0.38), (0, y + 0.48, 0), d.near(leaf, 0.05), k=0.05)
        if d.chance(0.4):
            x = d.pick((-1, 1))
            s.limb((0, trunk * 0.6, 0), (x * 0.3, trunk + 0.15, 0.02), 0.06, bark)


def mushroom(d: Draw, s: Shape) -> None:
    cap_colour = (0.82, 0.16, 0.13) if d.chance(0.35) else d.pick((d.paint(), d.wood()))
    stem_colour = d.near((0.93, 0.88, 0.78), 0.04)

    def one(x, z, scale, cap, high, spots):
        stem, r = d.between(0.55, 0.95) * scale, d.between(0.15, 0.26) * scale
        y = stem
        if spots >= 0:
            s.ball((cap, high, cap), (x, y, z), cap_colour)
            cut = (2.5 * cap, high, 2.5 * cap)
            s.box(cut, (x, y - high / 2, z), stem_colour, 0.0, op=SUBTRACT)
        s.rod((x, 0, z), (x, y + high * 0.4, z), r * d.between(1.05, 1.5), r, stem_colour, 0.04)
        for i in range(spots):
            turn = math.radians(90 + (i - (spots - 1) / 2) * 360 / max(spots, 1))
            up = math.radians(30 if i % 2 else 48)
            ring = cap * math.cos(up)
            at = (x + ring * math.cos(turn), y + high * math.sin(up), z + ring * math.sin(turn))
            s.ball(0.1 * d.between(0.8, 1.2), at, WHITE)
        if spots >= 0 and d.chance(0.4):
            s.ring(r * 1.05, 0.06 * scale, (x, y * 0.72, z), stem_colour)

    wide, high = d.between(0.55, 0.85), d.between(0.45, 0.65)
    spots = d.pick((0, 5, 6, 7))
    one(0.0, 0.0, 1.0, wide, high, spots)
    if d.chance(0.35):  # a small one beside it, its cap a cone so that no cutter touches the first
        x = d.pick((-1, 1)) * (wide * 0.55 + 0.12)
        h, r = d.between(0.3, 0.4), d.between(0.26, 0.34)
        z = wide * 0.35
        s.rod((x, 0, z), (x, h + 0.1, z), 0.12, 0.1, stem_colour)
        s.rod((x, h, z), (x, h + 0.3, z), r, 0.05, cap_colour, 0.04)
        s.rod((0, 0, 0), (x, 0.06, z), 0.14, 0.1, stem_colour)
