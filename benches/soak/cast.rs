//! Who there is: receivers of every kind, in channels of different settings.

use std::iter;

/// How a receiver receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Explicit,
    Automatic,
    Watcher,
    /// EXPLICIT, and nobody sends to it.
    DeadLetters,
}

/// What is special about the life that a receiver leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    None,
    /// It shares its stream with others of all channels.
    Joint,
    /// It pulls.
    Pulls,
    /// It must acknowledge soon, or ask for more time.
    Timed,
    /// Its listener is removed and registered again, now and then.
    Fleeting,
    /// It comes back without its token.
    Forgets,
    /// Two clients with sessions of their own want its listener; each is a receiver with a view of its own.
    Fights,
    /// The second of those: it leaves for good in the calm.
    FightsAndLeaves,
}

/// A receiver, by its place in [`Cast::receivers`].
pub(crate) type Who = usize;

#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    pub(crate) channel: &'static str,
    /// Empty: a watcher.
    pub(crate) listener: &'static str,
    pub(crate) mode: Mode,
    pub(crate) habit: Habit,
    /// It receives only messages of this type.
    pub(crate) only: Option<&'static str>,
    pub(crate) overtaking: bool,
    /// Its channel drops the oldest where a backlog is full.
    pub(crate) drops: bool,
    /// Its channel names a dead letter listener.
    pub(crate) buries: bool,
}

impl Receiver {
    pub(crate) fn acknowledges(&self) -> bool {
        matches!(self.mode, Mode::Explicit | Mode::DeadLetters)
    }

    /// It has a listener that senders may dispatch to.
    pub(crate) fn listens(&self) -> bool {
        matches!(self.mode, Mode::Explicit | Mode::Automatic)
    }

    pub(crate) fn fights(&self) -> bool {
        matches!(self.habit, Habit::Fights | Habit::FightsAndLeaves)
    }

    pub(crate) fn fleeting(&self) -> bool {
        self.habit == Habit::Fleeting
    }

    /// Whether it is still there when everything has arrived.
    pub(crate) fn stays(&self) -> bool {
        self.habit != Habit::FightsAndLeaves
    }

    pub(crate) fn name(&self) -> String {
        let listener = if self.listener.is_empty() { "a watcher" } else { self.listener };
        let second = if self.stays() { "" } else { " (the second)" };
        format!("{}/{listener}{second}", self.channel)
    }
}

/// The types of messages that are sent, by turns.
pub(crate) const TYPES: [&str; 2] = ["even", "odd"];
pub(crate) const DEAD: &str = "dead";

/// A channel, by what decides how its receivers are judged.
#[derive(Clone, Copy)]
pub(crate) struct Scene {
    pub(crate) channel: &'static str,
    pub(crate) overtaking: bool,
    pub(crate) buries: bool,
    /// How much may wait; beyond it the oldest is dropped, or what is sent is refused.
    pub(crate) drops: Option<i64>,
    pub(crate) refuses: Option<i64>,
    /// Whose habits are at home here, beside the usual ones.
    habits: &'static [(&'static str, Mode, Habit)],
}

const USUAL: Scene =
    Scene { channel: "", overtaking: false, buries: true, drops: None, refuses: None, habits: &[] };

const TIMED: (&str, Mode, Habit) = ("timed", Mode::Explicit, Habit::Timed);
const FLEETING: (&str, Mode, Habit) = ("fleeting", Mode::Explicit, Habit::Fleeting);
const FLEETING_PLAIN: (&str, Mode, Habit) = ("fleeting-plain", Mode::Automatic, Habit::Fleeting);
const FORGETS: (&str, Mode, Habit) = ("forgetful", Mode::Automatic, Habit::Forgets);
const FOUGHT: (&str, Mode, Habit) = ("fought", Mode::Automatic, Habit::Fights);
const FOUGHT_TOO: (&str, Mode, Habit) = ("fought", Mode::Automatic, Habit::FightsAndLeaves);

pub(crate) const SCENES: [Scene; 5] = [
    Scene { channel: "strict", habits: &[TIMED, FLEETING, FORGETS], ..USUAL },
    Scene { channel: "overtaking", overtaking: true, habits: &[TIMED, FLEETING], ..USUAL },
    Scene {
        channel: "dropping",
        buries: false,
        drops: Some(40),
        habits: &[FORGETS, FLEETING_PLAIN],
        ..USUAL
    },
    Scene { channel: "refusing", refuses: Some(60), habits: &[FOUGHT, FOUGHT_TOO], ..USUAL },
    Scene { channel: "unburied", buries: false, habits: &[FLEETING_PLAIN, FOUGHT, FOUGHT_TOO], ..USUAL },
];

/// The receivers of every channel.
const EVERYWHERE: [(&str, Mode, Habit); 7] = [
    ("steady", Mode::Explicit, Habit::None),
    ("joint", Mode::Explicit, Habit::Joint),
    ("pulled", Mode::Explicit, Habit::Pulls),
    (TYPED, Mode::Explicit, Habit::None),
    ("plain", Mode::Automatic, Habit::None),
    ("joint-plain", Mode::Automatic, Habit::Joint),
    ("", Mode::Watcher, Habit::None),
];
const TYPED: &str = "typed";

impl Scene {
    fn receivers(&self) -> impl Iterator<Item = Receiver> {
        let dead = self.buries.then_some((DEAD, Mode::DeadLetters, Habit::None));
        EVERYWHERE.into_iter().chain(self.habits.iter().copied()).chain(dead).zip(iter::repeat(*self)).map(
            |((listener, mode, habit), scene)| Receiver {
                channel: scene.channel,
                listener,
                mode,
                habit,
                only: (listener == TYPED).then_some(TYPES[1]),
                overtaking: scene.overtaking,
                drops: scene.drops.is_some(),
                buries: scene.buries && mode != Mode::DeadLetters,
            },
        )
    }
}

#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) receivers: Vec<Receiver>,
}

impl Cast {
    pub(crate) fn new() -> Self {
        Self { receivers: SCENES.iter().flat_map(Scene::receivers).collect() }
    }

    /// Those that are so.
    pub(crate) fn those(&self, so: impl Fn(&Receiver) -> bool) -> Vec<Who> {
        (0..self.receivers.len()).filter(|who| so(&self.receivers[*who])).collect()
    }

    pub(crate) fn find(&self, channel: &str, listener: &str) -> Option<Who> {
        self.receivers.iter().position(|it| it.channel == channel && it.listener == listener)
    }
}
