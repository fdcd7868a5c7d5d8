//! `POST /v1/batches/{id}/cancel`.

use crate::files::one_line;
use crate::golden::Refusal;
use crate::lifecycle::{
    cancelled, cancelled_with_one_of_two, cancelling, expired, expiring, finalizing,
    held_and_plain, runs_with_one_of_two,
};
use crate::object::{batch, cancel_answer};
use crate::request::{Request, get, post, post_json};
use crate::row::{Outcome, Row, chosen, recorded, reported};
use crate::scene::Scene;
use crate::section::Section;
use crate::stage::SHORT;

/// Section 2.5.
pub(crate) const CANCEL: Section = Section {
    heading: "2.5 Cancelling a batch",
    rows: ROWS,
    fields: &["status", "cancelling_at", "cancelled_at", "error.message"],
};

const ROWS: &[Row] = &[
    recorded(
        "2.5/validating",
        "A batch that is `validating` becomes `cancelling`: 200 with `cancelling_at`.",
        |scene| {
            scene.upload_long()?;
            scene.create()?;
            let answer = batch()
                .with("status", "\"cancelling\"")
                .with("cancelling_at", "«time stopping from c»");
            scene.expect(&cancel(), &cancel_answer(&answer))
        },
    ),
    recorded(
        "2.5/in-progress",
        "A batch that is `in_progress` becomes `cancelling`: 200 with `cancelling_at`, files null.",
        |scene| cancel_with(scene, &cancel()),
    )
    .on(&SHORT),
    recorded(
        "2.5/empty-json-body",
        "The request may say that its empty body is JSON.",
        |scene| cancel_with(scene, &cancel().header("content-type", "application/json")),
    )
    .on(&SHORT),
    recorded(
        "2.5/object-body",
        "The request may have the body `{}`.",
        |scene| cancel_with(scene, &post_json("/v1/batches/«b»/cancel", "{}")),
    )
    .on(&SHORT),
    chosen(
        "2.5/finalizing",
        "What does a cancel of a batch do that is `finalizing`?",
        "Nothing: 200 with the batch as it is. Every line has its outcome or its last moments \
         already.",
        |scene| {
            expiring(scene)?;
            scene.becomes("finalizing", &finalizing())?;
            scene.expect(&cancel(), &cancel_answer(&finalizing()))
        },
    )
    .on(&SHORT),
    chosen(
        "2.5/cancelling",
        "And of one that is `cancelling`?",
        "200 with the batch as it is; `cancelling_at` stays.",
        |scene| {
            running(scene)?;
            scene.expect(&cancel(), &cancel_answer(&cancelling()))?;
            scene.expect(&cancel(), &cancel_answer(&cancelling()))
        },
    )
    .on(&SHORT),
    reported(
        "2.5/cancelled",
        "A batch that is `cancelled` already is answered 200, unchanged.",
        |scene| {
            scene.upload(held_and_plain())?;
            scene.create()?;
            cancelled_with_one_of_two(scene)?;
            scene.expect(&cancel(), &cancel_answer(&cancelled()))
        },
    )
    .on(&SHORT),
    reported(
        "2.5/completed",
        "A `completed` batch cannot be cancelled: 409.",
        |scene| {
            scene.upload(one_line())?;
            scene.create()?;
            refused(scene, "completed")
        },
    ),
    reported("2.5/failed", "Nor can a `failed` one.", |scene| {
        scene.known.bind("f", "file-none");
        scene.create()?;
        refused(scene, "failed")
    }),
    chosen(
        "2.5/expired",
        "Can an `expired` batch be cancelled?",
        "No, as little as a completed one.",
        |scene| {
            expired(scene)?;
            refused(scene, "expired")
        },
    )
    .on(&SHORT),
    chosen(
        "2.5/not-retried",
        "SDKs send what was answered 409 twice more: does it help them?",
        "No, so the answer says `x-should-retry: false`, and they do not.",
        |scene| {
            scene.upload(one_line())?;
            scene.create()?;
            refused(scene, "completed")
        },
    ),
    recorded(
        "2.5/missing",
        "An unknown id is answered as for GET: 404, or 400 when it does not begin with `batch`.",
        |scene| {
            let refusal = Refusal::new(404, "No batch found with id 'batch_1'.");
            scene.expect(&post("/v1/batches/batch_1/cancel"), &refusal.golden())?;
            let message = "Invalid 'batch_id': 'invalid'. Expected an ID that begins with 'batch'.";
            let refusal = Refusal::new(400, message)
                .param("batch_id")
                .code("invalid_value");
            scene.expect(&post("/v1/batches/invalid/cancel"), &refusal.golden())
        },
    ),
    recorded(
        "2.5/in-flight-ends",
        "What is in flight may end; what has not begun is not begun, and is `batch_cancelled`.",
        |scene| {
            scene.upload(held_and_plain())?;
            scene.create()?;
            cancelled_with_one_of_two(scene)
        },
    )
    .on(&SHORT),
];

fn cancel() -> Request {
    post("/v1/batches/«b»/cancel")
}

/// A batch of which one line is done and one in flight.
fn running(scene: &mut Scene<'_>) -> Outcome {
    scene.upload(held_and_plain())?;
    scene.create()?;
    runs_with_one_of_two(scene)
}

fn cancel_with(scene: &mut Scene<'_>, request: &Request) -> Outcome {
    running(scene)?;
    scene.expect(request, &cancel_answer(&cancelling()))
}

fn refused(scene: &mut Scene<'_>, status: &str) -> Outcome {
    let sign = format!("\"status\": \"{status}\"");
    scene.prepare_soon(&get("/v1/batches/«b»"), &sign)?;
    let message = format!("Cannot cancel a batch with status '{status}'.");
    let golden = Refusal::new(409, &message).golden();
    scene.expect(&cancel(), &golden.header("x-should-retry", "false"))
}
