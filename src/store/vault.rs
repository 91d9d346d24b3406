//! Encryption at rest: what lies on the disk can be read with the owner's key only.
//!
//! Three kinds of keys, each wrapped by the one before: the owner's key (a file, never stored), the key
//! of the store (a record of its own), and a data key for each user (in the record of the user). Values are
//! sealed with the data key of their user, so whoever erases a user destroys what could read him.
//! Another key of the owner's means that the key of the store is wrapped anew, and nothing else.
//!
//! ChaCha20-Poly1305 (RFC 8439) with random nonces of 96 bits, which is safe for 2^32 values of a user
//! (NIST SP 800-38D, 8.3). Session and key of a record are the additional data: a value that is moved is
//! no value. Keys are derived with HKDF-SHA-256 (RFC 5869). The name of a user is in the key of no record,
//! but a keyed hash of it (HMAC-SHA-256). `docs/FORMAT.md` has the bytes.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Okm, Prk, Salt};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use super::codec::{self, CodecError, SEALED};
use super::seal::{KeyName, SealingKey};
use super::trees::{Entry, Trees};
use super::{Key, OnlyKey, Record, StoreError, session};
use crate::journal::{Op, SessionNo};
use crate::model::{SecretKey, UserId};

const KEY_BYTES: usize = 32;

/// What keys are derived for. A purpose that changes needs another number.
const OF_STORE_KEY: &[u8] = b"memoryd store key 1";
const OF_NAMES: &[u8] = b"memoryd names 1";
const OF_MEMBERS: &[u8] = b"memoryd members 1";
const OF_SYSTEM: &[u8] = b"memoryd system 1";

/// The owner's keys: the one that counts, and the one that it takes the place of.
#[derive(Debug, Clone)]
pub struct EncryptionKeys {
    pub current: SealingKey,
    pub previous: Option<SealingKey>,
}

/// The key of the store, wrapped by the owner's. Its key in the tree is 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StoreKey {
    owner: KeyName,
    salt: [u8; 32],
    /// Nonce, the wrapped key, tag.
    wrapped: Vec<u8>,
    /// Whether everything is sealed, and older files are gone. Until then some values may be plain.
    pub(super) is_whole: bool,
}

/// A wrapped key of a store as it lies on disk since version 1.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoreKeyV1 {
    owner: [u8; 4],
    salt: [u8; 32],
    wrapped: Vec<u8>,
    is_whole: bool,
}

/// A user of an encrypted store: takes the place of [`super::records::SessionNumber`].
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    pub(super) number: SessionNo,
    /// Nonce, name and data key, tag.
    wrapped: Vec<u8>,
}

/// A user of an encrypted store as he lies on disk since version 1.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MemberV1 {
    number: u32,
    wrapped: Vec<u8>,
}

/// The keyed hash of a user's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NameHash(pub(super) [u8; 32]);

/// The keys of an encrypted store, unwrapped.
pub(super) struct Vault {
    store_key: SecretKey,
    owner: SealingKey,
    names: hmac::Key,
    members: DataKey,
    system: DataKey,
    /// What is to be written at the start: a store is encrypted for the first time, or for a new key.
    pending: Option<StoreKey>,
    takes_plain: Arc<AtomicBool>,
}

/// What seals the values of one session.
#[derive(Clone)]
pub(super) struct DataKey {
    key: Arc<LessSafeKey>,
    /// While a plain store is being encrypted.
    takes_plain: Arc<AtomicBool>,
}

/// The place of a user, or of the system, among the sessions.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    pub(super) number: SessionNo,
    /// Nothing in a store that is not encrypted.
    key: Option<DataKey>,
    /// The full key of the record that says so. The system has none.
    pub(super) record: Vec<u8>,
}

impl Vault {
    /// Unwraps the key of the store that these trees are of. Nothing if the store is not encrypted and need not be.
    pub(super) fn open(
        trees: &Arc<Trees>,
        keys: Option<&EncryptionKeys>,
    ) -> Result<Option<Self>, StoreError> {
        match (stored_key(trees)?, keys) {
            (None, _) if has_members(trees)? => Err(StoreError::StoreKeyLost),
            (None, None) => Ok(None),
            (None, Some(keys)) => Ok(Some(Self::new(&keys.current)?)),
            (Some(found), keys) => Self::unlock(&found, keys).map(Some),
        }
    }

