//! `POST /v1/completions`: `n` texts to each prompt.

use crate::answers::Job;
use crate::answers::generation::{TEXTS_MAX, Texts, finish_reason};
use crate::meter::{items, tokens};
use crate::reply::Refusal;

pub(super) fn plan(job: &Job<'_>) -> Result<Texts, Refusal> {
    let fields = job.ask.fields();
    job.ask.check_stream()?;
    let prompt = fields.prompt.ok_or_else(|| Refusal::missing("prompt"))?;
    let prompts = items(prompt, "prompt")?.len() as u64;
    let limit = job.ask.output_limit(&[("max_tokens", fields.max_tokens)])?;
    let choices = job.ask.choices(TEXTS_MAX / prompts)?;
    Ok(Texts::new(job, prompts * choices, tokens(prompt)?, limit))
}

pub(super) fn write(texts: &Texts, job: &Job<'_>) -> Vec<u8> {
    let mut json = texts.json();
    json.raw(r#"{"id":"cmpl-sim-"#)
        .id(job.draw)
        .raw(r#"","object":"text_completion","created":"#)
        .value(&job.settings.created)
        .raw(r#","model":"#)
        .value(job.model)
        .raw(r#","choices":["#);
    for index in 0..texts.count {
        let length = texts.length(job, index);
        json.comma(index)
            .raw(r#"{"index":"#)
            .value(&index)
            .raw(r#","text":""#)
            .text(job, index, length.tokens)
            .raw(r#"","logprobs":null,"finish_reason":""#)
            .raw(finish_reason(length))
            .raw("\"}");
    }
    json.raw("],").usage(texts.usage);
    json.into_bytes()
}
