"""The same copies written for each tool: N files that do not depend on each other, or a chain.

Every tool is given as many jobs at a time as there are cores, and is told to be quiet. Every task
starts one `cp`. What a tool cannot leave out (locks, logs, hashing) is part of what it is.
"""

import json
import math
import os
import shutil
import subprocess

from measure import fresh, version

JOBS = str(len(os.sched_getaffinity(0)))


def source(number):
    """The name of an input."""
    return f"data/{number:05}.txt"


def write_inputs(folder, count):
    """Inputs, all different and as small as sources are (about 1 kB)."""
    os.makedirs(os.path.join(folder, "data"))
    for number in range(count):
        with open(os.path.join(folder, source(number)), "w") as file:
            file.write(f"input {number}\n" * 80)


def change_one(folder, round_):
    """Changes the content of one input, to something new each time."""
    with open(os.path.join(folder, source(0)), "w") as file:
        file.write(f"changed {round_}\n" * 80)


class Tool:
    """How a tool is prepared, started and made to forget."""

    name = ""
    #: Paths that hold what was built and what is known of it.
    state = ("out",)
    #: Tasks from which on it takes minutes, and runs `--slow-rounds` times, not `--rounds` times.
    slow = math.inf

    def __init__(self, program):
        self.program = program

    def version(self):
        """What it says it is."""
        return version([self.program, "--version"])

    def write(self, folder, shape, count):
        """Writes its workflow beside the inputs."""
        raise NotImplementedError

    def argv(self):
        """How it is started."""
        raise NotImplementedError

    def forget(self, folder):
        """Makes the next run a cold one."""
        for path in self.state:
            path = os.path.join(folder, path)
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.exists(path):
                os.remove(path)
        self.begin(folder)

    def begin(self, folder):
        """What it needs before its first run, not measured."""
        fresh(os.path.join(folder, "out"))

    def built(self, folder):
        """How many results there are, to see that the work was done."""
        return len(os.listdir(os.path.join(folder, "out")))


def steps(shape, count):
    """Input and output of each task."""
    if shape == "copies":
        return [(source(n), f"out/{n:05}.txt") for n in range(count)]
    outputs = [f"out/{n:05}.txt" for n in range(count)]
    return list(zip([source(0), *outputs], outputs))


class Ninja(Tool):
    """ninja: looks at modification times."""

    name = "ninja"
    state = ("out", ".ninja_log", ".ninja_deps")

    def write(self, folder, shape, count):
        with open(os.path.join(folder, "build.ninja"), "w") as file:
            file.write("rule copy\n  command = cp $in $out\n")
            file.writelines(f"build {to}: copy {of}\n" for of, to in steps(shape, count))

    def argv(self):
        return [self.program, "--quiet", "-j", JOBS]


class Make(Tool):
    """GNU make: looks at modification times."""

    name = "make"

    def write(self, folder, shape, count):
        todo = steps(shape, count)
        with open(os.path.join(folder, "Makefile"), "w") as file:
            file.write("MAKEFLAGS += --no-builtin-rules\n.SUFFIXES:\n")
            file.write("all: " + " ".join(to for _, to in todo) + "\n")
            file.writelines(f"{to}: {of}\n\tcp $< $@\n" for of, to in todo)

    def argv(self):
        return [self.program, "--silent", "-j", JOBS]


class Snakemake(Tool):
    """Snakemake: modification times, and provenance that it keeps in `.snakemake`."""

    name = "Snakemake"
    state = ("out", ".snakemake")
    slow = 1_000

    def write(self, folder, shape, count):
        with open(os.path.join(folder, "Snakefile"), "w") as file:
            if shape == "copies":
                file.write(f"rule all:\n    input: [f'out/{{n:05}}.txt' for n in range({count})]\n"
                           "rule copy:\n    input: 'data/{n}.txt'\n    output: 'out/{n}.txt'\n"
                           "    shell: 'cp {input} {output}'\n")
            else:
                last = steps(shape, count)[-1][1]
                file.write(f"rule all:\n    input: '{last}'\n")
                for number, (of, to) in enumerate(steps(shape, count)):
                    file.write(f"rule copy{number}:\n    input: '{of}'\n    output: '{to}'\n"
                               "    shell: 'cp {input} {output}'\n")

    def argv(self):
        return [self.program, "--cores", JOBS, "--quiet", "all"]


