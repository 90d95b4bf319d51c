//! What is found on the machine: the program, and the files that its arguments name.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ccsr_stage::{Site, Source};

/// The file of a program: at a path relative to `folder` if its name has a `/`, else in one of the
/// folders that `search` lists, as PATH does.
///
/// # Errors
/// A sentence: what was looked for, and where.
pub(super) fn find(name: &str, folder: &Path, search: Option<&OsStr>) -> Result<PathBuf, String> {
    if name.is_empty() {
        return Err("`argv` begins with nothing; expected the name of a program".to_owned());
    }
    if name.contains('/') {
        let path = folder.join(name);
        return match std::fs::metadata(&path) {
            Ok(found) if found.is_dir() => Err(format!("`{name}` is a folder, not a program")),
            Ok(found) if may_run(&found) => Ok(path),
            Ok(_) => Err(format!(
                "`{name}` may not be executed; `chmod +x {name}`, or put the program that reads it \
                 before it: `[python3, {name}]`"
            )),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(format!(
                "there is no program `{name}`; it was looked for in the folder of the file that \
                 names it"
            )),
            Err(error) => Err(format!("cannot look at the program `{name}`: {error}")),
        };
    }
    let folders: Vec<PathBuf> = search
        .map(|search| std::env::split_paths(search).collect())
        .unwrap_or_default();
    let found = folders
        .iter()
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| std::fs::metadata(path).is_ok_and(|found| may_run(&found)));
    found.ok_or_else(|| {
        let listed: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
        let here = if folder.join(name).is_file() {
            format!("; for the file beside the pipeline write `./{name}`")
        } else {
            String::new()
        };
        if listed.is_empty() {
            return format!("there is no program `{name}`: PATH is empty{here}");
        }
        let listed = listed.join(", ");
        format!("there is no program `{name}` in PATH ({listed}){here}")
    })
}

fn may_run(found: &std::fs::Metadata) -> bool {
    found.is_file() && found.permissions().mode() & 0o111 != 0
}

/// A file or folder that the parameter `name` names, and whether it is a folder.
///
/// # Errors
/// A sentence.
pub(super) fn input(site: &Site<'_>, name: &str, text: &str) -> Result<(PathBuf, bool), String> {
    let path = site.resolve(name, text)?.path;
    match std::fs::metadata(&path) {
        Ok(found) if found.is_file() || found.is_dir() => Ok((path, found.is_dir())),
        Ok(_) => Err(format!("`{text}` is a pipe, a device or the like")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(format!("there is no file or folder `{text}`"))
        }
        Err(error) => Err(format!("cannot look at `{text}`: {error}")),
    }
}

/// Files and folders whose content enters keys, each under the name that people know it by.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<Source>);

impl Sources {
    /// Adds a file or folder and returns the name that it goes by.
    pub(super) fn add(&mut self, written: &str, path: PathBuf, folder: bool) -> &'static str {
        if let Some(known) = self.0.iter().find(|known| known.path == path) {
            return known.name;
        }
        // A file `cp` beside the program `cp`.
        let mut name = written.to_owned();
        while self.0.iter().any(|known| known.name == name) {
            name.push('\'');
        }
        let name = interned(&name);
        self.0.push(Source {
            name,
            path,
            display: written.to_owned(),
            folder,
        });
        name
    }

    /// All of them.
    pub(super) fn list(&self) -> &[Source] {
        &self.0
    }
}

/// The same text for as long as the program runs. Ports and sources go by names that are known when
/// a stage kind is written; here the pipeline's author chooses them. Each is kept once.
pub(super) fn interned(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_or_it_is_said_where_they_were_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, mode| {
            let path = folder.path().join(name);
            std::fs::write(&path, "#!/bin/sh\n").unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            path
        };
        let (runs, plain) = (file("runs", 0o755), file("plain", 0o644));
        let search = OsStr::new("/no/such:/bin");
        let found = |name: &str| find(name, folder.path(), Some(search));
        assert_eq!(found("./runs"), Ok(folder.path().join("./runs")));
        assert_eq!(found(runs.to_str().unwrap()), Ok(runs));
        assert_eq!(found("sh"), Ok("/bin/sh".into()));
        let error = found("./plain").unwrap_err();
        assert!(error.starts_with("`./plain` may not be executed; `chmod +x ./plain`"));
        assert!(plain.exists());
        assert_eq!(
            found("runs").unwrap_err(),
            "there is no program `runs` in PATH (/no/such, /bin); for the file beside the pipeline \
             write `./runs`"
        );
        assert!(
            found("./none")
                .unwrap_err()
                .starts_with("there is no program `./none`;")
        );
        assert!(found("/").unwrap_err().contains("is a folder"));
        assert!(
            find("sh", folder.path(), None)
                .unwrap_err()
                .ends_with("PATH is empty")
        );
        assert!(
            found("")
                .unwrap_err()
                .starts_with("`argv` begins with nothing")
        );
    }

    #[test]
    fn two_files_of_one_name_are_told_apart_and_one_file_is_looked_at_once() {
        let mut sources = Sources::default();
        assert_eq!(sources.add("cp", "/bin/cp".into(), false), "cp");
        assert_eq!(sources.add("cp", "/project/cp".into(), false), "cp'");
        assert_eq!(sources.add("./cp", "/project/cp".into(), false), "cp'");
        assert_eq!(sources.list().len(), 2);
    }
}
