//! Gateway: what customers talk to. Three instances of it run behind the balancer.
//!
//! ```text
//! GET  /products                  the catalogue
//! GET  /products/{id}             page: core, stock, reviews, similar products
//! GET  /recommendations/{user}    what this user may like
//! POST /checkout                  {"product","quantity","card"?} → 201, 202 (pending), 402, 409
//! GET  /orders/{id}               where an order stands
//! ```
//!
//! The catalogue is read from the gateway's own database at the start and kept in memory: it is the
//! core without which there is no shop, so no neighbour is asked for it.
//!
//! Fragile, the gateway has a fixed number of workers as a classic thread pool has. A request keeps
//! its worker until it is answered, even when its client has long gone; health and metrics have a door
//! of their own, or nobody could watch it drown.

mod checkout;
mod neighbour;
mod orders;
mod page;

use std::collections::BTreeMap;
use std::future::ready;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use evenkeel_health::{Builder, Policy, Weight};
use evenkeel_resilience::stale_cache::{self, StaleCache};
use evenkeel_units::{Clock, SystemClock};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::args::{PartArgs, PartName};
use crate::catalogue::{Product, products};
use crate::database::Database;
use crate::error::ShopError;
use crate::metrics::{Metrics, Page};
use crate::part::{Answer, Part, broken, unknown};
use crate::recommendations::SHOWN;
use crate::serve::{error, raw};

pub(crate) use checkout::IDEMPOTENCY_KEY;
use neighbour::{Neighbour, Share};
use orders::Orders;

/// The process customers talk to.
#[derive(Debug)]
pub(crate) struct Gateway {
    fragile: bool,
    products: BTreeMap<i64, Product>,
    /// `GET /products`, written once: the catalogue does not change while we run.
    listing: Bytes,
    orders: Orders,
    inventory: Neighbour,
    payment: Neighbour,
    recommendations: Neighbour,
    /// Of recommended products, by the path that they are asked for at.
    cache: Arc<StaleCache<String, Arc<[i64]>>>,
    metrics: Arc<Metrics>,
    clock: SystemClock,
    workers: Semaphore,
    in_flight: AtomicUsize,
    instance: u16,
    next_order: AtomicU64,
}

/// How often the health looks at the breakers, which costs nothing.
const WATCHED: Policy = Policy {
    weight: Weight::Degrading,
    every: Duration::from_millis(500),
    timeout: Duration::from_millis(500),
    rise: 1,
    fall: 1,
    stale_after: Duration::from_secs(3),
};

