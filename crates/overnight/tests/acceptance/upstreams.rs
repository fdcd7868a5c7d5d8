//! Upstreams: several for one model, what can be set of one, and models that nobody serves.

use std::time::Duration;

use crate::common::{Lines, count_of, status_of};
use crate::notebook::Notebook;
use crate::scene::{Scene, Sim, upstream};

#[test]
fn the_least_loaded_of_two_upstreams_gets_the_next_line() {
    let (wide, narrow) = (Sim::start(1000, &[]), Sim::start(1000, &[]));
    let config = [
        upstream(wide.url(), "limit = 9"),
        upstream(narrow.url(), "limit = 3"),
    ]
    .concat();
    let scene = Scene::start(&config);
    crate::support::until("both upstreams are known", || {
        let upstreams = scene.client.get("/admin/upstreams").json();
        let mut list = upstreams["data"].as_array().unwrap().iter();
        list.all(|upstream| upstream["health"] == "healthy")
    });
    let batch = scene.client.submit(&Lines::new("line", 8).bytes());
    scene.client.until_status(&batch, "completed");
    let shares = (wide.stats().answered, narrow.stats().answered);
    assert_eq!(
        shares,
        (6, 2),
        "shares of eight lines, by limits of nine and three"
    );
}

#[test]
fn when_one_of_two_upstreams_dies_the_other_takes_over_its_lines() {
    let (mut mortal, other) = (Sim::start(200, &[]), Sim::start(200, &[]));
    let config = [
        upstream(mortal.url(), "name = \"a\"\nlimit = 8"),
        upstream(other.url(), "name = \"b\"\nlimit = 8"),
    ]
    .concat();
    let scene = Scene::start(&config);
    let lines = Lines::new("line", 400);
    let batch = scene.client.submit(&lines.bytes());
    scene.client.until(&batch, "both to work", |_| {
        mortal.stats().answered > 16 && other.stats().answered > 16
    });
    mortal.kill9();
    let batch = scene.client.until_status(&batch, "completed");
    let ended = scene.client.ended(&batch);
    ended.check_each_once(lines.ids());
    assert!(ended.error.is_empty(), "{:?}", ended.error);
    let upstreams = scene.client.get("/admin/upstreams").json();
    assert_eq!(upstreams["data"][0]["health"], "parked", "{upstreams}");
    assert_eq!(upstreams["data"][1]["health"], "healthy", "{upstreams}");
}

#[test]
fn a_fixed_limit_is_never_exceeded() {
    let sim = Sim::start(50, &[]);
    let scene = Scene::with_upstream(sim.url(), "limit = 3");
    let batch = scene.client.submit(&Lines::new("line", 100).bytes());
    scene.client.until_status(&batch, "completed");
    assert_eq!(sim.stats().in_flight_peak, 3);
}

#[test]
fn requests_a_minute_are_kept_to() {
    let sim = Sim::start(1, &[]);
    let scene = Scene::with_upstream(sim.url(), "rpm = 600");
    let batch = scene.client.submit(&Lines::new("line", 50).bytes());
    scene.client.until_status(&batch, "completed");
    let mut arrivals: Vec<u64> = sim
        .log()
        .iter()
        .map(|request| request["at_ms"].as_u64().unwrap())
        .collect();
    arrivals.sort_unstable();
    assert_eq!(arrivals.len(), 50);
    // Ten a second, and a second's worth at once; a busy machine may bunch a few of them.
    for (number, window) in arrivals.windows(25).enumerate() {
        let took = window[24] - window[0];
        assert!(
            took >= 1000,
            "25 requests from {number} within {took} ms: {arrivals:?}"
        );
    }
    let took = arrivals[49] - arrivals[0];
    assert!((3500..10_000).contains(&took), "50 requests took {took} ms");
}

