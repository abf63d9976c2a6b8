//! Reflection: the server is asked which methods it has, and what their messages look like.
//!
//! It is asked once, before the load, in the way of `grpc.reflection.v1`, and of `v1alpha` where it does not know
//! that: both have the same messages. What it says is held to limits, since it goes into our memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};

use evenkeel_units::Moment;
use prost_reflect::DescriptorPool;
use prost_reflect::prost::Message;
use prost_reflect::prost_types::FileDescriptorProto;
use protox::file::{FileResolver, GoogleFileResolver};

use super::call::Ready;
use super::schema::no_method;
use super::{Descriptors, Grpc, SchemaError, Shared};
use crate::protocol::{Heard, Protocol};
use crate::template::NoValues;

/// How many files a description may have.
const FILES_MAX: usize = 1000;
/// How much the server may say to one question.
const SAID_BYTES_MAX: usize = 32 << 20;
/// How often it may be read from for one question.
const READS_MAX: usize = 100_000;
const VERSIONS: [&str; 2] = ["v1", "v1alpha"];
/// The status for what is not offered.
const UNIMPLEMENTED: u16 = 12;

/// What bytes are read from and written to.
pub(crate) trait ReadWrite: Read + Write {}

impl<T: Read + Write> ReadWrite for T {}

/// `ServerReflectionRequest`.
#[derive(Clone, PartialEq, prost::Message)]
struct Question {
    #[prost(oneof = "Asked", tags = "3, 4, 7")]
    asked: Option<Asked>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Asked {
    #[prost(string, tag = "3")]
    File(String),
    #[prost(string, tag = "4")]
    FileWith(String),
    #[prost(string, tag = "7")]
    Services(String),
}

/// `ServerReflectionResponse`.
#[derive(Clone, PartialEq, prost::Message)]
struct Said {
    #[prost(message, optional, tag = "4")]
    files: Option<Files>,
    #[prost(message, optional, tag = "6")]
    services: Option<Services>,
}

/// `FileDescriptorResponse`.
#[derive(Clone, PartialEq, prost::Message)]
struct Files {
    #[prost(bytes = "vec", repeated, tag = "1")]
    files: Vec<Vec<u8>>,
}

/// `ListServiceResponse`.
#[derive(Clone, PartialEq, prost::Message)]
struct Services {
    #[prost(message, repeated, tag = "1")]
    services: Vec<Service>,
}

/// `ServiceResponse`.
#[derive(Clone, PartialEq, prost::Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
}

impl Descriptors {
    /// Asks the server for what `methods` (`package.Service/Method`) need. `connect` makes a connection, over TLS
    /// where the load is, whose reads and writes end after some time.
    ///
    /// # Errors
    /// When the server does not answer, does not tell, or has none of a service.
    pub(crate) fn by_reflection(
        connect: impl FnMut() -> io::Result<Box<dyn ReadWrite>>,
        host: &str,
        secure: bool,
        methods: &[&str],
    ) -> Result<Self, SchemaError> {
        let mut server = Server { connect, host, secure, version: VERSIONS[0] };
        let services = server.services()?;
        let mut wanted = BTreeSet::new();
        for method in methods {
            let method = method.trim_start_matches('/');
            let service = method.rsplit_once('/').map_or(method, |(service, _)| service);
            if !services.contains(service) {
                return Err(no_method(method, services.iter().map(|it| format!("{it}/…"))));
            }
            wanted.insert(service.to_owned());
        }
        let mut asked: Vec<Asked> = wanted.into_iter().map(Asked::FileWith).collect();
        let mut files = BTreeMap::new();
        while !asked.is_empty() {
            let said = server.ask(asked.clone())?;
            for (said, asked) in said.into_iter().zip(&asked) {
                let before = files.len();
                for file in said.files.iter().flat_map(|it| &it.files) {
                    let file =
                        FileDescriptorProto::decode(&**file).map_err(|_| SchemaError::Malformed)?;
                    files.insert(file.name().to_owned(), file);
                }
                let told = match asked {
                    Asked::File(name) => files.contains_key(name),
                    Asked::FileWith(_) | Asked::Services(_) => {
                        files.len() > before || said.files.is_some()
                    }
                };
                if let (false, Asked::File(name) | Asked::FileWith(name)) = (told, asked) {
                    return Err(SchemaError::Untold { name: name.clone() });
                }
            }
            add_known(&mut files);
            if files.len() > FILES_MAX {
                return Err(SchemaError::TooMuch { files_max: FILES_MAX });
            }
            asked = missing(&files).into_iter().map(Asked::File).collect();
        }
        let mut pool = DescriptorPool::new();
        pool.add_file_descriptor_protos(files.into_values())?;
        Ok(Self::new(pool))
    }
}

