"""ccsr-flow alone: the paper's pipeline, a million units, ten thousand stages.

The simulated suite does the models' part, so that what is left is the engine.
"""

import json
import os
import shutil
import subprocess

from measure import Failed, fresh, median, note, run, say, seconds, settle, table

HERE = os.path.dirname(os.path.abspath(__file__))
WORKERS = len(os.sched_getaffinity(0))


def measure(options, folder):
    """All of it."""
    paper(options, os.path.join(folder, "paper"))
    million(options, os.path.join(folder, "million"))
    stages(options, os.path.join(folder, "stages"))


def project(folder):
    """A project with the repository's pipelines."""
    fresh(folder)
    os.mkdir(os.path.join(folder, ".git"))
    shutil.copytree(os.path.join(HERE, "../pipelines"), os.path.join(folder, "pipelines"),
                    ignore=shutil.ignore_patterns("out"))
    return folder


def forget(folder):
    """Makes the next run a cold one."""
    shutil.rmtree(os.path.join(folder, ".ccsr"), ignore_errors=True)
    shutil.rmtree(os.path.join(folder, "pipelines/out"), ignore_errors=True)


def recorded(argv, folder):
    """Runs, and returns the run's record."""
    answer = subprocess.run([*argv, "--json"], cwd=folder, capture_output=True, text=True)
    if answer.returncode != 0:
        raise Failed(answer.stderr[-2000:])
    name = json.loads(answer.stdout.splitlines()[-1])["run"]
    with open(os.path.join(folder, f".ccsr/runs/{name}.json")) as file:
        return json.load(file)


