//! Slots, the queue behind them, and what the gauges and the log say meanwhile.

use std::time::Duration;

use crate::running::{PATIENCE, Running, chat, instant, send_on, taking};
use overnight_sim::log::{LogLine, LogTo};
use overnight_sim::settings::SimSettings;
use serde_json::json;
use tokio::time::Instant;

const CHAT: &str = "/v1/chat/completions";

/// A request takes longer than any test; it is left by dropping it.
const FOREVER_MS: f64 = 3_000_000.0;

#[tokio::test]
async fn a_full_queue_gets_429_with_the_retry_after_that_was_set() {
    let settings = SimSettings {
        slots: 1,
        queue: 1,
        ..taking(FOREVER_MS)
    };
    let sim = Running::start(SimSettings {
        retry_after_seconds: Some(7),
        ..settings
    })
    .await;
    let running = sim.begin(chat("a"));
    sim.until(|stats| stats.running == 1).await;
    let waiting = sim.begin(chat("b"));
    sim.until(|stats| stats.waiting == 1).await;
    let answer = sim.post(CHAT, &chat("c")).await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.headers["retry-after"], "7");
    assert_eq!(answer.error().0, "rate_limit_exceeded");
    assert_eq!(sim.sim.stats().refused, 1);
    running.abort();
    waiting.abort();
}

#[tokio::test]
async fn a_client_that_goes_frees_its_slot_and_its_place() {
    let sim = Running::start(SimSettings {
        slots: 1,
        queue: 1,
        ..taking(FOREVER_MS)
    })
    .await;
    for round in 1..=3 {
        let stream = tokio::net::TcpStream::connect(sim.address).await.unwrap();
        let body = chat("a");
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: sim\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.writable().await.unwrap();
        stream.try_write((head + &body).as_bytes()).unwrap();
        sim.until(|stats| stats.running == 1).await;
        drop(stream);
        sim.until(|stats| stats.running == 0 && stats.gone == round)
            .await;
    }
    assert_eq!(sim.sim.stats().in_flight, 0);
}