#[test]
fn a_hosted_upstream_gets_its_key_and_headers_and_its_own_name_of_the_model_in_an_untouched_body() {
    let (notebook, url) = Notebook::on_a_port();
    // Any variable will do: this is one that both test runners set.
    let key = std::env::var("CARGO_PKG_NAME").unwrap();
    let settings = "api_key_env = \"CARGO_PKG_NAME\"\nlimit = 1\n\
                    headers = { x-team = \"night\", x-region = \"eu\" }\n\
                    served_as = { mine = \"noted\" }";
    let scene = Scene::with_upstream(&url, settings);
    // Order of keys, white space, escapes and large numbers are the client's own.
    let body = |model: &str| {
        format!(
            r#"{{ "z":1.50,"n":123456789012345678901234567890,"model" : {model},"messages":[{{"role":"user","content":"a\u00e9\/b"}}], "model_name":"mine" }}"#
        )
    };
    let line = format!(
        "{{\"custom_id\":\"one\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{}}}\n",
        body("\"mine\"")
    );
    let batch = scene.client.submit(line.as_bytes());
    scene.client.until_status(&batch, "completed");
    let notes = notebook.notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(
        notes[0]
            .head
            .starts_with("POST /v1/chat/completions HTTP/1.1\r\n")
    );
    assert_eq!(
        notes[0].header("authorization"),
        Some(format!("Bearer {key}").as_str())
    );
    assert_eq!(notes[0].header("x-team"), Some("night"));
    assert_eq!(notes[0].header("x-region"), Some("eu"));
    assert_eq!(String::from_utf8_lossy(&notes[0].body), body("\"noted\""));
    let log = std::fs::read_dir(scene.server.folder.path()).unwrap();
    for entry in log
        .map(Result::unwrap)
        .filter(|entry| entry.path().is_file())
    {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        assert!(!text.contains("Bearer"), "{text}");
    }
}

#[test]
fn an_upstream_may_listen_on_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let notebook = Notebook::on_a_socket(&path);
    let scene = Scene::with_upstream(&format!("unix:{}", path.display()), "");
    let lines = Lines::new("line", 20).of_model("noted");
    let batch = scene.client.submit(&lines.bytes());
    scene.client.until_status(&batch, "completed");
    assert_eq!(notebook.notes().len(), 20);
}

#[test]
fn a_model_that_no_upstream_serves_fails_the_validation() {
    let sim = Sim::start(1, &[]);
    let scene = Scene::with_upstream(sim.url(), "");
    let known = Lines::new("known", 2);
    let unknown = Lines::new("unknown", 1).of_model("nobodys");
    let batch = scene
        .client
        .submit(&[known.bytes(), unknown.bytes()].concat());
    let batch = scene.client.until_status(&batch, "failed");
    let error = &batch["errors"]["data"][0];
    assert_eq!(error["code"], "model_not_found", "{batch}");
    assert_eq!(error["line"], 3, "{batch}");
    assert!(
        error["message"].as_str().unwrap().contains("nobodys"),
        "{batch}"
    );
    assert_eq!(sim.stats().received, 0);
}

#[test]
fn while_an_upstream_cannot_be_reached_its_models_and_unknown_ones_wait_with_a_reason() {
    let (present, absent) = (Sim::start(1, &[]), Sim::start(1, &["--models", "late"]));
    absent.set_mode_for("refuse", Duration::from_secs(12));
    let config = [
        upstream(present.url(), "name = \"present\""),
        upstream(absent.url(), "name = \"absent\""),
    ]
    .concat();
    let scene = Scene::start(&config);
    let all = [
        Lines::new("here", 3),
        Lines::new("late", 3).of_model("late"),
        Lines::new("nowhere", 3).of_model("nobodys"),
    ];
    let bytes: Vec<u8> = all.iter().flat_map(Lines::bytes).collect();
    let batch = scene.client.submit(&bytes);
    scene.until_reason(&batch, Duration::from_secs(8), &["upstream 'absent'"]);
    let waiting = scene.client.batch(&batch);
    assert_eq!(status_of(&waiting), "in_progress", "{waiting}");
    assert_eq!(count_of(&waiting, "failed"), 0, "{waiting}");
    scene
        .client
        .until(&batch, "the lines of the other", |batch| {
            count_of(batch, "completed") == 3
        });

    let batch = scene.client.until_status(&batch, "completed");
    let ended = scene.client.ended(&batch);
    ended.check_each_once(all.iter().flat_map(Lines::ids));
    assert_eq!(ended.output.len(), 6);
    for line in &ended.error {
        assert_eq!(line["response"]["status_code"], 404, "{line}");
        let error = &line["response"]["body"]["error"];
        assert_eq!(error["code"], "model_not_found", "{line}");
    }
}