/// The files that others need and that are not there.
fn missing(files: &BTreeMap<String, FileDescriptorProto>) -> BTreeSet<String> {
    let needed = files.values().flat_map(|it| &it.dependency);
    needed.filter(|it| !files.contains_key(*it)).cloned().collect()
}

/// Adds what comes with every compiler, since servers like to leave it out.
fn add_known(files: &mut BTreeMap<String, FileDescriptorProto>) {
    let known = GoogleFileResolver::new();
    loop {
        let missing = missing(files);
        let found = missing.iter().filter_map(|it| known.open_file(it).ok());
        let found: Vec<_> = found.map(|it| it.file_descriptor_proto().clone()).collect();
        if found.is_empty() {
            return;
        }
        files.extend(found.into_iter().map(|it| (it.name().to_owned(), it)));
    }
}

/// Whom we ask.
struct Server<'a, C> {
    connect: C,
    host: &'a str,
    secure: bool,
    version: &'static str,
}

impl<C: FnMut() -> io::Result<Box<dyn ReadWrite>>> Server<'_, C> {
    /// The names of its services. It is found out which version of reflection it knows.
    fn services(&mut self) -> Result<BTreeSet<String>, SchemaError> {
        let mut last = UNIMPLEMENTED;
        for version in VERSIONS {
            self.version = version;
            match self.ask(vec![Asked::Services("*".to_owned())]) {
                Ok(said) => {
                    let services = said.into_iter().filter_map(|it| it.services);
                    return Ok(services.flat_map(|it| it.services).map(|it| it.name).collect());
                }
                Err(SchemaError::NoReflection { status }) => last = status,
                Err(other) => return Err(other),
            }
            if last != UNIMPLEMENTED {
                break;
            }
        }
        Err(SchemaError::NoReflection { status: last })
    }

    /// Asks questions in one call, on a connection of its own.
    fn ask(&mut self, asked: Vec<Asked>) -> Result<Vec<Said>, SchemaError> {
        let path =
            format!("/grpc.reflection.{}.ServerReflection/ServerReflectionInfo", self.version);
        let questions: Vec<_> =
            asked.into_iter().map(|it| Question { asked: Some(it) }.encode_to_vec()).collect();
        // The path and its headers are ours.
        let call = Ready::raw(self.host, self.secure, &path, &questions)
            .map_err(|_| SchemaError::Malformed)?;
        let mut stream = (self.connect)()?;
        let (mut shared, mut out) = (Shared::default(), Vec::new());
        let mut grpc = Grpc::open(&mut shared, &mut out);
        grpc.begin(&mut shared, 0, &call, &NoValues, Moment::START, &mut out);
        let (mut buffer, mut bytes, mut said) = (vec![0; 64 * 1024], 0, Vec::new());
        for _ in 0..READS_MAX {
            stream.write_all(&out)?;
            stream.flush()?;
            out.clear();
            let length = match stream.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            bytes += length;
            if length == 0 || bytes > SAID_BYTES_MAX {
                return Err(SchemaError::Malformed);
            }
            let mut input = &buffer[..length];
            while let Some(heard) =
                grpc.read(&mut shared, &mut input, &mut out).map_err(|_| SchemaError::Malformed)?
            {
                match heard {
                    Heard::Body { data, .. } => {
                        said.push(Said::decode(data).map_err(|_| SchemaError::Malformed)?);
                    }
                    Heard::Status { status: 0, .. } | Heard::Header { .. } => {}
                    Heard::Status { status, .. } => {
                        return Err(SchemaError::NoReflection { status });
                    }
                    Heard::Done { .. } => return Ok(said),
                    Heard::Lost { .. } => return Err(SchemaError::Malformed),
                }
            }
        }
        Err(SchemaError::Malformed)
    }
}
