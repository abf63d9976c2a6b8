//! Places: the connections that belong to one user or one visit each.
//!
//! A place among the connections is taken with the first request and kept until the user leaves or the visit ends,
//! also while its connection is broken: then the next request makes it anew in the same place, and nobody who has
//! come later gets in between.

use evenkeel_model::document::Owner;

use super::Request;

/// Who keeps which place.
#[derive(Default)]
pub(super) struct Places {
    owner: Owner,
    of_users: Vec<Option<usize>>,
    of_visits: Vec<Option<usize>>,
    /// Those that nobody needs any more.
    pub(super) let_go: Vec<usize>,
}

impl Places {
    pub(super) fn new(owner: Owner) -> Self {
        Self { owner, ..Self::default() }
    }

    /// Whether places are kept at all.
    pub(super) fn are_owned(&self) -> bool {
        self.owner != Owner::Shared
    }

    /// Whether each user keeps its own.
    pub(super) fn are_of_users(&self) -> bool {
        self.owner == Owner::User
    }

    /// The place of whoever sends this.
    pub(super) fn of(&self, request: &Request) -> Option<usize> {
        let (places, owner) = match (self.owner, request.user) {
            (Owner::Shared, _) => return None,
            (Owner::User, Some(user)) => (&self.of_users, user),
            _ => (&self.of_visits, request.visit?),
        };
        places.get(owner as usize).copied().flatten()
    }

    /// Whoever sends this keeps the place from here on.
    pub(super) fn keep(&mut self, request: &Request, place: usize) {
        let (places, owner) = match (self.owner, request.user, request.visit) {
            (Owner::User, Some(user), _) => (&mut self.of_users, user as usize),
            (_, _, Some(visit)) => (&mut self.of_visits, visit as usize),
            _ => unreachable!("where connections are owned, every request is of a visit"),
        };
        if places.len() <= owner {
            places.resize(owner + 1, None);
        }
        places[owner] = Some(place);
    }

    /// A visit has ended.
    pub(super) fn visit_ended(&mut self, visit: u32) {
        let place = self.of_visits.get_mut(visit as usize).and_then(Option::take);
        self.let_go.extend(place);
    }

    /// A user has left.
    pub(super) fn user_left(&mut self, user: u32) {
        let place = self.of_users.get_mut(user as usize).and_then(Option::take);
        self.let_go.extend(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_units::Moment;

    fn request(user: Option<u32>, visit: u32) -> Request {
        let due = Moment::START;
        Request { due, route: 0, visit: Some(visit), user, planned: false, is_first: true }
    }

    #[test]
    fn a_user_keeps_its_place_over_its_visits_and_an_arrival_over_one() {
        let mut places = Places::new(Owner::User);
        let (ann, passer_by) = (request(Some(3), 0), request(None, 1));
        places.keep(&ann, 7);
        places.keep(&passer_by, 8);
        places.visit_ended(0);
        places.visit_ended(1);
        assert_eq!(places.of(&request(Some(3), 5)), Some(7));
        assert_eq!((places.of(&request(Some(2), 5)), places.of(&request(None, 1))), (None, None));
        places.user_left(3);
        assert_eq!((places.of(&ann), places.let_go), (None, vec![8, 7]));
    }

    #[test]
    fn a_visit_keeps_its_place_whoever_makes_it() {
        let mut places = Places::new(Owner::Visit);
        places.keep(&request(Some(3), 4), 7);
        assert_eq!(places.of(&request(Some(3), 5)), None);
        assert_eq!(places.of(&request(Some(3), 4)), Some(7));
        places.visit_ended(4);
        assert_eq!(places.let_go, [7]);
    }
}
