//! A proxy with its toxics, as it is and as clients see it.

use evenkeel_units::Ratio;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::body::Object;
use super::kind::Attributes;
use super::spec::{self, Spec};
use super::trouble::Trouble;
use crate::proxy::{Placed, Proxy, ProxyError, Stream};

/// One proxy. It is a link while it is enabled.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) listen: String,
    pub(super) upstream: String,
    pub(super) enabled: bool,
    pub(super) toxics: Vec<Toxic>,
}

/// A toxic of a proxy. In JSON it is as clients see it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Toxic {
    attributes: Attributes,
    pub(super) name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    /// As it was written, in capitals perhaps.
    #[serde(rename = "stream")]
    stream_name: String,
    toxicity: Toxicity,
    #[serde(skip)]
    stream: Stream,
    #[serde(skip)]
    pub(super) number: usize,
}

/// A proxy as clients see it.
#[derive(Serialize)]
pub(super) struct Seen<'a> {
    name: &'a str,
    listen: &'a str,
    upstream: &'a str,
    enabled: bool,
    toxics: Vec<&'a Toxic>,
}

impl Entry {
    /// As clients see it.
    pub(super) fn seen<'a>(&'a self, name: &'a str) -> Seen<'a> {
        let Self { listen, upstream, enabled, .. } = self;
        Seen { name, listen, upstream, enabled: *enabled, toxics: self.in_order() }
    }

    /// Its toxics, those upstream first.
    pub(super) fn in_order(&self) -> Vec<&Toxic> {
        let on = |stream| self.toxics.iter().filter(move |it| it.stream == stream);
        on(Stream::Up).chain(on(Stream::Down)).collect()
    }

    pub(super) fn toxic(&self, name: &str) -> Result<&Toxic, Trouble> {
        self.toxics.iter().find(|it| it.name == name).ok_or_else(Trouble::no_toxic)
    }

    /// Whether it listens, or leads, elsewhere than it is asked to.
    pub(super) async fn differs(&self, spec: &Spec) -> Result<bool, Trouble> {
        let wanted = spec.address().await?;
        Ok(self.listen != wanted.to_string() || self.upstream != spec.upstream)
    }

    /// Lets it listen as a link of this name, with all its toxics. Harmless when it does.
    pub(super) async fn listen(&mut self, name: &str, proxy: &mut Proxy) -> Result<(), Trouble> {
        if self.enabled {
            return Ok(());
        }
        let wanted = spec::address(&self.listen).await?;
        let listens = proxy.open(name, wanted, spec::leads_to(&self.upstream).as_str())?;
        (self.listen, self.enabled) = (listens.to_string(), true);
        for toxic in &self.toxics {
            toxic.lay(name, proxy).await?;
        }
        Ok(())
    }
}

impl Toxic {
    /// Reads one as it is asked for.
    pub(super) fn read(value: &Value, number: usize) -> Result<Self, Trouble> {
        let mut given = Object::at("", value);
        let stream_name = given.text("stream").unwrap_or_else(|| "downstream".to_owned());
        let kind = given.text("type").unwrap_or_default();
        let name = given.text("name").filter(|it| !it.is_empty());
        let toxicity = Toxicity::read(&mut given).unwrap_or(Toxicity::ALL);
        let attributes = given.get("attributes");
        given.check()?;
        let stream = match stream_name.to_lowercase().as_str() {
            "upstream" => Stream::Up,
            "downstream" => Stream::Down,
            _ => return Err(Trouble::no_stream()),
        };
        let name = name.unwrap_or_else(|| format!("{kind}_{stream_name}"));
        let kind = Attributes::of(&kind).ok_or_else(Trouble::no_type)?;
        let mut toxic = Self {
            attributes: kind,
            name,
            kind: kind.kind(),
            stream_name,
            toxicity,
            stream,
            number,
        };
        toxic.take(attributes)?;
        Ok(toxic)
    }

    /// Takes over what is given of its attributes and its toxicity; all else stays as it is.
    pub(super) fn update(&mut self, value: &Value) -> Result<(), Trouble> {
        let mut given = Object::at("", value);
        let toxicity = Toxicity::read(&mut given);
        let attributes = given.get("attributes");
        given.check()?;
        self.toxicity = toxicity.unwrap_or(self.toxicity);
        self.take(attributes)
    }

    fn take(&mut self, attributes: Option<&Value>) -> Result<(), Trouble> {
        let Some(attributes) = attributes else { return Ok(()) };
        let mut given = Object::at("attributes", attributes);
        self.attributes.read(&mut given);
        given.check()
    }

    /// Lays it on the link of this name, or changes what lies there of it.
    pub(super) async fn lay(&self, link: &str, proxy: &mut Proxy) -> Result<(), ProxyError> {
        let Some(toxic) = self.attributes.toxic() else { return Ok(()) };
        let (stream, toxicity) = (Some(self.stream), self.toxicity.ratio());
        let placed = Placed { toxic, stream, toxicity };
        proxy.lay(link, self.number, placed, None).await.map(drop)
    }
}

/// The share of connections that are hit, as it was asked for.
#[derive(Copy, Clone, Debug)]
struct Toxicity(f32);

impl Toxicity {
    const ALL: Self = Self(1.0);

    fn read(given: &mut Object<'_>) -> Option<Self> {
        given.number("toxicity").map(|it| Self(it as f32))
    }

    fn ratio(self) -> Ratio {
        // Toxiproxy draws from 0 to 1, and so takes more for all and less for none.
        Ratio::new(f64::from(self.0).clamp(0.0, 1.0)).unwrap_or(Ratio::ONE)
    }
}

impl Serialize for Toxicity {
    /// `1`, and not `1.0`.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.fract() == 0.0 && self.0.abs() < 1e6 {
            true => to.serialize_i64(self.0 as i64),
            false => to.serialize_f32(self.0),
        }
    }
}
