//! The machine, for records of runs. What cannot be found out is left empty.

use std::fs;
use std::path::Path;

use ccsr_engine::record::{Host, RunOutcome, RunRecord};

/// This machine and this process.
pub(crate) fn here() -> Host {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    Host {
        name: read("/proc/sys/kernel/hostname").trim().to_owned(),
        os: os(
            &read("/etc/os-release"),
            read("/proc/sys/kernel/osrelease").trim(),
        ),
        architecture: std::env::consts::ARCH.to_owned(),
        cpu: after(&read("/proc/cpuinfo"), "model name", ':').unwrap_or_default(),
        cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64),
        memory: memory(&read("/proc/meminfo")).unwrap_or_default(),
        process: began(std::process::id()).map(|began| (std::process::id(), began)),
    }
}

/// Whether a record says that its run is under way and its process is gone: it was killed, or the
/// machine stopped. Of another machine's processes nothing is known.
pub(crate) fn has_died(record: &RunRecord) -> bool {
    record.outcome == RunOutcome::Running
        && record.host.name == here().name
        && record
            .host
            .process
            .is_some_and(|(id, start)| began(id) != Some(start))
}

/// The system's name and version: `Debian GNU/Linux 13 (trixie), Linux 6.12.43`.
fn os(release: &str, kernel: &str) -> String {
    let name = after(release, "PRETTY_NAME", '=').map(|name| name.trim_matches('"').to_owned());
    let system = match std::env::consts::OS {
        "linux" => "Linux",
        other => other,
    };
    let kernel = format!("{system} {kernel}");
    match name {
        Some(name) => format!("{name}, {}", kernel.trim()),
        None => kernel.trim().to_owned(),
    }
}

fn memory(meminfo: &str) -> Option<u64> {
    let kib = after(meminfo, "MemTotal", ':')?;
    let kib: u64 = kib.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// When a process began, in the system's own count.
fn began(id: u32) -> Option<u64> {
    let stat = fs::read_to_string(Path::new("/proc").join(id.to_string()).join("stat")).ok()?;
    // The second field is the program's name in brackets and may hold anything; the time is the 22nd.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

/// What stands after `name` and a separator, in the first line that begins with it.
fn after(text: &str, name: &str, separator: char) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let (_, value) = line.split_once(separator)?;
    Some(value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_found_in_what_the_system_says() {
        assert_eq!(
            os(
                "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n",
                "6.12"
            ),
            "Debian GNU/Linux 13 (trixie), Linux 6.12"
        );
        assert_eq!(
            memory("MemFree: 1 kB\nMemTotal:   2048 kB\n"),
            Some(2 << 20)
        );
        assert_eq!(
            after("processor\t: 0\nmodel name\t: A B\n", "model name", ':').as_deref(),
            Some("A B")
        );
    }

    #[test]
    fn a_process_that_is_there_has_a_beginning() {
        if Path::new("/proc/self/stat").exists() {
            assert!(began(std::process::id()).is_some());
            assert_eq!(began(u32::MAX), None);
        }
    }
}
