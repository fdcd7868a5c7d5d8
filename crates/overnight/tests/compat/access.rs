//! Who may ask, and what for: keys, projects, and pages of other sites.

use crate::batches::request_with;
use crate::files::one_line;
use crate::golden::{Golden, Refusal, json};
use crate::object::{batch, batch_answer, failed, file, file_answer, file_page};
use crate::request::{Request, batch_file, delete, get, post, post_json};
use crate::row::{Outcome, Row, chosen, recorded, reported};
use crate::scene::Scene;
use crate::section::Section;
use crate::stage::{ALPHA, BETA, EMPTY, KEYED, METER};

/// Section 7.4.
pub(crate) const ACCESS: Section = Section {
    heading: "7.4 Access",
    rows: ROWS,
    fields: &["error.message", "error.type", "error.param", "error.code"],
};

/// The first key, as the password of HTTP Basic.
const BASIC: &str = "Basic OnNrLW92ZXJuaWdodC1hbHBoYS0wMTIzNDU2Nzg5YWJjZGVm";

const ROWS: &[Row] = &[
    recorded(
        "7.2/401-batches",
        "A request about batches without a key is answered 401 in words of its own.",
        |scene| {
            let message = "Missing bearer or basic authentication in header";
            let golden = unauthenticated(Refusal::new(401, message).golden());
            scene.expect(&get("/v1/batches"), &golden)?;
            scene.expect(&get("/v1/batches/batch_1"), &golden)?;
            scene.expect(&post_json("/v1/batches", "{}"), &golden)
        },
    )
    .on(&KEYED),
    reported(
        "7.2/401-elsewhere",
        "Any other request without a key is answered 401 with the ways to send one.",
        |scene| {
            let golden = unauthenticated(Refusal::new(401, NO_KEY).golden());
            scene.expect(&get("/v1/models"), &golden)?;
            scene.expect(&get("/v1/nothing"), &golden)?;
            scene.expect(
                &get("/v1/files"),
                &shared(unauthenticated(Refusal::new(401, NO_KEY).files())),
            )
        },
    )
    .on(&KEYED),
    reported(
        "7.2/401-wrong-key",
        "A key that is not known is answered 401 `invalid_api_key`; its middle is masked.",
        |scene| {
            let message = "Incorrect API key provided: sk-proj-...wxyz. Whoever runs this server \
                           makes keys with `overnight key new`.";
            let refusal = Refusal::new(401, message).code("invalid_api_key");
            let golden = unauthenticated(refusal.golden());
            let wrong = "Bearer sk-proj-abcdefghijklmnopqrstuvwxyz";
            scene.expect(&get("/v1/models").header("authorization", wrong), &golden)
        },
    )
    .on(&KEYED),
    reported(
        "7.2/401-organization",
        "An `OpenAI-Organization` that is not the key's is answered 401.",
        |scene| {
            let request = with_key(get("/v1/files/file-none"), ALPHA)
                .header("openai-organization", "org-other")
                .header("openai-project", "proj_other");
            scene.expect(&request, &no_file("file-none"))
        },
    )
    .on(&KEYED)
    .differs(
        "It is accepted and changes nothing: a key names its project, there is one organization, \
         and a client must not be locked out by the names of another service.",
    ),
    chosen(
        "7.2/403",
        "What is a key answered whose role does not allow a request?",
        "403 `insufficient_permissions` with the role.",
        |scene| {
            let message = "The role of this API key ('metrics') does not allow this request.";
            let refusal = Refusal::new(403, message).code("insufficient_permissions");
            let request = with_key(get("/v1/models"), METER);
            scene.expect(&request, &of_project(refusal.golden(), "default"))
        },
    )
    .on(&KEYED),
    recorded(
        "7.4/bearer",
        "A key is sent as `Authorization: Bearer`, the scheme in any case.",
        |scene| {
            for scheme in ["Bearer", "bearer", "BEARER"] {
                let value = format!("{scheme} {ALPHA}");
                let request = get("/v1/models/m").header("authorization", value);
                scene.expect(&request, &of_project(model(), "alpha"))?;
            }
            Ok(())
        },
    )
    .on(&KEYED),
    recorded("7.4/basic", "Or as the password of HTTP Basic.", |scene| {
        let request = get("/v1/models/m").header("authorization", BASIC);
        scene.expect(&request, &of_project(model(), "alpha"))
    })
    .on(&KEYED),
    recorded(
        "7.4/api-key",
        "Or in the header `api-key`, as a client of Azure does.",
        |scene| {
            let request = get("/v1/models/m").header("api-key", ALPHA);
            scene.expect(&request, &of_project(model(), "alpha"))
        },
    )
    .on(&KEYED),
    recorded(
        "7.4/organization-and-project",
        "`OpenAI-Organization` and `OpenAI-Project` may be sent; `openai-organization` and \
         `openai-project` come back.",
        |scene| {
            let request = with_key(get("/v1/models/m"), BETA)
                .header("openai-organization", "overnight")
                .header("openai-project", "beta");
            scene.expect(&request, &of_project(model(), "beta"))
        },
    )
    .on(&KEYED),
    chosen(
        "7.4/foreign-file",
        "What is a file of another project?",
        "A missing one: shown, deleted, downloaded, as a cursor, and as the input of a batch.",
        foreign_file,
    )
    .on(&KEYED),
    chosen(
        "7.4/foreign-batch",
        "And a batch?",
        "Likewise: shown, cancelled, and as a cursor.",
        |scene| {
            let create = post_json("/v1/batches", request_with("").replace("«f»", "file-none"));
            let answer = scene.prepare(&with_key(create, ALPHA))?;
            scene.bind_member("b", &answer, "id")?;
            let refusal = Refusal::new(404, "No batch found with id '«b»'.");
            let golden = of_project(refusal.golden(), "beta");
            scene.expect(&with_key(get("/v1/batches/«b»"), BETA), &golden)?;
            scene.expect(&with_key(post("/v1/batches/«b»/cancel"), BETA), &golden)?;
            scene.expect(&with_key(get("/v1/batches?after=«b»"), BETA), &golden)
        },
    )
    .on(&KEYED),
    recorded(
        "7.4/cors",
        "With keys the answers of `/v1/files` and `/v1/uploads` have \
         `access-control-allow-origin: *`.",
        |scene| {
            scene.expect(
                &with_key(get("/v1/files/file-none"), ALPHA),
                &no_file("file-none"),
            )?;
            let refusal = Refusal::new(404, "No such Upload object: upload_1").param("id");
            let golden = shared(of_project(refusal.golden(), "alpha"));
            scene.expect(
                &with_key(post("/v1/uploads/upload_1/cancel"), ALPHA),
                &golden,
            )
        },
    )
    .on(&KEYED),
    chosen(
        "7.4/no-keys",
        "Which keys are accepted by a server without keys?",
        "Any and none, in any of the three headers.",
        |scene| {
            scene.upload(one_line())?;
            let golden = file_answer(&file(one_line().len()));
            let values = [
                "Bearer sk-any",
                "bearer sk-any",
                "Basic OnNrLWFueQ==",
                "nonsense",
            ];
            for value in values {
                let request = get("/v1/files/«f»").header("authorization", value);
                scene.expect(&request, &golden)?;
            }
            scene.expect(&get("/v1/files/«f»").header("api-key", "any"), &golden)?;
            scene.expect(&get("/v1/files/«f»"), &golden)
        },
    ),
    recorded(
        "7.4/cors-without-keys",
        "The answers of `/v1/files` and `/v1/uploads` have `access-control-allow-origin: *`.",
        |scene| scene.expect(&get("/v1/files"), &file_page(&[], None, false)),
    )
    .on(&EMPTY)
    .differs(
        "A server without keys sends no CORS header: any page in a browser of its machine could \
         read every file.",
    ),
    chosen(
        "7.4/foreign-page",
        "Who may ask a server without keys?",
        "Programs of its machine. A page of another site, which a browser gives away by `Origin`, \
         `Sec-Fetch-Site` or `Host`, gets 403.",
        foreign_pages,
    ),
];

