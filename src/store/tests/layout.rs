//! Images of records as older versions wrote them. An image is never changed.

use std::time::Duration;

use super::*;
use crate::journal::SessionNo;
use crate::model::{
    AccessTicket, AuditEvent, AuditKind, Author, Category, ClientAuth, CredentialName, EventTime,
    Grant, Interface, OauthClient, Priority, Project, RefreshTicket, Scopes, SecretKey, Status,
    Step, StepChange, StepPage, Tag, Title, Token, TokenDigest, TokenPrefix, ToolSet, TrustedTime,
};
use crate::model::{Given, Number, Recall, RecallPage};
use crate::store::kinds::{Owner, RECORDS, RecordKind};
use crate::store::minds::MindMark;
use crate::store::records::SessionNumber;
use crate::store::value::PIECE_PREFIX;
use crate::store::vault::{Member, NameHash, StoreKey, Vault};
use crate::store::{
    AuditKey, AuditPage, EncryptionKeys, ErasedImport, Key, OnlyKey, PastVersion, SealingKey,
    StoredVector, codec,
};

const MEMORY_V1: &str = include_str!("../../../tests/data/memory-v1.hex");
const MEMORY_V2: &str = include_str!("../../../tests/data/memory-v2.hex");
const MEMORY_V3: &str = include_str!("../../../tests/data/memory-v3.hex");
const ACCESS_V1: &str = include_str!("../../../tests/data/access-v1.hex");
const VECTOR_V1: &str = include_str!("../../../tests/data/vector-v1.hex");
const USER_V1: &str = include_str!("../../../tests/data/user-v1.hex");
const STEP_V1: &str = include_str!("../../../tests/data/step-v1.hex");
const STEPS_V1: &str = include_str!("../../../tests/data/steps-v1.hex");
const STEPS_V2: &str = include_str!("../../../tests/data/steps-v2.hex");
const RECALLS_V1: &str = include_str!("../../../tests/data/recalls-v1.hex");
const RECALLS_V2: &str = include_str!("../../../tests/data/recalls-v2.hex");
const RECALLS_V3: &str = include_str!("../../../tests/data/recalls-v3.hex");
const MIND_V1: &str = include_str!("../../../tests/data/mind-v1.hex");
const NUMBER_V1: &str = include_str!("../../../tests/data/number-v1.hex");
const ERASED_V1: &str = include_str!("../../../tests/data/erased-v1.hex");
const TOKEN_V1: &str = include_str!("../../../tests/data/token-v1.hex");
const STORE_KEY_V1: &str = include_str!("../../../tests/data/store-key-v1.hex");
const MEMBER_V1: &str = include_str!("../../../tests/data/member-v1.hex");
const AUDIT_V1: &str = include_str!("../../../tests/data/audit-v1.hex");
const AUDIT_PAGE_V1: &str = include_str!("../../../tests/data/audit-page-v1.hex");
const CLOCK_V1: &str = include_str!("../../../tests/data/clock-v1.hex");
const GRANT_V1: &str = include_str!("../../../tests/data/grant-v1.hex");

/// The memory that `memory-v3.hex` is an image of.
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
        source: Source {
            client: Some("claude".to_owned()),
            credential: Some("laptop".to_owned()),
            session: Some("s-1".to_owned()),
            interface: Some("mcp".to_owned()),
        },
        provisional: true,
        metadata: serde_json::from_str(metadata).unwrap(),
        created_at: Timestamp(1_700_000_000_001),
        updated_at: Timestamp(1_700_000_000_002),
        event_at: Some(EventTime { at: Timestamp(-5), offset: -420 }),
        expires_at: Some(Timestamp(1_800_000_000_000)),
        supersedes: Some(id(41)),
        superseded_by: Some(id(43)),
        status: Status::Superseded,
        version: 3,
        ..memory(42, "the car is on level 42 \u{1f697}")
    }
}

