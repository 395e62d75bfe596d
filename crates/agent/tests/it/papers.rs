//! Certificates for tests: an authority, and what it signs.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use std::path::{Path, PathBuf};

/// An authority that signs certificates into a folder.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
    /// Its own certificate.
    pub ca: PathBuf,
}

/// A certificate and the key to it.
pub struct Papers {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Papers {
    #[allow(dead_code, reason = "not every program of tests names files on a command line")]
    pub fn cert(&self) -> &str {
        self.cert.to_str().unwrap()
    }

    #[allow(dead_code, reason = "not every program of tests names files on a command line")]
    pub fn key(&self) -> &str {
        self.key.to_str().unwrap()
    }
}

impl Authority {
    /// A new one, whose certificate is `NAME.ca.pem` in the folder.
    pub fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let ca = folder.join(format!("{name}.ca.pem"));
        std::fs::write(&ca, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key), folder: folder.to_owned(), ca }
    }

    /// A certificate for these names and addresses, in `NAME.pem` and `NAME.key`.
    pub fn sign(&self, name: &str, names: &[&str]) -> Papers {
        self.sign_until(name, names, 2999)
    }

    /// The same, valid to the beginning of a year.
    pub fn sign_until(&self, name: &str, names: &[&str], year: i32) -> Papers {
        let names: Vec<String> = names.iter().map(|&name| name.into()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let papers = Papers {
            cert: self.folder.join(format!("{name}.pem")),
            key: self.folder.join(format!("{name}.key")),
        };
        std::fs::write(&papers.cert, cert.pem()).unwrap();
        std::fs::write(&papers.key, key.serialize_pem()).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let private = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&papers.key, private).unwrap();
        }
        papers
    }
}
