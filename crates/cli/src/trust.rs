//! Whom the client trusts and what it shows of itself, over HTTPS; and what went wrong there, in
//! words that say what to pass.

use crate::args::ClientArgs;
use crate::failure::{Code, Failure};
use rumormill::tls::files;
use rustls::{AlertDescription, CertificateError, Error};
use std::sync::Arc;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

/// The TLS side of a client.
///
/// # Errors
/// If a file cannot be used; says which and what to do.
pub fn config(args: &ClientArgs) -> anyhow::Result<TlsConfig> {
    let roots = match &args.ca {
        Some(path) => {
            // What no client could trust is said here, not passed over.
            files::read_roots(path)
                .map_err(|message| Failure::usage(format!("--ca: {message}")))?;
            files::read_certs(path).map_err(|message| Failure::usage(format!("--ca: {message}")))?
        }
        // Those of the system. None at all is told as an unknown issuer.
        None => rustls_native_certs::load_native_certs().certs,
    };
    let roots = roots.iter().map(|cert| Certificate::from_der(cert).to_owned()).collect();
    let config = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(files::provider())
        .root_certs(RootCerts::Specific(Arc::new(roots)));
    Ok(match own(args)? {
        Some(own) => config.client_cert(Some(own)).build(),
        None => config.build(),
    })
}

/// The certificate that the client shows, if it has one.
fn own(args: &ClientArgs) -> anyhow::Result<Option<ClientCert>> {
    let (cert, key) = match (&args.client_cert, &args.client_key) {
        (Some(cert), Some(key)) => (cert, key),
        (None, None) => return Ok(None),
        (Some(_), None) => {
            return Err(Failure::usage("--client-cert wants its key: name it with --client-key"));
        }
        (None, Some(_)) => {
            return Err(Failure::usage(
                "--client-key wants its certificate: name it with --client-cert",
            ));
        }
    };
    let bad = |flag: &str, message: String| Failure::usage(format!("{flag}: {message}"));
    let (chain, _) = files::read_pair(cert, key).map_err(|error| {
        let flag = if error.field == "key" { "--client-key" } else { "--client-cert" };
        bad(flag, error.to_string())
    })?;
    let chain: Vec<_> = chain.iter().map(|cert| Certificate::from_der(cert).to_owned()).collect();
    // The HTTP library has no name for the kinds of keys, so it reads the checked file itself.
    let pem = std::fs::read(key).map_err(|error| bad("--client-key", error.to_string()))?;
    let key = PrivateKey::from_pem(&pem).map_err(|error| bad("--client-key", error.to_string()))?;
    Ok(Some(ClientCert::new_with_certs(&chain, key)))
}

/// The TLS error inside an error of a request, if that is what it is.
pub fn cause(error: &ureq::Error) -> Option<&Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => cause_of_io(error),
        _ => None,
    }
}

/// The TLS error inside an error of a stream, if that is what it is.
pub fn cause_of_io(error: &std::io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// What went wrong with an agent, and what to do about it.
pub fn failure(base: &str, error: &Error) -> anyhow::Error {
    let (code, words) = match error {
        Error::InvalidCertificate(why) => (Code::Failed, distrust(why)),
        Error::AlertReceived(AlertDescription::CertificateRequired) => (
            Code::Refused,
            "it wants a certificate of the client: name one that its tls.client_ca has signed \
             with --client-cert, and the key to it with --client-key"
                .into(),
        ),
        Error::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRevoked
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied,
        ) => (
            Code::Refused,
            format!(
                "it does not accept the certificate of --client-cert ({error}): name one that its \
                 tls.client_ca has signed and that is valid now"
            ),
        ),
        Error::InvalidMessage(_) => (
            Code::Failed,
            "what answers there does not speak TLS; write http:// if it is meant to be plain"
                .into(),
        ),
        other => (Code::Failed, other.to_string()),
    };
    Failure::new(code, format!("no safe connection to the agent at {base}: {words}")).into()
}

fn distrust(why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer => {
            "its certificate is of an authority that is not trusted \
             here: name the certificate of that authority with --ca FILE"
                .into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!(
                "its certificate is not for this name ({why}): name the agent with --http as its \
                 certificate does"
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired: renew it at the agent".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet: is the clock of this machine right?".into()
        }
        CertificateError::BadSignature => {
            "its certificate is not signed by the authority of --ca, \
             though it says so: name the certificate of the right one"
                .into()
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "its certificate is that of an authority itself, which must not serve: give the agent \
             one that the authority has signed"
                .into()
        }
        other => format!("its certificate cannot be trusted: {other}"),
    }
}
