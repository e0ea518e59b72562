//! What supervisor and guardian say to each other: JSON in frames of a 4-byte little-endian length.

use std::path::PathBuf;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::history::{Exit, Moment};

/// Longest frame accepted; a command line with its environment is far below.
const MAX_FRAME_BYTES: usize = 8 << 20;

/// A process to start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpawnRequest {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables set beside the supervisor's own.
    pub env: Vec<(String, String)>,
    /// Working directory.
    pub cwd: PathBuf,
    /// File that takes standard output and error, appended to.
    pub output: PathBuf,
}

/// To the guardian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Start a process. `id` is the supervisor's own number for it, never used twice.
    Spawn {
        /// Number of the process.
        id: u64,
        /// What to start.
        what: SpawnRequest,
    },
    /// Send a signal to a process started as `id`.
    Signal {
        /// Number of the process.
        id: u64,
        /// Number of this request, echoed in the answer.
        request: u64,
        /// The signal.
        signal: i32,
    },
    /// Kill every descendant, orphans included.
    Sweep {
        /// Number of this request, echoed in the answer.
        request: u64,
    },
    /// Remove this directory with everything in it if the supervisor is lost.
    RemoveWhenOrphaned {
        /// A directory that the run made.
        path: PathBuf,
    },
    /// Forget [`Request::RemoveWhenOrphaned`].
    KeepWhenOrphaned {
        /// Number of this request, echoed in the answer.
        request: u64,
    },
}

/// From the guardian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// A process was started.
    Spawned {
        /// Number of the process.
        id: u64,
        /// Its process id.
        pid: i32,
        /// When its program was executed.
        at: Moment,
    },
    /// A process could not be started.
    SpawnFailed {
        /// Number of the process.
        id: u64,
        /// Why.
        error: String,
    },
    /// A signal was sent, or not.
    Signalled {
        /// Number of the request.
        request: u64,
        /// When.
        at: Moment,
        /// Why not.
        error: Option<String>,
    },
    /// A sweep is complete (exits were reported before), or the directory will be kept.
    Done {
        /// Number of the request.
        request: u64,
    },
    /// A process that was started here has ended and was reaped.
    Exited {
        /// Number of the process.
        id: u64,
        /// Its process id.
        pid: i32,
        /// How it ended.
        how: Exit,
        /// When it was reaped.
        at: Moment,
    },
}

/// A frame that makes no sense; the connection is of no further use.
#[derive(Debug, thiserror::Error)]
#[error("malformed frame between supervisor and guardian: {0}")]
pub struct FrameError(String);

/// A message as a frame.
pub fn encode<M: Serialize>(message: &M) -> Vec<u8> {
    let body = serde_json::to_vec(message).expect("messages hold nothing that JSON cannot");
    let length = u32::try_from(body.len()).expect("a message is far below 4 GiB");
    let mut frame = length.to_le_bytes().to_vec();
    frame.extend(body);
    frame
}

/// Takes the first whole message out of `buffer`; none while it is incomplete.
pub fn decode<M: DeserializeOwned>(buffer: &mut Vec<u8>) -> Result<Option<M>, FrameError> {
    let Some(header) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_le_bytes(*header) as usize;
    if length > MAX_FRAME_BYTES {
        return Err(FrameError(format!("{length} bytes")));
    }
    let Some(body) = buffer.get(4..4 + length) else { return Ok(None) };
    let message = serde_json::from_slice(body).map_err(|error| FrameError(error.to_string()))?;
    buffer.drain(..4 + length);
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_any_split() {
        let first = Request::Signal { id: 3, request: 9, signal: 15 };
        let second = Request::RemoveWhenOrphaned { path: "/a/b".into() };
        let bytes = [encode(&first), encode(&second)].concat();
        for split in 0..=bytes.len() {
            let mut buffer = bytes[..split].to_vec();
            let mut seen = Vec::new();
            while let Some(message) = decode::<Request>(&mut buffer).unwrap() {
                seen.push(message);
            }
            buffer.extend(&bytes[split..]);
            while let Some(message) = decode::<Request>(&mut buffer).unwrap() {
                seen.push(message);
            }
            assert_eq!(seen, [first.clone(), second.clone()], "split at {split}");
            assert!(buffer.is_empty());
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(decode::<Request>(&mut vec![0xff; 8]).is_err());
        assert!(decode::<Request>(&mut [2u32.to_le_bytes().as_slice(), b"{}"].concat()).is_err());
    }
}