#[test]
fn records_of_every_version_are_still_readable() {
    let memory = codec::decode::<Memory>(&id(42), &from_hex(MEMORY_V1)).unwrap();
    let old = codec::decode::<PastVersion>(&(id(42), 3), &from_hex(MEMORY_V1)).unwrap();
    let access = codec::decode::<Access>(&id(42), &from_hex(ACCESS_V1)).unwrap();
    let vector = codec::decode::<StoredVector>(&id(42), &from_hex(VECTOR_V1)).unwrap();
    let step = codec::decode::<Step>(&(id(42), 1), &from_hex(STEP_V1)).unwrap();
    let page = codec::decode::<RecallPage>(&id(1), &from_hex(RECALLS_V1)).unwrap();
    let timed = codec::decode::<RecallPage>(&id(1), &from_hex(RECALLS_V2)).unwrap();
    let token = codec::decode::<Token>(&token().digest, &from_hex(TOKEN_V1)).unwrap();
    let event = codec::decode::<AuditEvent>(&AUDIT_KEY, &from_hex(AUDIT_V1)).unwrap();
    let number = codec::decode::<SessionNumber>(&user("ada"), &from_hex(USER_V1)).unwrap();

    // It knew no offsets, and no more of a source than this.
    let source = Source { session: None, interface: None, ..full_memory().source };
    let second = Memory { source, provisional: false, ..full_memory() };
    let offsets = codec::decode::<Memory>(&id(42), &from_hex(MEMORY_V2)).unwrap();
    assert_eq!(offsets, second);
    let then = Memory { event_at: Some(Timestamp(-5).into()), ..second };
    assert_eq!((memory, old), (then.clone(), PastVersion(then)));
    assert_eq!(access, self::access(7));
    assert_eq!(vector, self::vector());
    assert_eq!((step, page), (self::step(), RecallPage(vec![recall(None)])));
    assert_eq!(timed, RecallPage(vec![recall(Some(1_500))]));
    let tables = codec::decode::<RecallPage>(&id(1), &from_hex(RECALLS_V3)).unwrap();
    assert_eq!(tables, recalls());
    for image in [STEPS_V1, STEPS_V2] {
        let steps = codec::decode::<StepPage>(&(id(44), 0), &from_hex(image)).unwrap();
        assert_eq!(steps, self::steps());
    }
    let own = codec::decode::<Number>(&id(42), &from_hex(NUMBER_V1)).unwrap();
    assert_eq!(own, Number(7));
    assert_eq!(codec::decode::<ErasedImport>(&id(42), &from_hex(ERASED_V1)).unwrap(), ErasedImport);
    assert_eq!(codec::decode::<MindMark>(&OnlyKey, &from_hex(MIND_V1)).unwrap(), mark());
    assert_eq!((token, event), (self::token(), self::event()));
    assert_eq!(codec::decode::<TrustedTime>(&OnlyKey, &from_hex(CLOCK_V1)).unwrap(), clock());
    assert_eq!(codec::decode::<Grant>(&grant().id, &from_hex(GRANT_V1)).unwrap(), grant());
    assert_eq!(number, SessionNumber(SessionNo(7)));
}

#[test]
fn the_layout_of_today_is_the_one_of_its_image() {
    for kind in RECORDS {
        let newest = match kind.name {
            "memory" | "history" => 3,
            "recalls" => 3,
            "steps" => 2,
            _ => 1,
        };
        assert_eq!(kind.version, newest, "a new version of {} needs a new image", kind.name);
    }
    let encoded = [
        (codec::encode(&full_memory()), MEMORY_V3),
        (codec::encode(&PastVersion(full_memory())), MEMORY_V3),
        (codec::encode(&access(7)), ACCESS_V1),
        (codec::encode(&vector()), VECTOR_V1),
        (codec::encode(&step()), STEP_V1),
        (codec::encode(&steps()), STEPS_V2),
        (codec::encode(&recalls()), RECALLS_V3),
        (codec::encode(&Number(7)), NUMBER_V1),
        (codec::encode(&mark()), MIND_V1),
        (codec::encode(&ErasedImport), ERASED_V1),
        (codec::encode(&token()), TOKEN_V1),
        (codec::encode(&event()), AUDIT_V1),
        (codec::encode(&audit_page()), AUDIT_PAGE_V1),
        (codec::encode(&clock()), CLOCK_V1),
        (codec::encode(&grant()), GRANT_V1),
        (codec::encode(&SessionNumber(SessionNo(7))), USER_V1),
        (codec::encode(&store_key()), STORE_KEY_V1),
        (codec::encode(&member().1), MEMBER_V1),
    ];
    assert_eq!(encoded.len(), RECORDS.len(), "every kind of record has an image");
    for (encoded, image) in encoded {
        assert_eq!(to_hex(&encoded.unwrap()), image.trim());
    }
}

