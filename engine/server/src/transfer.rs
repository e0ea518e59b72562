//! A snapshot on its way to replicas: from the child's pipe, or from the file, to their connections.
//!
//! One task reads and hands every piece to all receivers; each connection's own task writes it. A slow
//! replica slows the others, a lost one is left out.

use std::fs::File;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use commands::ClientId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};

use crate::shell::Shell;
use crate::transport::Transport;

/// Bytes read at a time.
const PIECE_BYTES: usize = 256 * 1024;
/// Pieces on their way to one replica.
const PIECES: usize = 4;

/// A part of a snapshot.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Bytes(Bytes),
    /// It was complete, and ended with a mark.
    EndMarked,
    /// It was complete, and had been announced with its length.
    EndSized,
}

/// Pieces for one connection; it ends without an end piece when the snapshot failed.
pub(crate) type PieceReceiver = mpsc::Receiver<Piece>;

/// How sending went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Marked,
    Sized,
    Failed,
}

/// Writes the pieces as they come. A replica that takes none for `stalled_after` is given up: until it has
/// its snapshot nothing else tells that it is gone, and all who share the snapshot wait for it.
pub(crate) async fn send(
    transport: &mut Transport,
    mut pieces: PieceReceiver,
    stalled_after: Duration,
) -> Sent {
    while let Some(piece) = pieces.recv().await {
        match piece {
            Piece::Bytes(bytes) => {
                let written = tokio::time::timeout(stalled_after, transport.write_all(&bytes)).await;
                if !matches!(written, Ok(Ok(()))) {
                    return Sent::Failed;
                }
            }
            Piece::EndMarked => return Sent::Marked,
            Piece::EndSized => return Sent::Sized,
        }
    }
    Sent::Failed
}

/// The ways to the replicas that a snapshot is for. Dropped before the end, they fail.
pub(crate) type Senders = Vec<mpsc::Sender<Piece>>;

/// Opens a way to every replica that waits for the snapshot. To be called before the server hears that the
/// snapshot's child has ended: then it begins the next one, whose replicas wait too, for other data.
pub(crate) fn open(shell: &Shell) -> Senders {
    let receivers = shell.with(|server, _| server.snapshot_receivers());
    receivers.into_iter().map(|id| open_one(shell, id)).collect()
}

fn open_one(shell: &Shell, id: ClientId) -> mpsc::Sender<Piece> {
    let (sender, receiver) = mpsc::channel(PIECES);
    shell.transfers.borrow_mut().insert(id, receiver);
    shell.wake(id);
    sender
}

/// Hands a piece to all who are still there.
async fn hand_out(senders: &mut Senders, piece: Piece) {
    let mut index = 0;
    while index < senders.len() {
        match senders[index].send(piece.clone()).await {
            Ok(()) => index += 1,
            Err(_) => drop(senders.swap_remove(index)),
        }
    }
}

/// Relays what the snapshot child writes into its pipe, framed by a mark. `ended` tells whether the child
/// ended well.
pub(crate) async fn relay_pipe(
    mut senders: Senders,
    mut pipe: pipe::Receiver,
    mark: [u8; 40],
    ended: oneshot::Receiver<bool>,
) {
    let mut header = b"$EOF:".to_vec();
    header.extend_from_slice(&mark);
    header.extend_from_slice(b"\r\n");
    hand_out(&mut senders, Piece::Bytes(header.into())).await;
    loop {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        match pipe.read_buf(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(_) => hand_out(&mut senders, Piece::Bytes(piece.into())).await,
        }
    }
    if ended.await == Ok(true) {
        hand_out(&mut senders, Piece::Bytes(Bytes::copy_from_slice(&mark))).await;
        hand_out(&mut senders, Piece::EndMarked).await;
    }
}

/// Sends the snapshot file, its length first.
pub(crate) async fn send_file(mut senders: Senders, file: File) -> io::Result<()> {
    let mut left = file.metadata()?.len();
    hand_out(&mut senders, Piece::Bytes(format!("${left}\r\n").into())).await;
    while left > 0 && !senders.is_empty() {
        let piece = read_piece(&file, left.min(PIECE_BYTES as u64) as usize)?;
        left -= piece.len() as u64;
        hand_out(&mut senders, Piece::Bytes(piece.into())).await;
    }
    hand_out(&mut senders, Piece::EndSized).await;
    Ok(())
}

/// Reads exactly `length` bytes; the file was written a moment ago and is in the page cache.
fn read_piece(mut file: &File, length: usize) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut piece = vec![0; length];
    file.read_exact(&mut piece)?;
    Ok(piece)
}
