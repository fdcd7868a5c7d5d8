//! What there is to find out about inference servers from here: the way to each, its models, whether it answers
//! a request, and its gauges.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use overnight_engine::UpstreamPart;
use overnight_engine::upstream::{Leg, ModelList, Stage};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::request;
use crate::commands::report::{Check, Finding, Report};
use crate::config::settings::Settings;
use crate::show::text::{count, counted};
use crate::wiring::descriptors::Descriptors;
use crate::wiring::upstreams::UpstreamMaker;

/// How many models are named.
const MODELS_NAMED: usize = 5;

/// How closely it is looked.
#[derive(Clone, Copy, Debug)]
pub(in crate::commands) struct Depth {
    /// Whether a request is sent.
    pub(in crate::commands) sends: bool,
    /// Whether legs of the way that went well and gauges are told.
    pub(in crate::commands) tells_all: bool,
}

/// Looks at each upstream of the settings.
pub(in crate::commands) async fn look(
    settings: &Settings,
    environment: &BTreeMap<String, String>,
    depth: Depth,
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
        look_at(&part, &about, depth, report).await?;
    }
    Ok(())
}

async fn look_at(
    part: &UpstreamPart,
    about: &str,
    depth: Depth,
    report: &mut Report,
) -> anyhow::Result<()> {
    for leg in part.upstream.reach().await {
        if depth.tells_all || leg.outcome.is_err() {
            report.tell(&reached(about, &part.url, &leg))?;
        }
        if leg.outcome.is_err() {
            return Ok(());
        }
    }
    let models = match part.upstream.models().await {
        Ok(models) => models,
        Err(why) => {
            let text = format!("{why}; batches wait until it does ({})", part.url);
            return report.tell(&Check::new(about, Finding::Error, text).at("models"));
        }
    };
    let (check, first) = listed(about, &models);
    report.tell(&check.at("models"))?;
    if let Some(model) = first.filter(|_| depth.sends) {
        let check = request::ask(part, about, &model).await;
        report.tell(&check.at("request"))?;
    }
    if depth.tells_all {
        report.tell(&gauges(part, about).await.at("gauges"))?;
    }
    Ok(())
}

/// What came of a leg of the way, and what to do when nothing did.
fn reached(about: &str, url: &str, leg: &Leg) -> Check {
    let (name, advice) = match leg.stage {
        Stage::Resolve => (
            "resolve",
            "is the name right, and is it known to this machine?",
        ),
        Stage::Connect => (
            "connect",
            "is the server running, and does it listen on an address that this machine reaches?",
        ),
        Stage::Encrypt => (
            "encrypt",
            match &leg.outcome {
                Err(why) if why.contains("certificate") => {
                    "is it the right server? The authority of a certificate of your own is named by `ca`"
                }
                Ok(_) | Err(_) => {
                    "does it encrypt at all? Without, its address begins with http://"
                }
            },
        ),
    };
    let check = match &leg.outcome {
        Ok(text) => {
            let text = format!("{text}, in {} ms", leg.took.as_millis());
            Check::new(about, Finding::Ok, text)
        }
        Err(why) => {
            let text = format!("cannot be reached ({url}): {why}; {advice}");
            Check::new(about, Finding::Error, text)
        }
    };
    check.at(name)
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

/// What its gauges say, by which the requests in flight are steered.
async fn gauges(part: &UpstreamPart, about: &str) -> Check {
    let text = match part.upstream.gauges().await {
        Some(gauges) => format!(
            "has gauges: {} running, {} waiting",
            count(gauges.running),
            count(gauges.waiting)
        ),
        None => {
            "has no gauges that are known, so its answers alone say how much it takes".to_owned()
        }
    };
    Check::new(about, Finding::Ok, text)
}
