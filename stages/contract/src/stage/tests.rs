use super::*;

fn source(path: PathBuf, content: &[u8]) -> SourceFile {
    let name = path.file_name().unwrap_or_default();
    SourceFile {
        name: name.to_string_lossy().into_owned(),
        digest: Digest::of(content),
        path,
    }
}

#[test]
fn a_source_is_read_as_it_was_looked_at_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["a", "b"] {
        std::fs::write(path(name), name).unwrap();
    }
    let files = |content: &[u8]| vec![source(path("a"), content), source(path("b"), b"b")];
    let says = |files: Vec<SourceFile>,
                read: &dyn Fn(&Inputs<'_>) -> Result<Vec<u8>, StageError>| {
        let inputs = Inputs {
            tables: &BTreeMap::new(),
            sources: &BTreeMap::from([("path", files)]),
            seed: 0,
        };
        read(&inputs).map_err(|error| error.to_string())
    };
    let of_folder = |files| says(files, &|inputs| inputs.read_source_file("path", "a"));
    assert_eq!(of_folder(files(b"a")), Ok(b"a".to_vec()));
    let changed = Err("`a` changed while it was read; run again".to_owned());
    assert_eq!(of_folder(files(b"before")), changed);
    assert_eq!(
        says(files(b"a"), &|inputs| inputs.read_source_file("path", "c")),
        Err("there is no file `c`".to_owned())
    );
    let alone = |content| vec![source(path("a"), content)];
    let of_file = |files| says(files, &|inputs| inputs.read_source("path"));
    assert_eq!(of_file(alone(b"a")), Ok(b"a".to_vec()));
    assert_eq!(of_file(alone(b"before")), changed);
    assert_eq!(
        of_file(Vec::new()),
        Err("one file was expected for `path`, 0 were found".to_owned())
    );
}
