//! Whom connections to a database or a bucket trust.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Trusts the authorities of a PEM file, or else those of the system.
///
/// # Errors
///
/// The file cannot be read, or holds no certificate; the error names it.
pub(crate) fn client_config(authorities: Option<&Path>) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(path) => {
            let named = |error: String| io::Error::other(format!("{}: {error}", path.display()));
            let unread = |error: rustls_pki_types::pem::Error| named(error.to_string());
            for certificate in CertificateDer::pem_file_iter(path).map_err(unread)? {
                let certificate = certificate.map_err(unread)?;
                roots
                    .add(certificate)
                    .map_err(|error| named(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(named("it holds no certificate".to_owned()));
            }
        }
        // A single certificate of the system that cannot be read is no reason to stop.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
