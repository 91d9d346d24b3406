use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::delete::{WAIT, guard_wait, take_wait};
use crate::engine::arguments::Arguments;
use crate::engine::steps::{every_step, kept_steps, parts_of};
use crate::engine::view::BriefView;
use crate::engine::write::guard_instruction;
use crate::engine::{Asked, Engine, EngineError, Field, InvalidArguments, Shape, Spoken, Verb};
use crate::model::{
    AuditKind, Author, Memory, MemoryId, Scope, Status, Step, StepChange, Timestamp,
};
use crate::store::PastVersion;

/// Takes back what was changed: each memory becomes what it was before, as a new version. What
/// somebody else has changed since is left alone and told.
#[derive(Debug, Clone)]
pub struct Undo {
    which: Which,
    dry_run: bool,
    purge: bool,
    wait: bool,
}

/// Which changes are meant.
#[derive(Debug, Clone)]
enum Which {
    Step(MemoryId),
    /// The last one of a memory.
    Memory(MemoryId),
    /// The caller's last one.
    Last,
    /// All by somebody, since a moment.
    By {
        session: Option<String>,
        credential: Option<String>,
        since: Option<Timestamp>,
    },
}

/// What became of an [`Undo`], or would become of it.
#[derive(Debug, Serialize)]
pub struct Undone {
    pub dry_run: bool,
    /// The changes that are taken back, the oldest first.
    pub steps: Vec<ToldStep>,
    pub reverted: Vec<Reverted>,
    /// What was changed again since, and stays as it is.
    pub conflicts: Vec<Conflict>,
    /// What was erased, and cannot come back.
    pub gone: Vec<MemoryId>,
    /// The id of this change, with which it can be undone itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<MemoryId>,
}

#[derive(Debug, Serialize)]
pub struct ToldStep {
    pub step: MemoryId,
    pub at: Timestamp,
    #[serde(flatten)]
    pub author: Author,
    pub memories: usize,
}

#[derive(Debug, Serialize)]
pub struct Reverted {
    pub id: MemoryId,
    pub from_version: u32,
    /// The version that it is made to be again; nothing where there was none before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_version: Option<u32>,
    pub becomes: &'static str,
}

#[derive(Debug, Serialize)]
pub struct Conflict {
    pub id: MemoryId,
    pub why: &'static str,
    pub now: BriefView,
    /// What it would have become.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<BriefView>,
}

const STEP: Field = Field::new("step", Shape::Id, "One change, by its id");
const MEMORY: Field = Field::new("id", Shape::Id, "The last change of this memory");
const LAST: Field = Field::new("last", Shape::Flag, "The last change of this credential");
const SESSION: Field = Field::new("session", Shape::Name, "All changes of this session");
const CREDENTIAL: Field = Field::new("credential", Shape::Name, "All changes by this credential");
const SINCE: Field = Field::new("since", Shape::Moment, "Only from this moment on");
const DRY_RUN: Field = Field::new("dry_run", Shape::Flag, "Only tell; true unless said otherwise");
const PURGE: Field =
    Field::new("purge", Shape::Flag, "Erase what they stored for good, from the history too");

impl Spoken for Undo {
    const REFUSES_UNKNOWN: bool = true;

    fn fields() -> Vec<&'static Field> {
        vec![&STEP, &MEMORY, &LAST, &SESSION, &CREDENTIAL, &SINCE, &DRY_RUN, &PURGE, &WAIT]
    }

    fn take(arguments: &mut Arguments) -> Self {
        let (step, memory) = (arguments.take(&STEP), arguments.take(&MEMORY));
        let last = arguments.take(&LAST).unwrap_or(false);
        let (session, credential): (Option<String>, Option<String>) =
            (arguments.take(&SESSION), arguments.take(&CREDENTIAL));
        let since: Option<Timestamp> = arguments.take(&SINCE);
        let is_by = session.is_some() || credential.is_some();
        let ways = [step.is_some(), memory.is_some(), last, is_by];
        if ways.iter().filter(|way| **way).count() != 1 {
            let problem = "give one of step, id, last, or session and credential";
            arguments.refuse_missing(&STEP, problem);
        }
        if since.is_some() && !is_by {
            arguments.refuse(SINCE.name, "goes with session or credential");
        }
        let which = match (step, memory) {
            (Some(step), _) => Which::Step(step),
            (None, Some(memory)) => Which::Memory(memory),
            (None, None) if last => Which::Last,
            (None, None) => Which::By { session, credential, since },
        };
        let dry_run = arguments.take(&DRY_RUN).unwrap_or(true);
        let purge = arguments.take(&PURGE).unwrap_or(false);
        let wait = take_wait(arguments, purge);
        Self { which, dry_run, purge, wait }
    }
}

