//! What a TLS connection to a receiver must prove.

use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt;
use rustls::{ClientConfig, crypto::aws_lc_rs};

/// The certificates of this machine, so that a private authority works once the machine trusts it; the browsers'
/// list where the machine has none, as in a container without a distribution.
pub(super) fn client_config() -> Result<ClientConfig, rustls::Error> {
    let versions = || {
        // The provider is named here and not taken from a process-wide default, which another crate could set.
        ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
    };
    let config = match versions()?.with_native_roots() {
        Ok(config) => config,
        Err(error) => {
            tracing::warn!(%error, "this machine trusts no certificate authority: using the built-in list");
            versions()?.with_webpki_roots()
        }
    };
    Ok(config.with_no_client_auth())
}
