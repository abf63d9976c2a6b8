//! The API of a cluster, as far as faults ask it: pods of one deployment, with a controller that makes new ones for those
//! that end; its scale; one node. Nothing happens but when it is asked, so that no test has to wait for it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use evenkeel_model::document::{Cluster, Labels, Pods, Selector};
use serde_json::{Value, json};

use crate::answers::serve;

pub(crate) const TOKEN: &str = "s3cret-token";

/// A cluster, and a kubeconfig that leads to it.
pub(crate) struct Api {
    state: Arc<Mutex<State>>,
    folder: tempfile::TempDir,
    pub(crate) address: SocketAddr,
}

/// What is in a cluster.
pub(crate) struct State {
    version: u64,
    pods: Vec<Value>,
    pub(crate) scale: Value,
    pub(crate) node: Value,
    /// What the account may not do: a method.
    pub(crate) forbidden: Option<&'static str>,
    /// So many pods a disruption budget wants to be ready.
    pub(crate) budget: usize,
    /// How many of the next changes come just after one by somebody else.
    pub(crate) interfering: usize,
    /// How often pods were listed.
    pub(crate) lists: usize,
}

impl Api {
    pub(crate) fn start() -> Self {
        let meta = |kind: &str, name: &str| json!({"name": name, "uid": format!("{kind}-uid"), "resourceVersion": "1"});
        let mut scale = json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta("deployment", "api"), "spec": {"replicas": 3}});
        scale["metadata"]["namespace"] = json!("shop");
        let node = json!({"kind": "Node", "apiVersion": "v1", "metadata": meta("node", "worker-1"), "spec": {}});
        let state = State {
            version: 1,
            pods: Vec::new(),
            scale,
            node,
            forbidden: None,
            budget: 0,
            interfering: 0,
            lists: 0,
        };
        let state = Arc::new(Mutex::new(state));
        for _ in 0..2 {
            state.lock().unwrap().reconcile();
        }
        let shared = Arc::clone(&state);
        let address = serve(move |client| answer(client, &shared));
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "{{apiVersion: v1, kind: Config, current-context: test, contexts: [{{name: test, context: {{cluster: here, user: me}}}}], \
             clusters: [{{name: here, cluster: {{server: 'http://{address}'}}}}], users: [{{name: me, user: {{token: {TOKEN}}}}}]}}\n"
        );
        std::fs::write(folder.path().join("config"), config).unwrap();
        Self { state, folder, address }
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    pub(crate) fn cluster(&self) -> Cluster {
        Cluster { kubeconfig: Some(self.kubeconfig()), context: None }
    }

    pub(crate) fn pods(&self) -> Selector {
        let labels: Labels = [("app".to_owned(), "api".to_owned())].into();
        Selector::Pods(Pods { namespace: "shop".to_owned(), labels, cluster: self.cluster() })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn replicas(&self) -> u64 {
        self.state().scale["spec"]["replicas"].as_u64().unwrap()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.state()
            .pods
            .iter()
            .map(|it| it["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl State {
    /// What a controller and a kubelet do between two requests.
    fn reconcile(&mut self) {
        self.pods.retain(|it| it["metadata"]["deletionTimestamp"].is_null());
        for pod in &mut self.pods {
            pod["status"] =
                json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
        }
        let wanted = self.scale["spec"]["replicas"].as_u64().unwrap() as usize;
        self.pods.truncate(wanted);
        while self.pods.len() < wanted {
            self.version += 1;
            let number = self.version;
            self.pods.push(json!({
                "kind": "Pod",
                "apiVersion": "v1",
                "metadata": {
                    "name": format!("api-{number}"), "namespace": "shop", "uid": format!("pod-{number}"),
                    "labels": {"app": "api"}, "resourceVersion": number.to_string(),
                },
                "spec": {"nodeName": "worker-1", "containers": []},
                "status": {"phase": "Pending"},
            }));
        }
    }

    fn ready(&self) -> usize {
        let is_ready = |it: &&Value| {
            it["status"]["phase"] == "Running" && it["metadata"]["deletionTimestamp"].is_null()
        };
        self.pods.iter().filter(is_ready).count()
    }

    fn ask(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        if self.forbidden == Some(method) {
            return failure(403, "the account cannot do this", &json!({}));
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let steps: Vec<&str> = path.split('/').filter(|it| !it.is_empty()).collect();
        match (method, steps.as_slice()) {
            ("GET", ["api", "v1", "namespaces", "shop", "pods"]) => {
                self.reconcile();
                self.lists += 1;
                let fits = query.split('&').all(|it| match it.strip_prefix("labelSelector=") {
                    Some(labels) => labels == "app%3Dapi",
                    None => true,
                });
                let items = if fits { self.pods.clone() } else { Vec::new() };
                (
                    200,
                    json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items}),
                )
            }
            ("GET", ["api", "v1", "namespaces", "shop", "pods", name]) => {
                let found = self.pods.iter().find(|it| it["metadata"]["name"] == *name);
                found.map_or_else(none, |it| (200, it.clone()))
            }
            ("DELETE", ["api", "v1", "namespaces", "shop", "pods", name]) => {
                self.delete(name, body)
            }
            ("POST", ["api", "v1", "namespaces", "shop", "pods", name, "eviction"]) => {
                if self.ready() <= self.budget {
                    let message =
                        format!("The disruption budget api needs {} healthy pods", self.budget);
                    let details =
                        json!({"causes": [{"reason": "DisruptionBudget", "message": message}]});
                    return failure(
                        429,
                        "Cannot evict pod as it would violate the pod's disruption budget.",
                        &details,
                    );
                }
                self.delete(name, &body["deleteOptions"])
            }
            (_, ["apis", "apps", "v1", "namespaces", "shop", "deployments", "api", "scale"]) => {
                let mut object = self.scale.take();
                let said = self.change(method, &mut object, body);
                self.scale = object;
                said
            }
            (_, ["api", "v1", "nodes", "worker-1"]) => {
                let mut object = self.node.take();
                let said = self.change(method, &mut object, body);
                self.node = object;
                said
            }
            // What kubectl asks before it does anything.
            ("GET", ["apis", "apps", "v1", "namespaces", "shop", "deployments", "api"]) => {
                let spec = self.scale["spec"].clone();
                let metadata = self.scale["metadata"].clone();
                (
                    200,
                    json!({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": metadata, "spec": spec}),
                )
            }
            ("GET", ["api"]) => (200, json!({"kind": "APIVersions", "versions": ["v1"]})),
            ("GET", ["apis"]) => {
                let version = json!({"groupVersion": "apps/v1", "version": "v1"});
                let group =
                    json!({"name": "apps", "versions": [version], "preferredVersion": version});
                (200, json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]}))
            }
            ("GET", ["api", "v1"]) => {
                let all = [resource("pods", "Pod", true), resource("nodes", "Node", false)];
                (200, json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": all}))
            }
            ("GET", ["apis", "apps", "v1"]) => {
                let mut scale = resource("deployments/scale", "Scale", true);
                scale["group"] = json!("autoscaling");
                scale["version"] = json!("v1");
                let all = [resource("deployments", "Deployment", true), scale];
                (
                    200,
                    json!({"kind": "APIResourceList", "groupVersion": "apps/v1", "resources": all}),
                )
            }
            _ => none(),
        }
    }

    fn delete(&mut self, name: &str, options: &Value) -> (u16, Value) {
        let Some(at) = self.pods.iter().position(|it| it["metadata"]["name"] == name) else {
            return none();
        };
        let wanted = &options["preconditions"]["uid"];
        if !wanted.is_null() && *wanted != self.pods[at]["metadata"]["uid"] {
            return failure(409, "the UID in the precondition does not match", &json!({}));
        }
        match options["gracePeriodSeconds"].as_u64() {
            Some(0) => drop(self.pods.remove(at)),
            _ => self.pods[at]["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
        }
        (200, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}))
    }

    /// Reads an object, or merges a patch into it, unless somebody else came in between.
    fn change(&mut self, method: &str, object: &mut Value, patch: &Value) -> (u16, Value) {
        if method == "PATCH" {
            self.version += 1;
            if self.interfering > 0 {
                self.interfering -= 1;
                object["metadata"]["resourceVersion"] = json!(self.version.to_string());
            }
            let expected = &patch["metadata"]["resourceVersion"];
            if !expected.is_null() && *expected != object["metadata"]["resourceVersion"] {
                return failure(409, "the object has been modified", &json!({}));
            }
            merge(object, patch);
            self.version += 1;
            object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        }
        (200, object.clone())
    }
}

/// As RFC 7396 has it.
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else { return into.clone_from(patch) };
    if !into.is_object() {
        *into = json!({});
    }
    let object = into.as_object_mut().unwrap();
    for (key, value) in fields {
        match value.is_null() {
            true => drop(object.remove(key)),
            false => merge(object.entry(key).or_insert(Value::Null), value),
        }
    }
}

