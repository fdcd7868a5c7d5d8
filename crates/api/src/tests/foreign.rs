//! Another project's object is exactly a missing one.
//!
//! Every route there is gets asked about every object of a project, with the key of another one, in
//! two worlds: one where the objects are, and one where they never were. What is answered must be
//! the same, byte for byte.

use overnight_store::status::{BatchProgress, Pace};

use super::engine::Running;
use super::*;
use crate::keys::new_key;
use crate::router::Routes;
use crate::{ApiKey, KeyHash, Keyring, Role};

/// Routes on which nothing of a project can be named or shown.
const OF_NO_PROJECT: [&str; 8] = [
    // An upload begins with nothing.
    "/v1/uploads",
    "/health",
    "/ready",
    "/metrics",
    "/admin/upstreams",
    "/v1/models",
    "/v1/models/{*id}",
    "/openapi.json",
];

/// Headers that differ from answer to answer, whatever is asked.
const OF_THE_ANSWER: [&str; 2] = ["x-request-id", "openai-processing-ms"];

/// Ids of everything that the owner has in one world.
const OWNED: usize = 8;

/// An idempotency key that the owner has used for a batch.
const USED: &str = "a-key-that-the-owner-used";

/// A surface over some objects of the owner's, or over none.
struct World {
    server: Server,
    owner: String,
    stranger: String,
}

impl World {
    /// A world in which the owner has nothing.
    fn empty() -> Self {
        Self::over(&Server::new())
    }

    /// A world in which the owner has files and batches in several states, and their ids.
    async fn populated() -> (Self, [String; OWNED]) {
        let made = Server::new();
        let input = made.upload(LINE).await;
        let ended = Running::start(&made, 2).await;
        ended.record(&made, &[1], &[2]).await;
        ended.seal(&made).await;
        let running = Running::start(&made, 3).await;
        running.record(&made, &[1], &[2]).await;
        let progress = BatchProgress {
            batch: running.id.as_str().into(),
            in_flight: 1,
            retrying: 0,
            lines_per_second: 0.5,
            eta_seconds: None,
            reason: None,
            pace: Pace::default(),
            updated_at: made.now(),
        };
        let saved = made.store.save_progress(&[progress]).await;
        saved.expect("saved progress");
        let waiting = made.batch().await;
        let named = Asked::named(&input);
        let created = made.send(named.request("none")).await;
        assert_eq!(created.status, 200, "{}", created.text());
        let upload = made.post("/v1/uploads", DECLARATION).await.json()["id"].clone();
        let upload = upload.as_str().expect("an id").to_owned();
        let part = Asked::part(&format!("/v1/uploads/{upload}/parts"));
        let part = made.send(part.request("none")).await.json()["id"].clone();
        let part = part.as_str().expect("an id").to_owned();
        let [output, error] = ["file-output", "file-error"].map(str::to_owned);
        let (ended, running) = (ended.id, running.id);
        let ids = [input, output, error, ended, running, waiting, upload, part];
        (Self::over(&made), ids)
    }

    /// The same objects behind a surface that asks for keys.
    fn over(made: &Server) -> Self {
        let keys = [("owner", "default"), ("stranger", "another")];
        let entropy = Entropy::new({
            let drawn = AtomicU64::new(1);
            move || u128::from(drawn.fetch_add(1, Ordering::Relaxed))
        });
        let secrets = keys.map(|_| new_key(&entropy));
        let ring = keys
            .iter()
            .zip(&secrets)
            .map(|((name, project), key)| ApiKey {
                name: (*name).into(),
                hash: KeyHash::of(key),
                project: (*project).into(),
                role: Role::Admin,
            });
        let server = Server::with(|api| {
            api.store = Arc::new(made.store.clone());
            api.blobs = made.blobs.clone();
            api.access = Access::Keys(Keyring::new(ring.collect()));
            // Streams of events show what there is, and end.
            api.stopping.cancel();
        });
        let [owner, stranger] = secrets;
        Self {
            server,
            owner,
            stranger,
        }
    }

