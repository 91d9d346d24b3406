use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::harness::TestServer;

#[actix_web::test]
async fn everything_is_there_after_a_restart() {
    let server = TestServer::start();
    let id = server.add("first").await;
    server.ok("update_memory", json!({ "id": id, "content": "second" })).await;
    let long = "long ".repeat(10_000);
    let long_id = server.add(&long).await;

    let server = server.restart().await;

    let got = server.ok("get_memory", json!({ "id": id, "history": true })).await;
    assert_eq!(got["memory"]["content"], "second");
    assert_eq!(got["history"][0]["content"], "first");
    let got = server.ok("get_memory", json!({ "id": long_id })).await;
    assert_eq!(got["memory"]["content"], long);
}

#[actix_web::test]
async fn whoever_writes_right_after_a_start_loses_nothing() {
    let mut server = TestServer::start();

    for n in 1..=5 {
        server.add(&format!("memory {n}")).await;
        server = server.restart().await;

        assert_eq!(server.ok("list_memories", json!({})).await["total"], n);
    }
}

#[actix_web::test]
async fn lost_trees_are_made_again_from_the_journal() {
    let server = TestServer::start();
    for n in 0..50 {
        server.add(&format!("memory {n}")).await;
    }
    let (dir, data) = (server.dir.clone(), server.dir.path().join("data"));

    let server = server
        .restart_after(|| {
            for tree in trees(&data) {
                fs::remove_dir_all(tree).unwrap();
            }
        })
        .await;

    assert_eq!(server.ok("list_memories", json!({})).await["total"], 50);
    drop(dir);
}

#[actix_web::test]
async fn a_flipped_byte_in_the_trees_loses_nothing() {
    let server = TestServer::start();
    for n in 0..50 {
        server.add(&format!("memory {n}")).await;
    }
    let data = server.dir.path().join("data");

    let server = server
        .restart_after(|| {
            for tree in trees(&data) {
                let path = tree.join("db");
                let mut bytes = fs::read(&path).unwrap();
                let middle = bytes.len() / 3;
                bytes[middle] ^= 0xff;
                fs::write(&path, bytes).unwrap();
            }
        })
        .await;

    assert_eq!(server.ok("list_memories", json!({})).await["total"], 50);
}

#[actix_web::test]
async fn nothing_in_the_data_directory_is_open_to_others() {
    let server = TestServer::start();
    server.add("private").await;

    let mut folders = vec![server.dir.path().join("data")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            seen += 1;
            if path.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
            }
        }
    }
    assert!(seen > 3);
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn trees(data: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
    let trees: Vec<_> = entries
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("sled-"))
        .collect();
    assert!(!trees.is_empty());
    trees
}
