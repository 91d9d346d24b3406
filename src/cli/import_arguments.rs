use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::account_arguments::since;
use super::arguments::ServerArguments;
use crate::model::{Project, Tag, Timestamp, UserId};
use crate::moving::{LinePart, parse_column};

#[derive(Debug, Clone, Args)]
pub(super) struct ImportArguments {
    /// Files, folders or archives to read, or `-` for standard input
    #[arg(value_name = "SOURCE", required_unless_present_any = ["undo", "list"])]
    pub(super) sources: Vec<PathBuf>,

    #[command(flatten)]
    pub(super) server: ServerArguments,

    /// The format [default: found out by what is in the files]
    #[arg(long, value_name = "FORMAT", default_value = "auto", hide_default_value = true)]
    pub(super) format: String,

    /// Change nothing, and tell what would be imported
    #[arg(long)]
    pub(super) dry_run: bool,

    /// You stand for what is in it: it is not provisional, as imports otherwise are
    #[arg(long)]
    pub(super) confirm: bool,

    /// Only these parts of what another product has: memories, conversations, projects, files
    /// [default: memories,files]
    #[arg(long, value_name = "PARTS", value_delimiter = ',', value_parser = part)]
    pub(super) only: Vec<LinePart>,

    /// The project of what names none
    #[arg(long, value_parser = Project::parse)]
    pub(super) project: Option<Project>,

    /// A tag for all of it
    #[arg(long, value_parser = Tag::parse)]
    pub(super) tag: Option<Tag>,

    /// Only what is from then on: a date, a time, or how long ago, such as 90s, 30m, 1h, 7d
    #[arg(long, value_parser = since)]
    pub(super) since: Option<Timestamp>,

    /// At most so many
    #[arg(long)]
    pub(super) limit: Option<usize>,

    /// What is here from the same source and says something else gets a new version
    #[arg(long)]
    pub(super) update: bool,

    /// What came before and was erased here for good comes again
    #[arg(long)]
    pub(super) erased: bool,

    /// What tells an assistant what to do becomes an instruction (needs the scope `instructions`)
    #[arg(long, requires = "confirm")]
    pub(super) instructions: bool,

    /// Make a memory of each of these instead of one of all
    #[arg(long, value_name = "WHAT", value_parser = ["observations"])]
    pub(super) split: Option<String>,

    /// Take the memories of other users in the files, too
    #[arg(long)]
    pub(super) all_users: bool,

    /// A note is of the project that its folder at the top is called
    #[arg(long)]
    pub(super) project_from_folder: bool,

    /// Which folder of notes it is, where there are several: a name of your own, the same each time
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(super) vault: Option<String>,

    /// Which column of a table is what, such as content=Text,tags=Labels
    #[arg(long, value_name = "PLACE=COLUMN", value_delimiter = ',', value_parser = parse_column)]
    pub(super) map: Vec<(String, String)>,

    /// Take an import back, by the id that it told
    #[arg(long, value_name = "RUN", conflicts_with_all = ["sources", "list"])]
    pub(super) undo: Option<String>,

    /// List the imports that can be taken back
    #[arg(long, conflicts_with = "sources")]
    pub(super) list: bool,

    /// Whose memories they become [default: those of the key's user]
    #[arg(long, value_name = "USER", value_parser = UserId::parse)]
    pub(super) user_id: Option<UserId>,
}

impl ImportArguments {
    /// The first flag that says something of other products' files alone.
    pub(super) fn says_of_others(&self) -> Option<&'static str> {
        let said = [
            ("--only", !self.only.is_empty()),
            ("--project", self.project.is_some()),
            ("--tag", self.tag.is_some()),
            ("--since", self.since.is_some()),
            ("--limit", self.limit.is_some()),
            ("--update", self.update),
            ("--erased", self.erased),
            ("--instructions", self.instructions),
            ("--split", self.split.is_some()),
            ("--all-users", self.all_users),
            ("--project-from-folder", self.project_from_folder),
            ("--vault", self.vault.is_some()),
            ("--map", !self.map.is_empty()),
        ];
        said.into_iter().find(|(_, is_said)| *is_said).map(|(flag, _)| flag)
    }
}

fn part(word: &str) -> Result<LinePart, String> {
    LinePart::parse(word).ok_or_else(|| {
        let names: Vec<&str> = LinePart::ALL.into_iter().map(LinePart::name).collect();
        format!("expected some of {}", names.join(", "))
    })
}