    /// Unwraps with the owner's key, or with the one before it.
    pub(super) fn unlock(
        found: &StoreKey,
        keys: Option<&EncryptionKeys>,
    ) -> Result<Self, StoreError> {
        let Some(keys) = keys else {
            return Err(StoreError::Encrypted { key: found.owner.to_string() });
        };
        let given = std::iter::once(&keys.current).chain(&keys.previous);
        let Some(owner) = given.into_iter().find(|key| key.name() == found.owner) else {
            let (key, given) = (found.owner.to_string(), keys.current.name().to_string());
            return Err(StoreError::OtherKey { key, given });
        };
        let store_key = found.unwrap(owner)?;
        let takes_plain = Arc::new(AtomicBool::new(!found.is_whole));
        let mut vault = Self::of(store_key, keys.current.clone(), takes_plain)?;
        if owner.name() != keys.current.name() {
            vault.pending = Some(vault.wrapped(false)?);
        }
        Ok(vault)
    }

    fn new(owner: &SealingKey) -> Result<Self, StoreError> {
        let takes_plain = Arc::new(AtomicBool::new(true));
        let mut vault = Self::of(random()?, owner.clone(), takes_plain)?;
        vault.pending = Some(vault.wrapped(false)?);
        Ok(vault)
    }

    fn of(
        store_key: [u8; KEY_BYTES],
        owner: SealingKey,
        takes_plain: Arc<AtomicBool>,
    ) -> Result<Self, StoreError> {
        let secret = Salt::new(HKDF_SHA256, &[]).extract(&store_key);
        let data_key = |purpose| -> Result<DataKey, StoreError> {
            let key = UnboundKey::from(expand(&secret, purpose, &CHACHA20_POLY1305)?);
            Ok(DataKey::new(key, &takes_plain))
        };
        let names = hmac::Key::from(expand(&secret, &[OF_NAMES], hmac::HMAC_SHA256)?);
        let (members, system) = (data_key(&[OF_MEMBERS])?, data_key(&[OF_SYSTEM])?);
        let store_key = SecretKey::new(store_key);
        Ok(Self { store_key, owner, names, members, system, pending: None, takes_plain })
    }

    /// What has to be written before anything else, if the start changes something.
    pub(super) fn pending(&self) -> Option<&StoreKey> {
        self.pending.as_ref()
    }

    /// The name of the owner's key of today.
    pub(super) fn owner(&self) -> KeyName {
        self.owner.name()
    }

    /// Whether some values may still be plain.
    pub(super) fn takes_plain(&self) -> bool {
        self.takes_plain.load(Acquire)
    }

    /// From now on a plain value is a damaged one.
    pub(super) fn refuse_plain(&self) {
        self.takes_plain.store(false, Release);
    }

    /// The key of the store, wrapped by the owner's key of today.
    pub(super) fn wrapped(&self, is_whole: bool) -> Result<StoreKey, StoreError> {
        let salt = random()?;
        let key = wrapping_key(&self.owner, &salt)?;
        let wrapped = seal_bytes(&key, &[u8::from(is_whole)], self.store_key.reveal())?;
        Ok(StoreKey { owner: self.owner.name(), salt, wrapped, is_whole })
    }

    pub(super) fn system(&self) -> Seat {
        let key = Some(self.system.clone());
        Seat { number: SessionNo::SYSTEM, key, record: Vec::new() }
    }

    /// A place for a user, and the value of its record.
    pub(super) fn enrol(
        &self,
        user: &UserId,
        number: SessionNo,
    ) -> Result<(Seat, Vec<u8>), StoreError> {
        let hash = self.hash(user);
        let data_key: [u8; KEY_BYTES] = random()?;
        let secret = [data_key.as_slice(), user.as_str().as_bytes()].concat();
        let wrapped = seal_bytes(&self.members.key, &told_of(&hash, number), &secret)?;
        let value = codec::encode(&Member { number, wrapped });
        let value = value.map_err(StoreError::damaged::<Member>)?;
        Ok((self.seat(number, hash, &data_key)?, value))
    }

