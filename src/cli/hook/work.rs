use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use serde_json::{Map, Value};

use super::spool::{Goal, Parcel};
use super::state::{State, switch};
use super::way::{Outlook, Refusal, in_store, over_route};
use super::{HookArguments, said};
use crate::actors::Sessions;
use crate::cli::arguments::CommandLine;
use crate::cli::door::Door;
use crate::cli::waiting::wait_for;
use crate::cli::{Failed, tell};
use crate::config::{Config, Reader, Surroundings};
use crate::hooks::{Hook, HookClient, Moment, Sitting, Sittings};
use crate::model::{Caller, SystemClock};

/// One start of a hook, on the way through its moments.
pub(super) struct Work {
    line: CommandLine,
    arguments: HookArguments,
}

/// What a start has found out, and what it has to do yet.
struct Call {
    hook: Hook,
    project: Option<String>,
    /// Nothing where nobody said where anything may be kept.
    state: Option<State>,
    sitting: Sitting,
    goal: Goal,
    /// What goes out for its answer.
    asks: bool,
}

/// Bytes of standard input. A prompt with a file pasted into it is far shorter.
const INPUT_BYTES: u64 = 8 << 20;
/// Turns that are sent at one start; there will be another one.
const SENT_AT_ONCE: usize = 20;
/// Turns that are passed over at one start: with so many refusals it is not the turns.
const PASSED_OVER_AT_ONCE: usize = 100;

impl Work {
    pub(super) fn new(line: &CommandLine, arguments: &HookArguments) -> Self {
        Self { line: line.clone(), arguments: arguments.clone() }
    }

    /// Gives the answer out once, and then does what nobody has to wait for. What goes wrong is noted.
    pub(super) fn carry_out(&self, answers: &Sender<Value>) {
        let config = self.config();
        let state = State::open(config.as_ref().ok(), &self.arguments);
        let known = state.as_ref().ok().cloned().flatten();
        let hook = self.hook();
        let moment = hook.as_ref().map_or(Moment::Other, |hook| hook.moment);
        let done = hook.and_then(|hook| {
            if is_off(&hook) {
                return Ok(());
            }
            let config = config?;
            let goal = self.arguments.goal(&config)?;
            let call = Call::begin(hook, state?, said(&self.arguments.project), goal)?;
            self.send(&config, call, answers)
        });
        let Err(failed) = done else { return };
        let client = HookClient::parse(&self.arguments.client);
        let noted =
            known.map(|state| state.note(client, moment, &failed.to_string(), &SystemClock));
        if !matches!(noted, Some(Ok(()))) {
            // There is nobody else to tell.
            tell(&format!("error: {failed}"));
        }
    }

    fn hook(&self) -> Result<Hook, Failed> {
        let HookArguments { client, event, .. } = &self.arguments;
        let known = HookClient::parse(client).ok_or_else(|| {
            let names = HookClient::ALL.map(HookClient::word).join(", ");
            Failed::new(format!("{client} is no client; those are {names}"))
        });
        Ok(Hook::read(known?, event.as_deref(), &input()?))
    }

    fn config(&self) -> Result<Config, Failed> {
        let surroundings = Surroundings::of_process();
        let loaded = Config::load(&self.line.flags(), &surroundings, Reader::Verb);
        loaded.map(|loaded| loaded.config).map_err(Failed::because)
    }

    /// Asks, and sends what waits.
    fn send(&self, config: &Config, mut call: Call, answers: &Sender<Value>) -> Result<(), Failed> {
        if !call.asks && !call.has_turns() {
            return Ok(());
        }
        let server = self.arguments.server()?;
        if call.goal == Goal::Unsaid {
            return Err(Failed::new(
                "nobody said where memoryd is: give --url, or --data-dir (DATA_DIR)".to_owned(),
            ));
        }
        wait_for(async {
            match Door::open_existing(config, &server).await? {
                Door::Daemon(daemon) => {
                    let channel = daemon.channel()?;
                    let ask = async |parcel: &Parcel| over_route(&channel, parcel).await;
                    call.converse(answers, ask).await
                }
                Door::Local(local) => {
                    let work = async |sessions: &Sessions, caller: &Caller| {
                        let sittings = Sittings::default();
                        sittings.resume(caller, &call.hook, call.sitting.clone());
                        let ask = async |parcel: &Parcel| {
                            in_store(config, sessions, caller, &sittings, parcel).await
                        };
                        let done = call.converse(answers, ask).await;
                        call.sitting = sittings.known(caller, &call.hook);
                        done.and(call.keep())
                    };
                    local.act(config, None, work).await
                }
            }
        })
    }
}

