use super::*;

fn span(source: SourceId, start: u32, end: u32) -> Span {
    Span { source, start, end }
}

#[test]
fn columns_count_characters_and_lines_end_either_way() {
    let mut sources = Sources::new();
    let id = sources.add("a.yaml", "/a.yaml", "\u{feff}größe: ä\r\nb: 2\n");
    assert_eq!(sources.get(id).text, "größe: ä\r\nb: 2\n");
    assert_eq!(sources.location(span(id, 9, 11)), (1, 8));
    assert_eq!(sources.slice(span(id, 9, 11)), "ä");
    assert_eq!(sources.line_text(span(id, 9, 11)), "größe: ä");
    assert_eq!(sources.place(span(id, 13, 14)), "a.yaml:2:1");
    assert_eq!(sources.line_text(span(id, 13, 14)), "b: 2");
    assert_eq!(sources.location(span(id, 18, 18)), (3, 1));
    assert_eq!(sources.location(span(id, 999, 999)), (3, 1));
    assert_eq!(sources.line_text(span(id, 999, 999)), "");
}

#[test]
fn nowhere_has_no_name() {
    let sources = Sources::new();
    assert_eq!(sources.location(Span::default()), (1, 1));
    assert_eq!(sources.get(SourceId(0)).name, "");
    assert_eq!(sources.get(SourceId(7)).name, "");
}

#[test]
fn a_file_is_read_once() {
    let folder = std::env::temp_dir().join(format!("ccsr-source-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("a.yaml");
    std::fs::write(&path, "a: 1").unwrap();
    let mut sources = Sources::new();
    let first = sources.read("a.yaml", &path).unwrap();
    assert_eq!(first, SourceId(1));
    std::fs::write(&path, [b'a', b'\n', 0xff]).unwrap();
    assert_eq!(sources.read("a.yaml", &path).unwrap(), first);
    assert_eq!(sources.get(first).text, "a: 1");

    let complaint = |path: &Path| {
        let error = Sources::new().read("it", path).unwrap_err();
        (error.code, error.message)
    };
    assert_eq!(
        complaint(&path),
        (
            "source::encoding",
            "`it` is not UTF-8 text: line 2 has bytes that mean nothing".to_owned()
        )
    );
    assert_eq!(
        complaint(&folder.join("b.yaml")),
        ("source::missing", "there is no file `it`".to_owned())
    );
    assert_eq!(
        complaint(&folder),
        (
            "source::unreadable",
            "cannot read `it`: it is not a file".to_owned()
        )
    );
    let large = std::fs::File::create(&path).unwrap();
    large.set_len(MAX_BYTES as u64 + 1).unwrap();
    assert_eq!(complaint(&path).0, "source::too-large");
    std::fs::remove_dir_all(&folder).unwrap();
}
