//! The upstreams: what each says of its models, and whether it answers a request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use overnight_core::attempt::Reply;
use overnight_engine::UpstreamPart;
use overnight_engine::lease::Leave;
use overnight_engine::upstream::{Call, CallBody, ModelList};
use serde_json::json;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Check, Finding, Report};
use crate::config::settings::Settings;
use crate::show::text::counted;
use crate::wiring::descriptors::Descriptors;
use crate::wiring::upstreams::UpstreamMaker;

/// How long an answer of one token may take: a model may have to be loaded first.
const ANSWER_PATIENCE: Duration = Duration::from_mins(1);

/// How many models are named.
const MODELS_NAMED: usize = 5;

/// Asks each upstream.
pub(super) async fn look(
    settings: &Settings,
    environment: &BTreeMap<String, String>,
    sends: bool,
    report: &mut Report,
) -> anyhow::Result<()> {
    let spool = tempfile::tempdir().context("there is no temporary folder")?;
    let stop = CancellationToken::new();
    let _ends_simulator = stop.clone().drop_guard();
    let tasks = TaskTracker::new();
    let maker = UpstreamMaker {
        settings,
        environment,
        spool_folder: spool.path(),
        descriptors: Descriptors::claim(),
        stop,
        tasks: &tasks,
    };
    for part in maker.make().await? {
        let about = format!("upstream {}", part.name);
        let models = match part.upstream.models().await {
            Ok(models) => models,
            Err(why) => {
                let text = format!("{why}; batches wait until it does ({})", part.url);
                report.tell(&Check::new(about, Finding::Error, text))?;
                continue;
            }
        };
        let (check, first) = listed(&about, &models);
        report.tell(&check)?;
        if let Some(model) = first.filter(|_| sends) {
            report.tell(&answer(&part, &about, &model).await)?;
        }
    }
    Ok(())
}

/// What its list says, and the first model of it.
fn listed(about: &str, models: &ModelList) -> (Check, Option<Arc<str>>) {
    let models = match models {
        ModelList::NoList => {
            let text = "has no list of models, so it is sent the lines of every model";
            return (Check::new(about, Finding::Note, text), None);
        }
        ModelList::Models(models) => models,
    };
    let Some(first) = models.first() else {
        let text = "serves no model";
        return (Check::new(about, Finding::Error, text), None);
    };
    let named = models.iter().take(MODELS_NAMED);
    let named: Vec<&str> = named.map(|model| model.id.as_str()).collect();
    let more = if models.len() > named.len() {
        ", ..."
    } else {
        ""
    };
    let number = counted(models.len() as u64, "model");
    let text = format!("serves {number}: {}{more}", named.join(", "));
    (
        Check::new(about, Finding::Ok, text),
        Some(first.id.as_str().into()),
    )
}

/// Asks a model for one token.
async fn answer(part: &UpstreamPart, about: &str, model: &Arc<str>) -> Check {
    let body = json!({
        "model": &**model,
        "messages": [{ "role": "user", "content": "Hello" }],
        "max_tokens": 1,
    });
    let call = Call {
        path: "/v1/chat/completions".into(),
        model: Arc::clone(model),
        body: CallBody::Held(body.to_string().into()),
        leave: Leave::default(),
    };
    let began = Instant::now();
    let Ok(received) = timeout(ANSWER_PATIENCE, part.upstream.send(call)).await else {
        let seconds = ANSWER_PATIENCE.as_secs();
        let text = format!("{model} did not answer one token within {seconds} s");
        return Check::new(about, Finding::Note, text);
    };
    let took = began.elapsed().as_millis();
    match received.reply {
        Reply::Answered {
            status: 200..300, ..
        } => Check::new(about, Finding::Ok, format!("{model} answers, in {took} ms")),
        Reply::Answered { status, .. } => {
            let text = format!(
                "{model} answers a chat request with status {status}; that is right only for a model \
                 that does not chat"
            );
            Check::new(about, Finding::Note, text)
        }
        Reply::NoAnswer(why) => {
            let detail = received.detail.map(|detail| format!(" ({detail})"));
            let text = format!(
                "{model} does not answer: {why}{}",
                detail.unwrap_or_default()
            );
            Check::new(about, Finding::Error, text)
        }
    }
}
