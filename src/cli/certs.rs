use serde_json::json;

use super::arguments::CertsArguments;
use super::{Failed, Outcome, machine, say, say_json, tell};
use crate::model::{Clock, SystemClock};
use crate::tls::{
    Certificates, WantedNames, make_certificates, make_certificates_anew, trust_instructions,
};

/// Writes a local authority and a server certificate, and tells how to use them.
pub(super) fn run(arguments: &CertsArguments, wants_json: bool) -> Outcome {
    let wanted = WantedNames { given: arguments.name.clone(), found: found() };
    let make = if arguments.new_ca { make_certificates_anew } else { make_certificates };
    let made = make(&arguments.out, &wanted, SystemClock.now()).map_err(Failed::because)?;
    if wants_json {
        let told = json!({
            "authority": made.authority,
            "authority_expires_at": made.authority_expires_at,
            "authority_fate": made.authority_fate.to_string(),
            "authority_limits_addresses": made.authority_limits_addresses,
            "server": made.server,
            "server_key": made.server_key,
            "server_expires_at": made.server_expires_at,
            "names": made.names,
            "left_out": made.left_out,
        });
        return say_json(&told);
    }
    describe(&made)?;
    say("Serve with it:")?;
    say(&format!(
        "    SSL_CERT_PATH={} SSL_KEY_PATH={} memoryd\n",
        made.server.display(),
        made.server_key.display()
    ))?;
    say(&trust_instructions(&arguments.out))
}

/// By what others may reach this machine.
fn found() -> Vec<String> {
    let mut found = machine::host_names();
    match machine::network_addresses() {
        Ok(addresses) => found.extend(addresses.iter().map(ToString::to_string)),
        Err(error) => tell(&format!(
            "cannot list the addresses of this machine ({error}); give them with --name"
        )),
    }
    found
}

fn describe(made: &Certificates) -> Outcome {
    say(&format!("authority    {} ({})", made.authority.display(), made.authority_fate))?;
    say(&format!("certificate  {}", made.server.display()))?;
    say(&format!("key          {}", made.server_key.display()))?;
    say(&format!("names        {}", made.names.join(", ")))?;
    say(&format!("valid until  {}\n", made.server_expires_at))?;
    if !made.left_out.is_empty() {
        say(&format!("Left out: {}", made.left_out.join(", ")))?;
        say(
            "The authority may not sign for them, or no certificate can carry them. With --new-ca it\n\
             may, but then every client must be told to trust the new one.\n",
        )?;
    }
    if made.authority_limits_addresses {
        say(
            "This authority is of an earlier version. Claude Code, Bun and other clients refuse it\n\
             (UNSUPPORTED_CONSTRAINT_TYPE); with --new-ca there is one that they take.\n",
        )?;
    }
    Ok(())
}
