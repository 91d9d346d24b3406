//! Who has signed in with a browser.
//!
//! Held in memory only: a restart signs everybody out. Of a cookie the digest is kept. Each request
//! looks again whether the credential is still good, so that what is taken back opens nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::cookies::{self, Wire};
use crate::actors::{Accounts, CallError};
use crate::auth::{AuthError, BrowserDigest, FormKey, RandomnessFailed, TokenError, generate_key};
use crate::error::Error;
use crate::http::front::Client;
use crate::model::{Caller, MemoryId, Scope, Scopes, Secret, Timestamp, UserId};

/// A browser that nobody has used for so long is another person's by now.
const IDLE: Duration = Duration::from_secs(12 * 3_600);
/// However often it is used, a cookie that was stolen ends.
pub(super) const LONGEST: Duration = Duration::from_secs(7 * 86_400);
/// How long what cannot be undone goes without showing the credential again.
const FRESH: Duration = Duration::from_secs(5 * 60);
/// A household with its devices. The one that was used least recently gives way.
const MOST: usize = 20;
/// Streams of one browser: over HTTP/1.1 it opens six connections, and needs some for its pages.
const STREAMS: usize = 4;
/// How long one more stream waits for the end of another that nobody hears any more. A page waits for none.
const REPLY: Duration = Duration::from_secs(1);
/// How long a link from the command line waits for its browser.
pub(super) const LINK_LIFE: Duration = Duration::from_secs(60);

/// How one signs in.
#[derive(Debug, Clone, Copy)]
pub struct SignInRules {
    /// Whether it takes a credential.
    pub is_guarded: bool,
    /// Whether browsers of other machines may come without TLS.
    pub allows_http: bool,
}

/// The browsers that are signed in. Cheap to clone.
#[derive(Clone)]
pub struct BrowserSessions(Arc<Shared>);

struct Shared {
    accounts: Accounts,
    rules: SignInRules,
    kept: Mutex<Kept>,
    /// Raised whenever one has ended or shows somebody else, so that open streams look again.
    ended: watch::Sender<u64>,
    /// Raised when a browser wants one more stream than it may have, so that each says something: over
    /// HTTP/2 it is by writing that one learns that nobody hears it.
    knocked: watch::Sender<u64>,
    /// Told when a stream has ended.
    freed: Notify,
}

#[derive(Default)]
struct Kept {
    signed_in: BTreeMap<BrowserDigest, SignedIn>,
    links: BTreeMap<BrowserDigest, (Caller, Timestamp)>,
    /// How many streams each browser has open.
    streams: BTreeMap<BrowserDigest, usize>,
}

struct SignedIn {
    caller: Caller,
    forms: FormKey,
    began: Timestamp,
    used: Timestamp,
    /// When the credential was shown last.
    confirmed: Timestamp,
    /// What the next page says.
    note: Option<PageNote>,
    /// The other user whose memories its pages show.
    looks_at: Option<UserId>,
}

/// A word on what has just been done, for the page that comes next.
#[derive(Debug, Clone)]
pub struct PageNote {
    pub text: String,
    /// The memories whose last change it was, as far as that can be undone.
    pub undo: Vec<MemoryId>,
}

/// Leave to have one stream open. Given back when dropped.
pub(super) struct StreamSeat {
    sessions: BrowserSessions,
    digest: BrowserDigest,
}

/// A browser that is signed in, as one request finds it.
#[derive(Debug, Clone)]
pub struct BrowserSession {
    /// As whom the request acts.
    pub caller: Caller,
    /// Whether the credential was shown within the last minutes, as what cannot be undone needs it.
    pub is_fresh: bool,
    /// Who has signed in.
    pub own: UserId,
    /// The other user whose memories the pages show. Nothing outside of them: what is allowed to a program
    /// is one's own.
    pub looks_at: Option<UserId>,
    forms: FormKey,
    digest: BrowserDigest,
}

impl BrowserSessions {
    #[must_use]
    pub fn new(accounts: Accounts, rules: SignInRules) -> Self {
        Self(Arc::new(Shared {
            accounts,
            rules,
            kept: Mutex::default(),
            ended: watch::Sender::new(0),
            knocked: watch::Sender::new(0),
            freed: Notify::new(),
        }))
    }

    #[must_use]
    pub fn rules(&self) -> SignInRules {
        self.0.rules
    }