impl Verb for Undo {
    type Answer = Undone;

    fn scope(&self) -> Scope {
        Scope::Write
    }

    fn deed(&self) -> Option<(AuditKind, String)> {
        let what = "changes were undone, and what they stored is erased".to_owned();
        (self.purge && !self.dry_run).then_some((AuditKind::MemoriesDeleted, what))
    }

    fn awaits_scrub(&self) -> bool {
        self.wait && !self.dry_run
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<Undone, EngineError> {
        guard_wait(self.wait, asked)?;
        let steps = engine.steps(&self.which, asked)?;
        let mut undone = Undone {
            dry_run: self.dry_run,
            steps: told(&steps),
            reverted: Vec::new(),
            conflicts: Vec::new(),
            gone: Vec::new(),
            step: None,
        };
        let mut changes: BTreeMap<MemoryId, Vec<StepChange>> = BTreeMap::new();
        for change in steps.iter().flat_map(|(_, step)| &step.changes) {
            changes.entry(change.id).or_default().push(*change);
        }
        let mut ways = Vec::new();
        for (id, changes) in changes {
            match engine.way_back(id, &changes, self.purge)? {
                WayBack::None => {}
                WayBack::Gone => undone.gone.push(id),
                WayBack::Conflict(conflict) => undone.conflicts.push(*conflict),
                WayBack::To(way) => {
                    // All of them before any is gone: a refusal changes nothing.
                    guard_instruction(&way.now, asked)?;
                    way.then.iter().try_for_each(|then| guard_instruction(then, asked))?;
                    undone.reverted.push(way.told(id, self.purge));
                    ways.push((id, way));
                }
            }
        }
        if self.dry_run {
            return Ok(undone);
        }
        let mut write = engine.begin()?;
        for (id, Way { now, then, versions }) in ways.into_iter().map(|(id, way)| (id, *way)) {
            match then {
                None if self.purge => write.forget(now, &engine.all_versions(id)?),
                None => {
                    let after = Memory { status: Status::Deleted, ..now.clone() };
                    write.replace(&now, after, asked.now)?;
                }
                Some(then) => {
                    write.replace(&now, then, asked.now)?;
                    let kept = if self.purge { engine.all_versions(id)? } else { Vec::new() };
                    let made = kept.iter().chain(self.purge.then_some(&now));
                    made.filter(|version| versions.contains(&version.version))
                        .for_each(|version| write.forget_version(version));
                }
            }
            engine.commit_if_full(&mut write)?;
        }
        engine.commit(write)?;
        undone.step = engine.step();
        Ok(undone)
    }
}

/// What can be done with one memory.
enum WayBack {
    /// It is as it was already.
    None,
    Gone,
    Conflict(Box<Conflict>),
    To(Box<Way>),
}

/// From what a memory is to what it was.
struct Way {
    now: Memory,
    /// Nothing where there was none.
    then: Option<Memory>,
    /// Those that the changes have made.
    versions: BTreeSet<u32>,
}

impl Way {
    fn told(&self, id: MemoryId, purge: bool) -> Reverted {
        let becomes = match &self.then {
            Some(_) => "as it was",
            None if purge => "erased",
            None => "deleted",
        };
        let to_version = self.then.as_ref().map(|then| then.version);
        Reverted { id, from_version: self.now.version, to_version, becomes }
    }
}

type KeptStep = (MemoryId, Step);

impl Engine {
    /// The steps that are meant, the oldest first; the parts of one are several.
    fn steps(&self, which: &Which, asked: Asked<'_>) -> Result<Vec<KeptStep>, EngineError> {
        let range = match which {
            Which::Step(step) => parts_of(*step),
            _ => every_step(),
        };
        let mut found = Vec::new();
        for row in kept_steps(&self.store, &range) {
            let ((step, _), mut kept) = row?;
            // What a bound token may not know of it cannot undo either, nor what is gone from where.
            let catalog = &self.mind.catalog;
            let is_bound = asked.caller.bound.is_some();
            kept.changes.retain(|change| !is_bound || catalog.find(change.id).is_some());
            let author = &kept.author;
            let is_meant = match which {
                Which::Step(_) => true,
                Which::Memory(id) => kept.changes.iter().any(|change| change.id == *id),
                Which::Last => author.credential == asked.caller.credential,
                Which::By { session, credential, since } => {
                    (session.is_none() || session == &author.session)
                        && credential.as_deref().is_none_or(|by| by == author.credential.as_str())
                        && since.is_none_or(|since| kept.at >= since)
                }
            };
            if is_meant && !kept.changes.is_empty() {
                let is_one = matches!(which, Which::Memory(_) | Which::Last);
                if is_one && found.last().is_some_and(|(last, _)| *last != step) {
                    found.clear();
                }
                found.push((step, kept));
            }
        }
        if let Which::Memory(id) = which {
            found.iter_mut().for_each(|(_, kept)| kept.changes.retain(|one| one.id == *id));
        }
        if found.is_empty() && !matches!(which, Which::By { .. }) {
            let problem = "there is no such change, or it is too old to be undone";
            return Err(InvalidArguments::one(name_of(which), problem).into());
        }
        Ok(found)
    }

