//! What an upstream over HTTP sends and asks, over real connections.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has to fail"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use overnight_core::attempt::{NoAnswer, Reply};
use overnight_engine::lease::Leave;
use overnight_engine::upstream::answer::{AnswerBudget, AnswerLimits};
use overnight_engine::upstream::http::{HttpUpstream, UpstreamSetupError};
use overnight_engine::upstream::scripted::{Answer, Script, Step, chat_answer};
use overnight_engine::upstream::settings::{Secret, UpstreamSettings};
use overnight_engine::upstream::{Call, CallBody, Gauges, ModelList, Stage, Timeouts, Upstream};
use overnight_testkit::fault::{Fault, FaultProxy};
use overnight_testkit::server::ScriptedServer;
use overnight_testkit::tls::{Identity, TlsFront};

const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    head: Duration::from_secs(20),
    idle: Duration::from_secs(20),
};

fn set_up(settings: UpstreamSettings) -> Result<HttpUpstream, UpstreamSetupError> {
    HttpUpstream::new(
        settings,
        TIMEOUTS,
        AnswerBudget::new(AnswerLimits::new(std::env::temp_dir())),
    )
}

async fn serve(steps: impl IntoIterator<Item = Step>) -> ScriptedServer {
    ScriptedServer::start(Script::of(steps)).await.unwrap()
}

fn call(body: &'static str) -> Call {
    Call {
        path: Arc::from("/v1/chat/completions"),
        model: Arc::from("m"),
        body: CallBody::Held(Bytes::from_static(body.as_bytes())),
        leave: Leave::default(),
        span: None,
    }
}

fn streamed(body: &Bytes, length: u64) -> Call {
    let pieces: Vec<_> = body
        .chunks(50_000)
        .map(|piece| Ok(body.slice_ref(piece)))
        .collect();
    let body = CallBody::Streamed {
        length,
        pieces: stream::iter(pieces).boxed(),
    };
    Call { body, ..call("") }
}

fn aliased(url: &str) -> UpstreamSettings {
    let served_as = [("m".to_owned(), "org/model \"7b\"".to_owned())].into();
    UpstreamSettings {
        served_as,
        ..UpstreamSettings::new(url)
    }
}

/// A body whose model stands at its end, behind much text.
fn large_body(model: &str) -> Bytes {
    let model = serde_json::to_string(model).unwrap();
    format!(
        "{{\"messages\":[\"{}\"],\"model\":{model}}}",
        "x".repeat(300_000)
    )
    .into()
}

fn is_ok(reply: &Reply) -> bool {
    matches!(reply, Reply::Answered { status: 200, .. })
}

#[tokio::test]
async fn a_request_has_its_headers_and_its_bytes_untouched() {
    let server = serve([]).await;
    let upstream = set_up(UpstreamSettings {
        api_key: Some(Secret::new("sk-1".to_owned())),
        headers: vec![("x-team".to_owned(), "night".to_owned())],
        ..UpstreamSettings::new(format!("{}/openai/v1/", server.url()))
    })
    .unwrap();
    let body = "{ \"model\" :\"m\", \"n\": 12345678901234567890 }";
    assert!(is_ok(&upstream.send(call(body)).await.reply));
    let seen = server.seen().remove(0);
    assert_eq!(seen.path, "/openai/v1/chat/completions");
    assert_eq!(seen.body, body);
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(
        seen.header("content-length"),
        Some(body.len().to_string().as_str())
    );
    assert_eq!(seen.header("accept"), Some("application/json"));
    assert_eq!(seen.header("authorization"), Some("Bearer sk-1"));
    assert_eq!(seen.header("x-team"), Some("night"));
    assert_eq!(
        seen.header("host"),
        Some(server.address().to_string().as_str())
    );
    assert!(seen.header("user-agent").unwrap().starts_with("overnight/"));
    assert_eq!(
        seen.headers
            .iter()
            .filter(|(name, _)| name == "host")
            .count(),
        1
    );
}

