//! The servers that rows are checked on: the real binary, a scripted upstream behind it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use overnight_engine::upstream::scripted::{Script, Seen, Step};
use overnight_testkit::server::ScriptedServer;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::{TestServer, http};
use crate::upstream;

/// How a server is configured.
pub(crate) struct Stage {
    /// Its name.
    pub(crate) name: &'static str,
    /// What its configuration file says beside the upstream.
    config: &'static str,
    /// What its upstream does.
    answer: fn(&Seen) -> Step,
    /// How many lines are in flight at most.
    limit: usize,
    /// Whether each row has one of its own, because it looks at everything that there is.
    own: bool,
}

/// As it comes.
pub(crate) const PLAIN: Stage = Stage {
    name: "plain",
    config: "",
    own: false,
    limit: 64,
    answer: upstream::answer,
};

/// As it comes, with nothing in it.
pub(crate) const EMPTY: Stage = Stage {
    name: "empty",
    config: "",
    own: true,
    limit: 64,
    answer: upstream::answer,
};

/// Windows and graces are short, so that batches expire, and cancels meet lines in flight.
pub(crate) const SHORT: Stage = Stage {
    name: "short",
    config: "windows = [\"24h\", \"3s\"]\nattempts_max = 1\n\
             [grace]\ncancel = \"2s\"\nexpiry = \"2s\"\n",
    own: false,
    limit: 64,
    answer: upstream::answer,
};

/// Whoever does not answer within a second has not answered; what fails is not tried again. Few lines
/// are in flight, so that others are sent after one has failed.
pub(crate) const IMPATIENT: Stage = Stage {
    name: "impatient",
    config: "attempts_max = 1\n[timeouts]\nhead = \"1s\"\n",
    own: true,
    limit: 4,
    answer: upstream::answer,
};

/// Uploads expire after a second.
pub(crate) const BRIEF_UPLOADS: Stage = Stage {
    name: "brief-uploads",
    config: "[retention]\nuploads = \"1s\"\n",
    own: false,
    limit: 64,
    answer: upstream::answer,
};

/// Files expire after a second.
pub(crate) const BRIEF_FILES: Stage = Stage {
    name: "brief-files",
    config: "[retention]\nfiles = \"1s\"\n",
    own: false,
    limit: 64,
    answer: upstream::answer,
};

/// The disk is full, as far as the settings say.
pub(crate) const FULL: Stage = Stage {
    name: "full",
    config: "[disk]\nreserve = \"1000000GiB\"\n",
    own: false,
    limit: 64,
    answer: upstream::answer,
};

/// As it comes, its upstream refusing the first line as too much.
pub(crate) const BUSY: Stage = Stage {
    name: "busy",
    config: "",
    own: true,
    limit: 64,
    answer: upstream::busy_at_first,
};

/// The keys of [`KEYED`]: of the projects `alpha` and `beta`, and one for metrics alone.
pub(crate) const ALPHA: &str = "sk-overnight-alpha-0123456789abcdef";
pub(crate) const BETA: &str = "sk-overnight-beta-0123456789abcdef";
pub(crate) const METER: &str = "sk-overnight-meter-0123456789abcdef";

/// With keys.
pub(crate) const KEYED: Stage = Stage {
    name: "keyed",
    config: concat!(
        "[[keys]]\nname = \"alpha\"\nproject = \"alpha\"\n",
        "hash = \"sha256:b935f4425510de280c47d24e227c45d369c01ad6f4118043b7a309c7a7e789b4\"\n",
        "[[keys]]\nname = \"beta\"\nproject = \"beta\"\n",
        "hash = \"sha256:437a6a2a98984585bf04c02b0c351c56b4db8e76722a6c27d01419d0d2298a9a\"\n",
        "[[keys]]\nname = \"meter\"\nrole = \"metrics\"\n",
        "hash = \"sha256:f725c1821c6ce9ba8d62aadb17753cfcb887de90e00e43b317f7991a52a96ada\"\n",
    ),
    own: false,
    limit: 64,
    answer: upstream::answer,
};

/// One model a file, as the service has it.
pub(crate) const SINGLE_MODEL: Stage = Stage {
    name: "single-model",
    config: "[limits]\nsingle_model = true\n",
    own: false,
    limit: 64,
    answer: upstream::answer,
};

/// As it comes, its upstream never answering.
pub(crate) const EDGES: Stage = Stage {
    name: "edges",
    config: "",
    own: false,
    limit: 64,
    answer: upstream::silence,
};

/// As it comes, each chat being answered with its own body.
pub(crate) const ECHO: Stage = Stage {
    name: "echo",
    config: "",
    own: true,
    limit: 64,
    answer: upstream::echo,
};

/// Limits that small files exceed.
pub(crate) const SMALL: Stage = Stage {
    name: "small",
    config: "[limits]\nupload_bytes_max = \"1MiB\"\n",
    own: false,
    limit: 64,
    answer: upstream::answer,
};

/// A running stage.
pub(crate) struct Server {
    pub(crate) base_url: String,
    pub(crate) upstream: Arc<ScriptedServer>,
    process: TestServer,
    _config: TempDir,
    _runtime: Runtime,
}

impl Server {
    fn start(stage: &Stage) -> Self {
        let runtime = Runtime::new().unwrap();
        let script = Script::by(stage.answer);
        let upstream = runtime.block_on(ScriptedServer::start(script)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("overnight.toml");
        let (url, limit) = (upstream.url(), stage.limit);
        let upstreams = format!("[[upstreams]]\nurl = \"{url}\"\nlimit = {limit}\n");
        std::fs::write(&path, format!("{}{upstreams}", stage.config)).unwrap();
        let server = TestServer::start(|arguments| {
            let path = path.to_str().unwrap().to_owned();
            arguments.extend(["--config".to_owned(), path]);
        });
        let server = Self {
            base_url: server.base_url.clone(),
            upstream: Arc::new(upstream),
            process: server,
            _config: folder,
            _runtime: runtime,
        };
        server.wait_for_models();
        server
    }

    /// Its data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.process.folder.path().join("data")
    }

    /// Until the upstream was asked for its models, a model that it lacks is not refused.
    fn wait_for_models(&self) {
        crate::support::until("the list of models", || {
            let bearer = format!("Bearer {ALPHA}");
            // Without keys any one is accepted.
            let headers = [("authorization", bearer.as_str())];
            let reply = http::request(&self.base_url, "GET", "/v1/models", &headers, b"");
            reply.text().contains("\"m\"")
        });
    }
}

/// The stages that were started so far.
#[derive(Default)]
pub(crate) struct Stages(Mutex<BTreeMap<&'static str, Arc<Server>>>);

impl Stages {
    /// The server of a stage.
    pub(crate) fn server(&self, stage: &Stage) -> Arc<Server> {
        if stage.own {
            return Arc::new(Server::start(stage));
        }
        let mut stages = self.0.lock().unwrap();
        let server = stages
            .entry(stage.name)
            .or_insert_with(|| Arc::new(Server::start(stage)));
        Arc::clone(server)
    }
}
