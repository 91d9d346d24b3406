//! Files of other products in the body of a request.

use crate::actors::Sessions;
use crate::engine::{
    Arguments, Field, FileLine, IMPORT_CONFIRM, IMPORT_DRY_RUN, ImportLines, InvalidArguments,
    Shape,
};
use crate::error::Error;
use crate::model::{Caller, MemoryIds, Project, Tag, Timestamp};
use crate::moving::{
    Bundle, LinePart, Moving, MovingError, MovingReport, Recognised, Wanted, format_named,
};

/// Bytes of a file of another product's. It is held in memory while it is read; a larger one goes through
/// the command line, which reads it from the disk.
pub(super) const MOVED_BYTES: usize = 64 << 20;

pub(super) const FORMAT: Field = Field::new(
    "format",
    Shape::Name,
    "The body is a file of another product's: of this format, or `auto`",
);
pub(super) const ONLY: Field = Field::new(
    "only",
    Shape::Words(&["memories", "conversations", "projects", "files"]),
    "With format: only these parts of it",
);
pub(super) const PROJECT: Field =
    Field::new("project", Shape::Name, "With format: the project of what names none");
pub(super) const TAG: Field = Field::new("tag", Shape::Name, "With format: a tag for all of it");
pub(super) const SINCE: Field =
    Field::new("since", Shape::Moment, "With format: only what is from then on");
pub(super) const UPDATE: Field = Field::new(
    "update",
    Shape::Flag,
    "With format: what says something else here gets a new version",
);

pub(super) const ERASED: Field =
    Field::new("erased", Shape::Flag, "With format: what was erased here for good comes again");

pub(super) const VAULT: Field =
    Field::new("vault", Shape::Name, "With format: which of several folders of notes it is");

/// What the query of an import says of a file.
#[derive(Debug, Default)]
pub(super) struct AskedMove {
    pub(super) format: Option<String>,
    pub(super) confirms: bool,
    pub(super) dry_run: bool,
    only: Option<Vec<String>>,
    project: Option<Project>,
    tag: Option<Tag>,
    since: Option<Timestamp>,
    updates: bool,
    erased: bool,
    vault: Option<String>,
}

/// What became of a file that was sent.
pub(super) enum CameOfIt {
    /// It is lines of our own, unpacked.
    OwnLines(Vec<u8>),
    Moved(Box<MovingReport>),
}

impl AskedMove {
    pub(super) fn take(arguments: &mut Arguments) -> Self {
        Self {
            format: arguments.take(&FORMAT),
            confirms: arguments.take(&IMPORT_CONFIRM).unwrap_or(false),
            dry_run: arguments.take(&IMPORT_DRY_RUN).unwrap_or(false),
            only: arguments.take(&ONLY),
            project: arguments.take(&PROJECT),
            tag: arguments.take(&TAG),
            since: arguments.take(&SINCE),
            updates: arguments.take(&UPDATE).unwrap_or(false),
            erased: arguments.take(&ERASED).unwrap_or(false),
            vault: arguments.take(&VAULT),
        }
    }

    /// The usual of a file whose format is to be found out.
    pub(super) fn usual(confirms: bool, dry_run: bool) -> Self {
        Self { confirms, dry_run, ..Self::default() }
    }

    /// Reads a file, and has the session take what is in it.
    pub(super) async fn carry_out(
        self,
        file: Vec<u8>,
        sessions: &Sessions,
        caller: &Caller,
    ) -> Result<CameOfIt, Error> {
        let format = match self.format.as_deref() {
            Some(name) => format_named(name).map_err(refused)?,
            None => None,
        };
        let now = sessions.accounts().now();
        let run = MemoryIds::default().next(now);
        let wanted = self.restrict(Wanted::new(run, now, sessions.content_limit()));
        let looked = actix_web::rt::task::spawn_blocking(move || {
            let mut bundle = Bundle::of_bytes("upload", file)?;
            let recognised = Recognised::of(&mut bundle, format)?;
            Ok::<_, MovingError>((bundle, recognised))
        });
        let (bundle, recognised) = looked.await.map_err(|_| Error::Panicked)?.map_err(refused)?;
        if recognised.is_own() {
            let read = actix_web::rt::task::spawn_blocking(|| bundle.into_bytes(MOVED_BYTES));
            let lines = read.await.map_err(|_| Error::Panicked)?.map_err(not_unpacked)?;
            return Ok(CameOfIt::OwnLines(lines));
        }
        let mut moving = Moving::start(bundle, recognised, wanted);
        while let Some(batch) = moving.next().await {
            let lines = ImportLines::default().of_run(Some(run)).confirmed(self.confirms);
            let lines = lines.tried(self.dry_run);
            let given = batch.lines.iter().cloned().map(FileLine::Whole);
            let told = sessions.import(caller, lines, given).await?;
            moving.note(&batch, told);
        }
        let report = moving.finish(self.dry_run).map_err(refused)?;
        Ok(CameOfIt::Moved(Box::new(report)))
    }

    /// The usual, but for what was asked.
    fn restrict(&self, mut wanted: Wanted) -> Wanted {
        if let Some(words) = &self.only {
            wanted.only = words.iter().filter_map(|word| LinePart::parse(word)).collect();
        }
        wanted.project.clone_from(&self.project);
        wanted.tag.clone_from(&self.tag);
        wanted.since = self.since;
        wanted.updates = self.updates;
        wanted.erased = self.erased;
        wanted.vault.clone_from(&self.vault);
        wanted
    }
}

/// Lines that were packed are held unpacked; more of them come as they are, which has no such limit.
fn not_unpacked(error: MovingError) -> Error {
    match error {
        MovingError::TooLarge { .. } => {
            let problem =
                "unpacks to more than 64 MiB; send the lines unpacked and without `format`";
            InvalidArguments::one("body", problem).into()
        }
        error => refused(error),
    }
}

fn refused(error: impl std::fmt::Display) -> Error {
    Error::BadRequest { problem: error.to_string() }
}
