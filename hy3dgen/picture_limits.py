# SPDX-License-Identifier: Apache-2.0
"""Which pictures are decoded at all, in which sizes; whoever opens one asks here."""

# The kinds that Pillow decodes by itself, as it calls them. Left out on purpose: EPS, for which it
# starts Ghostscript, a program that runs what the file says; WMF, which Windows itself would draw;
# and kinds without pictures in them that whatever else is installed may take over.
FORMATS = (
    *("PNG", "JPEG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "PPM", "TGA", "ICO", "ICNS", "CUR"),
    *("JPEG2000", "AVIF", "PSD", "DDS", "QOI", "PCX", "DCX", "SGI", "SUN", "XBM", "XPM"),
)
# Below Pillow's own warning threshold of 89 million; a decoded picture then takes up to 320 MB.
MAX_PIXELS = 80_000_000
