#!/usr/bin/env python3
"""Kills runs at random moments, a thousand times, and looks whether anything was lost.

    tests/reliability/kill.py [--kills 1000] [--terms 200] [--program target/release/ccsr-flow]

A project is run, killed (`kill -9`) at a random moment, run again, killed again, …, until a run comes
to its end. Then its tables, its exports and its ledger are compared with those of a run that nobody
disturbed: every table has the same digest, every exported file the same bytes, every unit was
committed, and none twice. A run that does not come to its end, or fails, is an error: there is no
state from which the next run does not go on. SIGTERM, which lets batches finish, is treated alike.

`tests/program/crashes.rs` and `kills.rs` do the same a few times on every test run. Python 3, nothing
else; the numbers are drawn from `--seed`, the moments are the machine's.
"""

import argparse
import hashlib
import json
import math
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
#: Seconds after which a run is taken to hang.
PATIENCE = 120
#: Kills of one project, after which it is let be.
MOST_KILLS = 60

SMALL = ["stages.prompts.with.count=3", "stages.images.with.candidates=3", "vars.size=48",
         "stages.images.batch=2", "stages.answers.batch=20", "stages.detections.batch=3"]

COMMANDS = """version: 1
suite: world
stages:
  prompts: {uses: prompt.generate, with: {classes: [zebra], count: 4}}
  images: {uses: image.generate, from: prompts, with: {candidates: 2, size: 32}, batch: 2}
  copies:
    uses: command
    from: images
    with: {argv: [cp, "{image}", "{out.copy}"], files: {copy: {type: image}}}
    batch: 3
  lines:
    uses: command
    from: copies
    with:
      argv: [sh, -c, 'while read -r line; do printf "\\173\\"length\\": 3\\175\\n"; done']
      per: batch
      reads: [prompt, candidate]
      columns: {length: int}
    batch: 3
    outputs: out/lines.csv
"""

SWEEP = """version: 1
suite: world
stages:
  prompts: {uses: prompt.generate, with: {classes: [zebra], count: 3}}
  images: {uses: image.generate, from: prompts, with: {candidates: 2, size: 32}, batch: 2}
  answers: {uses: image.judge, from: images, with: {questions: questions/paper.yaml}, batch: 8}
  scores: {uses: score.answers, from: answers, with: {questions: questions/paper.yaml}}
  detections: {uses: image.detect, from: images, with: {vocabulary: ["{class}"]}}
  pairs:
    uses: select.pairs
    from: {scores: scores, detections: detections}
    with: {min_confidence: 0.6}
sweeps:
  sizes:
    matrix:
      stages.images.with.candidates: [1, 2, 3]
      stages.pairs.with.min_confidence: [0.3, 0.6]
"""


class Wrong(Exception):
    """Something was lost."""


class Scenario:
    """What is run, how many at a time, and what it leaves."""

    def __init__(self, name, argv, runs=1, files=None, needs=None):
        self.name, self.argv, self.runs, self.needs = name, argv, runs, needs
        self.files = files or {}
        self.expected, self.seconds = None, 0.0

    def project(self, folder):
        """A new project."""
        os.makedirs(os.path.join(folder, ".git"))
        shutil.copytree(os.path.join(HERE, "../../pipelines"), os.path.join(folder, "pipelines"),
                        ignore=shutil.ignore_patterns("out"))
        for name, text in self.files.items():
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)


def scenarios():
    """All there are."""
    elephant = ["run", "pipelines/selection.yaml"] + [a for s in SMALL for a in ("--set", s)]
    return [
        Scenario("one run", elephant),
        Scenario("two runs on one cache", elephant, runs=2),
        Scenario("commands", ["run", "pipelines/commands.yaml"],
                 files={"pipelines/commands.yaml": COMMANDS}, needs=["stages", "command"]),
        Scenario("a sweep", ["sweep", "run", "pipelines/sweep.yaml", "sizes"],
                 files={"pipelines/sweep.yaml": SWEEP}, needs=["sweep", "run", "--help"]),
    ]


def start(program, scenario, folder):
    """Starts a run."""
    with open(os.path.join(folder, "log"), "ab") as log:
        return subprocess.Popen([program, *scenario.argv], cwd=folder, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=log)


def end(child, folder, codes=(0,)):
    """Waits for its end, which must be a good one."""
    try:
        code = child.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        raise Wrong(f"a run does not come to its end; see {folder}/log") from None
    if code not in codes:
        raise Wrong(f"a run ended with {code}; see {folder}/log")
    return code


