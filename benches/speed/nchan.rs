//! What one would pick in place of Eric for browsers: nginx with the module Nchan, in one process.

use crate::{Outcome, messages};
use std::{
    ffi::{OsStr, OsString},
    fs,
    net::SocketAddr,
    path::Path,
};

/// The program, as `scripts/tool nchan` prints it.
const PROGRAM: &str = "ERIC_NCHAN";
const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// Where it takes what is published, and where it gives it out.
pub(crate) const PUBLISH: &str = "/publish";
pub(crate) const EVENTS: &str = "/events";

/// nginx, where the caller's environment names it.
pub(crate) fn program() -> Option<OsString> {
    std::env::var_os(PROGRAM).filter(|program| !program.is_empty())
}

/// What starts it in a directory.
pub(crate) fn arguments(directory: &Path, address: SocketAddr) -> Outcome<[OsString; 2]> {
    let file = directory.join("nginx.conf");
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|of| format!("{of}_temp_path {};\n", directory.join(of).display()))
        .concat();
    let text = format!(
        "daemon off; master_process off; error_log {directory}/error.log error; pid {directory}/pid;\n\
         load_module {MODULE};\n\
         events {{ worker_connections 8192; }}\n\
         http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; {temporary}\
         server {{ listen {address}; \
         location = {PUBLISH} {{ nchan_publisher; nchan_channel_id {channel}; nchan_message_buffer_length 100; }} \
         location = {EVENTS} {{ nchan_subscriber eventsource; nchan_channel_id {channel}; \
         nchan_subscriber_first_message newest; }} }} }}\n",
        directory = directory.display(),
        channel = messages::CHANNEL_OF_EVENTS,
    );
    fs::write(&file, text)?;
    Ok([OsStr::new("-c").to_owned(), file.into()])
}
