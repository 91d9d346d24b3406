//! What waits for its next step, in memory: registrations that nobody approved yet, requests that a user
//! has not answered, codes that are not changed for tokens. All of it is bounded, ends by itself, and is
//! gone with the process: a client then begins anew.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Approved, AuthorizeRequest, digest_of, new_code};
use crate::auth::{RandomnessFailed, generate_key};
use crate::model::{OauthClient, Secret, Timestamp, TokenDigest, TokenPrefix, UserId};

/// A client registers when it looks whether a server is there, and forgets about it.
const CLIENT_LIFE: Duration = Duration::from_secs(3_600);
const MOST_CLIENTS: usize = 50;
/// As long as a person may take to sign in and decide.
const REQUEST_LIFE: Duration = Duration::from_secs(600);
const MOST_REQUESTS: usize = 100;
/// A client changes a code at once.
const CODE_LIFE: Duration = Duration::from_secs(60);
/// How long a code that was used is known again, so that its second use ends the grant.
const MEMORY_OF_CODES: Duration = Duration::from_secs(600);
const MOST_CODES: usize = 100;

/// How many strangers of one address may begin something within a minute.
const MINUTE: Duration = Duration::from_secs(60);
const REGISTRATIONS: u32 = 20;
const REQUESTS: u32 = 60;
/// So many addresses are told apart.
const MOST_ADDRESSES: usize = 1_024;

/// What a stranger may begin, each counted for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    Register,
    Authorize,
}

/// An address has begun too much. In whole seconds it may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany {
    pub retry_after: u64,
}

/// What a code is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spending {
    /// It was never shown before.
    Fresh(Box<Approved>),
    /// It was shown before: whatever it was changed for has to end.
    Spent(TokenPrefix),
    Unknown,
}

/// What waits. Shared by all workers, and locked for some lines.
#[derive(Debug, Default)]
pub struct Lobby(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// The one that was heard of last stands last.
    clients: Vec<OauthClient>,
    requests: Vec<Request>,
    codes: Vec<Code>,
    begun: HashMap<(Door, IpAddr), Begun>,
}

#[derive(Debug)]
struct Request {
    id: TokenDigest,
    asked: AuthorizeRequest,
    /// Who was asked last.
    shown_to: Option<UserId>,
    ends: Timestamp,
}

#[derive(Debug)]
struct Code {
    digest: TokenDigest,
    approved: Approved,
    ends: Timestamp,
    is_spent: bool,
    /// It came a second time.
    is_burnt: bool,
}

#[derive(Debug, Clone, Copy)]
struct Begun {
    since: Timestamp,
    count: u32,
}

impl Lobby {
    /// Counts something that a stranger begins.
    pub fn enter(&self, door: Door, address: IpAddr, now: Timestamp) -> Result<(), TooMany> {
        let mut waiting = self.lock();
        let most = match door {
            Door::Register => REGISTRATIONS,
            Door::Authorize => REQUESTS,
        };
        let is_over = |begun: &Begun| now.since(begun.since) >= MINUTE;
        if waiting.begun.len() >= MOST_ADDRESSES {
            waiting.begun.retain(|_, begun| !is_over(begun));
        }
        if waiting.begun.len() >= MOST_ADDRESSES {
            // So many within a minute are one attacker with many addresses; counting them is no help.
            waiting.begun.clear();
        }
        let fresh = Begun { since: now, count: 0 };
        let begun = waiting.begun.entry((door, network_of(address))).or_insert(fresh);
        if is_over(begun) {
            *begun = fresh;
        }
        if begun.count >= most {
            let left = MINUTE.saturating_sub(now.since(begun.since));
            return Err(TooMany { retry_after: left.as_secs().saturating_add(1) });
        }
        begun.count += 1;
        Ok(())
    }

    /// Keeps a registration until it is approved, or for an hour.
    pub fn register(&self, client: OauthClient, now: Timestamp) {
        let mut waiting = self.lock();
        waiting.sweep(now);
        waiting.clients.push(client);
        keep_last(&mut waiting.clients, MOST_CLIENTS);
    }

