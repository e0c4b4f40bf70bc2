# SPDX-License-Identifier: Apache-2.0
"""Mugs, bottles and houses. Doors and labels face +z."""

from ..draw import DARK, GLASS, WHITE, Draw
from ..shape import SUBTRACT, Shape


def mug(d: Draw, s: Shape) -> None:
    r, height = d.between(0.45, 0.65), d.between(0.85, 1.35)
    top, wall = r * d.between(0.9, 1.18), d.between(0.1, 0.14)
    glaze = d.pick((d.paint(), d.pastel(), d.near(WHITE, 0.03)))
    trim = d.paint()
    s.rod((0, 0, 0), (0, height, 0), r, top, glaze, d.between(0.02, 0.06))
    mean = (r + top) / 2
    for i in range(d.pick((0, 0, 1, 2))):
        y = height * (0.3 + 0.4 * i)
        at = r + (top - r) * y / height
        s.rod((0, y - 0.06, 0), (0, y + 0.06, 0), at + 0.015, at + 0.015, trim, 0.01)
    side, grip = d.pick((-1, 1, 1)), d.between(0.065, 0.095)
    colour = trim if d.chance(0.3) else glaze
    y = height * d.between(0.46, 0.56)
    if d.chance(0.6):
        ring = d.between(0.24, 0.32) * min(height, 1.1)
        s.ring(ring, grip, (side * (mean + ring * 0.45), y, 0), colour, (90, 0, 0))
    else:
        reach, half = d.between(0.26, 0.38), height * d.between(0.22, 0.3)
        out = side * (mean + reach)
        for h in (-half, half):
            s.limb((side * (mean - 0.08), y + h, 0), (out, y + h, 0), grip, colour)
        s.limb((out, y - half, 0), (out, y + half, 0), grip, colour)
    # The cavity reaches beyond the rim, so that the rim stays flat and open.
    low, deep = r - wall, top - wall
    slope = (deep - low) / height
    s.rod(
        (0, wall, 0),
        (0, height + 0.2, 0),
        low + slope * wall,
        deep + slope * 0.2,
        d.near(glaze, 0.06) if d.chance(0.6) else WHITE,
        0.03,
        op=SUBTRACT,
    )
    if d.chance(0.5):
        fill = height * d.between(0.6, 0.85)
        drink = d.pick(((0.32, 0.18, 0.1), (0.6, 0.3, 0.1), (0.78, 0.62, 0.45)))
        wide = r - wall / 2 + slope * fill
        s.rod((0, wall * 0.5, 0), (0, fill, 0), r - wall / 2, wide, drink, 0.01)


def bottle(d: Draw, s: Shape) -> None:
    style = d.pick(("wine", "soda", "jar", "flask", "square", "pump"))
    glass, label = d.paint() if d.chance(0.7) else d.pastel(), d.near(WHITE, 0.06)
    if d.chance(0.4):
        label = d.paint()
    cap = d.pick((DARK, WHITE, d.paint(), (0.85, 0.7, 0.35)))
    r, body = d.between(0.28, 0.38), d.between(0.75, 1.05)
    neck, neck_height, shoulder = d.between(0.1, 0.14), d.between(0.3, 0.5), d.between(0.15, 0.35)
    if style == "jar":
        r, body, neck, neck_height, shoulder = r * 1.3, body * 0.8, r * 1.05, 0.12, 0.14
    elif style == "flask":
        s.ball((r * 1.6, r * 1.5, r * 1.6), (0, r * 1.3, 0), glass)
        s.rod((0, 0, 0), (0, 0.2, 0), r * 1.0, r * 1.0, glass)
        body, shoulder = r * 2.3, 0.3
    elif style == "pump":
        neck_height = 0.16
    if style == "square":
        depth = d.between(1.1, 2.0) * r
        s.box((2 * r, body, depth), (0, body / 2, 0), glass, 0.07)
        s.box((1.5 * r, body * 0.5, 0.08), (0, body * 0.48, depth / 2 - 0.02), label)
        s.rod((0, body - 0.03, 0), (0, body + shoulder, 0), depth * 0.42, neck, glass)
    else:
        if style != "flask":
            s.rod((0, 0, 0), (0, body, 0), r, r, glass, 0.05)
            low, high = body * d.between(0.15, 0.3), body * d.between(0.65, 0.85)
            s.rod((0, low, 0), (0, high, 0), r + 0.015, r + 0.015, label, 0.01)
        wide = r * 0.96 if style != "flask" else r * 0.75
        if style in ("wine", "soda") and d.chance(0.5):
            s.ball((wide, shoulder + 0.12, wide), (0, body - 0.06, 0), glass)
        else:
            s.rod((0, body - 0.05, 0), (0, body + shoulder, 0), wide, neck, glass, 0.03)
    y = body + shoulder
    top = y + neck_height
    s.rod((0, body * 0.4, 0), (0, top, 0), neck, neck * 0.95, glass)
    if style == "pump":
        s.rod((0, y, 0), (0, y + 0.14, 0), neck * 1.4, neck * 1.4, cap)
        s.rod((0, y + 0.1, 0), (0, y + 0.4, 0), 0.06, 0.06, cap)
        s.box((0.22, 0.1, 0.42), (0, y + 0.4, 0.1), cap, 0.04)
    elif style == "wine":
        s.rod((0, top - 0.2, 0), (0, top + 0.03, 0), neck + 0.02, neck + 0.015, cap)
    else:
        grow = 1.1 if style == "jar" else 1.3
        s.rod((0, top - 0.08, 0), (0, top + 0.1, 0), neck * grow, neck * grow, cap, 0.02)


