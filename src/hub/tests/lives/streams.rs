//! Streams begin, where a token says so too, bring what is due, and end.

use super::*;

impl Life {
    /// The text of a token, and the position it names where it is one of this life.
    pub(super) fn token(
        &self,
        channel: usize,
        listener: Option<usize>,
        token: Token,
    ) -> (Option<String>, Option<u64>) {
        let newest = self.hub.log.watermark().position().0;
        let sequence = match token {
            Token::None => return (None, None),
            Token::Malformed => return (Some("1.2.3".into()), None),
            Token::Foreign => return (Some(self.foreign.clone()), Some(0)),
            Token::Ahead => newest + 1,
            Token::Newest => newest,
            Token::Back(back) => newest.saturating_sub(back),
            Token::Told => {
                let told = self.told.get(&(channel, listener)).cloned();
                return told.map_or((None, None), |(token, sequence)| (Some(token), Some(sequence)));
            }
        };
        let birth = self.rooms.get(&channel).map_or(0, |room| room.birth);
        let incarnation = self.hub.lives.of(Position(sequence));
        let token =
            ResumeToken { incarnation, birth: Position(birth), sequence: Position(sequence), turn: None };
        (Some(token.to_string()), Some(sequence))
    }

    pub(super) fn subscribe(
        &mut self,
        channel: usize,
        listener: Option<usize>,
        receiver: Receiver<'_>,
        token: Token,
        wish: Wish,
    ) -> (Result<Stream, Error>, Option<u64>) {
        let (resume_token, sequence) = self.token(channel, listener, token);
        let types = if wish.only_dispatches { vec!["d".to_owned()] } else { Vec::new() };
        let (max_messages, max_bytes) = (wish.max_messages, 1000);
        let options =
            ListenOptions { resume_token, types, max_messages, max_bytes, ..ListenOptions::default() };
        let answer = self.hub.subscribe(channel_id(CHANNELS[channel]), receiver, options);
        (answer.map(Stream::new), sequence)
    }

    pub(super) fn listen(&mut self, channel: usize, listener: usize, token: Token, wish: Wish) {
        let (_, listener_id) = Self::ids(channel, listener);
        let receiver = Receiver::Listener(listener_id);
        let (answer, sequence) = self.subscribe(channel, Some(listener), receiver, token, wish);
        if let Token::Malformed = token {
            return assert_eq!(answer.err(), Some(Error::ResumeTokenInvalid));
        }
        let now = self.now();
        let answer = answer.map_err(|error| (error, self.rooms.contains_key(&channel)));
        let Some(room) = self.rooms.get_mut(&channel) else { return assert!(answer.is_err()) };
        let Some(ear) = room.ears.get_mut(&listener) else { return assert!(answer.is_err()) };
        if let Token::Ahead = token {
            return assert_eq!(answer.err().map(|error| error.0), Some(Error::ResumeTokenAhead));
        }
        let stream = answer.unwrap();
        let other_life = sequence.is_some_and(|sequence| sequence < ear.start()).then(|| ear.start());
        let cursor = match (sequence, other_life) {
            (_, Some(start)) => start,
            (None, None) => ear.told,
            (Some(sequence), None) => {
                ear.skip_to(sequence, now, &room.sent);
                sequence
            }
        };
        let ending = Error::ListenerTakenOver {
            channel: CHANNELS[channel].into(),
            listener: LISTENERS[listener].into(),
        };
        self.ended(channel, Some(listener), &Ending::Failed(ending));
        self.open(stream, channel, Some(listener), Ear::default(), self.place(cursor, other_life, wish));
    }

    pub(super) fn watch(&mut self, channel: usize, from: From, token: Token, wish: Wish) {
        let (newest, floor) = (self.hub.log.watermark().position().0, self.floor(channel));
        let (answer, sequence) = self.subscribe(channel, None, Receiver::Watcher(from), token, wish);
        let Some(room) = self.rooms.get(&channel) else { return assert!(answer.is_err()) };
        match token {
            Token::Malformed => return assert_eq!(answer.err(), Some(Error::ResumeTokenInvalid)),
            Token::Ahead => return assert_eq!(answer.err(), Some(Error::ResumeTokenAhead)),
            Token::None | Token::Foreign | Token::Newest | Token::Back(_) | Token::Told => {}
        }
        let other_life = sequence.is_some_and(|sequence| sequence < room.birth).then_some(room.birth);
        let start = match (sequence, other_life) {
            (_, Some(birth)) => birth,
            (Some(sequence), None) => sequence,
            (None, None) => start(from, newest, floor),
        };
        let place = self.place(start, other_life, wish);
        self.open(answer.unwrap(), channel, None, Ear::new(0, start), place);
    }

    pub(super) fn place(&self, cursor: u64, other_life: Option<u64>, wish: Wish) -> Place {
        Place { cursor, other_life, only_dispatches: wish.only_dispatches, on_core: self.core.is_some() }
    }

    pub(super) fn open(
        &mut self,
        stream: Stream,
        channel: usize,
        listener: Option<usize>,
        watcher: Ear,
        place: Place,
    ) {
        if self.streams.len() >= 6 {
            self.streams.remove(0);
        }
        self.streams.push(Open { stream, channel, listener, watcher, place, waits: false, ending: None });
    }

    pub(super) fn read(&mut self, stream: usize, batches: usize) {
        if stream >= self.streams.len() {
            return;
        }
        for _ in 0..batches {
            if self.streams[stream].ending.is_some() {
                return assert_ended(&mut self.streams[stream]);
            }
            if !self.read_one(stream) {
                return;
            }
        }
    }

    pub(super) fn read_one(&mut self, stream: usize) -> bool {
        let (now, open) = (self.now(), &mut self.streams[stream]);
        let room = self.rooms.get_mut(&open.channel).unwrap();
        let polled = open.stream.poll();
        let (ear, watches) = match open.listener {
            Some(listener) => (&room.ears[&listener], false),
            None => (&open.watcher, true),
        };
        // whoever reads a stream that rests reads on when he is woken
        open.waits = polled.is_pending() || open.stream.subscription.rests();
        let (mut gaps, after) = (Vec::new(), open.place.cursor);
        match polled {
            Poll::Ready(batch) => {
                let batch = batch.unwrap();
                room.check(ear, watches, &mut open.place, &batch, now);
                gaps.clone_from(&batch.gaps);
            }
            Poll::Pending => {
                let at = open.stream.subscription.token().sequence.0;
                room.check_at(ear, &mut open.place, at);
            }
        }
        let told = open.stream.subscription.token();
        self.told.insert((open.channel, open.listener), (told.to_string(), told.sequence.0));
        if let Some(ear) = open.listener.and_then(|listener| room.ears.get_mut(&listener)) {
            ear.find(&gaps, after, open.place.cursor);
            ear.expire(&gaps, &room.sent);
            ear.hand_over(open.place.cursor, now, &room.sent);
        }
        !open.waits
    }

    pub(super) fn drop_stream(&mut self, stream: usize) {
        if stream < self.streams.len() {
            self.streams.swap_remove(stream);
        }
    }
}
