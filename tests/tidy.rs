//! The house law, kept by a test: who may import whom, what a pure room must not touch, and what holds for every file.
//!
//! clippy (clippy.toml) keeps types and methods; this keeps the arrows between rooms, which clippy does not know. Each rule
//! is proven on a small source that breaks it.

#[path = "tidy/paths.rs"]
mod paths;

use paths::{Named, named_paths, without_comments_and_literals};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A long transition table may be long, a long mixture may not (style.md).
const LINES_MAX: usize = 900;

/// The modules of the crate's root.
const ROOMS: [&str; 11] = [
    "config", "core", "demo", "ids", "pii", "shell", "sim", "simulate", "time", "trace", "wire",
];

/// What of core the world may see: the contract, and the words in it.
const CORE_DOORS: [&str; 10] = [
    "core::floor",
    "core::input",
    "core::effect",
    "core::picture",
    "core::settings",
    "core::results",
    "core::ledger",
    "core::pacing",
    "core::dispositions",
    "core::rules",
];

/// What a room may name of this crate. The root ("") is the program itself.
fn may_name(room: &str) -> Vec<&'static str> {
    let small = ["ids", "time", "pii"];
    let own: &[&str] = match room {
        "ids" | "time" | "pii" => &[],
        "core" => &["core"],
        "wire" => &["wire"],
        "config" => &["config", "core::settings", "core::results"],
        "trace" => &[],
        "shell" => &["config", "wire", "trace", "shell"],
        "sim" => &["config", "wire", "trace", "sim"],
        "demo" | "" => &[
            "config", "wire", "trace", "shell", "sim", "simulate", "demo",
        ],
        "simulate" => &["config", "shell", "sim", "simulate"],
        other => panic!("the room {other} has no law"),
    };
    let sees_core = matches!(room, "shell" | "sim" | "simulate" | "demo" | "");
    let doors = if sees_core { &CORE_DOORS[..] } else { &[] };
    small.iter().chain(own).chain(doors).copied().collect()
}

const CLOCKS: [&str; 2] = ["std::time::Instant", "std::time::SystemTime"];
const SOCKETS: [&str; 8] = [
    "std::net::UdpSocket",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::os::unix::net",
    "tokio::net",
    "tokio_tungstenite",
    "socket2",
    "ureq",
];
const WORLD: [&str; 28] = [
    "std::thread",
    "std::fs",
    "std::env",
    "std::process",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::Condvar",
    "std::sync::mpsc",
    "tokio",
    "axum",
    "crossbeam",
    "dashmap",
    "rusqlite",
    "refinery",
    "libc",
    "getrandom",
    "rand",
    "rustix",
    "metrics",
    "metrics_exporter_prometheus",
    "ratatui",
    "clap",
    "mimalloc",
    "arc_swap",
    "tracing_subscriber",
    "csv",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
];
/// Random order of iteration breaks replay; protocols and formats are other rooms' work.
const NOT_IN_CORE: [&str; 7] = [
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::collections::hash_map",
    "std::collections::hash_set",
    "rsip",
    "serde_json",
    "jiff",
];

/// What a room must not name of other crates.
fn must_not_name(room: &str, file: &str) -> Vec<&'static str> {
    let mut list: Vec<&'static str> = match room {
        "core" => [&CLOCKS[..], &SOCKETS, &WORLD, &NOT_IN_CORE].concat(),
        "wire" | "ids" | "time" | "pii" | "trace" => [&CLOCKS[..], &SOCKETS, &WORLD].concat(),
        "config" => [&CLOCKS[..], &SOCKETS, &["tokio", "getrandom", "rusqlite"]].concat(),
        "sim" => [&SOCKETS[..], &["getrandom"]].concat(),
        _ => Vec::new(),
    };
    if file != "src/main.rs" {
        list.push("anyhow");
    }
    list
}

/// Everything that is wrong with one source file.
fn faults(file: &str, source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let is_test =
        file.ends_with("/tests.rs") || file.ends_with("_tests.rs") || file.contains("/tests/");
    let lines = source.lines().count();
    if lines >= LINES_MAX {
        found.push(format!("{file}: {lines} lines; below {LINES_MAX}"));
    }
    if file.starts_with("src/") && !is_test && lines > 5 && !source.starts_with("//!") {
        found.push(format!("{file}: begins without a `//!` that tells its job"));
    }
    let blank = without_comments_and_literals(source);
    for (index, line) in blank.lines().enumerate() {
        let squeezed: String = line.split_whitespace().collect();
        for word in ["#[ignore", "todo!(", "unimplemented!("] {
            if squeezed.contains(word) {
                found.push(format!("{file}:{}: `{word}`", index + 1));
            }
        }
    }
    if file.starts_with("src/") && !is_test {
        let room = room_of(file);
        for path in named_paths(file, source) {
            if let Some(why) = broken_law(room, file, &path) {
                found.push(format!("{file}:{}: {why}", path.line));
            }
        }
    }
    found
}

