use rmcp::model::ProtocolVersion;

/// A revision of the protocol that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
    /// The first without a handshake: every request says what it needs to say.
    V2026_07_28,
}

impl Version {
    pub const ALL: [Self; 5] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];

    /// What a request speaks that says nothing, as the revisions since 2025-06-18 lay down.
    pub const UNSAID: Self = Self::V2025_03_26;

    /// The newest revision that begins with a handshake.
    pub const NEWEST_LEGACY: Self = Self::V2025_11_25;

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Whether it knows no handshake.
    #[must_use]
    pub fn is_modern(self) -> bool {
        self >= Self::V2026_07_28
    }

    /// Whether a body may hold several messages. One revision brought that, the next took it away.
    #[must_use]
    pub fn has_batches(self) -> bool {
        self == Self::V2025_03_26
    }

    /// The revision that a handshake settles on.
    #[must_use]
    pub fn settle(asked: Option<&str>) -> Self {
        let served = asked.and_then(Self::parse).filter(|version| !version.is_modern());
        served.unwrap_or(Self::NEWEST_LEGACY)
    }

    /// The revision that the parameters of an `initialize` settle on.
    #[must_use]
    pub fn settle_handshake(params: &serde_json::Map<String, serde_json::Value>) -> Self {
        Self::settle(params.get("protocolVersion").and_then(serde_json::Value::as_str))
    }

    pub(super) fn to_rmcp(self) -> ProtocolVersion {
        match self {
            Self::V2024_11_05 => ProtocolVersion::V_2024_11_05,
            Self::V2025_03_26 => ProtocolVersion::V_2025_03_26,
            Self::V2025_06_18 => ProtocolVersion::V_2025_06_18,
            Self::V2025_11_25 => ProtocolVersion::V_2025_11_25,
            Self::V2026_07_28 => ProtocolVersion::V_2026_07_28,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_never_settles_on_a_revision_without_one() {
        assert_eq!(Version::settle(Some("2025-06-18")), Version::V2025_06_18);
        assert_eq!(Version::settle(Some("2026-07-28")), Version::V2025_11_25);
        assert_eq!(Version::settle(Some("1999-01-01")), Version::V2025_11_25);
        assert_eq!(Version::settle(None), Version::V2025_11_25);
    }
}