    /// What is answered, without what differs from answer to answer.
    async fn ask(&self, key: &str, asked: &Asked) -> (u16, HeaderMap, Bytes) {
        let mut answer = self.server.send(asked.request(key)).await;
        for name in OF_THE_ANSWER {
            answer.headers.remove(name);
        }
        (answer.status, answer.headers, answer.body)
    }

    /// The methods of a route, from the refusal of one that no route has.
    async fn methods(&self, target: &str) -> Vec<Method> {
        let asked = Asked::plain(Method::TRACE, target.to_owned());
        let (status, headers, _) = self.ask(&self.owner, &asked).await;
        assert_eq!(status, 405, "{target}");
        let allowed = headers["allow"].to_str().expect("text").split(',');
        allowed
            .map(|method| method.trim().parse().expect("a method"))
            .collect()
    }
}

/// What begins an upload in parts.
const DECLARATION: &str =
    r#"{"bytes":99,"filename":"in.jsonl","mime_type":"application/jsonl","purpose":"batch"}"#;

/// One request that names an object.
#[derive(Debug)]
struct Asked {
    method: Method,
    target: String,
    content_type: &'static str,
    body: String,
    idempotency_key: Option<&'static str>,
}

impl Asked {
    fn request(&self, key: &str) -> Request<Body> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&self.target)
            .header("authorization", format!("Bearer {key}"))
            .header(CONTENT_TYPE, self.content_type);
        if let Some(key) = self.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Body::from(self.body.clone()));
        request.expect("a request")
    }

    /// Creates a batch over that file, under a key that the owner has used for it.
    fn named(input: &str) -> Self {
        Self {
            body: creation(input),
            idempotency_key: Some(USED),
            ..Self::plain(Method::POST, "/v1/batches".to_owned())
        }
    }

    /// Adds a part.
    fn part(target: &str) -> Self {
        Self {
            content_type: "multipart/form-data; boundary=B",
            body: format!(
                "--B\r\nContent-Disposition: form-data; name=\"data\"; filename=\"a\"\r\n\r\n{LINE}\r\n--B--\r\n"
            ),
            ..Self::plain(Method::POST, target.to_owned())
        }
    }

    /// Completes an upload of one part.
    fn completion(target: &str, part: &str) -> Self {
        Self {
            body: format!(r#"{{"part_ids":["{part}"]}}"#),
            ..Self::plain(Method::POST, target.to_owned())
        }
    }

    fn plain(method: Method, target: String) -> Self {
        Self {
            method,
            target,
            content_type: "application/json",
            body: String::new(),
            idempotency_key: None,
        }
    }

    /// Everything in which a route could be asked about an object: in its path, in its query, in a
    /// JSON body, in a form.
    fn all(path: &str, methods: &[Method], id: &str) -> Vec<Self> {
        let target = filled(path, id);
        let mut all = Vec::new();
        for method in methods {
            for query in ["", "?after=", "?file=error&offset=1&after="] {
                let target = match query {
                    "" => target.clone(),
                    _ => format!("{target}{query}{id}"),
                };
                all.push(Self::plain(method.clone(), target));
            }
            let bodies = [
                Self {
                    body: creation(id),
                    ..Self::plain(Method::POST, target.clone())
                },
                Self::completion(&target, id),
                Self::part(&target),
            ];
            all.extend(bodies.map(|asked| Self {
                method: method.clone(),
                ..asked
            }));
        }
        all
    }
}

/// A path with its variables, whichever they are, replaced.
fn filled(path: &str, id: &str) -> String {
    let mut filled = String::new();
    for part in path.split_inclusive('}') {
        match part.split_once('{') {
            Some((before, "number}")) => filled.extend([before, "1"]),
            Some((before, _)) => filled.extend([before, id]),
            None => filled.push_str(part),
        }
    }
    filled
}

