//! Certificates and keys: reading them, showing them, changing them while the server runs, making
//! them, and trusting our own.
//!
//! The crypto provider is always ring and always named; the process default is neither read nor set.
//!
//! It refuses a pair that does not fit or cannot be read, with the file's name and what is wrong.
//!
//! Begin reading at `identity.rs`.

use std::io;
use std::path::PathBuf;

mod client;
mod concern;
#[cfg(test)]
mod handshake;
mod identity;
mod issue;
mod make;
mod pem;
mod reload;
mod trust;
mod x509;

pub use client::{
    TlsClient, client_config, client_config_beside_system, pinned_client_config,
    system_authorities, unchecked_client_config,
};
pub use concern::Concern;
pub use identity::ServerIdentity;
pub use make::{
    AuthorityFate, Certificates, WantedNames, make_certificates, make_certificates_anew,
};
pub use reload::Reloader;
pub use trust::trust_instructions;

/// Why a certificate or key cannot be used or made. Every message names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {path}: {cause}")]
    Unreadable { path: PathBuf, cause: io::Error },

    #[error("{path} is not a regular file; expected a PEM file")]
    NotAFile { path: PathBuf },

    #[error("{path} is {bytes} bytes; the limit for a PEM file is {limit}")]
    TooLarge { path: PathBuf, bytes: u64, limit: u64 },

    #[error("{path} is damaged: one of its PEM sections has no end or is not base64")]
    Damaged { path: PathBuf },

    #[error("{path} holds no certificate; expected a PEM file with -----BEGIN CERTIFICATE-----")]
    NoCertificate { path: PathBuf },

    #[error(
        "{path} holds a private key where the certificate was expected; \
         are the certificate and key paths swapped?"
    )]
    KeyInsteadOfCertificate { path: PathBuf },

    #[error("{path} holds no private key; expected a PEM file in PKCS#8, PKCS#1 or SEC1 form")]
    NoKey { path: PathBuf },

    #[error(
        "the private key in {path} is protected by a passphrase; \
         write it without one, for example with: openssl pkey -in {path} -out key.pem"
    )]
    EncryptedKey { path: PathBuf },

    #[error(
        "the private key in {path} cannot be used ({cause}); \
         RSA of 2048 to 8192 bits, ECDSA on P-256 or P-384, and Ed25519 can"
    )]
    UnusableKey { path: PathBuf, cause: rustls::Error },

    #[error("the certificate in {path} cannot be used ({cause}); expected X.509 version 3")]
    UnusableCertificate { path: PathBuf, cause: rustls::Error },

    #[error(
        "the private key in {key} does not belong to the first certificate in {cert}; \
         the server's own certificate must come before those that signed it"
    )]
    Mismatch { cert: PathBuf, key: PathBuf },

    #[error("cannot set up TLS: {0}")]
    Setup(#[from] rustls::Error),

    #[error("cannot make a certificate: {0}")]
    Making(#[from] rcgen::Error),

    #[error("cannot make a certificate: the clock says {0}, which cannot be right")]
    Clock(crate::model::Timestamp),

    #[error("cannot write {path}: {cause}")]
    Unwritable { path: PathBuf, cause: io::Error },

    #[error(
        "{name:?} is no name for a certificate; \
         give a host name or an address, without https:// and without a port"
    )]
    NotAName { name: String },

    #[error(
        "the authority in {path} cannot sign: {because}; \
         --new-ca makes another one, which every client must be told to trust"
    )]
    UnfitAuthority { path: PathBuf, because: &'static str },

    #[error(
        "the authority in {path} may not sign for {name}; \
         --new-ca makes one that may, which every client must be told to trust"
    )]
    NotPermitted { path: PathBuf, name: String },

    #[error(
        "{path} was not made by memoryd and will not be replaced; move it, or use another folder"
    )]
    Foreign { path: PathBuf },
}
