use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::Ordering;

use super::memory::resident_memory;
use super::{Metrics, Others};

/// Writes the counts as Prometheus reads them (text format 0.0.4).
pub(super) fn write(metrics: &Metrics, others: &Others<'_>) -> String {
    let mut text = String::with_capacity(8 * 1024);
    let load = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    counts(&mut text, "requests_total", "route", "Requests by route.", &metrics.routes.counts());
    counts(&mut text, "tool_calls_total", "tool", "Calls by tool.", &metrics.tools.counts());
    let credentials = metrics.credentials.counts();
    let help = "Requests by credential.";
    counts(&mut text, "credential_requests_total", "credential", help, &credentials);
    let help = "Tokens of memories given to clients, by estimate.";
    counts(&mut text, "tokens_given_total", "client", help, others.tokens_given);
    let help = "Responses by status class.";
    counts(&mut text, "responses_total", "status", help, &metrics.by_status());
    for (name, help, count) in [
        (
            "failed_authentications_total",
            "Requests answered with 401.",
            &metrics.failed_authentications,
        ),
        (
            "rate_limit_violations_total",
            "Requests answered with 429.",
            &metrics.rate_limit_violations,
        ),
        ("cors_violations_total", "Requests of refused origins.", &metrics.cors_violations),
    ] {
        one(&mut text, name, "counter", help, load(count));
    }
    one(&mut text, "uptime_seconds", "gauge", "Since the start.", metrics.uptime().as_secs());
    head(&mut text, "build_info", "gauge", "Which version runs.");
    let _ = writeln!(text, "memoryd_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    storage(&mut text, others);
    let (own, first) = (
        "When the certificate ends, in seconds since 1970.",
        "When the first of the certificate and of its signers that a client needs ends.",
    );
    for (name, help, ends) in [
        ("certificate_not_after_seconds", own, others.certificate_ends),
        ("certificate_chain_not_after_seconds", first, others.chain_ends),
    ] {
        if let Some(ends) = ends {
            let seconds = u64::try_from(ends.0 / 1_000).unwrap_or_default();
            one(&mut text, name, "gauge", help, seconds);
        }
    }
    if let Some(bytes) = resident_memory() {
        one(&mut text, "resident_memory_bytes", "gauge", "Memory of the process.", bytes);
    }
    response_times(&mut text, metrics);
    text
}

fn storage(text: &mut String, others: &Others<'_>) {
    let help = "Whether the store takes writes.";
    one(text, "storage_writable", "gauge", help, others.is_writable.into());
    one(text, "journal_bytes", "gauge", "Bytes of the journal.", others.journal_bytes);
    one(text, "tree_bytes", "gauge", "Bytes of what is made of it.", others.tree_bytes);
    if let Some((size, free)) = others.disk {
        one(text, "disk_bytes", "gauge", "Size of the disk of the data.", size);
        one(text, "disk_free_bytes", "gauge", "What is free of it.", free);
    }
    if let Some(age) = others.backup_age {
        one(text, "backup_age_seconds", "gauge", "Since the newest backup.", age.as_secs());
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP memoryd_{name} {help}\n# TYPE memoryd_{name} {kind}");
}

fn one(text: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    head(text, name, kind, help);
    let _ = writeln!(text, "memoryd_{name} {value}");
}

fn counts(text: &mut String, name: &str, label: &str, help: &str, counts: &BTreeMap<String, u64>) {
    head(text, name, "counter", help);
    for (value, count) in counts {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = writeln!(text, "memoryd_{name}{{{label}=\"{value}\"}} {count}");
    }
}

fn response_times(text: &mut String, metrics: &Metrics) {
    const NAME: &str = "response_seconds";
    let times = &metrics.response_times;
    head(text, NAME, "histogram", "Time from the head of a request to its answer.");
    let mut count = 0;
    for (end, seen) in times.cumulated() {
        count = seen;
        let _ = writeln!(text, "memoryd_{NAME}_bucket{{le=\"{}\"}} {seen}", end.as_secs_f64());
    }
    let _ = writeln!(text, "memoryd_{NAME}_bucket{{le=\"+Inf\"}} {count}");
    let _ = writeln!(text, "memoryd_{NAME}_sum {}", times.total().as_secs_f64());
    let _ = writeln!(text, "memoryd_{NAME}_count {count}");
}
