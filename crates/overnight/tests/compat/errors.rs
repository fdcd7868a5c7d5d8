//! Errors and models.

use crate::files::one_line;
use crate::golden::{Golden, Refusal, json};
use crate::request::{Body, get, post, post_json};
use crate::row::{Row, chosen, documented, recorded, reported};
use crate::section::Section;
use crate::stage::{EMPTY, FULL};

/// Sections 7.1 to 7.3.
pub(crate) const ERRORS: Section = Section {
    heading: "7.1 to 7.3 Errors",
    rows: ROWS,
    fields: &[
        "error",
        "error.message",
        "error.type",
        "error.param",
        "error.code",
    ],
};

/// Section 7.5.
pub(crate) const MODELS: Section = Section {
    heading: "7.5 Models",
    rows: MODEL_ROWS,
    fields: &[
        "object",
        "data",
        "data[]",
        "data[].id",
        "data[].object",
        "data[].created",
        "data[].owned_by",
        "id",
        "created",
        "owned_by",
    ],
};

const ROWS: &[Row] = &[
    recorded(
        "7.1/envelope",
        "An error is `{\"error\":{message,type,param,code}}`: all four keys always, unset ones \
         null.",
        |scene| {
            let refusal = Refusal::new(404, "No batch found with id 'batch_1'.");
            scene.expect(&get("/v1/batches/batch_1"), &refusal.golden())
        },
    ),
    recorded(
        "7.1/message",
        "What a person needs is in the message: SDKs show no more.",
        crate::batches::list::limit_above,
    ),
    reported(
        "7.2/400-not-json",
        "A body that is not JSON is refused in these words.",
        |scene| {
            for (body, why) in [
                ("{", "EOF while parsing an object at line 1 column 1"),
                ("", "EOF while parsing a value at line 1 column 0"),
            ] {
                let message = format!(
                    "We could not parse the JSON body of your request. (HINT: This likely means \
                     you aren't using your HTTP library correctly. The OpenAI API expects a JSON \
                     payload, but what was sent was not valid JSON. The parser says: {why}.)"
                );
                let request = post_json("/v1/batches", body);
                scene.expect(&request, &Refusal::new(400, &message).golden())?;
            }
            Ok(())
        },
    ),
    chosen(
        "7.2/400-not-an-object",
        "What is said about a JSON body that is no object?",
        "`invalid_type`.",
        |scene| {
            let message = "Invalid type for the body: expected an object, but got an array \
                           instead.";
            let refusal = Refusal::new(400, message).code("invalid_type");
            scene.expect(&post_json("/v1/batches", "[]"), &refusal.golden())
        },
    ),
    recorded("7.2/404-object", "A missing object is 404.", |scene| {
        let refusal = Refusal::new(404, "No such File object: file-none").param("id");
        scene.expect(&get("/v1/files/file-none"), &refusal.files())
    }),
    reported(
        "7.2/404-route",
        "A route that does not exist is 404 with its method and path.",
        |scene| {
            let refusal = Refusal::new(404, "Invalid URL (POST /v1/foo)");
            scene.expect(&post("/v1/foo"), &refusal.golden())
        },
    ),
    recorded(
        "7.2/404-model",
        "A missing model is 404 `model_not_found` with the param `model`.",
        |scene| scene.expect(&get("/v1/models/fake_id"), &no_model("fake_id")),
    ),
    reported(
        "7.2/405",
        "A route that takes other methods is 405 `method_not_supported`.",
        |scene| {
            let refusal = Refusal::new(405, "Only POST requests are accepted.");
            let golden = refusal
                .code("method_not_supported")
                .golden()
                .header("allow", "POST");
            scene.expect(&get("/v1/batches/batch_1/cancel"), &golden)?;
            let refusal = Refusal::new(405, "Only GET requests are accepted.");
            let golden = refusal.code("method_not_supported").golden();
            scene.expect(&post("/v1/models"), &golden.header("allow", "GET,HEAD"))
        },
    ),
    chosen(
        "7.2/413-json",
        "What is said about a JSON body of more than 1 MiB?",
        "413 with the limit.",
        |scene| {
            let refusal = Refusal::new(413, "Maximum content size limit (1048576) exceeded.");
            let request = post_json("/v1/batches", "").body(
                Body::Raw(vec![b' '; (1 << 20) + 1]),
                "with 1 MiB and one byte",
            );
            scene.expect(&request, &refusal.golden())
        },
    ),
    chosen(
        "7.2/415",
        "Is another Content-Type than `application/json` refused?",
        "No: what counts is the body. 415 is never sent.",
        |scene| {
            scene.upload(one_line())?;
            let request = post_json("/v1/batches", crate::batches::request_with(""));
            for _ in 0..49 {
                scene.prepare(&request)?;
            }
            let golden = crate::object::batch_answer(&crate::object::batch());
            scene.expect(&request.header("content-type", "text/plain"), &golden)
        },
    ),
    recorded(
        "7.2/422",
        "422 is never sent: a wrong value is 400.",
        |scene| {
            let message = "Missing required parameter: 'input_file_id'.";
            let refusal = Refusal::new(400, message).param("input_file_id");
            let golden = refusal.code("missing_required_parameter").golden();
            scene.expect(&post_json("/v1/batches", "{}"), &golden)
        },
    ),
    reported(
        "7.2/500",
        "A failure of the server is 500 `server_error` with an apology and the request's id.",
        |scene| {
            scene.upload(one_line())?;
            scene.lose_blobs()?;
            let message = "The server had an error while processing your request. Sorry about \
                           that! You can retry your request. (Please include the request ID «r» \
                           when you report it.)";
            let golden = Refusal::new(500, message).server().files();
            let golden = golden.header("x-request-id", "«request r»");
            scene.expect(&get("/v1/files/«f»/content"), &golden)
        },
    )
    .on(&EMPTY),
    documented(
        "7.2/429",
        "Too many requests are answered 429.",
        |scene| {
            scene.upload(one_line())?;
            let request = post_json("/v1/batches", crate::batches::request_with(""));
            let golden = crate::object::batch_answer(&crate::object::batch());
            scene.expect(&request, &golden)
        },
    )
    .differs("429 is never sent: what is too much waits. Shown with the last of 50 creates in a row."),
    chosen(
        "7.2/503",
        "What is said when the disk is almost full?",
        "503 `server_error` with a `Retry-After` of 5 seconds: SDKs give up on more than 60 or 120.",
        |scene| {
            let message = "The disk is almost full: no file can be uploaded before there is room \
                           again.";
            let golden = Refusal::new(503, message).server().files();
            let request = crate::request::batch_file("in.jsonl", one_line());
            scene.expect(&request, &golden.header("retry-after", "5"))
        },
    )
    .on(&FULL),
    recorded(
        "7.3/409-once",
        "SDKs send again what was answered 409, unless `x-should-retry: false` says not to.",
        |scene| {
            scene.known.bind("f", "file-none");
            scene.create()?;
            scene.prepare_soon(&get("/v1/batches/«b»"), "\"status\": \"failed\"")?;
            let refusal = Refusal::new(409, "Cannot cancel a batch with status 'failed'.");
            let golden = refusal.golden().header("x-should-retry", "false");
            scene.expect(&post("/v1/batches/«b»/cancel"), &golden)
        },
    ),
];