class Redun(Tool):
    """redun: hashes values and files into a SQLite database."""

    name = "redun"
    state = ("out", ".redun")
    slow = 1_000

    def version(self):
        return "redun " + version([self.program, "--version"]).split()[-1]

    def write(self, folder, shape, count):
        body = (f"return [copy(File(f'data/{{n:05}}.txt'), f'out/{{n:05}}.txt') "
                f"for n in range({count})]" if shape == "copies" else
                f"file = File('{source(0)}')\n"
                f"    for n in range({count}):\n"
                "        file = copy(file, f'out/{n:05}.txt')\n"
                "    return file")
        with open(os.path.join(folder, "workflow.py"), "w") as file:
            file.write("import subprocess\nfrom redun import File, task\n\n"
                       "redun_namespace = 'bench'\n\n\n"
                       "@task()\ndef copy(file: File, to: str) -> File:\n"
                       "    subprocess.run(['cp', file.path, to], check=True)\n"
                       "    return File(to)\n\n\n"
                       f"@task()\ndef main():\n    {body}\n")

    def argv(self):
        return [self.program, "run", "workflow.py", "main"]


class Dvc(Tool):
    """DVC: hashes files, keeps copies in `.dvc/cache`."""

    name = "DVC"
    state = ("out", ".dvc", "dvc.lock")
    slow = 1_000

    def version(self):
        return "dvc " + version([self.program, "--version"])

    def write(self, folder, shape, count):
        stages = {
            f"copy{number}": {"cmd": f"cp {of} {to}", "deps": [of], "outs": [to]}
            for number, (of, to) in enumerate(steps(shape, count))
        }
        # JSON is YAML.
        with open(os.path.join(folder, "dvc.yaml"), "w") as file:
            json.dump({"stages": stages}, file, indent=1)

    def begin(self, folder):
        super().begin(folder)
        subprocess.run([self.program, "init", "--no-scm", "--quiet"], cwd=folder, check=True)
        subprocess.run([self.program, "config", "core.analytics", "false"], cwd=folder, check=True)

    def argv(self):
        return [self.program, "repro", "--quiet"]


class Ours(Tool):
    """ccsr-flow: hashes contents; results are in its cache, and copied out by `outputs:`."""

    name = "ccsr-flow"
    state = ("out", ".ccsr")

    def write(self, folder, shape, count):
        os.makedirs(os.path.join(folder, ".git"), exist_ok=True)
        head = "version: 1\nstages:\n  files:\n    uses: table.import\n    with: {path: files.txt, column: file}\n"
        with open(os.path.join(folder, "files.txt"), "w") as file:
            rows = count if shape == "copies" else 1
            file.writelines(source(n) + "\n" for n in range(rows))
        first = ("    uses: command\n    from: files\n    with:\n"
                 "      argv: [cp, \"{file}\", \"{out.copy}\"]\n"
                 "      row_files: {file: data}\n      files: {copy: {type: blob}}\n")
        # Each step's file has a name of its own: equal steps on equal content would be done once.
        following = ("    uses: command\n    from: s%d\n    with:\n"
                     "      argv: [cp, \"{copy}\", \"{out.copy}\"]\n"
                     "      files: {copy: {path: %05d.txt, type: blob}}\n")
        with open(os.path.join(folder, "copies.yaml"), "w") as file:
            file.write(head)
            file.write("  s0:\n" + first)
            if shape == "chain":
                for number in range(1, count):
                    file.write(f"  s{number}:\n" + following % (number - 1, number))

    def argv(self):
        return [self.program, "run", "copies.yaml", "--jobs", JOBS]

    def built(self, folder):
        objects = os.path.join(folder, ".ccsr", "objects")
        return sum(len(os.listdir(os.path.join(objects, part))) for part in os.listdir(objects))
