"""Answers questions about images by looking at their pixels. Needs nothing but Python 3.

Reads a JSON object a line, whose `image` is the path of a PNG. Writes a list a line: the answers
about the image in the same place, with the columns that `score.answers` reads.
"""

import json
import struct
import sys
import zlib

BRIGHT = 110  # of 255


def read_png(path):
    """The brightness of each pixel, row by row. ccsr-flow's images are 8-bit RGB, not interlaced."""
    with open(path, "rb") as file:
        data = file.read()
    packed, at = b"", 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
            if (depth, colour) != (8, 2):
                raise ValueError(f"{path}: expected 8-bit RGB")
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    raw, stride = zlib.decompress(packed), width * 3
    above, rows = bytearray(stride), []
    for start in range(0, height * (stride + 1), stride + 1):
        kind, line = raw[start], bytearray(raw[start + 1 : start + 1 + stride])
        for x in range(stride):
            left = line[x - 3] if x >= 3 else 0
            corner = above[x - 3] if x >= 3 else 0
            line[x] = (line[x] + predicted(kind, left, above[x], corner)) & 255
        rows.append([sum(line[x : x + 3]) / 3 for x in range(0, stride, 3)])
        above = line
    return rows


def predicted(kind, left, up, corner):
    """What a PNG filter expects of a byte."""
    if kind == 1:
        return left
    if kind == 2:
        return up
    if kind == 3:
        return (left + up) // 2
    if kind == 4:
        near = left + up - corner
        return min((left, up, corner), key=lambda byte: abs(near - byte))
    return 0


def mean(rows):
    pixels = [pixel for row in rows for pixel in row]
    return sum(pixels) / len(pixels)


def answers(rows):
    """Each question's answer, with how clear it is: from -1 (no) to 1 (yes)."""
    third = len(rows) // 3
    sky, ground = mean(rows[:third]), mean(rows[-third:])
    middle = mean([row[third:-third] for row in rows[third:-third]])
    yield "bright-sky", (sky - BRIGHT) / 255
    yield "dark-ground", (sky - ground) / 255
    yield "subject", abs(middle - mean(rows)) / 255 - 0.02


for line in sys.stdin:
    image = read_png(json.loads(line)["image"])
    given = [
        {"question": question, "answer": "yes" if margin > 0 else "no", "margin": margin}
        for question, margin in answers(image)
    ]
    print(json.dumps(given))
