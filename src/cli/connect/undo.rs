//! Takes out what was written. Where nobody has touched the file since, it is again what it was to the last
//! character; else what was added goes, and the rest stays.

use serde_json::Value;

use super::edit::Slot;
use super::file::ClientFile;
use super::found;
use super::job::{Done, Job, damaged, masked};
use crate::cli::Failed;
use crate::clients::KEY_VARIABLE;

/// What the file becomes.
enum Plan {
    /// It was not there before.
    Remove,
    Write {
        text: String,
        /// Whether it is what the copy holds.
        is_copy: bool,
    },
}

pub(super) async fn undo(job: &Job<'_>) -> Result<Done, Failed> {
    let title = job.client.title;
    let Some(path) = &job.place else {
        return undo_by_hand(job).await;
    };
    let slot = job.slot();
    let file = ClientFile::read(path)?;
    let entry = slot.entry(&file.text).map_err(|damage| damaged(path, &damage))?;
    let Some(entry) = entry else {
        let notes = vec![format!("{title} has no server called {}; nothing was changed", job.name)];
        return Ok(Done { notes, ..Done::default() });
    };
    job.refuse_foreign(&entry)?;
    let plan = plan(&slot, &file, &entry)?;
    let key = found::token_in(&entry);
    let after = match &plan {
        Plan::Remove => "",
        Plan::Write { text, .. } => text.as_str(),
    };
    job.show_change(&masked(&file.text, Some(&entry)), &masked(after, Some(&entry)))?;
    job.agree(&format!("Write this to {}, and revoke the token?", path.display()))?;
    match &plan {
        Plan::Remove => file.remove()?,
        Plan::Write { text, .. } => file.replace(text)?,
    }
    if matches!(plan, Plan::Write { is_copy: true, .. }) {
        file.remove_backup()?;
    }
    let mut notes = vec![format!("{title} has no server called {} any more", job.name)];
    let in_variable = job.variable.clone().filter(|_| job.project.is_some());
    match key.or(in_variable) {
        Some(key) => notes.push(job.end_token(&key).await.map_err(|failed| {
            let path = path.display();
            Failed::new(format!("{path} is as it was, but {}", job.still_good(&key, &failed)))
        })?),
        None if job.project.is_some() => notes.push(format!(
            "its token stands in {KEY_VARIABLE} and is still good; memoryd token revoke {} ends it",
            job.client.id
        )),
        None => {}
    }
    Ok(Done { is_changed: true, notes, ..Done::default() })
}

async fn undo_by_hand(job: &Job<'_>) -> Result<Done, Failed> {
    let title = job.client.title;
    let tokens = job.own_tokens().await?;
    if tokens.is_empty() {
        let notes = vec![format!("{title} has no token; nothing was changed")];
        return Ok(Done { notes, ..Done::default() });
    }
    job.agree(&format!("Revoke the token of {title}?"))?;
    for token in &tokens {
        job.take_back(token).await?;
    }
    let notes = vec![format!("the token of {title} is revoked; take the server out there")];
    Ok(Done { is_changed: true, notes, ..Done::default() })
}

fn plan(slot: &Slot<'_>, file: &ClientFile, entry: &Value) -> Result<Plan, Failed> {
    let copy = file.backup();
    let is_untouched = |copy: &String| {
        let is_before = slot.entry(copy).is_ok_and(|entry| entry.is_none());
        is_before && slot.with(copy, entry).is_ok_and(|text| text == file.text)
    };
    match copy {
        Some(copy) if is_untouched(&copy) => Ok(Plan::Write { text: copy, is_copy: true }),
        None if file.text == slot.client.file_with(slot.name, entry) => Ok(Plan::Remove),
        copy => {
            // Without a copy nobody knows whether the place for servers was there before.
            let had_place =
                copy.is_none_or(|copy| slot.servers(&copy).is_ok_and(|found| found.is_some()));
            let text = slot.without(&file.text, !had_place);
            let text = text.map_err(|damage| damaged(file.path(), &damage))?;
            Ok(Plan::Write { text, is_copy: false })
        }
    }
}
