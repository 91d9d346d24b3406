use serde_json::json;

use super::arguments::CertsArguments;
use super::{Failed, Outcome, say};
use crate::model::{Clock, SystemClock};
use crate::tls::{make_certificates, trust_instructions};

/// Writes a local authority and a server certificate, and tells how to use them.
pub(super) fn run(arguments: &CertsArguments, wants_json: bool) -> Outcome {
    let mut names = arguments.name.clone();
    names.push(rustix::system::uname().nodename().to_string_lossy().into_owned());
    let made =
        make_certificates(&arguments.out, &names, SystemClock.now()).map_err(Failed::because)?;
    if wants_json {
        let told = json!({
            "authority": made.authority,
            "authority_expires_at": made.authority_expires_at,
            "server": made.server,
            "server_key": made.server_key,
            "server_expires_at": made.server_expires_at,
            "names": made.names,
        });
        return say(&told.to_string());
    }
    say(&format!("authority    {} ({})", made.authority.display(), made.authority_fate))?;
    say(&format!("certificate  {}", made.server.display()))?;
    say(&format!("key          {}", made.server_key.display()))?;
    say(&format!("names        {}", made.names.join(", ")))?;
    say(&format!("valid until  {}\n", made.server_expires_at))?;
    say("Serve with it:")?;
    say(&format!(
        "    SSL_CERT_PATH={} SSL_KEY_PATH={} memoryd\n",
        made.server.display(),
        made.server_key.display()
    ))?;
    say(&trust_instructions(&arguments.out))
}
