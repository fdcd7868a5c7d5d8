//! Outage modes and faults, as a client on the other end of a socket sees them.

use std::io::ErrorKind;
use std::time::Duration;

use crate::running::{PATIENCE, Running, chat, instant, send_on, taking};
use overnight_sim::faults::{Fault, FaultRates};
use overnight_sim::log::LogTo;
use overnight_sim::mode::Mode;
use overnight_sim::settings::SimSettings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const CHAT: &str = "/v1/chat/completions";

/// What a client reads until the end, and how the connection ended.
async fn exchange(sim: &Running, body: &str) -> (String, std::io::Result<usize>) {
    let mut stream = TcpStream::connect(sim.address).await.unwrap();
    let length = body.len();
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: sim\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all((head + body).as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .unwrap();
    (String::from_utf8(bytes).unwrap(), end)
}

fn asking_for(fault: &str) -> String {
    format!(r#"{{"model":"sim","messages":[{{"role":"user"}}],"metadata":{{"fault":"{fault}"}}}}"#)
}

#[tokio::test]
async fn a_refusing_server_refuses_connections_until_the_mode_changes() {
    let sim = Running::start(instant()).await;
    let mut idle = sim.connect().await.unwrap();
    assert_eq!(
        send_on(&mut idle, "POST", CHAT, &chat("a"))
            .await
            .unwrap()
            .status,
        200
    );
    sim.sim.set_mode(Mode::Refuse);
    // The first attempts may still meet the old listener's queue, which is reset.
    let refused = async {
        while !matches!(TcpStream::connect(sim.address).await,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused)
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
    assert!(
        send_on(&mut idle, "POST", CHAT, &chat("a")).await.is_err(),
        "idle ones are closed"
    );
    sim.sim.set_mode(Mode::Normal);
    let listening = async {
        while TcpStream::connect(sim.address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, listening).await.unwrap();
    assert_eq!(sim.post(CHAT, &chat("b")).await.status, 200);
}

#[tokio::test]
async fn what_is_in_flight_outlives_a_refusing_mode() {
    let sim = Running::start(taking(200.0)).await;
    let request = sim.begin(chat("a"));
    sim.until(|stats| stats.running == 1).await;
    sim.sim.set_mode(Mode::Refuse);
    assert_eq!(request.await.unwrap().unwrap().status, 200);
}

#[tokio::test]
async fn a_resetting_server_resets_what_is_open_and_what_comes() {
    let sim = Running::start(taking(3_000_000.0)).await;
    let body = chat("a");
    let open = exchange(&sim, &body);
    let outage = async {
        sim.until(|stats| stats.running == 1).await;
        sim.sim.set_mode(Mode::Reset);
    };
    let ((read, end), ()) = tokio::join!(open, outage);
    assert_eq!(
        (read.as_str(), end.unwrap_err().kind()),
        ("", ErrorKind::ConnectionReset)
    );
    sim.until(|stats| stats.gone == 1 && stats.running == 0)
        .await;
    let mut next = TcpStream::connect(sim.address).await.unwrap();
    let end = tokio::time::timeout(PATIENCE, next.read(&mut [0; 1]))
        .await
        .unwrap();
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_mode_set_over_http_for_a_time_ends_by_itself() {
    let sim = Running::start(instant()).await;
    for mode in ["reset", "refuse"] {
        assert_eq!(
            sim.post("/sim/mode", &format!(r#"{{"mode":"{mode}"}}"#))
                .await
                .error()
                .1,
            "for_ms",
            "nobody could end it"
        );
        let asked = format!(r#"{{"mode":"{mode}","for_ms":150}}"#);
        assert_eq!(sim.post("/sim/mode", &asked).await.status, 200);
        let mut failed = 0_u32;
        while sim.try_send("POST", CHAT, &chat("a")).await.is_err() {
            failed += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(failed > 0, "{mode} did nothing");
    }
    assert_eq!(
        sim.post("/sim/mode", r#"{"mode":"rain"}"#).await.status,
        400
    );
}

#[tokio::test]
async fn a_status_holds_for_all_paths_but_control() {
    let sim = Running::start(instant()).await;
    for status in [401, 404, 500, 503] {
        sim.sim.set_mode(Mode::Status(status));
        let answer = sim.post(CHAT, &chat("a")).await;
        assert_eq!(answer.status, status);
        answer.error();
        assert_eq!(sim.get("/v1/models").await.status, status);
        assert_eq!(sim.get("/health").await.status, status);
    }
    assert_eq!(
        sim.post("/sim/mode", r#"{"mode":"normal"}"#).await.status,
        200
    );
    assert_eq!(sim.post(CHAT, &chat("a")).await.status, 200);
    let stats = sim.sim.stats();
    assert_eq!((stats.failed, stats.answered), (4, 1));
}

#[tokio::test]
async fn a_stalled_server_answers_when_the_stall_is_over() {
    let sim = Running::start(instant()).await;
    sim.sim.set_mode(Mode::Stall);
    let mut request = sim.begin(chat("a"));
    sim.until(|stats| stats.in_flight == 1).await;
    let early = tokio::time::timeout(Duration::from_millis(100), &mut request).await;
    assert!(early.is_err(), "it was answered");
    sim.sim.set_mode(Mode::Normal);
    assert_eq!(request.await.unwrap().unwrap().status, 200);
}

#[tokio::test]
async fn a_proxy_page_is_html_with_status_200() {
    let sim = Running::start(instant()).await;
    sim.sim.set_mode(Mode::Html);
    let answer = sim.post(CHAT, &chat("a")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    assert!(answer.bytes.starts_with(b"<!doctype html>"));
}

#[tokio::test]
async fn a_cut_answer_promises_more_than_it_sends_and_is_reset() {
    let sim = Running::start(instant()).await;
    let (read, end) = exchange(&sim, &asking_for("cut")).await;
    let (head, body) = read.split_once("\r\n\r\n").expect("a head");
    let promised = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    assert!(head.starts_with("HTTP/1.1 200"));
    assert_eq!(body.len(), promised.parse::<usize>().unwrap() / 2);
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_body_can_ask_for_each_fault() {
    let sim = Running::start(SimSettings {
        log: LogTo::Memory,
        ..instant()
    })
    .await;
    let error = sim.post(CHAT, &asking_for("error")).await;
    assert_eq!(
        (
            error.status.as_u16(),
            error.json()["error"]["type"].as_str()
        ),
        (500, Some("server_error"))
    );
    let garbage = sim.post(CHAT, &asking_for("garbage")).await;
    assert_eq!(garbage.status, 200);
    assert_eq!(garbage.headers["content-type"], "application/json");
    assert!(serde_json::from_slice::<serde_json::Value>(&garbage.bytes).is_err());
    assert_eq!(sim.post(CHAT, &asking_for("busy")).await.status, 429);
    let seen: Vec<_> = sim.sim.log_lines().iter().map(|line| line.fault).collect();
    assert_eq!(
        seen,
        [Some(Fault::Error), Some(Fault::Garbage), Some(Fault::Busy)]
    );
    assert_eq!(
        sim.post(CHAT, &asking_for("rain")).await.error().1,
        "metadata.fault"
    );
}

#[tokio::test]
async fn a_timeout_holds_its_slot_until_the_client_goes() {
    let sim = Running::start(SimSettings {
        slots: 1,
        queue: 0,
        ..instant()
    })
    .await;
    let mut request = sim.begin(asking_for("timeout"));
    let early = tokio::time::timeout(Duration::from_millis(100), &mut request).await;
    assert!(early.is_err(), "it was answered");
    assert_eq!(sim.post(CHAT, &chat("a")).await.status, 429);
    request.abort();
    sim.until(|stats| stats.running == 0 && stats.gone == 1)
        .await;
    assert_eq!(sim.post(CHAT, &chat("a")).await.status, 200);
}

#[tokio::test]
async fn faults_by_rate_are_the_same_in_every_run_and_retries_succeed() {
    let faults = FaultRates {
        error: 0.3,
        busy: 0.2,
        ..FaultRates::default()
    };
    let mut histories = Vec::new();
    for _ in 0..2 {
        let sim = Running::start(SimSettings {
            faults,
            ..instant()
        })
        .await;
        let mut sender = sim.connect().await.unwrap();
        let mut history = Vec::new();
        for number in 0..50 {
            let body = chat(&number.to_string());
            let mut status = 0;
            while status != 200 {
                status = send_on(&mut sender, "POST", CHAT, &body)
                    .await
                    .unwrap()
                    .status
                    .as_u16();
                history.push(status);
            }
        }
        let stats = sim.sim.stats();
        assert_eq!(stats.answered, 50);
        assert_eq!(
            stats.received,
            stats.answered + stats.failed + stats.refused
        );
        histories.push(history);
    }
    assert_eq!(histories[0], histories[1]);
    assert!(histories[0].contains(&500) && histories[0].contains(&429));
}

#[tokio::test]
async fn a_unix_socket_serves_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sim.sock");
    let sim = Running::start(instant()).await;
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let (serving, token) = (sim.sim.clone(), stop.clone());
    let served = sim
        .tasks
        .spawn(async move { serving.serve_unix(listener, token).await });
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream
        .write_all(b"GET /health HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut read = String::new();
    stream.read_to_string(&mut read).await.unwrap();
    assert!(read.starts_with("HTTP/1.1 200"), "{read}");
    stop.cancel();
    tokio::time::timeout(PATIENCE, served)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_server_that_stops_does_not_wait_for_ever() {
    let sim = Running::start(instant()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let (serving, token) = (sim.sim.clone(), stop.clone());
    let served = sim
        .tasks
        .spawn(async move { serving.serve(listener, token).await });
    sim.sim.set_mode(Mode::Stall);
    let mut stuck = TcpStream::connect(address).await.unwrap();
    stuck
        .write_all(b"GET /health HTTP/1.1\r\nhost: sim\r\n\r\n")
        .await
        .unwrap();
    let idle = TcpStream::connect(address).await.unwrap();
    stop.cancel();
    tokio::time::timeout(PATIENCE, served)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    drop((stuck, idle));
}
