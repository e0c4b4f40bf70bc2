# SPDX-License-Identifier: Apache-2.0
"""Random numbers and colours for the families: a thin, fast face on a numpy Generator."""

import colorsys

import numpy as np

Colour = tuple[float, float, float]

WOODS: tuple[Colour, ...] = (
    (0.72, 0.50, 0.30),
    (0.55, 0.34, 0.19),
    (0.40, 0.24, 0.14),
    (0.83, 0.66, 0.45),
    (0.90, 0.80, 0.63),
)
GREENS: tuple[Colour, ...] = (
    (0.24, 0.55, 0.24),
    (0.36, 0.64, 0.25),
    (0.16, 0.44, 0.27),
    (0.50, 0.68, 0.24),
    (0.78, 0.50, 0.18),  # autumn
)
METALS: tuple[Colour, ...] = ((0.75, 0.76, 0.78), (0.36, 0.38, 0.42), (0.80, 0.66, 0.34))
DARK: Colour = (0.13, 0.13, 0.15)
WHITE: Colour = (0.93, 0.92, 0.90)
GLASS: Colour = (0.35, 0.55, 0.72)


class Draw:
    """Draws for one program; every method advances the same stream."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._random = generator.random

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self._random()

    def chance(self, probability: float) -> bool:
        return self._random() < probability

    def pick(self, options):
        return options[int(self._random() * len(options))]

    def paint(self) -> Colour:
        """Any clear colour, as of painted things."""
        return colorsys.hsv_to_rgb(
            self._random(), self.between(0.45, 0.85), self.between(0.6, 0.92)
        )

    def pastel(self) -> Colour:
        """A light, soft colour, as of cloth and walls."""
        return colorsys.hsv_to_rgb(
            self._random(), self.between(0.08, 0.35), self.between(0.78, 0.95)
        )

    def near(self, colour: Colour, spread: float = 0.06) -> Colour:
        """The colour a little lighter or darker, and a little off."""
        shift = self.between(-spread, spread)
        return tuple(
            min(0.97, max(0.03, c + shift + self.between(-spread, spread) / 3)) for c in colour
        )

    def wood(self) -> Colour:
        return self.near(self.pick(WOODS))

    def metal(self) -> Colour:
        return self.near(self.pick(METALS), 0.04)
