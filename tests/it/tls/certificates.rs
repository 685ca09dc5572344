//! Authorities and what they sign, made for each test.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, SupportedProtocolVersion};
use std::sync::Arc;
use std::time::Duration;

/// An authority that signs certificates.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, and the certificates between it and the authority.
pub(super) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

/// A certificate's host and time, which is in seconds after 1970, when a rig's clock begins.
pub(super) struct Wanted<'a> {
    pub(super) hosts: &'a [&'a str],
    pub(super) from_s: u64,
    pub(super) until_s: u64,
}

/// A century.
pub(super) const LONG_S: u64 = 100 * 365 * 86_400;

impl Wanted<'_> {
    fn params(&self) -> CertificateParams {
        let hosts: Vec<_> = self.hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).expect("they are names");
        params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(self.from_s);
        params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(self.until_s);
        params
    }
}

/// For these hosts, at any time.
pub(super) fn of<'a>(hosts: &'a [&'a str]) -> Wanted<'a> {
    Wanted { hosts, from_s: 0, until_s: LONG_S }
}

impl Authority {
    pub(super) fn new() -> Self {
        Self::named("Authority")
    }

    pub(super) fn named(name: &str) -> Self {
        let mut params = of(&[]).params();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// What a client trusts.
    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(super) fn sign(&self, wanted: &Wanted<'_>) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = wanted.params().signed_by(&key, &self.0).unwrap();
        Identity { chain: vec![certificate.der().clone()], key: key.serialize_der() }
    }
}

/// A self-signed certificate and its PEM.
pub(super) fn self_signed(wanted: &Wanted<'_>, is_ca: IsCa) -> (Identity, String) {
    let (key, mut params) = (KeyPair::generate().unwrap(), wanted.params());
    params.is_ca = is_ca;
    let certificate = params.self_signed(&key).unwrap();
    let pem = certificate.pem();
    (Identity { chain: vec![certificate.der().clone()], key: key.serialize_der() }, pem)
}

impl Identity {
    /// A server's configuration, in every version of TLS.
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        self.server_of(rustls::ALL_VERSIONS)
    }

    pub(super) fn server_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        Arc::new(config.with_single_cert(self.chain.clone(), key).unwrap())
    }
}