/// `src/core/input.rs` -> "core", `src/lib.rs` and `src/main.rs` -> "".
fn room_of(file: &str) -> &str {
    let inside = file.strip_prefix("src/").unwrap_or(file);
    let first = inside.split('/').next().unwrap_or_default();
    let name = first.strip_suffix(".rs").unwrap_or(first);
    if ROOMS.contains(&name) { name } else { "" }
}

fn broken_law(room: &str, file: &str, path: &Named) -> Option<String> {
    let text = path.text();
    let begins = |with: &str| text == with || text.starts_with(&format!("{with}::"));
    let what = if room.is_empty() { "the root" } else { room };
    if path.is_local {
        // lib.rs declares the rooms and links to them.
        if file == "src/lib.rs" {
            return None;
        }
        let judged = text == "*" || ROOMS.contains(&path.segments[0].as_str());
        let allowed = may_name(room).into_iter().any(begins);
        return (judged && !allowed).then(|| format!("{what} must not name crate::{text}"));
    }
    for banned in must_not_name(room, file) {
        if begins(banned) {
            return Some(format!("{what} must not name {text}"));
        }
        // `use std::time;` lets `time::Instant` in by the back door.
        let door = text.strip_suffix("::*").unwrap_or(&text);
        if path.is_use && banned.starts_with(&format!("{door}::")) {
            return Some(format!(
                "{what} must not open {text}: {banned} is behind it"
            ));
        }
    }
    None
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    let path = root().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// All files below `folder` that end in `.ending`, with their paths seen from the root.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut list = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == ending) {
                let inside = path.strip_prefix(root()).expect("below the root");
                list.push(inside.to_string_lossy().into_owned());
            }
        }
    }
    list.sort();
    list
}

