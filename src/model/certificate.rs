use std::fmt;

use serde::Serialize;

use super::Timestamp;

/// What is told of the certificate that a server shows. Prints as a line for the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateState {
    pub path: String,
    pub state: CertificateStanding,
    /// Nothing where the certificate cannot be understood.
    pub not_before: Option<Timestamp>,
    pub not_after: Option<Timestamp>,
    /// When the first of the certificate and of those behind it that a client needs ends.
    pub chain_not_after: Option<Timestamp>,
    /// Until the end of the certificate itself; 0 on the last day and afterwards.
    pub days_left: Option<u64>,
    /// What its owner should see to, in whole lines.
    pub problems: Vec<String>,
}

/// Whether clients take a certificate, as far as time is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateStanding {
    Valid,
    /// It ends within two weeks.
    Expiring,
    Expired,
    NotYetValid,
    Unknown,
}

impl CertificateStanding {
    fn words(self) -> &'static str {
        match self {
            Self::Valid => "is valid",
            Self::Expiring => "is valid, but not for long",
            Self::Expired => "has expired",
            Self::NotYetValid => "is not valid yet",
            Self::Unknown => "tells no time that can be read",
        }
    }
}

impl fmt::Display for CertificateState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the certificate {} {}", self.path, self.state.words())?;
        if let (Some(from), Some(to)) = (self.not_before, self.not_after) {
            write!(f, ": from {from} to {to}")?;
        }
        if let Some(days) = self.days_left {
            write!(f, ", {days} days left")?;
        }
        match self.chain_not_after.filter(|chain| Some(*chain) != self.not_after) {
            Some(chain) => write!(f, "; its chain ends at {chain}"),
            None => Ok(()),
        }
    }
}
