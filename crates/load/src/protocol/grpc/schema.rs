//! Schema: which services and methods there are, and what their messages look like.

use std::io;
use std::path::{Path, PathBuf};

use evenkeel_model::document::{FileName, Schema};
use prost_reflect::{DescriptorError, DescriptorPool, MessageDescriptor, MethodDescriptor};

/// How many names are offered instead of one that there is not.
const NEAR_MAX: usize = 3;

/// What is known of a server's methods.
#[derive(Clone, Debug)]
pub(crate) struct Descriptors {
    pool: DescriptorPool,
}

/// A method, with the types of its messages.
#[derive(Clone, Debug)]
pub(crate) struct Method {
    descriptor: MethodDescriptor,
    input: MessageDescriptor,
    output: MessageDescriptor,
}

/// Methods cannot be found out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemaError {
    /// A file is not there, or is no good.
    #[error("{source}{}", file.place())]
    File {
        /// The file.
        file: FileName,
        /// Why not.
        source: protox::Error,
    },
    /// Descriptors contradict each other.
    #[error("the descriptions of its messages do not fit together")]
    Descriptor(#[from] DescriptorError),
    /// There is no such method.
    #[error("there is no method `{name}`{}", near_text(near))]
    NoMethod {
        /// What was asked for.
        name: String,
        /// What there is instead.
        near: Vec<String>,
    },
    /// The server could not be asked.
    #[error("the server cannot be asked for its methods")]
    Connection(#[from] io::Error),
    /// The server does not speak as it should.
    #[error(
        "the server cannot be asked for its methods: it does not speak HTTP/2 and gRPC as it should"
    )]
    Malformed,
    /// The server does not tell.
    #[error(
        "the server does not tell its methods (status {status} of gRPC): give their `.proto` files under `grpc.proto`"
    )]
    NoReflection {
        /// Why not.
        status: u16,
    },
    /// The server does not tell all.
    #[error(
        "the server does not tell what `{name}` is: give its `.proto` files under `grpc.proto`"
    )]
    Untold {
        /// A file or a service.
        name: String,
    },
    /// More than any service has.
    #[error(
        "the server tells of more files than {files_max}: give its `.proto` files under `grpc.proto`"
    )]
    TooMuch {
        /// How many there may be.
        files_max: usize,
    },
}

impl Descriptors {
    /// Reads `.proto` files. Where no folders to look in are given, they are those of the files and of the
    /// document that names them.
    ///
    /// # Errors
    /// When a file is not there, or does not hold what it should.
    pub(crate) fn from_files(schema: &Schema) -> Result<Self, SchemaError> {
        // The current folder has a name here, unlike in paths that count from it.
        let from_here = |path: &Path| Path::new(".").join(path);
        let path = |it: &FileName| from_here(&it.path());
        let mut folders: Vec<PathBuf> = schema.include.iter().map(path).collect();
        if folders.is_empty() {
            let parents =
                schema.files.iter().filter_map(|it| path(it).parent().map(Path::to_owned));
            let own = schema.files.iter().map(|it| from_here(it.folder()));
            for folder in parents.chain(own) {
                if !folders.contains(&folder) {
                    folders.push(folder);
                }
            }
        }
        let Some(first) = schema.files.first() else { return Ok(Self::new(DescriptorPool::new())) };
        let wrong = |file: &FileName, source| SchemaError::File { file: file.clone(), source };
        let compiler = protox::Compiler::new(folders);
        let mut compiler =
            compiler.map_err(|it| wrong(schema.include.first().unwrap_or(first), it))?;
        compiler.include_imports(true);
        for file in &schema.files {
            compiler.open_file(path(file)).map_err(|it| wrong(file, it))?;
        }
        Ok(Self { pool: compiler.descriptor_pool() })
    }

    /// Those of a pool.
    pub(crate) const fn new(pool: DescriptorPool) -> Self {
        Self { pool }
    }

    /// The files that it is made of.
    #[cfg(test)]
    pub(super) fn files(
        &self,
    ) -> impl Iterator<Item = prost_reflect::prost_types::FileDescriptorProto> {
        self.pool.files().map(|it| it.file_descriptor_proto().clone())
    }

    /// A method by its name: `package.Service/Method`.
    ///
    /// # Errors
    /// When there is none; the error names those that are near.
    pub(crate) fn method(&self, name: &str) -> Result<Method, SchemaError> {
        let asked = name.trim_start_matches('/');
        let found = asked.rsplit_once('/').and_then(|(service, method)| {
            let service = self.pool.get_service_by_name(service)?;
            service.methods().find(|it| it.name() == method)
        });
        match found {
            Some(descriptor) => {
                let (input, output) = (descriptor.input(), descriptor.output());
                Ok(Method { descriptor, input, output })
            }
            None => {
                let services = self.pool.services();
                let all = services.flat_map(|it| {
                    let methods = it.methods().map(|it| full_name(&it));
                    methods.collect::<Vec<_>>()
                });
                Err(no_method(asked, all))
            }
        }
    }
}

impl Method {
    /// `package.Service/Method`.
    pub(crate) fn name(&self) -> String {
        full_name(&self.descriptor)
    }

    /// Whether it takes any number of messages, and not just one.
    pub(crate) fn takes_stream(&self) -> bool {
        self.descriptor.is_client_streaming()
    }

    /// Whether it gives any number of messages, and not just one.
    pub(crate) fn gives_stream(&self) -> bool {
        self.descriptor.is_server_streaming()
    }

    pub(super) fn path(&self) -> String {
        format!("/{}", self.name())
    }

    pub(super) const fn input(&self) -> &MessageDescriptor {
        &self.input
    }

    pub(super) const fn output(&self) -> &MessageDescriptor {
        &self.output
    }
}

fn full_name(method: &MethodDescriptor) -> String {
    format!("{}/{}", method.parent_service().full_name(), method.name())
}

/// The error that there is none, with those that are nearest by their spelling.
pub(super) fn no_method(name: &str, all: impl Iterator<Item = String>) -> SchemaError {
    let mut near: Vec<(f64, String)> =
        all.map(|it| (strsim::jaro_winkler(name, &it), it)).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let near = near.into_iter().take(NEAR_MAX).map(|(_, name)| name).collect();
    SchemaError::NoMethod { name: name.to_owned(), near }
}

fn near_text(near: &[String]) -> String {
    match near {
        [] => ": the description has no services".to_owned(),
        [one] => format!(": there is `{one}`"),
        several => format!("; near it are `{}`", several.join("`, `")),
    }
}
