use super::*;
use proptest::{collection::vec, prelude::*};
use std::collections::HashMap;

/// In one place of a test an id has so many bytes in the budget.
fn id_bytes() -> u64 {
    let (budget, mut ids) = (roomy(), Ids::default());
    ids.remember(&[remembered(&Keys::default(), "a", 1, 10)], 0, &budget);
    budget.taken()
}

fn roomy() -> Budget {
    let budget = Budget::new(1 << 30);
    budget.share_among(1);
    budget
}

/// Room for so many ids in a single channel.
fn room_for(ids: u64) -> Budget {
    let budget = Budget::new(2 * ids * id_bytes());
    budget.share_among(1);
    budget
}

fn remembered(keys: &Keys, id: &str, position: u64, until: u64) -> Remembered {
    Remembered { key: keys.key(None, id), position: Position(position), until }
}

#[test]
fn an_id_is_known_until_its_time_is_over() {
    let (keys, budget, mut ids) = (Keys::default(), roomy(), Ids::default());
    let key = keys.key(None, "a");
    assert_eq!(ids.find(key, 0), None);
    ids.remember(&[remembered(&keys, "a", 7, 100)], 0, &budget);
    assert_eq!([ids.find(key, 0), ids.find(key, 99)], [Some(Position(7)); 2]);
    assert_eq!(ids.find(key, 100), None);
}

#[test]
fn an_id_is_of_one_receiver() {
    let keys = Keys::default();
    let receivers = [None, Some(Position(1)), Some(Position(2))];
    let of = |id| receivers.map(|receiver| keys.key(receiver, id));
    let all: Vec<_> = [of("a"), of("b"), of("aa")].concat();
    for (place, key) in all.iter().enumerate() {
        assert_eq!(all.iter().position(|other| other == key), Some(place));
    }
    assert_ne!(Keys::default().key(None, "a"), keys.key(None, "a"), "each start has keys of its own");
}

#[test]
fn what_has_expired_behind_what_has_not_is_unknown_and_may_come_again() {
    let (keys, budget, mut ids) = (Keys::default(), roomy(), Ids::default());
    ids.remember(&[remembered(&keys, "long", 1, 100)], 0, &budget);
    ids.remember(&[remembered(&keys, "short", 2, 10)], 0, &budget);
    let short = keys.key(None, "short");
    assert_eq!(ids.find(short, 10), None);
    ids.remember(&[remembered(&keys, "short", 3, 200)], 10, &budget);
    assert_eq!(ids.find(short, 10), Some(Position(3)));
    // the earlier one of the two goes, and takes the later one not along
    assert!(!ids.tend(100, &budget));
    assert_eq!((ids.len, ids.find(short, 100)), (1, Some(Position(3))));
}

#[test]
fn where_there_is_no_room_the_oldest_goes_and_is_counted() {
    let (keys, budget, mut ids) = (Keys::default(), room_for(3), Ids::default());
    for (position, id) in (1..).zip(["a", "b", "c", "d", "e"]) {
        ids.remember(&[remembered(&keys, id, position, 100)], 0, &budget);
    }
    let found =
        ["a", "b", "c", "d", "e"].map(|id| ids.find(keys.key(None, id), 0).map(|position| position.0));
    assert_eq!(found, [None, None, Some(3), Some(4), Some(5)]);
    assert_eq!((budget.evicted(), budget.taken()), (2, 3 * id_bytes()));
    // what has expired is none that was evicted
    ids.remember(&[remembered(&keys, "f", 6, 300)], 200, &budget);
    assert_eq!(budget.evicted(), 2);
}

#[test]
fn without_any_room_nothing_is_remembered() {
    let (keys, budget, mut ids) = (Keys::default(), room_for(0), Ids::default());
    ids.remember(&[remembered(&keys, "a", 1, 100)], 0, &budget);
    assert_eq!((ids.find(keys.key(None, "a"), 0), budget.evicted(), budget.taken()), (None, 1, 0));
}

#[test]
fn what_has_expired_gives_its_room_back() {
    let (keys, budget, mut ids) = (Keys::default(), roomy(), Ids::default());
    let count = AT_ONCE + 100;
    for n in 0..count as u64 {
        ids.remember(&[remembered(&keys, &n.to_string(), n, 100)], 0, &budget);
    }
    let spare = ids.spare();
    assert!(spare <= count / 16, "{spare}: not much more than is needed is taken");
    assert_eq!(budget.taken(), (count + spare) as u64 * id_bytes());
    assert!(ids.tend(100, &budget), "not all at once");
    assert!(!ids.tend(100, &budget));
    assert_eq!((ids.len, bytes(&ids), budget.taken()), (0, 0, 0), "the memory is given back too");
    assert_eq!(budget.evicted(), 0);
}