/// The owner's key of the images is 32 times 1.
#[test]
fn keys_of_version_1_still_open_what_they_opened() {
    let current = SealingKey::new(&SecretKey::new([1; 32]));
    let keys = EncryptionKeys { current, previous: None };
    let (hash, member) = member();

    let vault = Vault::unlock(&store_key(), Some(&keys)).unwrap();
    let (name, seat) = vault.member(hash, &member).unwrap();

    assert_eq!((name, seat.number), (user("annemarie"), SessionNo(1)));
    assert!(store_key().is_whole);
}

/// What `mind-v1.hex` is an image of.
fn mark() -> MindMark {
    MindMark(std::array::from_fn(|at| u8::try_from(at).unwrap()))
}

fn store_key() -> StoreKey {
    codec::decode(&OnlyKey, &from_hex(STORE_KEY_V1)).unwrap()
}

fn member() -> (NameHash, Member) {
    let hash = "0fc6557d6f32893fb9ddf6362521fc3d5c9183d93580f746cb79bd4ecdbd1db9";
    let hash = NameHash(from_hex(hash).try_into().unwrap());
    (hash, codec::decode(&hash, &from_hex(MEMBER_V1)).unwrap())
}

/// What `step-v1.hex` is an image of.
fn step() -> Step {
    Step {
        at: Timestamp(1_700_000_000_001),
        author: Author {
            credential: CredentialName::parse("laptop").unwrap(),
            token: TokenPrefix::of("mcp_Ab3-_xYz"),
            client: Some("claude".to_owned()),
            session: Some("s-1".to_owned()),
            face: Interface::Mcp,
        },
        changes: vec![
            StepChange { id: id(1), before: 0, after: 1 },
            StepChange { id: id(2), before: 3, after: 0 },
        ],
    }
}

fn somebody_else() -> Author {
    Author {
        credential: CredentialName::parse("default").unwrap(),
        token: None,
        client: None,
        session: None,
        face: Interface::Rest,
    }
}

/// What `steps-v1.hex` is an image of.
fn steps() -> StepPage {
    let author = somebody_else();
    let other = Step { at: Timestamp(1_700_000_000_002), author, changes: Vec::new() };
    StepPage(vec![((id(42), 1), step()), ((id(43), 0), other), ((id(44), 0), step())])
}

/// What `recalls-v1.hex` is an image of, and `recalls-v2.hex` with the microseconds that it took.
fn recall(took: Option<u64>) -> Recall {
    Recall {
        at: Timestamp(1_700_000_000_001),
        author: step().author,
        asked: r#"{"verb":"get"}"#.to_owned(),
        tokens: 12,
        given: vec![
            Given { id: id(1), version: 2, score: Some(0.5), tokens: 7 },
            Given { id: id(2), version: 1, score: None, tokens: 5 },
        ],
        took: took.map(Duration::from_micros),
    }
}

/// What `recalls-v3.hex` is an image of.
fn recalls() -> RecallPage {
    let young = id((1_700_000_000_000 << 80) | 3);
    let search = Recall {
        at: Timestamp(1_700_000_000_201),
        author: somebody_else(),
        asked: r#"{"verb":"search","query":"tea"}"#.to_owned(),
        tokens: 300,
        given: vec![
            Given { id: young, version: 1, score: Some(0.75), tokens: 200 },
            Given { id: id(1), version: 2, score: Some(0.25), tokens: 7 },
            Given { id: id(1), version: 3, score: None, tokens: 7 },
        ],
        took: None,
    };
    // The clock was set back, and nothing was found.
    let in_vain = Recall {
        at: Timestamp(1_700_000_000_101),
        asked: r#"{"verb":"search","query":"green tea"}"#.to_owned(),
        tokens: 0,
        given: Vec::new(),
        ..recall(Some(0))
    };
    let again = Recall {
        at: Timestamp(1_700_000_000_301),
        given: vec![Given { id: id(2), version: 1, score: None, tokens: 5 }],
        ..recall(Some(1_000_000))
    };
    RecallPage(vec![recall(Some(1_500)), search, in_vain, again])
}

