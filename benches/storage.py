"""Files: many small ones brought in, and large ones hashed and stored.

Hashing is compared with `b3sum`, hashing and storing with `dvc add`, through stages that do just
that: a `command` whose `inputs` is the file, and one that copies it.
"""

import os
import shutil
import struct
import subprocess
import zlib

from measure import fresh, median, note, run, say, seconds, settle, table

SIZE = 4 << 30


def measure(options, folder):
    """All of it."""
    small_files(options, os.path.join(folder, "small"))
    large_file(options, os.path.join(folder, "large"))


def png(number):
    """A tiny image, different for each number."""
    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))

    pixel = struct.pack(">I", number * 2654435761 % (1 << 32))[:3]
    row = b"\0" + pixel + struct.pack(">I", number)[1:] + bytes(18)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(row * 8)) + chunk(b"IEND", b""))


def small_files(options, folder):
    """Images of 8 x 8 pixels."""
    count = 1_000 if options.small else 100_000
    say(f"### {count:,} small files imported\n")
    fresh(folder)
    os.mkdir(os.path.join(folder, ".git"))
    for number in range(count):
        place = os.path.join(folder, f"images/{number // 1000:03}")
        if number % 1000 == 0:
            os.makedirs(place)
        with open(os.path.join(place, f"{number:06}.png"), "wb") as file:
            file.write(png(number))
    with open(os.path.join(folder, "p.yaml"), "w") as file:
        file.write("version: 1\nstages:\n  images: {uses: image.import, with: {path: images}}\n")
    argv = [options.program, "run", "p.yaml"]
    cold, warm, changed = [], [], []
    for round_ in range(min(options.rounds, 3)):
        shutil.rmtree(os.path.join(folder, ".ccsr"), ignore_errors=True)
        settle()
        cold.append(run(argv, folder))
        settle()
        warm.append(run(argv, folder))
        with open(os.path.join(folder, "images/000/000000.png"), "wb") as file:
            file.write(png(count + round_))
        settle()
        changed.append(run(argv, folder))
        note(f"small files, round {round_ + 1}: cold {seconds(cold[-1].seconds)}, unchanged "
             f"{seconds(warm[-1].seconds)}, one changed {seconds(changed[-1].seconds)}")
    rows = [["cold", seconds(median(cold).seconds)], ["unchanged", seconds(median(warm).seconds)],
            ["one changed", seconds(median(changed).seconds)],
            ["peak memory, cold", f"{median(cold).peak_mb:.0f} MB"]]
    for line in table(["", f"median of {len(cold)}"], rows):
        say(line)
    shutil.rmtree(folder)


def large_file(options, folder):
    """One file of 4 GiB."""
    size = SIZE // 100 if options.small else SIZE
    say(f"\n### A file of {size / (1 << 30):.2f} GiB\n")
    fresh(folder)
    ours, theirs = fresh(os.path.join(folder, "ours")), fresh(os.path.join(folder, "dvc"))
    os.mkdir(os.path.join(ours, ".git"))
    big = os.path.join(ours, "big.bin")
    with open(big, "wb") as file:
        block = os.urandom(1 << 20)
        for number in range(size >> 20):
            file.write(number.to_bytes(8, "little") + block[8:])
    with open(os.path.join(ours, "rows.txt"), "w") as file:
        file.write("big.bin\n")
    head = ("version: 1\nstages:\n  rows: {uses: table.import, with: {path: rows.txt, column: file}}\n"
            "  big:\n    uses: command\n    from: rows\n    with:\n      stdin: none\n")
    with open(os.path.join(ours, "hash.yaml"), "w") as file:
        file.write(head + "      argv: [\"true\"]\n      inputs: [big.bin]\n"
                   "      columns: {found: int}\n      rows: many\n")
    with open(os.path.join(ours, "store.yaml"), "w") as file:
        file.write(head + "      argv: [cp, \"{file}\", \"{out.copy}\"]\n      inputs: [big.bin]\n"
                   "      files: {copy: {type: blob}}\n")
    forget = lambda: shutil.rmtree(os.path.join(ours, ".ccsr"), ignore_errors=True)
    b3sum, dvc = shutil.which("b3sum"), shutil.which("dvc")
    sides = {"ccsr-flow, hash": lambda: (forget(), run([options.program, "run", "hash.yaml"], ours))[1]}
    if b3sum:
        sides["b3sum (memory-mapped, all cores)"] = lambda: run([b3sum, "big.bin"], ours)
        sides["b3sum --no-mmap (streamed, one core)"] = lambda: run([b3sum, "--no-mmap", "big.bin"], ours)
    else:
        note("b3sum is not here (cargo install b3sum); it is left out")
    sides["ccsr-flow, `cp`, hash and store"] = (
        lambda: (forget(), run([options.program, "run", "store.yaml"], ours))[1])
    if dvc:
        os.link(big, os.path.join(theirs, "big.bin"))
        sides["dvc add"] = lambda: dvc_add(dvc, theirs, big)
    else:
        note("dvc is not here (pip install dvc, and --venv); it is left out")
    measured = {name: [] for name in sides}
    for round_ in range(options.rounds):
        for name, side in sides.items():
            settle()
            measured[name].append(side())
            note(f"large file, round {round_ + 1}: {name} {seconds(measured[name][-1].seconds)}")
    rows = [[name, seconds(median(of).seconds), f"{size / median(of).seconds / 1e9:.2f} GB/s",
             f"{median(of).peak_mb:.0f} MB"] for name, of in measured.items()]
    for line in table(["", "median", "rate", "peak memory"], rows):
        say(line)


def dvc_add(dvc, folder, big):
    """Adds the file to a new DVC project."""
    fresh(folder)
    shutil.copyfile(big, os.path.join(folder, "big.bin"))
    subprocess.run([dvc, "init", "--no-scm", "--quiet"], cwd=folder, check=True)
    settle()
    return run([dvc, "add", "--quiet", "big.bin"], folder)