impl Call {
    /// Does all that can be done here. What must not be lost is on the disk afterwards.
    fn begin(
        hook: Hook,
        state: Option<State>,
        project: Option<&str>,
        goal: Goal,
    ) -> Result<Self, Failed> {
        let project = project.map(str::to_owned);
        let sitting = state.as_ref().map(|state| state.sitting(&hook)).unwrap_or_default();
        // Where nothing can be kept here, the server may remember what was said.
        let asks = match hook.moment {
            Moment::Start | Moment::Prompt => {
                hook.client.listens_at(hook.moment) || state.is_none()
            }
            Moment::Answer | Moment::Stop | Moment::End => state.is_none(),
            Moment::Other => false,
        };
        let mut call = Self { hook, project, state, sitting, goal, asks };
        let Some(state) = call.state.clone() else { return Ok(call) };
        call.sitting.note(&call.hook);
        match call.hook.moment {
            Moment::Start | Moment::Prompt | Moment::Answer => call.keep()?,
            Moment::End => state.forget_sitting(&call.hook)?,
            Moment::Stop => call.spool(&state)?,
            Moment::Other => {}
        }
        Ok(call)
    }

    /// Keeps what the next hook of the conversation needs.
    fn keep(&self) -> Result<(), Failed> {
        let is_over = matches!(self.hook.moment, Moment::End | Moment::Other);
        match self.state.as_ref().filter(|_| !is_over) {
            Some(state) => state.keep_sitting(&self.hook, &self.sitting),
            None => Ok(()),
        }
    }

    fn parcel(&self, hook: Hook) -> Parcel {
        Parcel { hook, project: self.project.clone(), goal: self.goal.clone() }
    }

    /// Whether something waits that is not for another server.
    fn has_turns(&self) -> bool {
        let Some(spool) = self.state.as_ref().map(State::spool) else { return false };
        let is_for_other = |name: &String| {
            let turn = spool.read(name).ok().flatten();
            turn.is_some_and(|turn| !self.goal.takes(&turn.goal))
        };
        !spool.names().iter().all(is_for_other)
    }

    /// Puts the turn that is over where it waits.
    fn spool(&mut self, state: &State) -> Result<(), Failed> {
        let Some(turn) = self.sitting.end_turn(self.hook.clone()) else { return Ok(()) };
        let turn = self.parcel(turn.stamped(&SystemClock));
        let gone = state.spool().add(&turn)?;
        self.keep()?;
        if gone > 0 {
            let told = format!("too many turns wait for the server; the {gone} oldest are lost");
            state.note(Some(self.hook.client), self.hook.moment, &told, &SystemClock)?;
        }
        Ok(())
    }

    /// Asks for the answer, gives it out, and sends what waits.
    async fn converse(
        &self,
        answers: &Sender<Value>,
        ask: impl AsyncFn(&Parcel) -> Result<Value, Refusal>,
    ) -> Result<(), Failed> {
        let (client, moment) = (self.hook.client, self.hook.moment);
        if self.asks {
            let answer = ask(&self.parcel(self.hook.clone()))
                .await
                .map_err(|refused| Failed::new(refused.told))?;
            // Whatever the answer says besides, it holds nobody up.
            let answer = client.answer(moment, HookClient::text_of(&answer));
            // Who does not wait any more has the silence.
            let _ = answers.send(answer);
        } else {
            let _ = answers.send(client.answer(moment, None));
        }
        match &self.state {
            Some(state) => self.send_waiting(state, ask).await,
            None => Ok(()),
        }
    }

    /// Sends what waits for this server. What it does not take now stays, and holds up nothing behind it;
    /// the first such refusal is the failure.
    async fn send_waiting(
        &self,
        state: &State,
        ask: impl AsyncFn(&Parcel) -> Result<Value, Refusal>,
    ) -> Result<(), Failed> {
        let spool = state.spool();
        let (mut sent, mut passed_over, mut first) = (0, 0, None);
        for name in spool.names() {
            if sent == SENT_AT_ONCE || passed_over == PASSED_OVER_AT_ONCE {
                break;
            }
            let turn = match spool.read(&name) {
                Ok(Some(turn)) => turn,
                Ok(None) => {
                    spool.remove(&name)?;
                    continue;
                }
                Err(failed) => {
                    first.get_or_insert(failed);
                    continue;
                }
            };
            if !self.goal.takes(&turn.goal) {
                continue;
            }
            match ask(&turn).await {
                Ok(_) => {
                    spool.remove(&name)?;
                    sent += 1;
                }
                Err(Refusal { told, outlook: Outlook::Hopeless }) => {
                    spool.remove(&name)?;
                    sent += 1;
                    let told = format!("a turn was refused, and is lost: {told}");
                    let (client, moment) = (self.hook.client, self.hook.moment);
                    state.note(Some(client), moment, &told, &SystemClock)?;
                }
                Err(Refusal { told, outlook }) => {
                    first.get_or_insert_with(|| Failed::new(told));
                    if outlook == Outlook::NothingNow {
                        break;
                    }
                    passed_over += 1;
                }
            }
        }
        first.map_or(Ok(()), Err)
    }
}