#[tokio::test]
async fn slots_can_be_changed_while_it_runs() {
    let sim = Running::start(SimSettings {
        slots: 1,
        ..taking(FOREVER_MS)
    })
    .await;
    let requests: Vec<_> = (0..4)
        .map(|number| sim.begin(chat(&number.to_string())))
        .collect();
    sim.until(|stats| stats.running == 1 && stats.waiting == 3)
        .await;
    let answer = sim.post("/sim/slots", r#"{"slots": 3}"#).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["slots"], 3);
    sim.until(|stats| stats.running == 3 && stats.waiting == 1)
        .await;
    sim.sim.set_slots(1).unwrap();
    assert_eq!(sim.sim.stats().running, 3, "what runs goes on");
    assert!(sim.sim.set_slots(0).is_err());
    assert_eq!(sim.post("/sim/slots", r#"{"slots": 0}"#).await.status, 400);
    assert_eq!(sim.post("/sim/slots", "3").await.status, 400);
    requests.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_request_takes_the_time_that_its_tokens_take() {
    let sim = Running::start(SimSettings {
        tpot_ms: 10.0,
        ..taking(50.0)
    })
    .await;
    let body = json!({"model":"sim","prompt":"x","max_tokens":6,"ignore_eos":true}).to_string();
    let before = Instant::now();
    assert_eq!(sim.post("/v1/completions", &body).await.status, 200);
    let took = before.elapsed();
    assert!(took >= Duration::from_millis(100), "{took:?}");
    let before = Instant::now();
    let body = json!({"model":"sim","input":"x"}).to_string();
    assert_eq!(sim.post("/v1/embeddings", &body).await.status, 200);
    assert!(before.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn gauges_have_the_names_that_vllm_gives_them() {
    let sim = Running::start(SimSettings {
        slots: 2,
        ..taking(FOREVER_MS)
    })
    .await;
    let requests: Vec<_> = (0..3)
        .map(|number| sim.begin(chat(&number.to_string())))
        .collect();
    sim.until(|stats| stats.running == 2 && stats.waiting == 1)
        .await;
    let answer = sim.get("/metrics").await;
    let page = String::from_utf8(answer.bytes.to_vec()).unwrap();
    for line in [
        "# TYPE vllm:num_requests_running gauge",
        "vllm:num_requests_running{engine=\"0\",model_name=\"sim\"} 2.0",
        "vllm:num_requests_waiting{engine=\"0\",model_name=\"sim\"} 1.0",
        "vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"sim\"} 1.0",
        "vllm:prompt_tokens_total{engine=\"0\",model_name=\"sim\"} 0.0",
    ] {
        assert!(
            page.lines().any(|written| written == line),
            "{line} is not in\n{page}"
        );
    }
    requests.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn counters_add_up_the_usage_and_gauges_can_be_switched_off() {
    let sim = Running::start(instant()).await;
    let usage = sim.post(CHAT, &chat("12345678")).await.json()["usage"].clone();
    let page = String::from_utf8(sim.get("/metrics").await.bytes.to_vec()).unwrap();
    let written = usage["completion_tokens"].as_u64().unwrap();
    let labels = "{engine=\"0\",model_name=\"sim\"}";
    for line in [
        format!("vllm:prompt_tokens_total{labels} 2.0"),
        format!("vllm:generation_tokens_total{labels} {written}.0"),
        "vllm:request_success_total{engine=\"0\",finished_reason=\"stop\",model_name=\"sim\"} 1.0"
            .to_owned(),
    ] {
        assert!(
            page.lines().any(|there| there == line),
            "{line} is not in\n{page}"
        );
    }
    let bare = Running::start(SimSettings {
        metrics: false,
        ..instant()
    })
    .await;
    assert_eq!(bare.get("/metrics").await.status, 404);
}

#[tokio::test]
async fn thousands_of_instant_requests_are_all_answered() {
    let sim = Running::start(instant()).await;
    let mut clients = Vec::new();
    for client in 0..16 {
        let mut sender = sim.connect().await.unwrap();
        clients.push(sim.tasks.spawn(async move {
            for number in 0..250 {
                let body = chat(&format!("{client}-{number}"));
                let answer = send_on(&mut sender, "POST", CHAT, &body).await.unwrap();
                assert_eq!(answer.status, 200);
            }
        }));
    }
    for client in clients {
        tokio::time::timeout(PATIENCE, client)
            .await
            .unwrap()
            .unwrap();
    }
    let stats = sim.sim.stats();
    assert_eq!(
        (stats.received, stats.answered, stats.in_flight),
        (4000, 4000, 0)
    );
    assert!((1..=16).contains(&stats.in_flight_peak));
    assert_eq!(
        sim.get("/sim/stats").await.json(),
        serde_json::to_value(stats).unwrap()
    );
}

#[tokio::test]
async fn the_log_file_has_a_line_for_each_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sim.jsonl");
    let sim = Running::start(SimSettings {
        log: LogTo::File(path.clone()),
        ..instant()
    })
    .await;
    let body = r#"{"model":"sim","prompt":"x","user":"u-1","metadata":{"line":"7"}}"#;
    sim.post("/v1/completions", body).await;
    sim.post("/v1/completions", body).await;
    sim.post("/v1/completions", "{").await;
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<LogLine> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0].path, "/v1/completions");
    assert_eq!(lines[0].model.as_deref(), Some("sim"));
    assert_eq!(
        (lines[0].user.as_deref(), lines[0].line.as_deref()),
        (Some("u-1"), Some("7"))
    );
    assert_eq!((lines[0].bytes, lines[0].status), (body.len(), 200));
    assert_eq!(lines[0].hash, lines[1].hash);
    assert_ne!(lines[0].hash, lines[2].hash);
    assert_eq!(
        (lines[2].seq, lines[2].status, lines[2].model.as_deref()),
        (2, 400, None)
    );
    let nowhere = SimSettings {
        log: LogTo::File(folder.path().join("no/such")),
        ..instant()
    };
    assert!(overnight_sim::sim::Sim::new(nowhere).is_err());
}

#[tokio::test]
async fn the_log_in_memory_has_clients_that_went_too() {
    let sim = Running::start(SimSettings {
        log: LogTo::Memory,
        ..taking(FOREVER_MS)
    })
    .await;
    let mut sender = sim.connect().await.unwrap();
    let body = chat("a");
    let leaving = send_on(&mut sender, "POST", CHAT, &body);
    assert!(
        tokio::time::timeout(Duration::from_millis(100), leaving)
            .await
            .is_err()
    );
    drop(sender);
    sim.until(|stats| stats.gone == 1).await;
    let lines = sim.sim.log_lines();
    assert_eq!((lines.len(), lines[0].status), (1, 0));
    assert!(lines[0].took_ms >= 90, "{lines:?}");
}
