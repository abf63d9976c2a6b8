//! Pages: what is essential from the catalogue, what is nice to have from the neighbours.
//!
//! A product page has a core that is required and parts that are not. The resilient way asks for the
//! parts at the same time and does without those that fail, saying so in `degraded`; the fragile way
//! asks one after the other and fails with the first.

use std::sync::Arc;

use evenkeel_resilience::Error;
use evenkeel_resilience::stale_cache::Origin;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Gateway;
use super::neighbour::{Failed, Failure, Neighbour};
use crate::metrics::Event;
use crate::recommendations::SHOWN;
use crate::serve::{error, reply};

#[derive(Debug, Deserialize)]
struct Products {
    products: Vec<i64>,
}

/// Recommended products, and where they come from.
struct Shown {
    products: Arc<[i64]>,
    source: &'static str,
}

impl Shown {
    fn is_degraded(&self) -> bool {
        matches!(self.source, "stale" | "category" | "popular")
    }
}

/// Answers `GET /products/{id}`.
pub(super) async fn product(gateway: &Gateway, id: &str) -> Response<Full<Bytes>> {
    let Some(product) = id.parse().ok().and_then(|id| gateway.product(id)) else {
        return error(StatusCode::NOT_FOUND, format!("no product {id}"));
    };
    let stock_path = format!("/stock/{}", product.id);
    let similar_path = format!("/similar/{}", product.id);
    let (stock, similar) = if gateway.fragile {
        let stock = match ask::<Value>(&gateway.inventory, &stock_path).await {
            Ok(stock) => stock,
            Err(it) => return failed(&gateway.inventory, &it),
        };
        let similar = match ask::<Products>(&gateway.recommendations, &similar_path).await {
            Ok(found) => Shown { products: found.products.into(), source: "live" },
            Err(it) => return failed(&gateway.recommendations, &it),
        };
        (Ok(stock), similar)
    } else {
        tokio::join!(
            ask::<Value>(&gateway.inventory, &stock_path),
            recommended(gateway, &similar_path, || (gateway.same_category(product), "category")),
        )
    };
    let mut degraded = Vec::new();
    let stock = stock.unwrap_or_else(|_| {
        gateway.metrics.event(Event::Fallback, gateway.inventory.name());
        degraded.push("inventory");
        json!({ "available": true, "quantity": null, "message": "Stock information updating" })
    });
    if similar.is_degraded() {
        degraded.push("recommendations");
    }
    let page = json!({
        "id": product.id,
        "name": product.name,
        "category": product.category,
        "price_cents": product.price_cents,
        "reviews": { "count": product.review_count, "average_rating": product.review_average },
        "inventory": stock,
        "recommendations": described(gateway, &similar),
        "degraded": degraded,
    });
    reply(StatusCode::OK, &page)
}

/// Answers `GET /recommendations/{user}`.
pub(super) async fn recommendations(gateway: &Gateway, user: &str) -> Response<Full<Bytes>> {
    if user.is_empty() || user.len() > 64 || !user.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return error(StatusCode::BAD_REQUEST, "a user has 1 to 64 letters or digits");
    }
    let path = format!("/users/{user}");
    let shown = if gateway.fragile {
        match ask::<Products>(&gateway.recommendations, &path).await {
            Ok(found) => Shown { products: found.products.into(), source: "live" },
            Err(it) => return failed(&gateway.recommendations, &it),
        }
    } else {
        recommended(gateway, &path, || (gateway.popular(), "popular")).await
    };
    let degraded: &[&str] = if shown.is_degraded() { &["recommendations"] } else { &[] };
    let body = json!({
        "user": user,
        "recommendations": described(gateway, &shown),
        "degraded": degraded,
    });
    reply(StatusCode::OK, &body)
}

/// Fresh from the cache, else asked for, else stale, else `instead`.
async fn recommended(
    gateway: &Gateway,
    path: &str,
    instead: impl FnOnce() -> (Vec<i64>, &'static str) + Send,
) -> Shown {
    let asked = gateway.cache.answer(path, || async {
        // Why it failed, the neighbour's own counters say.
        let found = ask::<Products>(&gateway.recommendations, path).await;
        found.map(|it| it.products.into()).map_err(|_| Error::Inner(()))
    });
    let (products, source) = match asked.await {
        Ok(answer) => match answer.origin {
            Origin::Asked => return Shown { products: answer.value, source: "live" },
            Origin::StaleIfError => (answer.value, "stale"),
            _ => return Shown { products: answer.value, source: "cache" },
        },
        Err(_) => {
            let (products, source) = instead();
            (products.into(), source)
        }
    };
    gateway.metrics.event(Event::Fallback, gateway.recommendations.name());
    Shown { products, source }
}

async fn ask<T: for<'de> Deserialize<'de>>(neighbour: &Neighbour, path: &str) -> Result<T, Failed> {
    let answer = neighbour.call(Method::GET, path, Bytes::new()).await?;
    // What cannot be read is as good as no answer.
    serde_json::from_slice(answer.body())
        .map_err(|_| Failure::Status(StatusCode::BAD_GATEWAY).into())
}

fn failed(neighbour: &Neighbour, why: &Failed) -> Response<Full<Bytes>> {
    error(StatusCode::BAD_GATEWAY, format!("{}: {why}", neighbour.name()))
}

fn described(gateway: &Gateway, shown: &Shown) -> Value {
    let products: Vec<_> = shown
        .products
        .iter()
        .filter_map(|id| gateway.product(*id))
        .take(usize::from(SHOWN))
        .map(|it| json!({ "id": it.id, "name": it.name, "price_cents": it.price_cents }))
        .collect();
    json!({ "source": shown.source, "products": products })
}
