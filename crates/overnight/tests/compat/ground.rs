//! What holds for every answer, and what ids look like.

use crate::batches::request_with;
use crate::files::one_line;
use crate::golden::{Golden, Refusal, files_json};
use crate::object::{
    batch, batch_answer, cancel_answer, completed, counts, file, file_answer, file_page,
};
use crate::request::{Request, batch_file, delete, get, post, post_json};
use crate::results::{CHAT_USAGE, output, output_line};
use crate::row::{Outcome, Row, chosen, recorded};
use crate::scene::Scene;
use crate::section::Section;
use crate::stage::{EMPTY, SHORT};

/// Section 0.
pub(crate) const GROUND: Section = Section {
    heading: "0 Every answer",
    rows: ROWS,
    fields: &[],
};

/// Section 0.1.
pub(crate) const IDS: Section = Section {
    heading: "0.1 Ids",
    rows: ID_ROWS,
    fields: &["id", "line.id", "line.response.request_id"],
};

const ROWS: &[Row] = &[
    recorded(
        "0/success-is-200",
        "Success is 200, also of POST and DELETE.",
        |scene| {
            scene.expect(&batch_file("in.jsonl", one_line()), &uploaded())?;
            scene.expect(
                &post_json("/v1/batches", request_with("")),
                &batch_answer(&batch()),
            )?;
            let gone = r#"{"object":"file","deleted":true,"id":"«f»"}"#;
            scene.expect(&delete("/v1/files/«f»"), &files_json(gone))
        },
    ),
    recorded(
        "0/layout",
        "Objects are laid out with two spaces a level, those of the Files API with a final \
         newline, a cancelled batch without white space.",
        |scene| {
            scene.upload(crate::lifecycle::held_and_plain())?;
            scene.expect(
                &post_json("/v1/batches", request_with("")),
                &batch_answer(&batch()),
            )?;
            crate::lifecycle::runs_with_one_of_two(scene)?;
            let cancelling = crate::lifecycle::cancelling();
            scene.expect(&post("/v1/batches/«b»/cancel"), &cancel_answer(&cancelling))
        },
    )
    .on(&SHORT),
    recorded(
        "0/null-not-absent",
        "What is unset is null, never absent.",
        |scene| {
            scene.upload(one_line())?;
            let object = batch().with("metadata", "null").with("errors", "null");
            scene.expect(
                &post_json("/v1/batches", request_with("")),
                &batch_answer(&object),
            )
        },
    ),
    recorded("0/seconds", "Times are whole Unix seconds.", |scene| {
        let object = file(one_line().len()).with("created_at", "«time t»");
        scene.expect(&batch_file("in.jsonl", one_line()), &file_answer(&object))
    }),
    recorded(
        "0/headers",
        "Every answer has `x-request-id`, `openai-processing-ms`, `openai-version: 2020-10-01`, \
         `openai-organization`, `openai-project`, `strict-transport-security` and \
         `x-content-type-options: nosniff`; so has every one that any row here looks at.",
        |scene| {
            scene.expect(&get("/v1/files"), &file_page(&[], None, false))?;
            let refusal = Refusal::new(404, "Invalid URL (GET /v1/nothing)").golden();
            scene.expect(&get("/v1/nothing"), &refusal)
        },
    )
    .on(&EMPTY),
    recorded(
        "0/no-rate-limit-headers",
        "No answer of the Files and Batches API has a header `x-ratelimit-*`; no row here accepts \
         a header that it does not know.",
        |scene| scene.expect(&get("/v1/files"), &file_page(&[], None, false)),
    )
    .on(&EMPTY),
    recorded(
        "0/no-idempotency",
        "A request that is sent again makes a second object: the SDKs send no `Idempotency-Key`.",
        |scene| {
            scene.upload(one_line())?;
            let again = || {
                post_json("/v1/batches", request_with("")).header("x-stainless-retry-count", "1")
            };
            scene.expect(&again(), &batch_answer(&batch()))?;
            let second = batch()
                .with("id", "\"«batch b2»\"")
                .with("created_at", "«time c2»")
                .with("expires_at", "«c2 + 86400»");
            scene.expect(&again(), &batch_answer(&second))?;
            differ(scene, "b", "b2")
        },
    ),
    chosen(
        "0/idempotency-key",
        "What does an `Idempotency-Key` of a client do?",
        "For a day the same request under it is answered as it was the first time, with \
         `idempotent-replayed: true`; another one under it is refused.",
        idempotency,
    ),
    recorded(
        "0/unknown-headers",
        "Headers of SDKs are accepted and change nothing.",
        |scene| {
            scene.upload(one_line())?;
            let request = get("/v1/files/«f»")
                .header("x-stainless-lang", "python")
                .header("x-stainless-retry-count", "2")
                .header("x-stainless-read-timeout", "600")
                .header("openai-beta", "assistants=v2")
                .header("user-agent", "OpenAI/Python 3.54.0")
                .header("accept-encoding", "gzip, deflate");
            scene.expect(&request, &uploaded())
        },
    ),
    recorded(
        "0/accept",
        "Any `Accept` is accepted, and 406 never answered.",
        |scene| {
            scene.upload(one_line())?;
            for accept in [
                "application/binary",
                "text/plain",
                "image/png",
                "*/*",
                "nonsense",
            ] {
                scene.expect(&get("/v1/files/«f»").header("accept", accept), &uploaded())?;
            }
            Ok(())
        },
    ),
    chosen(
        "0/slashes",
        "What is a path with a doubled or a trailing slash?",
        "The same path, without a redirect.",
        |scene| {
            scene.upload(one_line())?;
            scene.expect(&get("/v1//files/«f»"), &uploaded())?;
            scene.expect(&get("//v1/files/«f»/"), &uploaded())
        },
    ),
];

