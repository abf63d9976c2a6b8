//! Later: what connections have to say at a moment of their own, without any byte having come.

use evenkeel_units::Moment;

use super::Engine;
use crate::protocol::Protocol;

impl<P: Protocol> Engine<P> {
    /// A connection is asked again when it has something to say.
    pub(super) fn speak_later(&mut self, at: usize) {
        if P::SPEAKS_LATER
            && let Some(moment) = self.pool.connections[at].speaks.as_ref().and_then(P::speaks_at)
        {
            let token = self.pool.token(at);
            self.later.insert((moment, token));
        }
    }

    /// Has connections say what is due by now.
    pub(super) fn speak(&mut self, now: Moment) {
        while let Some(&(moment, token)) = self.later.first()
            && moment <= now
        {
            self.later.pop_first();
            // What has broken meanwhile has nothing to say.
            let Some(at) = self.pool.find(token) else { continue };
            if let Some(speaks) = &mut self.pool.connections[at].speaks {
                speaks.speak(now, &mut self.out);
            }
            self.flush(at);
            if self.pool.find(token).is_some() {
                self.speak_later(at);
            }
        }
    }
}
