//! Routes: which request each arrival is, and when its answer is right.

use evenkeel_model::Answer;
use evenkeel_model::document::StatusCheck;
use evenkeel_units::Seed;
use memchr::memmem;
use rand::Rng;

/// Bodies are checked up to this length; what comes after is read and not looked at.
pub(crate) const CHECKED_BYTES_MAX: usize = 1024 * 1024;

/// Everything that can be requested.
pub(crate) struct Routes {
    routes: Vec<Route>,
    /// Sums of weights up to and with each route.
    weights: Vec<u64>,
}

/// One kind of request, ready to be sent.
pub(crate) struct Route {
    /// The bytes of the request.
    pub(crate) request: Vec<u8>,
    /// Whether its answer has no body (HEAD).
    pub(crate) without_body: bool,
    /// Whether sending it twice does the same as once, so that it may be tried again.
    pub(crate) idempotent: bool,
    status: Vec<StatusCheck>,
    body: Vec<memmem::Finder<'static>>,
}

impl Route {
    pub(crate) fn new(
        request: Vec<u8>,
        method: &str,
        status: &[StatusCheck],
        body_contains: &[String],
    ) -> Self {
        Self {
            request,
            without_body: method == "HEAD",
            idempotent: matches!(method, "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE"),
            status: status.to_vec(),
            body: body_contains.iter().map(|it| memmem::Finder::new(it).into_owned()).collect(),
        }
    }

    /// Whether its body has to be kept until it is whole.
    pub(crate) fn checks_body(&self) -> bool {
        !self.body.is_empty()
    }

    /// What a whole answer counts as.
    pub(crate) fn judge(&self, status: u16, body: &[u8]) -> Answer {
        let right = match &*self.status {
            [] => (200..400).contains(&status),
            checks => checks.iter().any(|it| it.holds(status)),
        };
        if !right {
            Answer::Status
        } else if self.body.iter().any(|it| it.find(body).is_none()) {
            Answer::Body
        } else {
            Answer::Ok
        }
    }
}

impl Routes {
    /// Routes with their weights; `None` when nothing could ever be chosen.
    pub(crate) fn new(routes: Vec<(u32, Route)>) -> Option<Self> {
        let mut sum = 0;
        let (weights, routes): (Vec<u64>, Vec<Route>) = routes
            .into_iter()
            .map(|(weight, route)| {
                sum += u64::from(weight);
                (sum, route)
            })
            .unzip();
        (sum > 0).then_some(Self { routes, weights })
    }

    /// Route number `index`.
    pub(crate) fn get(&self, index: u32) -> &Route {
        &self.routes[index as usize]
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.routes.len()
    }

    /// The next choice.
    pub(crate) fn choose(&self, chance: &mut impl Rng) -> u32 {
        let sum = self.weights.last().copied().unwrap_or(1);
        // Scaling keeps every weight within 2⁻⁶⁴ of its share, which a remainder would not.
        let at = (u128::from(chance.next_u64()) * u128::from(sum)) >> 64;
        self.weights.partition_point(|&it| u128::from(it) <= at) as u32
    }
}

/// The two sources of choices: arrivals of the open model choose in order of their number, whatever
/// users of the closed model do in between.
pub(crate) fn chances(seed: Seed) -> [impl Rng + Send; 2] {
    ["load/routes", "load/routes/users"].map(|it| seed.stream(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weighted(weights: &[u32]) -> Routes {
        let route = || Route::new(Vec::new(), "GET", &[], &[]);
        Routes::new(weights.iter().map(|&it| (it, route())).collect()).unwrap()
    }

    #[test]
    fn routes_are_chosen_by_weight_and_by_seed_alone() {
        let routes = weighted(&[6, 0, 3, 1]);
        let choose = || {
            let [mut chance, _] = chances(Seed(7));
            (0..10_000).map(|_| routes.choose(&mut chance)).collect::<Vec<_>>()
        };
        let chosen = choose();
        assert_eq!(chosen, choose());
        for (route, share) in [(0, 6_000), (1, 0), (2, 3_000), (3, 1_000)] {
            let count = chosen.iter().filter(|&&it| it == route).count();
            assert!(count.abs_diff(share) <= share / 10, "route {route}: {count}");
        }
    }

    #[test]
    fn a_wrong_status_weighs_more_than_a_wrong_body() {
        let checks = [StatusCheck { from: 200, to: 204 }];
        let route = Route::new(Vec::new(), "GET", &checks, &["order".to_owned()]);
        assert_eq!(route.judge(202, b"an order"), Answer::Ok);
        assert_eq!(route.judge(202, b"nothing"), Answer::Body);
        assert_eq!(route.judge(301, b"nothing"), Answer::Status);
        let plain = Route::new(Vec::new(), "GET", &[], &[]);
        assert_eq!(
            [200, 399, 400].map(|it| plain.judge(it, b"")),
            [Answer::Ok, Answer::Ok, Answer::Status]
        );
    }
}
