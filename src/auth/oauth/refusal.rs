/// Why a client gets nothing, in the words of RFC 6749, 7591 and 8707. What is told beside the word holds
/// nothing of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OauthError {
    #[error("{0}")]
    InvalidRequest(&'static str),

    #[error("the client is unknown, or its secret is wrong; register again")]
    InvalidClient,

    #[error(
        "the code or token is unknown, used, expired or revoked, or was given for something else"
    )]
    InvalidGrant,

    #[error("the grant types are authorization_code and refresh_token")]
    UnsupportedGrantType,

    #[error("the response type is code")]
    UnsupportedResponseType,

    #[error("the resource is not that of this server")]
    InvalidTarget,

    #[error("the user did not allow it")]
    AccessDenied,

    #[error(
        "no redirect URI can be used; expected https, http on localhost, 127.0.0.1 or [::1], or a scheme of \
         a known application"
    )]
    InvalidRedirectUri,

    #[error("{0}")]
    InvalidClientMetadata(&'static str),

    #[error("the server failed; its log says why")]
    ServerError,

    #[error("the server is busy or cannot write; try again")]
    TemporarilyUnavailable,
}

impl OauthError {
    /// The word that clients match on.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidTarget => "invalid_target",
            Self::AccessDenied => "access_denied",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata(_) => "invalid_client_metadata",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }
}
