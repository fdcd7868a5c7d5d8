//! `POST /v1/rerank`, in the shape that vLLM and others share: documents by falling relevance,
//! which is random here.

use serde_json::value::RawValue;

use crate::answers::Job;
use crate::answers::json::Json;
use crate::ask::{Kind, kind, read_integer, wrong_type};
use crate::draw::Question;
use crate::meter::{list, tokens};
use crate::reply::Refusal;

/// The documents to put in order.
#[derive(Debug)]
pub(crate) struct Ranking<'a> {
    documents: Vec<&'a RawValue>,
    top: usize,
    pub(super) prompt_tokens: u64,
}

pub(super) fn plan<'a>(job: &Job<'a>) -> Result<Ranking<'a>, Refusal> {
    let fields = job.ask.fields();
    let query = fields.query.ok_or_else(|| Refusal::missing("query"))?;
    let documents = fields
        .documents
        .ok_or_else(|| Refusal::missing("documents"))?;
    let prompt_tokens = tokens(query)? + tokens(documents)?;
    let documents = list(documents, "documents")?;
    for document in &documents {
        match kind(document) {
            Kind::Text | Kind::Object => {}
            Kind::Number | Kind::Bool | Kind::Array => {
                return Err(wrong_type(document, "documents", "strings or objects"));
            }
        }
    }
    let top = read_integer(fields.top_n, "top_n", 0, u64::from(u32::MAX))?
        .and_then(|top| usize::try_from(top).ok())
        // Zero means all, as in vLLM.
        .filter(|&top| top > 0);
    Ok(Ranking {
        top: top.unwrap_or(documents.len()),
        documents,
        prompt_tokens,
    })
}

pub(super) fn write(ranking: &Ranking<'_>, job: &Job<'_>) -> Vec<u8> {
    let mut ranked: Vec<_> = (0_u64..)
        .zip(&ranking.documents)
        .map(|(index, document)| {
            (
                job.draw.walk(Question::Score, index).unit(),
                index,
                document,
            )
        })
        .collect();
    ranked.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut json = Json::with_capacity(1024);
    json.raw(r#"{"id":"rerank-sim-"#)
        .id(job.draw)
        .raw(r#"","model":"#)
        .value(job.model)
        .raw(r#","system_fingerprint":"overnight-sim","usage":{"prompt_tokens":"#)
        .value(&ranking.prompt_tokens)
        .raw(r#","total_tokens":"#)
        .value(&ranking.prompt_tokens)
        .raw(r#"},"results":["#);
    for (at, (score, index, document)) in (0_u64..).zip(ranked.into_iter().take(ranking.top)) {
        let is_text = kind(document) == Kind::Text;
        let (open, close) = if is_text {
            (r#"{"text":"#, "}")
        } else {
            ("", "")
        };
        json.comma(at)
            .raw(r#"{"index":"#)
            .value(&index)
            .raw(r#","document":"#)
            .raw(open)
            .raw(document.get())
            .raw(close)
            .raw(r#","relevance_score":"#)
            .value(&score)
            .raw("}");
    }
    json.raw("]}");
    json.into_bytes()
}
