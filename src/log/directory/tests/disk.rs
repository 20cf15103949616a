//! What is kept free on the disk is not used up before anybody looks.

use super::*;
use std::sync::atomic::Ordering;

/// The writer alone: nobody else looks from time to time.
#[test]
fn who_writes_much_finds_the_disk_full_before_it_is_said_that_all_is_safe() {
    let (dir, options) = (dir(), Options::default());
    let connection = open::writer(dir.path(), &options).expect("it is new");
    let shared = Arc::new(share(&connection, &options).expect("it is new"));
    let disk = Arc::new(Disk::full(dir.path(), Room::beside(options.wal_bytes)));
    let rhythm = Rhythm::new(options.sync);
    let writer = Writer::new(connection, Arc::clone(&shared), open::file(dir.path()), disk, rhythm);
    let writing = spawn("log-writer", &shared, move || writer.run());

    let send = || {
        // seen long ago
        shared.seen.free_bytes.store(1 << 40, Ordering::Relaxed);
        let message = Record::Message {
            channel: Position(1),
            listener: None,
            accepted_at: 7,
            remember_until: None,
            message: message("a", 100_000),
            dead_letter: None,
        };
        let position = shared.change(|state| state.append(message))?;
        wait(shared.watermark.reached(position))
    };
    // as soon as there are 256 KiB
    assert_eq!((0..4).map(|_| send().is_ok()).collect::<Vec<_>>(), [true, true, true, false]);
    shared.close();
    writing.join().expect("it does not panic");
}