fn resource(name: &str, kind: &str, namespaced: bool) -> Value {
    json!({"name": name, "singularName": kind.to_lowercase(), "kind": kind, "namespaced": namespaced,
           "verbs": ["get", "list", "patch", "update", "delete"]})
}

fn none() -> (u16, Value) {
    failure(404, "not found", &json!({}))
}

fn failure(code: u16, message: &str, details: &Value) -> (u16, Value) {
    let reason = match code {
        404 => "NotFound",
        409 => "Conflict",
        429 => "TooManyRequests",
        _ => "Forbidden",
    };
    (
        code,
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
                  "reason": reason, "message": message, "details": details}),
    )
}

/// One request, or as many as the client sends.
fn answer(mut client: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut heard = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        let read = request.parse(&heard).ok().filter(httparse::Status::is_complete);
        let field = |name: &str| {
            let found = request.headers.iter().find(|it| it.name.eq_ignore_ascii_case(name));
            found.map(|it| String::from_utf8_lossy(it.value).into_owned()).unwrap_or_default()
        };
        let length: usize = field("content-length").parse().unwrap_or_default();
        let whole = read.map(httparse::Status::unwrap).filter(|it| heard.len() >= it + length);
        let Some(from) = whole else {
            let mut bytes = [0; 4096];
            match client.read(&mut bytes)? {
                0 => return Ok(()),
                read => heard.extend(&bytes[..read]),
            }
            continue;
        };
        let body = serde_json::from_slice(&heard[from..from + length]).unwrap_or_default();
        let (status, said) = match field("authorization") == format!("Bearer {TOKEN}") {
            true => {
                state.lock().unwrap().ask(request.method.unwrap(), request.path.unwrap(), &body)
            }
            false => failure(401, "Unauthorized", &json!({})),
        };
        let said = said.to_string();
        // In pieces, as the real one sends what is long.
        let head = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        write!(client, "HTTP/1.1 {status} \r\n{head}{:x}\r\n{said}\r\n0\r\n\r\n", said.len())?;
        if field("connection") == "close" {
            return Ok(());
        }
        heard.drain(..from + length);
    }
}
