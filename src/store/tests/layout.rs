//! Images of records as older versions wrote them. An image is never changed.

use super::*;
use crate::model::{Category, Priority, Project, Status, Tag, Title};
use crate::store::{Record, codec};

const MEMORY_V1: &str = include_str!("../../../tests/data/memory-v1.hex");
const ACCESS_V1: &str = include_str!("../../../tests/data/access-v1.hex");

/// The memory that `memory-v1.hex` is an image of.
fn full_memory() -> Memory {
    let metadata = r#"{"z":1,"a":{"nested":[true,null,"\u00e9"]}}"#;
    Memory {
        title: Some(Title::parse("Parking").unwrap()),
        kind: Kind::parse("fact").unwrap(),
        tags: Tags::from_vec(vec![Tag::parse("car").unwrap(), Tag::parse("home").unwrap()]),
        project: Some(Project::parse("garage").unwrap()),
        category: Some(Category::parse("places").unwrap()),
        priority: Priority::new(5).unwrap(),
        pinned: true,
        source: Source { client: Some("claude".to_owned()), credential: Some("laptop".to_owned()) },
        metadata: serde_json::from_str(metadata).unwrap(),
        created_at: Timestamp(1_700_000_000_001),
        updated_at: Timestamp(1_700_000_000_002),
        event_at: Some(Timestamp(-5)),
        expires_at: Some(Timestamp(1_800_000_000_000)),
        supersedes: Some(id(41)),
        superseded_by: Some(id(43)),
        status: Status::Superseded,
        version: 3,
        ..memory(42, "the car is on level 42 \u{1f697}")
    }
}

#[test]
fn records_of_version_1_are_still_readable() {
    let memory = codec::decode::<Memory>(&id(42), &from_hex(MEMORY_V1)).unwrap();
    let access = codec::decode::<Access>(&id(42), &from_hex(ACCESS_V1)).unwrap();

    assert_eq!(memory, full_memory());
    assert_eq!(access, self::access(7));
}

#[test]
fn the_layout_of_today_is_the_one_of_its_image() {
    assert_eq!((Memory::VERSION, Access::VERSION), (1, 1), "a new version needs a new image");
    assert_eq!(to_hex(&codec::encode(&full_memory()).unwrap()), MEMORY_V1.trim());
    assert_eq!(to_hex(&codec::encode(&access(7)).unwrap()), ACCESS_V1.trim());
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.trim().bytes().collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
