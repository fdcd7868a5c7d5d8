//! Certificates that do not hold, and that are mended while the server runs.

use overnight_testkit::rogue::{Move, Rogue};
use overnight_testkit::tls::{Identity, TlsFront};
use tokio::runtime::Runtime;

use crate::answers::{answer, well};
use crate::common::{Lines, count_of};
use crate::stage::Stage;

macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("../../../testkit/tests/tls/", $name))
    };
}

/// The key of all certificates that the authority `ca.pem` vouches for.
const KEY: &str = pem!("server-key.pem");

const GOOD: Identity = Identity {
    certificate: pem!("good.pem"),
    key: KEY,
};

/// What is wrong, and what the reason says of it.
const WRONG: [(&str, Identity, &str); 3] = [
    (
        "expired",
        Identity {
            certificate: pem!("expired.pem"),
            key: KEY,
        },
        "expired",
    ),
    (
        "elsewhere",
        Identity {
            certificate: pem!("elsewhere.pem"),
            key: KEY,
        },
        "not valid for name",
    ),
    (
        "self-signed",
        Identity {
            certificate: pem!("certificate.pem"),
            key: pem!("key.pem"),
        },
        "invalid peer certificate",
    ),
];

#[test]
fn a_certificate_that_does_not_hold_parks_the_upstream_and_says_so_until_it_is_mended() {
    let runtime = Runtime::new().unwrap();
    for (name, identity, says) in WRONG {
        let rogue = runtime
            .block_on(Rogue::start(|seen| {
                if seen.path.ends_with("/chat/completions") {
                    well()
                } else {
                    vec![Move::Send(answer("200 OK", "", b"{}"))]
                }
            }))
            .unwrap();
        let front = TlsFront::start(rogue.address(), GOOD);
        let front = runtime.block_on(front).unwrap();
        let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/../testkit/tests/tls/ca.pem");
        let url = format!("https://127.0.0.1:{}", front.address().port());
        let stage = Stage::start(&[(name.to_owned(), url)], &format!("ca = \"{ca}\"\n"));
        let client = &stage.client;
        let lines = Lines::new("line", 40).of_model(name);
        let id = client.submit(&lines.bytes());
        client.until(&id, "it to run", |batch| count_of(batch, "completed") > 0);
        // The certificate expires while it runs; connections that there are would go on with it.
        front.show(identity).unwrap();
        runtime.block_on(rogue.listen_again()).unwrap();
        let reason = Stage::until_reason(client, &id, name, says);
        eprintln!("{name}: {reason}");
        front.show(GOOD).unwrap();
        let batch = client.until_status(&id, "completed");
        let ended = client.ended(&batch);
        ended.check_each_once(lines.ids());
        assert!(ended.error.is_empty(), "{:?}", ended.error);
    }
}
