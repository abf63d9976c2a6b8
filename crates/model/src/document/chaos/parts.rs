//! Parts of a service: some of its instances, or of its links, by name and by label.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What somebody has written on a part, such as `zone: a`.
pub type Labels = BTreeMap<String, String>;

/// Some of the parts of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// The service; `None`: that of the drill.
    pub service: Option<String>,
    /// Names, where `*` stands for any text.
    pub pattern: String,
    /// Labels that each has, all of them.
    #[serde(default)]
    pub labels: Labels,
}

impl Parts {
    /// Those of the drill's service with such a name.
    pub fn named(pattern: &str) -> Self {
        Self { service: None, pattern: pattern.to_owned(), labels: Labels::new() }
    }

    /// Whether one of this name and with these labels is meant.
    pub fn fit(&self, name: &str, labels: &Labels) -> bool {
        let labelled = |(key, value): (&String, &String)| labels.get(key) == Some(value);
        fits(&self.pattern, name) && self.labels.iter().all(labelled)
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.pattern)?;
        let labels: Vec<_> = self.labels.iter().map(|(key, it)| format!("{key}={it}")).collect();
        if labels.is_empty() { Ok(()) } else { write!(f, " ({})", labels.join(", ")) }
    }
}

/// Whether a text fits a pattern, where `*` stands for any text.
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let head = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(head) else { return false };
    let Some(tail) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for pattern in ["gateway-1", "gateway-*", "*", "*-1", "g*y*1", "**"] {
            assert!(fits(pattern, "gateway-1"), "{pattern}");
        }
        for pattern in ["gateway", "gateway-2*", "*2", "gateway-1-*", ""] {
            assert!(!fits(pattern, "gateway-1"), "{pattern}");
        }
        assert!(fits("*", "") && !fits("a*a", "a") && fits("*b*", "abc"));
    }

    #[test]
    fn a_part_has_all_the_labels_that_are_asked_for() {
        let labels = |of: &[(&str, &str)]| {
            of.iter().map(|(key, it)| ((*key).to_owned(), (*it).to_owned())).collect::<Labels>()
        };
        let zone = Parts { labels: labels(&[("zone", "a")]), ..Parts::named("gateway-*") };
        assert!(zone.fit("gateway-1", &labels(&[("zone", "a"), ("rack", "7")])));
        assert!(!zone.fit("gateway-1", &labels(&[("zone", "b")])));
        assert!(!zone.fit("gateway-1", &Labels::new()));
        assert!(!zone.fit("worker-1", &labels(&[("zone", "a")])));
        assert_eq!(zone.to_string(), "gateway-* (zone=a)");
    }

    proptest! {
        #[test]
        fn no_pattern_makes_it_panic(pattern in "[a*é]{0,8}", name in "[aé-]{0,8}") {
            prop_assert!(fits(&pattern, &name) || pattern != "*");
        }
    }
}