    /// A client that has registered, which is then the last to be forgotten, or one that was allowed
    /// something and has not come for it yet.
    #[must_use]
    pub fn client(&self, id: &str, now: Timestamp) -> Option<OauthClient> {
        let mut waiting = self.lock();
        waiting.sweep(now);
        let Some(at) = waiting.clients.iter().position(|client| client.id == id) else {
            let mut allowed = waiting.codes.iter().filter(|code| now < code.ends);
            let found = allowed.find(|code| code.approved.grant.client.id == id)?;
            return Some(found.approved.grant.client.clone());
        };
        let client = waiting.clients.remove(at);
        waiting.clients.push(client.clone());
        Some(client)
    }

    /// Forgets a registration whose client is kept with what it was allowed.
    pub fn forget_client(&self, id: &str) {
        self.lock().clients.retain(|client| client.id != id);
    }

    /// Lets go of all that waits for a client which is gone.
    pub fn dismiss_client(&self, id: &str) {
        let mut waiting = self.lock();
        waiting.clients.retain(|client| client.id != id);
        waiting.requests.retain(|request| request.asked.client.id != id);
        waiting.codes.retain(|code| code.approved.grant.client.id != id);
    }

    /// Lets go of all that waits for a user: the codes of what was allowed, the requests that were shown,
    /// and the registrations of the clients behind both, unless others have to do with them as well.
    pub fn forget_user(&self, user: &UserId) {
        let mut waiting = self.lock();
        let was_shown = |request: &mut Request| request.shown_to.as_ref() == Some(user);
        let shown = waiting.requests.extract_if(.., was_shown);
        let mut theirs: Vec<String> = shown.map(|request| request.asked.client.id).collect();
        let has_allowed = |code: &mut Code| code.approved.grant.user == *user;
        let allowed = waiting.codes.extract_if(.., has_allowed);
        theirs.extend(allowed.map(|code| code.approved.grant.client.id));
        let others: BTreeSet<String> = waiting.awaited().map(str::to_owned).collect();
        waiting
            .clients
            .retain(|client| !theirs.contains(&client.id) || others.contains(&client.id));
    }

    /// Keeps a request until a user has answered it. The name by which it is found again is nobody's to
    /// guess.
    pub fn ask(&self, asked: AuthorizeRequest, now: Timestamp) -> Result<Secret, RandomnessFailed> {
        let id = generate_key()?;
        let mut waiting = self.lock();
        waiting.sweep(now);
        let ends = now.plus(REQUEST_LIFE);
        let id_digest = digest_of(id.reveal());
        waiting.requests.push(Request { id: id_digest, asked, shown_to: None, ends });
        keep_last(&mut waiting.requests, MOST_REQUESTS);
        Ok(id)
    }

    /// A request that waits for an answer.
    #[must_use]
    pub fn asked(&self, id: &str, now: Timestamp) -> Option<AuthorizeRequest> {
        let mut waiting = self.lock();
        waiting.sweep(now);
        let id = digest_of(id);
        waiting.requests.iter().find(|request| request.id == id).map(|found| found.asked.clone())
    }

    /// Notes who is asked.
    pub fn note_shown(&self, id: &str, user: &UserId) {
        let id = digest_of(id);
        let mut waiting = self.lock();
        if let Some(request) = waiting.requests.iter_mut().find(|request| request.id == id) {
            request.shown_to = Some(user.clone());
        }
    }

    /// Takes a request to answer it, which can be done once.
    #[must_use]
    pub fn answer(&self, id: &str, now: Timestamp) -> Option<AuthorizeRequest> {
        let mut waiting = self.lock();
        waiting.sweep(now);
        let id = digest_of(id);
        let at = waiting.requests.iter().position(|request| request.id == id)?;
        Some(waiting.requests.remove(at).asked)
    }

    /// Makes a code for what a user has allowed.
    pub fn allow(&self, approved: Approved, now: Timestamp) -> Result<Secret, RandomnessFailed> {
        let code = new_code()?;
        let mut waiting = self.lock();
        waiting.sweep(now);
        let (digest, ends) = (digest_of(code.reveal()), now.plus(CODE_LIFE));
        waiting.codes.push(Code { digest, approved, ends, is_spent: false, is_burnt: false });
        keep_last(&mut waiting.codes, MOST_CODES);
        Ok(code)
    }