/// What is asked of a route about each of these objects.
async fn questions(path: &str, ids: &[String]) -> Vec<Asked> {
    let methods = World::empty().methods(&filled(path, "any")).await;
    let of = |id: &String| Asked::all(path, &methods, id);
    ids.iter().flat_map(of).collect()
}

#[tokio::test]
async fn another_projects_objects_are_missing_on_every_route() {
    let (there, ids) = World::populated().await;
    let nowhere = World::empty();
    let mut before = Vec::new();
    for asked in views(&ids) {
        before.push(there.ask(&there.owner, &asked).await);
        // In both worlds, because ids are drawn in turn.
        nowhere.ask(&nowhere.owner, &asked).await;
    }

    let mut asked_count = 0;
    for path in Routes::all().paths() {
        for asked in questions(path, &ids).await {
            let foreign = there.ask(&there.stranger, &asked).await;
            let missing = nowhere.ask(&nowhere.stranger, &asked).await;
            assert_eq!(foreign, missing, "{path}: {asked:?}");
            asked_count += 1;
        }
    }
    assert!(asked_count > 500, "{asked_count}");

    for (asked, before) in views(&ids).iter().zip(&before) {
        let after = there.ask(&there.owner, asked).await;
        assert_eq!(&after, before, "{asked:?}");
    }
}

#[tokio::test]
async fn a_key_of_idempotency_is_its_projects_and_a_part_its_uploads() {
    let (there, ids) = World::populated().await;
    let nowhere = World::empty();
    let [input, .., part] = &ids;
    let named = Asked::named(input);
    let begun = Asked {
        body: DECLARATION.to_owned(),
        ..Asked::plain(Method::POST, "/v1/uploads".to_owned())
    };
    let (_, _, own) = there.ask(&there.stranger, &begun).await;
    assert_eq!(own, nowhere.ask(&nowhere.stranger, &begun).await.2);
    let own: Value = serde_json::from_slice(&own).expect("an upload");
    let id = own["id"].as_str().expect("an id");
    let completion = Asked::completion(&format!("/v1/uploads/{id}/complete"), part);
    for asked in [&named, &completion] {
        let foreign = there.ask(&there.stranger, asked).await;
        let missing = nowhere.ask(&nowhere.stranger, asked).await;
        assert_eq!(foreign, missing, "{asked:?}");
    }
    // The owner's key was used indeed.
    let (_, headers, _) = there.ask(&there.owner, &named).await;
    assert_eq!(headers["idempotent-replayed"], "true");
}

/// Shows that the walk above asks each route about something that is there: its owner is answered
/// otherwise. A new route fails here until the owner has something for it.
#[tokio::test]
async fn the_walk_asks_every_route_about_something_that_is_there() {
    for path in Routes::all().paths() {
        let (there, ids) = World::populated().await;
        let nowhere = World::empty();
        let mut differs = false;
        for asked in questions(path, &ids).await {
            differs |=
                there.ask(&there.owner, &asked).await != nowhere.ask(&nowhere.owner, &asked).await;
        }
        assert_ne!(differs, OF_NO_PROJECT.contains(&path), "{path}");
    }
}

/// Everything that the owner sees of its objects.
fn views(ids: &[String; OWNED]) -> Vec<Asked> {
    let mut targets = vec!["/v1/files".to_owned(), "/v1/batches".to_owned()];
    for id in ids {
        if id.starts_with("batch") {
            let below = ["", "/results", "/results?file=error", "/progress"];
            targets.extend(below.map(|rest| format!("/v1/batches/{id}{rest}")));
        } else {
            targets.extend(["", "/content"].map(|rest| format!("/v1/files/{id}{rest}")));
        }
    }
    let views = targets.into_iter();
    views
        .map(|target| Asked::plain(Method::GET, target))
        .collect()
}