const NO_KEY: &str = "You didn't provide an API key. You need to provide your API key in an \
                      Authorization header using Bearer auth (i.e. Authorization: Bearer \
                      YOUR_KEY), or as the password field (with blank username) of HTTP Basic. \
                      Whoever runs this server makes keys with `overnight key new`.";

fn with_key(request: Request, key: &str) -> Request {
    request.header("authorization", format!("Bearer {key}"))
}

/// The same with what HTTP wants of a 401.
fn unauthenticated(golden: Golden) -> Golden {
    golden.header("www-authenticate", "Bearer realm=\"overnight\"")
}

/// The same for a key of that project.
fn of_project(golden: Golden, project: &str) -> Golden {
    golden.header("openai-project", project)
}

/// The same on a route that pages of other sites may use.
fn shared(golden: Golden) -> Golden {
    golden
        .header("access-control-allow-origin", "*")
        .header("access-control-expose-headers", "X-Request-ID")
}

fn no_file(id: &str) -> Golden {
    let message = format!("No such File object: {id}");
    let golden = Refusal::new(404, &message).param("id").files();
    shared(of_project(golden, "alpha"))
}

fn model() -> Golden {
    json(r#"{"id":"m","object":"model","created":1700000000,"owned_by":"us"}"#)
}

fn foreign_file(scene: &mut Scene<'_>) -> Outcome {
    let answer = scene.prepare(&with_key(batch_file("in.jsonl", one_line()), ALPHA))?;
    scene.bind_member("f", &answer, "id")?;
    let beta = |golden: Golden| of_project(golden, "beta");
    let refusal = Refusal::new(404, "No such File object: «f»").param("id");
    let golden = shared(beta(refusal.files()));
    scene.expect(&with_key(get("/v1/files/«f»"), BETA), &golden)?;
    scene.expect(&with_key(delete("/v1/files/«f»"), BETA), &golden)?;
    scene.expect(&with_key(get("/v1/files/«f»/content"), BETA), &golden)?;
    let refusal = Refusal::new(404, "Resource not found.").param("after");
    let golden = shared(beta(refusal.files()));
    scene.expect(&with_key(get("/v1/files?after=«f»"), BETA), &golden)?;
    let create = post_json("/v1/batches", request_with(""));
    scene.expect(&with_key(create, BETA), &beta(batch_answer(&batch())))?;
    let batch = failed(&[crate::input::missing_file()]);
    let show = with_key(get("/v1/batches/«b»"), BETA);
    scene.expect_soon(&show, "\"status\": \"failed\"", &beta(batch_answer(&batch)))
}

fn foreign_pages(scene: &mut Scene<'_>) -> Outcome {
    let refusal = Refusal::new(
        403,
        "This server runs without API keys and so refuses requests that a browser sends for a page \
         of another site.",
    );
    let golden = refusal.code("insufficient_permissions").golden();
    scene.expect(
        &get("/v1/models").header("origin", "https://example.com"),
        &golden,
    )?;
    scene.expect(
        &get("/v1/models").header("sec-fetch-site", "cross-site"),
        &golden,
    )?;
    let refusal = Refusal::new(
        403,
        "This server runs without API keys and so serves only loopback names: address it as \
         localhost or 127.0.0.1, or set API keys.",
    );
    let golden = refusal.code("insufficient_permissions").golden();
    scene.expect(&get("/v1/models").header("host", "example.com"), &golden)
}
