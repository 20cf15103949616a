//! The tables of `eric.db`, as operators meet them in the `sqlite3` shell.
//!
//! Every row stands under a position of the one order; there is no other index. Times that end in `_at` are
//! nanoseconds since 1970-01-01 UTC, unless they say otherwise; `settings` and `state` are JSON objects in words of the
//! hub.
//!
//! | table | a row |
//! | --- | --- |
//! | `mark` | one: no position up to `last` is ever given again; noted `at`, in milliseconds |
//! | `start` | a start of a server: the positions from here on are this incarnation's. Kept of the last 65,536, however little is left of theirs: tokens are told apart by it |
//! | `channel` | a channel; `birth` is the position of its creation |
//! | `listener` | a listener; `channel` is the birth of its channel. Without one it is about to go |
//! | `message` | a message that is kept: `listener` is the birth of its receiver, NULL: a broadcast; `expires_at` and `remember_until` (of its id) in milliseconds; `dead_letter`: why it is one, as JSON; `checksum`: the CRC-32 of all of these; `message`: the bytes of an `eric.v1.Message` |
//! | `accepted` | the id of a message that is gone, remembered `until` (milliseconds) |
//! | `removed` | what went in the last minutes; `at` in milliseconds; without a listener the channel went |
//! | `doomed` | messages whose deletion is decided and not yet carried out: `first` through `last`, or, of these, only those at `first` + each of `offsets` (a JSON array) |
//!
//! The view `messages` shows what is kept, with the ids of channel and receiver in place of births.

/// `eric` in ASCII: what `PRAGMA application_id` says of a file of ours.
pub(super) const APPLICATION: i32 = 0x6572_6963;

/// What `PRAGMA user_version` says: the version of these tables.
pub(super) const FORMAT: i32 = 2;

/// Made in a file that has none.
pub(super) const TABLES: &str = "
CREATE TABLE mark (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    last INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;
INSERT INTO mark VALUES (1, 0, 0);
CREATE TABLE start (
    position INTEGER PRIMARY KEY,
    incarnation INTEGER NOT NULL,
    started_at INTEGER NOT NULL
) STRICT;
CREATE TABLE channel (
    birth INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    settings TEXT NOT NULL,
    state TEXT NOT NULL
) STRICT;
CREATE TABLE listener (
    birth INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL,
    id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    explicit INTEGER NOT NULL,
    settings TEXT NOT NULL,
    state TEXT NOT NULL
) STRICT;
CREATE TABLE message (
    position INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL,
    listener INTEGER,
    accepted_at INTEGER NOT NULL,
    expires_at INTEGER,
    remember_until INTEGER,
    dead_letter TEXT,
    checksum INTEGER NOT NULL,
    message BLOB NOT NULL
) STRICT;
CREATE TABLE accepted (
    position INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL,
    listener INTEGER,
    until INTEGER NOT NULL,
    id TEXT NOT NULL
) STRICT;
CREATE TABLE removed (
    position INTEGER PRIMARY KEY,
    birth INTEGER NOT NULL,
    channel TEXT NOT NULL,
    listener TEXT,
    expired INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE TABLE doomed (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    offsets TEXT
) STRICT;
CREATE VIEW messages AS
SELECT position, channel.id AS channel, listener.id AS listener,
    datetime(accepted_at / 1000000000, 'unixepoch') AS accepted,
    length(message) AS bytes, dead_letter, message
FROM message
JOIN channel ON channel.birth = message.channel
LEFT JOIN listener ON listener.birth = message.listener
WHERE message.listener IS NULL OR listener.birth IS NOT NULL;
";