    /// Who has signed in with the browser that a request comes from; nobody if the time is over or the
    /// credential is no longer good.
    #[must_use]
    pub fn of(&self, request: &HttpRequest) -> Option<BrowserSession> {
        let client = request.extensions().get::<Client>().copied()?;
        let now = self.0.accounts.now();
        let shown = cookies::shown(request, client);
        let digests: Vec<BrowserDigest> = shown.into_iter().map(BrowserDigest::of).collect();
        let mut kept = self.kept();
        let digest = digests.into_iter().find(|digest| kept.signed_in.contains_key(digest))?;
        let signed = kept.signed_in.get_mut(&digest)?;
        if !signed.is_good(&self.0.accounts, now) {
            kept.signed_in.remove(&digest);
            drop(kept);
            self.tell();
            return None;
        }
        signed.used = now;
        let is_fresh = !self.0.rules.is_guarded || now.since(signed.confirmed) < FRESH;
        let caller = Caller { address: Some(client.address), ..signed.caller.clone() };
        Some(BrowserSession {
            own: caller.user.clone(),
            caller,
            is_fresh,
            looks_at: None,
            forms: signed.forms.clone(),
            digest,
        })
    }

    /// Signs a browser in, under an id that nobody has seen before. Returns what its cookie holds.
    pub fn begin(&self, caller: Caller) -> Result<Secret, Error> {
        let secret = generate_key().map_err(failed)?;
        let forms = FormKey::generate().map_err(failed)?;
        let now = self.0.accounts.now();
        let mut kept = self.kept();
        kept.signed_in.retain(|_, signed| signed.is_good(&self.0.accounts, now));
        if kept.signed_in.len() >= MOST {
            let oldest = kept.signed_in.iter().min_by_key(|(_, signed)| signed.used);
            let oldest = oldest.map(|(digest, _)| *digest);
            if let Some(digest) = oldest {
                kept.signed_in.remove(&digest);
            }
        }
        let signed = SignedIn {
            caller,
            forms,
            began: now,
            used: now,
            confirmed: now,
            note: None,
            looks_at: None,
        };
        kept.signed_in.insert(BrowserDigest::of(secret.reveal()), signed);
        drop(kept);
        self.tell();
        Ok(secret)
    }

    /// Notes that a browser has shown the credential again, if it is one of the same owner that may do
    /// no less than the one with which the browser has signed in.
    pub fn confirm(&self, session: &BrowserSession, shown: &Caller) -> Result<(), Error> {
        let mut kept = self.kept();
        let signed = kept.signed_in.get_mut(&session.digest).ok_or(AuthError::Missing)?;
        if !covers(shown, &signed.caller) {
            return Err(AuthError::Rejected.into());
        }
        signed.confirmed = self.0.accounts.now();
        Ok(())
    }

    /// Has the pages of a browser show another user's memories from now on, or its own again.
    /// Open streams look again: those of the view before end.
    pub fn look_at(&self, session: &BrowserSession, user: Option<UserId>) {
        if let Some(signed) = self.kept().signed_in.get_mut(&session.digest) {
            signed.looks_at = user;
        }
        self.tell();
    }

    /// Whether the pages of a browser still show the memories that they showed to this request.
    pub(super) fn still_shows(&self, session: &BrowserSession) -> bool {
        let kept = self.kept();
        let signed = kept.signed_in.get(&session.digest);
        signed.is_some_and(|signed| signed.looks_at == session.looks_at)
    }

    /// A browser as the pages have it: the memories of somebody else are read, and nothing besides is done
    /// meanwhile.
    pub(super) fn on_pages(&self, session: BrowserSession) -> BrowserSession {
        let wish = |signed: &SignedIn| signed.looks_at.clone();
        let looks_at = self.kept().signed_in.get(&session.digest).and_then(wish);
        let Some(user) = looks_at else { return session };
        let acting = session.caller.on_behalf_of(user.clone());
        let caller = Caller { scopes: Scopes::read_only(), ..acting };
        BrowserSession { caller, looks_at: Some(user), ..session }
    }

    /// Has the next page of a browser say something, and offer to take the last change of some memories back.
    pub fn leave_note(
        &self,
        session: &BrowserSession,
        text: String,
        undo: impl IntoIterator<Item = MemoryId>,
    ) {
        let undo = undo.into_iter().collect();
        if let Some(signed) = self.kept().signed_in.get_mut(&session.digest) {
            signed.note = Some(PageNote { text, undo });
        }
    }

    /// What the page that is made now has to say.
    pub(super) fn take_note(&self, session: &BrowserSession) -> Option<PageNote> {
        self.kept().signed_in.get_mut(&session.digest)?.note.take()
    }

    /// Signs the browser of a request out.
    pub fn end(&self, request: &HttpRequest) {
        let Some(session) = self.of(request) else { return };
        self.kept().signed_in.remove(&session.digest);
        self.tell();
    }

    /// Whether a browser is still signed in.
    #[must_use]
    pub fn is_open(&self, session: &BrowserSession) -> bool {
        let now = self.0.accounts.now();
        let kept = self.kept();
        let signed = kept.signed_in.get(&session.digest);
        signed.is_some_and(|signed| signed.is_good(&self.0.accounts, now))
    }