    /// Takes a code from the client that it was made for. Whatever else is wrong with the exchange, it
    /// cannot be tried again.
    #[must_use]
    pub fn spend(&self, code: &TokenDigest, client: &str, now: Timestamp) -> Spending {
        let mut waiting = self.lock();
        waiting.sweep(now);
        let is_meant =
            |kept: &&mut Code| kept.digest == *code && kept.approved.grant.client.id == client;
        let Some(kept) = waiting.codes.iter_mut().find(is_meant) else { return Spending::Unknown };
        if kept.is_spent {
            kept.is_burnt = true;
            return Spending::Spent(kept.approved.grant.id.clone());
        }
        if kept.ends <= now {
            return Spending::Unknown;
        }
        kept.is_spent = true;
        Spending::Fresh(Box::new(kept.approved.clone()))
    }

    /// Whether a code is still known, spent or not. What has let go of it wants no grant of it.
    #[must_use]
    pub fn holds(&self, code: &TokenDigest) -> bool {
        self.lock().codes.iter().any(|kept| kept.digest == *code)
    }

    /// Whether a code came again while it was changed for tokens.
    #[must_use]
    pub fn is_burnt(&self, code: &TokenDigest) -> bool {
        self.lock().codes.iter().any(|kept| kept.digest == *code && kept.is_burnt)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Lets go of what has waited too long.
    fn sweep(&mut self, now: Timestamp) {
        self.clients.retain(|client| now < client.registered_at.plus(CLIENT_LIFE));
        self.requests.retain(|request| now < request.ends);
        self.codes.retain(|code| now < code.ends.plus(MEMORY_OF_CODES));
    }

    /// The clients that have a request or a code.
    fn awaited(&self) -> impl Iterator<Item = &str> {
        let asking = self.requests.iter().map(|request| request.asked.client.id.as_str());
        asking.chain(self.codes.iter().map(|code| code.approved.grant.client.id.as_str()))
    }
}

fn keep_last<T>(list: &mut Vec<T>, most: usize) {
    list.drain(..list.len().saturating_sub(most));
}

/// Whoever has one address of IPv6 has its whole network of 64 bits.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(whole) => IpAddr::V6(((whole.to_bits() >> 64) << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rotation::tests::grant;
    use super::super::{Issuer, Pairs, Registration, pinned_client};
    use super::*;
    use crate::model::Grant;

    fn later(seconds: u64) -> Timestamp {
        Timestamp(0).plus(Duration::from_secs(seconds))
    }

    fn client(now: Timestamp) -> OauthClient {
        let told = serde_json::json!({ "redirect_uris": ["http://localhost/cb"] });
        let registration = Registration::parse(told.as_object().unwrap()).unwrap();
        registration.register(now).unwrap().client
    }

    fn asked() -> AuthorizeRequest {
        let query = "client_id=https://claude.ai/oauth/claude-code-client-metadata&response_type=code&\
                     redirect_uri=http://localhost:1/callback&code_challenge_method=S256&\
                     code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        let pairs = Pairs::parse(query).unwrap();
        AuthorizeRequest::parse(&pairs, &Issuer::of("https://h"), pinned_client).unwrap()
    }

    fn approved() -> Approved {
        let AuthorizeRequest { redirect, challenge, .. } = asked();
        Approved { grant: grant(), redirect, challenge, by: None }
    }

    #[test]
    fn a_thousand_registrations_are_fifty_and_those_in_use_stay() {
        let lobby = Lobby::default();
        let used = client(later(0));
        lobby.register(used.clone(), later(0));

        for _ in 0..1_000 {
            lobby.register(client(later(1)), later(1));
            assert!(lobby.client(&used.id, later(1)).is_some());
        }
        assert_eq!(lobby.lock().clients.len(), MOST_CLIENTS);
        assert!(lobby.client(&used.id, later(3_600)).is_none(), "an hour is over");
        lobby.register(client(later(3_601)), later(3_601));
        let last = lobby.lock().clients[0].id.clone();
        lobby.forget_client(&last);
        assert!(lobby.lock().clients.is_empty());
    }

    #[test]
    fn an_address_begins_so_much_in_a_minute_and_no_more() {
        let lobby = Lobby::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let enter = |from: &str, now| lobby.enter(Door::Register, address(from), now);

        for _ in 0..REGISTRATIONS {
            assert_eq!(enter("2001:db8::1", later(0)), Ok(()));
        }
        assert_eq!(enter("2001:db8::2", later(59)), Err(TooMany { retry_after: 2 }));
        assert_eq!(enter("2001:db8:0:1::1", later(59)), Ok(()));
        assert_eq!(lobby.enter(Door::Authorize, address("2001:db8::1"), later(59)), Ok(()));
        assert_eq!(enter("2001:db8::1", later(60)), Ok(()));

        for n in 0..5_000_u32 {
            let from = std::net::Ipv4Addr::from(n).into();
            assert_eq!(lobby.enter(Door::Register, from, later(61)), Ok(()));
        }
        assert!(lobby.lock().begun.len() <= MOST_ADDRESSES);
    }