#[test]
fn a_channel_gives_another_one_its_part() {
    let (keys, budget) = (Keys::default(), room_for(100));
    let [mut greedy, mut late] = <[Ids; 2]>::default();
    let fill = |ids: &mut Ids| {
        (0..200).for_each(|n| ids.remember(&[remembered(&keys, &n.to_string(), n, 100)], 0, &budget));
        ids.len
    };
    assert_eq!(fill(&mut greedy), 100);
    budget.share_among(2);
    assert_eq!(fill(&mut late), 50);
    assert!(!greedy.tend(0, &budget) && !late.tend(0, &budget));
    assert_eq!((greedy.len, late.len), (50, 50));
    // 100 that did not fit, 150 that did not fit, 50 for the other
    assert_eq!((budget.evicted(), budget.taken()), (300, 100 * id_bytes()));
    greedy.clear(&budget);
    assert_eq!((budget.taken(), greedy.find(keys.key(None, "199"), 0)), (50 * id_bytes(), None));
}

/// What it takes, in bytes.
fn bytes(ids: &Ids) -> u64 {
    let tables = ids.eras.iter().map(Era::bytes).sum::<usize>();
    let emptied = ids.emptied.capacity() * size_of::<records::Record>();
    (tables + emptied + ids.eras.capacity() * size_of::<Era>()) as u64
}

/// The least that one who has any takes, and a list of eras that is as long as it gets.
const BESIDE: u64 = 2048;

#[test]
fn what_it_takes_is_what_is_counted() {
    for window in [1, 10, 1000, 7000] {
        let (keys, budget, mut ids) = (Keys::default(), roomy(), Ids::default());
        for n in 0..5 * window {
            ids.remember(&[remembered(&keys, &n.to_string(), n, n + window)], n, &budget);
            let (takes, counted) = (bytes(&ids), budget.taken());
            assert!(takes <= counted + BESIDE, "{n} of {window}: {takes} for {counted}");
        }
        assert!(ids.eras.len() <= 3, "{}", ids.eras.len());
    }
}

#[test]
fn ids_that_become_more_and_more_stand_in_few_tables() {
    let (keys, budget, mut ids) = (Keys::default(), roomy(), Ids::default());
    (0..100_000).for_each(|n| ids.remember(&[remembered(&keys, &n.to_string(), n, 10)], 0, &budget));
    assert!(ids.eras.len() <= 8, "{}", ids.eras.len());
    let found = |n: u64| ids.find(keys.key(None, &n.to_string()), 0);
    assert!((0..100_000).all(|n| found(n) == Some(Position(n))));
    assert!((100_000..200_000).all(|n| found(n).is_none()));
}

#[test]
fn what_a_burst_took_is_gone_a_window_after_it_although_some_come_all_the_time() {
    let (keys, budget, mut ids) = (Keys::default(), roomy(), Ids::default());
    let mut position = 0..;
    let mut send = |ids: &mut Ids, now: u64| {
        let position = position.next().unwrap();
        ids.remember(&[remembered(&keys, &position.to_string(), position, now + 10)], now, &budget);
    };
    (0..30_000).for_each(|_| send(&mut ids, 0));
    for now in 1..=30 {
        (0..5).for_each(|_| send(&mut ids, now));
        while ids.tend(now, &budget) {}
    }
    assert_eq!(ids.len, 50);
    assert!(bytes(&ids) <= budget.taken() + BESIDE, "{} for {}", bytes(&ids), budget.taken());
    assert!(budget.taken() <= 70 * id_bytes());
}

