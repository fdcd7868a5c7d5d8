//! `POST /v1/moderations`: nothing is ever flagged, since nothing is read.

use serde::Serialize;

use crate::answers::Job;
use crate::answers::json::Json;
use crate::ask::{Kind, kind};
use crate::meter::{items, list, tokens};
use crate::reply::Refusal;

const CATEGORIES: [&str; 13] = [
    "harassment",
    "harassment/threatening",
    "sexual",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm/intent",
    "self-harm/instructions",
    "self-harm",
    "sexual/minors",
    "violence",
    "violence/graphic",
];

/// The inputs of a request.
#[derive(Debug)]
pub(crate) struct Inputs {
    count: u64,
    pub(super) prompt_tokens: u64,
}

pub(super) fn plan(job: &Job<'_>) -> Result<Inputs, Refusal> {
    let input = job
        .ask
        .fields()
        .input
        .ok_or_else(|| Refusal::missing("input"))?;
    let is_array = kind(input) == Kind::Array;
    let parts = if is_array {
        list(input, "input")?
    } else {
        Vec::new()
    };
    // Parts of texts and images are one input together.
    let one = !parts.is_empty() && parts.iter().all(|part| kind(part) == Kind::Object);
    let count = if one {
        1
    } else {
        items(input, "input")?.len() as u64
    };
    Ok(Inputs {
        count,
        prompt_tokens: tokens(input)?,
    })
}

pub(super) fn write(inputs: &Inputs, job: &Job<'_>) -> Vec<u8> {
    let mut json = Json::with_capacity(1024 * (1 + usize::try_from(inputs.count).unwrap_or(0)));
    json.raw(r#"{"id":"modr-sim-"#)
        .id(job.draw)
        .raw(r#"","model":"#)
        .value(job.model)
        .raw(r#","system_fingerprint":"overnight-sim","results":["#);
    for index in 0..inputs.count {
        json.comma(index).raw(r#"{"flagged":false,"categories":"#);
        by_category(&mut json, &false);
        json.raw(r#","category_scores":"#);
        by_category(&mut json, &0.0);
        json.raw("}");
    }
    json.raw("]}");
    json.into_bytes()
}

fn by_category(json: &mut Json, value: &impl Serialize) {
    json.raw("{");
    for (index, category) in (0_u64..).zip(CATEGORIES) {
        json.comma(index).value(category).raw(":").value(value);
    }
    json.raw("}");
}