    #[test]
    fn a_request_is_answered_once_and_waits_ten_minutes() {
        let lobby = Lobby::default();
        let id = lobby.ask(asked(), later(0)).unwrap();

        assert_eq!(lobby.asked(id.reveal(), later(599)), Some(asked()));
        assert_eq!(lobby.answer(id.reveal(), later(599)), Some(asked()));
        assert_eq!(lobby.answer(id.reveal(), later(599)), None);
        let id = lobby.ask(asked(), later(0)).unwrap();
        assert_eq!(lobby.asked(id.reveal(), later(600)), None);
        assert_eq!(lobby.asked("", later(0)), None);
    }

    #[test]
    fn a_code_is_spent_once_and_its_second_use_is_told() {
        let lobby = Lobby::default();
        let approved = approved();
        let (owner, id) = (approved.grant.client.id.clone(), approved.grant.id.clone());
        let code = lobby.allow(approved.clone(), later(0)).unwrap();
        let digest = digest_of(code.reveal());

        assert_eq!(lobby.spend(&digest, "mc_other", later(1)), Spending::Unknown);
        assert_eq!(
            lobby.spend(&digest, &owner, later(1)),
            Spending::Fresh(Box::new(approved.clone()))
        );
        assert!(!lobby.is_burnt(&digest));
        assert_eq!(lobby.spend(&digest, &owner, later(100)), Spending::Spent(id));
        assert!(lobby.is_burnt(&digest));

        let late = lobby.allow(approved, later(0)).unwrap();
        assert_eq!(lobby.spend(&digest_of(late.reveal()), &owner, later(60)), Spending::Unknown);
    }

    #[test]
    fn nothing_waits_for_a_user_who_is_erased_and_all_else_stays() {
        let lobby = Lobby::default();
        let [ada, bob] = ["ada", "bob"].map(|name| UserId::parse(name).unwrap());
        let [hers, both] = [client(later(0)), client(later(0))];
        let ask = |client: &OauthClient, user: &UserId| {
            let asked = AuthorizeRequest { client: client.clone(), ..asked() };
            let id = lobby.ask(asked, later(0)).unwrap();
            lobby.note_shown(id.reveal(), user);
            id
        };
        let allow = |client: &OauthClient, user: &UserId| {
            let grant = Grant { client: client.clone(), user: user.clone(), ..grant() };
            let code = lobby.allow(Approved { grant, ..approved() }, later(0)).unwrap();
            digest_of(code.reveal())
        };
        lobby.register(hers.clone(), later(0));
        lobby.register(both.clone(), later(0));
        let (her_request, his_request) = (ask(&hers, &ada), ask(&both, &bob));
        let (her_code, his_code) = (allow(&both, &ada), allow(&both, &bob));
        let spent = lobby.spend(&her_code, &both.id, later(1));
        assert!(matches!(spent, Spending::Fresh(_)) && lobby.holds(&her_code));

        lobby.forget_user(&ada);

        assert!(!lobby.holds(&her_code) && lobby.holds(&his_code));
        assert_eq!(lobby.spend(&her_code, &both.id, later(1)), Spending::Unknown);
        assert!(lobby.asked(her_request.reveal(), later(1)).is_none());
        assert!(lobby.asked(his_request.reveal(), later(1)).is_some());
        assert!(lobby.client(&hers.id, later(1)).is_none());
        assert!(lobby.client(&both.id, later(1)).is_some(), "it is his as well");
    }

    #[test]
    fn a_client_that_leaves_has_nothing_that_waits() {
        let lobby = Lobby::default();
        let id = lobby.ask(asked(), later(0)).unwrap();
        let code = lobby.allow(approved(), later(0)).unwrap();

        lobby.dismiss_client(&asked().client.id);
        assert!(lobby.asked(id.reveal(), later(1)).is_none(), "the request is gone");
        assert!(lobby.holds(&digest_of(code.reveal())), "the code of another stays");
        lobby.dismiss_client(&approved().grant.client.id);
        assert!(!lobby.holds(&digest_of(code.reveal())));
    }
}
