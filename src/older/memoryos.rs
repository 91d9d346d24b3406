//! The MemoryOS server: a conversation is stored turn by turn, and comes back as what was said last,
//! what was said of the matter, and what is known of the user.

use serde_json::{Map, Value, json};

use super::{Asking, Effect, OlderCall, Told, by_name, finish, quoted};
use crate::actors::CallError;
use crate::engine::{
    Add, Arguments, Change, Detail, Draft, Field, Filter, List, Mode, QueryText, Search, SearchHit,
    Shape, Shown,
};
use crate::model::few;
use crate::model::foreign::shortened;
use crate::model::{EventTime, Memory, Metadata};

pub static ADD: OlderCall = OlderCall {
    name: "add_memory",
    title: "Add memory",
    about: "Store one turn of a conversation: what the user said, and what was answered.",
    effect: Effect::Adds,
    fields: &[&USER_INPUT, &AGENT_RESPONSE, &TIMESTAMP, &META_DATA],
    answer: &[
        ("status", "string"),
        ("message", "string"),
        ("timestamp", "string"),
        ("memory_id", "string"),
    ],
    claims: |arguments, is_listed| {
        arguments.says(TIMESTAMP.name)
            || arguments.says(META_DATA.name)
            || (is_listed && arguments.says(USER_INPUT.name) && !arguments.says("content"))
    },
    takes_place: true,
    run: |asking, arguments| Box::pin(add(asking, arguments)),
};

pub static RETRIEVE: OlderCall = OlderCall {
    name: "retrieve_memory",
    title: "Retrieve memory",
    about: "What was said last, what was said of a matter, and what is known of the user.",
    effect: Effect::Reads,
    fields: &[&QUERY, &RELATIONSHIP, &STYLE, &MAX_RESULTS],
    answer: &[
        ("status", "string"),
        ("query", "string"),
        ("timestamp", "string"),
        ("user_profile", "string"),
        ("short_term_memory", "array"),
        ("short_term_count", "integer"),
        ("retrieved_pages", "array"),
        ("retrieved_user_knowledge", "array"),
        ("retrieved_assistant_knowledge", "array"),
    ],
    claims: by_name,
    takes_place: false,
    run: |asking, arguments| Box::pin(retrieve(asking, arguments)),
};

pub static PROFILE: OlderCall = OlderCall {
    name: "get_user_profile",
    title: "Get user profile",
    about: "What is known of the user: what was stored as a preference or a fact, what is pinned, and what \
            the user said of themselves more than once or lately.",
    effect: Effect::Reads,
    fields: &[&KNOWLEDGE, &ASSISTANT_KNOWLEDGE],
    answer: &[
        ("status", "string"),
        ("timestamp", "string"),
        ("user_id", "string"),
        ("assistant_id", "string"),
        ("user_profile", "string"),
        ("user_knowledge", "array"),
        ("user_knowledge_count", "integer"),
    ],
    claims: by_name,
    takes_place: false,
    run: |asking, arguments| Box::pin(profile(asking, arguments)),
};

/// Every call, in the order in which they are listed.
pub static CALLS: [&OlderCall; 3] = [&ADD, &RETRIEVE, &PROFILE];

const USER_INPUT: Field = Field::required("user_input", Shape::Text, "What the user said");
const AGENT_RESPONSE: Field = Field::required("agent_response", Shape::Text, "What was answered");
const TIMESTAMP: Field = Field::new("timestamp", Shape::Moment, "When it was said; now");
const META_DATA: Field = Field::new("meta_data", Shape::Object, "");
const QUERY: Field = Field::required("query", Shape::Query, "");
const RELATIONSHIP: Field =
    Field::new("relationship_with_user", Shape::Name, "Taken and told back; nothing depends on it");
const STYLE: Field = Field::new("style_hint", Shape::Name, "Taken and told back");
const MAX_RESULTS: Field = Field::new("max_results", Shape::Whole { least: 1, most: 100 }, "10");
const KNOWLEDGE: Field = Field::new("include_knowledge", Shape::Flag, "Default true");
const ASSISTANT_KNOWLEDGE: Field =
    Field::new("include_assistant_knowledge", Shape::Flag, "Default false");

