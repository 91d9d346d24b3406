use serde::{Serialize, Serializer};

/// Declares the codes: the word and how it looks from outside, said once. `docs/ERRORS.md` and the
/// enumeration in the description of the API are made from this table.
macro_rules! codes {
    ($($name:ident = $word:literal, $status:literal $(rpc $rpc:literal)?, $title:literal, $about:literal;)*) => {
        /// A word that clients may match on, with its status. Part of the API: never renamed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = $about] $name,)*
        }

        impl Code {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word itself.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The HTTP status, for REST and for MCP 2026-07-28.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The JSON-RPC error code. Where JSON-RPC names none, it is the status times ten,
            /// outside the range that JSON-RPC reserves.
            #[must_use]
            pub fn rpc(self) -> i32 {
                match self { $(Self::$name => codes!(@rpc $status $($rpc)?),)* }
            }

            /// The text of `error`. Part of the API as well: clients of older servers compare it.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// When it is given, in a sentence.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { $(Self::$name => $about,)* }
            }
        }
    };
    (@rpc $status:literal) => { $status * 10 };
    (@rpc $status:literal $rpc:literal) => { $rpc };
}

codes! {
    HostRefused = "host_refused", 400, "Host not allowed", "The `Host` is not one of `http.trusted_hosts`.";
    PreflightRefused = "preflight_refused", 400, "Preflight not allowed", "A preflight names no origin, or a method that is not allowed.";
    InvalidHeader = "invalid_header", 400, "Invalid header", "A header cannot be read, or stands there twice with different values.";
    InvalidJson = "invalid_json", 400 rpc -32700, "Invalid JSON", "The body is empty or not JSON.";
    NotAnObject = "not_an_object", 400 rpc -32600, "Invalid JSON", "The body is JSON, but not an object.";
    NameTwice = "name_twice", 400 rpc -32600, "Invalid JSON", "A name stands twice in one object of the body.";
    BodyBroken = "body_broken", 400, "Incomplete request body", "The connection broke off within the body.";
    InvalidQuery = "invalid_query", 400, "Invalid query string", "The query string cannot be read, or names an argument twice.";
    PlainHttp = "plain_http", 400, "HTTP sent to an HTTPS port", "The port speaks TLS, and what came was HTTP without it.";
    BadRequest = "bad_request", 400 rpc -32602, "Bad request", "A route of an older server says in its own words what is missing.";
    Unauthenticated = "unauthenticated", 401, "Missing or invalid Authorization header", "No credential was sent, or not in a form that can be read.";
    InvalidCredential = "invalid_credential", 401, "Invalid authentication token", "The credential is unknown, expired or revoked; which of it is not told.";
    UserMismatch = "user_mismatch", 401, "User ID mismatch", "`X-MCP-UserID` names another user than the credential's own.";
    HttpsRequired = "https_required", 403, "HTTPS required", "The server answers over HTTPS only.";
    ForwardedRefused = "forwarded_refused", 403, "Forwarded request not allowed", "The server runs without keys, and the request came through a proxy.";
    OriginRefused = "origin_refused", 403, "Origin not allowed", "Pages of this origin may not call; see `cors.allowed_origins`.";
    InsufficientScope = "insufficient_scope", 403, "Insufficient scope", "The credential lacks the scope that this needs.";
    AccessDenied = "access_denied", 403, "Access denied", "The memory or user belongs to somebody else.";
    NoRoute = "no_route", 404 rpc -32601, "Not found", "There is nothing at this path.";
    NotFound = "not_found", 404, "Memory not found", "There is no memory with this id.";
    TokenNotFound = "token_not_found", 404, "Token not found", "There is no token of this name or with this beginning.";
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed", "The path does not take this method; `Allow` names those that it takes.";
    BodyTimeout = "body_timeout", 408, "Request timeout", "The body did not arrive in time.";
    Conflict = "conflict", 409, "Version conflict", "The memory is at another version than `if_version`.";
    TokenNotActive = "token_not_active", 409, "Token not active", "The token is revoked or expired, and cannot give its place to another.";
    BodyTooLarge = "body_too_large", 413, "Request body too large", "The body is larger than `limits.body`.";
    LimitExceeded = "limit_exceeded", 413, "Content too large", "One memory is larger than `limits.content` or than a record may be.";
    UnsupportedType = "unsupported_type", 415, "Unsupported media type", "The body is not declared as JSON in UTF-8.";
    UnsupportedEncoding = "unsupported_encoding", 415, "Unsupported encoding", "The body is compressed.";
    ValidationError = "validation_error", 422 rpc -32602, "Validation failed", "Arguments do not fit; `fields` names each with its problem.";
    RateLimited = "rate_limited", 429, "Rate limit exceeded", "Too many requests or failed attempts from this address; `Retry-After` says how long to wait.";
    TooManyStreams = "too_many_streams", 429, "Too many streams", "The credential has as many streams open as it may; close one first.";
    Internal = "internal", 500 rpc -32603, "Internal server error", "The server failed; its log says why.";
    BackupFailed = "backup_failed", 500, "Backup failed", "A backup was made and could not be read back; the message says why.";
    Busy = "busy", 503, "Server busy", "Too much waits for the session, for the disk or to be read; try again after `Retry-After`.";
    Stopping = "stopping", 503, "Server stopping", "The server is shutting down.";
    StorageUnavailable = "storage_unavailable", 503, "Storage unavailable", "The store takes no writes at the moment; reading goes on.";
    TooManyUsers = "too_many_users", 507, "Too many users", "The data directory has as many users as it can hold.";
}

impl Code {
    /// The word for a failed tool call, which knows only six of them.
    #[must_use]
    pub fn of_tool(self) -> &'static str {
        match self.status() {
            401 | 403 => "access_denied",
            404 => "not_found",
            409 => "conflict",
            413 | 429 | 507 => "limit_exceeded",
            500.. => "storage_unavailable",
            _ => "validation_error",
        }
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn no_two_codes_share_a_word() {
        let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.word()).collect();

        assert_eq!(words.len(), Code::ALL.len());
    }

    #[test]
    fn the_document_of_errors_is_made_from_the_table() {
        let mut rows = String::new();
        for code in Code::ALL {
            let (word, status, rpc) = (code.word(), code.status(), code.rpc());
            let tool = code.of_tool();
            writeln!(
                rows,
                "| `{word}` | {status} | {rpc} | `{tool}` | {} | {} |",
                code.title(),
                code.about()
            )
            .unwrap();
        }
        let document = include_str!("../../docs/ERRORS.md");

        assert!(document.contains(&rows), "docs/ERRORS.md must hold these rows:\n{rows}");
    }
}
