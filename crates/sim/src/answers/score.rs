//! `POST /v1/score`, in vLLM's shape: how well each pair of texts goes together, which is random
//! here. One `text_1` goes with every `text_2`; otherwise they go in pairs.

use crate::answers::Job;
use crate::answers::json::Json;
use crate::draw::Question;
use crate::meter::{items, tokens};
use crate::reply::Refusal;

/// The pairs to score.
#[derive(Debug)]
pub(crate) struct Pairs {
    count: u64,
    pub(super) prompt_tokens: u64,
}

pub(super) fn plan(job: &Job<'_>) -> Result<Pairs, Refusal> {
    let fields = job.ask.fields();
    let text_1 = fields.text_1.ok_or_else(|| Refusal::missing("text_1"))?;
    let text_2 = fields.text_2.ok_or_else(|| Refusal::missing("text_2"))?;
    let left = items(text_1, "text_1")?.len();
    let right = items(text_2, "text_2")?.len();
    if left != 1 && left != right {
        let message = "it must be one text, or as many as 'text_2' has.";
        return Err(Refusal::wrong_value("text_1", message));
    }
    Ok(Pairs {
        count: right as u64,
        prompt_tokens: tokens(text_1)? + tokens(text_2)?,
    })
}

pub(super) fn write(pairs: &Pairs, job: &Job<'_>) -> Vec<u8> {
    let mut json = Json::with_capacity(1024);
    json.raw(r#"{"id":"score-sim-"#)
        .id(job.draw)
        .raw(r#"","object":"list","created":"#)
        .value(&job.settings.created)
        .raw(r#","model":"#)
        .value(job.model)
        .raw(r#","data":["#);
    for index in 0..pairs.count {
        json.comma(index)
            .raw(r#"{"index":"#)
            .value(&index)
            .raw(r#","object":"score","score":"#)
            .value(&job.draw.walk(Question::Score, index).unit())
            .raw("}");
    }
    json.raw(r#"],"usage":{"prompt_tokens":"#)
        .value(&pairs.prompt_tokens)
        .raw(r#","total_tokens":"#)
        .value(&pairs.prompt_tokens)
        .raw(r#","completion_tokens":0},"system_fingerprint":"overnight-sim"}"#);
    json.into_bytes()
}