/// What is under this category is known of the assistant.
const ASSISTANT: &str = "assistant";
/// Turns that count as said just now.
const SHORT_TERM: usize = 10;
const DEFAULT_RESULTS: usize = 10;
/// Conversations in which the user is listened to, and lines of a profile.
const LISTENED: usize = 100;
const PROFILE_LINES: usize = 20;
const KNOWN: usize = 100;
/// What stands between the two halves of a turn.
const BETWEEN: &str = "\nAssistant: ";
const BEFORE: &str = "User: ";
/// Says where the first half ends, if the text alone does not.
const USER_CHARS: &str = "user_input_chars";
/// So many calls of a page warm it up fully, by at most this share of its score.
const HOT: u64 = 10;
const HEAT: f64 = 0.1;

async fn add(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let user: String = arguments.require(&USER_INPUT);
    let agent: String = arguments.require(&AGENT_RESPONSE);
    let said_at: Option<EventTime> = arguments.take(&TIMESTAMP);
    let mut metadata: Metadata = arguments.take(&META_DATA).unwrap_or_default();
    let ((), ignored) = finish(arguments, ())?;
    if user.contains(BETWEEN) {
        metadata.insert(USER_CHARS.to_owned(), user.chars().count().into());
    }
    let add = Add {
        content: format!("{BEFORE}{user}{BETWEEN}{agent}"),
        is_dialogue: true,
        draft: Draft {
            event_at: said_at.map_or(Change::Keep, Change::Set),
            metadata: if metadata.is_empty() { Change::Keep } else { Change::Set(metadata) },
            ..Draft::default()
        },
        ..Add::default()
    };
    let added = asking.ask(add).await?;
    let body = json!({
        "status": "success",
        "message": "Memory added",
        "timestamp": added.memory.memory.moment(),
        "memory_id": added.id,
    });
    Ok(Told::new(body, format!("Stored as memory {}.", added.id), ignored))
}

async fn retrieve(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let query: QueryText = arguments.require(&QUERY);
    let relationship: Option<String> = arguments.take(&RELATIONSHIP);
    let style: Option<String> = arguments.take(&STYLE);
    let limit = arguments.take(&MAX_RESULTS).unwrap_or(DEFAULT_RESULTS);
    let ((), ignored) = finish(arguments, ())?;

    let turns = newest(&asking, &["conversation"], SHORT_TERM).await?;
    let mut said: Vec<&Memory> = turns.iter().collect();
    few::sort_by_key(&mut said, |memory| (memory.moment().at, memory.id));
    let mut pages = found(&asking, &query, Some("conversation"), limit + SHORT_TERM).await?;
    pages.retain(|(memory, _)| turns.iter().all(|turn| turn.id != memory.id));
    pages.truncate(limit);
    let known = found(&asking, &query, None, limit * 2).await?;
    let is_turn = |memory: &Memory| memory.kind.as_str() == "conversation";
    let (of_assistant, of_user): (Vec<_>, Vec<_>) = known
        .iter()
        .filter(|(memory, _)| !is_turn(memory))
        .partition(|(memory, _)| is_of_assistant(memory));
    let lines = profile_lines(&asking).await?;

    let mut body = json!({
        "status": "success",
        "query": shortened(query.as_str()),
        "timestamp": asking.now(),
        "user_profile": lines.join("\n"),
        "short_term_memory": said.iter().map(|memory| page(memory)).collect::<Vec<_>>(),
        "short_term_count": said.len(),
        "retrieved_pages": pages.iter().map(|(memory, _)| page(memory)).collect::<Vec<_>>(),
        "retrieved_user_knowledge": of_user.iter().take(limit).map(|(memory, score)| knowledge(memory, Some(*score))).collect::<Vec<_>>(),
        "retrieved_assistant_knowledge": of_assistant.iter().take(limit).map(|(memory, score)| knowledge(memory, Some(*score))).collect::<Vec<_>>(),
    });
    for (name, told) in [(RELATIONSHIP.name, relationship), (STYLE.name, style)] {
        if let (Some(body), Some(told)) = (body.as_object_mut(), told) {
            body.insert(name.to_owned(), shortened(&told).into());
        }
    }
    let shown = said.iter().copied().chain(pages.iter().chain(of_user).map(|(memory, _)| memory));
    let shown = shown.map(|memory| (memory.moment().day(), memory.content.as_str()));
    let headline = format!("What is remembered of {:?}.", shortened(query.as_str()));
    Ok(Told::new(body, quoted(&headline, shown), ignored))
}

