#!/usr/bin/env python3
"""Measures ccsr-flow beside ninja, make, Snakemake, redun and DVC, and alone at its limits.

    benches/workflows.py copies              N independent copies, a chain: everybody
    benches/workflows.py scale               the paper's pipeline, a million units, 10,000 stages
    benches/workflows.py files               100,000 small files; 4 GB hashed and stored
    benches/workflows.py                     all of it

Both sides run in turn (A B A B …), the medians of `--rounds` are printed as Markdown. It installs
nothing; what is missing is said and left out. README.md beside it says how to get the others.
"""

import argparse
import datetime
import os
import shutil
import sys
import tempfile

import scale
import storage
import tools
from measure import Failed, machine, median, note, run, say, seconds, settle, table

HERE = os.path.dirname(os.path.abspath(__file__))


def arguments():
    """What was typed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=[[], "copies", "scale", "files"],
                        help="what to measure; everything by default")
    parser.add_argument("--program", default=os.path.join(HERE, "../target/release/ccsr-flow"),
                        help="the release build")
    parser.add_argument("--venv", help="the virtual environment with snakemake, redun and dvc")
    parser.add_argument("--folder", help="where to work; a temporary folder by default")
    parser.add_argument("--rounds", type=int, default=5, help="how often each side runs")
    parser.add_argument("--slow-rounds", type=int, default=1,
                        help="how often tools run that take minutes")
    parser.add_argument("--only", help="tools, with commas between: ninja,ccsr-flow")
    parser.add_argument("--sizes", default="1000,10000", help="numbers of copies")
    parser.add_argument("--chain", type=int, default=1000, help="length of the chain; 0: none")
    parser.add_argument("--small", action="store_true",
                        help="a hundredth of everything: to try the script out")
    return parser.parse_args()


def found(options):
    """The tools that there are."""
    def of_venv(name):
        path = os.path.join(options.venv, "bin", name) if options.venv else None
        return path if path and os.path.exists(path) else shutil.which(name)

    known = [
        (tools.Ours, os.path.abspath(options.program), "cargo build --release"),
        (tools.Ninja, shutil.which("ninja"), "apt-get install ninja-build"),
        (tools.Make, shutil.which("make"), "apt-get install make"),
        (tools.Snakemake, of_venv("snakemake"), "pip install snakemake, and --venv"),
        (tools.Redun, of_venv("redun"), "pip install redun, and --venv"),
        (tools.Dvc, of_venv("dvc"), "pip install dvc, and --venv"),
    ]
    only = options.only.split(",") if options.only else None
    for tool, path, how in known:
        if only and tool.name not in only:
            continue
        if path and os.path.exists(path):
            yield tool(path)
        else:
            note(f"{tool.name} is not here ({how}); it is left out")


def copies(options, folder):
    """The table of copies, for each shape and size."""
    present = list(found(options))
    say("| tool | version |\n|---|---|")
    for tool in present:
        say(f"| {tool.name} | {tool.version()} |")
    sizes = [("copies", int(size)) for size in options.sizes.split(",") if size]
    if options.chain:
        sizes.append(("chain", options.chain))
    for shape, count in sizes:
        count = max(count // 100, 3) if options.small else count
        say(f"\n### {'Independent copies' if shape == 'copies' else 'A chain'}: {count:,}\n")
        for line in compared(options, present, shape, count, folder):
            say(line)


def compared(options, present, shape, count, folder):
    """One table: the tools run in turn, round by round."""
    folders, measured = {}, {}
    for tool in present:
        folders[tool] = os.path.join(folder, f"{shape}-{count}-{tool.name}", "work")
        os.makedirs(folders[tool])
        tools.write_inputs(folders[tool], count if shape == "copies" else 1)
        tool.write(folders[tool], shape, count)
        measured[tool] = {"cold": [], "unchanged": [], "one changed": []}
    for round_ in range(options.rounds):
        for tool in present:
            if count >= tool.slow and round_ >= options.slow_rounds:
                continue
            try:
                one_round(tool, folders[tool], measured[tool], count, round_)
            except Failed as failure:
                note(f"{tool.name}: {failure}")
                measured[tool].setdefault("failed", []).append(str(failure))
    for tool in present:
        shutil.rmtree(os.path.dirname(folders[tool]), ignore_errors=True)
    yield from table(
        ["tool", "cold", "unchanged", "one changed", "peak memory, cold", "rounds"],
        [summary(tool, measured[tool]) for tool in present])


def one_round(tool, folder, measured, count, round_):
    """Cold, unchanged, one input changed."""
    tool.forget(folder)
    settle()
    measured["cold"].append(run(tool.argv(), folder))
    assert tool.built(folder) >= count or tool.name == "ccsr-flow", tool.built(folder)
    settle()
    measured["unchanged"].append(run(tool.argv(), folder))
    tools.change_one(folder, round_)
    settle()
    measured["one changed"].append(run(tool.argv(), folder))
    note(f"{tool.name}, round {round_ + 1}: " + ", ".join(
        f"{what} {seconds(measured[what][-1].seconds)}" for what in ("cold", "unchanged", "one changed")))


def summary(tool, measured):
    """A tool's row."""
    if not measured["one changed"]:
        return [tool.name, "failed", "–", "–", "–", "0"]
    medians = {what: median(measured[what]) for what in ("cold", "unchanged", "one changed")}
    return [tool.name, *(seconds(m.seconds) for m in medians.values()),
            f"{medians['cold'].peak_mb:.0f} MB", str(len(measured["one changed"]))]


def main():
    """Everything that was asked for."""
    options = arguments()
    options.program = os.path.abspath(options.program)
    if options.venv:
        os.environ["PATH"] = os.path.join(options.venv, "bin") + ":" + os.environ["PATH"]
    say(f"{datetime.date.today()}; {machine()}\n")
    with tempfile.TemporaryDirectory(prefix="ccsr-bench-", dir=options.folder) as folder:
        for what, measure in (("copies", copies), ("scale", scale.measure),
                              ("files", storage.measure)):
            if not options.what or what in options.what:
                say(f"\n## {what}\n")
                measure(options, folder)


if __name__ == "__main__":
    sys.exit(main())
