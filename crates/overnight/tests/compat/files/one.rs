//! One file: shown, deleted, downloaded.

use super::{LINE, one_line};
use crate::golden::{Golden, Refusal, bytes, download, files_json};
use crate::object::{batch, completed, counts, failed, file, file_answer};
use crate::request::{Form, delete, get, head};
use crate::results::{CHAT_USAGE, output_line};
use crate::row::{Outcome, Row, chosen, recorded, reported};
use crate::scene::Scene;
use crate::section::Section;
use crate::stage::{BRIEF_FILES, SHORT};

/// Section 1.3.
pub(crate) const ONE: Section = Section {
    heading: "1.3 Showing and deleting a file",
    rows: ROWS,
    fields: &["object", "deleted", "id", "filename", "expires_at"],
};

/// Section 1.4.
pub(crate) const CONTENT: Section = Section {
    heading: "1.4 Downloading a file",
    rows: CONTENT_ROWS,
    fields: &["error.message"],
};

const ROWS: &[Row] = &[
    recorded("1.3/show", "GET answers the File object.", |scene| {
        scene.upload(one_line())?;
        scene.expect(&get("/v1/files/«f»"), &file_answer(&file(one_line().len())))
    }),
    recorded(
        "1.3/delete",
        "DELETE answers 200 with `object`, `deleted`, `id`, in this order.",
        |scene| {
            scene.upload(one_line())?;
            scene.expect(&delete("/v1/files/«f»"), &deleted())
        },
    ),
    recorded(
        "1.3/missing",
        "An id that is no file's is answered 404 with the param `id`, whatever it begins with.",
        |scene| {
            for id in ["fake_id", "file-0000000000000000000000"] {
                let message = format!("No such File object: {id}");
                let refusal = Refusal::new(404, &message).param("id").files();
                scene.expect(&get(format!("/v1/files/{id}")), &refusal)?;
                scene.expect(&delete(format!("/v1/files/{id}")), &refusal)?;
                scene.expect(&get(format!("/v1/files/{id}/content")), &refusal)?;
            }
            Ok(())
        },
    ),
    recorded(
        "1.3/deleted",
        "A deleted file is a missing one: for GET, DELETE and its content.",
        |scene| {
            scene.upload(one_line())?;
            scene.prepare(&delete("/v1/files/«f»"))?;
            let refusal = Refusal::new(404, "No such File object: «f»")
                .param("id")
                .files();
            scene.expect(&get("/v1/files/«f»"), &refusal)?;
            scene.expect(&delete("/v1/files/«f»"), &refusal)?;
            scene.expect(&get("/v1/files/«f»/content"), &refusal)
        },
    ),
    recorded(
        "1.3/expired",
        "A file whose time is over is a missing one.",
        |scene| {
            scene.upload(one_line())?;
            let refusal = Refusal::new(404, "No such File object: «f»")
                .param("id")
                .files();
            scene.expect_soon(&get("/v1/files/«f»"), "No such File object", &refusal)?;
            scene.expect(&get("/v1/files/«f»/content"), &refusal)?;
            scene.expect(&delete("/v1/files/«f»"), &refusal)
        },
    )
    .on(&BRIEF_FILES),
    reported(
        "1.3/delete-input-first",
        "The input of a batch may be deleted; a batch created over it then fails.",
        |scene| {
            scene.upload(one_line())?;
            scene.prepare(&delete("/v1/files/«f»"))?;
            scene.create()?;
            scene.becomes("failed", &failed(&[crate::input::missing_file()]))
        },
    ),
    reported(
        "1.3/delete-result",
        "The output file of a finished batch may be deleted; the batch keeps its id.",
        |scene| {
            scene.upload(one_line())?;
            scene.create()?;
            let batch = completed()
                .with("output_file_id", "\"«file o»\"")
                .with("request_counts", counts(1, 1, 0))
                .with("usage", CHAT_USAGE);
            scene.becomes("completed", &batch)?;
            let gone = files_json(r#"{"object":"file","deleted":true,"id":"«o»"}"#);
            scene.expect(&delete("/v1/files/«o»"), &gone)?;
            scene.becomes("completed", &batch)
        },
    ),
    chosen(
        "1.3/delete-input-of-running",
        "What happens when the input of a running batch is deleted?",
        "It is deleted for every reader, and the batch goes on with its bytes.",
        |scene| {
            scene.upload(crate::lifecycle::held_and_plain())?;
            scene.create()?;
            let running = batch()
                .with("model", "\"m\"")
                .with("status", "\"in_progress\"")
                .with("in_progress_at", "«time begun from c»")
                .with("request_counts", counts(2, 1, 0))
                .with("usage", CHAT_USAGE);
            scene.expect_soon(
                &get("/v1/batches/«b»"),
                "\"completed\": 1",
                &crate::object::batch_answer(&running),
            )?;
            scene.expect(&delete("/v1/files/«f»"), &deleted())?;
            crate::lifecycle::cancelled_with_one_of_two(scene)?;
            let line = output_line("plain");
            let lines = crate::golden::result_lines("«b»_output.jsonl", "o", &[line]);
            scene.expect(&get("/v1/files/«o»/content"), &lines)
        },
    )
    .on(&SHORT),
];

const CONTENT_ROWS: &[Row] = &[
    recorded(
        "1.4/content",
        "The content is 200, `application/octet-stream`, an attachment, with a Content-Length, \
         and the bytes as they were uploaded.",
        |scene| {
            scene.upload(one_line())?;
            scene.expect(&get("/v1/files/«f»/content"), &whole(&one_line()))
        },
    ),
    recorded(
        "1.4/bytes",
        "The bytes are kept as they came, line ends and all.",
        |scene| {
            let content = format!("\u{feff}{LINE}\r\n\r\n  {LINE}  \n\u{2028}\u{0}");
            scene.upload(&content)?;
            scene.expect(&get("/v1/files/«f»/content"), &whole(&content))
        },
    ),
    recorded(
        "1.4/disposition",
        "`Content-Disposition` has the filename; ours adds `filename*` when it is not ASCII.",
        |scene| {
            let request = crate::request::batch_file("你好.jsonl", one_line());
            let answer = scene.prepare(&request)?;
            scene.bind_member("f", &answer, "id")?;
            let golden = whole(&one_line()).header(
                "content-disposition",
                "attachment; filename=\"__.jsonl\"; \
                 filename*=UTF-8''%E4%BD%A0%E5%A5%BD.jsonl",
            );
            scene.expect(&get("/v1/files/«f»/content"), &golden)
        },
    ),
    recorded(
        "1.4/no-redirect",
        "The content is answered by this route itself, without a redirect.",
        |scene| {
            scene.upload(one_line())?;
            let accept = get("/v1/files/«f»/content").header("accept", "application/binary");
            scene.expect(&accept, &whole(&one_line()))
        },
    ),
    chosen(
        "1.4/range",
        "Can a download be resumed?",
        "Yes: `Accept-Ranges`, a strong `ETag`, `If-Range`, exact 206 and 416.",
        ranges,
    ),
    chosen(
        "1.4/head",
        "Is HEAD answered?",
        "Yes, as GET without the bytes.",
        |scene| {
            scene.upload(one_line())?;
            let length = one_line().len().to_string();
            let golden = whole("").header("content-length", length);
            scene.expect(&head("/v1/files/«f»/content"), &golden)
        },
    ),
    reported(
        "1.4/other-purposes",
        "Files of other purposes than `batch` and `batch_output` cannot be downloaded.",
        |scene| {
            let form = Form::default().field("purpose", "user_data");
            let answer = scene.prepare(&form.file("in.jsonl", one_line()).upload())?;
            scene.bind_member("f", &answer, "id")?;
            let refusal = Refusal::new(400, "Not allowed to download files of purpose: user_data");
            scene.expect(&get("/v1/files/«f»/content"), &refusal.files())
        },
    ),
];

/// The answer to the deletion of `f`.
fn deleted() -> Golden {
    files_json(r#"{"object":"file","deleted":true,"id":"«f»"}"#)
}

fn whole(content: &str) -> Golden {
    let golden = bytes("", content).header("content-length", content.len().to_string());
    download(golden, "in.jsonl", "f")
}

fn ranges(scene: &mut Scene<'_>) -> Outcome {
    scene.upload(one_line())?;
    let (content, size) = (one_line(), one_line().len());
    let part = whole(&content[10..20])
        .status(206)
        .header("content-range", format!("bytes 10-19/{size}"));
    let request = || get("/v1/files/«f»/content").header("range", "bytes=10-19");
    scene.expect(&request(), &part)?;
    scene.expect(&request().header("if-range", "\"«f»\""), &part)?;
    scene.expect(&request().header("if-range", "\"other\""), &whole(&content))?;
    let message = format!("The requested range is not satisfiable: the file has {size} bytes.");
    let refusal = Refusal::new(416, &message).files();
    let beyond = get("/v1/files/«f»/content").header("range", format!("bytes={size}-"));
    scene.expect(
        &beyond,
        &refusal.header("content-range", format!("bytes */{size}")),
    )
}
