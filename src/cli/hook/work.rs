use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use serde_json::{Map, Value};

use super::spool::Parcel;
use super::state::{State, named_data_dir, switch};
use super::way::{Refusal, in_store, over_route};
use super::{HookArguments, said};
use crate::actors::Sessions;
use crate::cli::arguments::CommandLine;
use crate::cli::door::Door;
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
    /// What goes out for its answer.
    asks: bool,
}

/// Bytes of standard input. A prompt with a file pasted into it is far shorter.
const INPUT_BYTES: u64 = 8 << 20;
/// Turns that are sent at one start; there will be another one.
const SENT_AT_ONCE: usize = 20;

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
            let call = Call::begin(hook, state?, said(&self.arguments.project))?;
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
        let has_turns = call.state.as_ref().is_some_and(|state| !state.spool().names().is_empty());
        if !call.asks && !has_turns {
            return Ok(());
        }
        let server = self.arguments.server()?;
        if server.url.is_none() && named_data_dir(config).is_none() {
            return Err(Failed::new(
                "nobody said where memoryd is: give --url, or --data-dir (DATA_DIR)".to_owned(),
            ));
        }
        actix_web::rt::System::new().block_on(async {
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
    fn begin(hook: Hook, state: Option<State>, project: Option<&str>) -> Result<Self, Failed> {
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
        let mut call = Self { hook, project, state, sitting, asks };
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

    /// Puts the turn that is over where it waits.
    fn spool(&mut self, state: &State) -> Result<(), Failed> {
        let Some(turn) = self.sitting.end_turn(self.hook.clone()) else { return Ok(()) };
        let turn = Parcel { hook: turn.stamped(&SystemClock), project: self.project.clone() };
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
            let parcel = Parcel { hook: self.hook.clone(), project: self.project.clone() };
            let answer = ask(&parcel).await.map_err(|refused| Failed::new(refused.told))?;
            // Whatever the answer says besides, it holds nobody up.
            let answer = client.answer(moment, HookClient::text_of(&answer));
            // Who does not wait any more has the silence.
            let _ = answers.send(answer);
        } else {
            let _ = answers.send(client.answer(moment, None));
        }
        let Some(state) = &self.state else { return Ok(()) };
        let spool = state.spool();
        for name in spool.names().into_iter().take(SENT_AT_ONCE) {
            let Some(turn) = spool.read(&name)? else {
                spool.remove(&name)?;
                continue;
            };
            match ask(&turn).await {
                Ok(_) => spool.remove(&name)?,
                Err(refused) if refused.is_final => {
                    spool.remove(&name)?;
                    let told = format!("a turn was refused, and is lost: {}", refused.told);
                    state.note(Some(client), moment, &told, &SystemClock)?;
                }
                Err(refused) => return Err(Failed::new(refused.told)),
            }
        }
        Ok(())
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
