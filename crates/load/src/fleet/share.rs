//! Shares: one order becomes one for each agent, which together are the same load.
//!
//! Arrivals and users are dealt out by number, as they are among threads. Connections are shared out, so that the
//! target sees no more of them than from one machine; each machine has the threads of the order.

use crate::order::{Order, Share};
use crate::scenario;

use super::FleetError;

/// What each of `agents` sends, with the data in it.
pub(super) fn shares(order: &Order, agents: u32) -> Result<Vec<Order>, FleetError> {
    let all = order.test.connections;
    if all < agents {
        return Err(FleetError::Connections { connections: all, agents });
    }
    let mut test = order.test.clone();
    for feeder in &mut test.feeders {
        feeder.rows =
            scenario::inline(feeder).map_err(|it| FleetError::Data { reason: it.to_string() })?;
    }
    // Every agent must have as many threads as every other: arrivals are dealt out to threads.
    test.sending.threads = test.sending.threads.clamp(1, all / agents);
    let share = |number: u32| {
        let mut order = Order { test: test.clone(), ..order.clone() };
        order.test.connections = all / agents + u32::from(number < all % agents);
        order.share = Share { number: u64::from(number), of: u64::from(agents) };
        order
    };
    Ok((0..agents).map(share).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_model::document::{Feeder, FileName, LoadTest, RowOrder, Rows};
    use evenkeel_units::Seed;
    use proptest::prelude::*;

    fn order(connections: u32, threads: u32) -> Order {
        let mut test = LoadTest::new("it");
        test.connections = connections;
        test.sending.threads = threads;
        let url = "http://127.0.0.1:1".to_owned();
        Order { url, test, shapes: Vec::new(), seed: Seed(1), share: Share::WHOLE }
    }

    proptest! {
        #[test]
        fn connections_are_shared_out_and_threads_are_the_same_everywhere(
            connections in 1u32..200, threads in 1u32..9, agents in 1u32..20,
        ) {
            let shares = shares(&order(connections, threads), agents);
            prop_assert_eq!(shares.is_ok(), agents <= connections);
            let Ok(shares) = shares else { return Ok(()) };
            let sum: u32 = shares.iter().map(|it| it.test.connections).sum();
            prop_assert_eq!((sum, shares.len()), (connections, agents as usize));
            for (number, it) in (0..).zip(&shares) {
                prop_assert_eq!(it.share, Share { number, of: u64::from(agents) });
                prop_assert_eq!(it.test.sending.threads, shares[0].test.sending.threads);
                prop_assert!(it.test.connections >= it.test.sending.threads);
            }
        }
    }

    #[test]
    fn data_travels_with_the_order() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.csv");
        std::fs::write(&file, "id,name\n1,a\n2,b\n").unwrap();
        let mut order = order(2, 1);
        let rows = Rows::Csv(FileName::new(file.display().to_string()));
        order.test.feeders = vec![Feeder { name: "it".to_owned(), rows, order: RowOrder::Random }];
        let words = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let inline =
            Rows::Inline(words(&["id", "name"]), vec![words(&["1", "a"]), words(&["2", "b"])]);
        assert_eq!(shares(&order, 2).unwrap()[1].test.feeders[0].rows, inline);
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(shares(&order, 2), Err(FleetError::Data { .. })));
    }
}
