//! Killed in a storm of writes, again and again: nothing that was acknowledged may be missing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::Program;

const ROUNDS: usize = 50;
const WRITERS: usize = 8;

/// Id to text, of every write whose answer arrived.
type Acknowledged = Mutex<BTreeMap<String, String>>;

#[test]
fn killed_fifty_times_it_loses_nothing_acknowledged() {
    let acknowledged = Acknowledged::default();
    let mut dir = tempfile::tempdir().unwrap();

    for round in 0..ROUNDS {
        let program = Program::start_in(dir);
        dir = storm(program, round, &acknowledged);
    }

    let program = Program::start_in(dir);
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() > ROUNDS * WRITERS, "only {} writes", acknowledged.len());
    let stored = everything(&program);
    let lost: Vec<_> =
        acknowledged.iter().filter(|(id, text)| stored.get(id.as_str()) != Some(*text)).collect();
    assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), acknowledged.len());
}

#[test]
fn a_stop_in_good_order_is_noted_and_a_kill_is_not() {
    let is_noted = |dir: &tempfile::TempDir| dir.path().join("data/.stopped").exists();
    let program = Program::start();
    program.tool("add_memory", json!({ "content": "before the stop" })).unwrap();

    let dir = program.stop();
    assert!(is_noted(&dir));
    let program = Program::start_in(dir);
    assert!(!is_noted(&program.dir));
    program.tool("add_memory", json!({ "content": "after it" })).unwrap();
    let dir = program.kill();

    assert!(!is_noted(&dir));
    assert_eq!(everything(&Program::start_in(dir)).len(), 2);
}

/// Writes from all sides, and kills the program when enough was acknowledged.
fn storm(program: Program, round: usize, acknowledged: &Acknowledged) -> tempfile::TempDir {
    // Not a round number, so that the kill meets every phase of a commit.
    let enough = 20 + round * 7 % 83;
    let (count, reached) = (AtomicUsize::new(0), Condvar::new());
    let gate = Mutex::new(());
    std::thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        for writer in 0..WRITERS {
            let (program, count, reached, sender) = (&program, &count, &reached, sender.clone());
            scope.spawn(move || {
                let _alive = sender;
                for n in 0.. {
                    let text =
                        format!("storm {round} {writer} {n} {}", "lorem ipsum ".repeat(n % 40));
                    let Some(id) = add(program, &text) else { return };
                    acknowledged.lock().unwrap().insert(id, text);
                    count.fetch_add(1, Ordering::SeqCst);
                    reached.notify_all();
                }
            });
        }
        drop(sender);
        let mut held = gate.lock().unwrap();
        while count.load(Ordering::SeqCst) < enough {
            held = reached.wait_timeout(held, Duration::from_millis(20)).unwrap().0;
        }
        program.interrupt();
        // The writers end when their connections break.
        assert!(receiver.recv_timeout(Duration::from_secs(60)).is_err());
    });
    program.kill()
}

fn add(program: &Program, text: &str) -> Option<String> {
    let answer = program.tool("add_memory", json!({ "content": text }))?;
    let id = answer.pointer("/result/structuredContent/id")?;
    Some(id.as_str()?.to_owned())
}

fn everything(program: &Program) -> BTreeMap<String, String> {
    let output = program.run(&["export"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |line: &Value, field: &str| line[field].as_str().unwrap().to_owned();
    lines.map(|line| (text(&line, "id"), text(&line, "content"))).collect()
}
