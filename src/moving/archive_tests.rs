//! Archives as products make them, and as somebody makes them who means harm.

use std::fs;
use std::io::{Cursor, Write};

use flate2::write::{DeflateEncoder, GzEncoder};
use flate2::{Compression, Crc};

use super::archive::{MOST_HELD, OpenArchive, Room};
use super::tests::{Moved, sample, try_moved, usual};
use super::{Bundle, MovingError, Recognised, format_named};

/// A file of an archive that is being made (APPNOTE.TXT, 4.3).
struct Packed<'a> {
    name: &'a str,
    bytes: Vec<u8>,
    flags: u16,
    /// The bits that Unix keeps of a file, such as that it is a link.
    mode: u32,
}

const PLAIN: u32 = 0o100_644;
const LINK: u32 = 0o120_777;
const ENCRYPTED: u16 = 1;

fn file(name: &str, bytes: Vec<u8>) -> Packed<'_> {
    Packed { name, bytes, flags: 0, mode: PLAIN }
}

fn zip(files: &[Packed<'_>]) -> Vec<u8> {
    let (mut archive, mut directory): (Vec<u8>, Vec<u8>) = (Vec::new(), Vec::new());
    for Packed { name, bytes, flags, mode } in files {
        let mut crc = Crc::new();
        crc.update(bytes);
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        let packed = encoder.finish().unwrap();
        let mut head: Vec<u8> = Vec::new();
        head.extend(20_u16.to_le_bytes());
        head.extend(flags.to_le_bytes());
        head.extend(8_u16.to_le_bytes());
        head.extend([0, 0, 0x21, 0x5a]);
        head.extend(crc.sum().to_le_bytes());
        head.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
        head.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
        head.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        head.extend(0_u16.to_le_bytes());
        let place = u32::try_from(archive.len()).unwrap();
        archive.extend(b"PK\x03\x04");
        archive.extend(&head);
        archive.extend(name.as_bytes());
        archive.extend(packed);
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&head);
        directory.extend([0; 6]);
        directory.extend((mode << 16).to_le_bytes());
        directory.extend(place.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let place = u32::try_from(archive.len()).unwrap();
    let count = u16::try_from(files.len()).unwrap();
    archive.extend(&directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend(count.to_le_bytes());
    archive.extend(count.to_le_bytes());
    archive.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    archive.extend(place.to_le_bytes());
    archive.extend(0_u16.to_le_bytes());
    archive
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn try_zip(bytes: Vec<u8>) -> Result<Moved, MovingError> {
    try_moved(Bundle::of_bytes("some.zip", bytes)?, &usual())
}

fn problem(bytes: Vec<u8>) -> String {
    try_zip(bytes).err().expect("it was taken").to_string()
}

#[test]
fn the_files_of_an_archive_are_read_where_they_lie() {
    let user = br#"{"id": "u", "email": "ada@example.com"}"#.to_vec();
    let both = zip(&[
        file("user.json", user.clone()),
        file("export/conversations-000.json", sample("chatgpt.json")),
        file("export/picture.png", vec![0x89]),
    ]);
    let one = zip(&[file("conversations.json", sample("chatgpt.json"))]);

    let (both, one) = (try_zip(both).unwrap(), try_zip(one).unwrap());

    assert_eq!(both.all("id"), one.all("id"), "not by the names of files");
    assert_eq!(both.report.skipped["files of no known format"], 1);
    assert!(problem(zip(&[file("user.json", user)])).contains("--format"));
}

/// The archive as one of more than 4 GiB, which says in 64 bits where its directory is (APPNOTE.TXT, 4.3.14
/// to 4.3.16).
fn with_wide_end(mut archive: Vec<u8>) -> Vec<u8> {
    let end = archive.split_off(archive.len() - 22);
    let number = |at: usize, bytes: usize| {
        let bytes = end[at..at + bytes].iter().rev();
        bytes.fold(0_u64, |number, byte| (number << 8) | u64::from(*byte))
    };
    let (count, size, place) = (number(10, 2), number(12, 4), number(16, 4));
    let wide = archive.len() as u64;
    archive.extend(b"PK\x06\x06");
    archive.extend(44_u64.to_le_bytes());
    archive.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for number in [count, count, size, place] {
        archive.extend(number.to_le_bytes());
    }
    archive.extend(b"PK\x06\x07\0\0\0\0");
    archive.extend(wide.to_le_bytes());
    archive.extend(1_u32.to_le_bytes());
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend([0xff; 12]);
    archive.extend([0, 0]);
    archive
}

#[test]
fn an_archive_of_64_bits_is_read_as_any_other() {
    let plain = zip(&[file("conversations.json", sample("chatgpt.json"))]);

    let wide = try_zip(with_wide_end(plain.clone())).unwrap();

    assert_eq!(wide.all("id"), try_zip(plain).unwrap().all("id"));
}

#[test]
fn lines_that_are_packed_are_preferred_to_the_tables_beside_them() {
    let archive = zip(&[
        file("memories.json", sample("openmemory.json")),
        file("memories.jsonl.gz", gzip(&sample("openmemory.jsonl"))),
    ]);

    let moved = try_zip(archive).unwrap();

    assert_eq!(moved.lines.len(), 4);
    assert!(moved.lines.iter().all(|line| line["metadata"]["openmemory"]["app"].is_string()));
    let alone = Bundle::of_bytes("x", gzip(&sample("openmemory.jsonl"))).unwrap();
    assert_eq!(try_moved(alone, &usual()).unwrap().lines.len(), 4);
}

#[test]
fn archives_of_parts_may_lie_in_one_and_no_deeper() {
    let part = |name: &str, sample_name: &str| zip(&[file(name, sample(sample_name))]);
    let inner = || {
        zip(&[
            file("projects-000.zip", part("projects/p1.json", "claude-projects.json")),
            file("memories-000.zip", part("memories/m.json", "claude-memories.json")),
        ])
    };

    let moved = try_zip(inner()).unwrap();

    assert_eq!(moved.line("The garden needs water.")["project"], "Garden");
    assert!(problem(zip(&[file("again.zip", inner())])).contains("archives within archives"));
}

#[test]
fn archives_within_others_have_only_so_much_memory_together() {
    let bytes = zip(&[file("a.zip", zip(&[file("mem0.json", sample("mem0.json"))]))]);
    let mut archive = OpenArchive::open("x", Box::new(Cursor::new(bytes))).unwrap();
    let (entries, _) = archive.entries("x").unwrap();
    let (mut few, mut many) = (0, MOST_HELD - 1);

    let first = archive.inner("x", &entries[0], &Room::default(), &mut few);
    let last = archive.inner("x", &entries[0], &Room::default(), &mut many);

    assert!(first.is_ok() && few > 0);
    assert!(last.unwrap_err().to_string().contains("too large"));
}

#[test]
fn an_archive_that_is_made_to_hurt_is_refused() {
    let mut long = br#"[{"mapping": {}, "title": ""#.to_vec();
    long.resize(20 << 20, b'a');
    assert!(problem(zip(&[file("conversations.json", long.clone())])).contains("200 times"));
    assert!(problem(gzip(&long)).contains("200 times"));

    let names: Vec<String> = (0..=10_000).map(|n| format!("{n}.json")).collect();
    let many: Vec<Packed<'_>> = names.iter().map(|name| file(name, Vec::new())).collect();
    assert!(problem(zip(&many)).contains("more than 10000 files"));

    let secret = Packed { flags: ENCRYPTED, ..file("conversations.json", sample("chatgpt.json")) };
    assert!(problem(zip(&[secret])).contains("encrypted"));

    let torn = zip(&[file("conversations.json", sample("chatgpt.json"))]);
    assert!(problem(torn[..torn.len() / 2].to_vec()).contains("no whole archive"));
}

/// The archive with another sum for a file than its bytes have.
fn with_wrong_sum(mut archive: Vec<u8>, bytes: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(bytes);
    let sum = crc.sum().to_le_bytes();
    let places: Vec<usize> =
        (0..archive.len()).filter(|at| archive[*at..].starts_with(&sum)).collect();
    assert_eq!(places.len(), 2, "beside the file, and in the directory");
    places.into_iter().for_each(|at| archive[at] ^= 1);
    archive
}

#[test]
fn a_damaged_file_of_an_archive_costs_none_of_the_others() {
    let short = sample("server-memory.jsonl");
    let memories =
        (0..3_000).map(|n| format!("{{\"id\": \"m{n}\", \"memory\": \"likes tea {n}\"}}"));
    let long = format!("[{}]", memories.collect::<Vec<_>>().join(", "));
    let archive = zip(&[
        file("graph.jsonl", short.clone()),
        file("long.json", long.clone().into_bytes()),
        file("openmemory.json", sample("openmemory.json")),
    ]);
    let archive = with_wrong_sum(with_wrong_sum(archive, &short), long.as_bytes());

    let moved = try_zip(archive).unwrap();

    let places: Vec<&str> = moved.report.failures.iter().map(|one| one.place.as_str()).collect();
    assert_eq!(places, ["graph.jsonl", "long.json"]);
    assert_eq!(moved.report.formats.keys().copied().collect::<Vec<_>>(), ["mem0", "openmemory"]);
    // Its end is what is wrong with it; what stands before that was read.
    moved.line("likes tea 2999");
}

#[test]
fn an_archive_that_is_refused_takes_no_room_from_others() {
    let part = || zip(&[file("mem0.json", sample("mem0.json"))]);
    let deep = zip(&[file("a.zip", part())]);
    let folder = tempfile::tempdir().unwrap();
    let refused = zip(&[file("picture.png", vec![0x89]), file("again.zip", deep)]);
    fs::write(folder.path().join("b.zip"), refused).unwrap();
    fs::write(folder.path().join("c.zip"), part()).unwrap();

    let bundle = Bundle::open(&[folder.path().to_owned()]).unwrap();

    assert!(bundle.refused()[0].to_string().contains("archives within archives"));
    assert_eq!((bundle.len(), bundle.held(), bundle.passed_over()), (1, 0, 0));
}

#[test]
fn an_archive_is_never_taken_for_lines_of_our_own() {
    let archive = zip(&[file("export.jsonl", br#"{"content": "x"}"#.to_vec())]);
    let mut bundle = Bundle::of_bytes("x", archive).unwrap();

    assert!(Recognised::of(&mut bundle, format_named("memoryd").unwrap()).unwrap().is_own());
    assert!(bundle.into_bytes(1 << 20).is_err());
}

#[test]
fn links_and_names_that_lead_elsewhere_are_passed_over() {
    let link = Packed { mode: LINK, ..file("link.json", b"/etc/passwd".to_vec()) };
    let away = file("../../conversations.json", sample("chatgpt.json"));
    let rooted = file("/conversations.json", sample("chatgpt.json"));
    let kept = file("__MACOSX/._conversations.json", sample("chatgpt.json"));
    let good = file("mem0.json", sample("mem0.json"));

    let moved = try_zip(zip(&[link, away, rooted, kept, good])).unwrap();

    assert_eq!(moved.lines.len(), 2);
    let passed_over = &moved.report.skipped;
    assert_eq!(passed_over["files that hold no text, links, and folders of programs"], 4);
}

#[test]
fn lines_of_our_own_are_unpacked_as_far_as_they_may() {
    let lines = b"{\"content\": \"one\"}\n{\"content\": \"two\"}\n";
    let given = |bytes: &[u8], limit: usize| {
        Bundle::of_bytes("x", bytes.to_vec()).and_then(|bundle| bundle.into_bytes(limit))
    };
    let packed = gzip(lines);

    for bytes in [lines.as_slice(), packed.as_slice()] {
        assert_eq!(given(bytes, lines.len()).unwrap(), lines);
        let refused = given(bytes, lines.len() - 1);
        assert!(matches!(refused, Err(MovingError::TooLarge { .. })), "{refused:?}");
    }
    let cut = given(&packed[..packed.len() - 9], 1 << 10);
    assert!(matches!(cut, Err(MovingError::Unreadable { .. })), "{cut:?}");
}
