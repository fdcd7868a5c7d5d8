//! `GET /v1/batches`.

use super::request_with;
use crate::files::one_line;
use crate::golden::{Golden, Refusal};
use crate::object::{Object, batch_page, completed, counts};
use crate::request::{get, post_json};
use crate::results::CHAT_USAGE;
use crate::row::{Outcome, Row, chosen, recorded, reported};
use crate::scene::Scene;
use crate::section::Section;
use crate::stage::EMPTY;

/// Section 2.3, its list.
pub(crate) const LIST: Section = Section {
    heading: "2.3 Listing batches",
    rows: ROWS,
    fields: &[
        "object",
        "data",
        "data[]",
        "data[].id",
        "data[].status",
        "data[].metadata",
        "first_id",
        "last_id",
        "has_more",
    ],
};

const ROWS: &[Row] = &[
    recorded(
        "2.3/page",
        "A list has `object`, `data`, `first_id`, `last_id`, `has_more`, in this order, the newest \
         batch first.",
        |scene| {
            three(scene)?;
            let page = batch_page(&[nth(2), nth(1), nth(0)], Some(("b2", "b0")), false);
            scene.expect(&get("/v1/batches"), &page)
        },
    )
    .on(&EMPTY),
    recorded(
        "2.3/limit",
        "`limit` is the most batches of a page; `has_more` says whether any follow.",
        |scene| {
            three(scene)?;
            let page = batch_page(&[nth(2), nth(1)], Some(("b2", "b1")), true);
            scene.expect(&get("/v1/batches?limit=2"), &page)?;
            let page = batch_page(&[nth(2), nth(1), nth(0)], Some(("b2", "b0")), false);
            scene.expect(&get("/v1/batches?limit=100"), &page)
        },
    )
    .on(&EMPTY),
    recorded(
        "2.3/default-limit",
        "A page has 20 batches when `limit` is left out.",
        |scene| {
            let json = request_with("").replace("«f»", "file-none");
            for number in 0..21 {
                let answer = scene.prepare(&post_json("/v1/batches", &json))?;
                scene.bind_member(&format!("b{number}"), &answer, "id")?;
                scene.bind_member(&format!("c{number}"), &answer, "created_at")?;
            }
            for number in 0..21 {
                let batch = get(format!("/v1/batches/«b{number}»"));
                scene.prepare_soon(&batch, "\"status\": \"failed\"")?;
            }
            let failed: Vec<_> = (1..21).rev().map(failed_nth).collect();
            let page = batch_page(&failed, Some(("b20", "b1")), true);
            scene.expect(&get("/v1/batches"), &page)
        },
    )
    .on(&EMPTY),
    recorded(
        "2.3/after",
        "`after` is the id of a batch, and its page begins behind it.",
        |scene| {
            three(scene)?;
            let page = batch_page(&[nth(1)], Some(("b1", "b1")), true);
            scene.expect(&get("/v1/batches?limit=1&after=«b2»"), &page)?;
            let page = batch_page(&[nth(0)], Some(("b0", "b0")), false);
            scene.expect(&get("/v1/batches?limit=1&after=«b1»"), &page)?;
            scene.expect(&get("/v1/batches?after=«b0»"), &nothing())
        },
    )
    .on(&EMPTY),
    reported(
        "2.3/limit-above",
        "A `limit` above 100 is refused.",
        limit_above,
    ),
    reported(
        "2.3/limit-below",
        "A negative `limit` is refused; the minimum named is 0.",
        |scene| {
            let message = "Invalid 'limit': integer below minimum value. Expected a value >= 0, \
                           but got -1 instead.";
            let refusal = Refusal::new(400, message).param("limit");
            let golden = refusal.code("integer_below_min_value").golden();
            scene.expect(&get("/v1/batches?limit=-1"), &golden)
        },
    ),
    reported(
        "2.3/limit-zero",
        "`limit=0` is answered with an empty page.",
        |scene| {
            three(scene)?;
            scene.expect(&get("/v1/batches?limit=0"), &nothing())
        },
    )
    .on(&EMPTY),
    reported(
        "2.3/limit-twice",
        "A parameter that is given twice is refused.",
        |scene| {
            let message = "Duplicate parameter: 'limit'. You provided multiple values for this \
                           parameter, whereas only one is allowed.";
            let refusal = Refusal::new(400, message).param("limit");
            let golden = refusal.code("duplicate_parameter").golden();
            scene.expect(&get("/v1/batches?limit=1&limit=2"), &golden)
        },
    ),
    chosen(
        "2.3/unknown-after",
        "What is said about an `after` that is no batch of the project?",
        "404 as for the batch itself; 400 when it does not begin with `batch`.",
        |scene| {
            let refusal = Refusal::new(404, "No batch found with id 'batch_1'.");
            scene.expect(&get("/v1/batches?after=batch_1"), &refusal.golden())?;
            let message = "Invalid 'after': 'file-1'. Expected an ID that begins with 'batch'.";
            let refusal = Refusal::new(400, message)
                .param("after")
                .code("invalid_value");
            scene.expect(&get("/v1/batches?after=file-1"), &refusal.golden())
        },
    ),
    chosen(
        "2.3/empty",
        "What are the ids of an empty page?",
        "`first_id` and `last_id` are null.",
        |scene| scene.expect(&get("/v1/batches"), &nothing()),
    )
    .on(&EMPTY),
    recorded(
        "2.3/no-order",
        "There is no order to ask for: the newest stand first in any case.",
        |scene| {
            three(scene)?;
            let page = batch_page(&[nth(2), nth(1), nth(0)], Some(("b2", "b0")), false);
            scene.expect(&get("/v1/batches?order=asc"), &page)
        },
    )
    .on(&EMPTY),
];

