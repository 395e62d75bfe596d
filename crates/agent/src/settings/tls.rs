//! The TLS files of the ports: `tls.cert` and its like for both, `tls.redis.cert` and its like for
//! one of them, which go before.

use super::error::{Origin, SettingsError};
use crate::tls::TlsFiles;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Paths by the names of their settings, with who has set them.
pub(super) type Given = BTreeMap<String, (Origin, PathBuf)>;

/// The files of a port, if it has any; read once to see that they can be used.
pub(super) fn files_of(port: &str, given: &Given) -> Result<Option<TlsFiles>, SettingsError> {
    let find = |leaf: &str| {
        let names = [format!("tls.{port}.{leaf}"), format!("tls.{leaf}")];
        names.into_iter().find_map(|name| given.get_key_value(&name))
    };
    let bad = |(field, (origin, _)): (&String, &(Origin, PathBuf)), message: String| {
        Err(SettingsError::bad(origin, field, message))
    };
    let (cert, key, client_ca) = (find("cert"), find("key"), find("client_ca"));
    let (cert, key) = match (cert, key, client_ca) {
        (Some(cert), Some(key), _) => (cert, key),
        (Some(cert), None, _) => {
            return bad(cert, "there is no private key to it: name its file with tls.key".into());
        }
        (None, Some(key), _) => {
            return bad(key, "there is no certificate to it: name its file with tls.cert".into());
        }
        (None, None, Some(client_ca)) => {
            let message = "clients show certificates within TLS only: name a certificate of this \
                           agent with tls.cert and its key with tls.key";
            return bad(client_ca, message.into());
        }
        (None, None, None) => return Ok(None),
    };
    let path = |(_, (_, path)): (&String, &(Origin, PathBuf))| path.clone();
    let files = TlsFiles { cert: path(cert), key: path(key), client_ca: client_ca.map(path) };
    match files.check() {
        Ok(()) => Ok(Some(files)),
        Err(error) => {
            let about = match error.field {
                "key" => key,
                "client_ca" => client_ca.unwrap_or(cert),
                _ => cert,
            };
            bad(about, error.message)
        }
    }
}
