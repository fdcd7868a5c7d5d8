//! `POST /v1/chat/completions`.

use crate::answers::Job;
use crate::answers::generation::{Texts, finish_reason};
use crate::meter::messages_tokens;
use crate::reply::Refusal;

/// The most choices of one chat: `OpenAI`'s own bound.
const CHOICES_MAX: u64 = 128;

pub(super) fn plan(job: &Job<'_>) -> Result<Texts, Refusal> {
    let fields = job.ask.fields();
    job.ask.check_stream()?;
    let messages = fields
        .messages
        .ok_or_else(|| Refusal::missing("messages"))?;
    let prompt_tokens = messages_tokens(messages)?;
    let limit = job.ask.output_limit(&[
        ("max_completion_tokens", fields.max_completion_tokens),
        ("max_tokens", fields.max_tokens),
    ])?;
    Ok(Texts::new(
        job,
        job.ask.choices(CHOICES_MAX)?,
        prompt_tokens,
        limit,
    ))
}

pub(super) fn write(texts: &Texts, job: &Job<'_>) -> Vec<u8> {
    let mut json = texts.json();
    json.raw(r#"{"id":"chatcmpl-sim-"#)
        .id(job.draw)
        .raw(r#"","object":"chat.completion","created":"#)
        .value(&job.settings.created)
        .raw(r#","model":"#)
        .value(job.model)
        .raw(r#","choices":["#);
    for index in 0..texts.count {
        let length = texts.length(job, index);
        json.comma(index)
            .raw(r#"{"index":"#)
            .value(&index)
            .raw(r#","message":{"role":"assistant","content":""#)
            .text(job, index, length.tokens)
            .raw(r#"","refusal":null},"logprobs":null,"finish_reason":""#)
            .raw(finish_reason(length))
            .raw("\"}");
    }
    json.raw("],").usage(texts.usage);
    json.into_bytes()
}
