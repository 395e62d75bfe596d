//! Certificates and keys from PEM files, and what a port makes of them.

use super::validity::Validity;
use crate::secret_file::refuse_others;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use thiserror::Error;
use zeroize::Zeroizing;

/// Longest file, bytes: a bundle of every public authority has a quarter of this.
const MAX_FILE: u64 = 1 << 20;
/// How long before its end a certificate is worth a warning.
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);

/// The files of one port.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TlsFiles {
    /// The certificate to show, and those between it and its authority.
    pub cert: PathBuf,
    /// The private key to it.
    pub key: PathBuf,
    /// Clients must show a certificate of one of these authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
}

/// Files that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct TlsError {
    /// Which: `cert`, `key` or `client_ca`.
    pub field: &'static str,
    /// What is wrong, and what to do.
    pub message: String,
}

/// What tells whether files have changed since they were read: for each its time of change, its
/// length and its number in the file system.
pub(super) type Signature = [Option<(SystemTime, u64, u64)>; 3];

/// Files that were read.
#[derive(Debug)]
pub(super) struct Loaded {
    pub config: Arc<ServerConfig>,
    pub validity: Validity,
    pub signature: Signature,
}

/// The cryptography of all TLS here: that of aws-lc-rs, which seals gossip too.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

impl Loaded {
    /// True if the certificate is in its last days, or beyond them.
    pub(super) fn expires_soon(&self) -> bool {
        self.validity.not_after < unix_now().saturating_add(SOON.as_secs())
    }
}

impl TlsFiles {
    /// Says whether the files can be used.
    ///
    /// # Errors
    /// Which cannot, why, and what to do.
    pub fn check(&self) -> Result<(), TlsError> {
        self.load(None).map(drop)
    }

    /// Reads the files, for a port that speaks `protocol`.
    pub(super) fn load(&self, protocol: Option<&'static str>) -> Result<Loaded, TlsError> {
        // Taken first: what changes while it is read is read again later.
        let signature = self.signature();
        let of = |field| move |message| TlsError { field, message };
        let (chain, key) = read_pair(&self.cert, &self.key)?;
        let validity = check_validity(&self.cert, &chain)?;
        let provider = provider();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| of("cert")(error.to_string()))?;
        let builder = match &self.client_ca {
            Some(path) => {
                let roots = Arc::new(read_roots(path).map_err(of("client_ca"))?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| {
                    of("client_ca")(format!("{} cannot be used: {error}", path.display()))
                })?)
            }
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| {
            of("cert")(format!("{} cannot be used: {error}", self.cert.display()))
        })?;
        config.alpn_protocols = protocol.map(|name| name.into()).into_iter().collect();
        Ok(Loaded { config: Arc::new(config), validity, signature })
    }

    pub(super) fn signature(&self) -> Signature {
        [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()].map(|path| {
            let metadata = std::fs::metadata(path?).ok()?;
            Some((metadata.modified().ok()?, metadata.len(), number_of(&metadata)))
        })
    }
}

#[cfg(unix)]
fn number_of(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn number_of(_: &std::fs::Metadata) -> u64 {
    0
}

/// A certificate with those above it, and its private key.
pub type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads a certificate and the key to it, and sees that they belong together.
///
/// # Errors
/// Which cannot be used, why, and what to do.
pub fn read_pair(cert: &Path, key: &Path) -> Result<Pair, TlsError> {
    let of = |field| move |message| TlsError { field, message };
    let chain = read_certs(cert).map_err(of("cert"))?;
    let private = read_key(key).map_err(of("key"))?;
    match CertifiedKey::from_der(chain.clone(), private.clone_key(), &provider()) {
        Ok(_) => Ok((chain, private)),
        Err(rustls::Error::InconsistentKeys(_)) => Err(of("key")(format!(
            "the key {} does not belong to the certificate {}: name the two that were made \
             together",
            key.display(),
            cert.display()
        ))),
        Err(error) => Err(of("key")(format!("{} cannot be used: {error}", key.display()))),
    }
}

/// Reads the certificates of a PEM file; at least one.
///
/// # Errors
/// In words that say what to do.
pub fn read_certs(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let bytes = read(path, std::fs::File::open(path))?;
    let certs: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certs {
        Ok(certs) if certs.is_empty() => Err(format!(
            "{shown} holds no certificate; a PEM file has -----BEGIN CERTIFICATE----- in it"
        )),
        Ok(certs) => Ok(certs),
        Err(error) => Err(format!("{shown} is no PEM file of certificates: {error}")),
    }
}

/// Reads the certificates of authorities to trust.
///
/// # Errors
/// In words that say what to do.
pub fn read_roots(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for cert in read_certs(path)? {
        let added = roots.add(cert);
        added.map_err(|error| {
            format!("{}: a certificate cannot be used: {error}", path.display())
        })?;
    }
    Ok(roots)
}

/// Reads the private key of a PEM file that nobody else may read.
///
/// # Errors
/// In words that say what to do, without anything of the key.
pub fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let shown = path.display();
    let file = std::fs::File::open(path);
    if let Ok(metadata) = file.as_ref().map_err(drop).and_then(|file| file.metadata().map_err(drop))
    {
        refuse_others(path, &metadata)?;
    }
    let bytes = Zeroizing::new(read(path, file)?);
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        pem::Error::NoItemsFound => format!(
            "{shown} holds no private key that can be used: it must be a PEM file with \
             -----BEGIN PRIVATE KEY----- in it (or RSA or EC before PRIVATE), without a passphrase"
        ),
        _ => format!("{shown} is no PEM file with a private key"),
    })
}

fn read(path: &Path, file: std::io::Result<std::fs::File>) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let mut bytes = Vec::new();
    file.and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot read {shown}: {error}"))?;
    match bytes.len() as u64 > MAX_FILE {
        true => Err(format!("{shown} is over 1 MiB long: is it a PEM file?")),
        false => Ok(bytes),
    }
}

fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Refuses a certificate that no client would accept now.
fn check_validity(path: &Path, chain: &[CertificateDer<'_>]) -> Result<Validity, TlsError> {
    let bad = |message| TlsError { field: "cert", message };
    let shown = path.display();
    let validity = chain.first().and_then(|cert| Validity::of(cert));
    let validity = validity.ok_or_else(|| {
        bad(format!("{shown}: the first certificate does not say how long it is valid"))
    })?;
    let now = unix_now();
    if now > validity.not_after {
        let until = validity.not_after_text();
        return Err(bad(format!("the certificate {shown} has expired on {until}: renew it")));
    }
    if now < validity.not_before {
        let from = validity.not_before_text();
        return Err(bad(format!(
            "the certificate {shown} is valid only from {from} on: is this machine's clock right?"
        )));
    }
    Ok(validity)
}