    /// Whose record this is, and where he sits.
    pub(super) fn member(
        &self,
        hash: NameHash,
        member: &Member,
    ) -> Result<(UserId, Seat), StoreError> {
        let damaged = StoreError::damaged::<Member>;
        let told = told_of(&hash, member.number);
        let secret = open_bytes(&self.members.key, &told, &member.wrapped).map_err(damaged)?;
        let parts = secret.split_first_chunk::<KEY_BYTES>();
        let (data_key, name) = parts.ok_or(damaged(CodecError::Unsealable))?;
        let name = std::str::from_utf8(name).ok().and_then(|name| UserId::parse(name).ok());
        let user = name.ok_or(damaged(CodecError::Field("name")))?;
        Ok((user, self.seat(member.number, hash, data_key)?))
    }

    fn seat(
        &self,
        number: SessionNo,
        hash: NameHash,
        data_key: &[u8; KEY_BYTES],
    ) -> Result<Seat, StoreError> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, data_key).map_err(|_| unusable())?;
        let key = Some(DataKey::new(key, &self.takes_plain));
        Ok(Seat { number, key, record: session::full_key::<Member>(&hash) })
    }

    fn hash(&self, user: &UserId) -> NameHash {
        let tag = hmac::sign(&self.names, user.as_str().as_bytes());
        NameHash(tag.as_ref().first_chunk().copied().unwrap_or_default())
    }
}

impl StoreKey {
    /// The name of the key that it is wrapped with.
    pub(super) fn owner(&self) -> KeyName {
        self.owner
    }

    fn unwrap(&self, owner: &SealingKey) -> Result<[u8; KEY_BYTES], StoreError> {
        let damaged = StoreError::damaged::<Self>;
        let key = wrapping_key(owner, &self.salt)?;
        let opened = open_bytes(&key, &[u8::from(self.is_whole)], &self.wrapped);
        let opened = opened.map_err(damaged)?;
        opened.try_into().map_err(|_| damaged(CodecError::Unsealable))
    }
}

impl DataKey {
    fn new(key: UnboundKey, takes_plain: &Arc<AtomicBool>) -> Self {
        Self { key: Arc::new(LessSafeKey::new(key)), takes_plain: Arc::clone(takes_plain) }
    }
}

impl Seat {
    /// Of a store that is not encrypted.
    pub(super) fn plain(number: SessionNo, record: Vec<u8>) -> Self {
        Self { number, key: None, record }
    }

    pub(super) fn is_plain(&self) -> bool {
        self.key.is_none()
    }

    /// What lies on the disk for a value.
    pub(super) fn seal<'a>(
        &self,
        key: &[u8],
        value: &'a [u8],
    ) -> Result<Cow<'a, [u8]>, StoreError> {
        match &self.key {
            None => Ok(Cow::Borrowed(value)),
            Some(data_key) => {
                let sealed = seal_bytes(&data_key.key, &self.told(key), value)?;
                Ok(Cow::Owned(codec::envelope(SEALED, &sealed)))
            }
        }
    }

    /// The value that lies on the disk like this.
    pub(super) fn open(&self, key: &[u8], value: Vec<u8>) -> Result<Vec<u8>, CodecError> {
        match (&self.key, is_sealed(&value)) {
            (None, false) => Ok(value),
            (Some(data_key), false) if data_key.takes_plain.load(Acquire) => Ok(value),
            (None, true) | (Some(_), false) => Err(CodecError::Unsealable),
            (Some(data_key), true) => {
                let (_, body) = codec::unwrap(&value)?;
                open_bytes(&data_key.key, &self.told(key), body)
            }
        }
    }

    fn told(&self, key: &[u8]) -> Vec<u8> {
        [&self.number.0.to_le_bytes(), key].concat()
    }
}

/// Whether a value that lies on the disk is sealed.
pub(super) fn is_sealed(value: &[u8]) -> bool {
    value.first() == Some(&SEALED)
}

/// Whether an operation is about the key of the store.
pub(super) fn is_store_key(op: Op<'_>) -> bool {
    op.session == SessionNo::SYSTEM && op.key.first() == Some(&StoreKey::PREFIX)
}

/// Whether the value of a record is sealed in an encrypted store. The others hold what opens them.
pub(super) fn is_to_seal(session: SessionNo, key: &[u8]) -> bool {
    let is_of_keys = matches!(key.first(), Some(&(StoreKey::PREFIX | Member::PREFIX)));
    session != SessionNo::SYSTEM || !is_of_keys
}

