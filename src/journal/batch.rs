use super::{JournalError, SessionNo};

/// Largest payload of one frame. A frame is held in memory once when written and once when read.
pub const MAX_PAYLOAD_BYTES: usize = 32 << 20;

/// Longest key of one operation.
pub const MAX_KEY_BYTES: usize = 1024;

const PUT: u8 = 1;
const GONE: u8 = 2;

/// Tag, session, length of the key.
const OP_HEAD_BYTES: usize = 7;

/// Operations that become durable together or not at all, in the bytes that the log will hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncodedBatch {
    payload: Vec<u8>,
    ops: usize,
}

/// One state-based operation: afterwards the key has this value, whatever was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Op<'a> {
    pub session: SessionNo,
    pub key: &'a [u8],
    /// Nothing means that the key is gone.
    pub value: Option<&'a [u8]>,
}

/// Walks the operations of a payload in order.
#[derive(Debug)]
pub struct Ops<'a> {
    rest: &'a [u8],
}

/// A payload that does not parse although its checksum was right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl EncodedBatch {
    pub fn put(
        &mut self,
        session: SessionNo,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), JournalError> {
        self.push(Op { session, key, value: Some(value) })
    }

    pub fn remove(&mut self, session: SessionNo, key: &[u8]) -> Result<(), JournalError> {
        self.push(Op { session, key, value: None })
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops == 0
    }

    /// How many operations there are.
    #[must_use]
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.ops
    }

    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    #[must_use]
    pub fn ops(&self) -> Ops<'_> {
        Ops { rest: &self.payload }
    }

    pub(super) fn clear(&mut self) {
        self.payload.clear();
        self.ops = 0;
    }

    fn push(&mut self, op: Op<'_>) -> Result<(), JournalError> {
        let size = op.size();
        let bytes = self.payload.len().saturating_add(size);
        let (Ok(key_len), Ok(value_len)) =
            (u16::try_from(op.key.len()), u32::try_from(op.value.map_or(0, <[u8]>::len)))
        else {
            return Err(JournalError::TooLarge { bytes, limit: MAX_PAYLOAD_BYTES });
        };
        if bytes > MAX_PAYLOAD_BYTES || op.key.len() > MAX_KEY_BYTES {
            return Err(JournalError::TooLarge { bytes, limit: MAX_PAYLOAD_BYTES });
        }
        self.payload.reserve(size);
        self.payload.push(if op.value.is_some() { PUT } else { GONE });
        self.payload.extend(op.session.0.to_le_bytes());
        self.payload.extend(key_len.to_le_bytes());
        if op.value.is_some() {
            self.payload.extend(value_len.to_le_bytes());
        }
        self.payload.extend(op.key);
        self.payload.extend(op.value.unwrap_or_default());
        self.ops += 1;
        Ok(())
    }
}

/// Parses a whole payload, so that a replay either knows all of its operations or none.
pub(super) fn parse_ops(payload: &[u8]) -> Result<Vec<Op<'_>>, Malformed> {
    let mut ops = Vec::new();
    let mut rest = payload;
    while !rest.is_empty() {
        let (op, after) = parse_op(rest).ok_or(Malformed)?;
        ops.push(op);
        rest = after;
    }
    Ok(ops)
}

fn parse_op(bytes: &[u8]) -> Option<(Op<'_>, &[u8])> {
    let (&[tag, s0, s1, s2, s3, k0, k1], rest) = bytes.split_first_chunk::<OP_HEAD_BYTES>()?;
    let session = SessionNo(u32::from_le_bytes([s0, s1, s2, s3]));
    let key_len = usize::from(u16::from_le_bytes([k0, k1]));
    if key_len > MAX_KEY_BYTES {
        return None;
    }
    match tag {
        PUT => {
            let (length, rest) = rest.split_first_chunk::<4>()?;
            let value_len = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            let (key, rest) = rest.split_at_checked(key_len)?;
            let (value, rest) = rest.split_at_checked(value_len)?;
            Some((Op { session, key, value: Some(value) }, rest))
        }
        GONE => {
            let (key, rest) = rest.split_at_checked(key_len)?;
            Some((Op { session, key, value: None }, rest))
        }
        _ => None,
    }
}

impl Op<'_> {
    /// How many bytes the operation takes in a payload. The value is the last of them.
    pub(super) fn size(&self) -> usize {
        let value = self.value.map_or(0, |value| 4 + value.len());
        OP_HEAD_BYTES + self.key.len() + value
    }
}

impl<'a> Iterator for Ops<'a> {
    type Item = Op<'a>;

    fn next(&mut self) -> Option<Op<'a>> {
        let (op, rest) = parse_op(self.rest)?;
        self.rest = rest;
        Some(op)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Owned = (u32, Vec<u8>, Option<Vec<u8>>);

    fn any_op() -> impl Strategy<Value = Owned> {
        let key = prop::collection::vec(any::<u8>(), 0..40);
        let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..60));
        (any::<u32>(), key, value)
    }

    fn batch_of(ops: &[Owned]) -> EncodedBatch {
        let mut batch = EncodedBatch::default();
        for (session, key, value) in ops {
            match value {
                Some(value) => batch.put(SessionNo(*session), key, value).unwrap(),
                None => batch.remove(SessionNo(*session), key).unwrap(),
            }
        }
        batch
    }

    #[test]
    fn a_batch_has_a_limit() {
        let mut batch = EncodedBatch::default();

        assert!(batch.put(SessionNo(1), &[0; MAX_KEY_BYTES + 1], b"").is_err());
        assert!(batch.put(SessionNo(1), b"key", &vec![0; MAX_PAYLOAD_BYTES]).is_err());
        assert!(batch.is_empty() && batch.payload().is_empty());
    }

    proptest! {
        #[test]
        fn operations_survive_the_round_trip(ops in prop::collection::vec(any_op(), 0..20)) {
            let batch = batch_of(&ops);

            let read: Vec<Owned> = parse_ops(batch.payload())
                .unwrap()
                .iter()
                .map(|op| (op.session.0, op.key.to_vec(), op.value.map(<[u8]>::to_vec)))
                .collect();

            prop_assert_eq!(batch.len(), ops.len());
            prop_assert_eq!(batch.ops().count(), ops.len());
            prop_assert_eq!(read, ops);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..99)) {
            let _ = parse_ops(&bytes);
        }
    }
}
