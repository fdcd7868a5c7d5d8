//! `POST /v1/responses`: one text, in the shape of `OpenAI`'s newer interface. A text that its
//! limit ends makes the whole response `incomplete`.

use crate::answers::Job;
use crate::answers::generation::Texts;
use crate::ask::{Kind, kind, wrong_type};
use crate::meter::tokens;
use crate::reply::Refusal;

pub(super) fn plan(job: &Job<'_>) -> Result<Texts, Refusal> {
    let fields = job.ask.fields();
    job.ask.check_stream()?;
    let input = fields.input.ok_or_else(|| Refusal::missing("input"))?;
    match kind(input) {
        Kind::Array if input.get() == "[]" => {
            return Err(Refusal::wrong_value(
                "input",
                "it must have at least one member.",
            ));
        }
        Kind::Text | Kind::Array => {}
        Kind::Number | Kind::Bool | Kind::Object => {
            return Err(wrong_type(
                input,
                "input",
                "a string or an array of objects",
            ));
        }
    }
    let mut prompt_tokens = tokens(input)?;
    if let Some(instructions) = fields.instructions {
        prompt_tokens += tokens(instructions)?;
    }
    let limit = job
        .ask
        .output_limit(&[("max_output_tokens", fields.max_output_tokens)])?;
    Ok(Texts::new(job, 1, prompt_tokens, limit))
}

pub(super) fn write(texts: &Texts, job: &Job<'_>) -> Vec<u8> {
    let length = texts.length(job, 0);
    let (status, details) = if length.cut {
        ("incomplete", r#"{"reason":"max_output_tokens"}"#)
    } else {
        ("completed", "null")
    };
    let limit = job
        .ask
        .fields()
        .max_output_tokens
        .map_or("null", |raw| raw.get());
    let mut json = texts.json();
    json.raw(r#"{"id":"resp_sim_"#)
        .id(job.draw)
        .raw(r#"","object":"response","created_at":"#)
        .value(&job.settings.created)
        .raw(r#","status":""#)
        .raw(status)
        .raw(r#"","background":false,"error":null,"incomplete_details":"#)
        .raw(details)
        .raw(r#","instructions":"#)
        .raw(
            job.ask
                .fields()
                .instructions
                .map_or("null", |raw| raw.get()),
        )
        .raw(r#","max_output_tokens":"#)
        .raw(limit)
        .raw(r#","model":"#)
        .value(job.model)
        .raw(r#","output":[{"type":"message","id":"msg_sim_"#)
        .id(job.draw)
        .raw(r#"","status":""#)
        .raw(status)
        .raw(r#"","role":"assistant","content":[{"type":"output_text","annotations":[],"#)
        .raw(r#""logprobs":[],"text":""#)
        .text(job, 0, length.tokens)
        .raw(r#""}]}],"parallel_tool_calls":true,"previous_response_id":null,"store":false,"#)
        .raw(r#""temperature":1.0,"tool_choice":"auto","tools":[],"top_p":1.0,"#)
        .raw(r#""truncation":"disabled","metadata":{},"usage":{"input_tokens":"#)
        .value(&texts.usage.prompt)
        .raw(r#","input_tokens_details":{"cached_tokens":0},"output_tokens":"#)
        .value(&texts.usage.completion)
        .raw(r#","output_tokens_details":{"reasoning_tokens":0},"total_tokens":"#)
        .value(&texts.usage.total())
        .raw(r#"},"system_fingerprint":"overnight-sim"}"#);
    json.into_bytes()
}
