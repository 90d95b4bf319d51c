//! The laws of the house: who may import whom, where printing happens, how large a file gets.
//! Nothing is run; files are read.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where it stopped"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Lines a file may have.
const MAX_LINES: usize = 500;

/// A crate of the workspace.
struct Crate {
    folder: PathBuf,
    /// Every dependency outside of tests, ours and others'.
    dependencies: BTreeSet<String>,
}

/// The workspace as cargo sees it.
fn crates() -> BTreeMap<String, Crate> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(ROOT)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let ordinary = dependencies.filter(|dependency| dependency["kind"].is_null());
            let manifest = PathBuf::from(text(&package["manifest_path"]));
            let found = Crate {
                folder: manifest.parent().unwrap().to_owned(),
                dependencies: ordinary
                    .map(|dependency| text(&dependency["name"]))
                    .collect(),
            };
            (text(&package["name"]), found)
        })
        .collect()
}

/// Rust files below a folder, with their text.
fn rust_files(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "no Rust below {}", folder.display());
    files
}

/// The sources of the whole workspace, tests left out.
fn sources() -> Vec<(PathBuf, String)> {
    let folders = crates().into_values().map(|found| found.folder.join("src"));
    folders.flat_map(|folder| rust_files(&folder)).collect()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(ROOT)
        .unwrap_or(path)
        .display()
        .to_string()
}

/// `foo/tests.rs` and what it is made of.
fn is_test(path: &Path) -> bool {
    let named = |part: &std::ffi::OsStr| part == "tests" || part == "tests.rs";
    path.components().any(|part| named(part.as_os_str()))
}

/// Code without comments and doc comments: what stands there is said, not done.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = (1..).zip(text.lines());
    lines.map(|(number, line)| (number, line.split("//").next().unwrap_or_default()))
}

#[test]
fn crates_import_only_whom_they_may() {
    let allowed = |name: &str| -> &[&str] {
        match name {
            "ccsr-cache" | "ccsr-gguf" | "ccsr-hub" | "ccsr-kernels" | "ccsr-pickle"
            | "ccsr-sampling" | "ccsr-world" => &[],
            "ccsr-nn" => &["ccsr-kernels"],
            "ccsr-text" => &["ccsr-gguf"],
            "ccsr-clip" | "ccsr-stable-diffusion" | "ccsr-witness" => &["ccsr-nn"],
            "ccsr-mistral" => &["ccsr-nn", "ccsr-kernels", "ccsr-gguf"],
            "ccsr-llava" => &["ccsr-nn", "ccsr-clip", "ccsr-mistral"],
            "ccsr-yolo-world" => &["ccsr-nn", "ccsr-clip"],
            "ccsr-training" => &[
                "ccsr-nn",
                "ccsr-clip",
                "ccsr-mistral",
                "ccsr-llava",
                "ccsr-stable-diffusion",
                "ccsr-witness",
                "ccsr-sampling",
                "ccsr-yolo-world",
            ],
            "ccsr-stage" => &["ccsr-cache"],
            "ccsr-engine" => &["ccsr-stage", "ccsr-cache"],
            "ccsr-stages" => &[
                "ccsr-stage",
                "ccsr-world",
                "ccsr-nn",
                "ccsr-sampling",
                "ccsr-clip",
                "ccsr-stable-diffusion",
                "ccsr-mistral",
                "ccsr-llava",
                "ccsr-yolo-world",
                "ccsr-witness",
                "ccsr-text",
                "ccsr-gguf",
                "ccsr-training",
            ],
            // It gives anything to all who read what others wrote.
            "ccsr-fuzz" => &[
                "ccsr-stages",
                "ccsr-stage",
                "ccsr-engine",
                "ccsr-cache",
                "ccsr-pickle",
            ],
            "ccsr-flow" => &[
                "ccsr-stages",
                "ccsr-stage",
                "ccsr-engine",
                "ccsr-cache",
                "ccsr-hub",
                "ccsr-pickle",
            ],
            other => panic!("DESIGN.md section 2 says nothing of {other}; say who may import whom"),
        }
    };
    let crates = crates();
    assert!(crates.len() >= 6, "{:?}", crates.keys());
    for (name, found) in &crates {
        let ours = found
            .dependencies
            .iter()
            .filter(|dependency| crates.contains_key(*dependency));
        for dependency in ours {
            assert!(
                allowed(name).contains(&dependency.as_str()),
                "{name} imports {dependency}"
            );
        }
    }
}