async fn profile(asking: Asking<'_>, mut arguments: Arguments) -> Result<Told, CallError> {
    let with_knowledge = arguments.take(&KNOWLEDGE).unwrap_or(true);
    let with_assistant = arguments.take(&ASSISTANT_KNOWLEDGE).unwrap_or(false);
    let ((), ignored) = finish(arguments, ())?;
    let known = newest(&asking, &["preference", "fact"], KNOWN).await?;
    let (of_assistant, of_user): (Vec<&Memory>, Vec<&Memory>) =
        known.iter().partition(|memory| is_of_assistant(memory));
    let lines = profile_lines(&asking).await?;
    let told = |memories: &[&Memory]| -> Vec<Value> {
        memories.iter().map(|memory| knowledge(memory, None)).collect()
    };
    let mut body = json!({
        "status": "success",
        "timestamp": asking.now(),
        "user_id": asking.caller.user,
        "assistant_id": "memoryd",
        "user_profile": lines.join("\n"),
        "user_knowledge": if with_knowledge { told(&of_user) } else { Vec::new() },
        "user_knowledge_count": of_user.len(),
    });
    if let Some(body) = body.as_object_mut().filter(|_| with_assistant) {
        body.insert("assistant_knowledge".to_owned(), told(&of_assistant).into());
        body.insert("assistant_knowledge_count".to_owned(), of_assistant.len().into());
    }
    let shown = lines.iter().map(|line| (asking.caller.user.to_string(), line.as_str()));
    Ok(Told::new(body, quoted("What is known of the user.", shown), ignored))
}

/// The newest confirmed memories of some kinds, the newest first.
async fn newest(
    asking: &Asking<'_>,
    kinds: &[&str],
    limit: usize,
) -> Result<Vec<Memory>, CallError> {
    let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    let filter = Filter { kinds, only_confirmed: true, ..Filter::default() };
    let listed = asking.ask(List { filter, limit, ..List::default() }).await?;
    Ok(listed.memories.into_iter().filter_map(whole).collect())
}

/// What answers a question, the best first, by how well it answers and how often it was wanted.
async fn found(
    asking: &Asking<'_>,
    query: &QueryText,
    kind: Option<&str>,
    limit: usize,
) -> Result<Vec<(Memory, f64)>, CallError> {
    let kinds = kind.map(str::to_owned).into_iter().collect();
    let search = Search {
        query: query.clone(),
        filter: Filter { kinds, only_confirmed: true, ..Filter::default() },
        limit: limit.min(100),
        min_score: 0.0,
        detail: Detail::Full,
        max_tokens: None,
        mode: Mode::Auto,
        cursor: None,
        vector: None,
        is_replay: false,
    };
    let results = asking.ask(search).await?.results;
    let mut hits: Vec<(Memory, f64)> = results.into_iter().filter_map(with_heat).collect();
    if kind.is_some() {
        few::sort_by(&mut hits, |a, b| b.1.total_cmp(&a.1));
    }
    Ok(hits)
}

/// A page that was often wanted comes back a little sooner.
fn with_heat(hit: SearchHit) -> Option<(Memory, f64)> {
    let Shown::Full(view) = hit.memory else { return None };
    #[allow(clippy::cast_precision_loss, reason = "at most ten")]
    let heat = view.access_count.min(HOT) as f64 / HOT as f64;
    Some((view.memory, f64::from(hit.score) * (1.0 + HEAT * heat)))
}

fn whole(shown: Shown) -> Option<Memory> {
    match shown {
        Shown::Full(view) => Some(view.memory),
        Shown::Brief(_) => None,
    }
}

fn is_of_assistant(memory: &Memory) -> bool {
    memory
        .category
        .as_ref()
        .is_some_and(|category| category.as_str().eq_ignore_ascii_case(ASSISTANT))
}

/// One turn as that server told it. A conversation that came in another shape is all the user's.
fn page(memory: &Memory) -> Value {
    let (user, agent) = halves(memory);
    let mut meta: Map<String, Value> = memory.metadata.clone();
    meta.remove(USER_CHARS);
    json!({
        "user_input": user,
        "agent_response": agent,
        "timestamp": memory.moment(),
        "meta_info": meta,
    })
}

