//! Shown: the file as others may see it: laid out anew, and without what nobody else should know.

use evenkeel_model::yaml::{Entry, Node, Value};

/// What stands where a secret does, as in Prometheus.
const HIDDEN: &str = "<secret>";
/// The keys of secrets that stand in the file itself.
const SECRETS: [&str; 3] = ["bearer_token", "credentials", "password"];

/// A document as YAML.
pub(super) fn shown(root: &Node) -> String {
    lines(root).into_iter().map(|it| it + "\n").collect()
}

fn lines(of: &Node) -> Vec<String> {
    match &of.value {
        Value::Scalar { .. } => vec![scalar(of)],
        Value::List(items) if items.is_empty() => vec!["[]".to_owned()],
        Value::Map(entries) if entries.is_empty() => vec!["{}".to_owned()],
        Value::List(items) => items.iter().flat_map(item).collect(),
        Value::Map(entries) => entries.iter().flat_map(entry).collect(),
    }
}

fn item(of: &Node) -> Vec<String> {
    let inner = lines(of).into_iter().enumerate();
    inner.map(|(at, line)| format!("{}{line}", if at == 0 { "- " } else { "  " })).collect()
}

fn entry(of: &Entry) -> Vec<String> {
    let key = match of.key.bytes().all(|it| it.is_ascii_alphanumeric() || b"_-./".contains(&it)) {
        true if !of.key.is_empty() => of.key.clone(),
        _ => quoted(&of.key),
    };
    match &of.value.value {
        Value::Scalar { text, .. } if SECRETS.contains(&&*of.key) && !text.is_empty() => {
            vec![format!("{key}: {HIDDEN}")]
        }
        Value::Scalar { text, plain: true } if text.is_empty() => vec![format!("{key}:")],
        Value::List(items) if !items.is_empty() => below(&key, lines(&of.value)),
        Value::Map(entries) if !entries.is_empty() => below(&key, lines(&of.value)),
        _ => lines(&of.value).iter().map(|it| format!("{key}: {it}")).collect(),
    }
}

fn below(key: &str, inner: Vec<String>) -> Vec<String> {
    let inner = inner.into_iter().map(|it| format!("  {it}"));
    std::iter::once(format!("{key}:")).chain(inner).collect()
}

fn scalar(of: &Node) -> String {
    match &of.value {
        Value::Scalar { text, plain: true } if !text.contains('\n') => text.clone(),
        Value::Scalar { text, .. } => quoted(text),
        Value::List(_) | Value::Map(_) => String::new(),
    }
}

/// A text of JSON is one of YAML, too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn secrets_are_hidden_wherever_and_however_they_are_written() {
        let text = "\
remote_write: [{url: 'http://db/w', basic_auth: {username: ada, password: &it 'hunter2'}}]
alerting: {alertmanagers: [{static_configs: [{targets: ['a:1']}], basic_auth: {username: a, password: *it}}]}
scrape_configs:
- job_name: \"a: b\"
  authorization:
    credentials: |
      hunter2
  static_configs: [{targets: [], labels: {'a b': ~}}]
- {job_name: b, bearer_token: hunter2 # hunter2
  , params: {x: [y, 'it''s']}}
";
        let config = Config::read("p.yml", text.into()).unwrap();
        let expected = "\
remote_write:
  - url: \"http://db/w\"
    basic_auth:
      username: ada
      password: <secret>
alerting:
  alertmanagers:
    - static_configs:
        - targets:
            - \"a:1\"
      basic_auth:
        username: a
        password: <secret>
scrape_configs:
  - job_name: \"a: b\"
    authorization:
      credentials: <secret>
    static_configs:
      - targets: []
        labels:
          \"a b\": ~
  - job_name: b
    bearer_token: <secret>
    params:
      x:
        - y
        - \"it's\"
";
        assert_eq!(config.text, expected);
        let again = Config::read("p.yml", config.text.clone().into()).unwrap();
        assert_eq!(again.text, config.text);
    }
}