#[test]
fn the_engine_knows_no_network_library_and_the_cache_knows_neither() {
    let crates = crates();
    for (name, never) in [
        ("ccsr-engine", &["burn", "clap", "indicatif"][..]),
        (
            "ccsr-cache",
            &["burn", "petgraph", "granit-parser", "clap", "ccsr-stage"],
        ),
        ("ccsr-stage", &["burn", "granit-parser", "rusqlite", "clap"]),
        ("ccsr-world", &["burn", "granit-parser"]),
    ] {
        for dependency in &crates[name].dependencies {
            let refused = never
                .iter()
                .any(|never| dependency == never || dependency.starts_with(&format!("{never}-")));
            assert!(!refused, "{name} depends on {dependency}");
        }
    }
}

#[test]
fn petgraph_has_one_room() {
    let mut rooms = BTreeSet::new();
    for (path, text) in sources() {
        if code(&text).any(|(_, line)| line.contains("petgraph")) {
            rooms.insert(shown(&path));
        }
    }
    assert_eq!(rooms, BTreeSet::from(["engine/src/graph.rs".to_owned()]));
    let users: Vec<_> = crates()
        .into_iter()
        .filter(|(_, found)| found.dependencies.contains("petgraph"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(users, ["ccsr-engine"]);
}

#[test]
fn no_file_is_a_drawer() {
    let long: Vec<_> = sources()
        .iter()
        .map(|(path, text)| (shown(path), text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .collect();
    assert!(long.is_empty(), "over {MAX_LINES} lines: {long:?}");
}

#[test]
fn files_are_named_for_what_is_in_them() {
    for (path, _) in sources() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let drawers = [
            "mod", "util", "utils", "common", "types", "helper", "helpers", "imp", "misc",
        ];
        assert!(!drawers.contains(&name.as_str()), "{}", shown(&path));
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for (path, text) in sources() {
        assert!(
            is_test(&path) || text.starts_with("//!"),
            "{} has no header",
            shown(&path)
        );
    }
}

#[test]
fn every_crate_keeps_the_workspaces_lints() {
    for (name, found) in crates() {
        let manifest = fs::read_to_string(found.folder.join("Cargo.toml")).unwrap();
        let kept = manifest
            .split("\n[")
            .any(|section| section.starts_with("lints]") && section.contains("\nworkspace = true"));
        assert!(kept, "{name} has lints of its own");
        for key in ["edition", "rust-version", "license"] {
            assert!(
                manifest.contains(&format!("{key}.workspace = true")),
                "{name}: {key}"
            );
        }
    }
}

#[test]
fn only_the_command_line_prints_and_reads_the_environment() {
    let root = Path::new(ROOT).join("src");
    let (mut prints, mut reads) = (BTreeSet::new(), BTreeSet::new());
    for (path, text) in sources() {
        if is_test(&path) {
            continue;
        }
        // What stands below `mod tests {` is no part of the program.
        let program = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
        for (number, line) in code(program) {
            let place = format!("{}:{number}", shown(&path));
            let said = [
                "println!",
                "print!",
                "eprintln!",
                "eprint!",
                "io::stdout()",
                "io::stderr()",
            ];
            if said.iter().any(|word| line.contains(word)) {
                assert!(path.starts_with(&root), "{place} prints");
                prints.insert(shown(&path));
            }
            let asked = [
                "env::var",
                "env::args",
                "env::current_dir",
                "env::set_var",
                "env::temp_dir",
            ];
            if asked.iter().any(|word| line.contains(word)) {
                assert!(path.starts_with(&root), "{place} reads the environment");
                reads.insert(shown(&path));
            }
        }
    }
    assert_eq!(prints, BTreeSet::from(["src/ui.rs".to_owned()]));
    assert!(reads.contains("src/session.rs"), "{reads:?}");
}

#[test]
fn ci_runs_what_the_readme_says() {
    let script = fs::read_to_string(Path::new(ROOT).join(".ci/run")).unwrap();
    let runs = |command: &str| {
        let mut lines = script
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        lines.any(|line| line.contains(command))
    };
    assert!(runs("cargo test --workspace"));
    assert!(runs("cargo fmt --all --check") && runs("-D warnings"));
    let Ok(readme) = fs::read_to_string(Path::new(ROOT).join("README.md")) else {
        panic!("there is no README.md");
    };
    let said = readme
        .lines()
        .map(|line| line.trim().trim_start_matches("$ "));
    assert!(
        said.into_iter()
            .any(|line| line.starts_with("cargo test --workspace"))
    );
}
