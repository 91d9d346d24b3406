//! The ways from the command line to the pages.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Output, Stdio};

use crate::process::{Program, command};

const PASSWORD: &str = "correct horse battery";

/// Types something where one signs in. Returns the status.
fn sign_in(port: u16, typed: &str) -> String {
    let body = format!("credential={}", typed.replace(' ', "+"));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "POST /ui/login HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

fn set_password(program: &Program, password: &str) -> Output {
    let mut set = command(program.dir.path(), &["password", "set"]);
    let mut child = set.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn open_prints_a_link_that_signs_in_once() {
    let program = Program::start();

    let opened = program.run(&["open"]);
    let link = String::from_utf8(opened.stdout).unwrap();

    assert!(opened.status.success());
    let (address, code) = link.trim().split_once("/ui/login#t=").unwrap();
    assert_eq!(address, format!("http://127.0.0.1:{}", program.port));
    assert_eq!(sign_in(program.port, code), "303");
    assert_eq!(sign_in(program.port, code), "401");
}

#[test]
fn open_without_a_server_says_so() {
    let program = Program::start();
    let dir = program.stop();

    let opened = command(dir.path(), &["open"]).output().unwrap();

    assert_eq!(opened.status.code(), Some(1));
    assert!(String::from_utf8(opened.stderr).unwrap().starts_with("error: no server runs"));
}

#[test]
fn the_password_signs_its_owner_in_until_it_is_removed() {
    let program = Program::start();

    assert_eq!(sign_in(program.port, PASSWORD), "401");
    assert_eq!(set_password(&program, "short").status.code(), Some(1));
    assert!(set_password(&program, PASSWORD).status.success());

    assert_eq!(sign_in(program.port, PASSWORD), "303");
    assert_eq!(sign_in(program.port, "another guess"), "401");
    assert_eq!(sign_in(program.port, crate::KEY), "303");
    assert!(program.run(&["password", "remove"]).status.success());
    assert_eq!(sign_in(program.port, PASSWORD), "401");
}

#[test]
fn a_right_key_signs_in_whatever_was_typed_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut serve = command(dir.path(), &["serve"]);
    serve.env("RATE_LIMIT_REQUESTS", "5");
    let program = Program::start_as(serve, dir);
    assert!(set_password(&program, PASSWORD).status.success());

    let guesses = [(); 8].map(|()| sign_in(program.port, "another guess"));

    assert_eq!(guesses[7], "429", "{guesses:?}");
    assert_eq!(sign_in(program.port, crate::KEY), "303");
}