/// More come than there are places, all around the circle of the numbers that places tell; in runs, as senders bring them.
#[test]
fn what_is_remembered_is_found_and_nothing_else_however_many_have_come() {
    const RUN: u64 = 64;
    let (keys, budget, mut ids) = (Keys::default(), room_for(5_000), Ids::default());
    let key = |n: u64| keys.key(None, &n.to_string());
    let send = |ids: &mut Ids, run: u64| {
        let remembered = |n| Remembered { key: key(n), position: Position(n), until: u64::MAX };
        let run: Vec<_> = (run * RUN..(run + 1) * RUN).map(remembered).collect();
        ids.remember(&run, 0, &budget);
    };
    (0..1_000).for_each(|run| send(&mut ids, run));
    (0..ids.len).for_each(|_| ids.forget_oldest());
    ids.eras[0].skip(there::NUMBERS as usize - 20_000);
    for run in 1_000..2_000 {
        send(&mut ids, run);
        if run % 50 == 49 {
            let (last, oldest) = ((run + 1) * RUN, (run + 1) * RUN - ids.len as u64);
            assert!((oldest..last).all(|n| ids.find(key(n), 0) == Some(Position(n))));
            assert!((oldest - 10_000..oldest).all(|n| ids.find(key(n), 0).is_none()));
        }
    }
    assert!(ids.len > 4_900 && ids.eras.len() == 1, "{} in {}", ids.len, ids.eras.len());
    let oldest = 2_000 * RUN - ids.len as u64;
    let new = ids.are_new(&(oldest - 32..oldest + 32).map(key).collect::<Vec<_>>(), 0);
    assert!(new[..32].iter().filter(|new| **new).count() > 24 && !new[32..].contains(&true));
}

/// An era that holds none any more, and does not reach as far as the next id.
#[test]
fn what_comes_out_of_reach_of_an_empty_table_is_remembered_for_its_time() {
    for budget in [roomy(), room_for(1)] {
        let (keys, mut ids) = (Keys::default(), Ids::default());
        let far = 1 << 40;
        ids.remember(&[remembered(&keys, "a", 1, 1000)], 0, &budget);
        ids.remember(&[remembered(&keys, "b", far, 2500)], 1500, &budget);
        ids.remember(&[remembered(&keys, "c", far + 1, 2600)], 1500, &budget);
        assert!(!ids.tend(2550, &budget));
        assert_eq!((ids.len, ids.find(keys.key(None, "c"), 2550)), (1, Some(Position(far + 1))));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Send(u8),
    Wait(u64),
    Window(u64),
    Tend,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<u8>().prop_map(Step::Send),
        2 => (0..20_u64).prop_map(Step::Wait),
        1 => (1..60_u64).prop_map(Step::Window),
        1 => Just(Step::Tend),
    ]
}

#[test]
fn nearly_all_of_a_run_are_known_to_be_new() {
    let (keys, ids) = (Keys::default(), Ids::default());
    let run: Vec<_> = (0..64).map(|id| keys.key(None, &id.to_string())).collect();
    assert!(ids.are_new(&run, 0).into_iter().filter(|new| *new).count() > 48);
}

proptest! {
    #[test]
    fn what_is_new_is_neither_remembered_nor_came_before(known in vec(any::<u8>(), 0..64), run in vec(any::<u8>(), 0..64)) {
        let (keys, budget, mut ids) = (Keys::default(), roomy(), Ids::default());
        for id in &known {
            ids.remember(&[remembered(&keys, &id.to_string(), 1, 10)], 0, &budget);
        }
        let looked_for: Vec<_> = run.iter().map(|id| keys.key(None, &id.to_string())).collect();
        for (place, new) in ids.are_new(&looked_for, 0).into_iter().enumerate() {
            let came = known.contains(&run[place]) || run[..place].contains(&run[place]);
            prop_assert!(!(new && came), "{place}");
        }
    }

    #[test]
    fn it_knows_what_a_plain_map_knows(steps in vec(step(), 0..400)) {
        let (keys, budget, mut ids) = (Keys::default(), roomy(), Ids::default());
        let (mut plain, mut now, mut window) = (HashMap::<u8, (u64, u64)>::new(), 0, 30);
        for (position, step) in (1..).zip(steps) {
            match step {
                Step::Send(id) => {
                    let expected = plain.get(&id).filter(|(_, until)| *until > now).map(|(at, _)| *at);
                    let found = ids.find(keys.key(None, &id.to_string()), now);
                    prop_assert_eq!(found.map(|position| position.0), expected);
                    if found.is_none() {
                        ids.remember(&[remembered(&keys, &id.to_string(), position, now + window)], now, &budget);
                        plain.insert(id, (position, now + window));
                    }
                }
                Step::Wait(time) => now += time,
                Step::Window(time) => window = time,
                Step::Tend => prop_assert!(!ids.tend(now, &budget)),
            }
            prop_assert!(ids.len <= ids.granted);
            prop_assert_eq!(budget.taken(), ids.granted as u64 * id_bytes());
        }
    }
}