const AUDIT_KEY: AuditKey = AuditKey { at: 1_700_000_000_001, number: 2 };

/// What `clock-v1.hex` is an image of.
fn clock() -> TrustedTime {
    TrustedTime {
        trusted: Timestamp(1_767_225_600_000),
        seen: Timestamp(1_801_785_600_000),
        even_for: Some(Duration::from_secs(3_600)),
    }
}

/// What `token-v1.hex` is an image of.
fn token() -> Token {
    Token {
        digest: TokenDigest(std::array::from_fn(|at| u8::try_from(at).unwrap())),
        prefix: TokenPrefix::of("mcp_Ab3-_xYz").unwrap(),
        name: CredentialName::parse("laptop").unwrap(),
        label: Some("My laptop".to_owned()),
        user: user("ada"),
        email: Some("ada@x.com".to_owned()),
        scopes: Scopes::all(),
        project: Some(Project::parse("garage").unwrap()),
        is_guest: true,
        tools: vec![ToolSet::Core],
        created_at: Timestamp(1_700_000_000_001),
        expires_at: Some(Timestamp(1_800_000_000_000)),
        revoked_at: Some(Timestamp(1_700_000_000_002)),
        last_used_at: Some(Timestamp(1_700_000_000_003)),
    }
}

/// What `grant-v1.hex` is an image of.
fn grant() -> Grant {
    let digest = |byte| TokenDigest([byte; 32]);
    Grant {
        id: TokenPrefix::of("mgr_Ab3-_xYz").unwrap(),
        name: CredentialName::parse("oauth:Claude").unwrap(),
        client: OauthClient {
            id: "mc_1".to_owned(),
            name: "Claude".to_owned(),
            redirect_uris: vec!["https://claude.ai/api/mcp/auth_callback".to_owned()],
            auth: ClientAuth::Post,
            secret: Some(digest(1)),
            registration: Some(digest(2)),
            registered_at: Timestamp(1_700_000_000_000),
        },
        user: user("ada"),
        scopes: Scopes::read_write(),
        project: Some(Project::parse("garage").unwrap()),
        is_guest: true,
        created_at: Timestamp(1_700_000_000_001),
        expires_at: Timestamp(1_800_000_000_000),
        revoked_at: Some(Timestamp(1_700_000_000_002)),
        last_used_at: Some(Timestamp(1_700_000_000_003)),
        access: vec![AccessTicket { digest: digest(3), expires_at: Timestamp(1_700_003_600_001) }],
        refresh: vec![
            RefreshTicket { digest: digest(4), replaced_at: Some(Timestamp(1_700_000_000_004)) },
            RefreshTicket { digest: digest(5), replaced_at: None },
        ],
    }
}

/// What `audit-v1.hex` is an image of.
fn event() -> AuditEvent {
    AuditEvent {
        at: Timestamp(1_700_000_000_001),
        event: AuditKind::AuthFailed,
        user: Some(user("ada")),
        credential: Some(CredentialName::parse("laptop").unwrap()),
        prefix: Some(TokenPrefix::of("mcp_Ab3-_xYz").unwrap()),
        reason: Some("a revoked token".to_owned()),
        address: Some("2001:db8::5".parse().unwrap()),
        client: Some("curl/8".to_owned()),
        count: 7,
    }
}

/// What `audit-page-v1.hex` is an image of.
fn audit_page() -> AuditPage {
    let before = AuditKey { number: 0, ..AUDIT_KEY };
    let (client, address, reason) = (None, None, None);
    let first = AuditEvent { client, address, reason, count: 1, ..event() };
    AuditPage(vec![(before, first), (AUDIT_KEY, event())])
}

