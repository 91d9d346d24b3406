use awc::http::Uri;
use serde::{Deserialize, Serialize};

use crate::embedding::line::Answered;
use crate::embedding::{EmbedError, EmbedderError};
use crate::model::few;

/// Where the service is and which language it speaks.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) uri: Uri,
    /// With the port, if one was named. It is what messages show: the path may hold a secret.
    pub(super) host: String,
    pub(super) is_https: bool,
    dialect: Dialect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    OpenAi,
    Ollama,
}

/// A question in both dialects; Ollama's has no format.
#[derive(Debug, Serialize)]
struct Question<'a> {
    model: &'a str,
    input: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding_format: Option<&'static str>,
}

#[derive(Debug, Deserialize)]
struct OpenAiAnswer {
    data: Vec<OpenAiVector>,
}

#[derive(Debug, Deserialize)]
struct OpenAiVector {
    embedding: Vec<f32>,
    index: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct OllamaAnswer {
    embeddings: Vec<Vec<f32>>,
}

impl Endpoint {
    /// Reads a URL and tells the dialect by its path: what ends in `/api/embed` is Ollama's, all
    /// else OpenAI's. OpenAI's gets the end of its path if it is missing.
    pub(super) fn parse(url: &str) -> Result<Self, EmbedderError> {
        let refuse = |problem| EmbedderError::Url { problem };
        let uri: Uri = url.trim().parse().map_err(|_| refuse("is not a URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(refuse("has no scheme or no host"));
        };
        let is_https = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(refuse("is neither http nor https")),
        };
        if authority.as_str().contains('@') {
            return Err(refuse("holds a user name or password; use embedding.key"));
        }
        if authority.host().is_empty() {
            return Err(refuse("has no host"));
        }
        let path = uri.path().trim_end_matches('/');
        let dialect = if path.ends_with("/api/embed") { Dialect::Ollama } else { Dialect::OpenAi };
        let missing = match (dialect, path) {
            (Dialect::Ollama, _) => "",
            (Dialect::OpenAi, "") => "/v1/embeddings",
            (Dialect::OpenAi, path) if path.ends_with("/embeddings") => "",
            (Dialect::OpenAi, _) => "/embeddings",
        };
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let whole = format!("{scheme}://{authority}{path}{missing}{query}");
        let uri = whole.parse().map_err(|_| refuse("is not a URL"))?;
        let host = authority.as_str().to_ascii_lowercase();
        Ok(Self { uri, host, is_https, dialect })
    }

    pub(super) fn is_loopback(&self) -> bool {
        let host = self.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let is_address = host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
        is_address || host.eq_ignore_ascii_case("localhost")
    }

    /// The body of a request.
    pub(super) fn question(&self, model: &str, texts: &[String]) -> String {
        let encoding_format = (self.dialect == Dialect::OpenAi).then_some("float");
        let question = Question { model, input: texts, encoding_format };
        // Strings alone cannot fail to become JSON.
        serde_json::to_string(&question).unwrap_or_default()
    }

    /// The vectors in an answer, in the order of the texts.
    pub(super) fn answer(&self, body: &[u8]) -> Answered {
        match self.dialect {
            Dialect::OpenAi => {
                let answer: OpenAiAnswer = serde_json::from_slice(body).map_err(not_an_answer)?;
                in_order(answer.data)
            }
            Dialect::Ollama => {
                let answer: OllamaAnswer = serde_json::from_slice(body).map_err(not_an_answer)?;
                Ok(answer.embeddings)
            }
        }
    }
}

/// Where it went wrong, not serde's words: those could repeat what a service sent.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn not_an_answer(error: serde_json::Error) -> EmbedError {
    let (line, column) = (error.line(), error.column());
    let problem = format!("not the expected JSON at line {line}, column {column}");
    EmbedError::Malformed { problem }
}

/// Vectors may come in any order if each says its place; those without places are in order.
fn in_order(mut data: Vec<OpenAiVector>) -> Answered {
    if data.iter().any(|vector| vector.index.is_some()) {
        few::sort_by_key(&mut data, |vector| vector.index);
        let is_whole = (0..).zip(&data).all(|(place, vector)| vector.index == Some(place));
        if !is_whole {
            let problem = "its indexes are not those of the texts".to_owned();
            return Err(EmbedError::Malformed { problem });
        }
    }
    Ok(data.into_iter().map(|vector| vector.embedding).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(url: &str) -> String {
        Endpoint::parse(url).unwrap().uri.to_string()
    }

    #[test]
    fn the_path_tells_the_dialect_and_is_completed() {
        assert_eq!(uri("https://api.openai.com/v1"), "https://api.openai.com/v1/embeddings");
        assert_eq!(uri("http://h:1/v1/embeddings/"), "http://h:1/v1/embeddings");
        assert_eq!(uri("http://h:1"), "http://h:1/v1/embeddings");
        assert_eq!(uri("http://h/x/embeddings?v=1"), "http://h/x/embeddings?v=1");
        assert_eq!(uri("http://h:11434/api/embed"), "http://h:11434/api/embed");
        let ollama = Endpoint::parse("http://[::1]:11434/api/embed/").unwrap();
        assert_eq!(ollama.dialect, Dialect::Ollama);
        assert!(ollama.is_loopback());
        assert_eq!(ollama.question("m", &["a".to_owned()]), r#"{"model":"m","input":["a"]}"#);
    }

    #[test]
    fn a_url_that_is_none_is_refused() {
        for url in ["", "localhost", "/v1", "ftp://h/v1", "http://u:p@h/v1", "http://", "a b"] {
            assert!(Endpoint::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn vectors_come_in_the_order_of_their_indexes() {
        let endpoint = Endpoint::parse("http://h").unwrap();
        let answer = |indexes: [&str; 2]| {
            let [a, b] = indexes;
            let body = format!(
                r#"{{"data":[{{"embedding":[1]{a},"object":"x"}},{{"embedding":[2]{b}}}]}}"#
            );
            endpoint.answer(body.as_bytes())
        };

        assert_eq!(answer([r#","index":1"#, r#","index":0"#]), Ok(vec![vec![2.0], vec![1.0]]));
        assert_eq!(answer(["", ""]), Ok(vec![vec![1.0], vec![2.0]]));
        answer([r#","index":0"#, r#","index":0"#]).unwrap_err();
        answer([r#","index":0"#, ""]).unwrap_err();
        answer([r#","index":1"#, r#","index":2"#]).unwrap_err();
        endpoint.answer(br#"{"data":[{"embedding":[null]}]}"#).unwrap_err();
        endpoint.answer(br#"{"data":[{"embedding":[NaN]}]}"#).unwrap_err();
    }
}
