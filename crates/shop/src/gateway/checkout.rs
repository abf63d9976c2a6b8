//! Checkout: reserve the stock, charge the card, confirm the order; later, if it cannot be now.
//!
//! The fragile way does the three one after the other and lets go of whatever fails, stock reserved or
//! not. The resilient way writes the order down first. Should a neighbour be slow or broken, the
//! customer gets 202 and the queue goes on asking, with the same key, until the order is confirmed or
//! rejected; a rejected payment gives the stock back.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_resilience::Backoff;
use evenkeel_units::{Clock, Seed};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Gateway;
use super::neighbour::{Failed, Failure, Neighbour};
use super::orders::{Order, Standing};
use crate::inventory::Reservation;
use crate::metrics::Event;
use crate::part::broken;
use crate::payment::{Charge, DECLINED};
use crate::serve::{error, reply};

/// The header by which a client (or the balancer) makes a checkout safe to send twice.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// How long an order that is being worked on belongs to whoever does; longer than any attempt.
const LENT_MS: i64 = 6_000;
/// How often the queue looks for orders that are due.
const QUEUE_TICK: Duration = Duration::from_millis(500);
/// How many orders a gateway takes up at once.
const QUEUE_BATCH: u32 = 16;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    product: i64,
    quantity: i64,
    #[serde(default)]
    card: Option<String>,
}

/// What is kept of a card: never its number.
fn card_on_file(card: Option<&str>) -> String {
    let digits: String = card.unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    match card {
        None => "on file".to_owned(),
        Some(it) if it == DECLINED => DECLINED.to_owned(),
        // The number that test cards of payment providers use for "declined".
        Some(_) if digits == "4000000000000002" => DECLINED.to_owned(),
        Some(_) => {
            format!("ends {}", digits.get(digits.len().saturating_sub(4)..).unwrap_or_default())
        }
    }
}