/// Reads what the client tells, as far as anybody may tell.
fn input() -> Result<Map<String, Value>, Failed> {
    let mut text = Vec::new();
    let read = std::io::stdin().lock().take(INPUT_BYTES).read_to_end(&mut text);
    read.map_err(|error| Failed::new(format!("cannot read standard input: {error}")))?;
    let refused = || Failed::new("standard input is no JSON object".to_owned());
    serde_json::from_slice(&text).map_err(|_| refused())
}

/// Whether the folder of the conversation, or one above it, wants no hooks.
fn is_off(hook: &Hook) -> bool {
    let own = || std::env::current_dir().ok();
    let folder = hook.folder.as_deref().map(PathBuf::from).or_else(own);
    folder.as_deref().is_some_and(|folder: &Path| switch(folder).is_some())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde_json::json;

    use super::*;
    use crate::model::Timestamp;

    fn turn(at: i64, session: &str, goal: Goal) -> Parcel {
        let told = json!({ "session_id": session, "prompt": "x", "prompt_response": "y" });
        let hook = Hook::read(HookClient::Gemini, Some("AfterAgent"), told.as_object().unwrap());
        Parcel { hook: Hook { at: Some(Timestamp(at)), ..hook }, project: None, goal }
    }

    fn here() -> Goal {
        Goal::Url("http://here".to_owned())
    }

    /// A start at which turns wait, in their order.
    fn call(dir: &Path, turns: &[(&str, Goal)]) -> Call {
        let arguments = HookArguments {
            client: "gemini".to_owned(),
            event: None,
            url: None,
            ca: None,
            key: None,
            project: None,
            state_dir: Some(dir.display().to_string()),
        };
        let state = State::open(None, &arguments).unwrap();
        for (at, (session, goal)) in (1..).zip(turns) {
            let spool = state.as_ref().unwrap().spool();
            spool.add(&turn(at, session, goal.clone())).unwrap();
        }
        let hook = turn(0, "now", here()).hook;
        Call { hook, project: None, state, sitting: Sitting::default(), goal: here(), asks: false }
    }

    /// Sends what waits to a server that looks at the session: what was asked, and what became of it.
    async fn send(call: &Call) -> (Vec<String>, Result<(), Failed>) {
        let asked = RefCell::new(Vec::new());
        let ask = async |parcel: &Parcel| {
            let session = parcel.hook.session.clone().unwrap_or_default();
            let outlook = match session.as_str() {
                "bad" => Some(Outlook::Hopeless),
                "denied" => Some(Outlook::Later),
                "away" => Some(Outlook::NothingNow),
                _ => None,
            };
            let told = session.clone();
            asked.borrow_mut().push(session);
            outlook.map_or(Ok(json!({})), |outlook| Err(Refusal { told, outlook }))
        };
        let done = call.send_waiting(call.state.as_ref().unwrap(), ask).await;
        (asked.into_inner(), done)
    }

    fn waiting(call: &Call) -> Vec<String> {
        let spool = call.state.as_ref().unwrap().spool();
        let turns = spool.names().into_iter().filter_map(|name| spool.read(&name).unwrap());
        turns.filter_map(|turn| turn.hook.session).collect()
    }

    #[actix_web::test]
    async fn a_turn_that_is_refused_holds_up_none_behind_it() {
        let dir = tempfile::tempdir().unwrap();
        let turns = ["denied", "bad", "good", "away", "last"].map(|name| (name, here()));
        let call = call(dir.path(), &turns);

        let (asked, done) = send(&call).await;

        assert_eq!(asked, ["denied", "bad", "good", "away"]);
        assert_eq!(done.unwrap_err().to_string(), "denied");
        assert_eq!(waiting(&call), ["denied", "away", "last"]);
        let mishaps = call.state.as_ref().unwrap().mishaps();
        assert_eq!(mishaps.len(), 1);
        assert_eq!(mishaps[0].error, "a turn was refused, and is lost: bad");
    }

    #[actix_web::test]
    async fn a_turn_for_another_server_stays_and_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        let other = Goal::Url("http://other".to_owned());
        let store = Goal::Store("/data".to_owned());
        let call = call(
            dir.path(),
            &[("other", other), ("store", store), ("unsaid", Goal::Unsaid), ("mine", here())],
        );

        assert!(call.has_turns());
        let (asked, done) = send(&call).await;

        assert!(done.is_ok() && asked == ["mine"], "{asked:?}");
        assert_eq!(waiting(&call), ["other", "store", "unsaid"]);
        assert!(!call.has_turns());
    }
}