/// Makes the tables and fills the catalogue.
pub(crate) async fn prepare(folder: &Path) -> Result<(), ShopError> {
    let database = Database::open(folder, "gateway.db").await?;
    orders::prepare(&database).await?;
    database
        .make(&["CREATE TABLE IF NOT EXISTS product (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL, category TEXT NOT NULL,
            price_cents INTEGER NOT NULL, review_count INTEGER NOT NULL,
            review_average REAL NOT NULL)"])
        .await?;
    let fill = async {
        let mut transaction = database.pool().begin().await?;
        for it in products() {
            sqlx::query("INSERT OR IGNORE INTO product VALUES (?, ?, ?, ?, ?, ?)")
                .bind(it.id)
                .bind(it.name)
                .bind(it.category)
                .bind(it.price_cents)
                .bind(it.review_count)
                .bind(it.review_average)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    };
    fill.await.map_err(|it| database.blame(it))?;
    database.close().await;
    Ok(())
}

async fn read_catalogue(database: &Database) -> Result<BTreeMap<i64, Product>, ShopError> {
    type Row = (i64, String, String, i64, i64, f64);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, name, category, price_cents, review_count, review_average FROM product",
    )
    .fetch_all(database.pool())
    .await
    .map_err(|it| database.blame(it))?;
    let product = |(id, name, category, price_cents, review_count, review_average)| {
        (id, Product { id, name, category, price_cents, review_count, review_average })
    };
    Ok(rows.into_iter().map(product).collect())
}

impl Gateway {
    /// Opens the databases and, unless fragile, starts to work off the queue of unpaid orders.
    pub(crate) async fn open(
        args: &PartArgs,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, ShopError> {
        let clock = SystemClock::start();
        let neighbour = |name: PartName, share: Option<Share>| {
            let missing = ShopError::NeighbourMissing { name: name.as_str() };
            let via = args.neighbour.iter().find(|it| it.name == name).ok_or(missing)?;
            let address = via.address.clone();
            Neighbour::new(name.as_str(), address, share, Arc::clone(&metrics))
        };
        let share = |millis, at_once| {
            let time = Duration::from_millis(millis);
            (!args.fragile).then_some(Share { time, at_once })
        };
        let orders = Orders::open(&args.data).await?;
        let products = read_catalogue(&orders.database).await?;
        let listing = json!({ "products": products.values().collect::<Vec<_>>() }).to_string();
        let gateway = Arc::new(Self {
            fragile: args.fragile,
            products,
            listing: listing.into(),
            orders,
            // Together within the objective of 300 ms: a checkout asks the first two in turn.
            inventory: neighbour(PartName::Inventory, share(100, 64))?,
            payment: neighbour(PartName::Payment, share(150, 32))?,
            recommendations: neighbour(PartName::Recommendations, share(80, 32))?,
            cache: Arc::new(recommended_lately()),
            metrics: Arc::clone(&metrics),
            clock,
            workers: Semaphore::new(args.workers.max(1)),
            in_flight: AtomicUsize::new(0),
            instance: args.instance,
            next_order: AtomicU64::new(0),
        });
        if !args.fragile {
            let patient = Some(Share { time: Duration::from_secs(2), at_once: 64 });
            tokio::spawn(checkout::work_off(
                Arc::clone(&gateway),
                neighbour(PartName::Inventory, patient)?,
                neighbour(PartName::Payment, patient)?,
            ));
        }
        Ok(gateway)
    }

    fn product(&self, id: i64) -> Option<&Product> {
        self.products.get(&id)
    }

    fn same_category(&self, product: &Product) -> Vec<i64> {
        let others = self.products.values().filter(|it| it.id != product.id);
        others
            .filter(|it| it.category == product.category)
            .map(|it| it.id)
            .take(usize::from(SHOWN))
            .collect()
    }

    fn popular(&self) -> Vec<i64> {
        let mut all: Vec<_> = self.products.values().collect();
        all.sort_by_key(|it| std::cmp::Reverse(it.review_count));
        all.iter().map(|it| it.id).take(usize::from(SHOWN)).collect()
    }

    /// An id no other gateway gives out, now or after a restart.
    fn new_order_id(&self) -> String {
        let number = self.next_order.fetch_add(1, Ordering::Relaxed);
        let nanos = self.clock.wall().as_nanosecond();
        format!("{nanos:x}-{}-{number:x}", self.instance)
    }

    async fn routed(&self, request: Request<Bytes>) -> Answer {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let route = route_of(path);
        let segments: Vec<_> = path.split('/').skip(1).collect();
        let response = match (&head.method, segments.as_slice()) {
            (&Method::GET, ["products"]) => {
                raw(StatusCode::OK, "application/json", self.listing.clone())
            }
            (&Method::GET, ["products", id]) => page::product(self, id).await,
            (&Method::GET, ["recommendations", user]) => page::recommendations(self, user).await,
            (&Method::POST, ["checkout"]) => checkout::answer(self, &head.headers, &body).await,
            (&Method::GET, ["orders", id]) => self.order(id).await,
            (method, _) => return Answer { route, ..unknown(method, path) },
        };
        Answer { route, response }
    }

    async fn order(&self, id: &str) -> Response<Full<Bytes>> {
        match self.orders.find(id).await {
            // The standing is the news here; the request for it went well.
            Ok(Some((_, standing))) => {
                let mut response = checkout::told(id, &standing);
                *response.status_mut() = StatusCode::OK;
                response
            }
            Ok(None) => error(StatusCode::NOT_FOUND, format!("no order {id}")),
            Err(it) => broken(&it),
        }
    }
}

/// Recommendations are good for a while, and in need for ten minutes.
fn recommended_lately() -> StaleCache<String, Arc<[i64]>> {
    let policy = stale_cache::Policy {
        capacity: 4_096,
        ttl: Duration::from_secs(5),
        // A page says whether its recommendations are live, so that they are asked for before they are called stale; the breaker
        // keeps us from asking too often.
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::from_mins(10),
        negative_ttl: Duration::ZERO,
        ..stale_cache::Policy::default()
    };
    StaleCache::try_new(policy).unwrap_or_else(|it| unreachable!("{it}"))
}

/// The route a path belongs to, for metrics: their labels must not grow with what is asked.
pub(crate) fn route_of(path: &str) -> &'static str {
    match path.split('/').skip(1).collect::<Vec<_>>().as_slice() {
        ["products"] => "/products",
        ["products", _] => "/products/{id}",
        ["recommendations", _] => "/recommendations/{user}",
        ["checkout"] => "/checkout",
        ["orders", _] => "/orders/{id}",
        _ => "unknown",
    }
}

impl Part for Gateway {
    async fn answer(self: &Arc<Self>, request: Request<Bytes>) -> Answer {
        let gateway = Arc::clone(self);
        let route = route_of(request.uri().path());
        // A task of its own: half a checkout must not end because its client has hung up.
        let answered = tokio::spawn(async move {
            gateway.in_flight.fetch_add(1, Ordering::Relaxed);
            let _worker = match gateway.fragile {
                true => gateway.workers.acquire().await.ok(),
                false => None,
            };
            let answer = gateway.routed(request).await;
            gateway.in_flight.fetch_sub(1, Ordering::Relaxed);
            answer
        });
        answered.await.unwrap_or_else(|_| {
            let response = error(StatusCode::INTERNAL_SERVER_ERROR, "the gateway failed");
            Answer { route, response }
        })
    }

    fn database(&self) -> &Database {
        &self.orders.database
    }

    fn checks(&self, builder: Builder) -> Builder {
        let neighbours = [&self.inventory, &self.payment, &self.recommendations];
        neighbours.into_iter().fold(builder, |builder, it| match it.watched() {
            Some(found) => builder.check(it.name(), WATCHED, move || ready(found())),
            None => builder,
        })
    }

    async fn gauges(&self, page: &mut Page) {
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        page.gauge("gateway_requests_in_flight", "Requests being answered or waiting.", in_flight);
        if let Ok(waiting) = self.orders.waiting().await {
            page.gauge("orders_pending", "Orders whose payment is not settled.", waiting);
        }
        if self.fragile {
            return;
        }
        page.family("breaker_state", "gauge", "0 closed, 1 half-open, 2 open.");
        for neighbour in [&self.inventory, &self.payment, &self.recommendations] {
            let labels = format!("dependency=\"{}\"", neighbour.name());
            page.sample("breaker_state", &labels, neighbour.breaker_state().unwrap_or(0));
        }
    }
}
