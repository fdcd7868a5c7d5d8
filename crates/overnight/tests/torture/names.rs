//! Names and ports that come and go.

use std::fs;
use std::path::Path;
use std::process::Command;

use overnight_testkit::rogue::{Move, Rogue};
use tokio::runtime::Runtime;

use crate::answers::{answer, well};
use crate::common::{Client, Lines, count_of};
use crate::stage::Stage;
use crate::support::{Process, overnight};

fn start(runtime: &Runtime) -> Rogue {
    let rogue = Rogue::start(|seen| {
        if seen.path.ends_with("/chat/completions") {
            well()
        } else {
            vec![Move::Send(answer("200 OK", "", b"{}"))]
        }
    });
    runtime.block_on(rogue).unwrap()
}

/// Lets a batch begin, takes its upstream away, waits for the reason, and gives it back.
fn play(client: &Client, away: impl FnOnce(), says: &str, back: impl FnOnce()) {
    let lines = Lines::new("line", 40).of_model("engine");
    let id = client.submit(&lines.bytes());
    client.until(&id, "it to run", |batch| count_of(batch, "completed") > 0);
    away();
    let reason = Stage::until_reason(client, &id, "engine", says);
    eprintln!("{reason}");
    back();
    let batch = client.until_status(&id, "completed");
    let ended = client.ended(&batch);
    ended.check_each_once(lines.ids());
    assert!(ended.error.is_empty(), "{:?}", ended.error);
}

#[test]
fn an_upstream_that_refuses_connections_is_waited_for() {
    let runtime = Runtime::new().unwrap();
    let rogue = start(&runtime);
    let url = format!("http://{}", rogue.address());
    let stage = Stage::start(&[("engine".to_owned(), url)], "");
    play(
        &stage.client,
        || runtime.block_on(rogue.refuse()),
        "could not be connected to",
        || runtime.block_on(rogue.listen_again()).unwrap(),
    );
}

/// Puts a test's files in the places of two of the system's, for the server alone.
const IN_NAMESPACE: &str = "mount --bind \"$1\" /etc/hosts; mount --bind \"$2\" /etc/resolv.conf; \
     exec \"$0\" serve --listen 127.0.0.1:0 --data data";

/// A server in a mount namespace of its own, whose `/etc/hosts` is a file of the test.
#[test]
fn an_upstream_whose_name_is_not_known_for_a_while_is_waited_for() {
    let runtime = Runtime::new().unwrap();
    let rogue = start(&runtime);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let known = "127.0.0.1 localhost engine.test\n";
    let hosts = file("hosts", known);
    // Whoever is asked for other names refuses at once.
    let resolver = file(
        "resolv.conf",
        "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
    );
    file(
        "overnight.toml",
        &format!(
            "[[upstreams]]\nname = \"engine\"\nurl = \"http://engine.test:{}\"\n\
             models = [\"engine\"]\nlimit = 2\ngauges = false\n",
            rogue.address().port()
        ),
    );
    let mut command = Command::new("unshare");
    command
        .current_dir(folder.path())
        .args(["--mount", "sh", "-ec", IN_NAMESPACE])
        .arg(overnight(folder.path()).get_program())
        .args([&hosts, &resolver]);
    let mut process = Process::start(command, folder.path());
    let line = process.first_line();
    let url = line.trim().strip_prefix("overnight is ready on ").unwrap();
    play(
        &Client::new(url),
        || {
            fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
            runtime.block_on(rogue.listen_again()).unwrap();
        },
        "dns error",
        || fs::write(Path::new(&hosts), known).unwrap(),
    );
}