const ID_ROWS: &[Row] = &[
    recorded(
        "0.1/batch",
        "A batch's id is `batch_` and 32 lower-case hex digits, the first 8 of which are \
         `created_at`.",
        |scene| {
            scene.upload(one_line())?;
            scene.expect(
                &post_json("/v1/batches", request_with("")),
                &batch_answer(&batch()),
            )?;
            begins_with_time(scene, "b", "batch_", "c")
        },
    ),
    recorded(
        "0.1/file",
        "A file's id is `file-` and 22 letters and digits.",
        |scene| scene.expect(&batch_file("in.jsonl", one_line()), &uploaded()),
    ),
    recorded(
        "0.1/line",
        "A result line's id is `batch_req_` and 32 hex digits.",
        one_result,
    ),
    recorded(
        "0.1/line-request",
        "`response.request_id` in a result line is 32 hex digits without a prefix.",
        one_result,
    ),
    recorded(
        "0.1/upload",
        "The ids of uploads and parts are `upload_` and `part_` with 32 hex digits, the first 8 of \
         which are `created_at`.",
        |scene| {
            let (create, part) = (crate::uploads::one_byte(), crate::uploads::part("x"));
            scene.expect(&create, &crate::uploads::pending_of(1))?;
            begins_with_time(scene, "u", "upload_", "t")?;
            scene.expect(&part, &crate::uploads::part_answer("p"))?;
            begins_with_time(scene, "p", "part_", "part_p")
        },
    ),
    recorded(
        "0.1/request",
        "`x-request-id` is `req_` and 32 hex digits, new in each answer.",
        |scene| {
            scene.upload(one_line())?;
            let golden = uploaded().header("x-request-id", "«request r»");
            scene.expect(&get("/v1/files/«f»"), &golden)?;
            let golden = uploaded().header("x-request-id", "«request r2»");
            scene.expect(&get("/v1/files/«f»"), &golden)?;
            differ(scene, "r", "r2")
        },
    ),
];

fn uploaded() -> Golden {
    file_answer(&file(one_line().len()))
}

fn idempotency(scene: &mut Scene<'_>) -> Outcome {
    scene.upload(one_line())?;
    // The key is the file's id, which no other row has.
    let create =
        |more: &str| post_json("/v1/batches", request_with(more)).header("idempotency-key", "«f»");
    let golden = batch_answer(&batch());
    scene.expect(&create(""), &golden)?;
    let again = golden.header("idempotent-replayed", "true");
    scene.expect(&create(""), &again)?;
    let message = "The idempotency key '«f»' was used for another request within the last 24 \
                   hours. Send that request unchanged, or use a new key for a new request.";
    let refusal = Refusal::new(400, message).param("Idempotency-Key");
    let golden = refusal.code("idempotency_key_reused").golden();
    scene.expect(&create(r#","metadata":null"#), &golden)
}

fn one_result(scene: &mut Scene<'_>) -> Outcome {
    scene.upload(one_line())?;
    scene.create()?;
    let batch = completed()
        .with("output_file_id", "\"«file o»\"")
        .with("request_counts", counts(1, 1, 0))
        .with("usage", CHAT_USAGE);
    scene.becomes("completed", &batch)?;
    let request: Request = get("/v1/files/«o»/content");
    scene.expect(&request, &output(&[output_line("a")]))
}

/// Whether the digits of an id begin with a time.
fn begins_with_time(scene: &Scene<'_>, id: &str, prefix: &str, time: &str) -> Outcome {
    let (id, time) = (scene.known.get(id)?, scene.known.get(time)?);
    let digits = id.strip_prefix(prefix).and_then(|digits| digits.get(..8));
    let seconds = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    if seconds.map(|seconds| seconds.to_string()).as_deref() == Some(time) {
        return Ok(());
    }
    Err(format!("{id} does not begin with {time}"))
}

fn differ(scene: &Scene<'_>, one: &str, other: &str) -> Outcome {
    if scene.known.get(one)? == scene.known.get(other)? {
        return Err(format!("{one} and {other} are the same"));
    }
    Ok(())
}
