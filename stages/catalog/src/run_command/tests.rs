use std::sync::Arc;

use ccsr_stage::Table;
use ccsr_stage::testing::Lab;
use serde_json::{Value as Json, json};

use super::*;
use crate::samples::{check, column, images, misfits, rows, run, table};

const KIND: &str = "command";

/// Three classes, one of them twice.
fn classes() -> Arc<Table> {
    let columns = [("class", ColumnType::Text), ("n", ColumnType::Int)];
    let row = |class: &str, n: i64| json!({"class": class, "n": n});
    table(
        &columns,
        &[row("zebra", 1), row("lion", 2), row("élan d'été", 3)],
    )
}

#[test]
fn every_row_becomes_arguments_of_a_process_and_its_answer_a_row() {
    let lab = Lab::new(0);
    let script = r#"printf '{{"said": "%s-%s", "half": %s}}\n' "$1" "$2" 0.5"#;
    let with = json!({"argv": ["sh", "-c", script, "sh", "{class}", "n={n}"],
                      "columns": {"said": "text", "half": "float"}});
    let ran = check::<RunCommand>(&with, &lab, &[("rows", &classes())]);
    assert_eq!(
        rows(ran.table("rows"))[2],
        json!({"class": "élan d'été", "n": 3, "said": "élan d'été-n=3", "half": 0.5})
    );
    assert_eq!(ran.executed.len(), 3);
}

/// Runs a shell script with these further parameters on [`classes`].
fn shell(script: &str, more: &Json) -> Result<Json, String> {
    let mut with = json!({"argv": ["sh", "-c", script, "sh"]});
    for (name, value) in more.as_object().unwrap() {
        with[name] = value.clone();
    }
    let lab = Lab::new(0);
    lab.add_blob(classes().encode());
    let ran = run(&lab, KIND, &with, &[("rows", &classes())])?;
    Ok(rows(ran.table("rows")).into())
}

#[test]
fn rows_are_read_as_lines_one_by_one_or_together() {
    let script = r#"while read -r row; do echo "{{\"heard\": $row}}"; done"#;
    for per in ["row", "batch"] {
        let with = json!({"per": per, "columns": {"heard": "json"}});
        let heard = shell(script, &with).unwrap();
        assert_eq!(
            heard[2]["heard"],
            json!({"class": "élan d'été", "n": 3}),
            "{per}"
        );
        assert_eq!(heard[2]["n"], 3);
    }
    let with = json!({"per": "table", "columns": {"heard": "json"}, "reads": ["n"]});
    let heard = shell(script, &with).unwrap();
    assert_eq!(heard[1], json!({"heard": {"n": 2}}));
}

