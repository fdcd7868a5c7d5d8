//! Statuses, timestamps, counts and files of a batch through its life.

use crate::batches::request_with;
use crate::files::one_line;
use crate::object::{Object, batch, batch_answer, cancel_answer, completed, counts, failed};
use crate::request::{get, post, post_json};
use crate::results::CHAT_USAGE;
use crate::row::{Outcome, Row, chosen, recorded, reported};
use crate::scene::Scene;
use crate::section::Section;
use crate::stage::SHORT;

/// Section 2.4.
pub(crate) const LIFE: Section = Section {
    heading: "2.4 The life of a batch",
    rows: ROWS,
    fields: &[
        "status",
        "in_progress_at",
        "finalizing_at",
        "completed_at",
        "failed_at",
        "expired_at",
        "cancelling_at",
        "cancelled_at",
        "output_file_id",
        "error_file_id",
        "request_counts.total",
        "request_counts.completed",
        "request_counts.failed",
    ],
};

const ROWS: &[Row] = &[
    recorded(
        "2.4/validating",
        "`validating`: no other timestamp, no files, counts of zero.",
        |scene| {
            scene.upload(one_line())?;
            scene.expect(
                &post_json("/v1/batches", request_with("")),
                &batch_answer(&batch()),
            )
        },
    ),
    recorded(
        "2.4/in-progress",
        "`in_progress`: `in_progress_at`, the total, counts that move, no files.",
        |scene| {
            scene.upload(held_and_plain())?;
            scene.create()?;
            runs_with_one_of_two(scene)
        },
    )
    .on(&SHORT),
    chosen(
        "2.4/finalizing",
        "What does a batch show that is `finalizing`?",
        "`in_progress_at` and `finalizing_at`, its counts, no files yet.",
        |scene| {
            expiring(scene)?;
            scene.becomes("finalizing", &finalizing())
        },
    )
    .on(&SHORT),
    recorded(
        "2.4/completed",
        "`completed`: `in_progress_at`, `finalizing_at`, `completed_at`; completed and failed \
         lines are all lines; the output file is there if a line went well, the error file if one \
         did not.",
        |scene| {
            scene.upload(one_line())?;
            scene.create()?;
            let batch = completed()
                .with("output_file_id", "\"«file o»\"")
                .with("error_file_id", "null")
                .with("request_counts", counts(1, 1, 0))
                .with("usage", CHAT_USAGE);
            scene.becomes("completed", &batch)
        },
    ),
    reported(
        "2.4/all-failed",
        "`completed` with failed lines only: an error file, and `output_file_id: null`.",
        |scene| {
            scene.upload(chat("bad", "m", "refused") + "\n")?;
            scene.create()?;
            let batch = completed()
                .with("output_file_id", "null")
                .with("error_file_id", "\"«file e»\"")
                .with("request_counts", counts(1, 0, 1));
            scene.becomes("completed", &batch)
        },
    ),
    reported(
        "2.4/failed",
        "`failed`: `failed_at` alone, no files, counts of zero.",
        |scene| {
            scene.upload(format!("{}hello\n", one_line()))?;
            scene.create()?;
            scene.becomes("failed", &failed(&[crate::input::not_json(2)]))
        },
    ),
    recorded(
        "2.4/cancelling",
        "`cancelling`: `cancelling_at` and, if it ran, `in_progress_at`; counts as reached, no \
         files.",
        |scene| {
            scene.upload(held_and_plain())?;
            scene.create()?;
            runs_with_one_of_two(scene)?;
            scene.expect(
                &post("/v1/batches/«b»/cancel"),
                &cancel_answer(&cancelling()),
            )
        },
    )
    .on(&SHORT),
    recorded(
        "2.4/cancelled-while-validating",
        "`cancelled` before it ran: `cancelling_at`, `cancelled_at`, no `in_progress_at`, no \
         files, counts of zero.",
        |scene| {
            scene.upload_long()?;
            scene.create()?;
            let cancelling = batch()
                .with("status", "\"cancelling\"")
                .with("cancelling_at", "«time stopping from c»");
            let cancel = post("/v1/batches/«b»/cancel");
            scene.expect(&cancel, &cancel_answer(&cancelling))?;
            let cancelled = cancelling
                .with("status", "\"cancelled\"")
                .with("cancelled_at", "«time end from stopping»");
            scene.becomes("cancelled", &cancelled)
        },
    ),
    recorded(
        "2.4/cancelled-while-running",
        "`cancelled` while it ran: `in_progress_at`, `cancelling_at`, `cancelled_at`, and \
         `finalizing_at: null`; the counts may be below the total, and the rest is in the error \
         file.",
        |scene| {
            scene.upload(held_and_plain())?;
            scene.create()?;
            cancelled_with_one_of_two(scene)
        },
    )
    .on(&SHORT),
    recorded(
        "2.4/expired",
        "`expired`: `in_progress_at`, `finalizing_at` and `expired_at`, `completed_at: null`; the \
         counts may be below the total, and the rest is in the error file.",
        expired,
    )
    .on(&SHORT),
    recorded(
        "2.4/unrun-lines-do-not-count",
        "Lines that were never run because of a cancel are in neither count.",
        |scene| {
            scene.upload(held_and_plain())?;
            scene.create()?;
            cancelled_with_one_of_two(scene)
        },
    )
    .on(&SHORT),
    recorded(
        "2.4/ten-minutes",
        "A cancel takes the whole ten minutes that it may take, and so does an expiry.",
        |scene| {
            scene.upload(held_and_plain())?;
            scene.create()?;
            runs_with_one_of_two(scene)?;
            scene.expect(
                &post("/v1/batches/«b»/cancel"),
                &cancel_answer(&cancelling()),
            )?;
            let soon = cancelled().with("cancelled_at", "«time end from stopping»");
            scene.becomes("cancelled", &soon)
        },
    )
    .on(&SHORT)
    .differs(
        "A batch ends as soon as nothing of it is in flight, and when `grace.cancel` or \
         `grace.expiry` are over at the latest.",
    ),
];

