//! Whose schema it is, and what every connection begins with.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use futures_util::future::join_all;
use overnight_testkit::postgres::{Own, Version};

use super::{Place, ask, block_on, run};
use crate::Store as _;
use crate::postgres::{Postgres, PostgresSettings};
use crate::store::StoreError;

/// What is wrong with a database, for a person.
async fn refusal(settings: PostgresSettings) -> String {
    let error = Postgres::open(settings).await.unwrap_err();
    let StoreError::Unavailable(why) = &error else {
        panic!("{error:?}");
    };
    why.to_string()
}

#[test]
fn processes_that_start_at_once_make_one_schema() {
    let place = Place::new();
    block_on(async {
        let stores = join_all((0..8).map(|_| place.open())).await;
        for store in &stores {
            store.ping().await.unwrap();
        }
        let sql = "SELECT string_agg(step::TEXT, ' ' ORDER BY step) FROM migrations";
        assert_eq!(ask(&stores[0], sql).await, "1 2 3 4");
    });
}

#[test]
fn an_installation_keeps_its_name_and_no_other_has_it() {
    let (one, other) = (Place::new(), Place::new());
    block_on(async {
        let name = one.open().await.installation().await.unwrap();
        assert_eq!(one.open().await.installation().await.unwrap(), name);
        assert_ne!(other.open().await.installation().await.unwrap(), name);
    });
}

#[test]
fn a_database_of_a_newer_schema_is_refused() {
    let place = Place::new();
    block_on(async {
        let store = place.open().await;
        run(&store, "INSERT INTO migrations (step) VALUES (999)").await;
        let text = refusal(place.settings()).await;
        assert!(text.contains("version 999"), "{text}");
        let sql = "SELECT count(*)::TEXT FROM migrations";
        assert_eq!(ask(&store, sql).await, "5");
    });
}

#[test]
fn a_schema_of_any_name_is_used() {
    let place = Place::new();
    block_on(async {
        let mut settings = place.settings();
        settings.schema = format!("{} \"Ä; DROP", place.schema);
        let store = Postgres::open(settings.clone()).await.unwrap();
        Postgres::open(settings).await.unwrap();
        let sql = "SELECT current_schema()::TEXT";
        assert_eq!(ask(&store, sql).await, store.settings.schema);
    });
}

/// The server of the tests answers commits before they are on its disk, unless it is told not to.
#[test]
fn a_commit_is_answered_when_it_is_on_the_disk() {
    let place = Place::new();
    block_on(async {
        let store = place.open().await;
        let settings = [
            ("synchronous_commit", "on"),
            ("statement_timeout", "10s"),
            ("idle_in_transaction_session_timeout", "5s"),
        ];
        for (name, value) in settings {
            let sql = format!("SELECT current_setting('{name}')");
            assert_eq!(ask(&store, &sql).await, value, "{name}");
        }
    });
}

#[test]
fn a_server_that_cannot_encrypt_is_refused_where_that_was_asked_for() {
    let place = Place::new();
    block_on(async {
        let url = format!("{}?sslmode=verify-full", place.server.url());
        let mut settings = PostgresSettings::from_url(&url).unwrap();
        settings.patience = std::time::Duration::ZERO;
        refusal(settings).await;
    });
}

#[test]
fn a_database_that_is_not_there_is_named() {
    let place = Place::new();
    block_on(async {
        let url = place.server.url().replace("/postgres", "/nowhere");
        let url = url.replacen("//nowhere@", "//postgres@", 1);
        let text = refusal(PostgresSettings::from_url(&url).unwrap()).await;
        assert!(text.contains("db error"), "{text}");
    });
}

/// The certificate in use is for `localhost` and signs itself, so it is its own authority.
fn certificate(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../testkit/tests/tls/");
    format!("{folder}{name}")
}

#[test]
fn a_server_is_spoken_to_with_tls_when_its_certificate_is_good() {
    let server = Own::start(Version::Oldest).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    std::fs::copy(certificate("key.pem"), &key).unwrap();
    // PostgreSQL refuses a key that others could read.
    std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    block_on(async {
        let settings = PostgresSettings::from_url(&server.url()).unwrap();
        let plain = Postgres::open(settings).await.unwrap();
        for set in [
            format!("ssl_cert_file = '{}'", certificate("certificate.pem")),
            format!("ssl_key_file = '{}'", key.display()),
            "ssl = on".to_owned(),
        ] {
            run(&plain, &format!("ALTER SYSTEM SET {set}")).await;
        }
        run(&plain, "SELECT pg_reload_conf()").await;
        while ask(&plain, "SHOW ssl").await != "on" {
            tokio::task::yield_now().await;
        }
        let at = |host: &str, more: &str| {
            let port = server.address().port();
            let url = format!("postgres://postgres@{host}:{port}/postgres?sslmode=verify-full");
            let mut settings = PostgresSettings::from_url(&format!("{url}{more}")).unwrap();
            settings.patience = std::time::Duration::ZERO;
            settings
        };
        let known = format!("&sslrootcert={}", certificate("certificate.pem"));
        let store = Postgres::open(at("localhost", &known)).await.unwrap();
        let sql = "SELECT ssl::TEXT FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        assert_eq!(ask(&store, sql).await, "true");
        assert_eq!(ask(&plain, sql).await, "false");
        // Nobody vouches for it, or it is another one's.
        refusal(at("localhost", "")).await;
        let other = format!("&sslrootcert={}", certificate("ca.pem"));
        refusal(at("localhost", &other)).await;
        refusal(at("localhost", "&sslrootcert=/nowhere.pem")).await;
    });
}
