//! The layout of many events of the audit in one record.

use std::collections::HashMap;
use std::mem::replace;

use serde::{Deserialize, Serialize};

use super::packed::{Packed, Room, START, Short};
use super::system::{AuditKey, AuditV1};
use super::{CodecError, Record};
use crate::model::{AuditEvent, Timestamp};

/// Events in the order of their keys. What stands in the key of the page is that of its last one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditPage(pub Vec<(AuditKey, AuditEvent)>);

/// A page as it lies on disk since version 1.
#[derive(Debug, Serialize, Deserialize)]
pub struct AuditPageV1 {
    /// Each of them once.
    texts: Packed<Packed<u8>>,
    events: Packed<PagedEventV1>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PagedEventV1 {
    /// Told from when the one before it happened.
    at: Short,
    number: Short,
    event: u8,
    /// User, credential, prefix, reason, address and client: 0, or one more than its place among the texts.
    told: [Short; 6],
    count: Short,
}

/// Texts with their places, the first of which is 1.
#[derive(Debug, Default)]
struct Texts(HashMap<String, usize>);

impl Record for AuditPage {
    type Key = AuditKey;
    type Body = AuditPageV1;
    const PREFIX: u8 = 8;
    const VERSION: u8 = 1;
    const KIND: &'static str = "audit page";

    fn to_body(&self) -> AuditPageV1 {
        let (mut texts, mut before) = (Texts::default(), START);
        let events = self.0.iter().map(|(key, event)| {
            let at = Timestamp(key.at.cast_signed());
            let AuditV1 { event, user, credential, prefix, reason, address, client, count } =
                event.to_body();
            let told = [user, credential, prefix, reason, address, client];
            PagedEventV1 {
                at: Short::between(replace(&mut before, at), at),
                number: Short(key.number),
                event,
                told: told.map(|text| texts.place_of(text)),
                count: Short(count),
            }
        });
        let events = Packed(events.collect());
        AuditPageV1 { texts: texts.into_table(), events }
    }

    fn from_body(_: &AuditKey, body: AuditPageV1) -> Result<Self, CodecError> {
        let texts = body.texts.0.into_iter().map(|text| text.into_text("text"));
        let texts: Vec<String> = texts.collect::<Result<_, _>>()?;
        let (mut before, room) = (START, Room::default());
        let mut events = Vec::with_capacity(body.events.0.len());
        for row in body.events.0 {
            before = row.at.after(before);
            let key = AuditKey { at: before.0.cast_unsigned(), number: row.number.0 };
            let text = |place| text_at(place, &texts, &room);
            let [user, credential, prefix, reason, address, client] = row.told;
            let event = AuditV1 {
                event: row.event,
                user: text(user)?,
                credential: text(credential)?,
                prefix: text(prefix)?,
                reason: text(reason)?,
                address: text(address)?,
                client: text(client)?,
                count: row.count.0,
            };
            events.push((key, AuditEvent::from_body(&key, event)?));
        }
        Ok(Self(events))
    }
}

impl Texts {
    fn place_of(&mut self, text: Option<String>) -> Short {
        let Some(text) = text else { return Short(0) };
        let next = self.0.len() + 1;
        Short::place(*self.0.entry(text).or_insert(next))
    }

    fn into_table(self) -> Packed<Packed<u8>> {
        let mut texts: Vec<(String, usize)> = self.0.into_iter().collect();
        texts.sort_unstable_by_key(|(_, place)| *place);
        Packed(texts.into_iter().map(|(text, _)| Packed::text(text)).collect())
    }
}

fn text_at(
    Short(place): Short,
    texts: &[String],
    room: &Room,
) -> Result<Option<String>, CodecError> {
    let Some(place) = place.checked_sub(1) else { return Ok(None) };
    let text = Short(place).find(texts, "text")?;
    room.take(text.len(), "text")?;
    Ok(Some(text.clone()))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::super::codec;
    use super::*;
    use crate::model::{AuditKind, CredentialName, TokenPrefix, UserId};

    const KEY: AuditKey = AuditKey { at: 1, number: 0 };

    fn any_event() -> impl Strategy<Value = (AuditKey, AuditEvent)> {
        let name = || prop::option::of("[a-c]");
        let names = (name(), name(), name(), prop::option::of(".{0,5}"), name());
        let kind = prop::sample::select(AuditKind::ALL);
        let address = prop::option::of(any::<u8>());
        let key = (0..=i64::MAX.cast_unsigned(), any::<u64>());
        (key, kind, names, address, any::<u64>()).prop_map(
            |((at, number), event, (user, credential, prefix, reason, client), address, count)| {
                let event = AuditEvent {
                    at: Timestamp(at.cast_signed()),
                    event,
                    user: user.map(|name| UserId::parse(&name).unwrap()),
                    credential: credential.map(|name| CredentialName::parse(&name).unwrap()),
                    prefix: prefix
                        .map(|name| TokenPrefix::of(&format!("mcp_{}", name.repeat(8))).unwrap()),
                    reason,
                    address: address.map(|last| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))),
                    client,
                    count,
                };
                (AuditKey { at, number }, event)
            },
        )
    }

    fn any_page() -> impl Strategy<Value = AuditPage> {
        prop::collection::vec(any_event(), 0..12).prop_map(AuditPage)
    }

    proptest! {
        #[test]
        fn any_page_comes_back_with_each_text_once(page in any_page()) {
            let body = page.to_body();
            let mut texts: Vec<Vec<u8>> = body.texts.0.into_iter().map(|text| text.0).collect();
            texts.sort();
            let all = texts.len();
            texts.dedup();
            prop_assert_eq!(texts.len(), all);

            let bytes = codec::encode(&page).unwrap();

            prop_assert_eq!(codec::decode::<AuditPage>(&KEY, &bytes).unwrap(), page);
        }

        #[test]
        fn damaged_bytes_are_a_page_or_an_error(
            page in any_page(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut body = codec::encode(&page).unwrap()[5..].to_vec();
            let at = at.index(body.len());
            body[at] = byte;
            let _ = codec::decode::<AuditPage>(&KEY, &codec::envelope(1, &body));

            body.truncate(at);

            prop_assert!(codec::decode::<AuditPage>(&KEY, &codec::envelope(1, &body)).is_err());
        }
    }

    #[test]
    fn a_thousand_deletions_take_few_bytes() {
        let event = |n: u64| {
            let event = AuditEvent {
                at: Timestamp(1_700_000_000_000 + n.cast_signed()),
                event: AuditKind::MemoriesDeleted,
                user: Some(UserId::parse("ada").unwrap()),
                credential: Some(CredentialName::parse("laptop").unwrap()),
                prefix: None,
                reason: Some("1 memory".to_owned()),
                address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                client: Some("claude-code/2.1".to_owned()),
                count: 1,
            };
            (AuditKey { at: 1_700_000_000_000 + n, number: 0 }, event)
        };

        let bytes = codec::encode(&AuditPage((0..1_000).map(event).collect())).unwrap();

        assert!(bytes.len() < 12_000, "{}", bytes.len());
    }
}