def paper(options, folder):
    """The main job: 2,000 images, 20,000 answers, 2,000 looks for detections."""
    say("### The paper's pipeline, `pipelines/selection.yaml`\n")
    project(folder)
    small = ["--set", "stages.prompts.with.count=5"] if options.small else []
    argv = [options.program, "run", "pipelines/selection.yaml", *small]
    cold, warm, overheads, answers = [], [], [], None
    for round_ in range(options.rounds):
        forget(folder)
        cold.append(run(argv, folder))
        settle()
        warm.append(run(argv, folder))
        # The images alone, then what asks about them: units that cost next to nothing.
        forget(folder)
        run([options.program, "run", "pipelines/selection.yaml", "images", *small], folder)
        settle()
        answers = recorded([options.program, "run", "pipelines/selection.yaml", "answers", *small],
                           folder)
        spent = sum(stage["seconds"] for stage in answers["stages"])
        overheads.append(answers["seconds"] * WORKERS - spent)
        note(f"paper, round {round_ + 1}: cold {seconds(cold[-1].seconds)}, unchanged "
             f"{seconds(warm[-1].seconds)}, overhead {seconds(overheads[-1])}")
    units = answers["units_executed"]
    overhead = sorted(overheads)[len(overheads) // 2]
    rows = [
        ["cold, whole process", seconds(median(cold).seconds)],
        ["unchanged, whole process", seconds(median(warm).seconds)],
        [f"overhead a unit ({units:,} answers; wall time x {WORKERS} cores - execution)",
         f"{overhead / units * 1e6:.0f} µs"],
        ["peak memory, cold", f"{median(cold).peak_mb:.0f} MB"],
    ]
    for line in table(["", "median"], rows):
        say(line)


QUESTION = ("  - {{id: q{n}, about: realism, text: \"Question {n}: could this image, or one like it, be a "
            "photograph?\"}}\n")


def million(options, folder):
    """A question set of 500 questions about 2,000 small images."""
    prompts, questions = (2, 50) if options.small else (200, 500)
    units = prompts * 10 * questions
    say(f"\n### {units:,} units\n")
    project(folder)
    with open(os.path.join(folder, "pipelines/questions/many.yaml"), "w") as file:
        file.write("questions:\n")
        file.writelines(QUESTION.format(n=n) for n in range(questions))
    with open(os.path.join(folder, "pipelines/million.yaml"), "w") as file:
        file.write(f"""version: 1
suite: world
stages:
  prompts: {{uses: prompt.generate, with: {{classes: [elephant, giraffe], count: {prompts // 2}}}}}
  images: {{uses: image.generate, from: prompts, with: {{candidates: 10, size: 64}}}}
  answers: {{uses: image.judge, from: images, with: {{questions: questions/many.yaml}}}}
""")
    argv = [options.program, "run", "pipelines/million.yaml"]
    # Long enough that two rounds tell as much as five.
    rounds = min(options.rounds, 3)
    images, cold, warm, size = [], [], [], 0
    for round_ in range(rounds):
        forget(folder)
        images.append(run([*argv, "images"], folder))
        settle()
        cold.append(run(argv, folder))
        size = os.path.getsize(os.path.join(folder, ".ccsr/ledger.db"))
        settle()
        warm.append(run(argv, folder))
        note(f"million, round {round_ + 1}: cold {seconds(cold[-1].seconds)} with "
             f"{cold[-1].peak_mb:.0f} MB, unchanged {seconds(warm[-1].seconds)}")
    rows = [
        ["cold (the images were there)", seconds(median(cold).seconds)],
        ["  a unit", f"{median(cold).seconds / units * 1e6:.0f} µs"],
        ["peak memory, cold", f"{median(cold).peak_mb:.0f} MB"],
        ["unchanged", seconds(median(warm).seconds)],
        ["peak memory, unchanged", f"{median(warm).peak_mb:.0f} MB"],
        ["ledger a unit", f"{size / units:.0f} B"],
    ]
    for line in table(["", f"median of {rounds}"], rows):
        say(line)


def stages(options, folder):
    """A wide pipeline: a prompt, and thousands of times an image, its answers and its score."""
    width = 33 if options.small else 3_333
    total = width * 3 + 1
    say(f"\n### {total:,} stages\n")
    project(folder)
    with open(os.path.join(folder, "pipelines/wide.yaml"), "w") as file:
        file.write("version: 1\nsuite: world\nstages:\n  prompts: {uses: prompt.generate, "
                   "with: {classes: [zebra], count: 1}}\n")
        for n in range(width):
            file.write(
                f"  i{n}: {{uses: image.generate, from: prompts, "
                f"with: {{seeds: [{n}], size: 16}}}}\n"
                f"  a{n}: {{uses: image.judge, from: i{n}, with: {{questions: {{questions: "
                f"[{{id: q, about: realism, text: \"Good, {n}?\"}}]}}}}}}\n"
                f"  s{n}: {{uses: score.answers, from: a{n}, with: {{questions: {{questions: "
                f"[{{id: q, about: realism, text: \"Good, {n}?\"}}]}}}}}}\n")
    argv = [options.program, "run", "pipelines/wide.yaml"]
    plan = [options.program, "plan", "pipelines/wide.yaml"]
    check = [options.program, "check", "pipelines/wide.yaml"]
    cold, warm, stale, fresh_, checked = [], [], [], [], []
    for round_ in range(options.rounds):
        forget(folder)
        checked.append(run(check, folder))
        stale.append(run(plan, folder, expect=(0, 4)))
        if round_ < 2:
            cold.append(run(argv, folder))
        else:
            run(argv, folder)
        settle()
        warm.append(run(argv, folder))
        fresh_.append(run(plan, folder, expect=(0, 4)))
        note(f"stages, round {round_ + 1}: plan {seconds(stale[-1].seconds)} and "
             f"{seconds(fresh_[-1].seconds)}, cold {seconds(cold[-1].seconds)}, unchanged "
             f"{seconds(warm[-1].seconds)}")
    rows = [
        ["`check`", seconds(median(checked).seconds)],
        ["`plan`, nothing computed", seconds(median(stale).seconds)],
        ["`plan`, everything computed", seconds(median(fresh_).seconds)],
        ["`run`, cold", seconds(median(cold).seconds)],
        ["`run`, unchanged", seconds(median(warm).seconds)],
    ]
    for line in table(["", "median"], rows):
        say(line)