/// A chat line; `wish` is what its upstream shall do.
pub(crate) fn chat(custom_id: &str, model: &str, wish: &str) -> String {
    format!(
        r#"{{"custom_id":"{custom_id}","method":"POST","url":"/v1/chat/completions","body":{{"model":"{model}","messages":[],"user":"{wish}"}}}}"#
    )
}

/// Two lines, of which one is never answered.
pub(crate) fn held_and_plain() -> String {
    format!(
        "{}\n{}\n",
        chat("held", "m", "silent"),
        chat("plain", "m", "")
    )
}

/// Waits until one of these two lines is done.
pub(crate) fn runs_with_one_of_two(scene: &mut Scene<'_>) -> Outcome {
    let request = get("/v1/batches/«b»");
    scene.expect_soon(&request, "\"completed\": 1", &batch_answer(&running()))
}

/// Cancels a batch over these two lines when one is done, and waits for its end.
pub(crate) fn cancelled_with_one_of_two(scene: &mut Scene<'_>) -> Outcome {
    runs_with_one_of_two(scene)?;
    scene.expect(
        &post("/v1/batches/«b»/cancel"),
        &cancel_answer(&cancelling()),
    )?;
    scene.becomes("cancelled", &cancelled())
}

fn running() -> Object {
    batch()
        .with("model", "\"m\"")
        .with("status", "\"in_progress\"")
        .with("in_progress_at", "«time begun from c»")
        .with("request_counts", counts(2, 1, 0))
        .with("usage", CHAT_USAGE)
}

/// The batch of the two lines when its cancel was accepted.
pub(crate) fn cancelling() -> Object {
    running()
        .with("status", "\"cancelling\"")
        .with("cancelling_at", "«time stopping from begun»")
}

/// The same at its end.
pub(crate) fn cancelled() -> Object {
    cancelling()
        .with("status", "\"cancelled\"")
        .with("cancelled_at", "«time end from stopping»")
        .with("output_file_id", "\"«file o»\"")
        .with("error_file_id", "\"«file e»\"")
}

/// Creates a batch over the two lines whose window is three seconds.
pub(crate) fn expiring(scene: &mut Scene<'_>) -> Outcome {
    scene.upload(held_and_plain())?;
    scene.create_with(&request_with("").replace("24h", "3s"))
}

/// That batch in the grace after its deadline.
pub(crate) fn finalizing() -> Object {
    running()
        .with("completion_window", "\"3s\"")
        .with("expires_at", "«c + 3»")
        .with("status", "\"finalizing\"")
        .with("finalizing_at", "«time sealing from begun»")
}

/// Runs a batch over the two lines until it has expired.
pub(crate) fn expired(scene: &mut Scene<'_>) -> Outcome {
    expiring(scene)?;
    let batch = finalizing()
        .with("status", "\"expired\"")
        .with("expired_at", "«time end from sealing»")
        .with("output_file_id", "\"«file o»\"")
        .with("error_file_id", "\"«file e»\"");
    scene.becomes("expired", &batch)
}
