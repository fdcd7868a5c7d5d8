//! `GET /v1/files`.

use super::one_line;
use crate::golden::{Golden, Refusal};
use crate::object::{Object, file, file_page};
use crate::request::{Form, get};
use crate::row::{Outcome, Row, chosen, recorded, reported};
use crate::scene::Scene;
use crate::section::Section;
use crate::stage::EMPTY;

/// Section 1.2.
pub(crate) const LIST: Section = Section {
    heading: "1.2 Listing files",
    rows: ROWS,
    fields: &[
        "object",
        "data",
        "data[]",
        "data[].object",
        "data[].id",
        "data[].purpose",
        "data[].filename",
        "data[].bytes",
        "data[].created_at",
        "data[].expires_at",
        "data[].status",
        "data[].status_details",
        "has_more",
        "first_id",
        "last_id",
    ],
};

const ROWS: &[Row] = &[
    recorded(
        "1.2/page",
        "A list has `object`, `data`, `has_more`, `first_id`, `last_id`, in this order.",
        |scene| {
            three(scene)?;
            let page = file_page(&[nth(2), nth(1), nth(0)], Some(("f2", "f0")), false);
            scene.expect(&get("/v1/files"), &page)
        },
    )
    .on(&EMPTY),
    chosen(
        "1.2/empty",
        "What are the ids of an empty page?",
        "`first_id` and `last_id` are null.",
        |scene| scene.expect(&get("/v1/files"), &nothing()),
    )
    .on(&EMPTY),
    recorded(
        "1.2/purpose",
        "`purpose` leaves only files of that purpose.",
        |scene| {
            three(scene)?;
            let page = file_page(&[nth(1)], Some(("f1", "f1")), false);
            scene.expect(&get("/v1/files?purpose=user_data"), &page)
        },
    )
    .on(&EMPTY),
    chosen(
        "1.2/unknown-purpose",
        "What does a purpose that does not exist list?",
        "An empty page.",
        |scene| {
            three(scene)?;
            scene.expect(&get("/v1/files?purpose=world_domination"), &nothing())
        },
    )
    .on(&EMPTY),
    recorded(
        "1.2/order",
        "`order` is `desc` by creation, or `asc`.",
        |scene| {
            three(scene)?;
            let page = file_page(&[nth(0), nth(1), nth(2)], Some(("f0", "f2")), false);
            scene.expect(&get("/v1/files?order=asc"), &page)?;
            let page = file_page(&[nth(2), nth(1), nth(0)], Some(("f2", "f0")), false);
            scene.expect(&get("/v1/files?order=desc"), &page)
        },
    )
    .on(&EMPTY),
    chosen(
        "1.2/wrong-order",
        "What is said about another `order`?",
        "400 `invalid_value`, as about other words.",
        |scene| {
            let message = "Invalid value: 'up'. Supported values are: 'asc' and 'desc'.";
            let refusal = Refusal::new(400, message)
                .param("order")
                .code("invalid_value");
            scene.expect(&get("/v1/files?order=up"), &refusal.files())
        },
    ),
    recorded(
        "1.2/after",
        "`after` is the id of a file, and its page begins behind it.",
        |scene| {
            three(scene)?;
            let page = file_page(&[nth(1)], Some(("f1", "f1")), true);
            scene.expect(&get("/v1/files?limit=1&after=«f2»"), &page)?;
            let page = file_page(&[nth(0)], Some(("f0", "f0")), false);
            scene.expect(&get("/v1/files?limit=1&after=«f1»"), &page)?;
            scene.expect(&get("/v1/files?after=«f0»"), &nothing())
        },
    )
    .on(&EMPTY),
    reported(
        "1.2/unknown-after",
        "An `after` that is no file of the project is answered 404.",
        |scene| {
            let refusal = Refusal::new(404, "Resource not found.").param("after");
            scene.expect(&get("/v1/files?after=file-none"), &refusal.files())
        },
    ),
    recorded(
        "1.2/limit",
        "`limit` is from 1 to 10,000, and 10,000 by default.",
        |scene| {
            three(scene)?;
            let page = file_page(&[nth(2), nth(1)], Some(("f2", "f1")), true);
            scene.expect(&get("/v1/files?limit=2"), &page)?;
            let page = file_page(&[nth(2), nth(1), nth(0)], Some(("f2", "f0")), false);
            scene.expect(&get("/v1/files?limit=10000"), &page)
        },
    )
    .on(&EMPTY),
    reported(
        "1.2/wrong-limit",
        "Another `limit` is refused in words of this route.",
        |scene| {
            let refusal = Refusal::new(400, "limit must be between 1 and 10000.").param("limit");
            let above = refusal.code("integer_above_max_value");
            scene.expect(&get("/v1/files?limit=10001"), &above.files())?;
            let below = refusal.code("integer_below_min_value");
            scene.expect(&get("/v1/files?limit=0"), &below.files())
        },
    ),
    recorded(
        "1.2/all-processed",
        "Every file of a page is `processed`.",
        |scene| {
            three(scene)?;
            let listed = |number| nth(number).with("status", "\"processed\"");
            let page = file_page(
                &[listed(2), listed(1), listed(0)],
                Some(("f2", "f0")),
                false,
            );
            scene.expect(&get("/v1/files"), &page)
        },
    )
    .on(&EMPTY),
];

fn nothing() -> Golden {
    file_page(&[], None, false)
}

/// Uploads three files, known as `f0` to `f2`; the second is `user_data`.
fn three(scene: &mut Scene<'_>) -> Outcome {
    for number in 0..3 {
        let form = Form::default().field("purpose", purpose(number));
        let answer = scene.prepare(&form.file("in.jsonl", one_line()).upload())?;
        scene.bind_member(&format!("f{number}"), &answer, "id")?;
        scene.bind_member(&format!("t{number}"), &answer, "created_at")?;
    }
    Ok(())
}

const fn purpose(number: usize) -> &'static str {
    if number == 1 { "user_data" } else { "batch" }
}

/// One of the three.
fn nth(number: usize) -> Object {
    let expires_at = match purpose(number) {
        "batch" => format!("«t{number} + 2592000»"),
        _ => "null".to_owned(),
    };
    file(one_line().len())
        .with("id", format!("\"«f{number}»\""))
        .with("purpose", format!("\"{}\"", purpose(number)))
        .with("created_at", format!("«t{number}»"))
        .with("expires_at", expires_at)
}