#[test]
fn the_house_is_tidy() {
    let mut sources = files("src", "rs");
    assert!(sources.len() > 20, "the sources were not found");
    sources.extend(files("tests", "rs"));
    sources.extend(files("benches", "rs"));
    sources.extend(files("loadtest", "rs"));
    let found: Vec<String> = sources
        .iter()
        .flat_map(|file| faults(file, &read(file)))
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// `source`, as this file, is found guilty of exactly this many things.
fn check(file: &str, source: &str, guilty: usize) {
    let found = faults(file, source);
    assert_eq!(found.len(), guilty, "{file}: {source}\n{found:#?}");
}

#[test]
fn a_pure_room_that_looks_outside_is_found() {
    for source in [
        "use crate::shell::lanes::Clock;",
        "use crate::{ids::AgentId, wire::sip::Uri};",
        "use {crate::ids::AgentId, crate::wire::sip::Uri};\nfn f() { let x = (1, 2); }",
        "use crate::config;",
        "use crate::*;",
        "use super::super::shell::lanes;",
        "fn f() { crate::sim::run(); }",
        "fn f(x: crate::wire::sip::Uri) {}",
        "mod inner { use super::super::super::shell::api; }",
        "use std::time::Instant;",
        "use std::time::{Duration, SystemTime};",
        "use std::time;",
        "use std::time::*;",
        "use std as s;",
        "fn f() { let t = std::time::Instant::now(); }",
        "use ::tokio::sync::mpsc;",
        "fn f() { tokio::spawn(async {}); }",
        "use std::net::UdpSocket as S;",
        "use std::fs;",
        "fn f() { std::thread::sleep(d); }",
        "use std::sync::{Arc, Mutex};",
        "use crossbeam::channel::Sender;",
        "fn f() { getrandom::fill(&mut b); }",
        "use anyhow::Result;",
        "use std::collections::HashMap;",
        "use std::collections::{BTreeMap, hash_map::Entry};",
        "use serde_json::Value;",
        "#[cfg(test)] mod tests { } use crate::shell::api;",
    ] {
        check("src/core/pacing/mod.rs", source, 1);
    }
    check("src/wire/sip/uri.rs", "use crate::core::input::Input;", 1);
    check("src/wire/sip/uri.rs", "use std::time::Instant;", 1);
    check("src/ids.rs", "use crate::core::settings::Settings;", 1);
    check("src/config/load.rs", "use crate::core::input::Input;", 1);
    check("src/config/load.rs", "use crate::shell::lanes::Clock;", 1);
    check(
        "src/shell/floor_thread.rs",
        "use crate::core::calls::Call;",
        1,
    );
    check("src/shell/floor_thread.rs", "use crate::core;", 1);
    check("src/shell/floor_thread.rs", "use crate::sim::world;", 1);
    check("src/shell/floor_thread.rs", "use anyhow::bail;", 1);
    check("src/sim/mod.rs", "use std::net::TcpListener;", 1);
    check(
        "src/sim/mod.rs",
        "fn f() { tokio::net::lookup_host(h); }",
        1,
    );
    check("src/main.rs", "use tandem::core::agents::Agents;", 1);
}

#[test]
fn what_is_allowed_is_not_found() {
    for source in [
        "use crate::ids::{AgentId, LeadId};\nuse crate::core::results::SystemResult;",
        "use super::settings::Settings; use self::inner::X; use std::time::Duration;",
        "use std::net::IpAddr; use std::collections::BTreeMap; use rustc_hash::FxHashMap;",
        "// use crate::shell::lanes;\n/* std::time::Instant /* nested */ */",
        "const X: &str = \"std::time::Instant\"; const Y: &str = r#\"use crate::shell;\"#;",
        "fn f<'a>(x: &'a str) -> char { '\\'' } const Q: char = '\"'; // '",
        "#[cfg(test)]\nmod tests { use crate::shell::api; use std::fs; mod deep { fn f() {} } }",
        "fn f() { settings::of(); Self::g(); crate::invariant!(x, \"y\"); }",
        "mod inner { use super::Thing; mod deeper { use super::super::Thing; } } use super::results::X;",
    ] {
        check("src/core/floor.rs", source, 0);
    }
    check("src/core/tests.rs", "use std::fs::File;", 0);
    check(
        "src/wire/sip/mod.rs",
        "use rsip::Uri; use std::collections::HashMap;",
        0,
    );
    check(
        "src/shell/sip.rs",
        "use crate::core::floor::Floor; use std::time::Instant;",
        0,
    );
    check(
        "src/sim/mod.rs",
        "use crate::core::picture::Picture; use crate::config::Config;",
        0,
    );
    check(
        "src/main.rs",
        "use anyhow::Context; use tandem::shell::serve;",
        0,
    );
}

#[test]
fn an_untidy_file_is_found() {
    check("src/shell/x.rs", &"//! x\n".repeat(LINES_MAX), 1);
    check("src/shell/x.rs", &"fn f() {}\n".repeat(6), 1);
    check("src/shell/x.rs", "fn f() { todo!() }", 1);
    check("src/shell/x.rs", "fn f() { unimplemented !(\"x\") }", 1);
    check("tests/x.rs", "#[ignore = \"slow\"]\n#[test] fn f() {}", 1);
    check(
        "tests/x.rs",
        "// #[ignore] and todo!() in a comment\nconst T: &str = \"todo!()\";",
        0,
    );
}

/// `cargo metadata` of what is linked on this platform; from what is on disk, without the network.
fn metadata() -> serde_json::Value {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", &platform])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {errors}");
    serde_json::from_slice(&output.stdout).expect("JSON of cargo")
}

/// Licences that ask for no more than their own text beside the program.
const LICENCES: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// Whether an SPDX expression can be met: one arm of each OR, every arm of each AND.
fn is_licence_allowed(expression: &str) -> bool {
    // Old manifests write "MIT/Apache-2.0".
    let plain = expression.replace('/', " OR ");
    let mut depth = 0i32;
    for word in [" AND ", " OR "] {
        let split = plain.char_indices().find(|(at, c)| {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            depth == 0 && plain[*at..].starts_with(word)
        });
        // AND binds weaker here only because OR always stands in brackets beside it in manifests.
        if let Some((at, _)) = split {
            let (left, right) = (&plain[..at], &plain[at + word.len()..]);
            let (left, right) = (is_licence_allowed(left), is_licence_allowed(right));
            return if word == " AND " {
                left && right
            } else {
                left || right
            };
        }
    }
    let bare = plain.trim();
    match bare.strip_prefix('(').and_then(|b| b.strip_suffix(')')) {
        Some(inner) => is_licence_allowed(inner),
        None => LICENCES.contains(
            &bare
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .as_str(),
        ),
    }
}