#[tokio::test]
async fn a_large_body_is_streamed_with_its_length() {
    let server = serve([]).await;
    let upstream = set_up(UpstreamSettings::new(server.url())).unwrap();
    let body = large_body("m");
    let reply = upstream
        .send(streamed(&body, body.len() as u64))
        .await
        .reply;
    assert!(is_ok(&reply), "{reply:?}");
    let seen = server.seen().remove(0);
    assert_eq!(seen.body, body);
    assert_eq!(
        seen.header("content-length"),
        Some(body.len().to_string().as_str())
    );
}

#[tokio::test]
async fn a_body_that_cannot_be_read_ends_the_attempt() {
    let server = serve([]).await;
    let upstream = set_up(UpstreamSettings::new(server.url())).unwrap();
    let body = large_body("m");
    for wrong in [body.len() as u64 - 1, body.len() as u64 + 1] {
        let received = upstream.send(streamed(&body, wrong)).await;
        assert_eq!(received.reply, Reply::NoAnswer(NoAnswer::Ours));
        assert!(received.detail.is_some());
    }
    assert!(
        is_ok(&upstream.send(call("{}")).await.reply),
        "the upstream is still of use"
    );
}

#[tokio::test]
async fn an_alias_changes_the_model_and_nothing_else() {
    let server = serve([]).await;
    let upstream = set_up(aliased(&server.url())).unwrap();
    assert!(is_ok(
        &upstream
            .send(call(r#"{ "model" : "m", "x": [{"model":"m"}] }"#))
            .await
            .reply
    ));
    let body = large_body("m");
    assert!(is_ok(
        &upstream
            .send(streamed(&body, body.len() as u64))
            .await
            .reply
    ));
    let seen = server.seen();
    assert_eq!(
        seen[0].body,
        r#"{ "model" : "org/model \"7b\"", "x": [{"model":"m"}] }"#
    );
    assert_eq!(seen[1].body, large_body("org/model \"7b\""));
    let length = seen[1].body.len().to_string();
    assert_eq!(seen[1].header("content-length"), Some(length.as_str()));
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let server = serve([]).await;
    let upstream = set_up(UpstreamSettings::new(server.url())).unwrap();
    for _ in 0..5 {
        assert!(is_ok(&upstream.send(call("{}")).await.reply));
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_question_survives_an_idle_connection_that_was_closed() {
    let up = || Step::Answer(Answer::new(200, ""));
    let server = serve([up(), Step::LoseIdle, up()]).await;
    let upstream = set_up(UpstreamSettings::new(server.url())).unwrap();
    assert!(upstream.is_up().await);
    assert!(upstream.is_up().await);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_server_that_comes_back_is_used_again() {
    let server = serve([]).await;
    let upstream = set_up(UpstreamSettings::new(server.url())).unwrap();
    assert!(upstream.is_up().await);
    server.refuse().await;
    assert!(!upstream.is_up().await);
    assert_eq!(
        upstream.send(call("{}")).await.reply,
        Reply::NoAnswer(NoAnswer::Refused)
    );
    server.listen_again().await.unwrap();
    assert!(is_ok(&upstream.send(call("{}")).await.reply));
}

#[tokio::test]
async fn a_plain_proxy_is_told_the_whole_url_and_its_credentials() {
    let proxy = serve([]).await;
    let upstream = set_up(UpstreamSettings {
        proxy: Some(format!("http://me:secret@{}", proxy.address())),
        ..UpstreamSettings::new("http://models.invalid:8000/v1")
    })
    .unwrap();
    assert!(is_ok(&upstream.send(call("{}")).await.reply));
    let seen = proxy.seen().remove(0);
    assert_eq!(seen.path, "http://models.invalid:8000/v1/chat/completions");
    assert_eq!(seen.header("host"), Some("models.invalid:8000"));
    assert_eq!(
        seen.header("proxy-authorization"),
        Some("Basic bWU6c2VjcmV0")
    );
}

#[tokio::test]
async fn an_encrypted_upstream_is_reached_by_connect() {
    let proxy = serve([Step::Answer(Answer::new(403, "no"))]).await;
    let upstream = set_up(UpstreamSettings {
        proxy: Some(format!("http://me:secret@{}", proxy.address())),
        ..UpstreamSettings::new("https://models.invalid/v1")
    })
    .unwrap();
    let received = upstream.send(call("{}")).await;
    assert_eq!(received.reply, Reply::NoAnswer(NoAnswer::Refused));
    assert!(!received.detail.unwrap().contains("secret"));
    let seen = proxy.seen().remove(0);
    assert_eq!(seen.path, "models.invalid:443");
    assert_eq!(
        seen.header("proxy-authorization"),
        Some("Basic bWU6c2VjcmV0")
    );
}

#[tokio::test]
async fn a_plain_server_is_no_encrypted_one() {
    let server = serve([]).await;
    let url = format!("https://{}", server.address());
    // The server waits for the end of a head, which no greeting of TLS has.
    let timeouts = Timeouts {
        connect: Duration::from_millis(200),
        ..TIMEOUTS
    };
    let budget = AnswerBudget::new(AnswerLimits::new(std::env::temp_dir()));
    let upstream = HttpUpstream::new(UpstreamSettings::new(url), timeouts, budget).unwrap();
    assert_eq!(
        upstream.send(call("{}")).await.reply,
        Reply::NoAnswer(NoAnswer::Refused)
    );
}

#[tokio::test]
async fn a_connection_that_never_comes_is_refused_in_time() {
    let server = serve([Step::Silent]).await;
    let timeouts = Timeouts {
        connect: Duration::from_millis(100),
        ..TIMEOUTS
    };
    let budget = AnswerBudget::new(AnswerLimits::new(std::env::temp_dir()));
    // The proxy takes the connection and never answers its CONNECT.
    let settings = UpstreamSettings {
        proxy: Some(server.url()),
        ..UpstreamSettings::new("https://models.invalid/v1")
    };
    let upstream = HttpUpstream::new(settings, timeouts, budget).unwrap();
    assert_eq!(
        upstream.send(call("{}")).await.reply,
        Reply::NoAnswer(NoAnswer::Refused)
    );
}

#[tokio::test]
async fn a_list_of_models_is_read_with_aliases() {
    let list = r#"{"object":"list","data":[{"id":"a","created":5,"owned_by":"vllm"}]}"#;
    let server = serve([Step::Answer(Answer::new(200, list))]).await;
    let upstream = set_up(aliased(&server.url())).unwrap();
    let Ok(ModelList::Models(models)) = upstream.models().await else {
        panic!("no list")
    };
    let names: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(names, ["a", "m"]);
    let seen = server.seen().remove(0);
    assert_eq!(
        (seen.path.as_str(), seen.header("content-type")),
        ("/v1/models", None)
    );
    assert!(seen.header("user-agent").is_some());
}

#[tokio::test]
async fn a_list_of_models_that_cannot_be_had_says_why() {
    let answers = [404, 405, 501, 401, 500].map(|status| Step::Answer(Answer::new(status, "{}")));
    let server = serve(
        answers
            .into_iter()
            .chain([Step::Answer(Answer::new(200, "<html>"))]),
    )
    .await;
    let upstream = set_up(UpstreamSettings::new(server.url())).unwrap();
    for _ in 0..3 {
        assert_eq!(upstream.models().await, Ok(ModelList::NoList));
    }
    let said = [
        "answered 401 to /v1/models: check its API key",
        "answered 500 to /v1/models",
        "answered /v1/models with no list of models",
    ];
    for sentence in said {
        assert_eq!(upstream.models().await, Err(sentence.to_owned()));
    }
    server.refuse().await;
    let sentence = upstream.models().await.unwrap_err();
    assert!(
        sentence.starts_with("could not be connected to: "),
        "{sentence}"
    );
}

#[tokio::test]
async fn an_answer_to_a_question_is_read_to_its_end_and_no_further_than_its_bound() {
    let many = format!(r#"{{"data":[{{"id":"{}"}}]}}"#, "m".repeat(8 << 20));
    let cut = Step::Cut {
        answer: Answer::new(200, many.clone()),
        sent: 100,
    };
    let just = format!(r#"{{"data":[{{"id":"{}"}}]}}"#, "m".repeat((8 << 20) - 20));
    assert!(just.len() <= 8 << 20);
    let server = serve([many, just].map(|body| Step::Answer(Answer::new(200, body)))).await;
    let upstream = set_up(UpstreamSettings::new(server.url())).unwrap();
    let said = upstream.models().await.unwrap_err();
    assert_eq!(said, "answered /v1/models with more than is read");
    assert!(upstream.models().await.is_ok());

    let server = serve([cut]).await;
    let upstream = set_up(UpstreamSettings::new(server.url())).unwrap();
    let said = upstream.models().await.unwrap_err();
    assert!(said.starts_with("cut its answer short: "), "{said}");
}

#[tokio::test]
async fn gauges_are_read_unless_the_settings_forbid_it_or_there_are_none() {
    let text = "vllm:num_requests_running 3\nvllm:num_requests_waiting 4\n";
    let gauges = |status| Step::Answer(Answer::new(status, text));
    let server = serve([gauges(200), gauges(500), Step::Answer(Answer::new(200, ""))]).await;
    let upstream = set_up(UpstreamSettings::new(server.url())).unwrap();
    let known = Gauges {
        running: 3,
        waiting: 4,
    };
    assert_eq!(upstream.gauges().await, Some(known));
    assert_eq!(upstream.gauges().await, None);
    assert_eq!(upstream.gauges().await, None);
    let forbidden = set_up(UpstreamSettings {
        gauges: false,
        ..UpstreamSettings::new(server.url())
    });
    assert_eq!(forbidden.unwrap().gauges().await, None);
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn models_in_the_settings_are_not_asked_for() {
    let server = serve([]).await;
    let models = Some(vec!["a".to_owned()]);
    let upstream = set_up(UpstreamSettings {
        models,
        ..aliased(&server.url())
    })
    .unwrap();
    let Ok(ModelList::Models(models)) = upstream.models().await else {
        panic!("no list")
    };
    assert_eq!(models.len(), 2);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn gauges_and_health_are_asked_beside_v1() {
    let metrics = "vllm:num_requests_running 3\nvllm:num_requests_waiting 4\n";
    let answers = [(200, metrics), (404, ""), (200, ""), (404, ""), (503, "")];
    let server = serve(answers.map(|(status, body)| Step::Answer(Answer::new(status, body)))).await;
    let upstream = set_up(UpstreamSettings::new(format!("{}/v1", server.url()))).unwrap();
    assert_eq!(
        upstream.gauges().await,
        Some(Gauges {
            running: 3,
            waiting: 4
        })
    );
    assert_eq!(upstream.gauges().await, None);
    let up = [
        upstream.is_up().await,
        upstream.is_up().await,
        upstream.is_up().await,
    ];
    assert_eq!(up, [true, true, false]);
    let paths: Vec<String> = server.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(
        paths,
        ["/metrics", "/metrics", "/health", "/health", "/health"]
    );
    let settings = UpstreamSettings {
        gauges: false,
        ..UpstreamSettings::new(server.url())
    };
    assert_eq!(set_up(settings).unwrap().gauges().await, None);
    assert_eq!(server.seen().len(), 5);
}

#[tokio::test]
async fn a_setting_that_does_not_hold_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    let base = || UpstreamSettings::new("http://host");
    let one = |name: &str| [("m".to_owned(), name.to_owned())].into();
    let wrong = [
        ("url", UpstreamSettings::new("host:8000")),
        (
            "ca",
            UpstreamSettings {
                ca: Some(folder.path().join("missing.pem")),
                ..base()
            },
        ),
        (
            "ca",
            UpstreamSettings {
                ca: Some(empty),
                ..base()
            },
        ),
        (
            "proxy",
            UpstreamSettings {
                proxy: Some("socks5://host".to_owned()),
                ..base()
            },
        ),
        (
            "proxy",
            UpstreamSettings {
                proxy: Some("https://host".to_owned()),
                ..base()
            },
        ),
        (
            "models",
            UpstreamSettings {
                models: Some(Vec::new()),
                ..base()
            },
        ),
        (
            "served_as",
            UpstreamSettings {
                served_as: one(""),
                ..base()
            },
        ),
    ];
    for (field, settings) in wrong {
        let error = set_up(settings).unwrap_err();
        assert_eq!(error.field, field, "{error}");
    }
    let ca = Some(folder.path().join("missing.pem"));
    let error = set_up(UpstreamSettings { ca, ..base() })
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("upstream http://host: `ca` cannot be read: `"),
        "{error}"
    );
    assert!(error.contains("missing.pem"), "{error}");
}

#[tokio::test]
async fn an_upstream_is_called_by_its_name_or_its_address() {
    let named = UpstreamSettings {
        name: Some("big".to_owned()),
        ..UpstreamSettings::new("https://me:secret@host/openai/v1")
    };
    let upstream = set_up(named).unwrap();
    assert_eq!(
        (upstream.name(), upstream.url()),
        ("big", "https://host/openai")
    );
    assert_eq!(
        set_up(UpstreamSettings::new("http://host:8000/"))
            .unwrap()
            .name(),
        "host:8000"
    );
}

#[tokio::test]
async fn a_network_that_fails_has_a_name_for_each_way() {
    let server = serve([]).await;
    let proxy = FaultProxy::start(server.address()).await.unwrap();
    let timeouts = Timeouts {
        head: Duration::from_millis(300),
        ..TIMEOUTS
    };
    let budget = AnswerBudget::new(AnswerLimits::new(std::env::temp_dir()));
    let settings = || UpstreamSettings::new(format!("http://{}", proxy.address()));
    // Each call has an upstream of its own, so that no connection is an old one.
    let send = async || {
        let upstream = HttpUpstream::new(settings(), timeouts, budget.clone()).unwrap();
        upstream.send(call("{}")).await.reply
    };
    assert!(is_ok(&send().await));
    proxy.disturb(Fault::Latency(Duration::from_millis(5)));
    assert!(is_ok(&send().await));
    proxy.disturb(Fault::BlackHole);
    assert_eq!(send().await, Reply::NoAnswer(NoAnswer::HeadTimeout));
    proxy.disturb(Fault::HalfClose);
    assert_eq!(send().await, Reply::NoAnswer(NoAnswer::Reset));
    proxy.disturb(Fault::Reset);
    assert_eq!(send().await, Reply::NoAnswer(NoAnswer::Reset));
    proxy.disturb(Fault::None);
    assert!(is_ok(&send().await));
}

#[tokio::test]
async fn a_spooled_answer_is_whole() {
    let text = "y".repeat(400_000);
    let server = serve([Step::Answer(chat_answer(&text))]).await;
    let folder = tempfile::tempdir().unwrap();
    let limits = AnswerLimits {
        memory_bytes: 0,
        ..AnswerLimits::new(folder.path().to_owned())
    };
    let settings = UpstreamSettings::new(server.url());
    let upstream = HttpUpstream::new(settings, TIMEOUTS, AnswerBudget::new(limits)).unwrap();
    let received = upstream.send(call("{}")).await;
    assert!(is_ok(&received.reply));
    assert_eq!(received.usage.total_tokens, 5);
    let mut whole = Vec::new();
    let mut pieces = received.body.into_pieces();
    while let Some(piece) = pieces.next().await {
        whole.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(whole, chat_answer(&text).body);
}

const KEY: &str = include_str!("tls/server-key.pem");

/// An upstream at a server whose certificate the tests' own authority has signed.
fn trusting(url: &str) -> UpstreamSettings {
    let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/ca.pem");
    UpstreamSettings {
        ca: Some(ca.into()),
        ..UpstreamSettings::new(url)
    }
}

/// The legs of the way to an upstream: what each led to, and what came of it.
async fn legs(url: &str) -> Vec<(Stage, Result<String, String>)> {
    let legs = set_up(trusting(url)).unwrap().reach().await;
    legs.into_iter()
        .map(|leg| (leg.stage, leg.outcome))
        .collect()
}

#[tokio::test]
async fn the_way_is_told_leg_by_leg_up_to_the_one_that_fails() {
    let server = serve([]).await;
    let connected = (Stage::Connect, Ok("connected".to_owned()));
    let url = format!("http://{}", server.address());
    assert_eq!(legs(&url).await, vec![connected.clone()]);

    let url = format!("http://localhost:{}", server.address().port());
    let way = legs(&url).await;
    let found = way[0].1.as_ref().unwrap();
    assert!(found.starts_with("localhost is "), "{found}");
    assert_eq!(
        (way[0].0, &way[1..]),
        (Stage::Resolve, &[connected.clone()][..])
    );

    let way = legs("http://models.invalid").await;
    assert_eq!((way.len(), way[0].0), (1, Stage::Resolve));
    assert!(way[0].1.is_err(), "{way:?}");

    let way = legs("http://127.0.0.1:1").await;
    assert_eq!((way.len(), way[0].0), (1, Stage::Connect));
    let why = way[0].1.as_ref().unwrap_err();
    assert!(why.contains("refused"), "{why}");
}

#[tokio::test]
async fn the_last_leg_is_encryption() {
    let server = serve([]).await;
    let identity = |certificate| Identity {
        certificate,
        key: KEY,
    };
    let good = identity(include_str!("tls/good.pem"));
    let front = TlsFront::start(server.address(), good).await.unwrap();
    let url = format!("https://127.0.0.1:{}", front.address().port());
    let way = legs(&url).await;
    assert_eq!((way.len(), way[1].0), (2, Stage::Encrypt));
    let held = "the certificate holds; TLSv1.3, HTTP/1.1";
    assert_eq!(way[1].1.as_deref(), Ok(held));

    front
        .show(identity(include_str!("tls/expired.pem")))
        .unwrap();
    let way = legs(&url).await;
    let why = way[1].1.as_ref().unwrap_err();
    assert!(why.contains("expired"), "{why}");
}

#[tokio::test]
async fn an_encrypted_connection_that_was_closed_while_it_was_idle_is_nobodys_fault() {
    let well = || Step::Answer(chat_answer("hi"));
    let server = serve([well(), Step::LoseIdle, well(), Step::LoseIdle]).await;
    let good = Identity {
        certificate: include_str!("tls/good.pem"),
        key: KEY,
    };
    let front = TlsFront::start(server.address(), good).await.unwrap();
    let url = format!("https://127.0.0.1:{}", front.address().port());
    let upstream = set_up(trusting(&url)).unwrap();
    let lost = Reply::NoAnswer(NoAnswer::StaleConnection);
    assert!(is_ok(&upstream.send(call("{}")).await.reply));
    assert_eq!(upstream.send(call("{}")).await.reply, lost);
    assert!(is_ok(&upstream.send(call("{}")).await.reply));
    assert_eq!(upstream.send(call("{}")).await.reply, lost);

    let server = serve([Step::Reset]).await;
    let front = TlsFront::start(server.address(), good).await.unwrap();
    let url = format!("https://127.0.0.1:{}", front.address().port());
    let upstream = set_up(trusting(&url)).unwrap();
    let reply = upstream.send(call("{}")).await.reply;
    assert_eq!(reply, Reply::NoAnswer(NoAnswer::Reset));
}