/// The records of these trees that hold keys. None if the store is not encrypted.
pub(super) fn records(trees: &Arc<Trees>) -> Result<Vec<Entry>, StoreError> {
    let range = vec![StoreKey::PREFIX]..=vec![Member::PREFIX + 1];
    trees.range(SessionNo::SYSTEM, range).map(|entry| Ok(entry?)).collect()
}

fn stored_key(trees: &Trees) -> Result<Option<StoreKey>, StoreError> {
    let value = trees.get(SessionNo::SYSTEM, &session::full_key::<StoreKey>(&OnlyKey))?;
    let found = value.map(|value| codec::decode(&OnlyKey, &value)).transpose();
    found.map_err(StoreError::damaged::<StoreKey>)
}

fn has_members(trees: &Arc<Trees>) -> Result<bool, StoreError> {
    let range = vec![Member::PREFIX]..=vec![Member::PREFIX + 1];
    Ok(trees.range(SessionNo::SYSTEM, range).next().transpose()?.is_some())
}

fn wrapping_key(owner: &SealingKey, salt: &[u8]) -> Result<LessSafeKey, StoreError> {
    let key = owner.derive(salt, OF_STORE_KEY).map_err(|_| unusable())?;
    Ok(LessSafeKey::new(key))
}

fn expand<'a, L: KeyType>(
    secret: &'a Prk,
    purpose: &'a [&'a [u8]],
    length: L,
) -> Result<Okm<'a, L>, StoreError> {
    secret.expand(purpose, length).map_err(|_| unusable())
}

fn told_of(hash: &NameHash, number: SessionNo) -> Vec<u8> {
    [hash.0.as_slice(), &number.0.to_le_bytes()].concat()
}

fn seal_bytes(key: &LessSafeKey, told: &[u8], plain: &[u8]) -> Result<Vec<u8>, StoreError> {
    let nonce: [u8; NONCE_LEN] = random()?;
    let mut text = plain.to_vec();
    let unique = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(unique, Aad::from(told), &mut text).map_err(|_| unusable())?;
    Ok([nonce.as_slice(), &text].concat())
}

fn open_bytes(key: &LessSafeKey, told: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CodecError> {
    let parts = sealed.split_first_chunk::<NONCE_LEN>();
    let (nonce, text) = parts.ok_or(CodecError::Unsealable)?;
    let mut text = text.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let opened = key.open_in_place(nonce, Aad::from(told), &mut text);
    let length = opened.map_err(|_| CodecError::Unsealable)?.len();
    text.truncate(length);
    Ok(text)
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| StoreError::unavailable("the system gives no random numbers"))?;
    Ok(bytes)
}

fn unusable() -> StoreError {
    StoreError::unavailable("the cipher refuses its key")
}

impl Record for StoreKey {
    type Key = OnlyKey;
    type Body = StoreKeyV1;
    const PREFIX: u8 = 4;
    const VERSION: u8 = 1;
    const KIND: &'static str = "store key";

    fn to_body(&self) -> StoreKeyV1 {
        let (salt, wrapped) = (self.salt, self.wrapped.clone());
        StoreKeyV1 { owner: self.owner.to_bytes(), salt, wrapped, is_whole: self.is_whole }
    }

    fn from_body(_: &OnlyKey, body: StoreKeyV1) -> Result<Self, CodecError> {
        let StoreKeyV1 { owner, salt, wrapped, is_whole } = body;
        Ok(Self { owner: KeyName::from_bytes(owner), salt, wrapped, is_whole })
    }
}

impl Record for Member {
    type Key = NameHash;
    type Body = MemberV1;
    const PREFIX: u8 = 5;
    const VERSION: u8 = 1;
    const KIND: &'static str = "member";

    fn to_body(&self) -> MemberV1 {
        MemberV1 { number: self.number.0, wrapped: self.wrapped.clone() }
    }

    fn from_body(_: &NameHash, body: MemberV1) -> Result<Self, CodecError> {
        match SessionNo(body.number) {
            SessionNo::SYSTEM => Err(CodecError::Field("number")),
            number => Ok(Self { number, wrapped: body.wrapped }),
        }
    }
}

impl Key for NameHash {
    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vault({})", self.owner.name())
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(..)")
    }
}
