//! Templates for writers with mistakes: what is said points into the template file.

use crate::project::Project;
use crate::transcript::Transcript;

const PIPELINE: &str = "\
version: 1
suite: world
stages:
  prompts:
    uses: prompt.generate
    with: {count: 1, template: templates/mine.yaml}
";

#[test]
fn mistakes_are_shown_in_the_template_file() {
    let project = Project::new();
    project.write("pipelines/a.yaml", PIPELINE);
    let mut transcript = Transcript::new();
    let cases = [
        (
            "a placeholder that stands for nothing",
            "system: You write prompts.\ninstruction: |\n  Write {cuont} prompts about {class}.\n",
        ),
        ("no class", "instruction: Write {count} prompts.\n"),
        (
            "nothing to do",
            "system: You write prompts about {class}.\n",
        ),
        (
            "a raw text beside a conversation",
            "raw: \"[INST] {class} [/INST]\"\ninstruction: \"{class}\"\n",
        ),
        ("a misspelt key", "instrction: Write about {class}.\n"),
        ("no map", "- Write about {class}.\n"),
    ];
    for (about, template) in cases {
        project.write("pipelines/templates/mine.yaml", template);
        transcript
            .about(about)
            .file("pipelines/templates/mine.yaml", template);
        transcript
            .run(&project, &["check", "pipelines/a.yaml"])
            .ends_with(2)
            .says("--> pipelines/templates/mine.yaml:");
    }
    std::fs::remove_file(project.path("pipelines/templates/mine.yaml")).unwrap();
    transcript.about("no such file");
    transcript
        .run(&project, &["check", "pipelines/a.yaml"])
        .ends_with(2);
    let set = "stages.prompts.with.chunk=0";
    transcript.about("chunks of nothing");
    transcript
        .run(
            &project,
            &["check", "pipelines/selection.yaml", "--set", set],
        )
        .ends_with(2);
    transcript.matches("templates");
}

/// Those that come along are taken by a writer that has no use for them, too.
#[test]
fn a_grammar_passes_templates_over() {
    let project = Project::new();
    for name in ["camera", "plain", "srt2i"] {
        let template = format!("template: templates/{name}.yaml");
        let text = PIPELINE.replace("template: templates/mine.yaml", &template);
        project.write("pipelines/a.yaml", &text);
        project.run(["check", "pipelines/a.yaml"]).succeeded();
    }
}