fn nothing() -> Golden {
    batch_page(&[], None, false)
}

/// Three batches of one line that went well, known as `b0` to `b2`.
fn three(scene: &mut Scene<'_>) -> Outcome {
    scene.upload(one_line())?;
    for number in 0..3 {
        let answer = scene.prepare(&post_json("/v1/batches", request_with("")))?;
        scene.bind_member(&format!("b{number}"), &answer, "id")?;
        scene.bind_member(&format!("c{number}"), &answer, "created_at")?;
        let batch = get(format!("/v1/batches/«b{number}»"));
        scene.prepare_soon(&batch, "\"status\": \"completed\"")?;
    }
    Ok(())
}

/// One of them.
fn nth(number: usize) -> Object {
    numbered(completed(), number)
        .with(
            "in_progress_at",
            format!("«time begun{number} from c{number}»"),
        )
        .with(
            "finalizing_at",
            format!("«time sealing{number} from begun{number}»"),
        )
        .with(
            "completed_at",
            format!("«time end{number} from sealing{number}»"),
        )
        .with("output_file_id", format!("\"«file o{number}»\""))
        .with("request_counts", counts(1, 1, 0))
        .with("usage", CHAT_USAGE)
}

/// One of those over a file that does not exist.
fn failed_nth(number: usize) -> Object {
    let missing = crate::input::missing_file().replace("«f»", "file-none");
    numbered(crate::object::failed(&[missing]), number)
        .with("input_file_id", "\"file-none\"")
        .with("failed_at", format!("«time end{number} from c{number}»"))
}

fn numbered(object: Object, number: usize) -> Object {
    object
        .with("id", format!("\"«b{number}»\""))
        .with("created_at", format!("«c{number}»"))
        .with("expires_at", format!("«c{number} + 86400»"))
}

/// A limit above the maximum is refused in words that say what to do.
pub(crate) fn limit_above(scene: &mut Scene<'_>) -> Outcome {
    let message = "Invalid 'limit': integer above maximum value. Expected a value <= 100, but got 101 \
                   instead.";
    let refusal = Refusal::new(400, message).param("limit");
    let golden = refusal.code("integer_above_max_value").golden();
    scene.expect(&get("/v1/batches?limit=101"), &golden)
}