    /// From the changes of one memory to what it was before the first of them.
    fn way_back(
        &self,
        id: MemoryId,
        changes: &[StepChange],
        purge: bool,
    ) -> Result<WayBack, EngineError> {
        let Some(now) = self.store.get::<Memory>(&id)? else { return Ok(WayBack::Gone) };
        let first = changes.iter().map(|change| change.before).min().unwrap_or_default();
        let versions: BTreeSet<u32> = changes.iter().map(|change| change.after).collect();
        let past = match first {
            0 => None,
            first => self.store.get::<PastVersion>(&(id, first))?.map(|past| past.0),
        };
        let then = past.filter(|then| self.mind.catalog.shows(then.project.as_ref()));
        let conflict = |why| {
            let then = then.as_ref().map(BriefView::of);
            let conflict = Conflict { id, why, now: BriefView::of(&now), then };
            Ok(WayBack::Conflict(Box::new(conflict)))
        };
        if first > 0 && then.is_none() {
            return conflict("the version before is no longer kept");
        }
        let is_gone_already = first == 0 && now.status == Status::Deleted && !purge;
        if now.version == first || is_gone_already {
            return Ok(WayBack::None);
        }
        // A change stands for all versions between its two ends: an import may pass over some.
        let mut ends: Vec<(u32, u32)> =
            changes.iter().map(|change| (change.before, change.after)).collect();
        ends.sort_unstable();
        let known =
            ends.into_iter().fold(
                first,
                |known, (before, after)| {
                    if before <= known { known.max(after) } else { known }
                },
            );
        if known != now.version {
            return conflict("it was changed since");
        }
        Ok(WayBack::To(Box::new(Way { now, then, versions })))
    }
}

fn name_of(which: &Which) -> &'static str {
    match which {
        Which::Step(_) => STEP.name,
        Which::Memory(_) => MEMORY.name,
        Which::Last => LAST.name,
        Which::By { .. } => CREDENTIAL.name,
    }
}

/// The parts of a step are told as one.
fn told(steps: &[KeptStep]) -> Vec<ToldStep> {
    let mut told: Vec<ToldStep> = Vec::new();
    for (id, step) in steps {
        let memories = step.changes.len();
        match told.last_mut().filter(|last| last.step == *id) {
            Some(last) => last.memories += memories,
            None => {
                let author = step.author.clone();
                told.push(ToldStep { step: *id, at: step.at, author, memories });
            }
        }
    }
    told
}