def left(folder):
    """What finished runs leave: digests of tables, exported files, and what the ledger says."""
    tables, runs = {}, os.path.join(folder, ".ccsr/runs")
    for name in sorted(os.listdir(runs)):
        if not name.endswith(".json"):
            continue
        with open(os.path.join(runs, name)) as file:
            record = json.load(file)
        if record.get("outcome") != "done":
            continue
        trial = json.dumps(record.get("set"))
        for stage in record["stages"]:
            for port, table in stage["tables"].items():
                tables[f"{trial} {stage['name']}.{port}"] = table["digest"]
    files = {}
    for place, _, names in os.walk(os.path.join(folder, "pipelines/out")):
        for name in names:
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                files[os.path.relpath(path, folder)] = hashlib.sha256(file.read()).hexdigest()
    ledger = sqlite3.connect(os.path.join(folder, ".ccsr/ledger.db"))
    units = ledger.execute("SELECT count(*), sum(valid), max(commits) FROM unit").fetchone()
    sound = ledger.execute("PRAGMA integrity_check").fetchone()[0]
    ledger.close()
    return {"tables": tables, "files": files, "units": units[0], "valid": units[1],
            "most commits": units[2], "integrity": sound}


def check(scenario, folder):
    """Compares with a run that nobody disturbed."""
    found = left(folder)
    for part, expected in scenario.expected.items():
        if found[part] != expected:
            raise Wrong(f"{part} differ after kills: {expected} became {found[part]}; see {folder}")


def reference(program, scenario, folder):
    """A run that nobody disturbs."""
    scenario.project(folder)
    began = time.monotonic()
    end(start(program, scenario, folder), folder)
    scenario.seconds = time.monotonic() - began
    scenario.expected = left(folder)
    if scenario.expected["most commits"] != 1:
        raise Wrong(f"an undisturbed run commits twice: {scenario.expected}")


def moment(dice, longest):
    """A moment of a run: as often in its first hundredth as in its second half."""
    return math.exp(dice.uniform(math.log(0.002), math.log(longest)))


def disturb(program, scenario, folder, dice, how):
    """Runs a project, disturbing it, until a run comes to its end. The answer: how often it was hit."""
    scenario.project(folder)
    hits = 0
    while True:
        children = [start(program, scenario, folder) for _ in range(scenario.runs)]
        if hits >= MOST_KILLS:
            for child in children:
                end(child, folder)
            return hits
        time.sleep(moment(dice, scenario.seconds))
        # Of two, one goes on half of the time: it inherits what the other was at.
        victims = children[:dice.choice([1, len(children)])]
        for child in victims:
            child.send_signal(how)
        ended = []
        for child in children:
            hit = child in victims
            good = (0, -how, 128 + how) if hit else (0,)
            code = end(child, folder, good)
            hits += hit and code != 0
            ended.append(code)
        if 0 in ended:
            return hits


def scenario_kills(options, scenario, folder, wanted, how, dice):
    """Kills one scenario as often as is wanted."""
    hits, projects, began = 0, 0, time.monotonic()
    while hits < wanted:
        place = os.path.join(folder, f"{how.name}-{projects}")
        hits += disturb(options.program, scenario, place, dice, how)
        check(scenario, place)
        shutil.rmtree(place)
        projects += 1
    took = time.monotonic() - began
    print(f"{scenario.name}: {hits} x {how.name} in {projects} projects, nothing lost, nothing done "
          f"twice ({took:.0f} s)", flush=True)
    return hits


def main():
    """Everything."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=os.path.join(HERE, "../../target/release/ccsr-flow"))
    parser.add_argument("--kills", type=int, default=1000, help="kill -9, over all scenarios")
    parser.add_argument("--terms", type=int, default=200, help="SIGTERM, over all scenarios")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--only", help="the beginning of a scenario's name")
    options = parser.parse_args()
    options.program = os.path.abspath(options.program)
    dice = random.Random(options.seed)
    present = []
    for scenario in scenarios():
        if options.only and not scenario.name.startswith(options.only):
            continue
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        if scenario.needs and subprocess.run([options.program, *scenario.needs], **quiet).returncode:
            print(f"{scenario.name}: this program knows no `{' '.join(scenario.needs)}`; left out")
        else:
            present.append(scenario)
    folder = tempfile.mkdtemp(prefix="ccsr-kill-")
    try:
        for index, scenario in enumerate(present):
            place = os.path.join(folder, str(index))
            reference(options.program, scenario, os.path.join(place, "reference"))
            for how, all_ in ((signal.SIGKILL, options.kills), (signal.SIGTERM, options.terms)):
                scenario_kills(options, scenario, place, math.ceil(all_ / len(present)), how, dice)
    except Wrong as wrong:
        sys.exit(f"{wrong}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