const MODEL_ROWS: &[Row] = &[
    recorded(
        "7.5/list",
        "The list is `object`, `data`; a model is `id`, `object`, `created`, `owned_by`.",
        |scene| {
            let (m, n) = (model_m(), model_n());
            let body = format!(r#"{{"object":"list","data":[{m},{n}]}}"#);
            // A server that has just started tells when it did.
            scene.known.earliest -= 3_600;
            scene.expect(&get("/v1/models"), &json(&body))
        },
    ),
    recorded("7.5/show", "GET of a model answers the model.", |scene| {
        scene.expect(&get("/v1/models/m"), &json(&model_m()))
    }),
    recorded(
        "7.5/missing",
        "An unknown one is 404 `model_not_found`.",
        |scene| scene.expect(&get("/v1/models/gpt-4o"), &no_model("gpt-4o")),
    ),
    chosen(
        "7.5/upstreams",
        "Which models are listed?",
        "Those of all upstreams, as lines name them; `created` and `owned_by` are the upstream's, \
         else the time of the start and `system`.",
        |scene| {
            scene.known.earliest -= 3_600;
            scene.expect(&get("/v1/models/n"), &json(&model_n()))
        },
    ),
    chosen(
        "7.5/interactive",
        "Are interactive routes served?",
        "No: they are routes that do not exist.",
        |scene| {
            let refusal = Refusal::new(404, "Invalid URL (POST /v1/chat/completions)");
            let request = post_json("/v1/chat/completions", r#"{"model":"m","messages":[]}"#);
            scene.expect(&request, &refusal.golden())
        },
    ),
];

fn no_model(id: &str) -> Golden {
    let message = format!("The model '{id}' does not exist");
    let refusal = Refusal::new(404, &message).param("model");
    refusal.code("model_not_found").golden()
}

fn model_m() -> String {
    r#"{"id":"m","object":"model","created":1700000000,"owned_by":"us"}"#.to_owned()
}

/// A model about which the upstream says no more than its name.
fn model_n() -> String {
    r#"{"id":"n","object":"model","created":«time started»,"owned_by":"system"}"#.to_owned()
}