def house(d: Draw, s: Shape) -> None:
    wall = d.pastel() if d.chance(0.7) else d.pick((WHITE, (0.72, 0.42, 0.33)))
    tiles = d.pick(((0.68, 0.27, 0.2), (0.45, 0.3, 0.24), (0.35, 0.4, 0.48), d.paint()))
    door, frame = d.pick((d.wood(), d.paint())), d.near(WHITE, 0.03)
    width, depth, height = d.between(1.1, 1.6), d.between(0.95, 1.4), d.between(0.65, 1.2)
    roof, eave = d.between(0.45, 0.8), d.between(0.1, 0.18)
    s.box((width, height, depth), (0, height / 2, 0), wall, 0.01)
    style, y = d.pick(("gable", "side", "side", "flat", "tent")), height + roof / 2 - 0.03
    core = (width * 0.4, depth * 0.9) if style == "gable" else (width * 0.8, depth * 0.35)
    if style != "flat":  # fills the seam between wall and roof
        low, high = height * 0.5, height + roof * (0.4 if style == "tent" else 0.5)
        s.box((core[0], high - low, core[1]), (0, (low + high) / 2, 0), wall)
    if style == "gable":  # the triangle faces the front
        s.prism(width + 2 * eave, 0.0, roof, depth + eave, (0, y, 0), tiles)
        s.prism(width * 0.9, 0.0, roof * 0.85, depth + 0.04, (0, y - roof * 0.075, 0.07), wall)
        if d.chance(0.6):
            attic = (0, height + roof * 0.24)
            z = depth / 2 + 0.07
            s.rod((*attic, z - 0.1), (*attic, z + 0.04), 0.11, 0.11, GLASS)
    elif style == "side":
        s.prism(depth + 2 * eave, 0.0, roof, width + eave, (0, y, 0), tiles, rot=(0, 90, 0))
    elif style == "tent":  # hipped: two wedges, one across the other, share the ridge
        wide, flat = depth + 2 * eave, depth * 0.15
        s.prism(wide, flat, roof, width + 2 * eave - 0.4, (0, y, 0), tiles, rot=(0, 90, 0))
        s.prism(width + 2 * eave, width * 0.45, roof, wide - 0.3, (0, y, 0), d.near(tiles, 0.03))
    else:
        roof = 0.14
        s.box((width + eave, roof, depth + eave), (0, height + roof / 2 - 0.02, 0), tiles)
        if d.chance(0.6):
            upper = height * d.between(0.5, 0.7)
            x = d.pick((-1, 1)) * width * 0.2
            s.box((width * 0.55, upper, depth * 0.8), (x, height + upper / 2, -0.02), wall, 0.01)
            at = (x, height + upper, -0.02)
            s.box((width * 0.6, 0.12, depth * 0.88), at, tiles)
            pane = (x, height + upper * 0.5, depth * 0.4 - 0.035)
            s.box((width * 0.3, upper * 0.4, 0.1), pane, GLASS)
    front = depth / 2
    place = d.pick((0.0, 0.0, -0.28, 0.28))
    door_height = min(0.52, height * 0.68)
    s.box((0.3, door_height, 0.1), (place * width, door_height / 2, front - 0.015), door, 0.015)
    panes = (-0.3, 0.3) if place == 0 else (-0.05 - place * 0.6, -place * 1.2)
    panes = panes if place == 0 else ((-0.3 if place > 0 else 0.3), (0.05 if place > 0 else -0.05))
    floors = 2 if height > 0.95 and style != "flat" else 1
    pane = d.between(0.22, 0.28)
    for floor in range(floors):
        h = height * (0.55 if floors == 1 else (0.3, 0.76)[floor])
        for x in panes:
            s.box((pane + 0.08, pane + 0.08, 0.1), (x * width, h, front - 0.03), frame, 0.01)
            s.box((pane, pane, 0.1), (x * width, h, front - 0.015), GLASS, 0.01)
    for x in (-1, 1):
        side = (x * (width / 2 - 0.02), height * 0.55, 0.0)
        s.box((0.11, pane + 0.04, pane + 0.1), side, GLASS, 0.01)
    if style != "flat" and d.chance(0.7):
        x, z = d.pick((-1, 1)) * width * 0.27, -depth * d.between(0.05, 0.2)
        rise = height + roof + d.between(-0.05, 0.15)
        low = height * 0.8
        s.box((0.2, rise - low, 0.2), (x, (rise + low) / 2, z), (0.6, 0.36, 0.3), 0.01)
        s.box((0.25, 0.1, 0.25), (x, rise - 0.02, z), DARK, 0.01)
    if d.chance(0.3):
        s.box((0.5, 0.1, 0.26), (place * width, 0.045, front + 0.1), (0.6, 0.6, 0.6))
    if d.chance(0.25):
        x = d.pick((-1, 1))
        wing, low = d.between(0.45, 0.6), height * d.between(0.5, 0.62)
        at = (x * (width / 2 + wing / 2 - 0.02), low / 2, -depth * 0.08)
        s.box((wing, low, depth * 0.75), at, d.near(wall, 0.03), 0.01)
        ridge = (at[0], low + 0.13, at[2])
        s.prism(depth * 0.75 + 0.2, 0.1, 0.3, wing + 0.1, ridge, tiles, rot=(0, 90, 0))
