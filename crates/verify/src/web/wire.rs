//! What goes between a row's process and the one that runs its web library: frames of JSON
//! and bytes, one reply to each request.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command};

use serde::{Deserialize, Serialize};

/// Most that a reply may bring, in bytes: logits and embeddings are far smaller.
const LARGEST: u32 = 1 << 30;

/// What is asked of the other side.
#[derive(Serialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Request<'a> {
    /// Load package and library.
    Open {
        /// With a GPU.
        gpu: bool,
    },
    /// A function of the registry.
    Global {
        /// Its name.
        name: &'a str,
    },
    /// Call a function.
    Call {
        /// Which, by its number.
        function: u64,
        /// With what.
        args: Vec<Given<'a>>,
    },
}

/// An argument.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Given<'a> {
    /// Nothing.
    None {},
    /// A number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// Words.
    Text(&'a str),
    /// Type code and index.
    Device((i32, i32)),
    /// The name of an element type.
    Dtype(String),
    /// Something that an earlier reply gave.
    Object(u64),
    /// The bytes that go with the request.
    Bytes {},
}

/// A reply; what it holds is what is there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Reply {
    pub int: Option<i64>,
    pub float: Option<f64>,
    pub bool: Option<bool>,
    pub text: Option<String>,
    /// The number of an object, its kind, and what a tensor is.
    pub object: Option<u64>,
    pub kind: String,
    pub shape: Vec<i64>,
    pub dtype: String,
    pub device: (i32, i32),
    error: Option<Failed>,
    #[serde(flatten)]
    pub opened: Opened,
}

/// What is known of the other side once it runs.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Opened {
    /// What the browser calls the GPU.
    pub adapter: Option<String>,
    /// What runs the page.
    pub with: Option<String>,
}

/// Why there is no reply.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Failed {
    /// JavaScript's name of the error.
    pub kind: String,
    /// Its words, after those of the runtime.
    pub message: String,
}

/// The process on the other side.
pub(crate) struct Bridge {
    child: Child,
    requests: BufWriter<ChildStdin>,
    replies: BufReader<ChildStdout>,
    /// Objects that nobody here holds any more.
    pub released: Vec<u64>,
}

impl Bridge {
    /// Starts the process, whose input and output are pipes.
    pub fn new(mut command: Command) -> io::Result<Bridge> {
        let mut child = command.spawn()?;
        let (Some(requests), Some(replies)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a process without pipes"));
        };
        Ok(Bridge {
            child,
            requests: BufWriter::new(requests),
            replies: BufReader::new(replies),
            released: Vec::new(),
        })
    }

    /// One request and its reply.
    pub fn ask(&mut self, request: &Request<'_>, bytes: &[u8]) -> Result<(Reply, Vec<u8>), Failed> {
        let (reply, bytes) = self.exchange(request, bytes).map_err(|error| Failed {
            kind: "Error".to_owned(),
            message: match self.child.try_wait() {
                Ok(Some(status)) => format!("the process of the web library ended: {status}"),
                _ => format!("the process of the web library does not answer: {error}"),
            },
        })?;
        match reply.error {
            Some(failed) => Err(failed),
            None => Ok((reply, bytes)),
        }
    }

    fn exchange(&mut self, request: &Request<'_>, bytes: &[u8]) -> io::Result<(Reply, Vec<u8>)> {
        #[derive(Serialize)]
        struct Framed<'a> {
            #[serde(flatten)]
            request: &'a Request<'a>,
            released: &'a [u64],
        }
        let framed = Framed {
            request,
            released: &self.released,
        };
        let json = serde_json::to_vec(&framed)?;
        self.released.clear();
        for part in [&json, bytes] {
            let length = u32::try_from(part.len()).map_err(io::Error::other)?;
            self.requests.write_all(&length.to_le_bytes())?;
        }
        self.requests.write_all(&json)?;
        self.requests.write_all(bytes)?;
        self.requests.flush()?;
        let lengths = [self.length()?, self.length()?];
        let [json, bytes] = lengths.map(|length| vec![0; length]);
        let (mut json, mut bytes) = (json, bytes);
        self.replies.read_exact(&mut json)?;
        self.replies.read_exact(&mut bytes)?;
        Ok((serde_json::from_slice(&json)?, bytes))
    }

    fn length(&mut self) -> io::Result<usize> {
        let mut length = [0; 4];
        self.replies.read_exact(&mut length)?;
        match u32::from_le_bytes(length) {
            length if length <= LARGEST => usize::try_from(length).map_err(io::Error::other),
            length => Err(io::Error::other(format!("a reply of {length} bytes"))),
        }
    }
}
