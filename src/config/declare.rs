//! How a setting is declared: once, with everything that is known about it.
//!
//! A field of a section is a name, a type, and a [`Setting`]: the key, the variables, the default,
//! the parser with its bounds, the reason. The struct that other rooms see, the table, the reading,
//! the names of secret files and the test of `config.toml` all follow from it.

use super::ConfigError;
use super::layers::Layers;
use super::parse::Parsed;
use super::source::Raw;

/// What is known of a setting besides its type: a row of the table.
#[derive(Clone, Copy)]
#[cfg_attr(not(test), allow(dead_code, reason = "only the test of config.toml reads the prose"))]
pub(super) struct Row {
    pub(super) key: &'static str,
    /// The canonical name first, then its aliases.
    pub(super) variables: &'static [&'static str],
    pub(super) default: Fallback,
    /// Empty where the value says everything.
    pub(super) unit: &'static str,
    /// Why it exists, or why its default is what it is. One or more sentences.
    pub(super) reason: &'static str,
    /// Whether its value must never be shown. Such a value may also lie in a file of its own.
    pub(super) is_secret: bool,
}

/// What holds when nobody says anything.
#[derive(Clone, Copy)]
pub(super) enum Fallback {
    /// This value, as one would write it.
    Value(&'static str),
    /// No value; the words say what happens then.
    Unset(&'static str),
}

/// A setting with a value of type `T`.
pub(super) struct Setting<T> {
    row: Row,
    read: Box<Read<T>>,
}

type Read<T> = dyn Fn(&Row, &Layers) -> Result<T, ConfigError>;

/// Declares a setting that always has a value. The default is written as anybody would write it.
pub(super) fn setting<T: 'static>(
    key: &'static str,
    variables: &'static [&'static str],
    default: &'static str,
    parse: impl Fn(&Raw) -> Parsed<T> + 'static,
) -> Setting<T> {
    let read = move |row: &Row, layers: &Layers| layers.value(row.key, &parse);
    Setting { row: Row::new(key, variables, Fallback::Value(default)), read: Box::new(read) }
}

/// Declares a setting that may have no value; `otherwise` says in words what happens then.
pub(super) fn optional<T: 'static>(
    key: &'static str,
    variables: &'static [&'static str],
    otherwise: &'static str,
    parse: impl Fn(&Raw) -> Parsed<T> + 'static,
) -> Setting<Option<T>> {
    let read = move |row: &Row, layers: &Layers| layers.read(row.key, &parse);
    Setting { row: Row::new(key, variables, Fallback::Unset(otherwise)), read: Box::new(read) }
}

impl Row {
    fn new(key: &'static str, variables: &'static [&'static str], default: Fallback) -> Self {
        Self { key, variables, default, unit: "", reason: "", is_secret: false }
    }
}

impl<T: 'static> Setting<T> {
    pub(super) fn because(self, reason: &'static str) -> Self {
        Self { row: Row { reason, ..self.row }, ..self }
    }

    pub(super) fn unit(self, unit: &'static str) -> Self {
        Self { row: Row { unit, ..self.row }, ..self }
    }

    pub(super) fn secret(self) -> Self {
        Self { row: Row { is_secret: true, ..self.row }, ..self }
    }

    pub(super) fn row(&self) -> Row {
        self.row
    }

    pub(super) fn read(&self, layers: &Layers) -> Result<T, ConfigError> {
        (self.read)(&self.row, layers)
    }
}

impl<T: 'static> Setting<Option<T>> {
    /// Works out a value, from other settings or from the machine, where nobody gives one.
    pub(super) fn or_else(
        self,
        work_out: impl Fn(&Layers) -> Result<T, ConfigError> + 'static,
    ) -> Setting<T> {
        let given = self.read;
        let read = move |row: &Row, layers: &Layers| match given(row, layers)? {
            Some(value) => Ok(value),
            None => work_out(layers),
        };
        Setting { row: self.row, read: Box::new(read) }
    }
}

/// Declares a section: a struct whose fields are settings, its rows of the table, and its reading.
///
/// ```text
/// section! {
///     /// How sessions live.
///     pub struct Sessions {
///         /// After so long without a call a session is put to sleep.
///         pub idle: Duration = setting("session.idle", &["SESSION_TTL"], "900", ...)
///             .because("An idle session gives its memory back."),
///     }
/// }
/// ```
///
/// A macro, because a function cannot make a field. It expects `Row`, `Layers` and `ConfigError` in
/// scope. A section also needs a line in `settings::table`, in `Config`, and where that is made.
macro_rules! section {
    (
        $(#[$about_section:meta])*
        pub struct $section:ident {
            $($(#[$about:meta])* $sight:vis $field:ident: $type:ty = $setting:expr,)*
        }
    ) => {
        $(#[$about_section])*
        pub struct $section {
            $($(#[$about])* $sight $field: $type,)*
        }

        impl $section {
            pub(super) fn rows() -> Vec<Row> {
                vec![$($setting.row()),*]
            }

            pub(super) fn read(layers: &Layers) -> Result<Self, ConfigError> {
                Ok(Self { $($field: $setting.read(layers)?,)* })
            }
        }
    };
}

pub(super) use section;