    /// Turns whenever one has ended or shows somebody else.
    #[must_use]
    pub fn endings(&self) -> watch::Receiver<u64> {
        self.0.ended.subscribe()
    }

    /// Turns whenever each stream should say something.
    pub(super) fn knocks(&self) -> watch::Receiver<u64> {
        self.0.knocked.subscribe()
    }

    /// Takes a place for one more stream of a browser, if it has not too many that are heard.
    pub(super) async fn seat(&self, session: &BrowserSession) -> Option<StreamSeat> {
        if let Some(seat) = self.take_seat(session) {
            return Some(seat);
        }
        raise(&self.0.knocked);
        let given = async {
            loop {
                // Begun before the look, so that none that ends meanwhile is missed.
                let freed = self.0.freed.notified();
                if let Some(seat) = self.take_seat(session) {
                    return seat;
                }
                freed.await;
            }
        };
        timeout(REPLY, given).await.ok()
    }

    fn take_seat(&self, session: &BrowserSession) -> Option<StreamSeat> {
        let mut kept = self.kept();
        let count = kept.streams.entry(session.digest).or_default();
        if *count >= STREAMS {
            return None;
        }
        *count += 1;
        Some(StreamSeat { sessions: self.clone(), digest: session.digest })
    }

    /// Makes a code with which one browser signs in as a caller, once.
    pub fn link(&self, caller: Caller) -> Result<Secret, Error> {
        let code = generate_key().map_err(failed)?;
        let now = self.0.accounts.now();
        let mut kept = self.kept();
        kept.links.retain(|_, (_, end)| now < *end);
        if kept.links.len() >= MOST {
            kept.links.pop_first();
        }
        kept.links.insert(BrowserDigest::of(code.reveal()), (caller, now.plus(LINK_LIFE)));
        Ok(code)
    }

    /// Takes a code back, and tells who it is that came with it.
    #[must_use]
    pub fn redeem(&self, code: &str) -> Option<Caller> {
        let (caller, end) = self.kept().links.remove(&BrowserDigest::of(code.trim()))?;
        (self.0.accounts.now() < end).then_some(caller)
    }

    /// Which cookies a browser can be given over the wire of a request; none where somebody might read
    /// along and nobody said that this is fine.
    pub(super) fn wire(&self, client: Client) -> Option<Wire> {
        Wire::of(client, self.0.rules.allows_http)
    }

    fn tell(&self) {
        raise(&self.0.ended);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SignedIn {
    fn is_good(&self, accounts: &Accounts, now: Timestamp) -> bool {
        let is_open =
            self.caller.token.as_ref().is_none_or(|token| accounts.book().is_open(token, now));
        is_open && now.since(self.used) < IDLE && now.since(self.began) < LONGEST
    }
}

impl BrowserSession {
    /// What a form carries that is made for a purpose. One that was made while the pages showed the
    /// memories of somebody else is for those alone.
    #[must_use]
    pub fn csrf(&self, purpose: &str) -> String {
        self.forms.sign(&self.aim(purpose))
    }

    pub(super) fn accepts(&self, purpose: &str, given: &str) -> bool {
        self.forms.accepts(&self.aim(purpose), given)
    }

    fn aim(&self, purpose: &str) -> String {
        match &self.looks_at {
            Some(user) => format!("{purpose}\0{user}"),
            None => purpose.to_owned(),
        }
    }

    #[must_use]
    pub fn may(&self, needed: Scope) -> bool {
        self.caller.may(needed)
    }
}

impl Drop for StreamSeat {
    fn drop(&mut self) {
        let mut kept = self.sessions.kept();
        if let Some(count) = kept.streams.get_mut(&self.digest) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                kept.streams.remove(&self.digest);
            }
        }
        drop(kept);
        self.sessions.0.freed.notify_waiters();
    }
}

fn raise(count: &watch::Sender<u64>) {
    count.send_modify(|count| *count = count.wrapping_add(1));
}

/// Whether a credential is of the same owner as another and may do all that it may.
fn covers(shown: &Caller, own: &Caller) -> bool {
    let is_wide = shown.bound.is_none() || shown.bound == own.bound;
    let may_all = Scope::ALL.into_iter().all(|scope| !own.may(scope) || shown.may(scope));
    shown.user == own.user && is_wide && may_all
}

fn failed(error: RandomnessFailed) -> Error {
    CallError::from(TokenError::from(error)).into()
}

/// Shows nobody who is in it.
impl fmt::Debug for BrowserSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrowserSessions").field("rules", &self.0.rules).finish_non_exhaustive()
    }
}

/// A handler names `BrowserSession` to learn who has signed in. Outside the gate it fails shut.
impl FromRequest for BrowserSession {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let session = request.extensions().get::<Self>().cloned();
        ready(session.ok_or_else(|| AuthError::Missing.into()))
    }
}