fn halves(memory: &Memory) -> (&str, &str) {
    let text = memory.content.strip_prefix(BEFORE).unwrap_or(&memory.content);
    let chars = memory.metadata.get(USER_CHARS).and_then(Value::as_u64);
    let end = match chars.and_then(|chars| usize::try_from(chars).ok()) {
        Some(chars) => text.char_indices().nth(chars).map(|(end, _)| end),
        None => text.find(BETWEEN),
    };
    let halves =
        end.and_then(|end| Some((text.get(..end)?, text.get(end..)?.strip_prefix(BETWEEN)?)));
    halves.unwrap_or((text, ""))
}

fn knowledge(memory: &Memory, score: Option<f64>) -> Value {
    let source = memory.source.client.as_deref().or(memory.source.interface.as_deref());
    json!({
        "knowledge": memory.content,
        "timestamp": memory.moment(),
        "source": source.unwrap_or("memoryd"),
        // Somebody said it, and nobody guessed.
        "confidence": 1.0,
        "similarity_score": score,
    })
}

/// What is known of the user, by plain rules and in the words that it was said in: what is pinned, then
/// preferences and facts, the newest first, then what the user said of themselves, more than once
/// before once, the newest first.
async fn profile_lines(asking: &Asking<'_>) -> Result<Vec<String>, CallError> {
    let known = newest(asking, &["preference", "fact"], KNOWN).await?;
    let (pinned, others): (Vec<&Memory>, Vec<&Memory>) =
        known.iter().filter(|memory| !is_of_assistant(memory)).partition(|memory| memory.pinned);
    let mut lines: Vec<String> =
        pinned.into_iter().chain(others).map(|memory| memory.content.clone()).collect();
    lines.truncate(PROFILE_LINES);
    let turns = newest(asking, &["conversation"], LISTENED).await?;
    let mut said: Vec<(String, usize)> = Vec::new();
    for turn in &turns {
        for sentence in sentences(halves(turn).0).filter(|sentence| is_of_oneself(sentence)) {
            match said.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(sentence)) {
                Some((_, count)) => *count += 1,
                None => said.push((sentence.to_owned(), 1)),
            }
        }
    }
    // Stable: of those that were said as often the newest stays first.
    few::sort_by_key(&mut said, |(_, count)| std::cmp::Reverse(*count));
    let room = PROFILE_LINES.saturating_sub(lines.len());
    let is_new = |line: &String| !lines.contains(line);
    let own: Vec<String> =
        said.into_iter().map(|(line, _)| line).filter(is_new).take(room).collect();
    lines.extend(own);
    Ok(lines)
}

fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(['.', '!', '?', '\n'])
        .map(str::trim)
        .filter(|sentence| !sentence.is_empty() && !sentence.ends_with('?'))
}

/// Whether somebody speaks of themselves: it begins so, in one of six languages.
fn is_of_oneself(sentence: &str) -> bool {
    const FIRST: [&str; 23] = [
        "i", "i'm", "i've", "i'd", "my", "mine", "we", "our", "ich", "mein", "meine", "wir", "je",
        "mon", "ma", "mes", "yo", "mi", "mis", "io", "mio", "eu", "meu",
    ];
    let first = sentence.split_whitespace().next().unwrap_or_default().to_lowercase();
    let first = first.replace('\u{2019}', "'");
    FIRST.contains(&first.trim_end_matches([',', ':'])) || first.starts_with("j'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kind, Timestamp};

    fn turn(user: &str, agent: &str, metadata: &Value) -> Memory {
        let content = format!("{BEFORE}{user}{BETWEEN}{agent}");
        let memory = Memory::new(crate::model::MemoryId::default(), content, Timestamp(0));
        let metadata = metadata.as_object().cloned().unwrap_or_default();
        Memory { kind: Kind::conversation(), metadata, ..memory }
    }

    #[test]
    fn a_turn_comes_apart_where_it_was_put_together() {
        assert_eq!(halves(&turn("hi", "hello", &json!({}))), ("hi", "hello"));
        assert_eq!(halves(&turn("", "", &json!({}))), ("", ""));
        let odd = format!("a{BETWEEN}b");
        let told = json!({ USER_CHARS: odd.chars().count() });
        assert_eq!(halves(&turn(&odd, "c", &told)), (odd.as_str(), "c"));
    }

    #[test]
    fn who_speaks_of_themselves_is_heard_and_who_asks_is_not() {
        let text = "I moved to Rome. Do I like it? My cat is Tom! The weather is fine";
        let own: Vec<_> = sentences(text).filter(|sentence| is_of_oneself(sentence)).collect();
        assert_eq!(own, ["I moved to Rome.", "My cat is Tom!"]);
    }
}