/// What `vector-v1.hex` is an image of.
fn vector() -> StoredVector {
    let model = std::array::from_fn(|at| u8::try_from(at).unwrap());
    StoredVector { model, of_version: 3, codes: vec![0, 127, 128, 255] }
}

#[test]
fn a_record_is_checked_as_what_its_kind_says() {
    let images = [
        ("memory", Key::to_bytes(&id(42)), MEMORY_V1),
        ("memory", Key::to_bytes(&id(42)), MEMORY_V2),
        ("memory", Key::to_bytes(&id(42)), MEMORY_V3),
        ("history", Key::to_bytes(&(id(42), 3)), MEMORY_V1),
        ("access", Key::to_bytes(&id(42)), ACCESS_V1),
        ("vector", Key::to_bytes(&id(42)), VECTOR_V1),
        ("step", Key::to_bytes(&(id(42), 1)), STEP_V1),
        ("steps", Key::to_bytes(&(id(44), 0)), STEPS_V1),
        ("steps", Key::to_bytes(&(id(44), 0)), STEPS_V2),
        ("recalls", Key::to_bytes(&id(1)), RECALLS_V1),
        ("recalls", Key::to_bytes(&id(1)), RECALLS_V2),
        ("recalls", Key::to_bytes(&id(1)), RECALLS_V3),
        ("number", Key::to_bytes(&id(42)), NUMBER_V1),
        ("mind", Key::to_bytes(&OnlyKey), MIND_V1),
        ("erased", Key::to_bytes(&id(42)), ERASED_V1),
        ("token", Key::to_bytes(&token().digest), TOKEN_V1),
        ("audit", Key::to_bytes(&AUDIT_KEY), AUDIT_V1),
        ("audit page", Key::to_bytes(&AUDIT_KEY), AUDIT_PAGE_V1),
        ("clock", Key::to_bytes(&OnlyKey), CLOCK_V1),
        ("grant", Key::to_bytes(&grant().id), GRANT_V1),
        ("user", Key::to_bytes(&user("ada")), USER_V1),
    ];
    for (name, key, image) in images {
        let kind = RECORDS.iter().find(|kind| kind.name == name).unwrap();
        let other = if image == USER_V1 { VECTOR_V1 } else { USER_V1 };

        assert!((kind.check)(&key, &from_hex(image)).is_ok(), "{name}");
        assert!((kind.check)(&key, &from_hex(other)).is_err(), "{name}");
        assert!((kind.check)(&key[1..], &from_hex(image)).is_err(), "{name}");
    }
}

#[test]
fn no_two_kinds_of_record_share_a_prefix() {
    for (at, kind) in RECORDS.iter().enumerate() {
        let place = |kind: &RecordKind| (kind.owner, kind.prefix);
        assert!(RECORDS[..at].iter().all(|other| place(other) != place(kind)), "{}", kind.name);
        assert_ne!(kind.prefix, PIECE_PREFIX, "{}", kind.name);
    }
    assert!(RECORDS.iter().any(|kind| kind.owner == Owner::System));
}

#[test]
fn every_record_is_in_the_table() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let table = fs::read_to_string(src.join("store/kinds.rs")).unwrap();
    let mut folders = vec![src];
    let mut found = 0;

    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // Those of tests are indented, or lie in folders of tests.
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                for line in text.lines() {
                    let Some(rest) = line.strip_prefix("impl Record for ") else { continue };
                    let name = rest.split([' ', '<']).next().unwrap();
                    found += 1;
                    assert!(table.contains(&format!("of::<{name}>(")), "{name} is missing");
                }
            }
        }
    }
    assert_eq!(found, RECORDS.len());
}

#[test]
fn the_format_names_every_kind_of_record() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FORMAT.md");
    let format = fs::read_to_string(path).unwrap();

    for kind in RECORDS {
        let tree = if kind.owner == Owner::System { "system" } else { "users" };
        let row = format!("| {tree} | {} | {} |", kind.prefix, kind.name);
        assert!(format.contains(&row), "docs/FORMAT.md lacks {row}");
    }
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
