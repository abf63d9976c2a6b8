//! Link: brokers, topics and partitions, found and opened.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_model::Answer;
use rskafka::BackoffConfig;
use rskafka::client::error::Error;
use rskafka::client::partition::{OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use super::Basis;
use super::fault::{Fault, NO_TOPIC};

/// No answer of a broker is read beyond this.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The brokers.
pub(super) struct Link {
    basis: Arc<Basis>,
    client: OnceCell<Arc<Client>>,
}

/// A partition that stands.
pub(super) struct Stands {
    /// Its place among all of the topic.
    pub(super) place: usize,
    pub(super) client: Arc<PartitionClient>,
    /// Its end, when that was asked for.
    pub(super) end: i64,
}

/// What opening a topic has come to: its partitions, in order.
pub(super) type Opened = Result<Vec<Stands>, Fault>;

impl Link {
    pub(super) fn new(basis: &Arc<Basis>) -> Self {
        Self { basis: Arc::clone(basis), client: OnceCell::new() }
    }

    /// Opens those partitions of a topic that `is_ours` wants, by their place among all of them; the others are
    /// left out. With `at_end`, asks where each of them ends.
    pub(super) async fn open(
        &self,
        topic: &str,
        is_ours: impl Fn(usize) -> bool,
        at_end: bool,
    ) -> Opened {
        if self.basis.target.addresses.is_empty() {
            return Err(Fault::Lost(Answer::Dns));
        }
        let opening = self.open_all(topic, is_ours, at_end);
        let opened = tokio::time::timeout(self.basis.timeout, opening).await;
        opened.unwrap_or(Err(Fault::Lost(Answer::Timeout)))
    }

    async fn open_all(&self, topic: &str, is_ours: impl Fn(usize) -> bool, at_end: bool) -> Opened {
        let client = self.client.get_or_try_init(|| self.connect()).await?;
        let topics = client.list_topics().await.map_err(|it| Fault::from(&it))?;
        let found = topics.into_iter().find(|it| it.name == topic).ok_or(NO_TOPIC)?;
        let mut opening = JoinSet::new();
        for (place, id) in found.partitions.into_iter().enumerate().filter(|(it, _)| is_ours(*it)) {
            let (client, topic) = (Arc::clone(client), topic.to_owned());
            opening.spawn(async move {
                let client =
                    client.partition_client(topic, id, UnknownTopicHandling::Error).await?;
                let end = match at_end {
                    true => client.get_offset(OffsetAt::Latest).await?,
                    false => 0,
                };
                Ok::<_, Error>(Stands { place, client: Arc::new(client), end })
            });
        }
        let mut stands = Vec::new();
        while let Some(opened) = opening.join_next().await {
            let Ok(opened) = opened else { return Err(Fault::Lost(Answer::Malformed)) };
            stands.push(opened.map_err(|it| Fault::from(&it))?);
        }
        stands.sort_unstable_by_key(|it| it.place);
        Ok(stands)
    }

    async fn connect(&self) -> Result<Arc<Client>, Fault> {
        let Basis { target, access, .. } = &*self.basis;
        let brokers = match (&access.tls, target.addresses.first()) {
            // The name is what the certificate is for.
            (Some(_), Some(address)) => vec![format!("{}:{}", target.name, address.port())],
            _ => target.addresses.iter().map(ToString::to_string).collect(),
        };
        let mut client = ClientBuilder::new(brokers)
            .client_id("evenkeel")
            .max_message_size(MESSAGE_BYTES_MAX)
            // Once: the load decides what is tried again.
            .backoff_config(BackoffConfig {
                deadline: Some(Duration::ZERO),
                ..BackoffConfig::default()
            });
        if let Some(tls) = &access.tls {
            client = client.tls_config(tls.config());
        }
        if let Some(sasl) = &access.sasl {
            client = client.sasl_config(sasl.clone());
        }
        client.build().await.map(Arc::new).map_err(|it| Fault::from(&it))
    }
}
