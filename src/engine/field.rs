use serde_json::{Map, Value, json};

/// One argument of a verb, said once: schemas, descriptions, reading and refusals all follow from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field {
    pub name: &'static str,
    pub shape: Shape,
    /// What it means, in a few words; empty where the name says it.
    pub about: &'static str,
    pub is_required: bool,
}

/// What an argument may look like. [`Shape::expected`] has the words for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// Text that is kept byte for byte.
    Text,
    /// A question in words.
    Query,
    /// A text of one line, such as a title. White space around it does not count.
    Name,
    /// The id of a memory.
    Id,
    Ids,
    /// Names in a list, or in one text with commas.
    Names,
    /// One of these words, in any case.
    Word(&'static [&'static str]),
    /// Some of these words.
    Words(&'static [&'static str]),
    /// A whole number within these bounds, both included.
    Whole {
        least: u32,
        most: u32,
    },
    /// A number above 0 and at most this.
    Positive {
        most: u32,
    },
    /// A number within these bounds, both included.
    Share {
        least: i32,
        most: i32,
    },
    Flag,
    /// A moment; a bare day means its beginning.
    Moment,
    /// A moment that ends a span; a bare day means its last millisecond.
    EndMoment,
    /// An object of whatever the client likes.
    Object,
    /// A list of objects.
    Objects,
    /// Turns of a dialogue, as chat services write them.
    Turns,
}

impl Field {
    #[must_use]
    pub const fn new(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self { name, shape, about, is_required: false }
    }

    #[must_use]
    pub const fn required(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self { name, shape, about, is_required: true }
    }

    /// The JSON schema of the argument, with its description.
    #[must_use]
    pub fn schema(&self) -> Value {
        let mut schema = self.shape.schema();
        if !self.about.is_empty() {
            schema.insert("description".to_owned(), json!(self.about));
        }
        Value::Object(schema)
    }

    /// Whether several values make a list, as in a query string that names it twice.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(
            self.shape,
            Shape::Ids | Shape::Names | Shape::Words(_) | Shape::Objects | Shape::Turns
        )
    }
}

impl Shape {
    /// What is accepted, in words that stand well behind "expected".
    #[must_use]
    pub fn expected(self) -> String {
        match self {
            Self::Text | Self::Query => "text".to_owned(),
            Self::Name => "text of one line".to_owned(),
            Self::Id => "a memory id: 26 characters such as 01JC3V5Y9ZK7Q2M8N4T6W0X1ER".to_owned(),
            Self::Ids => "a list of memory ids".to_owned(),
            Self::Names => "a list of texts, or one text with commas".to_owned(),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Words(words) => format!("a list of {}", words.join(", ")),
            Self::Whole { least, most } => format!("a whole number from {least} to {most}"),
            Self::Positive { most } => format!("a number above 0 and at most {most}"),
            Self::Share { least, most } => format!("a number from {least} to {most}"),
            Self::Flag => "true or false".to_owned(),
            Self::Moment | Self::EndMoment => {
                "a time such as 2026-03-01T12:00:00Z, a date such as 2026-03-01, or seconds since 1970"
                    .to_owned()
            }
            Self::Object => "an object".to_owned(),
            Self::Objects => "a list of objects".to_owned(),
            Self::Turns => "a list of {role, content}".to_owned(),
        }
    }

    fn schema(self) -> Map<String, Value> {
        let texts = json!({ "type": "string" });
        let schema = match self {
            Self::Text | Self::Query | Self::Name | Self::Id | Self::Moment | Self::EndMoment => {
                texts
            }
            Self::Ids | Self::Names => json!({ "type": "array", "items": texts }),
            Self::Word(words) => json!({ "type": "string", "enum": words }),
            Self::Words(words) => {
                json!({ "type": "array", "items": { "type": "string", "enum": words } })
            }
            Self::Whole { least, most: u32::MAX } => json!({ "type": "integer", "minimum": least }),
            Self::Whole { least, most } => {
                json!({ "type": "integer", "minimum": least, "maximum": most })
            }
            Self::Positive { most } => {
                json!({ "type": "number", "exclusiveMinimum": 0, "maximum": most })
            }
            Self::Share { least, most } => {
                json!({ "type": "number", "minimum": least, "maximum": most })
            }
            Self::Flag => json!({ "type": "boolean" }),
            // Some clients refuse an object without a named property.
            Self::Object => json!({ "type": "object", "properties": { "source": texts } }),
            Self::Objects => json!({
                "type": "array",
                "items": { "type": "object", "properties": { "title": texts } },
            }),
            Self::Turns => json!({
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": { "role": texts, "content": texts },
                    "required": ["content"],
                },
            }),
        };
        match schema {
            Value::Object(schema) => schema,
            _ => Map::new(),
        }
    }
}
