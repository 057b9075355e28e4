//! TLS to the server: what `sslmode` asks for, by rustls.
//!
//! The modes are libpq's. `prefer` and `require` keep what is said from who only listens; who the
//! server is they do not check, which takes `verify-ca` or `verify-full`. Deliberately absent: client
//! certificates, and channel binding.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::config::SslNegotiation;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as RustlsStream;

use super::config::ConnectError;

/// What a URL says of TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TlsSettings {
    pub(super) mode: TlsMode,
    /// PEM file of the certificates that are trusted; `None`: those that the machine trusts.
    pub(super) root_certificates: Option<PathBuf>,
}

/// `sslmode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum TlsMode {
    Disable,
    /// TLS where the server has it, otherwise none.
    #[default]
    Prefer,
    /// TLS, whoever the server is; with root certificates the same as `VerifyCa`.
    Require,
    /// TLS with a server that a trusted authority vouches for, whatever its name.
    VerifyCa,
    /// The same, and the certificate is for the host that was asked for.
    VerifyFull,
}

impl TlsMode {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "disable" => Some(Self::Disable),
            "prefer" => Some(Self::Prefer),
            "require" => Some(Self::Require),
            "verify-ca" => Some(Self::VerifyCa),
            "verify-full" => Some(Self::VerifyFull),
            _ => None,
        }
    }
}

/// Makes the TLS sessions of all connections.
#[derive(Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// `None` where none is wanted.
    ///
    /// # Errors
    /// When the certificates to trust cannot be had.
    pub(super) fn new(settings: &TlsSettings, negotiation: SslNegotiation) -> Result<Option<Self>, ConnectError> {
        if settings.mode == TlsMode::Disable {
            return Ok(None);
        }
        let is_checked = match settings.mode {
            TlsMode::VerifyCa | TlsMode::VerifyFull => true,
            TlsMode::Require => settings.root_certificates.is_some(),
            TlsMode::Disable | TlsMode::Prefer => false,
        };
        let trust = if is_checked { Some(Trust::new(settings)?) } else { None };
        let provider = aws_lc_rs::default_provider();
        let verifier = Verifier { algorithms: provider.signature_verification_algorithms, trust };
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .map_err(ConnectError::TlsSetup)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        if negotiation == SslNegotiation::Direct {
            config.alpn_protocols = vec![b"postgresql".to_vec()];
        }
        Ok(Some(Self(Arc::new(config))))
    }
}

/// Whom to believe.
#[derive(Debug)]
struct Trust {
    authorities: RootCertStore,
    /// Those of the file, which need nobody to vouch for them: a server's own certificate may be there.
    pinned: Vec<CertificateDer<'static>>,
    checks_name: bool,
}

impl Trust {
    fn new(settings: &TlsSettings) -> Result<Self, ConnectError> {
        let (certificates, pinned) = match &settings.root_certificates {
            Some(path) => {
                let read =
                    read(path).map_err(|source| ConnectError::RootCertificates { path: path.clone(), source })?;
                (read.clone(), read)
            }
            None => (rustls_native_certs::load_native_certs().certs, Vec::new()),
        };
        let mut authorities = RootCertStore::empty();
        // One that cannot be read, of the many of a machine, is no reason to trust none.
        let (usable, _) = authorities.add_parsable_certificates(certificates);
        if usable == 0 {
            return Err(ConnectError::NoRootCertificates);
        }
        Ok(Self { authorities, pinned, checks_name: settings.mode == TlsMode::VerifyFull })
    }
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?)
}

/// Checks the server's certificate as far as the mode asks; that the server holds its key, always.
#[derive(Debug)]
struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    /// `None`: anybody.
    trust: Option<Trust>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(trust) = &self.trust else { return Ok(ServerCertVerified::assertion()) };
        let parsed = ParsedCertificate::try_from(certificate)?;
        if !trust.pinned.iter().any(|pinned| pinned == certificate) {
            let (authorities, algorithms) = (&trust.authorities, self.algorithms.all);
            verify_server_cert_signed_by_trust_anchor(&parsed, authorities, intermediates, now, algorithms)?;
        }
        if trust.checks_name {
            verify_server_name(&parsed, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Encrypted;
    type TlsConnect = Handshake;
    type Error = InvalidDnsNameError;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, InvalidDnsNameError> {
        Ok(Handshake { config: Arc::clone(&self.0), name: ServerName::try_from(host.to_owned())? })
    }
}

/// A session that is to be opened.
pub(super) struct Handshake {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Encrypted>>;

    fn connect(self, socket: Socket) -> Self::Future {
        TlsConnector::from(self.config).connect(self.name, socket).map_ok(Encrypted).boxed()
    }
}

/// An open session.
pub(super) struct Encrypted(RustlsStream<Socket>);

impl TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