#[test]
fn licences_are_read_as_spdx_means_them() {
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
    ] {
        assert!(is_licence_allowed(good), "{good}");
    }
    for bad in [
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR ISC) AND AGPL-3.0",
        "",
    ] {
        assert!(!is_licence_allowed(bad), "{bad}");
    }
}

/// A manifest without an expression (rsip) may name a file instead; its text must be MIT's.
fn ships_mit_text(package: &serde_json::Value) -> bool {
    let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
    let (Some(folder), Some(file)) = (manifest.parent(), package["license_file"].as_str()) else {
        return false;
    };
    let text = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
    let words: Vec<&str> = text.split_whitespace().collect();
    let plain = words.join(" ");
    plain.starts_with("MIT License")
        && plain.contains("Permission is hereby granted, free of charge, to any person")
        && plain.contains("without restriction, including without limitation the rights to use")
}

#[test]
fn every_linked_crate_has_a_licence_that_we_may_ship() {
    let metadata = metadata();
    let linked: BTreeSet<&str> = metadata["resolve"]["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .filter_map(|node| node["id"].as_str())
        .collect();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().expect("packages") {
        if !package["id"].as_str().is_some_and(|id| linked.contains(id)) {
            continue;
        }
        let licence = package["license"].as_str().unwrap_or_default();
        let is_fine = if licence.is_empty() {
            ships_mit_text(package)
        } else {
            is_licence_allowed(licence)
        };
        if !is_fine {
            let (name, version) = (&package["name"], &package["version"]);
            wrong.push(format!("{name} {version}: \"{licence}\""));
        }
    }
    assert!(linked.len() > 100, "{}", linked.len());
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn one_websocket_and_one_sqlite_are_linked() {
    let metadata = metadata();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        versions
            .entry(text("name"))
            .or_default()
            .push(text("version"));
    }
    for name in [
        "tungstenite",
        "tokio-tungstenite",
        "libsqlite3-sys",
        "tokio",
        "rustls",
    ] {
        let found = versions.get(name).map_or(0, Vec::len);
        assert!(found <= 1, "{name}: {:?}", versions[name]);
    }
}

#[test]
fn every_dependency_is_named_with_its_reason() {
    let metadata = metadata();
    let text = read("docs/dependencies.md");
    // What follows is npm's, and npm holds it to its lock file.
    let (text, pages) = text
        .split_once("\n## In the pages\n")
        .expect("crates first, then what builds the pages");
    for package in ["typescript", "playwright-core"] {
        assert!(pages.contains(&format!("| `{package}` |")), "{package}");
    }
    let ours = metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .find(|package| package["name"] == "tandem")
        .expect("our own package");
    let names: BTreeSet<&str> = ours["dependencies"]
        .as_array()
        .expect("dependencies")
        .iter()
        .filter_map(|dependency| dependency["name"].as_str())
        .collect();
    for name in &names {
        assert!(
            text.contains(&format!("| `{name}` |")),
            "{name} has no row in docs/dependencies.md"
        );
    }
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let name = line.split('`').nth(1).unwrap_or_default();
        assert!(
            names.contains(name),
            "{name} is in docs/dependencies.md and not in Cargo.toml"
        );
        assert!(
            line.split('|')
                .nth(3)
                .is_some_and(|why| why.trim().len() > 20),
            "{name}: why?"
        );
    }
}

#[test]
fn what_the_readme_tells_to_type_is_there() {
    let (readme, makefile, ci) = (read("README.md"), read("Makefile"), read(".ci/run"));
    for command in ["make demo", "make test"] {
        assert!(readme.contains(command), "README: {command}");
        let target = format!("\n{}:", command.trim_start_matches("make "));
        assert!(makefile.contains(&target), "Makefile: {command}");
    }
    assert!(
        ci.lines().any(|line| line.trim() == "make test"),
        "CI runs the README's command"
    );
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents = files("docs", "md");
    documents.push("README.md".to_owned());
    documents.push("loadtest/README.md".to_owned());
    for document in documents {
        let text = read(&document);
        let folder = Path::new(&document).parent().unwrap_or(Path::new(""));
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let file = link.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            assert!(
                root().join(folder).join(file).exists(),
                "{document}: {link}"
            );
        }
    }
}
