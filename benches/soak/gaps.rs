//! What a gap must say, and may.

use crate::{
    books::Accepted,
    cast::{Mode, Receiver},
    event::Gap,
    trial::Trial,
};
use eric::v1::GapReason;

/// "Beyond 64 waiting gaps the two oldest merge": then so many are said on one stream, but for one that was said before.
const MANY: usize = 63;

impl Trial<'_> {
    /// "Wherever a listener cannot get a message that was meant for it, its stream carries a gap at that place: reason, after
    /// which sequence, through which, and how many where that can be known."
    pub(crate) fn gap(&mut self, gap: Gap) {
        let told = format!("{}: {gap:?}", self.receiver.name());
        // one of another life may cover nothing
        let range = gap.after + 1..gap.through.max(gap.after) + 1;
        let covered: Vec<_> = self.waiting.extract_if(range.clone(), |_| true).collect();
        let all: Vec<_> = self.meant.range(range).map(|(sequence, _)| *sequence).collect();
        let own = all.iter().filter(|sequence| !self.is_acknowledged(**sequence)).count();
        self.gone.extend(all);
        let opened = self.streams.get(&gap.stream).map_or(0, |known| known.opened);
        self.passed.extend(covered.iter().map(|sequence| (*sequence, (opened, gap.when))));
        let merged = self.may_be_merged(&gap);
        for sequence in covered.iter().filter(|_| !merged) {
            self.is_so(&told, &gap, *sequence);
        }
        self.passes(&gap);
        let Some(count) = gap.count.and_then(|count| usize::try_from(count).ok()) else { return };
        let never = covered.iter().filter(|sequence| self.never_came(sequence)).count();
        if never > count {
            self.faults.unannounced.push(format!("{told}: {never} are missing"));
        }
        if merged {
            self.counts_for_others(gap.after, count.saturating_sub(own));
        }
    }

    /// Only the oldest that a stream says, before many others.
    fn may_be_merged(&self, gap: &Gap) -> bool {
        self.gaps_said.get(&gap.stream).is_some_and(|(many, first)| *many >= MANY && *first == gap.through)
    }

    /// "The two oldest merge, counts added": the one is said in the place of the other, and its count tells of both. It may
    /// tell of messages too whose acknowledgement was never answered.
    fn counts_for_others(&mut self, before: i64, count: usize) {
        let others: Vec<_> = self.waiting.range(..=before).take(count).copied().collect();
        self.waiting.retain(|sequence| !others.contains(sequence));
        self.faults.in_doubt += count - others.len();
        self.gone.extend(others);
    }

    /// What is missing is missing for that reason.
    fn is_so(&mut self, told: &str, gap: &Gap, sequence: i64) {
        if !may_be(gap.reason, self.receiver, &self.meant[&sequence]) {
            self.faults.unannounced.push(format!("{told}: {sequence} cannot be missing for that reason"));
        }
        // "it goes to the channel's dead letter listener, in one commit with the cursor's step"
        let rejected = gap.reason == GapReason::Rejected;
        if self.receiver.buries && rejected && !self.buried.contains(&sequence) {
            self.faults.lost.push(format!("{told}: {sequence} is no dead letter"));
        }
    }

    /// "The last sequence that the gap covers. What comes next is above it." Where a generation has begun, or a pull goes on,
    /// the next delivery says where it stands: one gap may have come late, behind what is in hand.
    fn passes(&mut self, gap: &Gap) {
        let known = self.streams.entry(gap.stream).or_default();
        if known.generation.is_none_or(|generation| generation >= gap.generation) {
            known.last = known.last.max(gap.through);
        }
        known.reached = known.reached.max(gap.through);
    }
}

fn may_be(reason: GapReason, receiver: &Receiver, message: &Accepted) -> bool {
    match reason {
        // "drops the oldest for those who are that far behind"; a dead letter listener "when full drops its oldest"
        GapReason::Overflow => receiver.drops || receiver.mode == Mode::DeadLetters,
        // "a message may have a ttl"
        GapReason::Expired => message.ttl && receiver.mode != Mode::DeadLetters,
        // "PurgeListener clears the backlog, outstanding messages and window": a watcher has none, and nobody purges the dead
        GapReason::Purged => receiver.listens(),
        // EXPLICIT alone rejects; "a dead letter listener has no dead letter of its own", and is dropped then
        GapReason::Rejected => receiver.acknowledges(),
        // "a resume token of another life"; all that is kept since its birth comes behind the gap
        GapReason::OtherLife => false,
        // nothing grows as old or as large here that it is trimmed
        // but what a channel drops is that for a watcher who comes back
        GapReason::Trimmed => receiver.mode == Mode::Watcher && receiver.drops,
        GapReason::Unspecified => false,
    }
}
