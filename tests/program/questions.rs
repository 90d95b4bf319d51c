//! Question sets with mistakes: what is said points into the question file.

use crate::project::Project;
use crate::transcript::Transcript;

const PIPELINE: &str = "\
version: 1
suite: world
stages:
  prompts: {uses: prompt.generate, with: {count: 1}}
  images: {uses: image.generate, from: prompts, with: {candidates: 1}}
  answers: {uses: image.judge, from: images, with: {questions: questions/mine.yaml}}
  scores: {uses: score.answers, from: answers, with: {questions: questions/mine.yaml}}
";

#[test]
fn mistakes_are_shown_in_the_question_file() {
    let project = Project::new();
    project.write("pipelines/a.yaml", PIPELINE);
    let mut transcript = Transcript::new();
    let cases = [
        (
            "a placeholder that stands for nothing",
            "questions:\n  - id: q1\n    about: realism\n    text: \"Is it a {clas}?\"\n",
        ),
        (
            "two questions of one name",
            "questions:\n  - {id: q1, about: realism, text: \"Is it real?\"}\n  - {id: q1, about: anatomy, text: \"Is it whole?\"}\n",
        ),
        (
            "a gate on a question that is not there",
            "questions:\n  - {id: q1, about: realism, text: \"Is it real?\"}\n  - id: q2\n    about: anatomy\n    requires: {q3: \"yes\"}\n    text: Is it whole?\n",
        ),
        (
            "gates in a circle",
            "questions:\n  - {id: q1, about: realism, requires: {q2: \"yes\"}, text: \"Is it real?\"}\n  - {id: q2, about: anatomy, requires: {q1: \"yes\"}, text: \"Is it whole?\"}\n",
        ),
        (
            "something that the world's judge knows nothing about",
            "questions:\n  - id: q1\n    about: anatomie\n    text: Is it whole?\n",
        ),
        (
            "no `about`, which the world's judge needs",
            "questions:\n  - id: q1\n    text: Is it whole?\n",
        ),
        (
            "misspelt keys and words",
            "questions:\n  - id: q1\n    abuot: realism\n    polarity: negativ\n    text: Is it real?\n  - id: q2\n    requires: {q1: maybe}\n",
        ),
        (
            "weights for a question that is not there",
            "questions:\n  - {id: q1, about: realism, text: \"Is it real?\"}\nprofiles:\n  mine:\n    weights:\n      q7: {\"yes\": 1}\n",
        ),
        ("no questions", "questions: []\n"),
        ("no YAML", "questions:\n  - id: \"q1\n"),
    ];
    for (about, questions) in cases {
        project.write("pipelines/questions/mine.yaml", questions);
        transcript
            .about(about)
            .file("pipelines/questions/mine.yaml", questions);
        let outcome = transcript.run(&project, &["run", "pipelines/a.yaml"]);
        outcome
            .ends_with(2)
            .says("--> pipelines/questions/mine.yaml:");
    }
    std::fs::remove_file(project.path("pipelines/questions/mine.yaml")).unwrap();
    transcript.about("no such file");
    transcript
        .run(&project, &["run", "pipelines/a.yaml"])
        .ends_with(2);
    project.write(
        "pipelines/questions/mine.yaml",
        "questions:\n  - {id: q1, about: realism, text: \"Is it real?\"}\n",
    );
    transcript.about("no such profile");
    let set = "stages.scores.with.profile=eq2";
    transcript
        .run(&project, &["check", "pipelines/a.yaml", "--set", set])
        .ends_with(2);
    assert!(
        !project.path(".ccsr").exists(),
        "an invalid pipeline made a cache"
    );
    transcript.matches("questions");
}

#[test]
fn yes_and_no_may_stand_bare() {
    let project = Project::new();
    let text = project.read("pipelines/questions/paper.yaml");
    project.run(["run", "pipelines/table1.yaml"]).succeeded();
    project.write(
        "pipelines/questions/paper.yaml",
        text.replace("\"yes\"", "yes").replace("\"no\"", "no"),
    );
    assert!(project.summary(["pipelines/table1.yaml"]).all_unchanged());
}
