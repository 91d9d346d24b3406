use std::time::Duration;

use serde_json::json;

use super::Metrics;
use super::Others;
use crate::model::Timestamp;

fn busy() -> Metrics {
    let metrics = Metrics::default();
    for (status, ms) in [(200, 1), (200, 2), (404, 4), (500, 900)] {
        let took = Duration::from_millis(ms);
        metrics.record_request(Some("/x/{id}"), Some("ada"), status, took);
    }
    metrics.record_request(None, None, 401, Duration::from_micros(50));
    metrics.record_tool("add_memory");
    metrics.record_failed_authentication();
    metrics
}

#[test]
fn stats_tell_what_happened() {
    let stats = busy().stats_json();

    assert_eq!(stats["total_requests"], 5);
    assert_eq!(stats["failed_authentications"], 1);
    assert_eq!(stats["responses_by_status"]["4xx"], 2);
    assert_eq!(stats["requests_by_route"], json!({ "/x/{id}": 4, "none": 1 }));
    assert_eq!(stats["requests_by_tool"]["add_memory"], 1);
    assert_eq!(stats["requests_by_credential"]["ada"], 4);
    let p50 = stats["response_time_ms"]["p50"].as_f64().unwrap();
    assert!((1.5..2.5).contains(&p50), "{p50}");
    assert!(stats["response_time_ms"]["p99"].as_f64().unwrap() > 800.0);
}

#[test]
fn prometheus_gets_the_same() {
    let others = Others {
        tokens_given: &[("cur\"sor".to_owned(), 7)].into(),
        is_writable: true,
        journal_bytes: 4_096,
        tree_bytes: 8_192,
        disk: Some((1_000, 250)),
        backup_age: None,
        certificate_ends: Some(Timestamp(1_800_000_000_000)),
        chain_ends: Some(Timestamp(1_790_000_000_000)),
    };
    let text = busy().prometheus(&others);

    for line in [
        "memoryd_requests_total{route=\"/x/{id}\"} 4",
        "memoryd_responses_total{status=\"4xx\"} 2",
        "memoryd_failed_authentications_total 1",
        "memoryd_tokens_given_total{client=\"cur\\\"sor\"} 7",
        "memoryd_certificate_not_after_seconds 1800000000",
        "memoryd_certificate_chain_not_after_seconds 1790000000",
        "memoryd_journal_bytes 4096",
        "memoryd_tree_bytes 8192",
        "memoryd_disk_bytes 1000",
        "memoryd_disk_free_bytes 250",
        concat!("memoryd_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        "memoryd_response_seconds_count 5",
        "memoryd_response_seconds_bucket{le=\"+Inf\"} 5",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}