/// Answers `POST /checkout`.
pub(super) async fn answer(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response<Full<Bytes>> {
    let order = match read(gateway, headers, body) {
        Ok(order) => order,
        Err(refusal) => return *refusal,
    };
    let outcome = match gateway.fragile {
        true => fragile(gateway, &order).await,
        false => resilient(gateway, order).await,
    };
    outcome.unwrap_or_else(|it| broken(&it))
}

fn read(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Order, Box<Response<Full<Bytes>>>> {
    let refuse = |status, what: String| Err(Box::new(error(status, what)));
    let wish: Wish = match serde_json::from_slice(body) {
        Ok(wish) => wish,
        Err(it) => return refuse(StatusCode::BAD_REQUEST, format!("not a checkout: {it}")),
    };
    let Some(product) = gateway.product(wish.product) else {
        return refuse(StatusCode::NOT_FOUND, format!("no product {}", wish.product));
    };
    if wish.quantity < 1 {
        return refuse(StatusCode::BAD_REQUEST, "a quantity is at least 1".to_owned());
    }
    let id = match headers.get(IDEMPOTENCY_KEY).map(|it| it.to_str()) {
        None => gateway.new_order_id(),
        Some(Ok(key)) if is_key(key) => key.to_owned(),
        Some(_) => {
            let what = "an idempotency key has 1 to 64 letters, digits or dashes";
            return refuse(StatusCode::BAD_REQUEST, what.to_owned());
        }
    };
    Ok(Order {
        id,
        product: wish.product,
        quantity: wish.quantity,
        card: card_on_file(wish.card.as_deref()),
        amount_cents: product.price_cents.saturating_mul(wish.quantity),
    })
}

/// Keys become part of paths and file names of others; nothing that needs escaping gets in.
fn is_key(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

async fn fragile(gateway: &Gateway, order: &Order) -> Result<Response<Full<Bytes>>, sqlx::Error> {
    match attempt(order, &gateway.inventory, &gateway.payment).await {
        Ok(standing) => {
            gateway.orders.accept(order, 0).await?;
            gateway.orders.settle(&order.id, &standing).await?;
            Ok(told(&order.id, &standing))
        }
        Err((name, failed)) => Ok(error(StatusCode::BAD_GATEWAY, format!("{name}: {failed}"))),
    }
}

async fn resilient(gateway: &Gateway, order: Order) -> Result<Response<Full<Bytes>>, sqlx::Error> {
    gateway.orders.accept(&order, gateway.now_ms() + LENT_MS).await?;
    match gateway.orders.find(&order.id).await? {
        // The key was used before: the first answer stands.
        Some((_, standing)) if standing != Standing::Pending => {
            return Ok(told(&order.id, &standing));
        }
        Some((first, _)) if !same(&first, &order) => {
            let what = "this idempotency key belongs to another order";
            return Ok(error(StatusCode::UNPROCESSABLE_ENTITY, what));
        }
        Some(_) | None => {}
    }
    match attempt(&order, &gateway.inventory, &gateway.payment).await {
        Ok(standing) => {
            gateway.orders.settle(&order.id, &standing).await?;
            Ok(told(&order.id, &standing))
        }
        Err((name, _)) => {
            gateway.metrics.event(Event::Fallback, name);
            gateway.orders.postpone(&order.id, gateway.now_ms() + 1_000).await?;
            Ok(told(&order.id, &Standing::Pending))
        }
    }
}

fn same(one: &Order, other: &Order) -> bool {
    (one.product, one.quantity, &one.card) == (other.product, other.quantity, &other.card)
}

/// How the customer is told where an order stands.
pub(super) fn told(id: &str, standing: &Standing) -> Response<Full<Bytes>> {
    match standing {
        Standing::Confirmed => {
            reply(StatusCode::CREATED, &json!({ "order": id, "status": "confirmed" }))
        }
        Standing::Pending => reply(
            StatusCode::ACCEPTED,
            &json!({ "order": id, "status": "payment pending", "degraded": ["payment"],
                     "message": "your order is accepted; we will confirm the payment shortly" }),
        ),
        Standing::Rejected(reason) => {
            let status = match reason.as_str() {
                SOLD_OUT => StatusCode::CONFLICT,
                _ => StatusCode::PAYMENT_REQUIRED,
            };
            reply(status, &json!({ "order": id, "status": "rejected", "error": reason }))
        }
    }
}

const SOLD_OUT: &str = "out of stock";
const CARD_DECLINED: &str = "the card was declined";

/// One try at an order; safe to repeat, because every step carries the order's key.
async fn attempt(
    order: &Order,
    inventory: &Neighbour,
    payment: &Neighbour,
) -> Result<Standing, (&'static str, Failed)> {
    let reservation =
        Reservation { key: order.id.clone(), product: order.product, quantity: order.quantity };
    let reserved = post(inventory, "/reservations", &reservation).await?;
    if reserved == StatusCode::CONFLICT {
        return Ok(Standing::Rejected(SOLD_OUT.to_owned()));
    }
    expect_success(inventory, reserved)?;
    let charge = Charge {
        key: order.id.clone(),
        card: order.card.clone(),
        amount_cents: order.amount_cents,
    };
    let charged = post(payment, "/charges", &charge).await?;
    if charged == StatusCode::PAYMENT_REQUIRED {
        // Before the order is settled: while it is pending, the queue would give the stock back again.
        let path = format!("/reservations/{}", order.id);
        inventory
            .call(Method::DELETE, &path, Bytes::new())
            .await
            .map_err(|it| (inventory.name(), it))?;
        return Ok(Standing::Rejected(CARD_DECLINED.to_owned()));
    }
    expect_success(payment, charged)?;
    Ok(Standing::Confirmed)
}

async fn post(
    neighbour: &Neighbour,
    path: &str,
    body: &impl Serialize,
) -> Result<StatusCode, (&'static str, Failed)> {
    let body = serde_json::to_vec(body).unwrap_or_default();
    let answer = neighbour.call(Method::POST, path, body.into()).await;
    answer.map(|it| it.status()).map_err(|it| (neighbour.name(), it))
}

fn expect_success(neighbour: &Neighbour, status: StatusCode) -> Result<(), (&'static str, Failed)> {
    match status.is_success() {
        true => Ok(()),
        false => Err((neighbour.name(), Failure::Status(status).into())),
    }
}

/// Finishes pending orders, for ever. Its calls are patient and do not pass the customers' breakers: a
/// payment that takes a second is of no use to a customer and perfectly good here.
pub(super) async fn work_off(gateway: Arc<Gateway>, inventory: Neighbour, payment: Neighbour) {
    let backoff = Backoff::between(Duration::from_secs(2), Duration::from_secs(30));
    let mut rng = Seed(u64::from(std::process::id())).stream("queue");
    let mut tick = tokio::time::interval(QUEUE_TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let neighbours = Arc::new((inventory, payment));
    loop {
        tick.tick().await;
        let now = gateway.now_ms();
        let Ok(due) = gateway.orders.take_due(now, now + LENT_MS, QUEUE_BATCH).await else {
            continue; // The file is busy; the orders are still in it at the next tick.
        };
        let mut under_way = tokio::task::JoinSet::new();
        for (order, attempts) in due {
            let (gateway, neighbours) = (Arc::clone(&gateway), Arc::clone(&neighbours));
            let wait = backoff.wait(attempts, Duration::ZERO, &mut rng);
            under_way.spawn(async move {
                let (inventory, payment) = neighbours.as_ref();
                let written = match attempt(&order, inventory, payment).await {
                    Ok(standing) => {
                        gateway.metrics.event(Event::Settled, payment.name());
                        gateway.orders.settle(&order.id, &standing).await
                    }
                    Err(_) => {
                        // At least a second: there is no hurry any more.
                        let due = gateway.now_ms() + 1_000 + wait.as_millis() as i64;
                        gateway.orders.postpone(&order.id, due).await
                    }
                };
                // Not written means still pending: it comes up again and ends the same way.
                written.unwrap_or_default();
            });
        }
        while under_way.join_next().await.is_some() {}
    }
}

impl Gateway {
    pub(super) fn now_ms(&self) -> i64 {
        self.clock.wall().as_millisecond()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_number_is_never_kept() {
        assert_eq!(card_on_file(Some("4242 4242 4242 4242")), "ends 4242");
        assert_eq!(card_on_file(Some("4000-0000-0000-0002")), DECLINED);
        assert_eq!(card_on_file(None), "on file");
        assert_eq!(card_on_file(Some("visa")), "ends ");
    }

    #[test]
    fn a_key_holds_nothing_that_needs_escaping() {
        assert!(is_key("0196-ab") && !is_key("") && !is_key("a/b") && !is_key(&"a".repeat(65)));
    }
}
