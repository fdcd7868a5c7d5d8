//! Which certificates an upstream may show.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::error::Problem;

/// Trusts the system's certificates, when connections are encrypted at all, and those of `ca`.
pub(super) fn config(is_tls: bool, ca: Option<&Path>) -> Result<ClientConfig, Problem> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        add_file(&mut roots, path)?;
    }
    if is_tls {
        // A single certificate of the system that cannot be read is no reason to stop.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let text = "is needed: this system has no certificates to trust, so name a PEM file";
            return Err(Problem::new("ca", text));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Problem::new("url", "cannot be used with TLS").caused_by(error))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), Problem> {
    let shown = path.display();
    let unreadable = |error: rustls_pki_types::pem::Error| {
        let text = format!("cannot be read: `{shown}`; name a PEM file that this user may read");
        Problem::new("ca", text).caused_by(error)
    };
    let mut any = false;
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        let unusable = |error| {
            let text = format!("holds a certificate that cannot be used: `{shown}`");
            Problem::new("ca", text).caused_by(error)
        };
        roots
            .add(certificate.map_err(unreadable)?)
            .map_err(unusable)?;
        any = true;
    }
    if any {
        return Ok(());
    }
    let text =
        format!("holds no certificate: `{shown}`; it has to be in PEM (`BEGIN CERTIFICATE`)");
    Err(Problem::new("ca", text))
}