#[test]
fn a_row_becomes_many_rows_or_none() {
    let many = json!({"rows": "many", "columns": {"k": "int"}, "stdin": "none"});
    let none = shell("true", &many).unwrap();
    assert_eq!(none, json!([]));
    let two = shell(r#"echo '{{"k": 1}}'; echo; echo '{{"k": 2}}'"#, &many).unwrap();
    assert_eq!(two.as_array().unwrap().len(), 6);
    assert_eq!(two[1], json!({"class": "zebra", "n": 1, "k": 2}));

    let with = json!({"columns": {"k": "float"}, "stdin": "none"});
    let none = shell(r#"echo '{{"k": {{"$float": "NaN"}}}}'"#, &with).unwrap();
    assert_eq!(none[0]["k"], json!({"$float": "NaN"}));

    let script = r#"echo '[{{"k": 1}}, {{"k": 2}}]'; echo '[]'; echo '[{{"k": 3}}]'"#;
    let lists = json!({"per": "batch", "rows": "many", "columns": {"k": "int"}});
    let lists = shell(script, &lists).unwrap();
    let of = |at: usize| (lists[at]["n"].clone(), lists[at]["k"].clone());
    assert_eq!(
        [of(0), of(1), of(2)],
        [(1, 1), (1, 2), (3, 3)].map(|(n, k)| (json!(n), json!(k)))
    );
}

#[test]
fn files_come_in_as_paths_and_go_out_as_blobs() {
    let lab = Lab::new(0);
    let images = images(&lab);
    // A copy of an image is the same blob; a file that a line names is one, too.
    let script = r#"cp "$1" "$2/a"; head -c 3 "$1" > "$2/b"; printf '{{"start": "b", "full": "%s/a"}}\n' "$2""#;
    let with = json!({"argv": ["sh", "-c", script, "sh", "{image}", "{out}"],
                      "columns": {"start": "blob", "full": "image"}});
    let ran = check::<RunCommand>(&with, &lab, &[("rows", &images)]);
    let made = ran.table("rows");
    assert_eq!(column(made, "full"), column(made, "image"));
    let start = lab.add_blob(b"\x89PN".to_vec());
    assert_eq!(rows(made)[0]["start"], json!({"$blob": start.to_string()}));

    let with = json!({"argv": ["cp", "{image}", "{out.copy}"],
                      "files": {"copy": {"path": "x.png", "type": "image"}}});
    let ran = check::<RunCommand>(&with, &lab, &[("rows", &images)]);
    assert_eq!(column(ran.table("rows"), "copy"), column(&images, "image"));
    assert_eq!(
        ran.executed[0].input.get("row").unwrap().to_json()["image"],
        rows(&images)[0]["image"]
    );
    assert!(
        ran.executed[0]
            .input
            .get("row")
            .unwrap()
            .get("class")
            .is_none()
    );
}

#[test]
fn further_tables_are_files() {
    let lab = Lab::new(0);
    let more = table(
        &[("k", ColumnType::Int)],
        &[json!({"k": 7}), json!({"k": 8})],
    );
    for table in [&classes(), &more] {
        lab.add_blob(table.encode());
    }
    let script = r#"wc -l < "$1" > "$3"; wc -l < "$2" >> "$3""#;
    let with = json!({"argv": ["sh", "-c", script, "sh", "{rows}", "{more}", "{out.counts}"],
                      "per": "table", "tables": ["more"], "files": {"counts": {}}});
    let ran = run(&lab, KIND, &with, &[("rows", &classes()), ("more", &more)]).unwrap();
    let counts = lab.add_blob(b"3\n2\n".to_vec());
    assert_eq!(
        rows(ran.table("rows")),
        [json!({"counts": {"$blob": counts.to_string()}})]
    );
}

#[test]
fn what_a_program_answers_wrongly_is_said() {
    let one = json!({"columns": {"k": "int"}, "stdin": "none"});
    let said = |script: &str| shell(script, &one).unwrap_err();
    let batch = json!({"columns": {"k": "int"}, "per": "batch"});
    let cases = [
        ("true", "`sh` wrote no line; expected one with its answer"),
        (
            r#"echo '{{"k": 1}}'; echo '{{"k": 1}}'"#,
            "`sh` wrote 2 lines for one row; expected one (or say `rows: many`)",
        ),
        (
            "echo hello",
            "`sh` wrote no JSON in line 1: expected value (character 1) in `hello`",
        ),
        (
            "echo 3",
            "`sh` wrote no object in line 1 but `3`; expected `{\"column\": value, …}`",
        ),
        (
            r#"echo; echo '{{"kk": 1}}'"#,
            "`sh` wrote no `k` in line 2; it has `kk`",
        ),
        (
            r#"echo '{{"k": "x"}}'"#,
            "`sh` wrote `\"x\"` in line 1, column `k`; expected a whole number of at most 64 bits",
        ),
        (
            r#"echo '{{"k": 1.5}}'"#,
            "`sh` wrote `1.5` in line 1, column `k`; expected a whole number of at most 64 bits",
        ),
        (
            r"printf 'a\377'",
            "`sh` wrote something that is not UTF-8 text in line 1",
        ),
        (
            "echo why >&2; exit 3",
            "`sh` ended with exit code 3; it said:\n  | why",
        ),
        ("kill -SEGV $$", "`sh` was ended by signal 11 (SIGSEGV)"),
    ];
    for (script, message) in cases {
        assert_eq!(said(script), message, "{script}");
    }
    // Three lines too few for three rows, and, halved, one for one.
    assert_eq!(shell("true", &batch).unwrap_err(), cases[0].1);
}

#[test]
fn a_file_that_was_not_written_or_is_none_is_said() {
    let said = |script: &str, kind: &str| {
        let with = json!({"argv": ["sh", "-c", script, "sh", "{out.f}"],
                          "files": {"f": {"path": "f.png", "type": kind}}});
        run(&Lab::new(0), KIND, &with, &[("rows", &classes())]).unwrap_err()
    };
    assert_eq!(
        said("true", "blob"),
        "`sh` wrote no good file: `f.png` was not written"
    );
    assert_eq!(
        said("mkdir $1", "blob"),
        "`sh` wrote no good file: `f.png` is no file"
    );
    assert_eq!(
        said("echo text > $1", "image"),
        "`sh` wrote no good file: `f.png`: expected a PNG, JPEG or WebP image, found bytes that \
         begin [74, 65, 78, 74, 0a]"
    );
    let with = json!({"argv": ["sh", "-c", r#"echo '{{"f": "../x"}}'"#, "sh", "{out}"],
                      "columns": {"f": "blob"}});
    assert_eq!(
        run(&Lab::new(0), KIND, &with, &[("rows", &classes())]).unwrap_err(),
        "`sh` named a file in line 1, column `f`: `../x` does not lie in the folder `{out}`"
    );
}

#[test]
fn parameters_that_do_not_go_together_are_named_where_they_stand() {
    let with = |more: Json| {
        let mut with = json!({"argv": ["sh", "{class}"], "columns": {"k": "int"}});
        for (name, value) in more.as_object().unwrap() {
            with[name] = value.clone();
        }
        misfits::<RunCommand>(&with).join("\n")
    };
    let cases = [
        (json!({"columns": {}}), ": nothing would come of it"),
        (json!({"argv": []}), "argv.0: `argv` begins with nothing"),
        (
            json!({"argv": ["nosuchprogram"]}),
            "argv.0: there is no program `nosuchprogram` in PATH",
        ),
        (json!({"argv": ["{class}"]}), "argv.0: "),
        (
            json!({"argv": ["sh", "{out.x}"]}),
            "argv.1: `files` declares no `x`",
        ),
        (
            json!({"per": "batch"}),
            "argv.1: `{class}` is a value of one row",
        ),
        (
            json!({"files": {"f": {}}}),
            "files.f: nothing tells the program where to write it",
        ),
        (
            json!({"files": {"k": {}}}),
            "files.k: `columns` declares `k`, too",
        ),
        (
            json!({"files": {"f": {"path": "a/b"}}}),
            "files.f: `a/b` is no file's name",
        ),
        (
            json!({"files": {"f": {}}, "rows": "many"}),
            "files: one process gives more than one row",
        ),
        (
            json!({"columns": {"f": "image"}}),
            "columns.f: nothing tells the program where",
        ),
        (
            json!({"reads": ["n"]}),
            "reads: the program is given no rows",
        ),
        (
            json!({"tables": ["t"]}),
            "tables: more than one table can be read only",
        ),
        (
            json!({"inputs": ["nosuchfile"]}),
            "inputs.0: there is no file or folder `nosuchfile`",
        ),
        (
            json!({"row_files": {"f": "Cargo.toml"}}),
            "row_files.f: `Cargo.toml` is a file",
        ),
        (
            json!({"env": {"A=B": "x"}}),
            "env.A=B: `A=B` cannot be the name of a variable",
        ),
        (
            json!({"env": {"A": "x"}, "pass_env": ["A"]}),
            "pass_env.0: the variable `A` is named twice",
        ),
    ];
    for (more, message) in cases {
        let found = with(more.clone());
        assert!(found.contains(message), "{more}:\n{found}");
    }
}

/// The input of the first unit.
fn key(with: &Json) -> Value {
    let ran = run(&Lab::new(0), KIND, with, &[("rows", &classes())]).unwrap();
    ran.executed[0].input.clone()
}

#[test]
fn what_a_program_sees_is_in_its_key_and_nothing_else() {
    let base = json!({"argv": ["sh", "-c", "echo '{{\"k\": 1}}'", "sh", "{class}"],
                      "columns": {"k": "int"}});
    let changed = |name: &str, value: Json| {
        let mut with = base.clone();
        with[name] = value;
        key(&with)
    };
    let same = [
        ("timeout", json!("1m")),
        ("secret_env", json!(["HOME"])),
        ("stdin", json!("none")),
        ("per", json!("row")),
    ];
    for (name, value) in same {
        assert_eq!(changed(name, value), key(&base), "{name}");
    }
    let other = [
        ("env", json!({"SEED": "1"})),
        ("pass_env", json!(["PATH"])),
        ("inputs", json!(["Cargo.toml"])),
        ("stdin", json!("jsonl")),
        ("columns", json!({"k": "float"})),
        ("rows", json!("many")),
    ];
    for (name, value) in other {
        assert_ne!(changed(name, value), key(&base), "{name}");
    }
}
